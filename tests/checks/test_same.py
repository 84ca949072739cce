from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from autograder.checks.draw import HOME_SECRET, Draw, derive_key
from autograder.checks.finding import CheckFailure
from autograder.checks.same import same
from autograder.records import Finding

torch.set_num_threads(1)

BOTH = pytest.mark.parametrize("dtype", [torch.float64, torch.float32])


def stream(dtype: torch.dtype = torch.float64) -> Draw:
    """The same numbers at every call."""
    return Draw(derive_key(HOME_SECRET, "test_same"), dtype)


def finding(got: object, expected: object, hint: str = "", what: str = "") -> Finding:
    """Why `got` is not `expected`."""
    with pytest.raises(CheckFailure) as caught:
        same(got, expected, hint=hint, what=what)
    return caught.value.finding


@dataclass
class Record:
    """What a NamedTuple or dataclass of the student's looks like on the judge's side."""

    fields: tuple[str, ...]
    values: tuple[object, ...]

    def __iter__(self) -> Iterator[object]:
        return iter(self.values)


class Opaque:
    """A handle that offers any attribute and cannot be iterated."""

    def __getattr__(self, name: str) -> Opaque:
        if name.startswith("__"):
            raise AttributeError(name)
        return Opaque()


class Named(NamedTuple):
    """A NamedTuple where both sides run in one process."""

    output: object
    state: object


# Structure


X = stream()(3, 6, 5)

STRUCTURES: list[tuple[object, object, str]] = [
    (None, X, "expected a tensor of shape (3, 6, 5), got None (is a return missing?)"),
    (list(X.unbind(1)), X, "got a list of 6 tensors of shape (3, 5): torch.stack joins them, with dim=1"),
    (list(X.unbind(0)), X, "got a list of 3 tensors of shape (6, 5): torch.stack joins them, with dim=0"),
    ((X, X[:, 0]), X, "got a tuple of 2 tensors: the first one has the expected shape, return it alone"),
    ([], X, "got an empty list"),
    ("text", X, "got a string"),
    (Opaque(), X, "got an object of type Opaque"),
    (object(), X, "got an object of type object"),
    (X.to_sparse(), X, "got a sparse tensor"),
    (X.to("meta"), X, "got a tensor without numbers (device meta)"),
    (X.as_subclass(type("Mine", (Tensor,), {})), X, "got an object of type Mine"),
    ({"out": X}, X, "got a dict with 1 keys"),
    (X, None, "expected None, got a tensor of shape (3, 6, 5)"),
    (
        X,
        (X, X),
        "expected a tuple of 2 tensors of shape (3, 6, 5), got a tensor of shape (3, 6, 5): is that only the first",
    ),
    ((X, X), (X, X, None), "expected a tuple of 3 (a tensor of shape (3, 6, 5), a tensor of shape (3, 6, 5), None)"),
    ((X, None), (X, (X, X)), "answer[1]: expected a tuple of 2 tensors of shape (3, 6, 5), got None"),
    (X, {"out": X}, "expected a dict with 1 keys, got a tensor"),
    ({"out": X, "c": X}, {"out": X, "h": X}, "1 of 2 keys are missing, 1 are unexpected"),
    (3, X, "expected a tensor of shape (3, 6, 5), got an int"),
    (X, 3, "expected an int, got a tensor of shape (3, 6, 5)"),
    ("3", 3, "expected an int, got a string"),
]


