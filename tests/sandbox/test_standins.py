"""Each stand-in against torch's own layers, used another way, and what it may do while everything is banned."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autograder.errors import ConfigurationError, SandboxError
from autograder.sandbox import calls
from autograder.sandbox.attention_standins import attend
from autograder.sandbox.ban_groups import GROUPS
from autograder.sandbox.ban_plan import prepare
from autograder.sandbox.bans import Bans, install
from autograder.sandbox.calls import RECORDED, release
from autograder.sandbox.forms import ANSWERING
from autograder.sandbox.loading import import_apart
from autograder.sandbox.order import EarlierModule
from autograder.sandbox.standins import STAND_INS, all_called, calls_banned, provide_earlier, set_stand_in

dry_runs: Any = import_apart([Path(__file__).parent], "dry_runs")
NAMES = (
    "rnn_cell", "RNNCell", "rnn_forward", "RNN",
    "lstm_gates", "lstm_cell", "LSTMCell", "lstm_forward", "LSTM", "gru_cell", "GRUCell", "gru_forward", "GRU",
    "Encoder", "Decoder", "decode_teacher_forced", "shift_targets", "masked_ce", "Seq2Seq",
    "softmax", "dot_scores", "masked_softmax", "attend", "AttnDecoder", "AttnSeq2Seq",
    "TokenEmbedding", "positional_encoding", "PositionalEncoding", "padding_mask", "causal_mask",
    "scaled_dot_product_attention", "MultiHeadAttention", "LayerNorm", "FeedForward", "EncoderLayer", "DecoderLayer",
    "TransformerEncoder", "TransformerDecoder", "Transformer",
    "apply_masks", "gelu", "BertEmbeddings", "Bert", "MLMHead", "pretrain_loss", "BertForPreTraining",
    "BertForClassification",
    "patchify", "unpatchify", "PatchEmbedding", "interpolate_positions", "VisionEmbedding", "VisionEncoder",
)  # fmt: skip
EVERYTHING = tuple(GROUPS.keys() - {"autograd", "autograd_functional", "optimizers", "patches"})
"""Groups of bans that a stand-in may meet. The others refuse what its caller does: torch's gradient of a cut into
patches is the way back from patches."""
SEALED = "sealed bans were to be lifted; what lifts them needs install(..., switchable=True)"
BATCH, QUERIES, KEYS, MODEL, HEADS = 2, 3, 5, 8, 4


def drawn(*shape: int) -> Tensor:
    """Float64 numbers from N(0, 1), the same for the same shape."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def cell_arguments(gates: int) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Input x (2, 3), h (2, 4), and weights and biases of a cell with so many gates."""
    return (
        drawn(2, 3),
        drawn(2, 4),
        [drawn(gates * 4, 3), drawn(gates * 4, 4), drawn(gates * 4), drawn(gates * 4, 1)[:, 0]],
    )


def loaded(cell: nn.RNNCellBase, weights: list[Tensor]) -> nn.RNNCellBase:
    """The torch cell with these weights."""
    cell.double().load_state_dict(dict(zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), weights, strict=True)))
    return cell


def by_hand(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> tuple[Tensor, Tensor]:
    """Attention with exp and sums; rows without a key are zeros."""
    scores = torch.exp(q @ k.transpose(-1, -2) * scale)
    scores = scores if mask is None else scores * mask
    weights = torch.nan_to_num(scores / scores.sum(-1, keepdim=True))
    return weights @ v, weights


def open_row_mask() -> Tensor:
    """(B, T, S) in which the first query of the first sentence may attend nothing."""
    mask = torch.rand(BATCH, QUERIES, KEYS, generator=torch.Generator().manual_seed(1)) > 0.4
    mask[0, 0] = False
    mask[:, 1:, 0] = True
    return mask


def shaken(module: nn.Module) -> nn.Module:
    """The module in float64 with random parameters, none of them zero or one."""
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.5 * drawn(*parameter.shape))
    return module


