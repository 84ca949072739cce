"""The checks that you have: `pytest` in this folder runs them against your lstm_gru.py.

The right answers come from torch's own layers or from a case small enough for pencil and paper. `student` stands for
your file, `draw` makes random numbers. Sizes are pairwise different, so that a wrong axis cannot go unnoticed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from autograder.checks import Draw, bans, builtin, hint, load, needs, points, same, state, trains

GATES = {"lstm": 4, "gru": 3}
LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU}


def weights_of_cell(draw: Draw, kind: str, inputs: int, hidden: int) -> dict[str, Tensor]:
    """Random weights of a cell: none is zero, the biases neither."""
    shapes = {"weight_ih": (inputs,), "weight_hh": (hidden,), "bias_ih": (), "bias_hh": ()}
    rows = GATES[kind] * hidden
    return {name: draw.uniform(rows, *rest, low=-0.8, high=0.8) for name, rest in shapes.items()}


def with_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """A module of torch itself with the given weights, in their precision."""
    module.to(next(iter(weights.values())).dtype)
    module.load_state_dict(dict(weights))
    return module


def cell_and_oracle(student: Any, draw: Draw, kind: str, inputs: int, hidden: int) -> tuple[Any, nn.Module]:
    """The student's cell, and one layer of torch with the same weights."""
    weights = weights_of_cell(draw, kind, inputs, hidden)
    cell = getattr(student, f"{kind.upper()}Cell")(inputs, hidden)
    load(cell, weights)
    ours = {f"{name}_l0": weight for name, weight in weights.items()}
    return cell, with_weights(LAYERS[kind](inputs, hidden, batch_first=True), ours)


def model_and_oracle(
    student: Any, draw: Draw, kind: str, inputs: int, hidden: int, num_layers: int
) -> tuple[Any, nn.Module]:
    """The student's `LSTM` or `GRU`, and torch's own with the same weights."""
    sizes = [inputs] + [hidden] * (num_layers - 1)
    layers = [weights_of_cell(draw, kind, size, hidden) for size in sizes]
    model = getattr(student, kind.upper())(inputs, hidden, num_layers=num_layers)
    load(model, {f"cells.{layer}.{name}": w for layer, weights in enumerate(layers) for name, w in weights.items()})
    ours = {f"{name}_l{layer}": w for layer, weights in enumerate(layers) for name, w in weights.items()}
    return model, with_weights(LAYERS[kind](inputs, hidden, num_layers, batch_first=True), ours)


def packed_run(oracle: nn.Module, x: Tensor, lengths: Tensor) -> tuple[Tensor, Any]:
    """What torch's layer says when it is told how long the rows are."""
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    out, final = oracle(packed)
    return pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])[0], final


# --- LSTM: one step --------------------------------------------------------------------------------------------------


@points(3)
@hint("Each gate has its own quarter of the rows. In which order do they stand? And which gate may be negative?")
def test_lstm_gates(student, draw):
    """`lstm_gates` gives i, f, g, o, in this order."""
    # Without weights the gates come from the biases alone: a different number for each quarter.
    hidden, inputs = 3, 5
    zero_ih, zero_hh = 0 * draw(4 * hidden, inputs), 0 * draw(4 * hidden, hidden)
    bias = torch.tensor([1.0, -1.0, -2.0, 3.0]).to(zero_ih).repeat_interleave(hidden)
    activations = {1.0: torch.sigmoid, -1.0: torch.sigmoid, -2.0: torch.tanh, 3.0: torch.sigmoid}
    gates = tuple(function(torch.full((2, hidden), value).to(bias)) for value, function in activations.items())
    x, h = draw(2, inputs), draw(2, hidden)
    same(student.lstm_gates(x, h, zero_ih, zero_hh, bias / 4, 3 * bias / 4), gates, what="(i, f, g, o)")
    # With weights, torch's cell shows two of them: from c = 0 to c = 1 its c' grows by f.
    weights = weights_of_cell(draw, "lstm", inputs, hidden)
    cell = with_weights(nn.LSTMCell(inputs, hidden), weights)
    zeros = torch.zeros_like(h)
    (h_next, c_next), (_, c_more) = cell(x, (h, zeros)), cell(x, (h, zeros + 1))
    i, f, g, o = student.lstm_gates(x, h, *weights.values())
    same(f, c_more - c_next, what="f")
    same(i * g, c_next, what="i * g")
    same(o * torch.tanh(c_next), h_next, what="o * tanh(i * g)")


