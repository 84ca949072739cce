"""What one check leaves open another one of the same submission may settle."""

from __future__ import annotations

from autograder.diagnosis.together import ALSO, together
from autograder.records import Diagnosis


def found(*ids: str, distance: float = 0.0) -> Diagnosis:
    """A diagnosis of single mistakes that answer alike, each in a part of its own name."""
    first, *also = ids
    return Diagnosis(
        (first,), tuple(also), 3, 2, distance, f"in {first}", more_parts=tuple(f"in {id_}" for id_ in also)
    )


def test_a_mistake_that_is_certain_elsewhere_settles_an_open_one() -> None:
    """Its answers are explained already; parts go with their mistakes."""
    settled = together({"one": found("a", "b", "c"), "two": found("b"), "three": None})
    assert settled == {"one": found("b"), "two": found("b"), "three": None}


def test_what_was_settled_settles_more() -> None:
    """Of two that are open, one is settled by the other."""
    settled = together({"one": found("a", "b"), "two": found("b", "c"), "three": found("a")})
    assert settled["one"] == found("a")
    assert settled["two"] == found("b", "c")


def test_who_explains_more_checks_comes_first() -> None:
    """Nothing is certain, so all stay listed."""
    settled = together({"one": found("a", "b"), "two": found("c", "b")})
    assert settled == {"one": found("b", "a"), "two": found("b", "c")}


def test_pairs_and_leads_are_no_alternatives() -> None:
    """Two that were made together are certain; the closest mistake is no explanation of anything."""
    pair = Diagnosis(("a", "d"), (), 3, 2, 0.0, "x", more_parts=("y",))
    lead = found("b", distance=0.3)
    settled = together({"one": found("b", "a"), "two": pair, "three": lead})
    assert settled == {"one": found("a"), "two": pair, "three": lead}


def test_a_long_list_is_cut() -> None:
    """A reader learns no more from twenty names than from a few."""
    (only,) = together({"one": found(*"abcdefghij")}).values()
    assert only is not None
    assert len(only.also) == ALSO
