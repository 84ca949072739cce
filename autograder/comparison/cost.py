"""What a pass costs, against the length of the sequence: operations, time, and how many must wait for one another."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from autograder.comparison.records import Claim, Curve, Measured, Plot, among, held, strength, weakness
from autograder.comparison.training import count_parameters, seeded, states_of
from autograder.comparison.works import Works

D = 64
BATCH = 4
LENGTHS = (16, 64, 256, 1024)
ENCODER = "Transformer (EncoderLayer)"


def cost(works: Works) -> Measured:
    """Operations, processor time and depth of one forward pass at lengths from 16 to 1024, for layers of one width."""
    models = _models(works)
    operations = {name: [_operations(model, length) for length in LENGTHS] for name, model in models.items()}
    seconds = {name: [_seconds(model, length) for length in LENGTHS] for name, model in models.items()}
    depths = {name: [_depth(model, length) for length in LENGTHS] for name, model in models.items()}
    claims = (
        _any_length(models["RNN"]),
        _one_after_the_other(depths, seconds),
        _more_computation(operations, seconds),
        _parallel(depths, seconds),
        _expensive(operations, seconds),
    )
    plots = (
        _plot("Operations", "multiplications a token", operations, "Of matrix products; attention's share grows."),
        _plot("Processor time", "microseconds a token", _micro(seconds), "One thread, batches of 4, the best of 3."),
        _plot(
            "Operations that wait for one another",
            "longest chain",
            {name: [depth * length for depth, length in zip(found, LENGTHS, strict=True)]
             for name, found in _a_token(depths).items()},
            "The longest path from the last output back to an input: no number of processors makes it shorter.",
        ),
    )  # fmt: skip
    return Measured(claims, plots)


def _models(works: Works) -> Mapping[str, nn.Module]:
    rnn, gated = works.module("a1_rnn", "rnn"), works.module("a2_lstm_gru", "lstm_gru")
    transformer = works.module("a5_transformer", "transformer")
    seeded(0)
    return {
        "RNN": rnn.RNN(D, D),
        "LSTM": gated.LSTM(D, D),
        "GRU": gated.GRU(D, D),
        ENCODER: transformer.EncoderLayer(D, 4, 4 * D),
    }


def _operations(model: nn.Module, length: int) -> float:
    """Multiplications of one forward pass of one row."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        states_of(model, torch.randn(1, length, D))
    return float(counter.get_total_flops()) / 2  # it counts a multiplication and an addition


def _seconds(model: nn.Module, length: int) -> float:
    """Processor seconds of a pass forward and backward: the best of three."""
    best = float("inf")
    for _ in range(3):
        x = torch.randn(BATCH, length, D)
        start = time.process_time()
        torch.autograd.backward(states_of(model, x).sum())
        best = min(best, time.process_time() - start)
    return best


def _depth(model: nn.Module, length: int) -> float:
    """The number of operations on the longest path of the graph from the last output to the input."""
    output = states_of(model, torch.randn(1, length, D, requires_grad=True))[:, -1]
    depth: dict[Any, int] = {}
    waiting: list[tuple[Any, bool]] = [(output.grad_fn, False)]
    while waiting:  # without recursion: a graph of 1024 steps is deeper than Python's stack
        node, entered = waiting.pop()
        before = [each for each, _ in node.next_functions if each is not None]
        if entered:
            depth[node] = 1 + max((depth[each] for each in before), default=0)
        elif node not in depth:
            waiting.append((node, True))
            waiting.extend((each, False) for each in before if each not in depth)
    return float(depth[output.grad_fn])


def _a_token(totals: Mapping[str, list[float]]) -> dict[str, list[float]]:
    return {
        name: [value / length for value, length in zip(found, LENGTHS, strict=True)] for name, found in totals.items()
    }


def _micro(seconds: Mapping[str, list[float]]) -> dict[str, list[float]]:
    return {name: [1e6 / BATCH * value for value in found] for name, found in seconds.items()}


