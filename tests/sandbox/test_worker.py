"""The executor of the judge's operations, in this process: calls, attributes, gradients, weights, training."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autograder.checks.building import sharing
from autograder.errors import WireError
from autograder.sandbox import wire
from autograder.sandbox.described import describe
from autograder.sandbox.faults import CannotCross, StudentError
from autograder.sandbox.loading import import_apart
from autograder.sandbox.remote import LocalTransport, Remote, Session
from autograder.sandbox.weights import read_state, train
from autograder.sandbox.worker import Executor, load_weights

torch.set_num_threads(1)

ModuleOf = Callable[[str], tuple[ModuleType, Path]]

SOURCE = """
from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

PI = 3.5


def add(x, y, *, scale=1.0):
    return scale * (x + y)


def twice_in_place(x):
    x.mul_(2)
    return x


def asks_for_gradients(x):
    return x.requires_grad_().sum()


class State(NamedTuple):
    h: torch.Tensor
    c: torch.Tensor


class Words(dict):
    def __missing__(self, word):
        return 3

    def encode(self, words):
        return [self[word] for word in words]


class Shape(tuple):
    def size(self):
        return len(self)


@dataclass
class Box:
    weights: torch.Tensor
    steps: int


def step(x, state):
    return State(state.h + x, state.c * x)


def boxed(x):
    return Box(x * 2, 3)


class Tied(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.embedding = nn.Embedding(size, 3)
        self.out = nn.Linear(3, size, bias=False)
        self.out.weight = self.embedding.weight
        self.scale = nn.Parameter(torch.tensor(2.0), requires_grad=False)
        self.register_buffer("mask", torch.ones(2))

    def forward(self, ids):
        return self.out(self.embedding(ids))


class Listed(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([nn.Linear(2, 3, bias=False)])
        self.linear = self.parts[0]

    def forward(self, x):
        return self.linear(x)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 2))
        self.unused = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x @ self.weight.T

    def both(self, x, scale):
        return {"out": self(x), "scaled": [scale * x, 7]}


def apply(layer, x):
    return layer(x)