@pytest.mark.parametrize(("got", "expected", "words"), STRUCTURES)
def test_structure_is_compared_first(got: object, expected: object, words: str) -> None:
    """A message about the kind of answer says what came, what was expected and, where known, what joins the two."""
    found = finding(got, expected)
    assert found.kind in ("structure", "shape")
    assert words in found.message


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (X, X.clone()),
        (X.to(torch.float32).to(torch.float64) * 0 + X, X),
        (torch.nn.Parameter(X), X),
        ([X, X], (X, X)),
        (Named(X, X), (X, X)),
        (Record(("output", "state"), (X, X)), (X, X)),
        ((X, X), Record(("output", "state"), (X, X))),
        ({"b": X, "a": None}, {"a": None, "b": X}),
        (3, torch.tensor(3)),
        (torch.tensor(3), 3),
        (3.0, 3),
        (3, 3.0),
        (torch.tensor(0.5), 0.5),
        (True, torch.tensor(True)),
        (torch.tensor([1, 2], dtype=torch.int32), torch.tensor([1, 2])),
        (X[:0], X[:0]),
        ([], ()),
        ("token", "token"),
        (math.inf, math.inf),
        (torch.tensor([math.nan, -math.inf]), torch.tensor([math.nan, -math.inf])),
    ],
)
def test_the_same_answer_in_another_form_passes(got: object, expected: object) -> None:
    """Tuple or list, number or tensor without axes, int32 or int64, record or tuple: the answer is what counts."""
    assert same(got, expected).margin < 1


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_is_no_tensor_of_any_shape() -> None:
    """Even a tensor that refuses to tell its shape is named."""
    assert "got a nested tensor" in finding(torch.nested.nested_tensor([X[0], X[1, :2]]), X).message


def test_names_and_hints_reach_the_finding() -> None:
    """A message names the part of the answer, and the check's hint is kept."""
    found = finding((X, X + 1), (X, X), hint="one state per layer?", what="the final state")
    assert found.message.startswith("the final state[1]: wrong values")
    assert found.hint == "one state per layer?"


# Shape


@pytest.mark.parametrize(
    ("got", "expected", "words"),
    [
        ((5, 3, 7), (3, 5, 7), "looks transposed, batch and time look swapped: got (5, 3, 7), expected (3, 5, 7)"),
        ((3, 7, 5), (3, 5, 7), "looks transposed (axes 1, 2): got (3, 7, 5), expected (3, 5, 7)"),
        ((5, 3), (3, 5), "looks transposed (axes 0, 1)"),
        ((3, 1, 5), (3, 5), "one axis of size 1 too many (axis 1: squeeze it)"),
        ((3, 5), (3, 5, 1), "one axis of size 1 is missing (axis 2: unsqueeze or keepdim=True)"),
        ((15, 7), (3, 5, 7), "the right number of values in another arrangement"),
        ((3, 4, 7), (3, 5, 7), "wrong size of axis 1"),
        ((2, 4, 7), (3, 5, 7), "wrong size of axes 0, 1"),
        ((3, 5), (3, 4, 5), "wrong number of axes"),
        ((), (1,), "one axis of size 1 is missing"),
    ],
)
def test_shapes_are_compared_before_values(got: tuple[int, ...], expected: tuple[int, ...], words: str) -> None:
    """A wrong shape is described by what probably made it, with both shapes."""
    found = finding(torch.ones(got), torch.zeros(expected))
    assert found.kind == "shape"
    assert words in found.message


# Kind of number


@pytest.mark.parametrize(
    ("got", "expected", "words"),
    [
        (torch.tensor([1, 0]), torch.tensor([1.0, 0.0]), "expected real numbers, got whole numbers (int64)"),
        (torch.tensor([1.0, 0.0]), torch.tensor([1, 0]), "expected whole numbers, got real numbers (float32)"),
        (torch.tensor([True, False]), torch.tensor([1.0, 0.0]), "expected real numbers, got True and False (bool)"),
        (torch.tensor([1, 0]), torch.tensor([True, False]), "expected True and False, got whole numbers (int64)"),
        (torch.tensor([1j, 0]), torch.tensor([1.0, 0.0]), "got numbers of another kind (complex64)"),
        (torch.zeros(2, dtype=torch.float8_e4m3fn), torch.zeros(2), "got numbers of another kind (float8_e4m3fn)"),
        (1, True, "expected True and False, got whole numbers"),
    ],
)
def test_the_kind_of_number_is_compared(got: object, expected: object, words: str) -> None:
    """Whole numbers, real numbers and masks are told apart."""
    found = finding(got, expected)
    assert found.kind == "dtype"
    assert words in found.message


