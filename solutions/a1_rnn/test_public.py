"""The checks that you have: `pytest` in this folder runs them against your rnn.py.

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

from autograder.checks import Draw, bans, builtin, hint, load, needs, points, same, state, trains


def with_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """A module of torch itself with the given weights, in their precision."""
    module.to(next(iter(weights.values())).dtype)
    module.load_state_dict(dict(weights))
    return module


def weights_of_cell(draw: Draw, inputs: int, hidden: int, gates: int = 1) -> dict[str, Tensor]:
    """Random weights of a cell: none is zero, the biases neither."""
    shapes = {"weight_ih": (inputs,), "weight_hh": (hidden,), "bias_ih": (), "bias_hh": ()}
    return {name: draw.uniform(gates * hidden, *rest, low=-0.8, high=0.8) for name, rest in shapes.items()}


def of_layer(weights: Mapping[str, Tensor], layer: int) -> dict[str, Tensor]:
    """A cell's weights under the names that torch.nn.RNN and torch.nn.GRU give to one layer."""
    return {f"{name}_l{layer}": weight for name, weight in weights.items()}


def of_cell(weights: Mapping[str, Tensor], layer: int) -> dict[str, Tensor]:
    """A cell's weights under the names that they have in the `RNN` of this assignment."""
    return {f"cells.{layer}.{name}": weight for name, weight in weights.items()}


@points(3)
@bans("recurrent", "one_hot")
@hint("Row v of the identity matrix of size V is the code of id v.")
def test_one_hot(student, draw):
    """`one_hot` puts a single 1 at every id."""
    vocab = 7
    ids = draw.ints(3, 5, high=vocab)
    same(student.one_hot(ids, vocab), torch.eye(vocab, dtype=draw(1).dtype)[ids])


@points(5)
@hint("h' = tanh(W_ih x + b_ih + W_hh h + b_hh); weights are stored as (out, in). Which of them meets x and h?")
def test_rnn_cell(student, draw):
    """`rnn_cell` computes the next state as torch.nn.RNNCell does."""
    weights = weights_of_cell(draw, 5, 7)
    x, h = draw(3, 5), draw(3, 7)
    expected = with_weights(nn.RNNCell(5, 7), weights)(x, h)
    same(student.rnn_cell(x, h, *weights.values()), expected)


@points(2)
@needs("rnn_cell")
@hint("Which weights does forward hand to rnn_cell, and in which order?")
def test_rnn_cell_module(student, draw):
    """`RNNCell` computes the next state with its own weights."""
    weights = weights_of_cell(draw, 8, 5)
    x, h = draw(3, 8), draw(3, 5)
    cell = student.RNNCell(8, 5)
    load(cell, weights)
    same(cell(x, h), with_weights(nn.RNNCell(8, 5), weights)(x, h))


@points(1)
@needs("test_rnn_cell_module")
@hint("The cell remembers its nonlinearity in self.nonlinearity: is it passed on?")
def test_rnn_cell_module_relu(student, draw):
    """`RNNCell` uses relu where it was told to."""
    weights = weights_of_cell(draw, 8, 5)
    x, h = draw(3, 8), draw(3, 5)
    cell = student.RNNCell(8, 5, nonlinearity="relu")
    load(cell, weights)
    same(cell(x, h), with_weights(nn.RNNCell(8, 5, nonlinearity="relu"), weights)(x, h))


@points(4)
@bans("rnn", "lstm")
@hint("x is (B, T, I): which axis is time? The states are stacked along a new axis of their own.")
def test_rnn_forward(student, draw):
    """`rnn_forward` runs a cell over time, from the zero state: all states and the last one."""
    weights = weights_of_cell(draw, 5, 4, gates=3)
    x = draw(3, 7, 5)
    cell = builtin(student, "torch.nn.GRUCell", 5, 4)  # another cell than yours: this check is about the loop alone
    load(cell, weights)
    out, h_n = with_weights(nn.GRU(5, 4, batch_first=True), of_layer(weights, 0))(x)
    same(student.rnn_forward(cell, x), (out, h_n[0]))


def rnn_and_oracle(student: Any, draw: Draw, inputs: int, hidden: int, num_layers: int) -> tuple[Any, nn.Module]:
    """The student's `RNN` and torch's own with the same weights."""
    sizes = [inputs] + [hidden] * (num_layers - 1)
    layers = [weights_of_cell(draw, size, hidden) for size in sizes]
    model = student.RNN(inputs, hidden, num_layers=num_layers)
    load(model, {name: w for layer, weights in enumerate(layers) for name, w in of_cell(weights, layer).items()})
    ours = {name: w for layer, weights in enumerate(layers) for name, w in of_layer(weights, layer).items()}
    return model, with_weights(nn.RNN(inputs, hidden, num_layers, batch_first=True), ours)


