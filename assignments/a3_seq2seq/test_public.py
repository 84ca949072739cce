"""The checks that you have: `pytest` in this folder runs them against your seq2seq.py.

The right answers come from torch's own layers or from a case small enough for pencil and paper. `student` stands for
your file, `draw` makes random numbers. Sizes are pairwise different, so that a wrong axis cannot go unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.checks import Draw, builtin, hint, load, needs, points, random_weights, same, state, trains

PAD, SOS, EOS, UNK = 0, 1, 2, 3


@points(2)
@hint("0 to 3 are PAD, SOS, EOS, UNK. The first token is 4, and a token that comes again keeps its id.")
def test_vocab_encode(student):
    """`Vocab` gives every token its id, and UNK to a token that it does not know."""
    vocab = student.Vocab("abca")  # a = 4, b = 5, c = 6
    same(vocab.encode("cabd"), [6, 4, 5, UNK])
    same(vocab.encode("ab", sos=True, eos=True), [SOS, 4, 5, EOS], what="with sos and eos")
    same(vocab.encode("ab", eos=True), [4, 5, EOS], what="with eos")
    same(vocab.size.fetch(), 7, what="size")


@points(2)
@needs("test_vocab_encode")
@hint("A text ends at its first EOS. SOS and PAD are no tokens of it.")
def test_vocab_decode(student):
    """`Vocab` turns ids back into tokens, up to the first EOS."""
    vocab = student.Vocab(["ein", "zwei", "drei"])
    same(vocab.decode([SOS, 6, 4, EOS, 5, EOS, PAD]), ["drei", "ein"])
    same(vocab.decode([5, UNK, PAD, 5]), ["zwei", "<unk>", "zwei"])


@points(3)
@hint("S is the longest length. Shorter rows are filled up with PAD; the mask is True where an id is real.")
def test_pad_batch(student):
    """`pad_batch` fills up short rows and says what is real."""
    ids = torch.tensor([[5, 9, 4, EOS], [7, EOS, PAD, PAD], [8, 8, EOS, PAD]])
    got = student.pad_batch([[5, 9, 4, EOS], [7, EOS], [8, 8, EOS]])
    same(got, (ids, torch.tensor([4, 2, 3]), ids != PAD))


def weights_of(draw: Draw, module: nn.Module, prefix: str = "") -> dict[str, Tensor]:
    """Random weights of the shapes of a module, large ones, so that its answers depend clearly on its inputs."""
    return {f"{prefix}{name}": 2 * each for name, each in random_weights(dict(module.named_parameters()), draw).items()}


def encoder_weights(draw: Draw, vocab: int, embed: int, hidden: int, kind: str = "gru") -> dict[str, Tensor]:
    """Random weights under the names that the handout gives to the parameters of an `Encoder`."""
    layers = {"embedding": nn.Embedding(vocab, embed), "rnn": recurrent(kind, embed, hidden)}
    return weights_of(draw, nn.ModuleDict(layers))


def decoder_weights(draw: Draw, vocab: int, embed: int, hidden: int) -> dict[str, Tensor]:
    """The same for a `Decoder`."""
    return encoder_weights(draw, vocab, embed, hidden) | weights_of(draw, nn.Linear(hidden, vocab), "out.")


def seq2seq_weights(draw: Draw, src_vocab: int, tgt_vocab: int, embed: int, hidden: int) -> dict[str, Tensor]:
    """The same for a `Seq2Seq`."""
    halves = {
        "encoder": encoder_weights(draw, src_vocab, embed, hidden),
        "decoder": decoder_weights(draw, tgt_vocab, embed, hidden),
    }
    return {f"{half}.{name}": each for half, weights in halves.items() for name, each in weights.items()}


def recurrent(kind: str, embed: int, hidden: int) -> nn.Module:
    """A layer of torch itself."""
    kinds = {"gru": nn.GRU, "lstm": nn.LSTM}
    return kinds[kind](embed, hidden, batch_first=True)


def oracle(weights: Mapping[str, Tensor], kind: str = "gru", half: str = "") -> nn.Module:
    """A layer of torch itself with the weights that an encoder, a decoder or one half of a `Seq2Seq` has."""
    own = {name.removeprefix(f"{half}rnn."): each for name, each in weights.items() if name.startswith(f"{half}rnn.")}
    gates, embed = own["weight_ih_l0"].shape
    layer = recurrent(kind, embed, gates // (4 if kind == "lstm" else 3))
    layer.to(own["weight_ih_l0"].dtype).load_state_dict(own)
    return layer


@points(3)
@hint("The embedded source goes through the recurrent layer. h_n is (L, B, H); an LSTM's state is the pair (h_n, c_n).")
@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_encoder(student, draw, kind):
    """`Encoder` reads sources of one length as torch's own layer does."""
    weights = encoder_weights(draw, 11, 4, 6, kind)
    encoder = student.Encoder(11, 4, 6, kind=kind)
    load(encoder, weights)
    src = draw.ints(3, 5, high=11)
    same(encoder(src, torch.full((3,), 5)), oracle(weights, kind)(weights["embedding.weight"][src]))


