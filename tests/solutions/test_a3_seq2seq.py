"""The solution of a3 against torch's own layers, weights copied over, in float64 to 1e-8; and by brute force."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.sandbox.loading import import_apart

torch.set_num_threads(1)

FOLDER = Path(__file__).resolve().parents[2] / "solutions" / "a3_seq2seq"
KINDS = {"gru": nn.GRU, "lstm": nn.LSTM}
SOS, EOS = 1, 2


@pytest.fixture(scope="module")
def solution() -> Any:
    """The solution as a module."""
    return import_apart([FOLDER], "seq2seq")


def ids(*shape: int, low: int = 4, high: int = 9) -> Tensor:
    """Ids, the same for the same shape."""
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(sum(shape)))


def shaken(module: Any) -> Any:
    """The module in float64 with parameters from N(0, 1), the same at every call."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.double().parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64, generator=generator))
    return module


def close(got: Any, expected: Any) -> None:
    """Equal to 1e-8."""
    torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-8)


def own_layer(module: Any, kind: str, layers: int) -> nn.Module:
    """Torch's layer with the weights of an encoder or decoder: the names behind `rnn.` are torch's."""
    weights = {name.removeprefix("rnn."): w for name, w in module.state_dict().items() if name.startswith("rnn.")}
    layer = KINDS[kind](5, 6, layers, batch_first=True).double()
    layer.load_state_dict(weights)
    return layer


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_encoder_treats_every_row_as_if_it_were_alone(solution: Any, kind: str, layers: int) -> None:
    """Outputs and states of a padded batch are those of torch's layer over each row without its padding."""
    encoder = shaken(solution.Encoder(9, 5, 6, layers, kind))
    layer, src, lengths = own_layer(encoder, kind, layers), ids(3, 7), torch.tensor([4, 6, 1])
    enc_out, state = encoder(src, lengths)
    assert enc_out.shape == (3, 7, 6)
    for row, length in enumerate(lengths.tolist()):
        alone, final = layer(encoder.embedding.weight[src[row : row + 1, :length]])
        close(enc_out[row : row + 1, :length], alone)
        parts = zip(*(((state,), (final,)) if kind == "gru" else (state, final)), strict=True)
        for batched, single in parts:
            close(batched[:, row : row + 1], single)


@pytest.mark.parametrize("kind", KINDS)
def test_forced_steps_are_one_run_of_torch_s_layer(solution: Any, kind: str) -> None:
    """`decode_teacher_forced` is torch's layer over all tokens at once, and the linear layer; gradients, too."""
    model = shaken(solution.Seq2Seq(9, 8, 5, 6, 2, kind))
    src, lengths, tgt_in = ids(3, 7), torch.tensor([7, 2, 5]), ids(3, 4, high=8)
    _, state = model.encoder(src, lengths)
    states, _ = own_layer(model.decoder, kind, 2)(model.decoder.embedding.weight[tgt_in], state)
    expected = F.linear(states, model.decoder.out.weight, model.decoder.out.bias)
    got = model(src, lengths, tgt_in)
    close(got, expected)
    weights = [*model.encoder.parameters(), model.decoder.embedding.weight]
    close(*(torch.autograd.grad(each.sin().sum(), weights, retain_graph=True) for each in (got, expected)))


def test_free_running_logits_are_those_of_the_tokens_written(solution: Any) -> None:
    """With ratio 0 the logits are those of forcing what the model itself wrote; `greedy` writes that up to EOS."""
    model = shaken(solution.Seq2Seq(9, 8, 5, 6))
    src, lengths = ids(4, 7), torch.tensor([7, 2, 5, 3])
    tgt_in = torch.full((4, 6), SOS)
    logits = model(src, lengths, tgt_in, 0.0)
    written = logits.argmax(-1)
    close(model(src, lengths, torch.cat([tgt_in[:, :1], written[:, :-1]], 1)), logits)
    ended = (written == EOS).cumsum(1) - (written == EOS).long() > 0
    assert torch.equal(solution.greedy(model, src, lengths, 6), written.masked_fill(ended, 0))


def test_ratio_is_the_share_of_true_tokens(solution: Any) -> None:
    """Of 400 rows a quarter, give or take five standard deviations, read the true token."""
    model = shaken(solution.Seq2Seq(9, 8, 5, 6))
    src, lengths = ids(1, 3).expand(400, -1), torch.full((400,), 3)
    tgt_in = torch.full((400, 2), SOS)
    tgt_in[:, 1] = (model(src, lengths, tgt_in)[0, 0].argmax() + 1) % 8
    forced = model(src, lengths, tgt_in)[:, 1]
    got = model(src, lengths, tgt_in, 0.25, torch.Generator().manual_seed(1))[:, 1]
    hits = int((got - forced).abs().amax(-1).lt(1e-9).sum())
    assert abs(hits - 100) <= 5 * math.sqrt(400 * 0.25 * 0.75)


def test_masked_ce_is_torch_s(solution: Any) -> None:
    """Whatever id pads."""
    logits, targets = torch.randn(3, 5, 7, dtype=torch.float64), ids(3, 5, low=0, high=7)
    for pad in (0, 3):
        close(
            solution.masked_ce(logits, targets, pad), F.cross_entropy(logits.movedim(-1, 1), targets, ignore_index=pad)
        )


def test_a_wide_beam_finds_the_best_of_all_sequences(solution: Any) -> None:
    """Nothing pruned: the best of all texts of up to three tokens, found by trying every one of them."""
    vocab, longest = 4, 3
    model = shaken(solution.Seq2Seq(9, vocab, 5, 6))
    src = ids(1, 5)

    def score(text: tuple[int, ...]) -> float:
        tgt_in = torch.tensor([[SOS, *text[:-1]]])
        log_p = model(src, torch.tensor([5]), tgt_in).log_softmax(-1)[0]
        return float(log_p.gather(1, torch.tensor(text)[:, None]).sum().detach())

    everything = itertools.chain.from_iterable(itertools.product(range(vocab), repeat=n) for n in range(1, longest + 1))
    texts = [t for t in everything if EOS not in t[:-1] and (t[-1] == EOS or len(t) == longest)]
    best = max(texts, key=score)
    found, value = solution.beam_search(model, src, longest, vocab**longest)
    assert tuple(found) == best
    assert value == pytest.approx(score(best))


def test_bleu_of_one_wrong_word(solution: Any) -> None:
    """Ten words, the fifth one wrong: 9/10, 7/9, 5/8 and 3/7 of the n-grams are right."""
    reference = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]
    hypothesis = [*reference[:4], "x", *reference[5:]]
    expected = (9 / 10 * 7 / 9 * 5 / 8 * 3 / 7) ** 0.25
    assert solution.bleu([reference], [hypothesis]) == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_the_rate_of_the_checks_leaves_nothing_to_chance(kind: str, dtype: torch.dtype) -> None:
    """With dropout just below 1, torch's layers, nn.Dropout and a mask by hand let nothing through, as with 1."""
    rate, x = 1 - 2**-40, torch.ones(3, 50, 5, dtype=dtype)
    nearly, fully = (KINDS[kind](5, 6, 3, batch_first=True, dropout=p).to(dtype) for p in (rate, 1.0))
    fully.load_state_dict(nearly.state_dict())
    torch.testing.assert_close(nearly(x)[0], fully(x)[0])
    assert not nn.Dropout(rate)(x).any()
    assert not (x * (torch.rand_like(x) >= rate) / (1 - rate)).any()
    assert not (x * torch.bernoulli(torch.full_like(x, 1 - rate)) / (1 - rate)).any()
