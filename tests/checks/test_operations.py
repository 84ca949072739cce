"""Operators are counted on the graph that is there anyway; what grows with the input is remarked on, never marked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from autograder.checks.operations import doubts, remarks
from autograder.sandbox.graphs import operators_in
from autograder.sandbox.remote import Call
from autograder.wording import wording_in

torch.set_num_threads(1)


def row_by_row(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """A product of matrices, one row after the other."""
    return torch.stack([(row * w.T).sum(-1) for row in x])


def test_every_operator_counts_once() -> None:
    """Leaves are none, a value that is used twice is made once; what is not attached has none."""
    x, w = (torch.ones(4, 4, requires_grad=True) for _ in range(2))
    assert operators_in([x @ w]) == 1
    assert operators_in([(y := torch.tanh(x @ w)) + y, y]) == 3
    assert operators_in([x]) == 0
    assert operators_in([(x @ w).detach()]) == 0
    assert operators_in([]) == 0


class Doubled(torch.autograd.Function):
    """A step with a backward pass of its own."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        """Twice x, in as many operators as one likes."""
        del ctx
        return x + x

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        """Twice the gradient."""
        del ctx
        return 2 * gradients[0]


def test_a_function_of_ones_own_hides_its_operators() -> None:
    """Where one is on the way nothing is counted: a single node says nothing about the work in it."""
    x = torch.ones(3, requires_grad=True)
    assert operators_in([torch.tanh(Doubled.apply(x) * 3)]) == 0


def test_a_loop_over_rows_shows_in_the_count() -> None:
    """The same numbers, more operators for every row."""
    w = torch.ones(3, 3, requires_grad=True)
    counts = [operators_in([row_by_row(torch.ones(rows, 3), w)]) for rows in (2, 5)]
    assert counts[1] - counts[0] >= 2 * 3
    layers = [operators_in([nn.Linear(3, 3)(torch.ones(rows, 3))]) for rows in (2, 5)]
    assert layers[0] == layers[1]


def test_what_takes_another_way_is_no_loop() -> None:
    """`einsum` over axes of size one, or a loss with nothing to do: fewer operators, and none for each place."""
    scores: dict[Call, int] = {}
    losses: dict[Call, int] = {}
    for size in (1, 3, 6):
        q, k = torch.ones(1, size, size, requires_grad=True), torch.ones(1, 4, size, requires_grad=True)
        made = operators_in([torch.einsum("...th,...sh->...ts", q, k)])
        scores["scores", (tuple(q.shape), tuple(k.shape))] = made
    for rows, labelled in ((3, False), (4, True)):
        logits = torch.ones(rows, 5, requires_grad=True)
        loss = logits.log_softmax(-1).mean()
        loss = loss + (logits.exp().sum(-1).log() - logits[:, 0]).mean() if labelled else loss
        losses["loss", (tuple(logits.shape),)] = operators_in([loss])
    for counts in (scores, losses):
        assert max(counts.values()) >= min(counts.values()) + 4
        assert remarks(counts, dict.fromkeys(counts, 7)) == ()


SMALL, LARGE = (("attend", ((2, 4, 8), (2, 4, 8))), ("attend", ((2, 7, 8), (2, 7, 8))))
WIDE = ("attend", ((1, 3, 9), (1, 3, 9)))
ONE, MORE = (("attend", ((2, 1, 8), (2, 4, 8))), ("attend", ((2, 3, 8), (2, 4, 8))))
"""With one query, and with three."""


@pytest.mark.parametrize(
    ("theirs", "ours", "seen"),
    [
        ({SMALL: 17, LARGE: 26}, {SMALL: 6, LARGE: 6}, "about 3 operators for each further position; a number"),
        ({SMALL: 80, LARGE: 140}, {SMALL: 20, LARGE: 35}, "about 20 operators for each further position; about 5"),
        ({SMALL: 6, LARGE: 6}, {SMALL: 6, LARGE: 6}, ""),
        ({SMALL: 20, LARGE: 35}, {SMALL: 20, LARGE: 35}, ""),
        ({SMALL: 24, LARGE: 42}, {SMALL: 20, LARGE: 35}, ""),
        ({SMALL: 10, LARGE: 13}, {SMALL: 6, LARGE: 6}, ""),
        ({SMALL: 17, LARGE: 26}, {SMALL: 6}, ""),
        ({SMALL: 17, WIDE: 60}, {SMALL: 6, WIDE: 6}, ""),
        ({SMALL: 0, LARGE: 30}, {SMALL: 6, LARGE: 6}, ""),
        ({ONE: 5, MORE: 11}, {ONE: 8, MORE: 8}, ""),
    ],
)  # fmt: skip
def test_what_grows_is_remarked_on(theirs: dict, ours: dict, seen: str) -> None:  # type: ignore[type-arg]
    """Where the reference's number stays, or grows far less; a style that costs a few more is nobody's affair."""
    found = remarks(theirs, ours)
    assert len(found) == bool(seen)
    assert all(words.startswith("attend runs ") and seen in words for words in found)
    assert all(wording_in("ko").said(words) != words for words in found)


def test_far_too_few_are_left_to_a_human() -> None:
    """A quarter of the reference's, where that has some; nothing is said of answers that are not attached."""
    (words,) = doubts({SMALL: 1}, {SMALL: 9})
    assert words.startswith("attend needs 1 operators where the solution needs 9")
    assert wording_in("ko").said(words) != words
    assert doubts({SMALL: 3}, {SMALL: 9}) == ()
    assert doubts({SMALL: 1}, {SMALL: 7}) == ()
    assert doubts({SMALL: 0}, {SMALL: 9}) == ()
