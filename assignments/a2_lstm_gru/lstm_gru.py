"""Assignment 2: LSTM and GRU, networks that decide what to remember.

Work from top to bottom: no part needs a part below it, and every part has checks of its own. Use an earlier part by
its name (`lstm_cell(...)`, not a copy of it): where it is wrong, the grader puts a right one in its place before it
looks at the parts that call it, so that one mistake costs its points once.

Shapes: B batch, T time steps, I input size, H hidden size, L layers, V vocabulary, E embedding size, C classes.

Choices of this course (other books choose otherwise; these are graded):
    layout       batch first: (B, T, features)
    weights      the gates' rows stacked in one matrix, (4H, I) and (3H, I), and two bias vectors a cell, as in torch
    LSTM         gates in the order i, f, g, o; its state is the pair (h, c)
    GRU          gates in the order r, z, n; the reset gate acts after the matrix product; h' = (1 - z) n + z h
    zero state   `None` means zeros on the device and with the dtype of x
    final state  (B, H) for one cell and (L, B, H) for a model, also where L = 1
    lengths      row b is real at times 0 .. lengths[b] - 1; its final state is the one at its last real time
    forget bias  b_ih and b_hh are added, so it is their sum that counts
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
"""The two states (h, c) of an LSTM."""

# ---------------------------------------------------------------------------------------------------------------------
# 1. LSTM: one step
# ---------------------------------------------------------------------------------------------------------------------


def lstm_gates(
    x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute the gates (i, f, g, o), each (B, H), from the input x (B, I) and the state h (B, H).

    Each is an activation of its own quarter of a = W_ih x + b_ih + W_hh h + b_hh (B, 4H), in the order i, f, g, o:
    i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o), between 0 and 1; g = tanh(a_g), between -1 and 1.
    weight_ih (4H, I), weight_hh (4H, H), bias_ih (4H,), bias_hh (4H,).
    Source: Hochreiter, Schmidhuber 1997; the forget gate f: Gers, Schmidhuber, Cummins 2000; order: torch.nn.LSTMCell.
    """
    raise NotImplementedError("write lstm_gates: see handout.md, '1.1 lstm_gates'")


def lstm_cell(
    x: Tensor, h: Tensor, c: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
) -> State:
    """Compute the next states (h', c'), each (B, H), from the input x (B, I) and the states h, c (B, H).

    c' = f * c + i * g,   h' = o * tanh(c'),   entry by entry, with the gates of `lstm_gates`.
    Source: as above; the formula of torch.nn.LSTMCell.
    """
    raise NotImplementedError("write lstm_cell: see handout.md, '1.2 lstm_cell'")


class LSTMCell(nn.Module):
    """The cell with its own weights. `__init__` is given: names, shapes and initial values as torch.nn.LSTMCell."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        bound = 1 / math.sqrt(hidden_size)  # every weight and bias is drawn from U(-1/sqrt(H), 1/sqrt(H))
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden_size, input_size).uniform_(-bound, bound))  # (4H, I)
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden_size, hidden_size).uniform_(-bound, bound))  # (4H, H)
        self.bias_ih = nn.Parameter(torch.empty(4 * hidden_size).uniform_(-bound, bound))  # (4H,)
        self.bias_hh = nn.Parameter(torch.empty(4 * hidden_size).uniform_(-bound, bound))  # (4H,)

    def forward(self, x: Tensor, state: State) -> State:
        """Compute (h', c') from x (B, I) and state = (h, c), each (B, H), with this cell's weights."""
        raise NotImplementedError("write LSTMCell.forward: see handout.md, '1.3 LSTMCell'")


def init_forget_bias(cell: LSTMCell, value: float) -> None:
    """Set the bias of the cell's forget gate to `value`, in place; all other numbers of the cell stay as they are.

    The bias of the forget gate is b_ih + b_hh in the rows of f: their sum has to be `value` for each of the H units,
    however you share it between the two. Returns nothing.
    Source: Gers, Schmidhuber, Cummins 2000; Jozefowicz, Zaremba, Sutskever 2015, section 2.2: "a bias of 1".
    """
    raise NotImplementedError("write init_forget_bias: see handout.md, '1.4 init_forget_bias'")


# ---------------------------------------------------------------------------------------------------------------------
# 2. LSTM: many steps, many layers
# ---------------------------------------------------------------------------------------------------------------------


def lstm_forward(
    cell: LSTMCell, x: Tensor, state: State | None = None, lengths: Tensor | None = None
) -> tuple[Tensor, State]:
    """Run `cell` over the time steps of x (B, T, I), starting at state = (h_0, c_0), each (B, H).

    (h_t, c_t) = cell(x[:, t], (h_{t-1}, c_{t-1})). Returns (out, (h_n, c_n)): all states h as out (B, T, H), and the
    final states (B, H). state=None means zeros on the device and with the dtype of x, H is `cell.hidden_size`.

    With lengths (B,), int64, 1 <= lengths[b] <= T, row b ends after lengths[b] steps: its states stay as they are from
    there on, whatever x holds in the padding, so that (h_n, c_n) are those of its last real step. What out holds behind
    the end of a row is nobody's affair (it is not looked at). The same as torch.nn.LSTM over a `pack_padded_sequence`.
    """
    raise NotImplementedError("write lstm_forward: see handout.md, '2.1 lstm_forward'")