def fit(model, batches, optimizer, factor=1.0):
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = factor * (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def fit_attached(model, batches, optimizer):
    return [(model(x) - y).square().mean() for x, y in batches]


def fail_inside(x):
    return helper(x)


def helper(x):
    raise KeyError("no such thing")


def leave():
    raise SystemExit(3)


def stop():
    raise KeyboardInterrupt


def starve():
    raise MemoryError


class Sly(Exception):
    def __str__(self):
        raise ValueError("no words")


def unreadable():
    raise Sly


def nest(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value
"""


@pytest.fixture
def tiny_module(module_of: ModuleOf) -> tuple[ModuleType, Path]:
    """The module of `SOURCE` and its folder."""
    return module_of(SOURCE)


@pytest.fixture
def session(tiny_module: tuple[ModuleType, Path]) -> Session:
    """A session with the module of `SOURCE`."""
    return Session(LocalTransport(Executor(*tiny_module)))


def test_a_function_is_called_with_values_and_keywords(session: Session) -> None:
    """A call answers what the function returns, detached."""
    x = torch.ones(2, requires_grad=True)
    answer = session.root.add(x, torch.tensor([1.0, 2.0]), scale=2.0)
    assert torch.equal(answer, torch.tensor([4.0, 6.0]))
    assert not answer.requires_grad


def test_arguments_are_copies(session: Session) -> None:
    """A submission that writes into its input changes its own copy; `echo` shows that copy."""
    x = torch.ones(2)
    answer, (theirs,) = session.root.twice_in_place.echo(x)
    assert torch.equal(x, torch.ones(2))
    assert torch.equal(answer, theirs)
    assert torch.equal(theirs, torch.full((2,), 2.0))
    assert not theirs.requires_grad
    assert session.root.asks_for_gradients.echo(x)[1][0].requires_grad


def test_attributes_are_fetched(session: Session) -> None:
    """The value of a name of the module, and of an attribute of an object that stayed there."""
    assert session.root.PI.fetch() == 3.5
    layer = session.root.Layer()
    assert layer.training.fetch() is True
    layer.eval()
    assert layer.training.fetch() is False
    assert torch.equal(layer.weight.fetch(), torch.ones(3, 2))


def test_builtins_of_torch_are_reached_by_their_name(session: Session) -> None:
    """A root that is a dotted name stands for that object of torch on the other side."""
    layer = Remote(session, "torch.nn.Linear", ())(2, 3)
    assert layer(torch.zeros(4, 2)).shape == (4, 3)


def test_records_unpack_and_go_back_as_themselves(session: Session) -> None:
    """A NamedTuple and a dataclass instance unpack like tuples and are themselves again over there."""
    first = session.root.State(torch.ones(2), torch.ones(2))
    second = session.root.step(torch.full((2,), 3.0), first)
    h, c = second
    assert second.fields == ("h", "c")
    assert (h.tolist(), c.tolist()) == ([4.0, 4.0], [3.0, 3.0])
    assert session.root.step(torch.ones(2), second)[0].tolist() == [5.0, 5.0]
    box = session.root.boxed(torch.ones(2))
    assert len(box) == 2
    assert box[1] == 3
    assert box.steps.fetch() == 3


def test_an_object_stays_whatever_its_class_was_made_of(session: Session) -> None:
    """A class of a submission's own that is a dict or a tuple as well keeps its methods."""
    words = session.root.Words({"a": 4})
    assert words.encode(["a", "b"]) == [4, 3]
    assert session.root.Shape((2, 3)).size() == 2


# --- gradients -------------------------------------------------------------------------------------------------------


def test_gradients_come_for_inputs_and_parameters(session: Session) -> None:
    """A vector-Jacobian product has one entry for every float tensor given and for every parameter; None for unused."""
    layer = session.root.Layer()
    x, cotangent = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0, 2.0]])
    products = layer.vjp((x,), {}, [cotangent])
    assert torch.equal(products.answer, torch.tensor([[3.0, 3.0, 3.0]]))
    assert products.arg_grads[0] is not None
    assert torch.equal(products.arg_grads[0], cotangent @ torch.ones(3, 2))
    assert products.parameter_grads["weight"] is not None
    assert torch.equal(products.parameter_grads["weight"], cotangent.T @ x)
    assert products.parameter_grads["unused"] is None


def test_gradients_do_not_add_up_over_questions(session: Session) -> None:
    """The same question twice has the same answer."""
    layer = session.root.Layer()
    first, second = (layer.vjp((torch.ones(1, 2),), {}, [torch.ones(1, 3)]) for _ in range(2))
    assert first.parameter_grads["weight"] is not None
    assert second.parameter_grads["weight"] is not None
    assert torch.equal(first.parameter_grads["weight"], second.parameter_grads["weight"])


def test_modules_among_the_arguments_have_gradients(session: Session) -> None:
    """A module that is passed to a function is named by its position, one that is passed by name by that name."""
    layer = session.root.Layer()
    by_position = session.root.apply.vjp((layer, torch.ones(1, 2)), {}, [torch.ones(1, 3)])
    by_name = session.root.apply.vjp((), {"layer": layer, "x": torch.ones(1, 2)}, [torch.ones(1, 3)])
    assert list(by_position.parameter_grads) == ["0.weight", "0.unused"]
    assert list(by_name.parameter_grads) == ["layer.weight", "layer.unused"]


def test_gradients_of_nested_answers_follow_the_wire(session: Session) -> None:
    """Cotangents meet the float tensors of a nested answer in the order of crossing; whole numbers have none."""
    layer = session.root.Layer()
    args = (torch.ones(1, 2), torch.tensor(3.0))
    products = layer.both.vjp(args, {}, [torch.zeros(1, 3), torch.ones(1, 2)])
    assert [grad.tolist() for grad in products.arg_grads if grad is not None] == [[[3.0, 3.0]], 2.0]


def test_an_answer_that_is_cut_off_has_no_gradients(session: Session) -> None:
    """Where nothing is attached, or the shapes do not fit, every gradient is None and nothing is raised."""
    record = session.root.boxed.vjp((torch.ones(2),), {}, [torch.ones(2)])
    assert record.arg_grads[0] is not None
    assert torch.equal(record.arg_grads[0], torch.full((2,), 2.0))
    assert session.root.boxed.vjp((torch.ones(2),), {}, [torch.ones(5)]).arg_grads == (None,)
    assert session.root.nest.vjp((1,), {}, []).arg_grads == ()


