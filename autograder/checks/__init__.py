"""What check authors import: decorators, comparisons, properties, training."""

from autograder.checks.building import buffers, builtin, frozen, load, random_weights, sharing, state, twins
from autograder.checks.draw import Draw
from autograder.checks.finding import CheckFailure, check_that, fail
from autograder.checks.gradients import Pair, same_gradients
from autograder.checks.pictures import image_of, map_of, show_curves, show_image, show_map
from autograder.checks.properties import (
    batch_independent,
    causal,
    inputs_unmodified,
    must_raise,
    padding_invariant,
    permutation_equivariant,
    repeatable,
    same_in_eval,
    split_invariant,
    train_differs_from_eval,
)
from autograder.checks.same import same
from autograder.checks.training import Until, begins_alike, learned, three_steps, train
from autograder.marks import bans, hint, needs, points, trains, visibility

__all__ = [
    "CheckFailure",
    "Draw",
    "Pair",
    "Until",
    "bans",
    "batch_independent",
    "begins_alike",
    "buffers",
    "builtin",
    "causal",
    "check_that",
    "fail",
    "frozen",
    "hint",
    "image_of",
    "inputs_unmodified",
    "learned",
    "load",
    "map_of",
    "must_raise",
    "needs",
    "padding_invariant",
    "permutation_equivariant",
    "points",
    "random_weights",
    "repeatable",
    "same",
    "same_gradients",
    "same_in_eval",
    "sharing",
    "show_curves",
    "show_image",
    "show_map",
    "split_invariant",
    "state",
    "three_steps",
    "train",
    "train_differs_from_eval",
    "trains",
    "twins",
    "visibility",
]
