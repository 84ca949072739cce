"""What a rehearsal asks only once, and what it must ask again."""

from __future__ import annotations

from typing import Any

import torch

from autograder.home.asked import Asked


def question(root: object, *args: object, op: str = "call") -> dict[str, Any]:
    """A question as it comes off the wire."""
    return {"op": op, "root": root, "path": [], "args": args, "kwargs": {}}


def made(asked: Asked, *args: object) -> object:
    """An object that the answer to a question holds."""
    thing = object()
    asked.again(question(None, *args))
    asked.gave(thing)
    return thing


def test_other_numbers_and_sizes_are_nothing_new() -> None:
    """A call with other values, sizes or another generator is known; another dtype, dimension or flag is not."""
    asked = Asked()
    assert not asked.again(question(None, torch.ones(2, 3), 4, torch.Generator()))
    assert asked.again(question(None, torch.zeros(5, 6), 7, torch.Generator()))
    for others in ((torch.ones(2), 4), (torch.ones(2, 3).long(), 4), (torch.ones(2, 3), 1), (torch.ones(2, 3), True)):
        assert not asked.again(question(None, *others, torch.Generator()))


def test_objects_with_one_past_are_alike() -> None:
    """The second model of a kind is asked nothing that the first one was asked; one of another kind is."""
    asked = Asked()
    one, two, other = made(asked, 3), made(asked, 5), made(asked, "GRU")
    weights = {"weight": torch.ones(3)}
    for thing, known in ((one, False), (two, True), (other, False)):
        assert asked.again({"op": "load", "module": thing, "weights": weights}) is known
        assert asked.again(question(thing, torch.ones(2))) is known
        assert asked.again(question(thing, torch.ones(4))), "the same was asked of the same object"


def test_what_was_done_to_an_object_makes_it_another() -> None:
    """A model that was put into another mode before is asked anew, and so is the second of two in one answer."""
    asked = Asked()
    one, two = made(asked), made(asked)
    assert not asked.again(question(one, torch.ones(2)))
    assert not asked.again({"op": "call", "root": two, "path": ["eval"], "args": (), "kwargs": {}})
    assert not asked.again(question(two, torch.ones(2)))
    left, right = object(), object()
    asked.again(question(None, "a pair"))
    asked.gave(left)
    asked.gave(right)
    assert not asked.again(question(left, 1.0))
    assert not asked.again(question(right, 1.0))
