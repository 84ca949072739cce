"""The solution of a2 against torch's own layers, with the weights copied over, in float64 to 1e-8."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from autograder.sandbox.loading import import_apart

torch.set_num_threads(1)

FOLDER = Path(__file__).resolve().parents[2] / "solutions" / "a2_lstm_gru"
LAYERS = {"LSTM": nn.LSTM, "GRU": nn.GRU}


@pytest.fixture(scope="module")
def solution() -> Any:
    """The solution as a module."""
    return import_apart([FOLDER], "lstm_gru")


def drawn(*shape: int) -> Tensor:
    """Float64 numbers from N(0, 1), the same for the same shape."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def twins(solution: Any, name: str, layers: int, dropout: float = 0.0) -> tuple[Any, nn.Module]:
    """The solution's layers and torch's with the same weights; `cells.1.bias_hh` is called `bias_hh_l1` there."""
    theirs = LAYERS[name](3, 4, layers, batch_first=True, dropout=dropout).double()
    ours = getattr(solution, name)(3, 4, layers, dropout).double()
    renamed = {
        f"cells.{key.rpartition('_l')[2]}.{key.rpartition('_l')[0]}": v for key, v in theirs.state_dict().items()
    }
    ours.load_state_dict(renamed)
    return ours, theirs


def close(got: Any, expected: Any) -> None:
    """Equal to 1e-8."""
    torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_torch_s(solution: Any, name: str, layers: int) -> None:
    """Outputs, final states and gradients, with a state and without."""
    ours, theirs = twins(solution, name, layers)
    h0 = drawn(layers, 5, 4)
    for start in (None, (h0, h0 + 1) if name == "LSTM" else h0):
        x = drawn(5, 7, 3).requires_grad_()
        got, expected = ours(x, start), theirs(x, start)
        close(got, expected)
        gradients = [torch.autograd.grad((out * drawn(5, 7, 4)).sum(), x)[0] for out, _ in (got, expected)]
        close(*gradients)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", LAYERS)
def test_lengths_are_packing(solution: Any, name: str, layers: int) -> None:
    """Rows end where a packed sequence ends them."""
    ours, theirs = twins(solution, name, layers)
    x, lengths = drawn(5, 7, 3), torch.tensor([3, 7, 1, 5, 7])
    out, final = theirs(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
    out, _ = pad_packed_sequence(out, batch_first=True)
    found, last = ours(x, None, lengths)
    close(last, final)
    real = torch.arange(7) < lengths[:, None]
    close(found[real], out[real])


def test_dropout_is_torch_s_on_average(solution: Any) -> None:
    """In evaluation the same; in training both let the same share pass on average."""
    ours, theirs = twins(solution, "GRU", 2, dropout=0.4)
    x = drawn(64, 3, 3)
    torch.manual_seed(0)
    means = [torch.stack([model(x)[0].detach() for _ in range(100)]).mean() for model in (ours, theirs)]
    assert abs(means[0] - means[1]) < 0.01
    close(ours.eval()(x), theirs.eval()(x))


def test_both_directions_are_torch_s(solution: Any) -> None:
    """`bidirectional` of two GRUs is torch's bidirectional GRU."""
    theirs = nn.GRU(3, 4, batch_first=True, bidirectional=True).double()
    models = []
    for suffix in ("_l0", "_l0_reverse"):
        model = solution.GRU(3, 4).double()
        model.load_state_dict({f"cells.0.{key}": getattr(theirs, key + suffix) for key in solution_names()})
        models.append(model)
    close(solution.bidirectional(*models, drawn(5, 7, 3)), theirs(drawn(5, 7, 3)))


def solution_names() -> tuple[str, ...]:
    """A cell's parameters."""
    return ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def test_cho_s_gru_is_torch_s_where_both_must_agree(solution: Any) -> None:
    """With h = 0 the place of the reset does not matter, up to the bias that it multiplies."""
    weights = [drawn(12, 3), drawn(12, 4), drawn(12), 0 * drawn(12)]
    x, zeros = drawn(5, 3), torch.zeros(5, 4, dtype=torch.float64)
    close(solution.gru_cell_cho(x, zeros, *weights), torch.gru_cell(x, zeros, *weights))
    differ = (solution.gru_cell_cho(x, zeros + 1, *weights) - torch.gru_cell(x, zeros + 1, *weights)).abs()
    assert bool((differ > 1e-6).any())


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_parameters_are_counted_as_torch_does(solution: Any, kind: str) -> None:
    """The 640, 1920 and 2560 of one layer of 20 units with 10 inputs, and three layers."""
    layer = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[kind]
    for layers in (1, 3):
        expected = sum(parameter.numel() for parameter in layer(10, 20, layers).parameters())
        assert solution.count_params(kind, 10, 20, layers) == expected
    assert solution.count_params(kind, 10, 20) == {"rnn": 640, "gru": 1920, "lstm": 2560}[kind]


def test_the_forget_bias_carries_the_gradient(solution: Any) -> None:
    """What the handout's figure shows: 20 steps back, a bias of 1 keeps a hundred times more than none."""
    torch.manual_seed(1)
    x, kept = torch.randn(16, 40, 4), []
    for bias in (None, 1.0, 3.0):
        model = solution.LSTM(4, 32)
        if bias is not None:
            solution.init_forget_bias(model.cells[0], bias)
        curve = solution.grad_norm_vs_distance(model, x)
        kept.append(float(curve[20] / curve[0]))
    assert kept[0] < 1e-3
    assert 1e-2 < kept[1] < kept[2]