# --- weights ---------------------------------------------------------------------------------------------------------


def test_state_tells_tied_frozen_and_buffers(session: Session) -> None:
    """Tied parameters stand under all their names, and it is said which are one; frozen ones and buffers as well."""
    state = read_state(session.root.Tied(4))
    assert set(state.parameters) == {"embedding.weight", "out.weight", "scale"}
    assert torch.equal(state.parameters["embedding.weight"], state.parameters["out.weight"])
    assert state.shared == (("embedding.weight", "out.weight"),)
    assert state.frozen == ("scale",)
    assert set(state.buffers) == {"mask"}


def test_weights_are_loaded_by_name(session: Session) -> None:
    """Values are copied into the parameters and buffers of the same names."""
    model = session.root.Tied(4)
    weight = torch.arange(12.0).reshape(4, 3)
    document = session.ask("load", module=model, weights={"embedding.weight": weight, "out.weight": weight})
    assert document["renamed"] == {}
    assert torch.equal(read_state(model).parameters["out.weight"], weight)


def module(**shapes: tuple[int, ...]) -> nn.Module:
    """A module with parameters of these names and shapes; a name that ends with `_frozen` does not learn."""
    made = nn.Module()
    for name, shape in shapes.items():
        made.register_parameter(name, nn.Parameter(torch.zeros(shape), requires_grad=not name.endswith("_frozen")))
    return made


def given(**shapes: tuple[int, ...]) -> dict[str, Tensor]:
    """Weights of ones."""
    return {name: torch.ones(shape) for name, shape in shapes.items()}


def test_a_second_name_of_a_parameter_is_the_module_s_own_affair(session: Session) -> None:
    """Parts that are kept in a list as well load by the names that are due, and their gradients stand under these."""
    model = session.root.Listed()
    weight = torch.ones(3, 2)
    assert session.ask("load", module=model, weights={"linear.weight": weight})["renamed"] == {}
    assert torch.equal(read_state(model).parameters["linear.weight"], weight)
    products = model.vjp((torch.ones(1, 2),), {}, [torch.ones(1, 3)])
    assert torch.equal(products.parameter_grads["linear.weight"], weight)
    assert sharing(model) == [["parts.0.weight", "linear.weight"]]
    assert sharing(model, ["linear.weight"]) == []


def test_left_over_names_are_paired_by_unique_shapes() -> None:
    """Names that do not fit are paired where every shape occurs once on either side, and it is said how."""
    student = module(w=(3, 2), b=(3,), out=(5, 3))
    answer = load_weights(student, given(weight=(3, 2), bias=(3,), out=(5, 3)))
    assert answer == {"renamed": {"weight": "w", "bias": "b"}}
    assert all(torch.equal(p, torch.ones_like(p)) for p in student.parameters())


@pytest.mark.parametrize(
    ("student", "weights"),
    [
        ({"w": (2, 2), "u": (2, 2)}, {"weight": (2, 2), "other": (2, 2)}),
        ({"weight": (2, 3)}, {"weight": (3, 2)}),
        ({"weight": (3, 2), "more": (1,)}, {"weight": (3, 2)}),
        ({"weight": (3, 2)}, {"weight": (3, 2), "bias": (3,)}),
        ({"w": (3, 2), "v": (4,)}, {"weight": (3, 2)}),
        ({}, {"weight": (3, 2)}),
    ],
    ids=["shapes twice", "transposed", "one too many", "one missing", "renamed and too many", "none"],
)
def test_weights_that_do_not_fit_are_answered_with_both_lists(
    student: dict[str, tuple[int, ...]], weights: dict[str, tuple[int, ...]]
) -> None:
    """Nothing is loaded, and the answer lists what was expected and what is there, with shapes."""
    made = module(**student)
    answer = load_weights(made, given(**weights))
    assert answer["expected"] == {name: list(shape) for name, shape in weights.items()}
    assert answer["found"] == {name: list(shape) for name, shape in student.items()}
    assert all(torch.equal(p, torch.zeros_like(p)) for p in made.parameters())