@points(2)
@needs("RNNCell", "rnn_forward")
@hint("Layer 1 reads the states of layer 0. Which layer's states does the caller get?")
@pytest.mark.parametrize("num_layers", [1, 2])
def test_rnn(student, draw, num_layers):
    """`RNN` returns the states of its top layer, as torch.nn.RNN does."""
    model, oracle = rnn_and_oracle(student, draw, 5, 7, num_layers)
    x = draw(3, 11, 5)
    same(model(x)[0], oracle(x)[0], what="out")


@points(2)
@needs("test_rnn")
@hint("h_n holds the last state of every layer: (L, B, H), also where L = 1.")
@pytest.mark.parametrize("num_layers", [1, 2])
def test_rnn_final_states(student, draw, num_layers):
    """`RNN` returns the last state of each of its layers."""
    model, oracle = rnn_and_oracle(student, draw, 5, 7, num_layers)
    x = draw(3, 11, 5)
    same(model(x)[1], oracle(x)[1], what="h_n")


@points(3)
@hint("Row b ends at time lengths[b] - 1. Is that the last column for every row?")
def test_last_valid(student, draw):
    """`last_valid` picks the last real state of every row, as packing does."""
    x, lengths = draw(4, 7, 3), torch.tensor([7, 2, 5, 1])
    oracle = with_weights(nn.RNN(3, 5, batch_first=True), of_layer(weights_of_cell(draw, 3, 5), 0))
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    same(student.last_valid(oracle(x)[0], lengths), oracle(packed)[1][0])


@points(3)
@needs("rnn_cell", "RNNCell", "rnn_forward")
@hint("Entry 0 is the gradient at h_T itself, so it has no factor W_hh; every further step back multiplies by one.")
def test_grad_norm_worked_example(student, draw):
    """`grad_norm_vs_distance` at the zero state: k steps back, the gradient is W_hh to the power k."""
    # With x = 0 and no bias all states are 0, where tanh has slope 1. W_hh = diag(2, 1/2) then doubles one entry of the
    # gradient and halves the other at every step: the norm at distance k is sqrt(B * (4^k + 4^-k)).
    batch, steps = 3, 5
    zeros = draw(2) * 0
    cell = student.RNNCell(7, 2)
    diagonal = torch.diag(torch.tensor([2.0, 0.5]).to(zeros))
    load(cell, {"weight_ih": draw(2, 7), "weight_hh": diagonal, "bias_ih": zeros, "bias_hh": zeros})
    expected = [math.sqrt(batch * (4.0**k + 4.0**-k)) for k in range(steps)]
    same(student.grad_norm_vs_distance(cell, draw(batch, steps, 7) * 0), torch.tensor(expected).to(zeros))


@points(3)
@bans("recurrent", "clip_grad")
@hint("All gradients together are one long vector with one norm; all are scaled by the same factor.")
def test_clip_grad_norm(student, draw):
    """`clip_grad_norm` scales as torch's clip_grad_norm_ does."""
    grads = [draw(3, 5), 10 * draw(4), draw(2, 3, 2)]
    parameters = [nn.Parameter(torch.zeros_like(grad)) for grad in grads]
    for parameter, grad in zip(parameters, grads, strict=True):
        parameter.grad = grad.clone()
    norm = nn.utils.clip_grad_norm_(parameters, 2.5)
    same(student.clip_grad_norm(grads, 2.5), ([parameter.grad for parameter in parameters], norm))


def char_weights(draw: Draw, vocab: int, embed: int, hidden: int) -> dict[str, Tensor]:
    """Random weights of a CharRNN, large enough that it does not write the same character for ever."""
    cell = {f"rnn.{name}": weight for name, weight in of_cell(weights_of_cell(draw, embed, hidden), 0).items()}
    rest = {"embedding.weight": (vocab, embed), "out.weight": (vocab, hidden), "out.bias": (vocab,)}
    return {name: 1.5 * draw(*shape) for name, shape in rest.items()} | cell


