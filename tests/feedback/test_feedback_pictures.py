"""Pictures on pages: what they show of a public check, that they show nothing of a hidden one, and what they cost."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest

from autograder.feedback.curve import FEWEST_RIGHT, band_of, chart_of
from autograder.feedback.pictures import DIFFERS, drawing_of
from autograder.records import Evidence, Finding, Moment, Outcome, Panel, Picture, PictureKind

FAILED = Outcome.FAILED
WRONG = Finding("values", "wrong values in 1 of 4 places, first at [0, 1]", "", "Look twice.")


def heat(*matrices: Any, **more: Any) -> Picture:
    """A picture of matrices."""
    names = ("yours", "expected")
    panels = tuple(Panel(name, tuple(map(tuple, each))) for name, each in zip(names, matrices, strict=False))
    return replace(Picture(PictureKind.HEAT, "answer[:, :]", panels), **more)


def plain(words: str) -> str:
    """No other language."""
    return words


def pictured(*pictures: Picture, **more: Any) -> dict[str, Any]:
    """Changes of a check that failed and has pictures."""
    return {"outcome": FAILED, "finding": WRONG, "evidence": Evidence(pictures=pictures), **more}


def test_two_matrices_have_a_third_that_shows_where_they_differ() -> None:
    """Only the wrong place is marked there; equal shades that lie side by side are one path."""
    drawing = drawing_of(heat([[1.0, 0.5], [0.0, -1.0]], [[1.0, 1.0], [0.0, -1.0]]), plain)
    assert drawing is not None
    assert [each.name for each in drawing.maps] == ["yours", "expected", f"{DIFFERS} (≤ 0.5)"]
    assert dict(drawing.maps[0].shades) == {"q8": "M0 0h1v1h-1z", "q4": "M1 0h1v1h-1z", "v8": "M1 1h1v1h-1z"}
    assert dict(drawing.maps[1].shades)["q8"] == "M0 0h2v1h-2z"
    assert drawing.maps[2].shades == (("w8", "M1 0h1v1h-1z"),)
    assert (drawing.low, drawing.high) == ("-1", "1")


def test_equal_matrices_differ_nowhere_and_rounding_is_no_value() -> None:
    """No empty map stands beside two equal ones, and what is left of a sum to one is zero."""
    for small in (1e-17, 1e-5):  # the last of the digits that are kept of small values is nothing to look for
        drawing = drawing_of(heat([[1.0, small]], [[1.0, 2 * small]]), plain)
        assert drawing is not None
        assert [each.name for each in drawing.maps] == ["yours", "expected"]
    drawing = drawing_of(heat([[1.0, 1e-17]], [[1.0, 2e-17]]), plain)
    assert drawing is not None
    assert (drawing.low, drawing.high, drawing.signed) == ("0", "1", False)


def test_letters_stand_upright_and_words_lean() -> None:
    """A column is as wide as two letters; a longer label would lie over its neighbour."""
    for words, leaning in ((("a", "나"), False), (("le", "chat"), True)):
        drawing = drawing_of(heat([[1.0, 0.5]], columns=words), plain)
        assert drawing is not None
        assert drawing.maps[0].leaning is leaning


@pytest.mark.parametrize(
    "picture",
    [
        heat(),
        heat([[]]),
        heat([[1.0], [1.0, 2.0]]),
        heat([[math.nan, math.inf]]),
        replace(heat([[1.0]]), kind=PictureKind.LINES),
        Picture(PictureKind.LINES, "", ()),
    ],
)
def test_what_is_no_picture_is_not_drawn(picture: Picture) -> None:
    """Whatever stands in a result, a page is made."""
    assert drawing_of(picture, plain) is None


def test_infinities_and_other_shapes_are_drawn_as_far_as_they_can_be() -> None:
    """No number has a colour of its own; matrices of two shapes are not compared."""
    drawing = drawing_of(heat([[math.nan, 1.0]], [[math.inf, 1.0]]), plain)
    assert drawing is not None
    assert ("no-number", "M0 0h1v1h-1z") in drawing.maps[0].shades
    assert drawing.maps[2].shades == (("w8", "M0 0h1v1h-1z"),)
    drawing = drawing_of(heat([[1.0, 1.0]], [[1.0]]), plain)
    assert drawing is not None
    assert len(drawing.maps) == 2
    huge = drawing_of(heat([[1.0] * 5000] * 5000), plain)
    assert huge is not None
    assert huge.maps[0].across == huge.maps[0].down == 48


def test_tokens_stand_beside_an_attention_map_and_curves_have_axes(results: Any) -> None:
    """Labels are text whatever they hold; a curve says what its axes are."""
    attention = heat([[1.0, 0.0]], [[0.0, 1.0]], rows=("<b>le",), columns=("고양이", "x" * 500))
    norms = Picture(
        PictureKind.LINES, "gradient of x", (Panel("yours", ((1.0, 0.1, 0.01),)),), x="step", y="norm of the gradient"
    )
    results.add(test_double=pictured(attention, norms))
    page = results.pages()["ada"]
    assert "&lt;b&gt;le</text>" in page
    assert "고양이</text>" in page
    assert "x" * 20 not in page
    assert ">step</text>" in page
    assert page.count("<polyline") == 1
    korean = results.pages(language="ko")["ada"]
    assert "제출한 답" in korean
    assert "x의 그래디언트" in korean


def test_what_passed_may_be_shown_too(results: Any) -> None:
    """An attention map of a right model is worth seeing."""
    results.add(test_double={"evidence": Evidence(pictures=(heat([[1.0, 0.0]], title="my map"),))})
    page = results.pages()["ada"]
    assert "What your right answers look like" in page
    assert "my map" in page


def test_no_picture_of_a_hidden_check_is_on_a_students_page(results: Any) -> None:
    """A picture holds values, and a submission could draw a check's inputs with its answers: staff alone see it."""
    for outcome in (FAILED, Outcome.PASSED):
        secret = pictured(heat([[0.123, 4.56]], title="HIDDEN-map", rows=("HIDDEN-row",)), outcome=outcome)
        results.add(test_run=secret, test_fit=secret, test_double=pictured(heat([[1.0]], title="public map")))
        for published in (True, False):
            page = results.pages(published=published)["ada"]
            assert "HIDDEN" not in page
            assert "0.123" not in page
            assert page.count('class="map">') == page.count("public map</figcaption>") == 1
        assert "HIDDEN-map" in results.pages("ta")["ada"]


