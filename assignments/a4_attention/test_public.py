"""The checks that you have: `pytest` in this folder runs them against your attention.py.

The right answers come from torch's own layers or from a case small enough for pencil and paper. `student` stands for
your file, `draw` makes random numbers. Sizes are pairwise different, so that a wrong axis cannot go unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.checks import (
    Draw,
    bans,
    builtin,
    check_that,
    hint,
    load,
    needs,
    points,
    random_weights,
    same,
    state,
    trains,
)

PAD, SOS, EOS = 0, 1, 2


def real_places(lengths: Tensor, width: int) -> Tensor:
    """The mask (B, S) of rows with these lengths: True where a token is real."""
    return torch.arange(width) < lengths[:, None]


# --- attention -------------------------------------------------------------------------------------------------------


@points(3)
@bans("softmax")
@hint("exp of everything, divided by the sum of exp along `dim`; keepdim=True keeps the axes in their places.")
@pytest.mark.parametrize("dim", [-1, 0, 1])
def test_softmax(student, draw, dim):
    """`softmax` sums to 1 along the axis that it is told, as torch.softmax does."""
    x = 2 * draw(3, 5, 4)
    same(student.softmax(x, dim), torch.softmax(x, dim))


@points(2)
@hint("Row b of k holds S keys: multiply each by the one query of row b and add up over H.")
def test_dot_scores(student, draw):
    """`dot_scores` compares one query with every key."""
    q, k = draw(3, 7), draw(3, 5, 7)
    same(student.dot_scores(q, k), torch.stack([(k[:, s] * q).sum(dim=-1) for s in range(5)], dim=1))


@points(2)
@needs("test_dot_scores")
@hint("(B, T, H) times (B, H, S): move an axis of k with transpose. view and reshape do not move axes.")
def test_dot_scores_many(student, draw):
    """`dot_scores` compares each of many queries with every key."""
    q, k = draw(3, 4, 7), draw(3, 5, 7)
    same(student.dot_scores(q, k), (q[:, :, None] * k[:, None]).sum(dim=-1))


@points(3)
@needs("softmax")
@hint("A masked key must not only get 0: the others share its part. What does exp make of a score of 0?")
def test_masked_softmax(student, draw):
    """`masked_softmax` shares the weight among the real keys alone."""
    lengths, scores = torch.tensor([5, 2, 4]), draw(3, 5)
    expected = torch.zeros_like(scores)
    for row, length in enumerate(lengths.tolist()):
        expected[row, :length] = torch.softmax(scores[row, :length], dim=0)
    same(student.masked_softmax(scores, real_places(lengths, 5)), expected, what="one query")
    same(student.masked_softmax(scores), torch.softmax(scores, dim=-1), what="without a mask")
    several = torch.stack([scores, 2 * scores], dim=1)  # (B, T, S)
    got = student.masked_softmax(several, real_places(lengths, 5))
    same(got[:, 0], expected, what="the first of two queries")


@points(2)
@needs("test_masked_softmax")
@hint("Nothing to attend, nothing to share: a row without a key has neither weights nor NaN.")
def test_masked_softmax_nothing(student, draw):
    """`masked_softmax` gives zeros where nothing may be attended."""
    scores = draw(3, 5)
    mask = torch.ones(3, 5, dtype=torch.bool)
    mask[1] = False
    expected = torch.softmax(scores, dim=-1)
    expected[1] = 0
    same(student.masked_softmax(scores, mask), expected)


@points(4)
@needs("dot_scores", "masked_softmax")
@hint("Queries and keys decide about the weights; what is averaged with them?")
def test_attend(student, draw):
    """`attend` averages the values, weighted by how well their keys fit each query."""
    q, k, v = draw(3, 4, 7), draw(3, 5, 7), draw(3, 5, 6)
    context, weights = student.attend(q, k, v)
    same(context, F.scaled_dot_product_attention(q, k, v, scale=1.0), what="context")
    same(weights.sum(dim=-1), torch.ones(3, 4).to(q), what="the sum of the weights of each query")


@points(2)
@needs("test_attend")
@hint("One query in, one context out: (B, H) gives (B, D) and (B, S). Is the mask handed on?")
def test_attend_one_query(student, draw):
    """`attend` takes a single query, and no padding."""
    q, k, v = draw(3, 7), draw(3, 5, 7), draw(3, 5, 6)
    mask = real_places(torch.tensor([5, 1, 3]), 5)
    context, weights = student.attend(q, k, v, mask)
    expected = F.scaled_dot_product_attention(q[:, None], k, v, mask[:, None], scale=1.0)
    same(context, expected[:, 0], what="context")
    same(list(weights.shape), [3, 5], what="the shape of the weights")
    same(weights * ~mask, torch.zeros(3, 5).to(q), what="the weights of padding")


@points(2)
@hint("The products of d independent pairs add up: so do their variances. What does a factor do to a variance?")
def test_score_variance(student, draw):
    """`score_variance` finds that scores of size d have variance d, and 1 when they are divided by sqrt(d)."""
    n = 20_000
    for d, scale in ((16, 1.0), (256, 1.0), (256, 256**-0.5)):
        found = float(student.score_variance(d, scale, n, draw.generator()))
        expected = d * scale**2  # the sample variance of n numbers is off by a factor of about sqrt(2 / n)
        near = abs(found / expected - 1) < 0.1
        check_that(near, f"for d = {d} and scale = {scale:.4g} the variance should be near {expected:.4g}")


# --- a decoder that attends ------------------------------------------------------------------------------------------


def decoder_with(student: Any, draw: Draw, context: float, state: float) -> tuple[Any, nn.GRUCell, Tensor]:
    """A decoder whose attn_combine passes on the context and the state with these factors, its cell, its embeddings.

    out is the identity, so the logits are tanh(context * c + state * h).
    """
    embed, hidden = 4, 6
    cell, size = nn.GRUCell(embed, hidden), draw(1)
    weights = random_weights(dict(cell.named_parameters()), draw)
    cell.to(size.dtype)
    cell.load_state_dict(weights)
    eye, zeros, table = torch.eye(hidden).to(size), torch.zeros(hidden).to(size), draw(hidden, embed)
    decoder = student.AttnDecoder(hidden, embed, hidden)  # as many ids as units
    load(
        decoder,
        {f"cell.{name}": weight for name, weight in weights.items()}
        | {"embedding.weight": table, "out.weight": eye, "out.bias": zeros}
        | {"attn_combine.weight": torch.cat([context * eye, state * eye], dim=1), "attn_combine.bias": zeros},
    )
    return decoder, cell, table


@points(3)
@needs("attend")
@hint("The query is the state that the cell has just made. Which half of attn_combine reads the context?")
def test_step_context(student, draw):
    """`AttnDecoder.step` looks at the source with its new state, and what it finds decides about the next token."""
    decoder, cell, table = decoder_with(student, draw, context=1.0, state=0.0)
    y, state, enc_out = draw.ints(3, high=6), draw(3, 6), draw(3, 5, 6)
    h = cell(table[y], state)
    context = F.scaled_dot_product_attention(h[:, None], enc_out, enc_out, scale=1.0)[:, 0]
    logits, _, weights = decoder.step(y, state, enc_out)
    same((weights[:, :, None] * enc_out).sum(dim=1), context, what="what the returned weights average")
    same(logits, torch.tanh(context), what="logits")


@points(2)
@needs("attend")
@hint("embedding, then cell: the new state goes into attn_combine behind the context, and back to the caller.")
def test_step_state(student, draw):
    """`AttnDecoder.step` moves its state on, and that decides about the next token as well."""
    decoder, cell, table = decoder_with(student, draw, context=0.0, state=0.5)
    y, state, enc_out = draw.ints(3, high=6), draw(3, 6), draw(3, 5, 6)
    h = cell(table[y], state)
    logits, after, _ = decoder.step(y, state, enc_out)
    same(after, h, what="the next state")
    same(logits, torch.tanh(0.5 * h), what="logits")


def decoder_weights(draw: Draw, vocab: int, embed: int, hidden: int) -> dict[str, Tensor]:
    """Random weights under the names that the handout gives to the parameters of an `AttnDecoder`."""
    layers = {
        "embedding": nn.Embedding(vocab, embed),
        "cell": nn.GRUCell(embed, hidden),
        "attn_combine": nn.Linear(2 * hidden, hidden),
        "out": nn.Linear(hidden, vocab),
    }
    return {name: 2 * each for name, each in random_weights(named(layers), draw).items()}


def model_weights(draw: Draw, src_vocab: int, tgt_vocab: int, embed: int, hidden: int) -> dict[str, Tensor]:
    """The same for an `AttnSeq2Seq`."""
    layers = {"embedding": nn.Embedding(src_vocab, embed), "rnn": nn.GRU(embed, hidden)}
    encoder = {f"encoder.{name}": 2 * each for name, each in random_weights(named(layers), draw).items()}
    decoder = decoder_weights(draw, tgt_vocab, embed, hidden)
    return encoder | {f"decoder.{name}": each for name, each in decoder.items()}


def named(layers: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """The parameters of some layers, each behind its layer's name."""
    return {f"{layer}.{name}": p for layer, module in layers.items() for name, p in module.named_parameters()}