def test_a_float32_answer_that_is_exact_is_no_fault() -> None:
    """The width of a float is not judged: values decide."""
    assert (
        same(torch.tensor([0.5, 2.0], dtype=torch.float32), torch.tensor([0.5, 2.0], dtype=torch.float64)).margin == 0
    )


# NaN and infinity


def test_nan_is_reported_before_values() -> None:
    """The first NaN and their number are named."""
    got = X.clone()
    got[1, 2, 3:] = math.nan
    found = finding(got, X + 1)
    assert found.kind == "not_finite"
    assert found.message == "NaN in 2 of 90 places, first at [1, 2, 3]; the expected answer has none"


def test_infinity_must_stand_where_it_belongs() -> None:
    """A mask of minus infinity is part of the answer: too many and too few are found, and equal ones pass."""
    masked = X.masked_fill(torch.ones_like(X, dtype=torch.bool).triu(), -math.inf)
    assert same(masked.clone(), masked).margin == 0
    assert "a finite number where none belongs" in finding(X, masked).message
    assert "infinity in" in finding(masked, X).message
    assert "a finite number where none belongs" in finding(torch.tensor(1.0), torch.tensor(-math.inf)).message
    assert finding(-masked, masked).kind == "not_finite"


# Tolerance of values


@BOTH
def test_another_order_of_operations_passes(dtype: torch.dtype) -> None:
    """Right formulas that round differently are far inside the tolerance, for small, usual and large inputs."""
    draw = stream(dtype)
    for size in (1e-3, 1.0, 1e3):
        x, w = draw(4, 300) * size, draw(300, 7)
        by_hand = torch.stack([(x * w[:, j]).sum(1) for j in range(7)], 1)
        assert same(by_hand, x @ w).margin < 0.5


@BOTH
@pytest.mark.parametrize("size", [1e-3, 1.0])
def test_layer_norm_by_hand_passes_and_its_eps_is_judged(dtype: torch.dtype, size: float) -> None:
    """LayerNorm by hand passes; eps outside the root is caught in both precisions, with inputs that amplify it."""
    x = stream(dtype)(3, 5, 16) * size
    expected = F.layer_norm(x, (16,), eps=0.1)
    centred = x - x.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    assert same(centred / (variance + 0.1).sqrt(), expected).margin < 0.5
    assert finding(centred / (variance.sqrt() + 0.1), expected).kind == "values"
    assert finding(centred / (variance + 0.09).sqrt(), expected).kind == "values"


@BOTH
def test_a_missing_tanh_is_found_on_small_inputs(dtype: torch.dtype) -> None:
    """A tolerance that shrinks with the answer sees tanh(x) against x at 0.05."""
    x = stream(dtype)(3, 5) * 0.05
    assert finding(x, x.tanh()).kind == "values"


def test_gelu_forms_differ() -> None:
    """The tanh form of GELU is not its erf form, in either precision."""
    for dtype in (torch.float64, torch.float32):
        x = stream(dtype)(4, 9)
        assert finding(F.gelu(x, approximate="tanh"), F.gelu(x)).kind == "values"


def test_rounding_of_a_cancelled_answer_passes() -> None:
    """Where the right answer is zero, what rounding leaves is right as well."""
    constant = torch.full((2, 16), math.pi, dtype=torch.float64)
    centred = constant - sum(constant[:, i : i + 1] for i in range(16)) / 16 + 1e-16
    assert (
        same(centred / (centred.square().mean(-1, keepdim=True) + 1e-12).sqrt(), torch.zeros_like(constant)).margin < 1
    )