def test_a_public_picture_of_a_hidden_check_is_for_its_student(results: Any) -> None:
    """What is made of public examples is shown as soon as the check is, right or wrong, and not before."""
    for outcome in (FAILED, Outcome.PASSED):
        public = replace(heat([[1.0]], [[0.5]], title="where it looks"), public=True)
        results.add(test_fit=pictured(public, heat([[1.0]], title="HIDDEN-map"), outcome=outcome))
        assert "where it looks" not in results.pages(published=False)["ada"]
        page = results.pages(published=True)["ada"]
        assert "where it looks</figcaption>" in page
        assert "HIDDEN" not in page


def test_a_page_full_of_pictures_is_small(results: Any) -> None:
    """The worst that checks may leave stays below 400 KB, and is cut to what somebody reads."""
    noise = [[((row * 7919 + column * 104729) % 97) / 97 - 0.5 for column in range(48)] for row in range(48)]
    worst = pictured(*[heat(noise, noise[::-1])] * 20)
    results.add(**{check.id: worst for check in results.assignment.checks})
    page = results.pages("ta")["ada"]
    assert 'class="map' in page
    assert len(page.encode()) < 400_000


# --- the band of right trainings -------------------------------------------------------------------------------------


def curve(first: float) -> tuple[float, ...]:
    """A training that halves its loss every ten steps."""
    return tuple(first * 0.5 ** (step / 10) for step in range(60))


def test_a_band_needs_enough_right_trainings() -> None:
    """Of fewer, it would show one student's curve to another; other lengths and infinities do not count."""
    few = [curve(1 + n / 10) for n in range(FEWEST_RIGHT - 1)]
    assert band_of(few) is None
    assert band_of([]) is None
    assert band_of([*few, (1.0,) * 9, (math.inf,) * 60]) is None
    band = band_of([*few, curve(9.0)])
    assert band is not None
    low, high = band.edges[0]
    assert 0.8 < low < high < 9.0  # not the curve of the one who lies far out
    assert chart_of(curve(1.0), {}, band).band.count(",") == 2 * len(band.edges)  # type: ignore[union-attr]
    assert chart_of(curve(1.0)[:40], {}, band).band == ""  # type: ignore[union-attr]


