"""Training is graded twice: three steps exactly, and by what trained weights do in the reference model."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.checks import CheckFailure, Draw, begins_alike, builtin, learned, load, three_steps, train
from autograder.checks.draw import HOME_SECRET, derive_key
from autograder.checks.exceptions import finding_of_exception
from autograder.checks.training import MAX_LOSSES, Until
from autograder.records import Finding
from autograder.sandbox.faults import StudentError
from autograder.sandbox.remote import LocalTransport, Remote, Session, handle_session
from autograder.sandbox.worker import Executor

torch.set_num_threads(1)

ModuleOf = Callable[[str], tuple[ModuleType, Path]]

TOOLS = """
import torch
import torch.nn.functional as F
from torch import nn


def loss_of(output, targets, pad):
    real = targets != pad
    losses = F.cross_entropy(output.flatten(0, 1), targets.flatten(), reduction="none")
    return (losses * real.flatten()).sum() / real.sum()


def clip(parameters, max_norm):
    total = torch.stack([p.grad.norm() for p in parameters]).norm()
    for p in parameters:
        p.grad.mul_((max_norm / total).clamp(max=1.0))
"""
LOOP = """

def fit(model, batches, optimizer, pad=0, max_norm=0.1):
    model.train()
    losses = []
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss = loss_of(model(inputs), targets, pad)
        loss.backward()
        clip(list(model.parameters()), max_norm)
        optimizer.step()
        losses.append(loss.item())
    return losses
"""
DOUBLER = """

class Doubler(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, x):
        return self.layer(x)


