from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autograder.checks.draw import HOME_SECRET, Draw, derive_key
from autograder.checks.finding import CheckFailure
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
from autograder.records import Finding
from autograder.sandbox.faults import StudentError

torch.set_num_threads(1)

BOTH = pytest.mark.parametrize("dtype", [torch.float64, torch.float32])


class FakeRemote:
    """A local function or module behind the proxy's manners: inputs are copied, exceptions are data."""

    def __init__(self, target: Callable[..., Any]) -> None:
        self._target = target

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return self.echo(*args, **kwargs)[0]

    def echo(self, *args: object, **kwargs: object) -> tuple[Any, tuple[Any, ...]]:
        """Return the answer and the copies as the call left them."""
        copies = tuple(arg.clone() if isinstance(arg, Tensor) else arg for arg in args)
        try:
            with torch.no_grad():
                answer = self._target(*copies, **kwargs)
        except Exception as error:
            raise StudentError(tuple(kind.__name__ for kind in type(error).__mro__[:-1]), str(error), ()) from error
        return answer, copies

    def eval(self) -> object:
        """Switch the module."""
        return self._target.eval()  # type: ignore[attr-defined]

    def train(self) -> object:
        """Switch the module."""
        return self._target.train()  # type: ignore[attr-defined]


def stream(dtype: torch.dtype = torch.float64) -> Draw:
    """The same numbers at every call."""
    return Draw(derive_key(HOME_SECRET, "test_properties"), dtype)


def why(run: Callable[[], None]) -> Finding:
    """Why a property does not hold."""
    with pytest.raises(CheckFailure) as caught:
        run()
    return caught.value.finding


# Code that a student could write