@points(3)
@needs("test_step_context", "test_step_state", "attend")
@hint("Place t reads token t in the state behind place t - 1, and attends with the state behind place t.")
def test_decoder_forward(student, draw):
    """`AttnDecoder` reads a whole target and gives what its steps give, one after the other."""
    decoder = student.AttnDecoder(9, 4, 7)
    load(decoder, decoder_weights(draw, 9, 4, 7))
    tgt_in, state, enc_out = draw.ints(3, 6, high=9), draw(3, 7), draw(3, 5, 7)
    mask = real_places(torch.tensor([5, 2, 4]), 5)
    logits, weights = decoder(tgt_in, state, enc_out, mask)
    steps = []
    for t in range(6):
        scores, state, looked_at = decoder.step(tgt_in[:, t], state, enc_out, mask)
        steps.append((scores, looked_at))
    same(logits, torch.stack([scores for scores, _ in steps], dim=1), what="logits")
    same(weights, torch.stack([looked_at for _, looked_at in steps], dim=1), what="weights")


@points(2)
@needs("AttnDecoder")
@hint("The mask says where a row is real: place s is, while s < lengths[b]. The encoder's state has one axis more.")
def test_encode(student, draw):
    """`AttnSeq2Seq.encode` gives all states of the encoder, the last one, and a mask."""
    model = student.AttnSeq2Seq(11, 9, 4, 7)
    load(model, model_weights(draw, 11, 9, 4, 7))
    src, lengths = draw.ints(3, 5, low=3, high=11), torch.tensor([2, 5, 3])
    states, last, mask = model.encode(src, lengths)
    expected, h_n = model.encoder(src, lengths)
    real = real_places(lengths, 5)
    same(mask, real, what="mask")
    same(last, h_n[0], what="state")
    same(states * real[:, :, None], expected * real[:, :, None], what="enc_out")