def test_table_has_the_course_s_parts() -> None:
    """The names are those that assignments give their parts."""
    assert tuple(STAND_INS) == NAMES


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_rnn_cell_is_torch_s(nonlinearity: str) -> None:
    """One step of nn.RNN over a sequence of one."""
    x, h, weights = cell_arguments(1)
    rnn = nn.RNN(3, 4, nonlinearity=nonlinearity, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for parameter, weight in zip(rnn.parameters(), weights, strict=True):
            parameter.copy_(weight)
    expected = rnn(x[:, None], h[None])[0][:, 0]
    torch.testing.assert_close(STAND_INS["rnn_cell"](x, h, *weights, nonlinearity), expected)
    if nonlinearity == "tanh":
        torch.testing.assert_close(STAND_INS["rnn_cell"](x, h, *weights), expected)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("layers", [1, 3])
def test_recurrent_layers_are_torch_s_own(layers: int, nonlinearity: str) -> None:
    """`RNN`, and `rnn_forward` over a cell, give what torch.nn.RNN gives with the same weights, with h0 and without."""
    ours = shaken(STAND_INS["RNN"](3, 4, layers, nonlinearity))
    theirs = nn.RNN(3, 4, layers, nonlinearity, batch_first=True, dtype=torch.float64)
    state = {
        f"{name}_l{layer}": ours.state_dict()[f"cells.{layer}.{name}"]
        for layer in range(layers)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    theirs.load_state_dict(state)
    x, h0 = drawn(2, 5, 3), drawn(layers, 2, 4)
    for start in ((), (h0,)):
        torch.testing.assert_close(ours(x, *start), theirs(x, *start))
    if layers == 1:
        out, h_n = STAND_INS["rnn_forward"](ours.cells[0], x, h0[0])
        torch.testing.assert_close((out, h_n[None]), theirs(x, h0))


def test_the_cell_module_is_torch_s_own() -> None:
    """`RNNCell` gives what torch.nn.RNNCell gives with the same weights, relu included."""
    x, h, weights = cell_arguments(1)
    for nonlinearity in ("tanh", "relu"):
        ours = loaded(STAND_INS["RNNCell"](3, 4, nonlinearity), weights)
        torch.testing.assert_close(ours(x, h), loaded(nn.RNNCell(3, 4, nonlinearity=nonlinearity), weights)(x, h))


def test_lstm_cell_is_torch_s() -> None:
    """Both states, in the order (h, c)."""
    x, h, weights = cell_arguments(4)
    c = drawn(2, 4) + 1
    expected = loaded(nn.LSTMCell(3, 4), weights)(x, (h, c))
    torch.testing.assert_close(STAND_INS["lstm_cell"](x, h, c, *weights), expected)


def test_gru_cell_is_torch_s() -> None:
    """The form with the reset after the matrix product."""
    x, h, weights = cell_arguments(3)
    torch.testing.assert_close(STAND_INS["gru_cell"](x, h, *weights), loaded(nn.GRUCell(3, 4), weights)(x, h))


def test_lstm_gates_are_those_of_torch_s_cell() -> None:
    """Torch's cell made of them, and gradients for every weight."""
    x, h, weights = cell_arguments(4)
    leaves = [weight.requires_grad_() for weight in (*weights, x, h)]
    i, f, g, o = STAND_INS["lstm_gates"](x, h, *weights)
    a = x @ weights[0].T + h @ weights[1].T + weights[2] + weights[3]
    for gate, rows, activation in zip((i, f, g, o), a.chunk(4, 1), "sstt", strict=True):
        expected = torch.sigmoid(rows) if activation == "s" or gate is o else torch.tanh(rows)
        torch.testing.assert_close(gate, expected)
    c = drawn(2, 4)
    h_next, c_next = torch.lstm_cell(x, (h, c), *weights)
    torch.testing.assert_close((o * torch.tanh(f * c + i * g), f * c + i * g), (h_next, c_next))
    assert all(bool(gradient.any()) for gradient in torch.autograd.grad((i + f + g + o).sum(), leaves))


GATED: dict[str, tuple[type[nn.Module], int]] = {"LSTM": (nn.LSTM, 4), "GRU": (nn.GRU, 3)}


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("name", GATED)
def test_gated_layers_are_torch_s_own(name: str, layers: int) -> None:
    """`LSTM` and `GRU`, and their loops over a cell, give what torch's layers give; with states, with lengths."""
    ours = shaken(STAND_INS[name](3, 4, layers))
    theirs = GATED[name][0](3, 4, layers, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict(
        {f"{key.split('.')[2]}_l{key.split('.')[1]}": value for key, value in ours.state_dict().items()}
    )
    x, h0, lengths = drawn(5, 6, 3), drawn(layers, 5, 4), torch.tensor([2, 6, 1, 6, 4])
    start = (h0, drawn(layers, 5, 4) + 1) if name == "LSTM" else h0
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    for given in (None, start):
        torch.testing.assert_close(ours(x, given), theirs(x, given))
        out, final = theirs(packed, given)
        out, _ = nn.utils.rnn.pad_packed_sequence(out, batch_first=True)
        torch.testing.assert_close(ours(x, given, lengths), (out, final))
    if layers == 1:
        first = tuple(state[0] for state in start) if isinstance(start, tuple) else start[0]
        out, last = STAND_INS[f"{name.lower()}_forward"](ours.cells[0], x, first, lengths)
        torch.testing.assert_close((out, last), (ours(x, start, lengths)[0], _first(ours(x, start, lengths)[1])))


def _first(state: Any) -> Any:
    return tuple(each[0] for each in state) if isinstance(state, tuple) else state[0]


@pytest.mark.parametrize("name", GATED)
def test_gated_cells_are_torch_s_own(name: str) -> None:
    """`LSTMCell` and `GRUCell` give what torch's cells give with the same weights."""
    theirs, gates = getattr(nn, f"{name}Cell")(3, 4), GATED[name][1]
    x, h, weights = cell_arguments(gates)
    state = (h, drawn(2, 4) + 1) if name == "LSTM" else h
    ours = loaded(STAND_INS[f"{name}Cell"](3, 4), weights)
    torch.testing.assert_close(ours(x, state), loaded(theirs, weights)(x, state))


@pytest.mark.parametrize("name", GATED)
def test_gated_layers_drop_between_layers(name: str) -> None:
    """Dropout acts in training, between layers, and not on what a single layer gives."""
    layer, single = STAND_INS[name](3, 4, 2, dropout=0.5), STAND_INS[name](3, 4, dropout=0.5)
    x = drawn(2, 5, 3).float()
    assert not torch.equal(layer(x)[0], layer(x)[0])
    assert torch.equal(single(x)[0], single(x)[0])
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])


@pytest.mark.parametrize("scale", [1.0, 1 / math.sqrt(MODEL)])
def test_attend_gives_context_and_weights(scale: float) -> None:
    """Unscaled by default, masks of both forms, zeros where nothing may be attended, finite gradients."""
    q, k, v = (
        part.requires_grad_() for part in (drawn(BATCH, QUERIES, 6), drawn(BATCH, KEYS, 6), drawn(BATCH, KEYS, 7))
    )
    keys, full = torch.tensor([[True] * 5, [True] * 3 + [False] * 2]), open_row_mask()
    for given, meant in ((None, None), (keys, keys[:, None]), (full, full)):
        got = attend(q, k, v, given, scale) if scale != 1.0 else attend(q, k, v, given)
        torch.testing.assert_close(got, by_hand(q, k, v, meant, scale))
    context, weights = attend(q, k, v, full)
    assert not context[0, 0].any()
    assert not weights[0, 0].any()
    gradients = torch.autograd.grad((context.sin().sum() + weights.sin().sum()), (q, k, v))
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


def test_attend_takes_one_query() -> None:
    """A decoder's state (B, d) as the query gives a context (B, d) and weights (B, S)."""
    q, k, v = drawn(BATCH, 6), drawn(BATCH, KEYS, 6), drawn(BATCH, KEYS, 7)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    context, weights = attend(q, k, v, mask)
    expected = by_hand(q[:, None], k, v, mask[:, None], 1.0)
    torch.testing.assert_close((context, weights), (expected[0][:, 0], expected[1][:, 0]))
    with pytest.raises(ValueError, match="one query"):
        attend(q, k, v, open_row_mask())


def test_parts_of_attention_are_torch_s() -> None:
    """softmax, dot products and masked weights; a row without keys gets zeros, and finite gradients."""
    x, q, k = drawn(2, 3, 5).requires_grad_(), drawn(2, 3, 6), drawn(2, 5, 6)
    torch.testing.assert_close(STAND_INS["softmax"](x, 1), x.softmax(1))
    torch.testing.assert_close(STAND_INS["dot_scores"](q, k), q @ k.mT)
    torch.testing.assert_close(STAND_INS["dot_scores"](q[:, 0], k), (q[:, :1] @ k.mT)[:, 0])
    mask = torch.tensor([[True, True, False, True, False], [False] * 5])
    got = STAND_INS["masked_softmax"](x, mask)
    torch.testing.assert_close(got[0], x[0].masked_fill(~mask[0], -math.inf).softmax(-1))
    assert not got[1].any()
    torch.testing.assert_close(STAND_INS["masked_softmax"](x[:, 0], mask), got[:, 0])
    torch.testing.assert_close(STAND_INS["masked_softmax"](x), x.softmax(-1))
    assert bool(torch.autograd.grad(got.sin().sum(), x)[0].isfinite().all())


def test_a_decoder_s_steps_are_its_run_over_a_target() -> None:
    """Place by place or at once: the same logits, states and weights, those of torch's own cell among them."""
    ours = shaken(STAND_INS["AttnDecoder"](9, 4, 6))
    ids, state, enc_out = torch.tensor([[1, 5, 3], [2, 8, 4]]), drawn(2, 6), drawn(2, 5, 6)
    mask = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    logits, weights = ours(ids, state, enc_out, mask)
    for t in range(3):
        after = ours.cell(ours.embedding(ids[:, t]), state)
        got = ours.step(ids[:, t], state, enc_out, mask)
        torch.testing.assert_close(got, (logits[:, t], after, weights[:, t]))
        state = after


# ----- in a child, with everything banned ---------------------------------------------------------------------------

MODULES = {
    "RNNCell": (3, 4),
    "RNN": (3, 4),
    "LSTMCell": (3, 4),
    "LSTM": (3, 4, 2),
    "GRUCell": (3, 4),
    "GRU": (3, 4, 2),
    "MultiHeadAttention": (MODEL, HEADS),
    "LayerNorm": (MODEL,),
    "EncoderLayer": (MODEL, HEADS, 12),
    "DecoderLayer": (MODEL, HEADS, 12),
    "TransformerEncoder": (MODEL, HEADS, 12, 2),
    "TransformerDecoder": (MODEL, HEADS, 12, 2),
}
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "rnn_cell": (*cell_arguments(1)[:2], *cell_arguments(1)[2]),
    "RNNCell": cell_arguments(1)[:2],
    "RNN": (drawn(2, 5, 3),),
    "lstm_gates": (*cell_arguments(4)[:2], *cell_arguments(4)[2]),
    "lstm_cell": (*cell_arguments(4)[:2], drawn(2, 4), *cell_arguments(4)[2]),
    "LSTMCell": (drawn(2, 3), (drawn(2, 4), drawn(2, 4))),
    "lstm_forward": (shaken(nn.LSTMCell(3, 4)), drawn(2, 5, 3), None, torch.tensor([2, 5])),
    "LSTM": (drawn(2, 5, 3), None, torch.tensor([2, 5])),
    "gru_cell": (*cell_arguments(3)[:2], *cell_arguments(3)[2]),
    "GRUCell": (drawn(2, 3), drawn(2, 4)),
    "gru_forward": (shaken(nn.GRUCell(3, 4)), drawn(2, 5, 3), drawn(2, 4)),
    "GRU": (drawn(2, 5, 3), None, torch.tensor([5, 1])),
    "softmax": (drawn(2, 3, 5),),
    "masked_softmax": (drawn(2, 3, 5),),
    "attend": (drawn(2, 3, 6), drawn(2, 5, 6), drawn(2, 5, 7)),
    "scaled_dot_product_attention": (drawn(2, 3, 6), drawn(2, 5, 6), drawn(2, 5, 7)),
    "MultiHeadAttention": (drawn(2, 3, 8), drawn(2, 5, 8), drawn(2, 5, 8)),
    "LayerNorm": (drawn(2, 5, 8),),
    "EncoderLayer": (drawn(2, 5, 8),),
    "DecoderLayer": (drawn(2, 5, 8), drawn(2, 3, 8)),
    "TransformerEncoder": (drawn(2, 5, 8),),
    "TransformerDecoder": (drawn(2, 5, 8), drawn(2, 3, 8)),
}


