"""A failed check names the mistake behind it, from what the code answers and not from how it is written."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from autograder.diagnosis import Diagnostician, diagnose, replay
from autograder.feedback.known import diagnosed
from autograder.pipeline import Job
from autograder.records import Diagnosis, Grade, Outcome, Submission
from autograder.sandbox.worker import Executor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

Edited = Callable[..., str]
HandIn = Callable[..., Submission]
Write = Callable[..., Path]
SECRET = b"a secret of the tests, thirty-two bytes and more"
RIGHT_CELL = "return torch.tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh)"
IN_ANOTHER_HAND = """projected = torch.einsum("bi,hi->bh", x, weight_ih)
    recurrent = torch.addmm(bias_hh, h, weight_hh.t())
    return {activation}(recurrent + projected + bias_ih)"""
CELL_MISTAKES = f"""- id: tiny.no_tanh
  edits: [{{replace: "torch.tanh(x @", with: "(x @"}}]
  caught_by: [test_rnn_cell]
  hint: "What bounds the state?"
- id: tiny.no_bias
  edits: [{{replace: " + bias_hh)", with: ")"}}]
  caught_by: [test_rnn_cell]
  hint: "Two biases."
- id: tiny.nothing_else
  edits: [{{replace: "{RIGHT_CELL}", with: "return x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh"}}]
  caught_by: [test_rnn_cell]
  hint: "The same as no_tanh, written otherwise."
"""


RIGHT_ROLL = "return (torch.randperm(2000, generator=generator) < 960).long()[:, None]"
ROLLED = f"""

def roll(generator):
    \"\"\"Return 2000 throws, each 0 or 1, (2000, 1).\"\"\"
    ### BEGIN SOLUTION
    {RIGHT_ROLL}
    ### END SOLUTION
"""
"""Shares are exact and their order is not: what chance allows is known to the last throw."""
CHECK_OF_SHARES = """

@points(2)
def test_roll(student, draw):
    \"\"\"`roll` throws as often as it should.\"\"\"
    share = float(student.roll(draw.generator()).double().mean())
    check_that(abs(share - 0.48) < 0.045, "another share")
"""
OF_SHARES = """- id: tiny.of_the_right_law
  edits: [{replace: "< 960", with: "< 1040"}]
  caught_by: [test_roll]
  hint: "Who supplies the randomness?"
- id: tiny.loaded
  edits: [{replace: "< 960", with: "< 1500"}]
  caught_by: [test_roll]
  hint: "Weigh it."
"""


TWO = """

def two(x):
    \"\"\"Return x once and twice.\"\"\"
    ### BEGIN SOLUTION
    once = x
    twice = x + x
    return once, twice
    ### END SOLUTION
"""
CHECK_OF_TWO = """

@points(2)
def test_two(student, reference, draw):
    \"\"\"`two` returns both.\"\"\"
    x = draw(3)
    same(list(student.two(x)), list(reference.two(x)))
"""
OF_TWO = """- id: tiny.once_too_much
  edits: [{replace: "once = x", with: "once = x + x"}]
  caught_by: [test_two]
  hint: "Once."
- id: tiny.twice_too_much
  edits: [{replace: "twice = x + x", with: "twice = 2.5 * x"}]
  caught_by: [test_two]
  hint: "Twice."
