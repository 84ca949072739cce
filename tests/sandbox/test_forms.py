"""A stand-in answers in the student's own form, so that one mistake costs nothing in the code that goes on with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from autograder.sandbox.ban_plan import prepare
from autograder.sandbox.bans import Bans
from autograder.sandbox.forms import in_form_of
from autograder.sandbox.standins import set_stand_in


class States(NamedTuple):
    """As a student names what comes back."""

    out: Tensor
    last: Tensor


@dataclass
class Steps:
    """The same as a dataclass."""

    out: Tensor
    last: Tensor


class Three(NamedTuple):
    """A record with a field too many."""

    a: Tensor
    b: Tensor
    c: Tensor


def right(x: Tensor) -> tuple[Tensor, Tensor]:
    """What stands in."""
    return 2 * x, x[-1]


def annotated(x: Tensor) -> States:
    """Wrong, and raises."""
    raise IndexError


def silent(x: Any) -> Any:
    """Wrong, without annotations."""
    return Steps(x, x)


@pytest.mark.parametrize(("original", "form"), [(annotated, States), (silent, Steps)])
def test_tuples_become_the_student_s_records(original: Callable[..., Any], form: type) -> None:
    """By the annotation, or as one call of the original shows; the values are the stand-in's."""
    answer = in_form_of(original, right)(torch.arange(3.0))
    assert isinstance(answer, form)
    assert answer.out.tolist() == [0, 2, 4]  # type: ignore[attr-defined]
    assert answer.last == 2  # type: ignore[attr-defined]


def no_record(x: Tensor) -> tuple[Tensor, Tensor]:
    """Wrong, and a plain tuple."""
    return x, x


def unhinted(x):  # type: ignore[no-untyped-def] # noqa: D103
    raise NotImplementedError


@pytest.mark.parametrize("original", [None, 3, nn.Linear, no_record, unhinted, lambda x: Three(x, x, x)])
def test_without_such_a_record_a_tuple_stays_one(original: Any) -> None:
    """No original, one of another kind, one that raises, one with other fields: the course's own form."""
    assert type(in_form_of(original, right)(torch.arange(3.0))) is tuple


def test_looking_at_the_original_leaves_no_trace() -> None:
    """It is asked once, on copies, without a graph, and the random state is as it was; generators are not for it."""
    asked = []

    def original(x: Any, generator: Any = None) -> Any:
        asked.append(x.requires_grad)
        x += torch.rand(3)
        return x, x

    stand_in = in_form_of(original, lambda x, generator=None: (x, x))
    x = torch.arange(3.0, requires_grad=True)
    before = torch.get_rng_state()
    stand_in(x)
    stand_in(x)
    assert asked == [False]
    assert x.tolist() == [0, 1, 2]
    assert torch.equal(torch.get_rng_state(), before)
    in_form_of(original, lambda x, generator=None: (x, x))(x, generator=torch.Generator())
    assert len(asked) == 1


class Theirs(nn.Module):
    """A student's RNN with a helper that their other code calls."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1) -> None:
        super().__init__()
        self.width = hidden_size
        self.unused = nn.Linear(input_size, hidden_size)

    def start(self, batch: int) -> Tensor:
        """Zeros for a batch."""
        return torch.zeros(1, batch, self.width)

    def forward(self, x: Tensor, h0: Tensor | None = None) -> States:
        """Wrong."""
        raise ValueError


@pytest.fixture
def standing() -> Any:
    """What stands in for `Theirs`."""
    module = ModuleType("rnn")
    module.RNN = Theirs  # type: ignore[attr-defined]
    set_stand_in(module, "RNN", Bans(prepare(())))
    return module.RNN


def test_a_class_keeps_the_student_s_form_and_helpers(standing: Any) -> None:
    """Names of fields and methods are theirs, parameters and values the stand-in's."""
    model = standing(3, 5)
    answer = model(torch.ones(2, 4, 3), model.start(2))
    assert isinstance(answer, States)
    assert answer.out.shape == (2, 4, 5)
    assert model.width == 5
    assert sorted(dict(model.named_parameters())) == [
        f"cells.0.{name}" for name in ("bias_hh", "bias_ih", "weight_hh", "weight_ih")
    ]
    assert repr(model).startswith("RNN(")


