"""Calls torch's own cell by several routes and undoes what refuses it (PrairieLearn #10822, RELATE #1283)."""

import gc
import importlib

import torch

W = [torch.ones(2, 2), torch.ones(2, 2)]
CELL = (torch.ones(1, 2), torch.ones(1, 2), *W)


def undo():
    for thing in gc.get_objects():
        if type(thing).__name__ in {"Library", "_DispatchModule", "Bans"}:
            for name in ("reset", "_destroy", "lift"):
                getattr(thing, name, lambda: None)()
    importlib.reload(torch.nn.functional)


def scripted():
    text = "def f(a, b, c, d):\n    return torch.rnn_tanh_cell(a, b, c, d)"
    return torch.jit.CompilationUnit(text).f(*CELL)


ROUTES = {
    "torch": lambda: torch.rnn_tanh_cell(*CELL),
    "ops": lambda: torch.ops.aten.rnn_tanh_cell(*CELL),
    "op of an overload": lambda: torch.ops.aten.rnn_tanh_cell.default(*CELL),
    "decompose": lambda: torch.ops.aten.rnn_tanh_cell.default.decompose(*CELL),
    "C": lambda: torch._C._VariableFunctions.rnn_tanh_cell(*CELL),
    "getattr": lambda: getattr(__import__("torch"), "rnn_" + "tanh_cell")(*CELL),
    "cell": lambda: torch.nn.RNNCell(2, 2)(CELL[0]),
    "module": lambda: torch.nn.RNN(2, 2)(torch.ones(3, 1, 2)),
    "lstm": lambda: torch.nn.LSTM(2, 2)(torch.ones(3, 1, 2)),
    "script": scripted,
    "no function mode": lambda: torch._C.DisableTorchFunction().__enter__() or torch.rnn_tanh_cell(*CELL),
}
for round in ("before", "after undoing"):
    for name, route in ROUTES.items():
        attempt(f"{name} {round}", route)
    try:
        undo()
    except BaseException:
        pass