"""


def longer(write_tiny: Write, root: Path, part: str, check: str, mistakes: str) -> Path:
    """The tiny assignment with one more function, a check of it for two points, and mistakes in it."""
    folder = write_tiny(root)
    read = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    hidden = (
        read["test_hidden.py"]
        .replace("points(5)", "points(3)")
        .replace("import builtin,", "import builtin, check_that,")
    )
    return write_tiny(
        root,
        tiny__py=read["tiny.py"] + part,
        test_hidden__py=hidden + check,
        mistakes__yml=read["mistakes.yml"] + mistakes,
    )


def diagnoses(grade: Grade) -> dict[str, Diagnosis]:
    """Check -> diagnosis, of the checks that have one."""
    return {result.id: result.diagnosis for result in grade.results if result.diagnosis}


def test_a_mistake_in_another_hand_is_named(desk: Any, hand_in: HandIn, edited: Edited) -> None:
    """Other operations, other names, another order: the answers are those of the known mistake, and so it is."""
    grade = desk.grade(hand_in(edited((RIGHT_CELL, IN_ANOTHER_HAND.format(activation="torch.nn.Identity()")))))
    found = diagnoses(grade)
    assert list(found) == ["test_rnn_cell"]
    assert found["test_rnn_cell"].mistakes == ("tiny.no_tanh",)
    assert found["test_rnn_cell"].certain
    assert (found["test_rnn_cell"].calls, found["test_rnn_cell"].wrong) == (1, 1)
    assert found["test_rnn_cell"].part == "rnn_cell"
    assert found["test_rnn_cell"].hints == {"en": "What bounds the state?"}


def test_a_mistake_of_the_loop_is_read_off_three_steps(desk: Any, hand_in: HandIn, edited: Edited) -> None:
    """Parameters after three steps tell gradients that pile up from everything else."""
    found = diagnoses(desk.grade(hand_in(edited(("        optimizer.zero_grad()\n", "        loss = None\n")))))
    assert found["test_fit"].mistakes == ("tiny.no_clearing",)
    assert found["test_fit"].wrong < found["test_fit"].calls  # one step is right


def test_right_work_is_not_examined(desk: Any, hand_in: HandIn) -> None:
    """Where nothing failed there is no diagnosis, and the catalogue is not even read."""
    pipeline = desk.pipeline()
    grade = pipeline.grade(Job(hand_in(), SECRET))
    assert diagnoses(grade) == {}
    assert pipeline._rounds._made is None


def test_an_unknown_mistake_is_not_called_by_a_known_name(desk: Any, hand_in: HandIn, edited: Edited) -> None:
    """What no mistake explains is at most said to be near one, with its distance."""
    grade = desk.grade(hand_in(edited((RIGHT_CELL, RIGHT_CELL.replace("torch.tanh", "torch.sin")))))
    assert all(found.distance > 0 and not found.certain for found in diagnoses(grade).values())


def test_the_closest_is_measured_on_right_calls_too(
    write_tiny: Write, tmp_path: Path, desk_for: Any, hand_in: HandIn, edited: Edited
) -> None:
    """A mistake that gives every wrong answer and spoils right ones is no explanation, only a lead."""
    catalogue = """- id: tiny.never_doubles
  edits: [{replace: "return 2 * x", with: "return x"}]
  caught_by: [test_double]
  hint: "Twice."
"""
    desk = desk_for(write_tiny(tmp_path / "closest", mistakes__yml=catalogue))
    found = diagnoses(desk.grade(hand_in(edited(("return 2 * x", "return x if len(x) > 1 else 2 * x")))))["test_double"]
    assert found.mistakes == ("tiny.never_doubles",)
    assert not found.exact
    assert (found.calls, found.wrong, found.explained, found.spoiled) == (2, 1, 1, 1)


def test_a_share_that_chance_explains_names_no_mistake(
    write_tiny: Write, tmp_path: Path, desk_for: Any, hand_in: HandIn
) -> None:
    """A mistake that draws by the right law is not named for a wrong one that lies near its draw; a wrong law is."""
    desk = desk_for(longer(write_tiny, tmp_path / "shares", ROLLED, CHECK_OF_SHARES, OF_SHARES))
    solution = (tmp_path / "shares" / "solutions" / "t1_tiny" / "tiny.py").read_text(encoding="utf-8")
    named = []
    for share in (1085, 1480):
        theirs = f"return (torch.randperm(2000, generator=generator).flip(0) < {share}).long()[:, None]"
        grade = desk.grade(hand_in(solution.replace(RIGHT_ROLL, theirs)))
        assert next(result for result in grade.results if result.id == "test_roll").outcome is Outcome.FAILED
        named.append([found.mistakes for found in diagnoses(grade).values() if found.certain])
    assert named == [[], [("tiny.loaded",)]]


def test_exceptions_and_missing_parts_name_no_mistake(desk: Any, hand_in: HandIn, edited: Edited) -> None:
    """A part that is not written, and one that raises as no known mistake does, fail without a diagnosis."""
    source = edited(("return 2 * x", "raise NotImplementedError"), (RIGHT_CELL, "return x.no_such_thing"))
    assert not any(found.certain for found in diagnoses(desk.grade(hand_in(source))).values())


@pytest.fixture
def cells(write_tiny: Write, tmp_path: Path, desk_for: Any) -> Any:
    """A desk whose catalogue has three mistakes of one line, two of them the same."""
    return desk_for(write_tiny(tmp_path / "cells", mistakes__yml=CELL_MISTAKES))


def test_two_mistakes_in_one_line_are_named_together(cells: Any, hand_in: HandIn, edited: Edited) -> None:
    """A pair whose answers are neither of one nor of the other is found by putting both in."""
    slip = "return x @ weight_ih.T + (h @ weight_hh.T + bias_ih)"
    found = diagnoses(cells.grade(hand_in(edited((RIGHT_CELL, slip)))))["test_rnn_cell"]
    assert found.distance == 0
    assert set(found.mistakes) == {"tiny.no_tanh", "tiny.no_bias"}


def test_a_mistake_that_alone_comes_no_nearer_is_found_in_a_pair(
    write_tiny: Write, tmp_path: Path, desk_for: Any, hand_in: HandIn
) -> None:
    """What it changes lies beneath the largest difference, which is the other one's: its answers tell, not how far."""
    folder = longer(write_tiny, tmp_path / "pair", TWO, CHECK_OF_TWO, OF_TWO)
    theirs = (folder / "tiny.py").read_text(encoding="utf-8").replace("once = x\n", "once = 2 * x\n")
    theirs = theirs.replace("twice = x + x", "twice = 5 * x / 2")
    found = diagnoses(desk_for(folder).grade(hand_in(theirs)))["test_two"]
    assert found.certain
    assert set(found.mistakes) == {"tiny.once_too_much", "tiny.twice_too_much"}


