"""Pictures that decide nothing: drawn of the student and of the solution alike, of public examples, at no risk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from autograder.checks import Draw, same
from autograder.checks.case import CheckRun
from autograder.checks.draw import HOME_SECRET, derive_key
from autograder.checks.home import AtHome, load_dataset, open_reference
from autograder.checks.illustrations import Illustrations
from autograder.course import load_assignment
from autograder.course.illustrations import ILLUSTRATIONS, illustrated
from autograder.course.problems import Problem
from autograder.pipeline import Job
from autograder.records import Assignment, CheckResult, Outcome, Picture
from autograder.sandbox.loading import import_apart
from autograder.sandbox.remote import LocalTransport, Session
from autograder.sandbox.weights import Trained, read_state
from autograder.sandbox.worker import Executor

torch.set_num_threads(1)

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent for path in (ROOT / "solutions").glob(f"*/{ILLUSTRATIONS}"))
DOUBLED = """from autograder.checks import map_of
import torch

def double(student):
    return map_of("twice one", student.double(torch.ones(2, 2)))
"""
TRAINED = DOUBLED + "\n\ndef fit(trained):\n    return map_of('weights', trained.state['weight'])\n"

Local = Callable[..., tuple[Any, Any]]


def doubles(fixtures: Mapping[str, Any]) -> None:
    """A check of `double`."""
    x = fixtures["draw"](3, 4)
    same(fixtures["student"].double(x), fixtures["reference"].double(x))


def drawn(bench: Any, check: str = "test_double") -> CheckResult:
    """The result of `doubles` in the place of a check."""
    run = CheckRun(bench, next(each for each in bench.assignment.checks if each.id == check))
    run.case(doubles, "")
    return run.finish()


@pytest.fixture
def drawing(local_bench: Local, tiny: Assignment, tmp_path: Path) -> Callable[..., Any]:
    """A function that returns a bench with an illustrations file of a given text."""

    def make(text: str, source: str | None = None) -> Any:
        (tmp_path / ILLUSTRATIONS).write_text(text)
        bench, _ = local_bench(tiny, source) if source else local_bench(tiny)
        return replace(bench, illustrations=Illustrations(tmp_path))

    return make


def test_a_picture_stands_beside_the_right_one(drawing: Any, edited: Any) -> None:
    """Of right answers and of wrong ones; the right one is drawn once for all submissions."""
    bench = drawing(DOUBLED)
    (picture,) = drawn(bench).evidence.pictures
    assert picture.public
    assert [(panel.name, panel.values[0]) for panel in picture.panels] == [("yours", (2, 2)), ("expected", (2, 2))]
    wrong = replace(drawing(DOUBLED, edited(("return 2 * x", "return 3 * x"))), illustrations=bench.illustrations)
    result = drawn(wrong)
    assert result.outcome is Outcome.FAILED
    assert [picture.public for picture in result.evidence.pictures] == [False, True]
    assert [panel.values[0] for panel in result.evidence.pictures[1].panels] == [(3, 3), (2, 2)]
    assert len(bench.illustrations._right) == 1


@pytest.mark.parametrize("line", ["raise ValueError", "return None", "return 1 / 0", "return 'no picture'"])
def test_no_picture_costs_nothing(drawing: Any, line: str) -> None:
    """Whatever goes wrong while one is drawn, the check's result stands as it is."""
    result = drawn(drawing(f"def double(student):\n    {line}\n"))
    assert (result.outcome, result.earned, result.evidence.pictures) == (Outcome.PASSED, 10, ())


def test_what_was_not_trained_is_not_drawn(drawing: Any) -> None:
    """A check without a training leaves nothing for a picture of trained weights."""
    assert drawn(drawing(TRAINED), "test_fit").evidence.pictures == ()


def test_what_the_sandbox_draws_with_is_nothing_secret(drawing: Any) -> None:
    """The child of a picture is another one than the check's, and its seed is no secret's."""
    wishes = []
    bench = drawing(DOUBLED)
    opener = bench.open_student

    def open_student(wish: Any) -> Any:
        wishes.append(wish)
        return opener(wish)

    drawn(replace(bench, open_student=open_student))
    assert len(wishes) == 2
    assert wishes[0].seed != 0
    assert wishes[1].seed == 0