@BOTH
def test_fill_values_do_not_hide_errors(dtype: torch.dtype) -> None:
    """Masked scores of -1e9 or finfo.min leave the tolerance of the other scores as it is."""
    scores = stream(dtype)(3, 7, 7)
    future = torch.ones(7, 7, dtype=torch.bool).triu(1)
    for fill in (-1e4, -1e9, torch.finfo(dtype).min):
        expected = scores.masked_fill(future, fill)
        assert same(expected + 1e-7 * (dtype == torch.float32), expected).margin < 1
        assert finding((scores * 1.01).masked_fill(future, fill), expected).kind == "values"


def test_the_expected_tensor_names_the_precision() -> None:
    """An error of 1e-6 is wrong in float64 and rounding in float32."""
    expected = torch.ones(4, dtype=torch.float64)
    assert finding(expected + 1e-5, expected).kind == "values"
    assert same(expected + 1e-5, expected.to(torch.float32)).margin < 1


def test_python_numbers_are_judged_in_the_precision_that_made_them() -> None:
    """A loss that float32 can hold gets float32's tolerance, one that it cannot hold gets float64's."""
    loss = 2.0 / 3.0
    single = torch.tensor(loss, dtype=torch.float32).item()
    assert same(single * (1 + 2e-6), single).margin < 1
    assert finding(loss * (1 + 2e-6), loss).kind == "values"


def test_tolerances_can_be_given() -> None:
    """A check may widen both tolerances, or ask for equality."""
    assert same(X + 0.01, X, atol=0.1).margin < 1
    assert same(X * 1.01, X, rtol=0.1).margin < 1
    assert same(X, X, rtol=0, atol=0).margin == 0
    with pytest.raises(CheckFailure):
        same(X * (1 + 1e-15), X, rtol=0, atol=0)


def test_the_worst_part_gives_the_margin() -> None:
    """Success reports the largest error over all parts, also as a part of its tolerance."""
    one = torch.ones(3, dtype=torch.float64)
    result = same((one, one + 5e-9), (one, one))
    assert result.largest_error == pytest.approx(5e-9)
    assert result.margin == pytest.approx(5e-9 / (1e-8 + 1e-6))


def test_whole_numbers_must_be_equal() -> None:
    """Ids that float64 could not tell apart are compared exactly."""
    large = torch.tensor([2**60, 2**60])
    assert same(large.clone(), large).margin == 0
    assert finding(large + torch.tensor([0, 1]), large).message.startswith(
        "wrong values in 1 of 2 places, first at [1]"
    )


def test_numbers_beyond_int64_are_wrong_and_no_crash() -> None:
    """A Python int of five thousand digits is a wrong answer like another."""
    for number in (10**5000, -(10**5000)):
        assert finding(number, 3).kind == "not_finite"
        assert finding(number, torch.tensor(0.5)).kind == "not_finite"


# What a message says about values


def later(change: Callable[[Tensor], Tensor]) -> Tensor:
    """X with something done to a copy of it."""
    return change(X.clone())


def put(index: Any, value: float = 7.0) -> Callable[[Tensor], Tensor]:
    """Write into some places of a tensor."""

    def change(x: Tensor) -> Tensor:
        x[index] = value
        return x

    return change


def ragged(x: Tensor) -> Tensor:
    """Write into what could be the padding of three sentences."""
    for row, length in enumerate([6, 2, 4]):
        x[row, length:] = 7.0
    return x