def test_what_is_hardly_nearer_is_no_lead(write_tiny: Write, tmp_path: Path, desk_for: Any, hand_in: HandIn) -> None:
    """A mistake that explains next to nothing of what is wrong would only send whoever grades the wrong way."""
    folder = longer(write_tiny, tmp_path / "lead", TWO, CHECK_OF_TWO, OF_TWO)
    right = (folder / "tiny.py").read_text(encoding="utf-8")
    desk = desk_for(folder)
    near = right.replace("once = x\n", "once = 1.9 * x\n")
    assert diagnoses(desk.grade(hand_in(near)))["test_two"].mistakes == ("tiny.once_too_much",)
    far = right.replace("once = x\n", "once = 1.3 * x - 9\n")
    assert "test_two" not in diagnoses(desk.grade(hand_in(far)))


def test_two_that_answer_alike_are_both_listed(cells: Any, hand_in: HandIn, edited: Edited) -> None:
    """Ambiguity is said, not guessed."""
    slip = "return x @ weight_ih.T + bias_ih + (h @ weight_hh.T + bias_hh)"
    found = diagnoses(cells.grade(hand_in(edited((RIGHT_CELL, slip)))))["test_rnn_cell"]
    assert {*found.mistakes, *found.also} == {"tiny.no_tanh", "tiny.nothing_else"}
    assert not found.certain


def test_what_passed_speaks_against_a_mistake(
    write_tiny: Write, tmp_path: Path, desk_for: Any, hand_in: HandIn, edited: Edited
) -> None:
    """Of two mistakes with the same answers, one that a passed check would have caught is not named."""
    catalogue = CELL_MISTAKES.replace("caught_by: [test_rnn_cell]", "caught_by: [test_double, test_rnn_cell]", 1)
    desk = desk_for(write_tiny(tmp_path / "cells", mistakes__yml=catalogue))
    slip = "return x @ weight_ih.T + bias_ih + (h @ weight_hh.T + bias_hh)"
    found = diagnoses(desk.grade(hand_in(edited((RIGHT_CELL, slip)))))["test_rnn_cell"]
    assert (found.mistakes, found.also) == (("tiny.nothing_else",), ())


def test_a_mistake_that_a_passed_check_refutes_is_never_certain(
    write_tiny: Write, tmp_path: Path, desk_for: Any, hand_in: HandIn, edited: Edited
) -> None:
    """Answers that only such a mistake gives come from something else with the same effect; those who grade read so."""
    catalogue = CELL_MISTAKES.replace("caught_by: [test_rnn_cell]", "caught_by: [test_double, test_rnn_cell]")
    desk = desk_for(write_tiny(tmp_path / "cells", mistakes__yml=catalogue))
    slip = "return x @ weight_ih.T + bias_ih + (h @ weight_hh.T + bias_hh)"
    found = diagnoses(desk.grade(hand_in(edited((RIGHT_CELL, slip)))))["test_rnn_cell"]
    assert {*found.mistakes, *found.also} == {"tiny.no_tanh", "tiny.nothing_else"}
    assert (found.against, found.exact, found.certain) == (("test_double",), False, False)
    assert "but test_double passed, which it fails: something else with the same effect here" in diagnosed(found)