class Answer(NamedTuple):
    """What a student's step comes back with."""

    logits: Tensor
    after: Tensor


class TheirDecoder(nn.Module):
    """A decoder whose step is wrong and answers with names."""

    def __init__(self, vocab: int, embed: int, hidden: int) -> None:
        super().__init__()

    def step(self, y: Tensor, state: Tensor) -> Answer:
        """Wrong."""
        return Answer(y, state)


def test_a_step_answers_in_the_student_s_form_as_well() -> None:
    """`decoder.step(...).logits` works with a stand-in for `Decoder`."""
    module = ModuleType("seq2seq")
    module.Decoder = TheirDecoder  # type: ignore[attr-defined]
    set_stand_in(module, "Decoder", Bans(prepare(())))
    answer = module.Decoder(7, 3, 5).step(torch.tensor([1, 2]), torch.zeros(1, 2, 5))
    assert isinstance(answer, Answer)
    assert answer.logits.shape == (2, 7)
    assert answer.after.shape == (1, 2, 5)


@dataclass
class Looked:
    """What a student's attending step comes back with: no tuple."""

    logits: Tensor
    after: Tensor
    weights: Tensor


class TheirAttnDecoder(nn.Module):
    """A decoder in a form of its own, with a helper."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden

    def step(self, y: Tensor, state: Tensor, enc_out: Tensor, mask: Tensor | None = None) -> Any:
        """Whatever is right: only the form counts."""
        return Looked(y, state, enc_out)


class TheirModel(nn.Module):
    """A model that encodes wrongly; its decoder's form is known from its own object alone."""

    def __init__(self, src_vocab: int, tgt_vocab: int, embed: int, hidden: int) -> None:
        super().__init__()
        self.decoder = TheirAttnDecoder(hidden)

    def encode(self, src: Tensor, lengths: Tensor) -> Looked:
        """Wrong."""
        return Looked(src, lengths, lengths)


def test_what_a_model_is_made_of_answers_in_the_student_s_form() -> None:
    """`model.decoder.step(...).weights` works with a stand-in for the model, which itself goes on with tuples."""
    module = ModuleType("attention")
    module.AttnSeq2Seq = TheirModel  # type: ignore[attr-defined]
    set_stand_in(module, "AttnSeq2Seq", Bans(prepare(())))
    model = module.AttnSeq2Seq(7, 6, 3, 5)
    src, lengths = torch.tensor([[4, 5, 6], [4, 0, 0]]), torch.tensor([3, 1])
    found = model.encode(src, lengths)
    assert isinstance(found, Looked)
    step = model.decoder.step(torch.tensor([1, 1]), found.after, found.logits, found.weights)
    assert isinstance(step, Looked)
    assert step.logits.shape == (2, 6)
    assert model.decoder.hidden == 5
    logits, weights = model(src, lengths, torch.tensor([[1, 4], [1, 5]]))
    assert torch.allclose(logits[:, 0], step.logits)
    assert torch.allclose(weights[:, 0], step.weights)


def test_what_nobody_has_is_missing_as_before(standing: Any) -> None:
    """No attribute is made up; private names lead nowhere."""
    model = standing(3, 5)
    with pytest.raises(AttributeError, match="no_such"):
        _ = model.no_such
    with pytest.raises(AttributeError, match="_start"):
        _ = model._start


def test_a_wrong_part_costs_nothing_in_code_that_uses_its_names(
    module_of: Callable[[str], tuple[ModuleType, Path]],
) -> None:
    """`run(...).out` works with a stand-in for `run`, also where annotations are strings."""
    source = """
from __future__ import annotations
from typing import NamedTuple
import torch

class States(NamedTuple):
    out: torch.Tensor
    last: torch.Tensor

def rnn_forward(cell, x, h0=None) -> States:
    return States(x, x)

def use(cell, x):
    return rnn_forward(cell, x).last
"""
    module, _ = module_of(source)
    set_stand_in(module, "rnn_forward", Bans(prepare(())))
    cell = nn.RNNCell(3, 5)
    assert torch.equal(module.use(cell, torch.ones(2, 1, 3)), cell(torch.ones(2, 3)))