def test_the_picture_of_a_training_is_of_its_weights(desk: Any, hand_in: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """Through the whole pipeline: a right loop leaves the picture of the reference's own training."""
    (tmp_path / ILLUSTRATIONS).write_text(
        "from autograder.checks import map_of\n\n\n"
        "def fit(trained):\n    return map_of('weights', next(v for v in trained.state.values() if v.ndim == 2))\n"
    )
    pipeline = desk.pipeline()
    monkeypatch.setattr(pipeline._workshop, "_illustrations", Illustrations(tmp_path))
    grade = pipeline.grade(Job(hand_in(), b"a secret of the tests, thirty-two bytes and more"))
    (picture,) = next(each for each in grade.results if each.id == "test_fit").evidence.pictures
    yours, expected = picture.panels
    assert yours.values == expected.values


def test_an_illustration_belongs_to_its_check(tmp_path: Path, tiny: Assignment) -> None:
    """Its file is part of what that check measures and of nothing else; a name that is no check's is a problem."""
    problems: list[Problem] = []
    assert illustrated(tmp_path, tiny.checks, problems) == tiny.checks
    digests = []
    for text in (DOUBLED, DOUBLED.replace("twice", "two times"), DOUBLED + "\n\ndef _helper():\n    pass\n"):
        (tmp_path / ILLUSTRATIONS).write_text(text)
        checks = illustrated(tmp_path, tiny.checks, problems)
        changed = [new.id for old, new in zip(tiny.checks, checks, strict=True) if old.digest != new.digest]
        assert changed == ["test_double"]
        digests.append(next(each.digest for each in checks if each.id == "test_double"))
    assert len(set(digests)) == 3
    assert problems == []
    (tmp_path / ILLUSTRATIONS).write_text("def dubble(student):\n    pass\n")
    illustrated(tmp_path, tiny.checks, problems)
    (tmp_path / ILLUSTRATIONS).write_text("def (")
    illustrated(tmp_path, tiny.checks, problems)
    assert [problem.line for problem in problems] == [1, 1]
    assert "did you mean `test_double`?" in problems[0].message


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_assignments_pictures_can_be_drawn(folder: Path) -> None:
    """Each function draws the solution; weights of a training are replaced by those of a new model."""
    assignment = load_assignment(folder)
    earlier = [folder.parent / used.id for used in assignment.builds_on]
    illustrations = Illustrations(folder)
    names = [check.id for check in assignment.checks if check.id in illustrations]
    assert names

    def side() -> AtHome:
        return open_reference(assignment, earlier)

    for name in names:
        picture = one(illustrations, name, side)
        assert len(picture.panels) == 2
        assert any(value for row in picture.panels[0].values for value in row)
        assert [len(picture.rows), len(picture.columns)] in (
            [0, 0],
            [len(picture.panels[0].values), len(picture.panels[0].values[0])],
        )


def one(illustrations: Illustrations, check: str, side: Callable[[], AtHome]) -> Picture:
    """The picture of a check, drawn of the solution."""
    key = derive_key(HOME_SECRET, "an assignment", check, "", "draw")
    makers = {
        "student": lambda: side().session.root,
        "reference": lambda: side().session.root,
        "draw": lambda: Draw(key, torch.float64),
        "dataset": lambda: load_dataset,
        "trained": lambda: untrained(side()),
    }
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        (picture,) = illustrations.of(check, key, makers, makers)
    finally:
        torch.set_default_dtype(before)
    return picture


def untrained(side: AtHome) -> Trained:
    """What a training of no step returns: a4's model at its sizes, the only one that is drawn so far."""
    dates, pairs = load_dataset("dates"), load_dataset("pairs")
    forms = ("en_US", "ko_KR", "de_DE"), ("full", "long", "medium")
    sizes = len(pairs.Vocabulary(dates.characters(*forms))), len(pairs.Vocabulary(dates.ISO_CHARACTERS)), 32, 64
    return Trained(dict(read_state(side.session.root.AttnSeq2Seq(*sizes)).parameters), [], attached=False)


def test_patches_in_a_wrong_order_are_seen() -> None:
    """A program that reads patches down instead of across leaves handwriting that nobody can read."""
    folder = ROOT / "solutions" / "a7_vit"
    assignment = load_assignment(folder)
    earlier = [folder.parent / used.id for used in assignment.builds_on]
    wrong = import_apart([folder, *earlier], "vit")
    right = wrong.unpatchify
    wrong.unpatchify = lambda patches, patch, height, width: right(patches, patch, width, height).mT
    reference = open_reference(assignment, earlier).session.root
    makers = {"student": lambda: reference, "reference": lambda: reference, "dataset": lambda: load_dataset}
    student = {**makers, "student": lambda: Session(LocalTransport(Executor(wrong, folder))).root}
    (picture,) = Illustrations(folder).of("test_unpatchify", b"key", student, makers)
    yours, expected = picture.panels
    assert yours.values != expected.values
    assert sorted(v for row in yours.values for v in row) == sorted(v for row in expected.values for v in row)