class LSTM(nn.Module):
    """Layers of `LSTMCell`: layer l reads the states h of layer l-1, and the first one reads x.

    Attribute: `cells`, an nn.ModuleList of `num_layers` cells, so that the parameters are called `cells.0.weight_ih`
    and so on. Cell 0 takes inputs of size I, every other one takes size H; each has weights of its own.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        raise NotImplementedError("write LSTM.__init__: see handout.md, '2.2 LSTM'")

    def forward(self, x: Tensor, state: State | None = None, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """Return (out, (h_n, c_n)): the top layer's states (B, T, H), and the final states of all layers (L, B, H).

        x is (B, T, I). state = (h_0, c_0), each (L, B, H), one initial state a layer; None means zeros. `lengths` as in
        `lstm_forward`, the same for every layer.
        Bonus (0 points): in training mode, `dropout` is the share of entries that F.dropout sets to zero in what one
        layer hands to the next (h only; neither x, nor the top layer's output, nor final states).
        """
        raise NotImplementedError("write LSTM.forward: see handout.md, '2.2 LSTM'")


# ---------------------------------------------------------------------------------------------------------------------
# 3. GRU
# ---------------------------------------------------------------------------------------------------------------------


def gru_cell(x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> Tensor:
    """Compute the next state h' (B, H) from the input x (B, I) and the state h (B, H).

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr),   z = sigmoid(W_iz x + b_iz + W_hz h + b_hz),
    n = tanh(W_in x + b_in + r * (W_hn h + b_hn)),   h' = (1 - z) * n + z * h.
    The rows of weight_ih (3H, I), weight_hh (3H, H), bias_ih (3H,), bias_hh (3H,) stand in the order r, z, n.
    Source: Cho et al. 2014 (arXiv 1406.1078); with the reset after the matrix product, the formula of torch.nn.GRUCell.
    """
    raise NotImplementedError("write gru_cell: see handout.md, '3.1 gru_cell'")


def gru_cell_cho(
    x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
) -> Tensor:
    """Bonus (0 points): the GRU as it was published, with the reset gate before the matrix product.

    n = tanh(W_in x + b_in + W_hn (r * h) + b_hn); everything else as in `gru_cell`.
    Source: Cho et al. 2014 (arXiv 1406.1078), equations 5 to 8.
    """
    raise NotImplementedError("write gru_cell_cho: see handout.md, '3.2 Bonus: gru_cell_cho'")


class GRUCell(nn.Module):
    """The cell with its own weights. `__init__` is given: names, shapes and initial values as torch.nn.GRUCell."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        bound = 1 / math.sqrt(hidden_size)  # every weight and bias is drawn from U(-1/sqrt(H), 1/sqrt(H))
        self.weight_ih = nn.Parameter(torch.empty(3 * hidden_size, input_size).uniform_(-bound, bound))  # (3H, I)
        self.weight_hh = nn.Parameter(torch.empty(3 * hidden_size, hidden_size).uniform_(-bound, bound))  # (3H, H)
        self.bias_ih = nn.Parameter(torch.empty(3 * hidden_size).uniform_(-bound, bound))  # (3H,)
        self.bias_hh = nn.Parameter(torch.empty(3 * hidden_size).uniform_(-bound, bound))  # (3H,)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Compute h' (B, H) from x (B, I) and h (B, H) with this cell's weights."""
        raise NotImplementedError("write GRUCell.forward: see handout.md, '3.3 GRUCell'")