PATTERNS: list[tuple[Callable[[Tensor], Tensor], str]] = [
    (lambda x: -x, "the sign is flipped"),
    (lambda x: x * 3, "right up to one factor (about 3)"),
    (lambda x: x / 6, "right up to one factor (about 0.2)"),
    (torch.zeros_like, "your answer is zero everywhere"),
    (lambda x: x + 1, "every value is off by the same amount"),
    (lambda x: x + torch.arange(5), "the error is the same in every row, as if a bias were missing"),
    (lambda x: x[[1, 0, 2]], "the right values stand in another order along axis 0 (the batch, if it comes first)"),
    (lambda x: x.mT.reshape(x.shape), "the right values stand in other places: was an axis to be moved"),
    (lambda x: x.softmax(-1), "it is the softmax of the right answer along axis 2"),
    (lambda x: x.log_softmax(1), "it is the log_softmax of the right answer along axis 1"),
    (lambda x: x + torch.arange(18).view(3, 6, 1), "every row of the last axis is off by an amount of its own"),
    (lambda x: x * torch.arange(1, 19).view(3, 6, 1), "every row of the last axis is right up to a factor of its own"),
    (lambda x: x * 3 + 2, "all values are right up to one factor (about 3) and one amount"),
    (
        lambda x: x * 3 + torch.arange(5),
        "all rows are right up to one factor (about 3) of what comes before a bias is added",
    ),
    (
        lambda x: x * torch.arange(1, 19).view(3, 6, 1) + torch.arange(18).view(3, 6, 1),
        "every row of the last axis is right up to a factor and an amount of its own, as if a norm were missing",
    ),
    (lambda x: x * torch.arange(1, 6), "every place of the last axis is right up to a factor of its own"),
    (
        lambda x: x * torch.arange(1, 6) + torch.arange(5).flip(0),
        "every place of the last axis is right up to a factor and an amount of its own, the same in all rows",
    ),
    (torch.tanh, "it is tanh of the right answer: is that one too many?"),
    (torch.relu, "it is relu of the right answer: is that one too many?"),
    (lambda x: 1 - x, "it is right after 1 - x of every value"),
    (lambda x: 1 / x, "it is right after 1 / x of every value"),
    (torch.exp, "it is right after log of every value"),
    (lambda x: x[:, :1].expand(3, 6, 5), "your answer is the same all along axis 1 (time, if the batch comes first)"),
    (lambda x: x[:, [2, 3, 4, 5, 0, 1]], "it is shifted by 2 along axis 1 (time"),
    (lambda x: x.flip(1), "right after reversing axis 1 (time, if the batch comes first)"),
    (lambda x: x.roll(1, 1), "shifted by one along axis 1 (time"),
    (lambda x: x.roll(-1, 1), "shifted by one along axis 1 (time"),
    (put((slice(None), slice(1, None))), "only index 0 is right along axis 1 (time, if the batch comes first)"),
    (put(slice(1, None)), "only index 0 is right along axis 0 (the batch, if it comes first)"),
    (put((slice(None), slice(2, None))), "only indices >= 2 differ along axis 1"),
    (put((slice(None), slice(None, 3))), "only indices <= 2 differ along axis 1"),
    (put((slice(None), slice(1, 3))), "only indices 1, 2 differ along axis 1"),
    (put((slice(None), -1)), "only index 5 differs along axis 1"),
    (
        put((2, 3)),
        "only index 2 differs along axis 0 (the batch, if it comes first) and only index 3 differs along axis 1",
    ),
    (ragged, "the differences fill the ends of the rows, from different positions on: look at the padding"),
    (lambda x: x.cos(), "every value differs"),
]


@pytest.mark.parametrize(("change", "words"), PATTERNS)
def test_a_pattern_is_named(change: Callable[[Tensor], Tensor], words: str) -> None:
    """What the wrong values have in common is said in words."""
    found = finding(later(change), X)
    assert found.kind == "values"
    assert words in found.message


def test_a_square_answer_may_be_transposed_without_a_wrong_shape() -> None:
    """Attention weights over queries instead of keys are recognised."""
    weights = stream()(2, 4, 4)
    assert "right after swapping axes 1 and 2" in finding(weights.mT, weights).message