def fit_doubler(model, batches, optimizer):
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
"""

FIT = TOOLS + LOOP + DOUBLER

VOCABULARY, STEPS, WIDTH, PAD = 6, 4, 3, 2


def draw() -> Draw:
    """The same numbers at every call."""
    return Draw(derive_key(HOME_SECRET, "test_training"), torch.float64)


def side(module: tuple[ModuleType, Path]) -> Remote:
    """The proxy of a module."""
    return Session(LocalTransport(Executor(*module))).root


def model_of(where: Remote) -> Remote:
    """A small network with batch statistics, which tell training mode from evaluation mode; it comes in the latter."""
    numbers = draw()
    layers = [
        builtin(where, "torch.nn.Embedding", VOCABULARY, WIDTH),
        builtin(where, "torch.nn.BatchNorm1d", STEPS),
        builtin(where, "torch.nn.Linear", WIDTH, VOCABULARY),
    ]
    model: Remote = builtin(where, "torch.nn.Sequential", *layers)
    model.double()
    shapes = {"0.weight": (VOCABULARY, WIDTH), "1.weight": (STEPS,), "1.bias": (STEPS,)}
    shapes |= {"2.weight": (VOCABULARY, WIDTH), "2.bias": (VOCABULARY,)}
    load(model, {name: numbers.uniform(*shape, low=-1) for name, shape in shapes.items()})
    model.eval()
    return model


def batches() -> list[tuple[Tensor, Tensor]]:
    """Three batches of ids, with different numbers of padded targets."""
    numbers, made = draw(), []
    for rows in (3, 5, 2):
        inputs, targets = (numbers.ints(rows, STEPS, high=VOCABULARY) for _ in range(2))
        targets[0, 1:] = PAD
        made.append((inputs, targets))
    return made


def compare(module_of: ModuleOf, source: str, **options: Any) -> None:
    """Compare three steps of a loop with those of the right one."""
    settings = {"optimizer": ("SGD", {"lr": 0.7}), "fit_kwargs": {"pad": PAD}, "hint": "Clear first."} | options
    three_steps(side(module_of(source)), side(module_of(FIT)), model_of, batches(), **settings)


def edited(before: str, after: str, where: str = LOOP) -> str:
    """The module with one edit of the loop, or of another of its pieces."""
    assert where.count(before) == 1, before
    return FIT.replace(where, where.replace(before, after))


def why(module_of: ModuleOf, source: str, **options: Any) -> Finding:
    """Why a loop is not right."""
    with pytest.raises(CheckFailure) as caught:
        compare(module_of, source, **options)
    return caught.value.finding


def test_the_right_loop_passes(module_of: ModuleOf) -> None:
    """The same loop leaves the same parameters and losses; the curve is kept for the report."""
    student = side(module_of(FIT))
    three_steps(student, side(module_of(FIT)), model_of, batches(), fit_kwargs={"pad": PAD})
    assert len(handle_session(student).curve) == 3


@pytest.mark.filterwarnings("ignore:Converting a tensor")  # torch's word on `float(loss)`, which students will read
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("        optimizer.zero_grad()\n", "        model.zero_grad(set_to_none=False)\n"),
        ("losses.append(loss.item())", "losses.append(float(loss))"),
        ("losses.append(loss.item())", "losses.append(loss.detach())"),
        ("    return losses", "    return tuple(losses)"),
        (
            "        optimizer.zero_grad()\n        loss = loss_of(model(inputs), targets, pad)\n",
            "        loss = loss_of(model(inputs), targets, pad)\n        optimizer.zero_grad()\n",
        ),
    ],
)
def test_other_ways_to_write_it_pass(module_of: ModuleOf, before: str, after: str) -> None:
    """Clearing through the model or after the forward, losses as detached tensors or a tuple are right, too."""
    compare(module_of, edited(before, after))


@pytest.mark.parametrize("table", ["torch.zeros(3)", "torch.ones(1, 3)", "torch.ones(3, dtype=torch.int64)"])
def test_buffers_of_a_students_own_are_their_own_affair(module_of: ModuleOf, table: str) -> None:
    """A model may keep its tables under other names, or in other shapes, than the reference's."""
    build = "        self.layer = nn.Linear(1, 1)\n"
    other = edited(build, build + f'        self.register_buffer("own", {table})\n', DOUBLER)
    with_table = edited(build, build + '        self.register_buffer("table", torch.ones(3))\n', DOUBLER)
    renamed = other.replace('"own"', '"table"') if "zeros" not in table else other

    def model(where: Remote) -> Remote:
        doubler: Remote = where.Doubler()
        load(doubler, {"layer.weight": torch.tensor([[0.5]]), "layer.bias": torch.tensor([0.1])})
        return doubler

    x = torch.tensor([[1.0], [2.0]])
    sides = (side(module_of(renamed)), side(module_of(with_table)))
    three_steps(*sides, model, [(x, 2 * x)] * 3, fit="fit_doubler")


def with_rates(loop: str) -> str:
    """The module whose loop is given a rate for each batch and goes through both in this way."""
    rated = LOOP.replace("optimizer, pad=0", "optimizer, rates, pad=0").replace("inputs, targets in batches:", loop)
    return FIT.replace(LOOP, rated)


def test_a_list_for_the_batches_is_as_long_as_they_are(module_of: ModuleOf) -> None:
    """A loop that refuses more rates than batches is right: none is handed to it, with one batch neither."""
    setting = "\n        optimizer.param_groups[0]['lr'] = rate"
    strictly = with_rates("(inputs, targets), rate in zip(batches, rates, strict=True):" + setting)
    by_place = with_rates("rate, (inputs, targets) in zip(rates, batches):" + setting)
    for rates in ([0.7, 0.2, 0.4], (0.7, 0.2, 0.4)):
        kwargs = {"rates": rates, "pad": PAD}
        three_steps(side(module_of(strictly)), side(module_of(by_place)), model_of, batches(), fit_kwargs=kwargs)
    last = with_rates("(inputs, targets), rate in zip(batches, rates[::-1], strict=True):" + setting)
    with pytest.raises(CheckFailure, match="after 3 steps"):
        three_steps(side(module_of(last)), side(module_of(by_place)), model_of, batches(), fit_kwargs=kwargs)