def test_a_wrong_training_is_drawn_against_the_right_ones(results: Any) -> None:
    """The band is the same for everyone, and is there with enough right submissions only."""
    worse = {"outcome": FAILED, "finding": WRONG, "evidence": Evidence(curve=tuple([3.0] * 60))}
    results.add("ada", test_fit=worse)
    for n in range(FEWEST_RIGHT - 1):
        results.add(f"right{n}", test_fit={"evidence": Evidence(curve=curve(1 + n / 10))})
    assert '<polygon class="band"' not in results.pages()["ada"]
    results.add("one more", test_fit={"evidence": Evidence(curve=curve(2))})
    pages = results.pages(only=["ada"])
    assert '<polygon class="band"' in pages["ada"]
    assert "where the losses of right submissions lie" in pages["ada"]


# --- what the handout says, and what counts --------------------------------------------------------------------------


def test_the_formulas_of_the_handout_stand_beside_what_is_wrong(results: Any) -> None:
    """Indented blocks of the part's own section, as they stand there."""
    file = results.root / "solutions" / "t1_tiny" / "handout.md"
    formula = "## 2. `rnn_cell`\n\nWords.\n\n    h' = tanh(W x + <b>)\n      x (B, I)\n\nMore words.\n"
    file.write_text(file.read_text(encoding="utf-8").replace("## 2. A cell\n", formula), encoding="utf-8")
    results.add(test_rnn_cell={"outcome": FAILED, "finding": WRONG})
    page = results.pages()["ada"]
    assert "From the handout" in page
    assert "h&#39; = tanh(W x + &lt;b&gt;)\n  x (B, I)</pre>" in page
    results.add()
    assert "From the handout" not in results.pages()["ada"]


def late(results: Any, **changes: Any) -> str:
    """The page of a submission that came an hour late, with a course that takes 10 % a day."""
    (results.root / "course.yml").write_text(
        "title: T\ntimezone: Asia/Seoul\n"
        "late_policy: {grace_minutes: 10, penalty_percent_per_day: 10, cap_percent: 50}\n"
        "assignments: [{id: t1_tiny, due: 2027-03-22T23:59, weight: 1}]\n",
        encoding="utf-8",
    )
    from datetime import datetime

    at = Moment(datetime.fromisoformat("2027-03-23T00:59+09:00"), "Moodle")
    results.add(handed_in=at, **changes)
    return results.pages(published=changes.pop("published", True))["ada"]


def test_lateness_stands_in_the_score_once_marks_are_out(results: Any) -> None:
    """What counts and every step to it; before publishing nothing of it, since it would tell the whole score."""
    page = late(results)
    assert "What counts: 90 of 100" in page
    assert "1 h late" in page
    assert "mark: 100 - 10 % = 90 of 100" in page
    page = results.pages(published=False)["ada"]
    assert "What counts" not in page
    page = results.pages(language="ko")["ada"]
    assert "점수: 100 - 10 % = 100점 중 90점" in page
    assert "늦음" in page


def test_what_people_said_stands_on_the_page_but_for_what_may_not_be_seen(results: Any) -> None:
    """Comments are text; one about a check that is never shown stays with those who grade."""
    from datetime import UTC, datetime

    from autograder.gradebook import open_book
    from autograder.gradebook.deciding import Author, Decision, decide

    results.add(test_run={"outcome": FAILED, "finding": WRONG})
    author = Author("lee", datetime(2027, 3, 24, tzinfo=UTC))
    for check, text in (("", "<i>well done"), ("test_run", "nearly right"), ("test_double", "neat")):
        points = "4" if check == "test_run" else None
        decide(open_book(results.root), "t1_tiny", "ada", Decision(check, points, None, text, "an idea"), author)
    page = results.pages()["ada"]
    assert "What counts: 74 of 100" in page
    assert "&lt;i&gt;well done" in page
    assert "nearly right" in page
    file = results.root / "solutions" / "t1_tiny" / "test_hidden.py"
    text = file.read_text(encoding="utf-8").replace("@points(30)\n@needs", '@points(30)\n@visibility("never")\n@needs')
    file.write_text(text.replace("import builtin,", "import visibility, builtin,"), encoding="utf-8")
    from autograder.course import load_assignment

    results.assignment = load_assignment(file.parent)
    page = results.pages()["ada"]
    assert "neat" in page
    assert "nearly right" not in page
    assert "test_run" not in page
    assert "nearly right" in results.pages("ta")["ada"]


def test_a_result_of_another_folder_has_no_mark(results: Any) -> None:
    """What counts is said of what the gradebook has, and of nothing else."""
    grade = results.add()
    from autograder.ledger import write_grade

    write_grade(results.folder / "ada.json", replace(grade, score=7, submission_digest="0" * 64))
    assert not re.search("What counts", results.pages()["ada"])