@points(4)
@needs("lstm_gates")
@hint("c' = f * c + i * g and h' = o * tanh(c'). Which of the two is returned first?")
def test_lstm_cell(student, draw):
    """`lstm_cell` computes both next states as torch.nn.LSTMCell does."""
    weights = weights_of_cell(draw, "lstm", 5, 7)
    x, h, c = draw(3, 5), draw(3, 7), 2 * draw(3, 7)
    expected = with_weights(nn.LSTMCell(5, 7), weights)(x, (h, c))
    same(student.lstm_cell(x, h, c, *weights.values()), expected, what="(h', c')")


@points(2)
@needs("lstm_cell")
@hint("Which weights does forward hand to lstm_cell, and in which order? The state is the pair (h, c).")
def test_lstm_cell_module(student, draw):
    """`LSTMCell` computes the next states with its own weights."""
    weights = weights_of_cell(draw, "lstm", 8, 5)
    x, h, c = draw(3, 8), draw(3, 5), draw(3, 5)
    cell = student.LSTMCell(8, 5)
    load(cell, weights)
    same(cell(x, (h, c)), with_weights(nn.LSTMCell(8, 5), weights)(x, (h, c)), what="(h', c')")


@points(2)
@hint("With all weights zero, what is f = sigmoid(b_ih + b_hh)? Which rows belong to f?")
def test_init_forget_bias(student, draw):
    """After `init_forget_bias`, the two biases of the forget gate add up to the value."""
    hidden = 5
    cell = student.LSTMCell(3, hidden)
    load(cell, weights_of_cell(draw, "lstm", 3, hidden))
    student.init_forget_bias(cell, 1.0)
    found = state(cell)
    bias = (found["bias_ih"] + found["bias_hh"])[hidden : 2 * hidden]
    same(bias, torch.ones(hidden).to(bias), what="b_ih + b_hh of the forget gate")


# --- LSTM: many steps, many layers -----------------------------------------------------------------------------------


@points(4)
@needs("LSTMCell")
@hint("Two states go from step to step. Which of them is out made of? x is (B, T, I): which axis is time?")
def test_lstm_forward(student, draw):
    """`lstm_forward` runs a cell over time, from zero states: all states h, and the last h and c."""
    cell, oracle = cell_and_oracle(student, draw, "lstm", 5, 4)
    x = draw(3, 7, 5)
    out, (h_n, c_n) = oracle(x)
    same(student.lstm_forward(cell, x), (out, (h_n[0], c_n[0])), what="(out, (h_n, c_n))")


@points(3)
@needs("test_lstm_forward")
@hint("What should a row that has ended remember? Both of its states stay as they were at its last real step.")
def test_lstm_forward_lengths(student, draw):
    """With lengths, `lstm_forward` ends every row where it ends, as packing does."""
    cell, oracle = cell_and_oracle(student, draw, "lstm", 5, 4)
    x, lengths = draw(4, 7, 5), torch.tensor([3, 7, 1, 5])
    out, (h_n, c_n) = packed_run(oracle, x, lengths)
    real = torch.arange(7) < lengths[:, None]  # what stands behind the end of a row is not looked at
    found = student.lstm_forward(cell, x, None, lengths)
    same(found, (out, (h_n[0], c_n[0])), what="(out, (h_n, c_n))", only=[real])


@points(2)
@needs("LSTMCell", "lstm_forward")
@hint("Layer 1 reads the states h of layer 0. Which layer's states does the caller get?")
@pytest.mark.parametrize("num_layers", [1, 2])
def test_lstm(student, draw, num_layers):
    """`LSTM` returns the states of its top layer, as torch.nn.LSTM does."""
    model, oracle = model_and_oracle(student, draw, "lstm", 5, 7, num_layers)
    x = draw(3, 11, 5)
    same(model(x)[0], oracle(x)[0], what="out")


