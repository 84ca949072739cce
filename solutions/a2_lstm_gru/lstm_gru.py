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
    ### BEGIN SOLUTION
    a = x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh  # (B, 4H)
    i, f, g, o = a.chunk(4, dim=-1)  # (B, H) each
    return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    ### END SOLUTION


def lstm_cell(
    x: Tensor, h: Tensor, c: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
) -> State:
    """Compute the next states (h', c'), each (B, H), from the input x (B, I) and the states h, c (B, H).

    c' = f * c + i * g,   h' = o * tanh(c'),   entry by entry, with the gates of `lstm_gates`.
    Source: as above; the formula of torch.nn.LSTMCell.
    """
    ### BEGIN SOLUTION
    i, f, g, o = lstm_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh)  # (B, H) each
    c = f * c + i * g  # (B, H)
    return o * torch.tanh(c), c
    ### END SOLUTION


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
        ### BEGIN SOLUTION
        h, c = state
        return lstm_cell(x, h, c, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        ### END SOLUTION


def init_forget_bias(cell: LSTMCell, value: float) -> None:
    """Set the bias of the cell's forget gate to `value`, in place; all other numbers of the cell stay as they are.

    The bias of the forget gate is b_ih + b_hh in the rows of f: their sum has to be `value` for each of the H units,
    however you share it between the two. Returns nothing.
    Source: Gers, Schmidhuber, Cummins 2000; Jozefowicz, Zaremba, Sutskever 2015, section 2.2: "a bias of 1".
    """
    ### BEGIN SOLUTION
    forget = slice(cell.hidden_size, 2 * cell.hidden_size)
    with torch.no_grad():
        cell.bias_ih[forget] = value
        cell.bias_hh[forget] = 0.0
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    zeros = x.new_zeros(x.shape[0], cell.hidden_size)
    h, c = (zeros, zeros) if state is None else state  # (B, H) each
    outs = []
    for t in range(x.shape[1]):
        h_next, c_next = cell(x[:, t], (h, c))
        if lengths is None:
            h, c = h_next, c_next
        else:
            going = (t < lengths).unsqueeze(-1)  # (B, 1)
            h, c = torch.where(going, h_next, h), torch.where(going, c_next, c)
        outs.append(h)
    return torch.stack(outs, dim=1), (h, c)  # (B, T, H), (B, H) each
    ### END SOLUTION


class LSTM(nn.Module):
    """Layers of `LSTMCell`: layer l reads the states h of layer l-1, and the first one reads x.

    Attribute: `cells`, an nn.ModuleList of `num_layers` cells, so that the parameters are called `cells.0.weight_ih`
    and so on. Cell 0 takes inputs of size I, every other one takes size H; each has weights of its own.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.cells = nn.ModuleList([LSTMCell(size, hidden_size) for size in sizes])
        self.dropout = dropout
        ### END SOLUTION

    def forward(self, x: Tensor, state: State | None = None, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """Return (out, (h_n, c_n)): the top layer's states (B, T, H), and the final states of all layers (L, B, H).

        x is (B, T, I). state = (h_0, c_0), each (L, B, H), one initial state a layer; None means zeros. `lengths` as in
        `lstm_forward`, the same for every layer.
        Bonus (0 points): in training mode, `dropout` is the share of entries that F.dropout sets to zero in what one
        layer hands to the next (h only; neither x, nor the top layer's output, nor final states).
        """
        ### BEGIN SOLUTION
        out, last = x, []
        for layer, cell in enumerate(self.cells):
            assert isinstance(cell, LSTMCell)  # for the type checker: nn.ModuleList forgets it
            if layer > 0:
                out = F.dropout(out, self.dropout, self.training)
            start = None if state is None else (state[0][layer], state[1][layer])
            out, final = lstm_forward(cell, out, start, lengths)  # (B, T, H), (B, H) each
            last.append(final)
        return out, (torch.stack([h for h, _ in last]), torch.stack([c for _, c in last]))
        ### END SOLUTION


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
    ### BEGIN SOLUTION
    r_x, z_x, n_x = (x @ weight_ih.T + bias_ih).chunk(3, dim=-1)  # (B, H) each
    r_h, z_h, n_h = (h @ weight_hh.T + bias_hh).chunk(3, dim=-1)  # (B, H) each
    r, z = torch.sigmoid(r_x + r_h), torch.sigmoid(z_x + z_h)
    n = torch.tanh(n_x + r * n_h)
    return (1 - z) * n + z * h
    ### END SOLUTION


def gru_cell_cho(
    x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
) -> Tensor:
    """Bonus (0 points): the GRU as it was published, with the reset gate before the matrix product.

    n = tanh(W_in x + b_in + W_hn (r * h) + b_hn); everything else as in `gru_cell`.
    Source: Cho et al. 2014 (arXiv 1406.1078), equations 5 to 8.
    """
    ### BEGIN SOLUTION
    hidden = h.shape[-1]
    x_r, x_z, x_n = F.linear(x, weight_ih, bias_ih).split(hidden, dim=-1)  # (B, H) each
    gates = F.linear(h, weight_hh[: 2 * hidden], bias_hh[: 2 * hidden])  # (B, 2H)
    r, z = torch.sigmoid(torch.cat([x_r, x_z], dim=-1) + gates).split(hidden, dim=-1)
    n = torch.tanh(x_n + F.linear(r * h, weight_hh[2 * hidden :], bias_hh[2 * hidden :]))
    return (1 - z) * n + z * h
    ### END SOLUTION


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
        ### BEGIN SOLUTION
        return gru_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        ### END SOLUTION


def gru_forward(
    cell: GRUCell, x: Tensor, h0: Tensor | None = None, lengths: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run `cell` over the time steps of x (B, T, I), starting at h0 (B, H).

    h_t = cell(x[:, t], h_{t-1}). Returns (out (B, T, H), h_n (B, H)). None and `lengths` as in `lstm_forward`.
    """
    ### BEGIN SOLUTION
    h = x.new_zeros(x.shape[0], cell.hidden_size) if h0 is None else h0  # (B, H)
    states = []
    for t in range(x.shape[1]):
        after = cell(x[:, t], h)
        h = after if lengths is None else torch.where((t < lengths).unsqueeze(-1), after, h)
        states.append(h)
    return torch.stack(states, dim=1), h  # (B, T, H), (B, H)
    ### END SOLUTION


class GRU(nn.Module):
    """Layers of `GRUCell`, built as `LSTM` is: attribute `cells`, an nn.ModuleList of `num_layers` cells."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.cells = nn.ModuleList(
            [GRUCell(hidden_size if layer else input_size, hidden_size) for layer in range(num_layers)]
        )
        self.dropout = dropout
        ### END SOLUTION

    def forward(self, x: Tensor, h0: Tensor | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (out, h_n): the top layer's states (B, T, H), and the final state of every layer (L, B, H).

        x is (B, T, I), h0 is (L, B, H) or None. `lengths` and (bonus) `dropout` as in `LSTM`.
        """
        ### BEGIN SOLUTION
        finals = []
        for layer, cell in enumerate(self.cells):
            assert isinstance(cell, GRUCell)  # for the type checker
            x = F.dropout(x, self.dropout, self.training and layer > 0)
            x, h_n = gru_forward(cell, x, None if h0 is None else h0[layer], lengths)  # (B, T, H), (B, H)
            finals.append(h_n)
        return x, torch.stack(finals)
        ### END SOLUTION


def bidirectional(ahead: nn.Module, back: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Bonus (0 points): read x (B, T, I) in both directions. Returns (out (B, T, 2H), h_n (2, B, H)).

    `ahead` and `back` are two `GRU`s of one layer, or anything that is called like them. `ahead` reads x from the first
    step to the last one, `back` from the last to the first. out[:, t] holds what `ahead` and then what `back` says
    about step t; h_n holds the state in which `ahead` ended, and then the one in which `back` ended.
    Source: Schuster, Paliwal 1997; torch.nn.GRU(..., bidirectional=True).
    """
    ### BEGIN SOLUTION
    out_ahead, h_ahead = ahead(x)  # (B, T, H), (1, B, H)
    out_back, h_back = back(x.flip(1))
    return torch.cat([out_ahead, out_back.flip(1)], dim=-1), torch.cat([h_ahead, h_back])
    ### END SOLUTION


# ---------------------------------------------------------------------------------------------------------------------
# 4. What they cost and what they keep
# ---------------------------------------------------------------------------------------------------------------------


def count_params(kind: str, input_size: int, hidden_size: int, num_layers: int = 1) -> int:
    """Count the numbers that a network of this kind learns: all weights and biases of all its layers.

    `kind` is "rnn", "lstm" or "gru"; each has two bias vectors a layer, as in torch. Layer 0 reads inputs of size I,
    every other layer reads H. Compute it, build no network.
    """
    ### BEGIN SOLUTION
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    inputs = input_size + (num_layers - 1) * hidden_size
    return gates * hidden_size * (inputs + num_layers * (hidden_size + 2))
    ### END SOLUTION


def grad_norm_vs_distance(model: nn.Module, x: Tensor) -> Tensor:
    """Measure how much the last output still learns from an earlier input: (T,), entry k for a distance of k steps.

    `model(x)` returns (out (B, T, H), ...), as LSTM, GRU and torch.nn.RNN(..., batch_first=True) do. Let loss = sum of
    all entries of out at the last time step. Entry k is the norm of d loss / d x_{T-k}, the square root of the sum of
    squares over batch and features, for k = 0 .. T-1: entry 0 belongs to the last input, entry T-1 to the first one.
    The caller's x stays as it is, and the result carries no graph.
    Source: Pascanu, Mikolov, Bengio 2013, section 2.1.
    """
    ### BEGIN SOLUTION
    x = x.detach().requires_grad_()
    out = model(x)[0]  # (B, T, H)
    (grad,) = torch.autograd.grad(out[:, -1].sum(), x)  # (B, T, I)
    return grad.square().sum(dim=(0, 2)).sqrt().flip(0)  # (T,)
    ### END SOLUTION


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
        ### BEGIN SOLUTION
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = LSTM(embed, hidden) if kind == "lstm" else GRU(embed, hidden)
        self.out = nn.Linear(hidden, classes)
        ### END SOLUTION

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return logits (B, C) for ids (B, T), int64, and the lengths (B,) of the rows; what lies behind is padding.

        The logits come from the state h at each row's last real step. They are scores: no softmax.
        """
        ### BEGIN SOLUTION
        _, final = self.rnn(self.embedding(ids), None, lengths)
        h_n = final[0] if isinstance(self.rnn, LSTM) else final  # (1, B, H)
        return self.out(h_n[-1])  # (B, C)
        ### END SOLUTION


class SequenceRegressor(nn.Module):
    """Read a sequence of vectors and say one number about it.

    Attributes: `rnn` = LSTM(I, H) or GRU(I, H) with one layer, as `kind` says, `out` = nn.Linear(H, 1).
    """

    def __init__(self, kind: str, input_size: int, hidden_size: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.rnn = LSTM(input_size, hidden_size) if kind == "lstm" else GRU(input_size, hidden_size)
        self.out = nn.Linear(hidden_size, 1)
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """Return one number a row (B,) for x (B, T, I): the linear layer of the last state h."""
        ### BEGIN SOLUTION
        states, _ = self.rnn(x)  # (B, T, H)
        return self.out(states[:, -1]).squeeze(-1)  # (B,)
        ### END SOLUTION


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
    ### BEGIN SOLUTION
    model.train()
    losses = []
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss = loss_fn(model(*inputs), targets)
        loss.backward()
        if max_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION
