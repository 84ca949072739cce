"""A stand-in stands wherever a submission bound the part while it was read, and nowhere else."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from autograder.sandbox.places import put_in_places

SOURCE = '''
import enum
from functools import partial


class Layer:
    """The part that is wrong."""

    def __init__(self, size=1):
        super().__init__()
        self.size = size


def half(x):
    return x / 3


class Stack:
    layer = Layer
    half = staticmethod(half)
    kinds = {"layer": Layer}

    @staticmethod
    def made(kind=Layer):
        return kind()


class Larger(Layer):
    """What was made of the part before stays what it is."""

    def __init__(self):
        super().__init__(2)


class Kind(enum.Enum):
    LAYER = enum.member(half)


def stacked(kind):
    class Made:
        def __init__(self):
            super().__init__()
            self.layers = [kind() for _ in range(2)]

    return Made


def by_name(*, kind=Layer):
    return kind()


Made = stacked(Layer)
make = partial(Layer, 4)
TABLE, LIST, PAIR = {"layer": Layer}, [Layer], (Layer, 1)
'''


class Right:
    """The stand-in for the class."""

    def __init__(self, size: int = 1) -> None:
        self.size = size


def right(x: float) -> float:
    """The stand-in for the function."""
    return x / 2


@pytest.fixture
def submission() -> Any:
    """A module of a student's, with both parts replaced."""
    module = ModuleType("submission")
    exec(compile(SOURCE, "submission.py", "exec"), vars(module))
    put_in_places(module, vars(module)["Layer"], Right)
    put_in_places(module, vars(module)["half"], right)
    return module


def test_what_was_bound_early_is_found(submission: Any) -> None:
    """Class attributes, tables, defaults, partials and what a factory closed over call the stand-in."""
    found = [
        submission.Layer,
        submission.Stack.layer,
        submission.Stack.kinds["layer"],
        submission.TABLE["layer"],
        submission.LIST[0],
        submission.PAIR[0],
    ]
    assert found == [Right] * len(found)
    made = [submission.Stack.made(), submission.by_name(), submission.make(), *submission.Made().layers]
    assert {type(each) for each in made} == {Right}
    assert submission.make().size == 4
    assert (submission.half(4), submission.Stack().half(4)) == (2, 2)


def test_what_was_made_of_the_part_still_works(submission: Any) -> None:
    """A subclass keeps its base, whose `super()` still knows its own class; an Enum that refuses is left alone."""
    assert submission.Larger().size == 2
    assert submission.Kind.LAYER.value(6) == 2


def test_what_is_not_the_submission_s_own_stays(submission: Any) -> None:
    """Functions and classes of other modules keep what they hold."""

    def theirs(kind: object = submission.Stack) -> object:
        return kind

    submission.theirs = theirs
    put_in_places(submission, submission.Stack, Right)
    assert theirs() is not Right