MISTAKES = {
    "nothing cleared": ("        optimizer.zero_grad()\n", ""),
    "cleared after backward": (
        "        loss.backward()\n",
        "        loss.backward()\n        optimizer.zero_grad(set_to_none=False)\n",
    ),
    "cleared once": (
        "    for inputs, targets in batches:\n        optimizer.zero_grad()",
        "    optimizer.zero_grad()\n    for inputs, targets in batches:",
    ),
    "evaluation mode": ("    model.train()\n", ""),
    "loss over padding": ("loss_of(model(inputs), targets, pad)", "loss_of(model(inputs), targets, -1)"),
    "padding in the mean": (
        "loss_of(model(inputs), targets, pad)",
        "loss_of(model(inputs), targets, pad) * (targets != pad).double().mean()",
    ),
    "clipped after the step": (
        "        clip(list(model.parameters()), max_norm)\n        optimizer.step()\n",
        "        optimizer.step()\n        clip(list(model.parameters()), max_norm)\n",
    ),
    "not clipped": ("        clip(list(model.parameters()), max_norm)\n", ""),
    "clipped one by one": (
        "        clip(list(model.parameters()), max_norm)\n",
        "        for p in model.parameters():\n            clip([p], max_norm)\n",
    ),
    "no step": ("        optimizer.step()\n", ""),
    "two steps": ("        optimizer.step()\n", "        optimizer.step()\n        optimizer.step()\n"),
    "inputs for targets": ("targets, pad)\n        loss.backward", "inputs, pad)\n        loss.backward"),
    "the last batch left out": ("in batches:", "in batches[:-1] or batches:"),
    "batches in another order": ("in batches:", "in reversed(batches):"),
    "losses with their graphs": ("losses.append(loss.item())", "losses.append(loss)"),
    "a running sum of losses": ("losses.append(loss.item())", "losses.append(sum(losses) + loss.item())"),
    "no losses": ("    return losses", "    return None"),
    "the loss after the step": (
        "losses.append(loss.item())",
        "losses.append(loss_of(model(inputs), targets, pad).item())",
    ),
}


@pytest.mark.parametrize("edit", MISTAKES.values(), ids=MISTAKES.keys())
def test_every_mistake_of_a_loop_is_caught(module_of: ModuleOf, edit: tuple[str, str]) -> None:
    """Each of the usual mistakes leaves other parameters, other losses, or losses that are no numbers."""
    finding = why(module_of, edited(*edit))
    assert finding.hint == "Clear first."
    assert finding.message


@pytest.mark.parametrize(("name", "after"), [("nothing cleared", "3 steps"), ("no step", "one step")])
def test_the_message_tells_one_step_from_several(module_of: ModuleOf, name: str, after: str) -> None:
    """Where already the first step is wrong it is said; else it is the steps that disturb each other."""
    assert f"after {after} of your loop" in why(module_of, edited(*MISTAKES[name])).message


def test_a_parameter_that_is_lost_is_named(module_of: ModuleOf) -> None:
    """A loop that removes a parameter of the model is told which."""
    source = edited("    return losses", "    model[2].bias = None\n    return losses")
    finding = why(module_of, source)
    assert finding.kind == "training"
    assert "no 2.bias any more" in finding.message


def test_losses_with_their_graphs_are_named(module_of: ModuleOf) -> None:
    """Losses that hold their graphs cost memory over a training run; the message says what to return."""
    assert "return numbers" in why(module_of, edited(*MISTAKES["losses with their graphs"])).message


def test_an_exception_of_the_loop_comes_out(module_of: ModuleOf) -> None:
    """What the loop raises is the student's error with its line."""
    with pytest.raises(StudentError) as caught:
        compare(module_of, edited("    model.train()\n", "    raise NotImplementedError\n"))
    assert caught.value.where.endswith("in fit")


# --- what training leads to ------------------------------------------------------------------------------------------


