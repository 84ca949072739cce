"""What people read in other languages: complete, up to date, and never in the way of what was measured."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import jinja2
import pytest
import torch
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from autograder.checks import CheckFailure, same
from autograder.course.translation import read_translation, wording_of
from autograder.errors import ConfigurationError
from autograder.records import Finding, Outcome
from autograder.wording import LANGUAGES, SOURCE, wording_in
from autograder.wording.kinds import KINDS
from autograder.wording.sentences import SENTENCES

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "autograder" / "wording"
TEMPLATES = ROOT / "autograder" / "feedback" / "templates"
OTHERS = [language for language in LANGUAGES if language != SOURCE]
PLACE = re.compile(r"%\((\w+)\)s|\{(\w+)\}")


def catalogue(language: str) -> Catalog:
    """The catalogue that people edit."""
    with (FOLDER / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def used() -> set[Any]:
    """The sentences that templates and modules mark, as `make catalogues` finds them."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    keywords = {"N_": None, "_": None, "gettext": None, "ngettext": (1, 2)}
    return {
        found[2] for found in extract_from_dir(ROOT / "autograder", _below(methods), _options_below(options), keywords)
    }


def _below(methods: Any) -> Any:
    return [(pattern.removeprefix("autograder/"), method) for pattern, method in methods]


def _options_below(options: Any) -> Any:
    return {pattern.removeprefix("autograder/"): value for pattern, value in options.items()}


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_untranslated(language: str) -> None:
    """Each sentence that is used has its translation, with the same places in it; none is there that nobody uses."""
    known = {message.id: message for message in catalogue(language) if message.id}
    assert set(known) == used()
    for id_, message in known.items():
        ours, theirs = (id_, message.string) if isinstance(id_, tuple) else ((id_,), (message.string,))
        assert all(theirs), id_
        assert not message.fuzzy, id_
        for text in theirs:
            assert set(PLACE.findall(text)) == set(PLACE.findall(ours[-1])), id_


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_read_at_run_time_is_what_people_edit(language: str) -> None:
    """`make catalogues` was run after the last edit."""
    compiled = gettext.GNUTranslations(BytesIO((FOLDER / f"{language}.mo").read_bytes()))
    for message in catalogue(language):
        if isinstance(message.id, tuple):
            assert compiled.ngettext(*message.id, 1) == message.string[0]
        elif message.id:
            assert compiled.gettext(message.id) == message.string


NO_WORDS = re.compile(r"\b(?:CPU|autograder|class|float32|float64|stderr|stdout|torch)\b|\bs\b")


@pytest.mark.parametrize("template", sorted(path.name for path in TEMPLATES.glob("*.html")))
def test_no_sentence_of_a_template_misses_the_catalogue(template: str) -> None:
    """Letters outside of tags, expressions and marked sentences are none that anybody reads."""
    bare = "".join(_unmarked((TEMPLATES / template).read_text(encoding="utf-8")))
    texts = re.findall(r"(?:aria-label|title|alt)=\"([^\"]*)\"", bare) + re.split(r"<[^>]*>", bare)
    words = [NO_WORDS.sub("", text) for text in texts]
    assert [text.strip() for text in words if re.search(r"[A-Za-z]{2}", text)] == []


def _unmarked(source: str) -> Iterator[str]:
    """The text of a template that stands in no `trans` block; an expression leaves a blank."""
    inside, name = False, ""
    for _, kind, value in jinja2.Environment(extensions=["jinja2.ext.i18n"]).lex(source):
        if kind == "block_begin":
            name = ""
        elif kind == "name" and not name:
            name = value
            inside = {"trans": True, "endtrans": False}.get(value, inside)
        elif kind == "variable_begin":
            yield "0"
        elif kind == "data" and not inside:
            yield value


# --- sentences inside results ----------------------------------------------------------------------------------------


def examples() -> Iterator[tuple[str, str]]:
    """Each sentence with something in its places."""
    values = {
        "n": "3", "list": "0, 2", "figure": "0.5", "shape": "(2, 3)", "index": "[0, 1]", "name": "W_hh",
        "raw": "rnn.py",
        "axis": "axis 1 (time, if the batch comes first)", "place": "only index 2 differs along axis 1",
        "thing": "a tensor of shape (2, 3)", "words": "every value differs", "points": "4.5",
        "time": "2027-03-22 23:59 +0900", "delay": "1 d 2 h", "cost": "2 days begun x 10 %",
    }  # fmt: skip
    for sentence in SENTENCES:
        yield sentence, re.sub(r"\{([a-z]+)\d*\}", lambda place: values[place[1]], sentence)


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_is_recognised_with_what_stands_in_it(language: str) -> None:
    """No sentence hides behind another, and what is made of sentences is translated, too."""
    wording = wording_in(language)
    for sentence, text in examples():
        said = wording.said(text)
        assert said != text, sentence
        assert "differs" not in said, sentence
        assert "a tensor of" not in said, sentence
        assert not PLACE.search(said), sentence


def test_every_place_is_of_a_known_kind() -> None:
    """A place that KINDS does not have would match nothing."""
    names = {name for sentence in SENTENCES for name in re.findall(r"\{([a-z]+)\d*\}", sentence)}
    assert names == set(KINDS)