@points(1)
@needs("test_lstm")
@hint("h_n and c_n hold the final states of every layer: (L, B, H) each, also where L = 1.")
@pytest.mark.parametrize("num_layers", [1, 2])
def test_lstm_final_states(student, draw, num_layers):
    """`LSTM` returns the final states of each of its layers."""
    model, oracle = model_and_oracle(student, draw, "lstm", 5, 7, num_layers)
    x = draw(3, 11, 5)
    same(model(x)[1], oracle(x)[1], what="(h_n, c_n)")


# --- GRU -------------------------------------------------------------------------------------------------------------


@points(4)
@hint("The reset gate multiplies W_hn h + b_hn, bias included. And with z = 1, does the state stay or change?")
def test_gru_cell(student, draw):
    """`gru_cell` computes the next state as torch.nn.GRUCell does."""
    weights = weights_of_cell(draw, "gru", 5, 7)
    x, h = draw(3, 5), draw(3, 7)
    same(student.gru_cell(x, h, *weights.values()), with_weights(nn.GRUCell(5, 7), weights)(x, h), what="h'")


@points(1)
@needs("gru_cell")
@hint("Which weights does forward hand to gru_cell, and in which order?")
def test_gru_cell_module(student, draw):
    """`GRUCell` computes the next state with its own weights."""
    weights = weights_of_cell(draw, "gru", 8, 5)
    x, h = draw(3, 8), draw(3, 5)
    cell = student.GRUCell(8, 5)
    load(cell, weights)
    same(cell(x, h), with_weights(nn.GRUCell(8, 5), weights)(x, h), what="h'")


@points(2)
@needs("GRUCell")
@hint("The loop is that of lstm_forward, with one state instead of two.")
def test_gru_forward(student, draw):
    """`gru_forward` runs a cell over time, from the zero state: all states and the last one."""
    cell, oracle = cell_and_oracle(student, draw, "gru", 5, 4)
    x = draw(3, 7, 5)
    out, h_n = oracle(x)
    same(student.gru_forward(cell, x), (out, h_n[0]), what="(out, h_n)")


@points(2)
@needs("GRUCell", "gru_forward")
@hint("Layer 1 reads the states of layer 0; h_n is (L, B, H), also where L = 1.")
@pytest.mark.parametrize("num_layers", [1, 2])
def test_gru(student, draw, num_layers):
    """`GRU` returns the states of its top layer and the final state of each layer, as torch.nn.GRU does."""
    model, oracle = model_and_oracle(student, draw, "gru", 5, 7, num_layers)
    x = draw(3, 11, 5)
    same(model(x), oracle(x), what="(out, h_n)")


# --- what they cost and what they keep -------------------------------------------------------------------------------


@points(2)
@hint("Every gate has a weight matrix for x, one for h, and two biases. What is the input size of layer 1?")
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_count_params(student, kind, num_layers):
    """`count_params` counts as many numbers as torch's layers have."""
    layer = {"rnn": nn.RNN, **LAYERS}[kind](10, 20, num_layers)
    same(student.count_params(kind, 10, 20, num_layers), sum(p.numel() for p in layer.parameters()))


@points(2)
@bans("lstm", "gru")
@hint("Entry 0 is the distance 0, so the last input. The loss is made of the last output alone.")
def test_grad_norm_worked_example(student, draw):
    """`grad_norm_vs_distance` on a plain RNN at rest: k steps back, the gradient is W_hh to the power k, times W_ih."""
    # With x = 0 and no bias all states are 0, where tanh has slope 1. W_hh = diag(2, 1/2) then doubles one entry of the
    # gradient and halves the other at every step; W_ih = diag(3, 1) takes it to the input. So the norm at distance k is
    # sqrt(B * ((3 * 2^k)^2 + (2^-k)^2)).
    batch, steps = 3, 5
    zeros = draw(2) * 0
    model = builtin(student, "torch.nn.RNN", 2, 2, batch_first=True)
    weights = [torch.diag(torch.tensor(diagonal).to(zeros)) for diagonal in ([3.0, 1.0], [2.0, 0.5])]
    names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    load(model, dict(zip(names, [*weights, zeros, zeros], strict=True)))
    expected = [math.sqrt(batch * (9 * 4.0**k + 4.0**-k)) for k in range(steps)]
    same(student.grad_norm_vs_distance(model, draw(batch, steps, 2) * 0), torch.tensor(expected).to(zeros))