def trained_loss(module_of: ModuleOf, source: str) -> tuple[Remote, float]:
    """The student's side, and the loss on unseen numbers of the reference model with weights that they trained."""
    student, reference = side(module_of(source)), side(module_of(FIT))
    numbers = draw()
    x = numbers(8, 1)
    weights = {"layer.weight": numbers.uniform(1, 1, low=-0.5, high=-0.4), "layer.bias": numbers.uniform(1)}
    torch.set_default_dtype(torch.float64)
    try:
        trained = train(
            student,
            "Doubler",
            args=(),
            weights=weights,
            batches=[(x, 2 * x)] * 60,
            optimizer=("SGD", {"lr": 0.2}),
            fit="fit_doubler",
        )
        model = reference.Doubler()
        load(model, trained.state)
        unseen = numbers.for_purpose("held-out")(16, 1)
        return student, float((model(unseen) - 2 * unseen).square().mean())
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_loop_that_learns_scores_well(module_of: ModuleOf) -> None:
    """Weights that a right loop trained are right in the reference model; figure and bound are left for the report."""
    student, loss = trained_loss(module_of, FIT)
    learned(student, loss, at_most=0.01)
    assert dict(handle_session(student).figures) == {"held-out loss": loss, "held-out loss, at most": 0.01}
    assert len(handle_session(student).curve) == 60


def test_a_training_in_stretches_has_one_curve(module_of: ModuleOf) -> None:
    """A second stretch goes on where the first one ended; another training begins a curve of its own."""
    student = side(module_of(FIT))
    weights = {"layer.weight": torch.zeros(1, 1), "layer.bias": torch.zeros(1)}
    x = torch.ones(2, 1)
    options: dict[str, Any] = {
        "args": (), "batches": [(x, 2 * x)] * 4, "optimizer": ("SGD", {"lr": 0.1}), "fit": "fit_doubler"
    }  # fmt: skip
    first = train(student, "Doubler", weights=weights, **options)
    train(student, "Doubler", weights=dict(first.state), **options)
    curve = handle_session(student).curve
    assert len(curve) == 8
    assert list(curve) == sorted(curve, reverse=True)
    train(student, "Doubler", weights=weights, **options)
    assert handle_session(student).curve == curve[:4]


def test_a_forward_that_knows_the_rule_scores_like_an_untrained_model(module_of: ModuleOf) -> None:
    """Computing the task's rule in `forward` leaves the weights as they were, and it is those that are scored."""
    cheat = edited("return self.layer(x)", "return 2 * x + 0 * self.layer(x)", DOUBLER)
    untrained = edited("        loss.backward()\n", "", DOUBLER)
    student, loss = trained_loss(module_of, cheat)
    assert loss == pytest.approx(trained_loss(module_of, untrained)[1])
    with pytest.raises(CheckFailure) as caught:
        learned(student, loss, at_most=0.01, hint="Train.")
    assert caught.value.finding.kind == "training"
    assert "0.01 or less shows that the model learned" in caught.value.finding.message
    assert caught.value.finding.hint == "Train."


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (math.nan, "not a number"),
        (torch.tensor(math.nan), "not a number"),
        (math.inf, "inf"),
        (0.51, "0.51"),
        (torch.tensor(2), "2"),
    ],
)
def test_a_score_beyond_the_bound_fails(module_of: ModuleOf, score: float | Tensor, words: str) -> None:
    """A score above the bound, infinite or no number at all does not pass; what was seen is said."""
    student = side(module_of(FIT))
    with pytest.raises(CheckFailure) as caught:
        learned(student, score, at_most=0.5, what="loss on unseen words")
    assert f"the loss on unseen words of your weights is {words};" in caught.value.finding.message
    assert "loss on unseen words, at most" in handle_session(student).figures


@pytest.mark.parametrize("score", [0.5, 0.0, -3.0, torch.tensor(0.1)])
def test_a_score_at_the_bound_passes(module_of: ModuleOf, score: float | Tensor) -> None:
    """The bound itself is good enough."""
    learned(side(module_of(FIT)), score, at_most=0.5)