def test_frozen_parameters_and_buffers_of_their_own_are_free() -> None:
    """A frozen parameter or buffer that the handout does not name stays as it is and costs nothing."""
    student = module(weight=(3, 2), table_frozen=(4,))
    student.register_buffer("mask", torch.zeros(2))
    assert load_weights(student, given(weight=(3, 2))) == {"renamed": {}}
    assert torch.equal(student.get_parameter("table_frozen"), torch.zeros(4))


def test_buffers_are_loaded_where_they_are_named() -> None:
    """Running statistics can be given like weights."""
    norm = nn.BatchNorm1d(2)
    load_weights(norm, given(weight=(2,), bias=(2,), running_mean=(2,)))
    assert torch.equal(norm.running_mean, torch.ones(2))  # type: ignore[arg-type]


# --- training --------------------------------------------------------------------------------------------------------


def test_training_returns_weights_and_losses_alone(session: Session) -> None:
    """The student's loop runs over there; its keyword arguments arrive, and what it learned comes back."""
    model = session.root.Layer()
    batches = [(torch.ones(1, 2), torch.zeros(1, 3))] * 2
    trained = train(model, "fit", batches, ("SGD", {"lr": 0.1}), {"factor": 0.5})
    assert len(trained.losses) == 2
    assert trained.losses[1] < trained.losses[0]
    assert not torch.equal(trained.state["weight"], torch.ones(3, 2))
    assert torch.equal(trained.state["unused"], torch.ones(1))
    assert not trained.attached


def test_losses_that_hold_their_graph_are_noticed(session: Session) -> None:
    """A loop that returns losses with their graphs is told apart."""
    trained = train(
        session.root.Layer(), "fit_attached", [(torch.ones(1, 2), torch.zeros(1, 3))], ("SGD", {"lr": 0.1}), {}
    )
    assert trained.attached


LOOPS = """
import copy

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)
        self.frozen = nn.Parameter(torch.tensor(float("nan")), requires_grad=False)

    def forward(self, x):
        return self.layer(x)


def fit(model, batches, optimizer, *, spoils=0, mends=False):
    losses = []
    for number, (inputs, targets) in enumerate(batches, start=1):
        optimizer.zero_grad()
        loss = ((model(inputs) - targets) ** 2).mean()
        if number == spoils:
            loss = loss * float("inf")
        kept = copy.deepcopy(model.state_dict())
        loss.backward()
        optimizer.step()
        if mends and number == spoils:
            model.load_state_dict(kept)
        losses.append(loss.item())
    return losses


def fit_a_copy(model, batches, optimizer):
    other = copy.deepcopy(optimizer)
    return fit(model, batches, other)
"""


def learned(tmp_path: Path, fit: str, **kwargs: Any) -> Any:
    """What a loop of `LOOPS` makes of 40 batches."""
    (tmp_path / "loops.py").write_text(LOOPS)
    session = Session(LocalTransport(Executor(import_apart([tmp_path], "loops"), tmp_path)))
    batches = [(torch.ones(3, 2), torch.zeros(3, 1))] * 40
    return train(session.root.Model(), fit, batches, ("SGD", {"lr": 0.1}), kwargs)


def test_a_training_that_cannot_recover_ends(tmp_path: Path) -> None:
    """Where weights are no numbers any more, the next look ends the loop and says when it was, and which."""
    with pytest.raises(StudentError, match=r"after step 20 of the loop, layer.weight and 1 more") as raised:
        learned(tmp_path, "fit", spoils=13)
    assert raised.value.type_names[0] == "TrainingLost"


@pytest.mark.parametrize("kwargs", [{}, {"spoils": 13, "mends": True}, {"spoils": 0}])
def test_other_trainings_come_to_their_end(tmp_path: Path, kwargs: dict[str, Any]) -> None:
    """A loss that was inf once is no reason where the weights were put right, nor is what never trained."""
    assert len(learned(tmp_path, "fit", **kwargs).losses) == 40


def test_a_copied_optimizer_trains_on(tmp_path: Path) -> None:
    """A loop may copy its optimizer: the copy has no hook of ours, and misses none."""
    assert len(learned(tmp_path, "fit_a_copy").losses) == 40


# --- what is kept, and what is raised --------------------------------------------------------------------------------