def _plot(title: str, y_label: str, totals: Mapping[str, list[float]], caption: str) -> Plot:
    """A plot over the lengths; what is `a token` is divided by them."""
    shown = _a_token(totals) if y_label.endswith("a token") else totals
    curves = tuple(Curve(name, LENGTHS, tuple(values)) for name, values in shown.items())
    return Plot(title, "length of the sequence", y_label, curves, caption, log_x=True, log_y=True)


def _any_length(model: nn.Module) -> Claim:
    with torch.no_grad():
        shapes = [states_of(model, torch.randn(1, length, D)).shape[1] for length in LENGTHS]
    size = count_parameters(model)
    return strength(
        "RNN",
        "takes sequences of any length with the same, shared weights",
        held(shapes == list(LENGTHS)),
        f"one model of {size:,} parameters read sequences of {', '.join(map(str, LENGTHS))} tokens",
    )


def _one_after_the_other(depths: Mapping[str, list[float]], seconds: Mapping[str, list[float]]) -> Claim:
    grew, slower = (depths["RNN"][-1] / depths["RNN"][0], seconds["RNN"][2] / seconds[ENCODER][2])
    return weakness(
        "RNN",
        "slow: the steps wait for one another",
        among(grew > 0.5 * LENGTHS[-1] / LENGTHS[0], slower > 1),
        f"its longest chain grows from {depths['RNN'][0]:.0f} to {depths['RNN'][-1]:.0f} operations from"
        f" {LENGTHS[0]} to {LENGTHS[-1]} tokens; at {LENGTHS[2]} tokens it takes {slower:.1f} times the encoder layer's"
        " time on one thread, with fewer operations",
    )


def _more_computation(operations: Mapping[str, list[float]], seconds: Mapping[str, list[float]]) -> Claim:
    more = {name: operations[name][2] / operations["RNN"][2] for name in ("LSTM", "GRU")}
    longer = {name: seconds[name][2] / seconds["RNN"][2] for name in ("LSTM", "GRU")}
    return weakness(
        "LSTM/GRU",
        "more computation and longer training than the RNN",
        among(*(factor > 1 for factor in (*more.values(), *longer.values()))),
        "; ".join(f"{name}: {more[name]:.1f} times the operations, {longer[name]:.1f} times the time" for name in more),
    )


def _parallel(depths: Mapping[str, list[float]], seconds: Mapping[str, list[float]]) -> Claim:
    chain = depths[ENCODER]
    tokens = [length / took for length, took in zip(LENGTHS, seconds[ENCODER], strict=True)]
    recurrent = [length / took for length, took in zip(LENGTHS, seconds["RNN"], strict=True)]
    return strength(
        "Transformer",
        "parallel: all places are computed at once",
        held(chain[-1] <= chain[0] + 1),
        f"the longest chain has {chain[-1]:.0f} operations at {LENGTHS[-1]} tokens as at {LENGTHS[0]} ({chain[0]:.0f});"
        f" at {LENGTHS[1]} tokens one thread does {tokens[1] / recurrent[1]:.1f} times the tokens a second of the RNN",
    )


def _expensive(operations: Mapping[str, list[float]], seconds: Mapping[str, list[float]]) -> Claim:
    more = [ours / theirs for ours, theirs in zip(operations[ENCODER], operations["RNN"], strict=True)]
    grew = seconds[ENCODER][-1] / seconds[ENCODER][-2]
    return weakness(
        "Transformer",
        "much computation",
        among(*(factor > 2 for factor in more), grew > LENGTHS[-1] / LENGTHS[-2]),
        f"{more[0]:.1f} times the RNN's operations at {LENGTHS[0]} tokens, {more[-1]:.1f} times at {LENGTHS[-1]};"
        f" four times the length, from {LENGTHS[-2]} on, takes {grew:.1f} times as long",
    )