def forked(action: Callable[[], Any]) -> Any:
    """What the action returns in a child process, or the exception as text."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(60)  # a child that hangs is a failure, not a test that never ends
            torch.set_num_threads(1)  # OpenMP's threads do not survive a fork
            answer = action()
        except BaseException as error:  # noqa: BLE001 - the child must never return into pytest
            answer = f"{type(error).__name__}: {error}"
        os.write(write, json.dumps(answer).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        answer = json.loads(pipe.read() or '"died"')
    os.waitpid(pid, 0)
    return answer


def total(target: Any, name: str) -> list[float]:
    """The sum of what the stand-in gives, and the gradient with respect to the first tensor among its arguments."""
    target = shaken(target(*MODULES[name])) if name in MODULES else target
    number = next(place for place, value in enumerate(ARGUMENTS[name]) if isinstance(value, Tensor))
    first = ARGUMENTS[name][number].clone().requires_grad_()
    out = sum(part.sum() for part in leaves(target(*ARGUMENTS[name][:number], first, *ARGUMENTS[name][number + 1 :])))
    assert isinstance(out, Tensor)
    out.sin().sum().backward()
    assert first.grad is not None
    return [float(out.detach().sum()), *first.grad.flatten().tolist()]


def leaves(answer: Any) -> list[Tensor]:
    """The tensors of a nested answer."""
    return [answer] if isinstance(answer, Tensor) else [leaf for part in answer for leaf in leaves(part)]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_stand_in_works_under_the_bans_and_the_submission_does_not(name: str) -> None:
    """The stand-in computes as without bans, gradients included; before and after it torch refuses."""

    def child() -> Any:
        bans = install(["recurrent", "attention", "softmax", "layer_norm"], switchable=True)
        module = ModuleType("submission")
        set_stand_in(module, name, bans)
        found = total(getattr(module, name), name)
        with pytest.raises(RuntimeError, match="is not allowed"):
            total(STAND_INS[name], name)
        return [found, getattr(module, name).__name__, bans.active]

    assert forked(child) == [total(STAND_INS[name], name), name, True]


def test_a_stand_in_stands_in_the_module_s_own_tables_too() -> None:
    """`LAYERS = {"lstm": LSTM}` calls the part by its name as well; what is no name of it stays."""

    class Layer(nn.Module):
        pass

    module = ModuleType("submission")
    tables = {
        "LSTM": Layer,
        "Net": Layer,
        "BY_KIND": {"lstm": Layer, "gru": nn.GRU},
        "ALL": [Layer],
        "PAIR": (Layer, 1),
    }
    vars(module).update(tables)
    set_stand_in(module, "LSTM", Bans(prepare(())))
    stand_in = vars(module)["LSTM"]
    assert stand_in is not Layer
    found = vars(module)
    assert (found["Net"], found["BY_KIND"]) == (stand_in, {"lstm": stand_in, "gru": nn.GRU})
    assert (found["ALL"], found["PAIR"]) == ([stand_in], (stand_in, 1))


def test_a_cell_s_stand_in_lifts_nothing_else() -> None:
    """Code that runs inside the stand-in for rnn_cell cannot reach nn.RNN, nn.LSTM or attention."""

    class Spying(Tensor):
        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(func, "__name__", "") == "rnn_tanh_cell":
                for layer in (nn.RNN(3, 4), nn.LSTM(3, 4), nn.TransformerEncoderLayer(3, 1, 4)):
                    with pytest.raises(RuntimeError, match="is not allowed"):
                        layer(torch.zeros(2, 2, 3))
            return super().__torch_function__(func, types, args, kwargs or {})

    def child() -> Any:
        bans = install(["recurrent", "attention"], switchable=True)
        module = ModuleType("submission")
        set_stand_in(module, "rnn_cell", bans)
        x, *rest = ARGUMENTS["rnn_cell"]
        module.rnn_cell(x.as_subclass(Spying), *rest)
        return bans.refused()

    assert forked(child) == ["torch.rnn_tanh", "torch.lstm", "torch.nn.TransformerEncoderLayer"]


def test_at_home_a_stand_in_works_with_bans_on_and_off() -> None:
    """The same stand-in serves the student's code under `enforced` and the judge's outside it."""

    def child() -> Any:
        bans = install(["recurrent"], switchable=True)
        module = ModuleType("submission")
        set_stand_in(module, "gru_cell", bans)
        with bans.enforced():
            inside, on = total(module.gru_cell, "gru_cell"), bans.active
        return [inside == total(module.gru_cell, "gru_cell"), on, bans.active]

    assert forked(child) == [True, True, False]


def test_unknown_names_and_sealed_bans_are_errors() -> None:
    """A course that names no stand-in learns which there are; bans that nothing can lift are named, too."""

    def child() -> Any:
        with pytest.raises(ConfigurationError, match="no stand-in for the part 'rnn'; there are rnn_cell"):
            set_stand_in(ModuleType("submission"), "rnn", install([], switchable=True))
        with pytest.raises(SandboxError, match="switchable=True"):
            set_stand_in(ModuleType("submission"), "rnn_cell", install(["rnn"]))
        return "both"

    assert forked(child) == "both"


def test_a_stand_in_that_calls_nothing_banned_needs_no_switch() -> None:
    """It stands in its place with bans that nothing can lift; one of which nobody said what it calls does not."""

    def child() -> Any:
        bans, module = install(["attention"]), ModuleType("submission")
        set_stand_in(module, "rnn_cell", bans)
        with pytest.raises(SandboxError, match="switchable=True"):
            set_stand_in(module, "EncoderLayer", bans)
        set_stand_in(module, "PatchEmbedding", bans)
        return [module.rnn_cell is STAND_INS["rnn_cell"], calls_banned("rnn_cell", install(["recurrent"]))]

    assert forked(child) == [True, True]


@pytest.mark.parametrize("name", dry_runs.RUNS)
def test_a_stand_in_runs_with_all_sealed_but_what_it_calls(name: str) -> None:
    """Whatever way it is called, nothing of it is refused, and what it does not call nothing can lift any more."""

    def child() -> Any:
        bans = install(EVERYTHING, switchable=True)
        bans.seal(but=all_called([name]) or ())
        module = ModuleType("submission")
        set_stand_in(module, name, bans)
        runs = [run for run in dry_runs.RUNS[name] if run.method in ANSWERING]
        dry_runs.play(runs, getattr(module, name), nullcontext)
        if not bans.sealed:
            bans.lift()
        with pytest.raises(RuntimeError, match="is not allowed"):
            torch.rnn_tanh_cell(*ARGUMENTS["RNNCell"], *cell_arguments(1)[2])
        return bans.refused()

    assert forked(child) == ["torch.rnn_tanh_cell"]


def test_what_is_sealed_beside_a_layer_of_a_transformer() -> None:
    """Beside that for MultiHeadAttention nothing lifts torch's layers, beside that for LayerNorm no attention."""
    layers: dict[str, Callable[[], object]] = {
        "norm": lambda: nn.LayerNorm(MODEL)(torch.ones(2, 3, MODEL)),
        "attention": lambda: nn.functional.scaled_dot_product_attention(*[torch.ones(2, 3, MODEL)] * 3),
        "heads": lambda: nn.MultiheadAttention(MODEL, HEADS)(*[torch.ones(2, 3, MODEL)] * 3),
        "encoder": lambda: nn.TransformerEncoderLayer(MODEL, HEADS, 12)(torch.ones(2, 3, MODEL)),
        "decoder": lambda: nn.TransformerDecoderLayer(MODEL, HEADS, 12)(*[torch.ones(2, 3, MODEL)] * 2),
    }

    def lifted_beside(name: str) -> list[str]:
        bans = install(["attention", "layer_norm"], switchable=True)
        bans.seal(but=all_called([name]) or ())
        found = []
        for kind, layer in layers.items():
            with suppress(RuntimeError), bans.lifted():
                layer()
                found.append(kind)
        return found

    assert forked(lambda: lifted_beside("LayerNorm")) == ["norm"]
    assert forked(lambda: lifted_beside("MultiHeadAttention")) == ["attention"]
    assert forked(lambda: lifted_beside("EncoderLayer")) == ["norm", "attention", "heads", "encoder"]
    assert forked(lambda: lifted_beside("PatchEmbedding")) == "SandboxError: " + SEALED