WRONG = {
    "transposed": (lambda x: x.mT, "전치된 것 같습니다"),
    "factor": (lambda x: 2 * x, "공통 배수 하나만 빼면"),
    "sign": (lambda x: -x, "부호가 반대"),
    "one axis more": (lambda x: x[None], "크기가 1인 축이 하나 더"),
    "flipped": (lambda x: x.flip(0), "0번 축(배치가 먼저라면 배치)의 순서를 뒤집으면"),
    "columns": (lambda x: x * torch.arange(1, 6), "마지막 축의 자리마다 그 자리만의 배수"),
    "left out": (lambda x: x * (x < 40), "이 자리들에서 답이 모두 0입니다"),
    "not finite": (lambda x: x / 0, "무한대"),
    "nothing": (lambda _: None, "return을 빠뜨리지 않았나요?"),
    "a list": (lambda x: [x, x], "첫 번째 것의 shape가 기대한 것과 같으니"),
    "one place": (lambda x: x + torch.eye(5)[0] * (torch.arange(4)[:, None] == 1), "인덱스 1만 다릅니다"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_engine_says_of_wrong_answers_is_recognised(name: str) -> None:
    """What `same` really says is put into Korean as a whole: no English word is left but those of the field."""
    change, expected = WRONG[name]
    right = torch.arange(1.0, 21).reshape(4, 5) ** 1.5
    with pytest.raises(CheckFailure) as caught:
        same(change(right), right)
    said = wording_in("ko").said(str(caught.value))
    assert expected in said
    known = r"NaN|None|shape|return|squeeze|transpose|torch\.\w+|dim"
    assert not re.search(r"[A-Za-z]{2}", re.sub(known, "", said)), said


def test_what_is_not_ours_stays_as_it_is() -> None:
    """An author's or a student's words are not touched, and nothing in a value is taken for a place."""
    wording = wording_in("ko")
    for text in ("Use the state.", "my {shape} is odd", "", "a; b: c\nd", "\\g<0> {n}", "x" * 100_000):
        assert wording.said(text) == text
        assert wording_in(SOURCE).said(text) == text
    assert wording.said("wrong as well: {raw} %(a)s").endswith("{raw} %(a)s")


# --- pages -----------------------------------------------------------------------------------------------------------


def test_a_page_in_korean(results: Any) -> None:
    """`--lang` turns sentences, messages and headings; names, numbers and the student's code stay."""
    finding = Finding("shape", "looks transposed (axes 0, 1): got (2, 3), expected (3, 2)", "tiny.py, line 2, in run")
    results.add(test_run={"outcome": Outcome.FAILED, "finding": finding}, source="def run(x):\n    return x\n")
    page = results.pages(language="ko")["ada"]
    assert '<html lang="ko">' in page
    for text in ("먼저 고칠 것", "전치된 것 같습니다(축 0, 1)", "tiny.py 2번째 줄, run", "점수 내역", "70"):
        assert text in page
    for text in ("Mend this first", "looks transposed", "How the score came about", "line 2"):
        assert text not in page
    assert "Mend this first" in results.pages()["ada"]


def test_the_class_page_in_korean(results: Any) -> None:
    """Those who teach read the same language."""
    results.add()
    page = results.pages("class", language="ko")["class"]
    assert "제출물 1건" in page
    assert "submission" not in re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)


def test_titles_and_hints_of_an_assignment_have_a_file_of_their_own(results: Any) -> None:
    """`checks.ko.yml` beside an assignment turns what its author wrote; what changed since stays English."""
    folder = results.assignment.folder
    check = next(check for check in results.assignment.checks if check.id == "test_run")
    texts = f'"{check.title}": 상태를 넘긴다.\nLook twice.: 두 번 보세요.\n'
    (folder / "checks.ko.yml").write_text(texts, encoding="utf-8")
    results.add(test_run={"outcome": Outcome.FAILED, "finding": Finding("values", "wrong value", "", "Look twice.")})
    page = results.pages(language="ko")["ada"]
    assert "상태를 넘긴다." in page
    assert "두 번 보세요." in page
    assert replace(wording_in("ko")).written(check.title) == check.title


def test_an_authors_text_may_have_places() -> None:
    """Numbers and names come back in the translation, also before what was compared; other braces are no places."""
    own = {
        "values lie beyond {figure}": "값이 {figure}을 벗어납니다",
        "the losses": "손실",
        "{x} is odd": "이상",
    }
    wording = replace(wording_in("ko"), own=own)
    assert wording.said("values lie beyond 0.25") == "값이 0.25을 벗어납니다"
    assert wording.said("values lie beyond b") == "values lie beyond b"
    assert wording.said("the losses: wrong value").startswith("손실: ")
    assert wording.said("the losses[0][1]: wrong value").startswith("손실[0][1]: ")
    assert wording.said("the weights: wrong value").startswith("the weights: ")
    assert wording.said("{x} is odd") == "이상"
    assert wording.said("4 is odd") == "4 is odd"


def test_a_translation_that_is_none_is_told(tmp_path: Path) -> None:
    """No file is no translation; a file that is not one is a mistake with its place."""
    assert read_translation(tmp_path, "ko") == {}
    assert wording_of(tmp_path, "en").written("A title.") == "A title."
    (tmp_path / "checks.ko.yml").write_text("- a\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"checks\.ko\.yml"):
        read_translation(tmp_path, "ko")
