"""What the authors of assignments wrote is there in every language: titles, hints, and what checks say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import yaml

from autograder.course.checks_source import HIDDEN, PUBLIC
from autograder.course.illustrations import ILLUSTRATIONS
from autograder.course.load import ASSIGNMENT_FILE
from autograder.course.translation import read_translation, wording_of
from autograder.wording import LANGUAGES, SOURCE
from autograder.wording.kinds import KINDS

ROOT = Path(__file__).parent.parent
FOLDERS = sorted(file.parent for file in (ROOT / "solutions").glob(f"*/{ASSIGNMENT_FILE}"))
OTHERS = [language for language in LANGUAGES if language != SOURCE]
MESSAGES = {"check_that": 1, "fail": 1, "near": 3, "show_map": 1, "show_image": 1, "show_curves": 1} | {
    "map_of": 0,
    "image_of": 0,
}
"""Functions that take words, and at which place."""
NAMED = {"what", "where", "title", "x", "y"}
"""Arguments that are words, of whatever function."""
PLACE = re.compile(r"\{[a-z]+\d*\}")
HANGUL = re.compile(r"[가-힣]")
NO_KOREAN = re.compile(r"[\w'., ()=+*/<>-]*")
"""A hint that is a formula alone needs none."""


def said_in(folder: Path) -> dict[str, None]:
    """Every text of an assignment that people read beside the solution and the handout, in the order of the files.

    A value inside a text is a place: `{raw}`.
    """
    title = yaml.safe_load((folder / ASSIGNMENT_FILE).read_text(encoding="utf-8"))["title"]
    found = [str(title)]
    for name in (PUBLIC, HIDDEN, ILLUSTRATIONS):
        if (folder / name).exists():
            tree = ast.parse((folder / name).read_text(encoding="utf-8"))
            found += _titles_and_hints(tree)
            found += _messages(tree)
    return dict.fromkeys(found)


def _titles_and_hints(tree: ast.Module) -> Iterator[str]:
    for test in tree.body:
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
            yield (ast.get_docstring(test) or "").partition("\n")[0].strip()
            for decorator in test.decorator_list:
                if isinstance(decorator, ast.Call) and _name(decorator) == "hint":
                    yield from _texts(decorator.args[0])


def _messages(tree: ast.Module) -> Iterator[str]:
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            place = MESSAGES.get(_name(call), len(call.args))
            named = (each.value for each in call.keywords if each.arg in NAMED)
            words = [*call.args[place : place + 1], *named]
            yield from (text for value in words for text in _texts(value) if _is_sentence(text))


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _texts(value: ast.expr) -> Iterator[str]:
    """The texts that an expression may be; a value in the middle of one is a place, unless it is one of few words."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from (*_texts(value.body), *_texts(value.orelse))
    elif isinstance(value, ast.JoinedStr):
        places = sum(isinstance(each, ast.FormattedValue) for each in value.values)
        pieces, number = list[list[str]](), 0
        for each in value.values:
            if isinstance(each, ast.FormattedValue):
                number += 1
                pieces.append([*_texts(each.value)] or [f"{{raw{number if places > 1 else ''}}}"])
            else:
                pieces.append([*_texts(each)])
        yield from map("".join, product(*pieces))


def _is_sentence(text: str) -> bool:
    """Whether there is a word in it that no name and no formula is."""
    if PLACE.sub("", text).strip() == "":
        return False
    try:
        ast.parse(PLACE.sub("x", text).replace("'", ""), mode="eval")
    except SyntaxError:
        return True
    return bool(re.search(r" (?:and|or|not|in|is) |^not ", text))


def plain(text: str) -> str:
    """A text with its places all alike."""
    return PLACE.sub("{}", text)


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_text_of_an_assignment_is_translated(folder: Path, language: str) -> None:
    """Each has its words, with the same places; none is there whose text has changed."""
    known = read_translation(folder, language)
    wanted = {plain(text): text for text in said_in(folder)}
    assert sorted(wanted[text] for text in wanted.keys() - set(map(plain, known))) == []
    assert sorted(text for text in known if plain(text) not in wanted) == []
    for text, words in known.items():
        assert sorted(PLACE.findall(text)) == sorted(PLACE.findall(words)), text
        assert all(re.fullmatch(r"\{([a-z]+)\d*\}", place)[1] in KINDS for place in PLACE.findall(text)), text  # type: ignore[index]
        assert HANGUL.search(words) or NO_KOREAN.fullmatch(words), text
        assert re.findall(r"`[^`]*`", text) == re.findall(r"`[^`]*`", words) or sorted(
            re.findall(r"`[^`]*`", text)
        ) == sorted(re.findall(r"`[^`]*`", words)), text


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_hints_of_known_mistakes_are_translated(folder: Path, language: str) -> None:
    """mistakes.yml has each hint in every language."""
    known = yaml.safe_load((folder / "mistakes.yml").read_text(encoding="utf-8"))
    without = [each["id"] for each in known if each.get("hint") and not each.get(f"hint.{language}")]
    assert without == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_text_with_places_is_put_into_words(folder: Path) -> None:
    """What stands in a place comes back in the translation."""
    wording = wording_of(folder, "ko")
    for text in said_in(folder):
        said = wording.said(PLACE.sub("0.25", text))
        assert said.count("0.25") >= len(PLACE.findall(text)), text
        assert HANGUL.search(said) or NO_KOREAN.fullmatch(said), text