@pytest.mark.parametrize("name", dry_runs.RUNS)
def test_what_a_stand_in_calls_is_as_it_was_recorded(name: str) -> None:
    """Run again, it calls what `calls.json` says; after a change `python tests/sandbox/dry_runs.py --write`.

    Compared is what groups of bans mean: which plain operators run differs from machine to machine.
    """
    kept, plan = json.loads(RECORDED.read_text(encoding="utf-8")), prepare(GROUPS)
    assert kept["torch"] == release(), "recorded with another release of torch: write calls.json anew"
    assert {*kept["calls"]} == {*dry_runs.RUNS}
    judged = dry_runs.banned_somewhere() | {function.place for function in plan.functions}
    called = forked(lambda: dry_runs.record(name, plan))
    assert judged & {*called} == judged & {*kept["calls"][name]}


@pytest.mark.parametrize("where", ["another release of torch", "a GPU"])
def test_where_nothing_was_recorded_all_can_be_lifted(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a stand-in calls there nobody knows, so that it works as it would without any sealing."""
    bans = Bans(prepare(["attention", "recurrent"]))
    assert all_called(["padding_mask"]) is not None
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: where == "a GPU")
    if where == "another release of torch":
        monkeypatch.setattr(torch, "__version__", "99.1.0")
        monkeypatch.setattr(calls, "_RECORDED", calls.read())
    assert all_called(["LayerNorm", "padding_mask"]) is None
    assert calls_banned("padding_mask", bans)
    assert all_called(["rnn_cell"]) is not None


def test_earlier_modules_are_ready_before_a_submission_asks() -> None:
    """One that is not written has its stand-ins alone; one that needs none is left to be imported."""

    def child() -> Any:
        bans = install(["recurrent"], switchable=True)
        provide_earlier([EarlierModule("seq", False, ("rnn_cell", "RNN")), EarlierModule("late", True, ())], bans)
        from seq import RNN, rnn_cell  # type: ignore[import-not-found]

        return [rnn_cell.__name__, RNN.__name__, "late" in sys.modules]

    assert forked(child) == ["rnn_cell", "RNN", False]


def seq2seq_source() -> tuple[Tensor, Tensor, Tensor]:
    """Sources, their lengths, and what a decoder reads."""
    return torch.tensor([[4, 6, 5], [5, 0, 0]]), torch.tensor([3, 1]), torch.tensor([[1, 4, 4, 5], [1, 5, 4, 4]])


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_seq2seq_is_its_parts(kind: str) -> None:
    """Encoder, forced decoding and the whole agree; padding does not reach the state; ratio 0 reads no true token."""
    src, lengths, tgt_in = seq2seq_source()
    model = shaken(STAND_INS["Seq2Seq"](7, 6, 3, 5, 2, kind))
    enc_out, state = model.encoder(src, lengths)
    assert enc_out.shape == (2, 3, 5)
    alone = model.encoder(src[1:, :1], lengths[1:])[1]
    states = zip(*((alone, state) if kind == "lstm" else ((alone,), (state,))), strict=True)
    for single, batched in states:
        torch.testing.assert_close(single[:, 0], batched[:, 1])
    torch.testing.assert_close(
        STAND_INS["decode_teacher_forced"](model.decoder, tgt_in, state), model(src, lengths, tgt_in)
    )
    other = torch.cat([tgt_in[:, :1], 9 - tgt_in[:, 1:]], 1)
    torch.testing.assert_close(model(src, lengths, tgt_in, 0.0), model(src, lengths, other, 0.0))


def test_targets_are_shifted_and_padding_is_none() -> None:
    """What is read and what is predicted overlap by all but one; PAD counts nowhere in the loss."""
    tgt = torch.tensor([[1, 4, 5, 2], [1, 4, 2, 0]])
    read, predicted = STAND_INS["shift_targets"](tgt)
    assert read.tolist() == [[1, 4, 5], [1, 4, 2]]
    assert predicted.tolist() == [[4, 5, 2], [4, 2, 0]]
    logits = drawn(2, 3, 6)
    each = -logits.log_softmax(-1).gather(-1, predicted[..., None])[..., 0]
    torch.testing.assert_close(STAND_INS["masked_ce"](logits, predicted), (each[0].sum() + each[1, :2].sum()) / 5)


def test_a_step_works_under_the_bans() -> None:
    """The bans are off inside `Decoder.step`, as inside a forward."""

    def child() -> Any:
        bans = install(["recurrent"], switchable=True)
        module = ModuleType("submission")
        set_stand_in(module, "Decoder", bans)
        logits, _ = module.Decoder(7, 3, 5).step(torch.tensor([1, 2]), torch.zeros(1, 2, 5))
        return [*logits.shape, bans.active]

    assert forked(child) == [2, 7, True]


def test_a_model_s_parts_work_under_the_bans() -> None:
    """A student's `translate` calls `model.encode` and `model.decoder.step`; the bans are off inside both."""
    src, lengths, _ = seq2seq_source()

    def child() -> Any:
        bans = install(["recurrent", "attention", "softmax", "embedding"], switchable=True)
        module = ModuleType("submission")
        set_stand_in(module, "AttnSeq2Seq", bans)
        set_stand_in(module, "TransformerEncoder", bans)
        model = module.AttnSeq2Seq(7, 6, 3, 5)
        enc_out, state, mask = model.encode(src, lengths)
        logits, state, weights = model.decoder.step(torch.tensor([1, 1]), state, enc_out, mask)
        stack = module.TransformerEncoder(MODEL, HEADS, 12, 2)
        alone = stack.layers[0](torch.zeros(2, 3, MODEL))
        names = [type(each).__name__ for each in (model.decoder, stack.layers[0])]
        return [[*logits.shape], [*weights.shape], [*alone.shape], names, bans.active]

    assert forked(child) == [[2, 6], [2, 3], [2, 3, MODEL], ["AttnDecoder", "EncoderLayer"], True]


@pytest.mark.parametrize("name", ["rnn_forward", "lstm_forward", "gru_forward"])
def test_layers_may_call_what_a_gpu_runs_them_with(name: str) -> None:
    """On CUDA torch.rnn_tanh, torch.lstm and torch.gru are one kernel, which is banned as they are."""
    from autograder.sandbox.ban_groups import GROUPS
    from autograder.sandbox.recurrent import OPERATORS

    assert "_cudnn_rnn" in GROUPS["recurrent"].operators
    assert "_cudnn_rnn" in OPERATORS[name]