def test_scores_where_weights_are_wanted_are_named() -> None:
    """Whoever forgets the softmax reads so; a few whole numbers that are right after one by chance do not count."""
    scores = stream()(2, 4, 5)
    assert "right after a softmax along axis 2" in finding(scores, scores.softmax(-1)).message
    ones = torch.ones(3, 2)
    assert "softmax" not in finding(ones, ones / 2).message


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu", "log", "sqrt", "square"])
def test_a_missing_function_is_named(name: str) -> None:
    """Who forgets what a formula ends with reads its name; numbers that are whole do not tell it."""
    values = X.abs() + 0.1 if name in ("log", "sqrt") else X
    shown = {"square": "x ** 2"}.get(name, name)
    assert f"it is right after {shown} of every value" in finding(values, getattr(torch, name)(values)).message
    ones = torch.ones(3, 4, dtype=torch.float64)
    assert "right after" not in finding(ones, ones.exp() + 0 * X[0, :3, :4]).message


def test_weights_of_another_axis_are_named() -> None:
    """A softmax over the queries, which makes each column sum to 1."""
    scores = stream()(2, 4, 5)
    words = "it sums to 1 along axis 1, the right answer does so along axis 2"
    assert words in finding(scores.softmax(1), scores.softmax(2)).message


def test_what_is_left_out_and_what_is_not_is_named() -> None:
    """Zeros on one side alone: of a mask that hides too much, or nothing. A single 0 tells nothing."""
    hidden = stream().uniform(3, 6, 5) > 0.5
    assert "; your answer is 0 in all of these places" in finding(X.masked_fill(hidden, 0), X).message
    assert "; 0 is expected in all of these places" in finding(X, X.masked_fill(hidden, 0)).message
    assert "of these places" not in finding(later(put((0, 1, 2), 0.0)), X).message
    assert "of these places" not in finding(torch.zeros_like(X), X).message


def test_values_that_are_hard_to_tell_apart_are_in_no_order() -> None:
    """Of a mask, or of a few ids, any other one has its values in other places."""
    mask = torch.eye(6, dtype=torch.bool)
    assert "values stand in" not in finding(mask.roll(2, 0), mask).message


def test_differences_above_the_diagonal_are_named() -> None:
    """A causal mask that is not applied shows above the diagonal."""
    scores = stream()(2, 5, 5)
    assert "above the diagonal" in finding(scores, scores.tril()).message
    assert "below the diagonal" in finding(scores, scores.triu()).message


def test_an_inverted_mask_is_named() -> None:
    """True for False and False for True is one mistake."""
    mask = stream().uniform(3, 7) > 0.5
    assert "True and False (1 and 0) are swapped" in finding(~mask, mask).message


def test_no_pattern_is_invented() -> None:
    """Scattered errors are counted and located, nothing more."""
    got = X.clone()
    for place in ((0, 1, 2), (0, 4, 0), (1, 0, 3), (2, 3, 4), (1, 2, 1), (0, 5, 0), (2, 3, 1), (1, 5, 4)):
        got[place] += 0.25
    seen = (
        r"wrong values in 8 of 90 places, first at \[0, 1, 2\]; the largest error, about 0\.[23], is at \[\d, \d, \d\]"
    )
    assert re.fullmatch(seen, finding(got, X).message)


def test_a_single_number_is_described_by_its_error_only() -> None:
    """A wrong loss shows the size of the error with one figure."""
    assert finding(torch.tensor(2.34567), torch.tensor(2.0)).message == "wrong value, off by about 0.3"
    assert finding(5, 3).message == "wrong value"


def test_the_detail_is_for_the_teaching_assistant() -> None:
    """Values around the first difference stand in the detail."""
    found = finding(torch.tensor([1.0, 2.0, 3.25]), torch.tensor([1.0, 2.0, 3.0]))
    assert "around [2]: got 1, 2, 3.25; expected 1, 2, 3" in found.detail
    assert "largest error 0.25 at [2]" in found.detail