@points(3)
@needs("RNN")
@hint("embedding, then rnn, then out at every time step. No softmax.")
def test_char_rnn(student, draw):
    """`CharRNN` gives logits for every position."""
    weights = char_weights(draw, 11, 4, 6)
    ids = draw.ints(5, 7, high=11)
    model = student.CharRNN(11, 4, 6)
    load(model, weights)
    cell = {name.removeprefix("rnn.cells.0."): weights[name] for name in weights if name.startswith("rnn.")}
    states, _ = with_weights(nn.RNN(4, 6, batch_first=True), of_layer(cell, 0))(weights["embedding.weight"][ids])
    same(model(ids)[0], F.linear(states, weights["out.weight"], weights["out.bias"]), what="logits")


@points(2)
@hint("logits[b, t] and targets[b, t] belong together: what does your reshape do to them?")
def test_char_loss(student, draw):
    """`char_loss` is the mean cross-entropy."""
    logits, targets = draw(3, 5, 7), draw.ints(3, 5, low=1, high=7)
    expected = F.cross_entropy(logits.movedim(-1, 1), targets)  # torch wants the classes on axis 1
    same(student.char_loss(logits, targets, 0), expected)


@points(1)
@needs("test_char_loss")
@hint("Targets that equal pad count neither above nor below the line.")
def test_char_loss_ignores_padding(student, draw):
    """`char_loss` takes its mean over the real targets only."""
    logits, targets = draw(3, 5, 7), draw.ints(3, 5, low=1, high=7)
    targets[0, 3:], targets[2, 1:] = 0, 0
    expected = F.cross_entropy(logits.movedim(-1, 1), targets, ignore_index=0)
    same(student.char_loss(logits, targets, 0), expected)


@points(2)
@needs("CharRNN")
@hint("At temperature 0 take the argmax of the last position's logits, and feed it in with the state that came back.")
def test_sample_greedy(student, draw):
    """`sample` at temperature 0 writes the most likely id, again and again."""
    ids = draw.ints(5, 3, high=13)
    model = student.CharRNN(13, 4, 7)
    load(model, char_weights(draw, 13, 4, 7))
    got = student.sample(model, ids, 11, 0.0, draw.generator())
    for _ in range(11):  # the slow way: the whole text from the start for each new id
        ids = torch.cat([ids, model(ids)[0][:, -1:].argmax(dim=-1)], dim=1)
    same(got, ids[:, 3:])


@points(1)
@needs("CharRNN")
@hint("Cutting the graph changes gradients only: the next piece starts from the value of the state.")
def test_truncated_bptt_logits(student, draw):
    """`truncated_bptt` gives the logits of the whole sequence."""
    ids = draw.ints(3, 11, high=7)
    model = student.CharRNN(7, 5, 13)
    load(model, char_weights(draw, 7, 5, 13))
    same(student.truncated_bptt(model, ids, 4), model(ids)[0])  # pieces of 4, 4 and 3 steps


def after_one_step(table: Tensor, inputs: Tensor, targets: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """What one SGD step makes of a table whose row i holds the logits after id i, and the loss before."""
    rows, columns = inputs.flatten(), targets.flatten()
    log_p = table.log_softmax(dim=-1)[rows]  # (B * T, V)
    slope = (log_p.exp() - torch.eye(len(table)).to(table)[columns]) / len(rows)  # softmax minus one-hot
    return table.index_add(0, rows, -rate * slope), -log_p.gather(1, columns[:, None]).mean()


@points(3)
@needs("char_loss")
@trains(cpu_s=10)
@hint("What is in .grad before the second backward? Which batch does every step use? What is the loss divided by?")
def test_fit_worked_example(student, draw):
    """`fit` takes the known steps on a table of bigrams."""
    # The model is a lone nn.Embedding(V, V): row i holds the logits of what follows id i. The gradient of its loss is
    # softmax minus one-hot, so every step can be written down.
    vocab, rate = 5, 0.5
    table = draw(vocab, vocab)
    batches = [(draw.ints(3, 4, high=vocab), draw.ints(3, 4, low=1, high=vocab)) for _ in range(3)]
    model = builtin(student, "torch.nn.Embedding", vocab, vocab)
    load(model, {"weight": table})
    optimizer = builtin(student, "torch.optim.SGD", model.parameters(), lr=rate)
    losses = student.fit(model, batches, optimizer, 0)
    expected = []
    for inputs, targets in batches:
        table, loss = after_one_step(table, inputs, targets, rate)
        expected.append(loss.item())
    same(state(model)["weight"], table, what="the table after three batches")
    same(losses, expected, what="the losses")