def gru_forward(
    cell: GRUCell, x: Tensor, h0: Tensor | None = None, lengths: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run `cell` over the time steps of x (B, T, I), starting at h0 (B, H).

    h_t = cell(x[:, t], h_{t-1}). Returns (out (B, T, H), h_n (B, H)). None and `lengths` as in `lstm_forward`.
    """
    raise NotImplementedError("write gru_forward: see handout.md, '3.4 gru_forward'")


class GRU(nn.Module):
    """Layers of `GRUCell`, built as `LSTM` is: attribute `cells`, an nn.ModuleList of `num_layers` cells."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        raise NotImplementedError("write GRU.__init__: see handout.md, '3.5 GRU'")

    def forward(self, x: Tensor, h0: Tensor | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (out, h_n): the top layer's states (B, T, H), and the final state of every layer (L, B, H).

        x is (B, T, I), h0 is (L, B, H) or None. `lengths` and (bonus) `dropout` as in `LSTM`.
        """
        raise NotImplementedError("write GRU.forward: see handout.md, '3.5 GRU'")


def bidirectional(ahead: nn.Module, back: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Bonus (0 points): read x (B, T, I) in both directions. Returns (out (B, T, 2H), h_n (2, B, H)).

    `ahead` and `back` are two `GRU`s of one layer, or anything that is called like them. `ahead` reads x from the first
    step to the last one, `back` from the last to the first. out[:, t] holds what `ahead` and then what `back` says
    about step t; h_n holds the state in which `ahead` ended, and then the one in which `back` ended.
    Source: Schuster, Paliwal 1997; torch.nn.GRU(..., bidirectional=True).
    """
    raise NotImplementedError("write bidirectional: see handout.md, '3.6 Bonus: bidirectional, and dropout'")


# ---------------------------------------------------------------------------------------------------------------------
# 4. What they cost and what they keep
# ---------------------------------------------------------------------------------------------------------------------


def count_params(kind: str, input_size: int, hidden_size: int, num_layers: int = 1) -> int:
    """Count the numbers that a network of this kind learns: all weights and biases of all its layers.

    `kind` is "rnn", "lstm" or "gru"; each has two bias vectors a layer, as in torch. Layer 0 reads inputs of size I,
    every other layer reads H. Compute it, build no network.
    """
    raise NotImplementedError("write count_params: see handout.md, '4.1 count_params'")


def grad_norm_vs_distance(model: nn.Module, x: Tensor) -> Tensor:
    """Measure how much the last output still learns from an earlier input: (T,), entry k for a distance of k steps.

    `model(x)` returns (out (B, T, H), ...), as LSTM, GRU and torch.nn.RNN(..., batch_first=True) do. Let loss = sum of
    all entries of out at the last time step. Entry k is the norm of d loss / d x_{T-k}, the square root of the sum of
    squares over batch and features, for k = 0 .. T-1: entry 0 belongs to the last input, entry T-1 to the first one.
    The caller's x stays as it is, and the result carries no graph.
    Source: Pascanu, Mikolov, Bengio 2013, section 2.1.
    """
    raise NotImplementedError("write grad_norm_vs_distance: see handout.md, '4.2 grad_norm_vs_distance'")


# ---------------------------------------------------------------------------------------------------------------------
# 5. Two models and their training
# ---------------------------------------------------------------------------------------------------------------------


class NameClassifier(nn.Module):
    """Tell from its letters which language a name comes from.

    Attributes: `embedding` = nn.Embedding(V, E), `rnn` = LSTM(E, H) or GRU(E, H) with one layer, as `kind` ("lstm" or
    "gru") says, `out` = nn.Linear(H, C).
    """

    def __init__(self, kind: str, vocab: int, embed: int, hidden: int, classes: int) -> None:
        super().__init__()
        raise NotImplementedError("write NameClassifier.__init__: see handout.md, '5.1 NameClassifier'")

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return logits (B, C) for ids (B, T), int64, and the lengths (B,) of the rows; what lies behind is padding.

        The logits come from the state h at each row's last real step. They are scores: no softmax.
        """
        raise NotImplementedError("write NameClassifier.forward: see handout.md, '5.1 NameClassifier'")


class SequenceRegressor(nn.Module):
    """Read a sequence of vectors and say one number about it.

    Attributes: `rnn` = LSTM(I, H) or GRU(I, H) with one layer, as `kind` says, `out` = nn.Linear(H, 1).
    """

    def __init__(self, kind: str, input_size: int, hidden_size: int) -> None:
        super().__init__()
        raise NotImplementedError("write SequenceRegressor.__init__: see handout.md, '5.2 SequenceRegressor'")

    def forward(self, x: Tensor) -> Tensor:
        """Return one number a row (B,) for x (B, T, I): the linear layer of the last state h."""
        raise NotImplementedError("write SequenceRegressor.forward: see handout.md, '5.2 SequenceRegressor'")


def fit(
    model: nn.Module,
    batches: Iterable[tuple[tuple[Tensor, ...], Tensor]],
    optimizer: torch.optim.Optimizer,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    max_norm: float | None = None,
) -> list[float]:
    """Train `model` on every batch once, in the given order; return the loss of each batch, before its step, as floats.

    The model may come in evaluation mode: train it in training mode. A batch is (inputs, targets), where inputs are all
    arguments of the model: the prediction is `model(*inputs)`, the loss is `loss_fn(prediction, targets)`, as it is
    (nn.CrossEntropyLoss() and nn.MSELoss() take their mean over the batch themselves). The model is any nn.Module.
    With `max_norm`, gradients are clipped to this norm over all parameters together before the step, as
    torch.nn.utils.clip_grad_norm_ does; you may call it.
    """
    raise NotImplementedError("write fit: see handout.md, '5.3 fit'")