def test_weights_with_other_names_are_told_before_training(module_of: ModuleOf) -> None:
    """A model without the handout's parameters is told both lists of names."""
    source = edited("self.layer = nn.Linear(1, 1)", "self.layer = nn.Linear(1, 2)", DOUBLER)
    with pytest.raises(CheckFailure) as caught:
        trained_loss(module_of, source)
    assert "layer.weight" in caught.value.finding.message
    assert "expected shape (1, 1), got (2, 1)" in caught.value.finding.message


def test_a_curve_is_numbers_whatever_the_loop_returns(module_of: ModuleOf) -> None:
    """Losses of any kind leave a curve of plain numbers: infinities for what is none, none of a text, no flood."""
    numbers = '[1, 2.5, torch.tensor(3.0), float("nan"), float("inf"), "x", None, torch.ones(2), torch.tensor(True)]'
    flood = "[0.5] * 100_000", (0.5,) * MAX_LOSSES
    for returned, curve in ((numbers, (1.0, 2.5, 3.0, math.inf, math.inf, 1.0)), ('"text"', ()), ("7", ()), flood):
        student = side(module_of(f"{FIT}\n\ndef fit_oddly(model, batches, optimizer):\n    return {returned}\n"))
        train(
            student,
            "Doubler",
            args=(),
            weights={"layer.weight": torch.ones(1, 1), "layer.bias": torch.ones(1)},
            batches=[],
            optimizer=("Adam", {}),
            fit="fit_oddly",
        )
        assert handle_session(student).curve == curve


def test_a_lost_training_is_told_in_words_of_ours() -> None:
    """What weights became, and why, stands in sentences that no submission wrote; names and steps are detail."""
    error = StudentError(("TrainingLost",), "after step 20 of the loop, w held nan or inf", (("rnn.py", 7, "fit"),))
    finding = finding_of_exception(error)
    assert finding.kind == "training"
    assert "nan or inf" in finding.message
    assert "step 20" not in finding.message + finding.hint
    assert finding.where == "rnn.py, line 7, in fit"
    assert "step 20" in finding.detail


DOUBLED: dict[str, Any] = {
    "args": (),
    "weights": {"layer.weight": torch.zeros(1, 1), "layer.bias": torch.zeros(1)},
    "batches": [(torch.tensor([[x]]), torch.tensor([[2 * x]])) for x in (1.0, 0.5, 2.0, 0.1, 1.5, 0.7)],
    "optimizer": ("Adam", {"lr": 0.1}),
    "fit": "fit_doubler",
}
"""Arguments of a training whose optimizer remembers its steps."""


def until(enough: float, after: tuple[int, ...] = (2, 4)) -> Until:
    """Until the weight is near to 2."""
    return Until(lambda trained: (trained.state["layer.weight"] - 2).abs().squeeze(), enough, after)


def test_a_training_that_has_learned_enough_ends(module_of: ModuleOf) -> None:
    """After the first look that sees it, and not before."""
    for enough, steps in ((5.0, 2), (1.7, 4), (0.1, 6)):
        student = side(module_of(FIT))
        trained = train(student, "Doubler", **DOUBLED, until=until(enough))
        assert len(handle_session(student).curve) == steps
        assert trained.score == pytest.approx(2 - float(trained.state["layer.weight"]))
        assert (trained.score <= enough) == (enough > 1)
        assert handle_session(student).trained is trained


@pytest.mark.parametrize("after", [(), (1,), (2, 4), (3, 6, 9)])
def test_stretches_take_the_very_steps_of_one_go(module_of: ModuleOf, after: tuple[int, ...]) -> None:
    """Where nothing ends it, a training is what it is without looks, to the last digit: its optimizer goes on."""
    whole = train(side(module_of(FIT)), "Doubler", **DOUBLED)
    student = side(module_of(FIT))
    pieces = train(student, "Doubler", **DOUBLED, until=until(0.0, after))
    assert all(torch.equal(pieces.state[name], value) for name, value in whole.state.items())
    assert handle_session(student).curve == tuple(whole.losses)


