from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autograder.checks.draw import HOME_SECRET, Draw, derive_key
from autograder.checks.finding import CheckFailure
from autograder.checks.gradients import Pair, same_gradients
from autograder.records import Finding

torch.set_num_threads(1)

BOTH = pytest.mark.parametrize("dtype", [torch.float64, torch.float32])


@dataclass
class Products:
    """What the other side answers."""

    arg_grads: Sequence[Tensor | None]
    parameter_grads: Mapping[str, Tensor | None]


class FakeRemote:
    """A local function or module that is differentiated as the worker does it."""

    def __init__(self, target: Callable[..., Any]) -> None:
        self.target = target

    def __call__(self, *args: object, **kwargs: object) -> Any:
        with torch.no_grad():
            return self.target(*map(self._here, args), **kwargs)

    def vjp(self, args: Sequence[object], kwargs: Mapping[str, object], cotangents: Sequence[Tensor]) -> Products:
        """Differentiate with respect to every float tensor among the arguments and every parameter."""
        here = [self._here(arg) for arg in args]
        named = {name: value.clone() if isinstance(value, Tensor) else value for name, value in kwargs.items()}
        inputs = [leaf.requires_grad_() for leaf in _floats([here, list(named.values())])]
        modules = [module for module in (self.target, *here) if isinstance(module, nn.Module)]
        parameters = {name: p for module in modules for name, p in module.named_parameters()}
        for parameter in parameters.values():
            parameter.grad = None
        outputs = _floats(self.target(*here, **named))
        pairs = [(out, v) for out, v in zip(outputs, cotangents, strict=True) if out.requires_grad]
        if pairs:
            torch.autograd.backward([out for out, _ in pairs], [v for _, v in pairs])
        return Products([leaf.grad for leaf in inputs], {name: p.grad for name, p in parameters.items()})

    def _here(self, value: object) -> Any:
        if isinstance(value, FakeRemote):
            return value.target
        return value.clone() if isinstance(value, Tensor) else value


def _floats(value: object) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value] if value.is_floating_point() else []
    return [leaf for item in value for leaf in _floats(item)] if isinstance(value, list | tuple) else []


def stream(dtype: torch.dtype = torch.float64) -> Draw:
    """The same numbers at every call."""
    return Draw(derive_key(HOME_SECRET, "test_gradients"), dtype)


Layer = Callable[[Tensor, Tensor, Tensor, Tensor], Any]
NAMES = ("x", "h", "weight_ih", "weight_hh")


def run(student: Layer, reference: Layer, dtype: torch.dtype = torch.float64) -> float:
    """Compare two recurrent layers; returns the margin."""
    draw = stream(dtype)
    args = draw(3, 6, 5), draw(3, 4), draw(4, 5), draw(4, 4)
    return same_gradients(FakeRemote(student), FakeRemote(reference), *args, draw=draw, names=NAMES).margin


def why(student: Layer, reference: Layer | None = None, dtype: torch.dtype = torch.float64) -> Finding:
    """Why the gradients of two recurrent layers differ."""
    with pytest.raises(CheckFailure) as caught:
        run(student, reference or rnn, dtype)
    return caught.value.finding


def rnn(
    x: Tensor, h: Tensor, w: Tensor, u: Tensor, carry: Callable[[Tensor], Tensor] = lambda h: h
) -> tuple[Tensor, Tensor]:
    """A recurrent layer: x (B, T, I), h (B, H) -> outputs (B, T, H), last state; `carry` is the student's mistake."""
    steps = []
    for t in range(x.shape[1]):
        h = torch.tanh(x[:, t] @ w.T + carry(h) @ u.T)
        steps.append(h)
    return torch.stack(steps, 1), h


# Right code


@BOTH
@pytest.mark.parametrize(
    "student",
    [
        rnn,
        lambda x, h, w, u: rnn(x, h.T.contiguous().T, w * 1, u.clone()),
        lambda x, h, w, u: rnn(x, h, w, u, lambda h: torch.einsum("bi->bi", h)),
        lambda x, h, w, u: rnn(
            x, h, w, u, lambda h: 2 * torch.sigmoid(2 * torch.atanh(h.clamp(-1, 1) * 0.999)) * 0 + h
        ),
    ],
)
def test_right_gradients_pass_however_they_are_made(student: Layer, dtype: torch.dtype) -> None:
    """Other operations with the same derivative are right."""
    assert run(student, rnn, dtype) < 1


