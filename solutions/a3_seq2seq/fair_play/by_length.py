"""Style: terse. Rows of one length are encoded together, scatter and gather put them back; comprehensions throughout."""

import math
from collections import Counter
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

PAD, SOS, EOS, UNK = 0, 1, 2, 3


class Vocab:
    def __init__(self, tokens):
        self.there = {}
        for token in tokens:
            self.there.setdefault(token, len(self.there) + 4)
        self.size = len(self.there) + 4
        self.back = {number: token for token, number in self.there.items()} | {UNK: "<unk>"}

    def encode(self, tokens, sos=False, eos=False):
        return [*[SOS][:sos], *(self.there.get(t, UNK) for t in tokens), *[EOS][:eos]]

    def decode(self, ids):
        ids = [int(i) for i in ids] + [EOS]
        return [self.back[i] for i in ids[: ids.index(EOS)] if i in self.back]


def pad_batch(sequences):
    lengths = np.array([len(s) for s in sequences])
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.zeros(mask.shape, dtype=np.int64)
    ids[mask] = np.concatenate(sequences)
    return tuple(map(torch.from_numpy, (ids, lengths, mask)))


def rnn(kind, embed, hidden, num_layers, dropout):
    return getattr(nn, kind.upper())(embed, hidden, num_layers, batch_first=True, dropout=dropout)


def mapped(function, *states):
    """The function of the state's parts: one for a GRU, two for an LSTM."""
    if isinstance(states[0], tuple):
        return tuple(function(*parts) for parts in zip(*states))
    return function(*states)


class Encoder(nn.Module):
    def __init__(self, vocab, embed, hidden, num_layers=1, kind="gru", dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = rnn(kind, embed, hidden, num_layers, dropout)

    def forward(self, src, lengths):
        groups = [torch.nonzero(lengths == n)[:, 0] for n in lengths.unique()]
        answers = [self.rnn(self.embedding(src[rows, : lengths[rows[0]]])) for rows in groups]
        back = torch.cat(groups).argsort()
        outs = [F.pad(out, (0, 0, 0, src.shape[1] - out.shape[1])) for out, _ in answers]
        state = mapped(lambda *parts: torch.cat(parts, 1)[:, back], *(state for _, state in answers))
        return torch.cat(outs)[back], state


class Decoder(nn.Module):
    def __init__(self, vocab, embed, hidden, num_layers=1, kind="gru", dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = rnn(kind, embed, hidden, num_layers, dropout)
        self.out = nn.Linear(hidden, vocab)

    def run(self, tokens, state):
        states, state = self.rnn(self.embedding(tokens), state)
        return states @ self.out.weight.T + self.out.bias, state

    def step(self, y, state):
        logits, state = self.run(y.view(-1, 1), state)
        return logits.flatten(0, 1), state


def decode_teacher_forced(decoder, tgt_in, state):
    if hasattr(decoder, "run"):  # all places at once
        return decoder.run(tgt_in, state)[0]
    logits = []
    for y in tgt_in.T:
        scores, state = decoder.step(y, state)
        logits.append(scores)
    return torch.stack(logits, 1)


def shift_targets(tgt):
    return tgt[..., :-1].contiguous(), tgt[..., 1:].contiguous()


def masked_ce(logits, targets, pad=PAD):
    nll = -logits.log_softmax(-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return nll.masked_select(targets != pad).mean()


class Seq2Seq(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, embed, hidden, num_layers=1, kind="gru", dropout=0.0):
        super().__init__()
        self.encoder, self.decoder = (
            half(vocab, embed, hidden, num_layers, kind, dropout)
            for half, vocab in ((Encoder, src_vocab), (Decoder, tgt_vocab))
        )

    def forward(self, src, lengths, tgt_in, teacher_forcing_ratio=1.0, generator=None):
        coins = torch.rand(tgt_in.shape, generator=generator) < teacher_forcing_ratio  # all at once
        state, logits = self.encoder(src, lengths)[1], []
        for t, (truth, forced) in enumerate(zip(tgt_in.T, coins.T)):
            y = truth if t == 0 else forced * truth + ~forced * logits[-1].argmax(-1)
            scores, state = self.decoder.step(y, state)
            logits.append(scores)
        return torch.stack(logits, 1)


def fit(model, batches, optimizer, teacher_forcing_ratio=1.0, generator=None, max_norm=None):
    run = partial(model.train(), teacher_forcing_ratio=teacher_forcing_ratio, generator=generator)
    losses = []
    for src, lengths, tgt in batches:
        (before, after), _ = shift_targets(tgt), optimizer.zero_grad()
        losses.append(masked_ce(run(src, lengths, before), after))
        losses[-1].backward()
        None if max_norm is None else nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
    return torch.stack(losses).tolist() if losses else []


@torch.no_grad()
def greedy(model, src, lengths, max_len):
    state, ids = model.encoder(src, lengths)[1], [torch.full((len(src),), SOS)]
    for _ in range(max_len):
        logits, state = model.decoder.step(ids[-1].clamp(min=0), state)
        over = (ids[-1] == EOS) | (ids[-1] == -1)
        ids.append(torch.where(over, -1, logits.argmax(-1)))  # -1 behind the end, for now
    return torch.stack(ids[1:], 1).clamp(min=PAD)


@torch.no_grad()
def beam_search(model, src, max_len, k):
    beam = [(0.0, [SOS], model.encoder(src, torch.tensor([src.shape[1]]))[1])]
    for _ in range(max_len):
        grown = []
        for score, ids, state in beam:
            if ids[-1] == EOS:
                grown += [(score, ids, state)]
            else:
                logits, after = model.decoder.step(torch.tensor(ids[-1:]), state)
                grown += [(score + p, [*ids, v], after) for v, p in enumerate(logits[0].log_softmax(0).tolist())]
        beam = sorted(grown, key=lambda one: one[0])[: -k - 1 : -1]
    return beam[0][1][1:], beam[0][0]


def bleu(references, hypotheses, max_n=4):
    grams = lambda text, n: Counter(zip(*(text[i:] for i in range(n))))
    hits, totals = np.zeros(max_n), np.zeros(max_n)
    for r, h in zip(references, hypotheses):
        for n in range(1, max_n + 1):
            hits[n - 1] += sum((grams(r, n) & grams(h, n)).values())
            totals[n - 1] += max(0, len(h) - n + 1)
    if not hits.all():
        return 0.0
    length = sum(map(len, references)) / sum(map(len, hypotheses))
    return float(np.exp(np.log(hits / totals).mean()) * min(1, math.exp(1 - length)))