@points(5)
@needs("test_encoder")
@hint("The state of a short row must not have seen its padding. Rows come in any order of lengths, and leave in it.")
def test_encoder_state_behind_the_last_token(student, draw):
    """`Encoder` returns the state of each row at its last real token, as if the row were alone."""
    weights = encoder_weights(draw, 11, 4, 6)
    encoder = student.Encoder(11, 4, 6)
    load(encoder, weights)
    src, lengths = draw.ints(4, 7, low=4, high=11), [3, 7, 1, 5]
    for row, length in enumerate(lengths):
        src[row, length:] = PAD
    vectors, layer = weights["embedding.weight"], oracle(weights)
    alone = [layer(vectors[src[row : row + 1, :length]])[1] for row, length in enumerate(lengths)]  # each (1, 1, H)
    same(encoder(src, torch.tensor(lengths))[1], torch.cat(alone, dim=1), what="h_n")


@points(4)
@hint("One token a row: (B,) becomes (B, 1, E) for the recurrent layer, and (B, V) after it. No softmax.")
def test_decoder_step(student, draw):
    """`Decoder.step` reads one token in a given state; it returns logits and the next state."""
    weights = decoder_weights(draw, 9, 4, 6)
    decoder = student.Decoder(9, 4, 6)
    load(decoder, weights)
    y, h = draw.ints(3, high=9), draw(1, 3, 6)
    out, h_n = oracle(weights)(weights["embedding.weight"][y][:, None], h)
    same(decoder.step(y, h), (F.linear(out[:, 0], weights["out.weight"], weights["out.bias"]), h_n))


@points(4)
@needs("Decoder")
@hint("Step t reads tgt_in[:, t] in the state that step t - 1 left. The logits are stacked along an axis of their own.")
def test_decode_teacher_forced(student, draw):
    """`decode_teacher_forced` gives the logits of one step after the other."""
    decoder = student.Decoder(9, 4, 6)
    load(decoder, decoder_weights(draw, 9, 4, 6))
    tgt_in, h = draw.ints(3, 5, high=9), draw(1, 3, 6)
    logits, following = [], h
    for column in tgt_in.unbind(1):
        scores, following = decoder.step(column, following)
        logits.append(scores)
    same(student.decode_teacher_forced(decoder, tgt_in, h), torch.stack(logits, 1))


@points(2)
@hint("Which of the two starts with SOS, and which ends with EOS?")
def test_shift_targets(student):
    """`shift_targets` pairs every token that is read with the one that follows it."""
    tgt = torch.tensor([[SOS, 5, 7, EOS, PAD], [SOS, 6, 4, 8, EOS]])
    read, predicted = [[SOS, 5, 7, EOS], [SOS, 6, 4, 8]], [[5, 7, EOS, PAD], [6, 4, 8, EOS]]
    same(student.shift_targets(tgt), (torch.tensor(read), torch.tensor(predicted)))


@points(2)
@hint("logits[b, t] and targets[b, t] belong together: what does your reshape do to them?")
def test_masked_ce(student, draw):
    """`masked_ce` is the mean cross-entropy."""
    logits, targets = draw(3, 5, 7), draw.ints(3, 5, low=1, high=7)
    same(student.masked_ce(logits, targets), F.cross_entropy(logits.movedim(-1, 1), targets))


@points(2)
@needs("test_masked_ce")
@hint("PAD counts neither above nor below the line; EOS counts.")
def test_masked_ce_ignores_padding(student, draw):
    """`masked_ce` takes its mean over the real targets only."""
    logits, targets = draw(3, 5, 7), draw.ints(3, 5, low=1, high=7)
    targets[0, 2:], targets[2, 3:] = torch.tensor([EOS, PAD, PAD]), torch.tensor([EOS, PAD])
    expected = F.cross_entropy(logits.movedim(-1, 1), targets, ignore_index=PAD)
    same(student.masked_ce(logits, targets), expected)