@BOTH
def test_a_deep_network_that_rounds_differently_passes(dtype: torch.dtype) -> None:
    """LayerNorm, softmax and GELU by hand give the gradients of the built-in ones."""
    draw = stream(dtype)
    x, w = draw(4, 7, 16), draw(16, 16)

    def built_in(x: Tensor, w: Tensor) -> Tensor:
        for _ in range(4):
            x = x + F.gelu(F.layer_norm(x @ w, (16,))).softmax(-1)
        return x

    def by_hand(x: Tensor, w: Tensor) -> Tensor:
        for _ in range(4):
            y = torch.einsum("btd,de->bte", x, w)
            y = y - y.mean(-1, keepdim=True)
            y = y / (y.square().mean(-1, keepdim=True) + 1e-5).sqrt()
            y = y * 0.5 * (1 + torch.erf(y / math.sqrt(2)))
            x = x + y.exp() / y.exp().sum(-1, keepdim=True)
        return x

    assert same_gradients(FakeRemote(by_hand), FakeRemote(built_in), x, w, draw=draw).margin < 0.5


@BOTH
def test_a_gradient_that_cancels_to_zero_passes(dtype: torch.dtype) -> None:
    """A key's bias does not change attention: both gradients are rounding, and differ."""
    draw = stream(dtype)
    q, k, bias = draw(3, 5, 4), draw(3, 7, 4), draw(4)
    built_in = FakeRemote(lambda q, k, b: (q @ (k + b).mT).softmax(-1) @ k)
    by_hand = FakeRemote(lambda q, k, b: ((e := (q @ k.mT + q @ b[:, None]).exp()) / e.sum(-1, keepdim=True)) @ k)
    assert same_gradients(by_hand, built_in, q, k, bias, draw=draw).margin < 1


@BOTH
def test_where_all_gradients_cancel_rounding_passes(dtype: torch.dtype) -> None:
    """A softmax over one entry does not depend on it, and by hand its gradient is a few rounding errors, not zero."""
    tiny = torch.finfo(dtype).eps
    exact, by_hand = FakeRemote(lambda x: x.softmax(-1)), FakeRemote(lambda x: x.softmax(-1) + tiny * x)
    draw = stream(dtype)
    x = draw(4, 1)
    same_gradients(by_hand, exact, x, draw=draw)
    with pytest.raises(CheckFailure, match="should be zero and is not"):
        same_gradients(FakeRemote(lambda x: x.softmax(-1) + (x - x.detach()) * 1e-4), exact, x, draw=draw)


def test_none_is_zero() -> None:
    """An input that does not matter may have no gradient or a zero one, and so may all of them."""
    draw = stream()
    x, y = draw(3, 5), draw(3, 5)
    none, zero = FakeRemote(lambda x, _: x * 2), FakeRemote(lambda x, y: x * 2 + y * 0)
    same_gradients(none, zero, x, y, draw=draw)
    same_gradients(zero, none, x, y, draw=draw)
    argmax = FakeRemote(lambda x, _: x.argmax(1))
    same_gradients(argmax, argmax, x, y, draw=draw)


def test_whole_numbers_have_no_gradient() -> None:
    """Ids among the arguments and in the answer are passed by, keyword arguments are named."""
    draw = stream()
    ids, table = draw.ints(3, 5, high=7), draw(7, 4)

    def embed(ids: Tensor, *, table: Tensor) -> tuple[Tensor, Tensor]:
        return ids, table[ids]

    same_gradients(FakeRemote(embed), FakeRemote(embed), ids, draw=draw, table=table)
    cut = FakeRemote(lambda ids, *, table: (ids, table.detach()[ids]))
    with pytest.raises(CheckFailure, match="the gradient of table is zero: something cuts the graph"):
        same_gradients(cut, FakeRemote(embed), ids, draw=draw, table=table)


# Mistakes


@BOTH
def test_a_detached_state_is_found(dtype: torch.dtype) -> None:
    """Detaching the state leaves the outputs right and the gradients wrong."""
    finding = why(lambda x, h, w, u: rnn(x, h, w, u, Tensor.detach), dtype=dtype)
    assert finding.kind == "values"
    assert finding.message.startswith(
        "the gradient of h is zero: something cuts the graph (detach, .data, torch.tensor("
    )
    assert finding.message.endswith("; wrong as well: x, weight_ih, weight_hh")