@points(2)
@needs("test_encode", "AttnDecoder", "attend")
@hint("The decoder starts in the encoder's final state and attends to its states at all places, but for padding.")
def test_attn_seq2seq(student, draw):
    """`AttnSeq2Seq` decodes from what it encoded."""
    model = student.AttnSeq2Seq(11, 9, 4, 7)
    load(model, model_weights(draw, 11, 9, 4, 7))
    src, lengths, tgt_in = draw.ints(3, 5, low=3, high=11), torch.tensor([2, 5, 3]), draw.ints(3, 6, high=9)
    enc_out, h_n = model.encoder(src, lengths)
    same(model(src, lengths, tgt_in), model.decoder(tgt_in, h_n[0], enc_out, real_places(lengths, 5)))


# --- training, translating, looking ----------------------------------------------------------------------------------


@points(3)
@needs("AttnSeq2Seq", "AttnDecoder")
@trains(cpu_s=20)
@hint("Every batch in turn: clear, forward, loss, backward, step. The target is what stands one place further on.")
def test_fit_worked_example(student, draw):
    """`fit` takes plain gradient steps on the loss of what follows each token."""
    # What your model answers, and its gradients, are taken as they are. The slope of the loss at the logits is known:
    # softmax minus one-hot, divided by the number of targets.
    sizes, rate = (7, 6, 3, 5), 0.5
    mirror, model = student.AttnSeq2Seq(*sizes), student.AttnSeq2Seq(*sizes)
    weights = model_weights(draw, *sizes)
    load(mirror, weights)
    load(model, weights)
    batches, expected = [], []
    for rows, steps in ((3, 4), (2, 6), (4, 2)):
        src, words = draw.ints(rows, 5, high=7), draw.ints(rows, steps, low=4, high=6)
        tgt = torch.cat([torch.full((rows, 1), SOS), words, torch.full((rows, 1), EOS)], dim=1)
        batches.append((src, torch.full((rows,), 5), tgt))
        inputs = (src, torch.full((rows,), 5), tgt[:, :-1])
        logits, looked_at = mirror(*inputs)
        log_p, aims = logits.log_softmax(-1), F.one_hot(tgt[:, 1:], 6)
        expected.append(-(log_p * aims).sum().item() / aims.sum().item())
        slopes = [(log_p.exp() - aims) / aims.sum(), 0 * looked_at]
        grads = mirror.vjp(inputs, {}, slopes).parameter_grads
        weights = {name: weight - rate * grads[name] for name, weight in weights.items()}
        load(mirror, weights)
    optimizer = builtin(student, "torch.optim.SGD", model.parameters(), lr=rate)
    losses = student.fit(model, batches, optimizer)
    same(state(model), weights, what="the parameters after three batches")
    same(losses, expected, what="the losses")


