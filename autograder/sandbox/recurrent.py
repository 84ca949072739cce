"""Stand-ins for recurrent parts: torch's own cells and layers behind the course's names (see standins.py).

Shapes: B batch, T time, I input, H hidden, L layers. A state is torch's: h for a GRU, the pair (h, c) for an LSTM.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

State = tuple[Tensor, Tensor]
"""The states (h, c) of an LSTM."""


def rnn_cell(
    x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor,
    nonlinearity: str = "tanh",
) -> Tensor:  # fmt: skip
    """Next state (B, H) of torch.nn.RNNCell from x (B, I) and h (B, H)."""
    step = torch.rnn_relu_cell if nonlinearity == "relu" else torch.rnn_tanh_cell
    return step(x, h, weight_ih, weight_hh, bias_ih, bias_hh)


class RNNCell(nn.RNNCell):
    """`torch.nn.RNNCell` with the course's signature; the names of its weights are the same."""

    def __init__(self, input_size: int, hidden_size: int, nonlinearity: str = "tanh") -> None:
        super().__init__(input_size, hidden_size, nonlinearity=nonlinearity)

    def forward(self, x: Tensor, h: Tensor | None = None) -> Tensor:
        """Next state (B, H)."""
        return super().forward(x, h)


def rnn_forward(cell: Any, x: Tensor, h0: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """All states (B, T, H) and the last one (B, H) of torch's RNN with the cell's weights, from x (B, T, I)."""
    run = torch.rnn_relu if cell.nonlinearity == "relu" else torch.rnn_tanh
    out, h_n = _over_time(run, [cell], x, [None if h0 is None else h0[None]])
    return out, h_n[0]


class RNN(nn.Module):
    """`torch.nn.RNN` with the names of its weights under `cells.{l}`."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh") -> None:
        super().__init__()
        self.cells = nn.ModuleList([nn.RNNCell(input_size, hidden_size, nonlinearity=nonlinearity)])
        for _ in range(1, num_layers):
            self.cells.append(nn.RNNCell(hidden_size, hidden_size, nonlinearity=nonlinearity))

    def forward(self, x: Tensor, h0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """All states of the last layer (B, T, H) and the last state of every layer (L, B, H)."""
        cells: list[Any] = list(self.cells)
        run = torch.rnn_relu if cells[0].nonlinearity == "relu" else torch.rnn_tanh
        out, h_n = _over_time(run, cells, x, [h0])
        return out, h_n


def lstm_gates(
    x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gates i, f, g, o, each (B, H): torch's tanh cell on a quarter of the rows; sigmoid(a) = (1 + tanh(a / 2)) / 2."""
    quarters = zip(*(each.chunk(4) for each in (weight_ih, weight_hh, bias_ih, bias_hh)), strict=True)
    i, f, g, o = (
        torch.rnn_tanh_cell(x, h, *rows) if number == 2 else (1 + torch.rnn_tanh_cell(x, h, *(r / 2 for r in rows))) / 2
        for number, rows in enumerate(quarters)
    )
    return i, f, g, o


def lstm_cell(
    x: Tensor, h: Tensor, c: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
) -> tuple[Tensor, Tensor]:
    """Next states (h, c), each (B, H), of torch.nn.LSTMCell."""
    return torch.lstm_cell(x, (h, c), weight_ih, weight_hh, bias_ih, bias_hh)


class LSTMCell(nn.LSTMCell):
    """`torch.nn.LSTMCell`; the names of its weights are the course's."""

    def forward(self, x: Tensor, state: State | None = None) -> State:
        """Next states (h, c), each (B, H), from x (B, I) and `state` = (h, c)."""
        return super().forward(x, state)


def lstm_forward(
    cell: Any, x: Tensor, state: State | None = None, lengths: Tensor | None = None
) -> tuple[Tensor, State]:
    """All states (B, T, H) and the final h and c (B, H) of torch's LSTM with the cell's weights, from x (B, T, I)."""
    out, h_n, c_n = _over_time(torch.lstm, [cell], x, [each[None] for each in state or ()] or [None] * 2, lengths)
    return out, (h_n[0], c_n[0])


class LSTM(nn.Module):
    """`torch.nn.LSTM` with the names of its weights under `cells.{l}`."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.p, self.cells = dropout, nn.ModuleList([nn.LSTMCell(input_size, hidden_size)])
        for _ in range(1, num_layers):
            self.cells.append(nn.LSTMCell(hidden_size, hidden_size))

    def forward(self, x: Tensor, state: State | None = None, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """All states h of the last layer (B, T, H) and the final h and c of every layer (L, B, H)."""
        dropout = self.p if self.training else 0.0
        out, h_n, c_n = _over_time(torch.lstm, list(self.cells), x, state or [None] * 2, lengths, dropout)
        return out, (h_n, c_n)


def gru_cell(x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> Tensor:
    """Next state (B, H) of torch.nn.GRUCell."""
    return torch.gru_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh)


class GRUCell(nn.GRUCell):
    """`torch.nn.GRUCell`; the names of its weights are the course's."""

    def forward(self, x: Tensor, h: Tensor | None = None) -> Tensor:
        """Next state (B, H) from x (B, I) and h (B, H)."""
        return super().forward(x, h)


def gru_forward(cell: Any, x: Tensor, h0: Tensor | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """All states (B, T, H) and the final one (B, H) of torch's GRU with the cell's weights, from x (B, T, I)."""
    out, h_n = _over_time(torch.gru, [cell], x, [None if h0 is None else h0[None]], lengths)
    return out, h_n[0]


class GRU(nn.Module):
    """`torch.nn.GRU` with the names of its weights under `cells.{l}`."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.p, self.cells = dropout, nn.ModuleList([nn.GRUCell(input_size, hidden_size)])
        for _ in range(1, num_layers):
            self.cells.append(nn.GRUCell(hidden_size, hidden_size))

    def forward(self, x: Tensor, h0: Tensor | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """All states of the last layer (B, T, H) and the final state of every layer (L, B, H)."""
        dropout = self.p if self.training else 0.0
        out, h_n = _over_time(torch.gru, list(self.cells), x, [h0], lengths, dropout)
        return out, h_n


def _over_time(
    run: Any,
    cells: Sequence[Any],
    x: Tensor,
    state: Sequence[Tensor | None],
    lengths: Tensor | None = None,
    dropout: float = 0.0,
) -> Sequence[Tensor]:
    """Outputs (B, T, H) and final states (L, B, H) of torch's operator with the weights of the cells, one a layer.

    `state` holds one entry a state, None for zeros; with `lengths` rows end as in a packed sequence.
    """
    weights = [getattr(cell, name) for cell in cells for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    zeros = torch.zeros(len(cells), len(x), cells[0].hidden_size).to(x)
    start = [zeros if each is None else each for each in state]
    # biases, layers, dropout, training (without which cuDNN has no gradients; it means dropout alone), one direction
    options = (True, len(cells), dropout, True, False)
    if lengths is None:
        whole: Sequence[Tensor] = run(x, start if len(start) > 1 else start[0], weights, *options, True)
        return whole
    packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
    start = [each[:, packed.sorted_indices] for each in start]
    data, *final = run(packed.data, packed.batch_sizes, start if len(start) > 1 else start[0], weights, *options)
    packed = PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
    out, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
    return [out, *(each[:, packed.unsorted_indices] for each in final)]


STAND_INS: tuple[Callable[..., Any], ...] = (
    rnn_cell, RNNCell, rnn_forward, RNN,
    lstm_gates, lstm_cell, LSTMCell, lstm_forward, LSTM, gru_cell, GRUCell, gru_forward, GRU,
)  # fmt: skip

_RNN_CELL, _RNN = ("rnn_tanh_cell", "rnn_relu_cell"), ("rnn_tanh", "rnn_relu", "_cudnn_rnn")
_LSTM_CELL, _LSTM = ("lstm_cell", "_thnn_fused_lstm_cell"), ("lstm", "mkldnn_rnn_layer", "_cudnn_rnn")
_GRU_CELL, _GRU = ("gru_cell", "_thnn_fused_gru_cell"), ("gru", "mkldnn_rnn_layer", "_cudnn_rnn")
OPERATORS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"rnn_cell": _RNN_CELL, "RNNCell": _RNN_CELL, "rnn_forward": _RNN, "RNN": _RNN, "lstm_gates": ("rnn_tanh_cell",)}
    | {"lstm_cell": _LSTM_CELL, "LSTMCell": _LSTM_CELL, "lstm_forward": _LSTM, "LSTM": _LSTM}
    | {"gru_cell": _GRU_CELL, "GRUCell": _GRU_CELL, "gru_forward": _GRU, "GRU": _GRU}
)
"""The operators that a part's stand-in may call, bans or not."""