# Whatever comes


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.builds(
        lambda shape, dtype: (stream()(*shape) * 3).to(dtype),
        st.lists(st.integers(0, 3), max_size=3),
        st.sampled_from([torch.float64, torch.float32, torch.int64, torch.bool, torch.float16]),
    ),
    st.sampled_from([torch.tensor([math.nan, 1.0]), torch.tensor([1e308, -1e308], dtype=torch.float64)]),
)
odd = st.sampled_from(
    [object(), 1j, b"bytes", {1, 2}, torch.tensor([1j]), Opaque(), range(3), torch.eye(2).to_sparse()]
)


def nested(leaf: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Tuples, lists, dicts and records of leaves."""
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.tuples(inner, inner),
            st.dictionaries(st.sampled_from(["a", "b", 3]), inner, max_size=2),
            st.builds(lambda one, two: Record(("one", "two"), (one, two)), inner, inner),
        ),
        max_leaves=5,
    )


@settings(max_examples=300, deadline=None)
@given(nested(st.one_of(leaves, odd)), nested(leaves))
def test_nothing_but_a_check_failure_comes_out(got: object, expected: object) -> None:
    """However strange the answer is, it passes or fails; it never breaks the judge."""
    with contextlib.suppress(CheckFailure):
        assert 0 <= same(got, expected).margin <= 1


@settings(max_examples=100, deadline=None)
@given(nested(leaves))
def test_every_answer_equals_itself(answer: object) -> None:
    """Same is reflexive, NaN included."""
    assert same(answer, answer).margin == 0


@settings(max_examples=200, deadline=None)
@given(
    shape=st.lists(st.integers(1, 4), max_size=3),
    change=st.sampled_from(
        [change for change, _ in PATTERNS[:6]] + [torch.cos, lambda x: x.flatten()[:1], lambda x: x / 0]
    ),
    number=st.integers(0, 1000),
)
def test_messages_hold_no_hidden_value(shape: list[int], change: Callable[[Tensor], Tensor], number: int) -> None:
    """No number of the message has two figures in common with an expected value or with the student's own."""
    expected = stream().for_purpose(str(number))(*shape, 5)
    got = change(expected)
    with pytest.raises(CheckFailure) as caught:
        same([got], [expected])
    message = caught.value.finding.message
    for number_shown in re.findall(r"\d+\.\d+(?:e[-+]\d+)?|\d+e[-+]\d+", message):
        assert float(number_shown) == float(f"{float(number_shown):.0e}")
    for value in (*expected.flatten().tolist(), *got.flatten().tolist()):
        digits = f"{abs(value):.3g}"
        assert len(digits) < 4 or digits not in message


@given(st.dictionaries(st.text(min_size=3, max_size=8), st.just(1), min_size=1, max_size=3))
def test_keys_that_are_not_shared_are_not_shown(vocabulary: dict[str, int]) -> None:
    """The keys of an expected dict can be hidden data: only their number is told."""
    message = finding({}, vocabulary).message
    assert (
        message
        == f"other keys than expected: {len(vocabulary)} of {len(vocabulary)} keys are missing, 0 are unexpected"
    )


def test_hidden_text_is_not_shown() -> None:
    """A wrong text is reported without either text."""
    assert finding("mine", "theirs").message == "another text than expected"


def test_an_expected_answer_that_cannot_be_compared_is_the_authors_mistake() -> None:
    """An opaque handle as the expected answer raises, whatever came, instead of failing a student."""
    for expected in (object(), torch.tensor([1j]), torch.eye(2).to_sparse()):
        with pytest.raises(TypeError, match="an expected answer cannot be"):
            same(X, expected)


def test_only_the_places_that_count_are_compared() -> None:
    """A mask leaves out what stands behind it, NaN as well, in nested answers too; shapes are still compared."""
    mask, answer = torch.tensor([True, False]), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    other = torch.tensor([[1.0, 2.0], [math.nan, 5.0]])
    same((other, [7, answer]), (answer, [7, answer]), only=[mask])
    for wrong, only in (((other, answer), []), ((other, answer), [~mask]), ((other[:1], answer), [mask])):
        with pytest.raises(CheckFailure):
            same(wrong, (answer, answer), only=only)