@BOTH
def test_a_cut_weight_is_named(dtype: torch.dtype) -> None:
    """`.data` of one weight is found and only this weight is named."""
    message = why(lambda x, h, w, u: rnn(x, h, w, u.data), dtype=dtype).message
    assert message.startswith("the gradient of weight_hh is zero")
    assert "wrong as well" not in message


def test_a_graph_that_is_cut_in_the_middle_is_located() -> None:
    """Truncation after three steps leaves the early inputs without a gradient."""

    def truncated(x: Tensor, h: Tensor, w: Tensor, u: Tensor) -> Tensor:
        for t in range(x.shape[1]):
            h = torch.tanh(x[:, t] @ w.T + (h.detach() if t == 3 else h) @ u.T)
        return h

    def whole(x: Tensor, h: Tensor, w: Tensor, u: Tensor) -> Tensor:
        return rnn(x, h, w, u)[1]

    draw = stream()
    x, args = draw(3, 6, 5), (draw(3, 4), draw(4, 5), draw(4, 4))
    with pytest.raises(CheckFailure) as caught:
        same_gradients(
            FakeRemote(lambda x: truncated(x, *args)), FakeRemote(lambda x: whole(x, *args)), x, draw=draw, names=("x",)
        )
    message = caught.value.finding.message
    assert message.startswith("the gradient of x is wrong: the largest error is about ")
    assert "only indices <= 2 differ along axis 1" in message
    assert message.endswith("it is zero there, so something cuts the graph on the way")


class Scale(torch.autograd.Function):
    """The identity with a wrong derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, times: float) -> Tensor:
        """Pass on."""
        ctx.times = times
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Multiply."""
        return grads[0] * ctx.times, None


def scaled(times: float) -> Layer:
    """The right layer whose weight_hh gets a multiple of its gradient."""
    return lambda x, h, w, u: rnn(x, h, w, Scale.apply(u, times))


@BOTH
@pytest.mark.parametrize(
    ("times", "words"),
    [
        (3.0, "the gradient of weight_hh is right up to one factor (about 3)"),
        (1.001, "the gradient of weight_hh is right up to one factor (close to 1)"),
        (-1.0, "the gradient of weight_hh has the wrong sign, its size is right"),
        (math.nan, "the gradient of weight_hh is NaN or infinite, first at [0, 0]"),
    ],
)
def test_wrong_derivatives_are_described(times: float, words: str, dtype: torch.dtype) -> None:
    """A factor and NaN are told apart; a factor of 1.001 is wrong in both precisions."""
    assert why(scaled(times), dtype=dtype).message == words


def test_a_gradient_that_should_be_zero_is_found() -> None:
    """A state that must be carried without its graph gets no gradient."""
    message = why(rnn, lambda x, h, w, u: rnn(x, h.detach(), w, u)).message
    assert message == "the gradient of h should be zero and is not: the answer must not depend on it"


def test_answers_are_compared_first() -> None:
    """A wrong answer is reported as such and not as a gradient."""
    assert why(lambda x, h, w, u: rnn(x, h, w, u)[0]).kind == "structure"
    assert why(lambda x, h, w, u: rnn(x, h, w, u.T)).message.startswith("answer[0]: wrong values in")


def test_the_sum_would_have_been_blind() -> None:
    """A derivative that is wrong behind a softmax shows, though the gradient of the sum is zero either way."""
    draw = stream()
    x = draw(3, 5)
    wrong = FakeRemote(lambda x: Scale.apply(x, 2.0).softmax(-1))
    with pytest.raises(CheckFailure, match=r"right up to one factor .about 2"):
        same_gradients(wrong, FakeRemote(lambda x: x.softmax(-1)), x, draw=draw)


def test_arguments_without_names_are_numbered() -> None:
    """Without names, arguments are counted from 1 and nested ones shown by their place."""
    draw = stream()
    x, state = draw(3, 5), (draw(3, 5), draw(3, 5))
    right = FakeRemote(lambda x, s: x * s[0] * s[1])
    cut = FakeRemote(lambda x, s: x * s[0] * s[1].detach())
    with pytest.raises(CheckFailure, match=r"the gradient of argument 2\[1\] is zero"):
        same_gradients(cut, right, x, state, draw=draw)


# Modules