def rnn(x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """A correct recurrent layer: x (B, T, I), h (B, H) -> outputs (B, T, H), last state."""
    generator = torch.Generator().manual_seed(3)
    w = torch.randn(x.shape[-1] + 4, 4, generator=generator, dtype=torch.float64).to(x.dtype)
    h = x.new_zeros(len(x), 4) if h is None else h
    steps = []
    for t in range(x.shape[1]):
        h = torch.tanh(torch.cat([x[:, t], h], 1) @ w)
        steps.append(h)
    return torch.stack(steps, 1), h


def attention(diagonal: int = 0, fill: float = -math.inf) -> Callable[[Tensor], Tensor]:
    """Self-attention over (B, T, D) that keeps keys up to query + diagonal."""

    def attend(x: Tensor) -> Tensor:
        scores = x @ x.mT / math.sqrt(x.shape[-1])
        keep = torch.ones_like(scores, dtype=torch.bool).tril(diagonal)
        return scores.masked_fill(~keep, fill).softmax(-1).nan_to_num() @ x

    return attend


def zeros_like_outputs(x: Tensor, *_: object) -> Tensor:
    """The lazy answer: the right shape and nothing in it."""
    return torch.zeros_like(x)


def mean_over_batch(x: Tensor) -> Tensor:
    """Normalisation over the wrong axis."""
    return x - x.mean(0)


def mixed_by_view(x: Tensor) -> Tensor:
    """Time first by view instead of transpose."""
    return rnn(x.transpose(0, 1).reshape(x.shape))[0]


# Repeatable, inputs unmodified


def test_repeatable() -> None:
    """A second call must give the same answer: state that is kept between calls and random numbers are found."""
    kept: list[int] = []

    def counts(x: Tensor) -> Tensor:
        kept.append(1)
        return x * len(kept)

    x = stream()(3, 5, 2)
    repeatable(FakeRemote(rnn), x)
    repeatable(FakeRemote(lambda x, *, scale: x * scale), x, scale=2.0)
    repeatable(FakeRemote(lambda x: x / 0 * 0), x)  # NaN both times: another check's matter
    assert (
        "a second call with the same arguments gives another answer"
        in why(lambda: repeatable(FakeRemote(counts), x)).message
    )
    random = FakeRemote(lambda x: F.dropout(x, 0.5))
    assert why(lambda: repeatable(random, x)).kind == "property"
    growing = FakeRemote(lambda x: [counts(x)] * len(kept))
    assert "another answer: a list of" in why(lambda: repeatable(growing, x)).message


def test_inputs_unmodified() -> None:
    """A mask that is written into the scores it was given is found and the argument is named."""
    scores, mask = stream()(3, 4), stream()(3, 4) > 0
    inputs_unmodified(FakeRemote(lambda s, m: s.masked_fill(m, -1e9)), scores, mask)
    inputs_unmodified(FakeRemote(lambda s: s * 2), torch.full((2,), math.nan))
    finding = why(lambda: inputs_unmodified(FakeRemote(lambda m, s: s.masked_fill_(m, -1e9)), mask, scores))
    assert finding.message == "the call changes argument 2 (shape (3, 4)) in place: make a new tensor instead"
    finding = why(lambda: inputs_unmodified(FakeRemote(lambda s: s.requires_grad_()), scores))
    assert finding.message.startswith("the call switches requires_grad on in the caller's own argument 1")
    inputs_unmodified(FakeRemote(lambda s: s.detach().clone().requires_grad_()), scores)


# Batch


@BOTH
def test_batch_independent_passes(dtype: torch.dtype) -> None:
    """A recurrent layer treats examples apart, with a state beside the input and any number of examples."""
    draw = stream(dtype)
    x, h = draw(3, 5, 2), draw(3, 4)
    batch_independent(FakeRemote(rnn), x, draw=draw)
    batch_independent(FakeRemote(rnn), x, h, draw=draw, pick=1)
    batch_independent(FakeRemote(attention()), x, draw=draw)
    batch_independent(FakeRemote(lambda x, w: x @ w), x, draw=draw, rest=(draw(2, 7),))
    batch_independent(FakeRemote(lambda x, h: rnn(x, h[0])[1][None]), x, h[None], draw=draw, axis=(0, 1), out_axis=1)


@pytest.mark.parametrize(
    ("student", "words"),
    [
        (mixed_by_view, "reordering the batch does more than reorder the answer"),
        (mean_over_batch, "the answer for example 0 depends on the other examples of its batch"),
        (lambda x: x @ x.flatten(1).softmax(0).reshape(x.shape).mT, "depends on the other examples"),
        (zeros_like_outputs, "the answer is the same for every example in the batch"),
        (lambda x: x * len(x), "has another answer alone than in a batch"),
        (lambda x: x * math.nan, "NaN in a tensor of shape (3, 5, 2)"),
        (lambda x: x.sum(), "expected size 3 along axis 0 (the batch) of the answer, got a tensor of shape ()"),
        (lambda _: None, "expected 1 or more tensors, got None"),
        (lambda x: x.squeeze() if len(x) == 1 else x, "expected size 1 along axis 0"),
    ],
)
def test_batch_independent_fails(student: Callable[[Tensor], Any], words: str) -> None:
    """Mixing examples, ignoring them, and breaking on a batch of one are found."""
    draw = stream()
    assert words in why(lambda: batch_independent(FakeRemote(student), draw(3, 5, 2), draw=draw)).message


# Causality


@BOTH
def test_causal_passes(dtype: torch.dtype) -> None:
    """Recurrence and masked attention are causal, whatever the mask's fill value is."""
    draw = stream(dtype)
    x = draw(3, 6, 5)
    causal(FakeRemote(rnn), x, draw=draw)
    for fill in (-math.inf, -1e9, -1e4):
        causal(FakeRemote(attention(fill=fill)), x, draw=draw)
    causal(FakeRemote(lambda x: rnn(x.transpose(0, 1))[0].transpose(0, 1)), x, draw=draw, time=0)
    causal(FakeRemote(lambda x: rnn(x)[0].mT), x, draw=draw, out_time=2)
    causal(FakeRemote(lambda x, h: rnn(x, h)[::-1]), x, draw=draw, rest=(draw(3, 4),), pick=1)


def test_causal_takes_token_ids() -> None:
    """Ids are replaced by other ids of the vocabulary, and padding is left alone."""
    draw = stream()
    table = draw(11, 5)
    ids = draw.ints(3, 6, low=2, high=11)
    ids[:, -1] = 0

    def model(ids: Tensor) -> Tensor:
        assert ids.max() < 11
        assert bool((ids[:, -1] == 0).all())
        return rnn(table[ids])[0]

    causal(FakeRemote(model), ids, draw=draw, vocab=range(2, 11))
    future = FakeRemote(lambda ids: attention(5)(table[ids]))
    assert "looks into the future" in why(lambda: causal(future, ids, draw=draw, vocab=11)).message
    with pytest.raises(ValueError, match="vocab="):
        causal(future, ids, draw=draw)


@BOTH
@pytest.mark.parametrize(
    ("student", "words"),
    [
        (
            attention(1),
            "the answer at time 0 changes when only the input after time 0 changes: it looks into the future",
        ),
        (attention(6), "looks into the future"),
        (attention(fill=-1.0), "looks into the future"),
        (lambda x: rnn(x.flip(1))[0], "looks into the future"),
        (lambda x: x - x.mean(1, keepdim=True), "looks into the future"),
        (lambda x: x.softmax(1), "looks into the future"),
        (attention(-1), "the answer at time 1 does not change when the input at that time changes"),
        (zeros_like_outputs, "the answer at time 1 does not change"),
        (lambda x: torch.cat([x[:, :-1], torch.ones_like(x[:, :1])], 1), "the answer at time 5 does not change"),
        (lambda x: rnn(x)[1], "expected size 6 along axis 1 (time) of the answer, got a tensor of shape (3, 4)"),
    ],
)
def test_causal_fails(student: Callable[[Tensor], Any], words: str, dtype: torch.dtype) -> None:
    """Missing masks, masks that are off by one in either direction, and answers that ignore the input are found."""
    draw = stream(dtype)
    finding = why(lambda: causal(FakeRemote(student), draw(3, 6, 5), draw=draw, hint="which keys may a query see?"))
    assert words in finding.message
    assert finding.hint == "which keys may a query see?"


# Padding


def last_valid(x: Tensor, lengths: Tensor) -> Tensor:
    """The output at the last real step of each sentence."""
    return rnn(x)[0][torch.arange(len(x)), lengths - 1]


def masked_attention(x: Tensor, lengths: Tensor) -> Tensor:
    """Attention that ignores padded keys."""
    scores = x @ x.mT
    padded = torch.arange(x.shape[1])[None, None] >= lengths[:, None, None]
    return scores.masked_fill(padded, -1e9).softmax(-1) @ x


@BOTH
def test_padding_invariant_passes(dtype: torch.dtype) -> None:
    """Right treatment of padding passes, with an answer for each step and with one for each sentence."""
    draw = stream(dtype)
    x, lengths = draw(4, 6, 5), draw.lengths(4, low=1, high=6)
    padding_invariant(FakeRemote(masked_attention), x, lengths, pad=0.0, draw=draw)
    padding_invariant(FakeRemote(last_valid), x, lengths, pad=0.0, draw=draw, pooled=True)
    padding_invariant(FakeRemote(lambda x, _: rnn(x)), x, lengths, pad=0.0, draw=draw)
    padding_invariant(FakeRemote(lambda x, n: masked_attention(x.mT, n).mT), x.mT, lengths, pad=0.0, draw=draw, time=2)


def test_padding_invariant_takes_token_ids() -> None:
    """A function that finds padding by its id keeps it, one that is told lengths gets other ids in it."""
    draw = stream()
    table, ids, lengths = draw(11, 5), draw.ints(4, 6, low=1, high=11), draw.lengths(4, low=2, high=6)
    by_id = FakeRemote(lambda ids, _: masked_attention(table[ids], (ids != 0).sum(1)))
    told = FakeRemote(lambda ids, n: masked_attention(table[ids], n))
    padding_invariant(by_id, ids, lengths, pad=0, draw=draw)
    padding_invariant(told, ids, lengths, pad=0, draw=draw, vocab=11)
    assert why(lambda: padding_invariant(by_id, ids, lengths, pad=0, draw=draw, vocab=11)).kind == "property"


@pytest.mark.parametrize(
    ("student", "pooled", "words"),
    [
        (lambda x, _: rnn(x)[0][:, -1], True, "changes when only its padding changes"),
        (lambda x, _: x.mean(1), True, "changes when only its padding changes"),
        (lambda x, n: (x * (x != 0)).sum(1) / x.shape[1] + 0 * n[:, None], True, "only its padding changes"),
        (lambda x, n: x[torch.arange(len(x)), n - 1] / x.shape[1], True, "is another one alone than in a padded batch"),
        (lambda x, _: x @ x.mT @ x, False, "changes when only its padding changes"),
        (lambda x, _: rnn(x.flip(1))[0].flip(1), False, "changes when only its padding changes"),
        (zeros_like_outputs, False, "the answer is the same for every sentence"),
        (lambda x, _: x[:, 0], False, "expected size 6 along axis 1 (time)"),
    ],
)
def test_padding_invariant_fails(student: Callable[..., Any], pooled: bool, words: str) -> None:
    """Reading, counting or starting from padding is found."""
    draw = stream()
    x, lengths = draw(4, 6, 5), torch.tensor([4, 6, 1, 3])
    run = lambda: padding_invariant(FakeRemote(student), x, lengths, pad=0.0, draw=draw, pooled=pooled)  # noqa: E731
    assert words in why(run).message


def test_a_padding_check_needs_padding() -> None:
    """A check whose sentences are all full is the author's mistake."""
    with pytest.raises(ValueError, match="shorter"):
        padding_invariant(FakeRemote(last_valid), stream()(2, 3, 5), torch.tensor([3, 3]), pad=0.0, draw=stream())


# State


@BOTH
def test_split_invariant_passes(dtype: torch.dtype) -> None:
    """A run can stop anywhere and go on from its state, given or not, one tensor or two."""
    draw = stream(dtype)
    x, h = draw(3, 6, 5), draw(3, 4)
    split_invariant(FakeRemote(rnn), x, h)
    split_invariant(FakeRemote(rnn), x, None)
    two = FakeRemote(lambda x, s: (rnn(x, s[0])[0], (rnn(x, s[0])[1], s[1] + x.sum(1))))
    split_invariant(two, x, (h, draw(3, 5)))


@pytest.mark.parametrize(
    ("student", "words"),
    [
        (lambda x, _: rnn(x), "give different outputs"),
        (lambda x, h: (rnn(x, h)[0], h), "give different outputs"),
        (lambda x, h: (rnn(x, h)[0], rnn(x, h)[0][:, 0]), "end in different states"),
        (lambda x, h: (x, h + x.shape[1] ** 2), "end in different states"),
        (lambda x, h: (x, h), "the state that is passed in changes nothing"),
        (lambda x, h: rnn(x, h)[0], "expected (outputs, state), got a tensor of shape (3, 6, 4)"),
    ],
)
def test_split_invariant_fails(student: Callable[..., Any], words: str) -> None:
    """A state that is ignored, not updated, or the wrong one is found."""
    draw = stream()
    assert words in why(lambda: split_invariant(FakeRemote(student), draw(3, 6, 5), draw(3, 4))).message


# Order


@BOTH
def test_permutation_equivariant(dtype: torch.dtype) -> None:
    """Attention without positions commutes with reordering; recurrence, positions and zeros do not pass."""
    draw = stream(dtype)
    x = draw(3, 6, 5)
    permutation_equivariant(FakeRemote(attention(6)), x, axis=1, draw=draw)
    permutation_equivariant(FakeRemote(lambda x: attention(6)(x).mT), x, axis=1, draw=draw, out_axis=2)
    for student, words in [
        (lambda x: rnn(x)[0], "reordering the input along axis 1 does more than reorder the answer"),
        (lambda x: x + torch.arange(6)[:, None], "does more than reorder"),
        (zeros_like_outputs, "the answer is the same for every position along axis 1"),
    ]:
        with pytest.raises(CheckFailure, match=words):
            permutation_equivariant(FakeRemote(student), x, axis=1, draw=draw)


# Modes


class AlwaysDropping(nn.Module):
    """Dropout that never looks at the mode."""

    def forward(self, x: Tensor) -> Tensor:
        """Drop half."""
        return F.dropout(x, 0.5)


def test_modes() -> None:
    """Dropout that ignores eval mode and dropout that is missing are found; the module is left in eval mode."""
    x = stream()(4, 50)
    right = nn.Dropout(0.5)
    same_in_eval(FakeRemote(right), x)
    train_differs_from_eval(FakeRemote(right), x)
    assert not right.training
    assert (
        "a second call in eval mode gives another answer"
        in why(lambda: same_in_eval(FakeRemote(AlwaysDropping()), x)).message
    )
    finding = why(lambda: train_differs_from_eval(FakeRemote(nn.Identity()), x, hint="where is the dropout?"))
    assert finding.message == "the answer is the same in train mode and in eval mode"
    assert finding.hint == "where is the dropout?"


# Exceptions


def heads(width: int, count: int) -> int:
    """The size of one head."""
    if width % count:
        raise ValueError("width must be a multiple of count")
    return width // count


def unhelpful(width: int, count: int) -> int:
    """The size of one head, with an assertion for an argument check."""
    assert width % count == 0
    return width // count


def refuses(width: int, count: int) -> int:
    """The lazy answer to a check that asks for an exception."""
    raise ValueError(f"{width} {count}")


def test_must_raise() -> None:
    """The right type, or one derived from it, must be raised by the invalid call and nothing by the valid one."""
    must_raise("ValueError", FakeRemote(heads), 10, 3, valid=(12, 3))
    must_raise(("TypeError", "ValueError"), FakeRemote(heads), 10, 3, valid=(12, 3))
    must_raise("ArithmeticError", FakeRemote(heads), 10, 0, valid=(12, 3))

    def message(student: Callable[..., Any]) -> str:
        return why(lambda: must_raise("ValueError", FakeRemote(student), 10, 3, valid=(12, 3))).message

    assert (
        message(lambda width, count: width // count)
        == "invalid arguments should raise ValueError, but nothing is raised"
    )
    assert message(unhelpful) == "invalid arguments should raise ValueError, but AssertionError is raised"
    assert (
        message(refuses) == "a call with valid arguments raises ValueError; only invalid ones should raise ValueError"
    )


def test_messages_hold_no_values() -> None:
    """What a property says about a hidden input is its shape and how far an answer moved, with one figure."""
    draw = stream()
    x = draw(3, 6, 5)
    message = why(lambda: batch_independent(FakeRemote(mean_over_batch), x, draw=draw)).message
    assert re.search(r" \(by about (0\.)?\d of its size\)$", message)
    assert len(re.findall(r"[\d.]+", message)) == 2


def test_too_small_an_input_is_the_authors_mistake() -> None:
    """A property that cannot show on the given input raises instead of passing."""
    draw = stream()
    with pytest.raises(ValueError, match="size 2 or more"):
        causal(FakeRemote(rnn), draw(3, 1, 5), draw=draw)
    with pytest.raises(ValueError, match="size 2 or more"):
        batch_independent(FakeRemote(rnn), draw(1, 5, 2), draw=draw)
    with pytest.raises(ValueError, match="size 2 or more"):
        split_invariant(FakeRemote(rnn), draw(3, 1, 5), None)