@points(4)
@needs("Encoder", "Decoder", "decode_teacher_forced")
@hint("The encoder's final state is the decoder's first one. With ratio 1 every token that is read is the true one.")
def test_seq2seq_teacher_forced(student, draw):
    """`Seq2Seq` with teacher forcing: encode, then read the true tokens from the encoder's final state."""
    weights = seq2seq_weights(draw, 11, 9, 4, 6)
    model = student.Seq2Seq(11, 9, 4, 6)
    load(model, weights)
    src, tgt_in = draw.ints(3, 7, high=11), draw.ints(3, 5, high=9)
    tgt_in[:, 0] = SOS
    _, h = oracle(weights, half="encoder.")(weights["encoder.embedding.weight"][src])
    out, _ = oracle(weights, half="decoder.")(weights["decoder.embedding.weight"][tgt_in], h)
    expected = F.linear(out, weights["decoder.out.weight"], weights["decoder.out.bias"])
    same(model(src, torch.full((3,), 7), tgt_in), expected)


@points(4)
@needs("Seq2Seq", "Encoder", "Decoder")
@hint("From SOS on, the argmax of each step is the next step's input. After its EOS a row holds PAD.")
def test_greedy(student, draw):
    """`greedy` writes the most likely token again and again, until EOS."""
    rows, max_len = 6, 8
    lengths, expected = torch.tensor([5, 2, 4, 3, 1, 5]), torch.zeros(0)
    model = student.Seq2Seq(11, 6, 4, 7)
    for _ in range(30):  # until some row ends early, some row never does, and what was written is not all that counts
        weights = {name: 3 * each for name, each in seq2seq_weights(draw, 11, 6, 4, 7).items()}
        weights["decoder.out.bias"][EOS] += 1.0
        load(model, weights)
        src = draw.ints(rows, 5, low=4, high=11)
        expected = torch.stack([alone(model, row[:length], max_len) for row, length in zip(src, lengths, strict=True)])
        ends = (expected == EOS).any(1)
        if bool((expected[:, :4] == EOS).any()) and not bool(ends.all()) and any(map(remembers, expected.tolist())):
            break
    same(ended(student.greedy(model, src, lengths, max_len), max_len), expected)


def alone(model: Any, source: Tensor, max_len: int) -> Tensor:
    """What a model writes for one source without padding, (max_len,): the slow way."""
    _, h = model.encoder(source[None], torch.tensor([len(source)]))
    written, y = torch.full((max_len,), PAD), torch.tensor([SOS])
    for t in range(max_len):
        logits, h = model.decoder.step(y, h)
        y = logits.argmax(-1)
        written[t] = y
        if y == EOS:
            break
    return written


def remembers(row: list[int]) -> bool:
    """Whether some id of a row is followed by one thing here and by another there."""
    text = row[: row.index(EOS)] if EOS in row else row
    pairs = set(pairwise(text))
    return len(pairs) > len({first for first, _ in pairs})


def ended(ids: Tensor, max_len: int) -> Tensor:
    """The ids (B, max_len) with PAD in place of an EOS that follows an EOS, and in place of columns left out."""
    again = (ids == EOS) & ((ids == EOS).cumsum(1) > 1)
    return F.pad(ids.masked_fill(again, PAD), (0, max(0, max_len - ids.shape[1])))


@points(3)
@needs("Seq2Seq", "masked_ce", "shift_targets")
@trains(cpu_s=10)
@hint("What is in .grad before the second backward? Does every batch reach the model? What is the loss divided by?")
def test_fit_worked_example(student, draw):
    """`fit` takes plain gradient steps on the loss of what follows each token."""
    # What your model answers, and its gradients, are taken as they are. The slope of the loss at the logits is known:
    # softmax minus one-hot, divided by the number of targets.
    sizes, rate = (7, 6, 3, 5), 0.5
    mirror, model = student.Seq2Seq(*sizes), student.Seq2Seq(*sizes)
    weights = seq2seq_weights(draw, *sizes)
    load(mirror, weights)
    load(model, weights)
    batches, expected = [], []
    for rows, steps in ((3, 4), (2, 6), (4, 2)):
        src, words = draw.ints(rows, 5, low=4, high=7), draw.ints(rows, steps, low=4, high=6)
        tgt = torch.cat([torch.full((rows, 1), SOS), words, torch.full((rows, 1), EOS)], dim=1)
        batches.append((src, torch.full((rows,), 5), tgt))
        inputs = (src, torch.full((rows,), 5), tgt[:, :-1])
        log_p, aims = mirror(*inputs).log_softmax(-1), F.one_hot(tgt[:, 1:], 6)
        expected.append(-(log_p * aims).sum().item() / aims.sum().item())
        grads = mirror.vjp(inputs, {}, [(log_p.exp() - aims) / aims.sum()]).parameter_grads
        weights = {name: weight - rate * grads[name] for name, weight in weights.items()}
        load(mirror, weights)
    optimizer = builtin(student, "torch.optim.SGD", model.parameters(), lr=rate)
    losses = student.fit(model, batches, optimizer)
    same(state(model), weights, what="the parameters after three batches")
    same(losses, expected, what="the losses")