class Net(nn.Module):
    """Two layers; the student's may forget one or hold something more."""

    def __init__(self, *, cut: bool = False, extra: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(5, 7), nn.Linear(7, 4)
        self.double()
        self.cut = cut
        if extra:
            self.unused = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        """Apply both."""
        hidden = self.first(x)
        return self.second(hidden.detach() if self.cut else hidden).tanh()  # type: ignore[no-any-return]


def test_parameters_are_compared_by_name() -> None:
    """Every parameter of the callee is compared; more of them on the student's side are free."""
    draw = stream()
    x = draw(3, 5)
    assert same_gradients(FakeRemote(Net(extra=True)), FakeRemote(Net()), x, draw=draw).margin == 0
    with pytest.raises(CheckFailure) as caught:
        same_gradients(FakeRemote(Net(cut=True)), FakeRemote(Net()), x, draw=draw, names=("x",), hint="trace it back")
    finding = caught.value.finding
    assert finding.message.startswith("the gradient of x is zero")
    assert finding.message.endswith("wrong as well: first.weight, first.bias")
    assert "first.weight: shape (7, 5), largest entry 0, expected" in finding.detail
    assert finding.hint == "trace it back"


def test_modules_among_the_arguments_come_in_pairs() -> None:
    """Each side gets its own handle, also inside a list."""
    draw = stream()
    x = draw(3, 5)
    ours, theirs = FakeRemote(Net()), FakeRemote(Net())
    right = FakeRemote(lambda model, x: model(x))
    same_gradients(right, right, Pair(ours, theirs), x, draw=draw)
    cut = FakeRemote(lambda model, x: model(x).detach())
    with pytest.raises(CheckFailure, match=r"wrong as well: first\.weight, first\.bias, second\.weight, second\.bias"):
        same_gradients(cut, right, Pair(ours, theirs), x, draw=draw)
    seen: list[object] = []
    listening = FakeRemote(lambda models, x: (seen.extend(models), x)[1])  # type: ignore[func-returns-value]
    same_gradients(listening, listening, [Pair(1, 2)], x, draw=draw)
    assert seen == [2, 1, 1, 2]


# The other side is not trusted


class Lying(FakeRemote):
    """Answers rightly and sends back what it likes as gradients."""

    def __init__(self, target: Callable[..., Any], grads: Sequence[Tensor]) -> None:
        super().__init__(target)
        self._grads = grads

    def vjp(self, *_: object) -> Products:
        """Ignore the question."""
        return Products(self._grads, {})


@pytest.mark.parametrize(
    ("grads", "kind"),
    [
        ([], "malformed"),
        ([torch.zeros(2, 2)], "shape"),
        ([torch.zeros(3, 5, dtype=torch.int64)], "values"),
        ([torch.full((3, 5), math.inf)], "values"),
        ([torch.zeros(3, 5, 0)], "shape"),
    ],
)
def test_gradients_that_make_no_sense_fail(grads: list[Tensor], kind: str) -> None:
    """Gradients of a wrong number, shape or type are a failed check, not a broken judge."""
    draw = stream()
    fn = lambda x: x * 2  # noqa: E731
    with pytest.raises(CheckFailure) as caught:
        same_gradients(Lying(fn, grads), FakeRemote(fn), draw(3, 5), draw=draw)
    assert caught.value.finding.kind == kind


def test_a_reference_without_finite_gradients_is_the_authors_mistake() -> None:
    """An input at which the reference has no derivative cannot be used."""
    draw = stream()
    root = FakeRemote(torch.sqrt)
    with pytest.raises(ValueError, match="not finite"):
        same_gradients(root, root, torch.zeros(3, dtype=torch.float64), draw=draw)


def test_places_that_do_not_count_are_neither_compared_nor_differentiated() -> None:
    """Behind a mask an answer may hold anything; in front of it, nothing but the expected."""
    mask = torch.tensor([[True, True, False], [True, False, False]])  # (batch, time)

    def right(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.tanh(x), x.sum(1)

    def filled(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.where(mask[:, :, None], torch.tanh(x), x * 7), x.sum(1)

    draw, x = stream(), stream()(2, 3, 4)
    same_gradients(FakeRemote(filled), FakeRemote(right), x, draw=draw, only=[mask])
    same_gradients(FakeRemote(filled), FakeRemote(right), x, draw=draw, only=[mask, None])
    for only in ([], [None, mask[:, 0]], [~mask]):
        with pytest.raises(CheckFailure):
            same_gradients(FakeRemote(filled), FakeRemote(right), x, draw=draw, only=only)