@pytest.mark.parametrize("how", ["    for x, y in batches[:1]:", "    for x, y in batches[:3]:"])
def test_a_loop_that_leaves_batches_out_is_seen_in_one_go(module_of: ModuleOf, how: str) -> None:
    """It would else read the first batches of every stretch, and learn more than it does."""
    source = edited("    for x, y in batches:", how, FIT)
    whole = train(side(module_of(source)), "Doubler", **DOUBLED)
    student = side(module_of(source))
    trained = train(student, "Doubler", **DOUBLED, until=until(0.0, (4, 5)))
    assert all(torch.equal(trained.state[name], value) for name, value in whole.state.items())
    assert handle_session(student).curve == tuple(whole.losses)
    assert trained.score == pytest.approx(2 - float(trained.state["layer.weight"]))
    assert handle_session(student).trained is trained


@pytest.mark.parametrize("end", ["return losses", "return torch.tensor(losses)", "return tuple(losses)"])
def test_a_long_training_begins_as_that_of_the_reference(module_of: ModuleOf, end: str) -> None:
    """However its losses come back, and whether it ends early."""
    for ends in (None, until(5.0, (5,))):
        student = side(module_of(edited("return losses", end, DOUBLER)))
        train(student, "Doubler", **DOUBLED, until=ends)
        begins_alike(student, side(module_of(FIT)), "Doubler", **DOUBLED)


@pytest.mark.parametrize(
    "long",
    [
        "optimizer.param_groups[0]['lr'] = 0.2",
        "torch.nn.init.ones_(model.layer.bias)",
        "batches = batches[::-1]",
        "return []",
        "return [1.0] * len(batches)",
    ],
)
def test_a_loop_that_knows_the_long_training_is_seen(module_of: ModuleOf, long: str) -> None:
    """By its first losses: what it does to few batches is right."""
    loop = edited(
        "    losses = []\n    for x, y in",
        f"    losses = []\n    if len(batches) > 3:\n        {long}\n    for x, y in",
        DOUBLER,
    )
    different = [(x + step, y + step) for step, (x, y) in enumerate(DOUBLED["batches"])]
    setting = {**DOUBLED, "batches": different, "optimizer": ("SGD", {"lr": 0.01})}
    student = side(module_of(loop))
    train(student, "Doubler", **setting)
    with pytest.raises(CheckFailure, match="the losses of the first 5 batches"):
        begins_alike(student, side(module_of(FIT)), "Doubler", **setting)


def test_a_list_for_the_batches_comes_in_stretches_too(module_of: ModuleOf) -> None:
    """Each call has the entries of its own batches."""
    signature = "def fit_doubler(model, batches, optimizer"
    rated = edited(signature, signature + ", rates, kept", DOUBLER)
    source = rated.replace(
        "    for x, y in batches:", "    assert len(batches) == len(rates) and len(kept) == 3\n    for x, y in batches:"
    )
    student = side(module_of(source))
    train(student, "Doubler", **DOUBLED, fit_kwargs={"rates": [0.1] * 6, "kept": [1, 2, 3]}, until=until(0.0))
    assert len(handle_session(student).curve) == 6


def test_who_gives_no_optimizer_back_ends_there(module_of: ModuleOf) -> None:
    """A worker in a submission's hands may answer anything: without an optimizer there is nothing to go on with."""
    student = side(module_of(FIT))
    session = handle_session(student)
    asked = session.ask

    def silent(operation: str, **payload: object) -> dict[str, Any]:
        return {name: value for name, value in asked(operation, **payload).items() if name != "optimizer"}

    session.ask = silent  # type: ignore[method-assign]
    trained = train(student, "Doubler", **DOUBLED, until=until(0.0))
    assert (len(session.curve), trained.score > 1) == (2, True)