@points(3)
@needs("AttnSeq2Seq", "AttnDecoder")
@hint("Start with SOS. The argmax of the logits is the next token, and the next input.")
def test_translate(student, draw):
    """`translate` writes the most likely token, again and again."""
    model = student.AttnSeq2Seq(11, 9, 4, 7)
    weights = model_weights(draw, 11, 9, 4, 7)
    weights["decoder.out.bias"][EOS] = -100.0  # so that no row ends
    load(model, weights)
    src, lengths = draw.ints(4, 5, low=3, high=11), torch.tensor([2, 5, 3, 1])
    ids, attention = student.translate(model, src, lengths, 6)
    read = torch.full((4, 1), SOS)
    for _ in range(6):  # the slow way: the whole translation from the start for each new id
        logits, looked_at = model(src, lengths, read)
        read = torch.cat([read, logits[:, -1:].argmax(dim=-1)], dim=1)
    same(ids, read[:, 1:], what="ids")
    same(attention, looked_at, what="attention")


@points(2)
@hint("Rows are what was written, columns what was read. EOS is no token to look at, and padding is not, either.")
def test_attention_map(student, draw):
    """`attention_map` cuts off what is no token, and names the rest."""
    weights = draw.uniform(6, 5)
    src, ids = torch.tensor([4, 3, 5, PAD, PAD]), torch.tensor([4, 4, 5, 3, EOS, PAD])
    words = ["<pad>", "<sos>", "<eos>", "2", "0", "7"]
    got, rows, columns = student.attention_map(weights, src, ids, ["", "", "", "b", "a", "c"], words)
    same([rows, columns], [["0", "0", "7", "2"], ["a", "b", "c"]], what="the labels")
    same(got, weights[:4, :3], what="the weights")