# --- two models and their training -----------------------------------------------------------------------------------


def model_weights(draw: Draw, kind: str, inputs: int, hidden: int, **more: tuple[int, ...]) -> dict[str, Tensor]:
    """Random weights of a model that holds one layer as `rnn`, and `more` parameters by name (dots as two bars)."""
    cell = {f"rnn.cells.0.{name}": w for name, w in weights_of_cell(draw, kind, inputs, hidden).items()}
    return {name.replace("__", "."): draw(*shape) for name, shape in more.items()} | cell


def layer_of(kind: str, weights: Mapping[str, Tensor], inputs: int, hidden: int) -> nn.Module:
    """One layer of torch with the weights that a model has as `rnn`."""
    cell = {f"{name.rpartition('.')[2]}_l0": w for name, w in weights.items() if name.startswith("rnn.")}
    return with_weights(LAYERS[kind](inputs, hidden, batch_first=True), cell)


@points(2)
@needs("LSTM", "GRU")
@hint("embedding, then rnn with the lengths, then out on the state h at each row's last real step. No softmax.")
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_name_classifier(student, draw, kind):
    """`NameClassifier` gives logits for every row, whatever its length."""
    sizes = {"embedding__weight": (11, 4), "out__weight": (3, 6), "out__bias": (3,)}
    weights = model_weights(draw, kind, 4, 6, **sizes)
    ids, lengths = draw.ints(5, 7, high=11), torch.tensor([6, 2, 5, 1, 4])  # no row fills all seven columns
    model = student.NameClassifier(kind, 11, 4, 6, 3)
    load(model, weights)
    _, final = packed_run(layer_of(kind, weights, 4, 6), weights["embedding.weight"][ids], lengths)
    h_n = final[0] if kind == "lstm" else final
    same(model(ids, lengths), F.linear(h_n[0], weights["out.weight"], weights["out.bias"]), what="logits")


@points(1)
@needs("LSTM", "GRU")
@hint("One number a row: (B,), not (B, 1).")
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_sequence_regressor(student, draw, kind):
    """`SequenceRegressor` says one number about every row."""
    weights = model_weights(draw, kind, 3, 5, out__weight=(1, 5), out__bias=(1,))
    x = draw(4, 7, 3)
    model = student.SequenceRegressor(kind, 3, 5)
    load(model, weights)
    states, _ = layer_of(kind, weights, 3, 5)(x)
    same(model(x), F.linear(states[:, -1], weights["out.weight"], weights["out.bias"])[:, 0], what="the numbers")


@points(3)
@trains(cpu_s=10)
@hint("What is in .grad before the second backward? Which batch does every step use? Are all inputs handed on?")
def test_fit_worked_example(student, draw):
    """`fit` takes the known steps on a bilinear model."""
    # The model is nn.Bilinear(2, 3, 1): one number a row, sum of weight[j, k] x1[j] x2[k], plus a bias. The gradient of
    # its squared error is 2 (prediction - target) x1[j] x2[k] / B, so every step can be written down.
    rate = 0.1
    weight, bias = draw(1, 2, 3), draw(1)
    batches = [((draw(rows, 2), draw(rows, 3)), draw(rows, 1)) for rows in (4, 2, 5)]
    model = builtin(student, "torch.nn.Bilinear", 2, 3, 1)
    load(model, {"weight": weight, "bias": bias})
    optimizer = builtin(student, "torch.optim.SGD", model.parameters(), lr=rate)
    losses = student.fit(model, batches, optimizer, builtin(student, "torch.nn.MSELoss"))
    expected = []
    for (x1, x2), targets in batches:
        products = x1[:, :, None] * x2[:, None, :]  # (B, 2, 3)
        error = (products * weight).sum(dim=(1, 2)) + bias - targets[:, 0]  # (B,)
        expected.append(error.square().mean().item())
        weight = weight - rate * 2 * (error[:, None, None] * products).mean(dim=0)
        bias = bias - rate * 2 * error.mean()
    same(state(model), {"weight": weight, "bias": bias}, what="the parameters after three batches")
    same(losses, expected, what="the losses")