def test_released_objects_are_gone(session: Session) -> None:
    """After a release the number of an object means nothing any more, and others live on."""
    gone, kept = session.root.Layer(), session.root.Layer()
    session.ask("release", ids=[gone._root])
    assert kept(torch.ones(1, 2)).shape == (1, 3)
    with pytest.raises(WireError, match="released"):
        gone(torch.ones(1, 2))


def test_an_exception_is_data_with_the_students_own_frames(session: Session) -> None:
    """Types along the resolution order, the message, and only lines of the student's file."""
    with pytest.raises(StudentError) as caught:
        session.root.fail_inside(torch.ones(1))
    error = caught.value
    assert error.type_names == ("KeyError", "LookupError", "Exception", "BaseException")
    assert [(file, function) for file, _, function in error.frames] == [
        ("tiny.py", "fail_inside"),
        ("tiny.py", "helper"),
    ]
    line = SOURCE.splitlines().index('    raise KeyError("no such thing")') + 1
    assert error.where == f"tiny.py, line {line}, in helper"


def test_the_frames_of_torch_are_left_out(session: Session) -> None:
    """An exception out of torch's own code points at the student's line that called it."""
    with pytest.raises(StudentError) as caught:
        session.root.apply(session.root.Layer(), torch.ones(1, 5))
    assert caught.value.type_names[0] == "RuntimeError"
    assert [function for _, _, function in caught.value.frames] == ["apply", "forward"]


@pytest.mark.parametrize(
    ("name", "words"), [("leave", "SystemExit: 3"), ("unreadable", "Sly: (its message could not be read)")]
)
def test_odd_exceptions_are_data_too(session: Session, name: str, words: str) -> None:
    """A submission that exits, or whose exception cannot be read, is answered like any other."""
    with pytest.raises(StudentError) as caught:
        getattr(session.root, name)()
    assert str(caught.value) == words


def test_answers_that_cannot_cross_are_the_students_error(session: Session) -> None:
    """An answer nested too deep is told as that, in words of ours; the session goes on."""
    with pytest.raises(CannotCross, match="nested more deeply, than any right answer"):
        session.root.nest(wire.MAX_DEPTH + 1)
    assert session.root.nest(1) == [[]]


def test_an_interrupt_belongs_to_whoever_sits_here(session: Session) -> None:
    """Where ctrl-C reaches this process it is no answer of the submission: it goes through."""
    with pytest.raises(KeyboardInterrupt):
        session.root.stop()


def test_an_interrupt_of_the_submissions_own_is_data(session: Session) -> None:
    """Where signals of the terminal are ignored, as in the sandbox, only the submission can have raised it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(StudentError, match="KeyboardInterrupt"):
            session.root.stop()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_syntax_error_says_where(tmp_path: Path) -> None:
    """A file that is no Python is described by its own line, though none of its code ran."""
    file = tmp_path / "tiny.py"
    file.write_text("x = 1\ndef broken(:\n", encoding="utf-8")
    with pytest.raises(SyntaxError) as caught:
        compile(file.read_text(encoding="utf-8"), str(file), "exec")
    assert describe(caught.value, str(tmp_path))["frames"] == [["tiny.py", 2, "<module>"]]


def test_memory_errors_are_told_apart() -> None:
    """Python's and torch's ways to run out of memory are known."""
    assert describe(MemoryError(), "/nowhere")["out_of_memory"]
    assert describe(RuntimeError("DefaultCPUAllocator: can't allocate memory"), "/nowhere")["out_of_memory"]
    assert not describe(RuntimeError("shapes do not fit"), "/nowhere")["out_of_memory"]


def test_long_messages_and_deep_tracebacks_are_cut(tmp_path: Path) -> None:
    """A message of megabytes and a recursion of thousands of frames leave a description of reasonable size."""

    def recurse(depth: int) -> Any:
        if depth == 0:
            raise ValueError("x" * 10**6)
        return recurse(depth - 1)

    with pytest.raises(ValueError, match="x") as caught:
        recurse(100)
    described = describe(caught.value, str(Path(__file__).parent))
    assert len(described["message"]) == 2000
    assert len(described["frames"]) == 12
    assert described["frames"][-1][2] == "recurse"
