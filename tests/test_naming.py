"""How mistakes are named, proven: which pairs are planted, what counts, what is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.audit import Kind, Trial, Verdict
from autograder.audit import verdict as judged
from autograder.course import load_assignment
from autograder.naming import (
    Naming,
    named_in,
    naming_trials,
    random_pairs,
    seen_again,
    unclear_among,
    write_naming,
)
from autograder.proof import digest
from autograder.records import (
    Assignment,
    CheckResult,
    Confinement,
    Diagnosis,
    Finding,
    Grade,
    Outcome,
    RunInfo,
)
from autograder.variants import Variant, mistakes

RUN = RunInfo(Confinement.BEST_EFFORT, (), (), "cpu", "2", "0", "0")
MISTAKES = """
- {id: triple, edits: [{replace: "2 * x", with: "3 * x"}], caught_by: [test_double]}
- {id: once, edits: [{replace: "2 * x", with: "x"}], caught_by: [test_double]}
- {id: open, edits: [{replace: "return 2 * x", with: "return (2 * x"}], caught_by: [test_double]}
- {id: last, edits: [{replace: "functional as F", with: "functional as F  # last"}], caught_by: [test_double]}
- {id: told, why_not: "in words alone"}
"""


@pytest.fixture
def assignment(write_tiny: Callable[..., Path], tmp_path: Path) -> Assignment:
    """An assignment with mistakes of which not all fit together."""
    return load_assignment(write_tiny(tmp_path / "course", mistakes__yml=MISTAKES))


def test_pairs_are_two_edits_that_fit_into_one_file(assignment: Assignment) -> None:
    """Two edits of one line are no pair, nor is what Python cannot read; the draw is the same every time."""
    known = [each for each in mistakes(assignment) if each.files]
    found = {frozenset(each.id.split(" + ")) for each in random_pairs(assignment, known, 100)}
    assert found == {frozenset({"triple", "last"}), frozenset({"once", "last"})}
    assert [each.id for each in random_pairs(assignment, known, 1)] == [
        each.id for each in random_pairs(assignment, known, 100)
    ][:1]
    kinds = [trial.kind for trial in naming_trials(assignment, 1)]
    assert kinds == [Kind.MISTAKE] * 4 + [Kind.PAIR]


def trial(kind: Kind, id_: str, *named: Diagnosis | None) -> Verdict:
    """A verdict whose failed checks were diagnosed so."""
    results = tuple(
        CheckResult(f"test_{number}", Outcome.FAILED, 0, 5, Finding("values", "x"), diagnosis=found)
        for number, found in enumerate(named)
    )
    grade = Grade("x", "t1_tiny", 0, 100, results, (), (), RUN, "d")
    return Verdict(Trial(kind, Variant(id_, {}), 0), grade, ("test_0",), "")


def named(*ids: str, also: tuple[str, ...] = (), distance: float = 0.0) -> Diagnosis:
    """A diagnosis."""
    return Diagnosis(ids, also, 3, 2, distance, "double")


def test_only_what_a_diagnosis_puts_first_counts() -> None:
    """Alone or before others that answer alike; not behind another, not as the closest, not unnamed."""
    found = named_in(
        [
            trial(Kind.MISTAKE, "a", named("a")),
            trial(Kind.MISTAKE, "b", named("b", also=("a",))),
            trial(Kind.MISTAKE, "c", named("a", also=("c",)), named("a"), None),
            trial(Kind.MISTAKE, "d", named("d", distance=0.5)),
            trial(Kind.PAIR, "a + b", named("a", "b")),
            trial(Kind.PAIR, "a + c", named("a"), named("d")),
            trial(Kind.PAIR, "a + d", named("c"), named("a", distance=0.1)),
        ]
    )
    assert (found.mistakes, found.first) == (4, 2)
    assert {id_: (row["how"], row["instead"]) for id_, row in found.behind.items()} == {
        "c": ("listed", {"a": 2}),
        "d": ("not named", {}),
    }
    assert found.behind["c"]["why"].startswith("answers as a on all 3 calls of test_0")
    assert (found.pairs, found.one_of_pair, found.both_of_pair) == (3, 2, 1)
    assert found.missed == {"a + c": ("a", "d"), "a + d": ("c",)}
    assert "2 of 4 mistakes (50%)" in found.in_words()


def test_two_that_no_check_tells_apart_are_one() -> None:
    """Where both trials list both; not where a check of either one tells them apart."""
    both = [trial(Kind.MISTAKE, "a", named("a", also=("b",))), trial(Kind.MISTAKE, "b", named("a", also=("b",)))]
    found = named_in(both)
    assert (found.first, found.alike) == (1, 1)
    assert found.behind.keys() == {"b"}
    told = trial(Kind.MISTAKE, "a", named("a", also=("b",)), named("a"))
    assert named_in([told, both[1]]).alike == 0
    assert named_in([both[0], trial(Kind.MISTAKE, "b", named("a", also=("b",)), named("c", also=("b",)))]).alike == 0


def test_who_was_not_first_is_looked_at_again() -> None:
    """As in a class, on all checks; the second verdict counts. Pairs are left as they are."""
    one, two = trial(Kind.MISTAKE, "a", named("a")), trial(Kind.MISTAKE, "c", named("a", also=("c",)))
    pair = trial(Kind.PAIR, "a + c", named("a"))
    assert unclear_among([one, two, pair]) == (two.trial,)
    again = trial(Kind.MISTAKE, "c", named("c"))
    assert seen_again([one, two, pair], [again]) == (one, again, pair)


def test_a_pair_is_caught_when_any_check_catches_it() -> None:
    """One mistake may hide another; that nothing fails is a fault all the same."""
    pair = Trial(Kind.PAIR, Variant("a + b", {}, ("test_a", "test_b")), 0)
    results = [CheckResult("test_a", Outcome.FAILED, 0, 5), CheckResult("test_b", Outcome.PASSED, 5, 5)]
    grade = Grade("x", "t1_tiny", 0, 100, tuple(results), (), (), RUN, "d")
    assert judged(pair, grade).fault == ""
    missed = Grade("x", "t1_tiny", 0, 100, tuple(results[1:]), (), (), RUN, "d")
    assert judged(pair, missed).fault == "no check caught it"


def test_figures_say_what_they_hold_for(assignment: Assignment, tmp_path: Path) -> None:
    """The file carries the digest of the assignment, and each pair that was missed."""
    path = write_naming(tmp_path, assignment, Naming(4, 3, 0, {"c": {"how": "listed"}}, 2, 2, 1, {"a + c": ("a",)}))
    document = json.loads(path.read_text(encoding="utf-8"))
    assert path == tmp_path / "docs" / "measured" / "t1_tiny.naming.json"
    assert document["digest"] == digest(assignment.folder)
    assert (document["named_first"], document["both_of_pair"]) == (3, 1)
    assert document["missed_pairs"] == {"a + c": ["a"]}