def test_a_second_run_diagnoses_nothing_and_a_new_hint_is_told(
    write_tiny: Write, tmp_path: Path, desk_for: Any, hand_in: HandIn, edited: Edited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Diagnoses are kept; hints are not part of them."""
    folder = write_tiny(tmp_path / "mine")
    desk, wrong = desk_for(folder), hand_in(edited(("return 2 * x", "return x + x + x")))
    assert diagnoses(desk.grade(wrong))["test_double"].hints["en"] == "Count again."
    file = folder / "mistakes.yml"
    file.write_text(file.read_text(encoding="utf-8").replace("Count again.", "Twice."), encoding="utf-8")
    monkeypatch.setattr(Diagnostician, "diagnose", None)
    forks = len(desk.forks)
    found = diagnoses(desk.grade(wrong))["test_double"]
    assert (found.mistakes, found.hints["en"]) == (("tiny.triples",), "Twice.")
    assert len(desk.forks) == forks


def test_a_grown_catalogue_diagnoses_again_and_measures_nothing(
    write_tiny: Write, tmp_path: Path, desk_for: Any, hand_in: HandIn, edited: Edited
) -> None:
    """A mistake that is added to the catalogue is found in what was measured before."""
    folder = write_tiny(tmp_path / "mine")
    desk, wrong = desk_for(folder), hand_in(edited(("return 2 * x", "return x * x")))
    assert not diagnoses(desk.grade(wrong)).get("test_double", Diagnosis(("",), (), 0, 0, 1.0, "")).certain
    forks, file = len(desk.forks), folder / "mistakes.yml"
    squares = (
        '- id: tiny.squares\n  edits: [{replace: "return 2 * x", with: "return x ** 2"}]\n'
        "  caught_by: [test_double]\n  hint: Twice.\n"
    )
    file.write_text(file.read_text(encoding="utf-8") + squares, encoding="utf-8")
    assert diagnoses(desk.grade(wrong))["test_double"].mistakes == ("tiny.squares",)
    assert len(desk.forks) == forks


def test_what_was_asked_for_one_student_is_not_computed_for_the_next(
    desk: Any, hand_in: HandIn, edited: Edited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a class each question goes to the solution and to each mistake once, failures of theirs included."""
    asked: list[bytes] = []

    class Counting(Executor):
        def reply(self, frame: bytes) -> bytes:
            asked.append(frame)
            return super().reply(frame)

    monkeypatch.setattr(replay, "Executor", Counting)
    students = [hand_in(edited(("return 2 * x", f"return 3 * x{zero}"))) for zero in ("", " + 0", " - 0")]
    with closing(desk.pipeline()) as pipeline:
        first, *others = (
            (diagnoses(pipeline.grade(Job(each, SECRET))), len(asked), asked.clear()) for each in students
        )
    assert first[0]["test_double"].mistakes == ("tiny.triples",)
    assert first[1] > 0
    for found, count, _ in others:
        assert (found["test_double"], count) == (first[0]["test_double"], 0)


@pytest.mark.parametrize("kind", ["transcripts", "diagnoses"])
def test_damage_to_what_is_kept_costs_at_most_the_diagnosis(
    desk: Any, hand_in: HandIn, edited: Edited, kind: str
) -> None:
    """A damaged transcript is no transcript, a damaged diagnosis is made again; the grade stands either way."""
    wrong = hand_in(edited(("return 2 * x", "return 3 * x")))
    before = desk.grade(wrong)
    for path in desk.ledger.glob("*/*/*.kept"):
        if path.parts[-3] == kind:
            path.write_bytes(b"damaged")
        elif kind == "transcripts":
            path.unlink()
    after = desk.grade(wrong)
    assert after.score == before.score
    assert ("test_double" in diagnoses(after)) is (kind == "diagnoses")


def test_where_all_is_wrong_time_is_not_spent_without_end(
    desk: Any, hand_in: HandIn, edited: Edited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A submission has its seconds; what was not looked at for lack of them is not kept as without a diagnosis."""
    monkeypatch.setattr(diagnose, "SINGLES_S", 0.0)
    wrong = hand_in(edited(("return 2 * x", "return 3 * x")))
    assert diagnoses(desk.grade(wrong)) == {}
    monkeypatch.undo()
    assert diagnoses(desk.grade(wrong))["test_double"].mistakes == ("tiny.triples",)
