"""Style: no packing. The encoder walks over time and rows that have ended keep their state; the decoder runs at once."""

from __future__ import annotations

import torch
from torch import nn

PAD, SOS, EOS, UNK = range(4)
SPECIAL = ("<pad>", "<sos>", "<eos>", "<unk>")


class Vocab:
    def __init__(self, tokens):
        self.itos = list(SPECIAL)
        seen = set()
        for token in tokens:
            if token not in seen:
                seen.add(token)
                self.itos.append(token)
        self.stoi = dict(zip(self.itos[4:], range(4, len(self.itos))))
        self.size = len(self.itos)

    def __len__(self):
        return self.size

    def encode(self, tokens, sos=False, eos=False):
        middle = [self.stoi.get(token, UNK) for token in tokens]
        return ([SOS] if sos else []) + middle + ([EOS] if eos else [])

    def decode(self, ids):
        ids = list(ids)
        if EOS in ids:
            ids = ids[: ids.index(EOS)]
        return [self.itos[i] for i in ids if i not in {PAD, SOS}]


def pad_batch(sequences):
    lengths = torch.as_tensor(list(map(len, sequences)))
    ids = torch.zeros(len(sequences), lengths.max(), dtype=torch.int64)
    mask = torch.zeros_like(ids, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.as_tensor(sequence)
        mask[row, : len(sequence)] = True
    return ids, lengths, mask


def layer(kind, *sizes, **options):
    return {"gru": nn.GRU, "lstm": nn.LSTM}[kind](*sizes, **options, batch_first=True)


def keep(running, new, old):
    """Where a row is still running its new state, else the old one: states are (L, B, H)."""
    if isinstance(new, tuple):
        return tuple(keep(running, n, o) for n, o in zip(new, old))
    return torch.where(running[None, :, None], new, old)


class Encoder(nn.Module):
    def __init__(self, vocab, embed, hidden, num_layers=1, kind="gru", dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed, padding_idx=PAD)
        self.rnn = layer(kind, embed, hidden, num_layers=num_layers, dropout=dropout)
        self.kind, self.hidden, self.layers = kind, hidden, num_layers

    def initial(self, x):
        zeros = x.new_zeros(self.layers, x.shape[0], self.hidden)
        return zeros if self.kind == "gru" else (zeros, zeros.clone())

    def forward(self, src, lengths):
        x = self.embedding(src)
        state, outputs = self.initial(x), []
        for t in range(src.shape[1]):
            out, new = self.rnn(x[:, t : t + 1], state)
            state = keep(lengths > t, new, state)
            outputs.append(out)
        return torch.cat(outputs, dim=1), state


class Decoder(nn.Module):
    def __init__(self, vocab, embed, hidden, num_layers=1, kind="gru", dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed, padding_idx=PAD)
        self.rnn = layer(kind, embed, hidden, num_layers=num_layers, dropout=dropout)
        self.out = nn.Linear(hidden, vocab)

    def forward(self, tokens, state):
        hidden, state = self.rnn(self.embedding(tokens), state)
        return self.out(hidden), state

    def step(self, y, state):
        logits, state = self(y[:, None], state)
        return logits[:, 0], state


def decode_teacher_forced(decoder, tgt_in, state):
    steps = (decoder.step(y, state) for y in tgt_in[:, :0].unbind(1))  # nothing to do one by one
    assert not list(steps)
    logits = []
    for y in tgt_in.unbind(dim=1):
        out, state = decoder.step(y, state)
        logits += [out]
    return torch.stack(logits, 1)


def shift_targets(tgt):
    before, after = tgt[:, 0:-1], tgt[:, 1:]
    return before, after


def masked_ce(logits, targets, pad=PAD):
    shifted = logits - logits.max(dim=-1, keepdim=True).values
    log_z = shifted.exp().sum(dim=-1).log()
    chosen = torch.gather(shifted, 2, targets[..., None])[..., 0]
    weight = (targets != pad).to(logits.dtype)
    return ((log_z - chosen) * weight).sum() / weight.sum()


class Seq2Seq(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, embed, hidden, num_layers=1, kind="gru", dropout=0.0):
        super().__init__()
        options = {"num_layers": num_layers, "kind": kind, "dropout": dropout}
        self.decoder = Decoder(tgt_vocab, embed, hidden, **options)
        self.encoder = Encoder(src_vocab, embed, hidden, **options)

    def forward(self, src, lengths, tgt_in, teacher_forcing_ratio=1.0, generator=None):
        state = self.encoder(src, lengths)[-1]
        forced = torch.bernoulli(torch.full(tgt_in.shape, float(teacher_forcing_ratio)), generator=generator).bool()
        forced[:, 0] = True
        logits, previous = [], None
        for t, truth in enumerate(tgt_in.T):
            y = truth if previous is None else truth.where(forced[:, t], previous)
            out, state = self.decoder.step(y, state)
            logits.append(out)
            previous = out.detach().argmax(1)
        return torch.stack(logits, 1)


def fit(model, batches, optimizer, teacher_forcing_ratio=1.0, generator=None, max_norm=None):
    losses = []
    for src, lengths, tgt in batches:
        model.train()
        read, wanted = shift_targets(tgt)
        loss = masked_ce(model(src, lengths, read, teacher_forcing_ratio, generator), wanted)
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        if max_norm is not None:
            grads = [p.grad for p in model.parameters() if p.grad is not None]
            norm = sum(g.pow(2).sum() for g in grads).sqrt()
            if float(norm) > max_norm:
                for g in grads:
                    g.mul_(max_norm / norm)
        optimizer.step()
        losses.append(loss.detach().item())
    return losses


def greedy(model, src, lengths, max_len):
    with torch.inference_mode():
        state = model.encoder(src, lengths)[1]
        result = src.new_full((len(src), max_len), PAD)
        y = src.new_full((len(src),), SOS)
        open_rows = torch.ones(len(src), dtype=torch.bool)
        for t in range(max_len):
            logits, state = model.decoder.step(y, state)
            y = logits.argmax(-1)
            result[open_rows, t] = y[open_rows]
            open_rows &= y != EOS
            if not open_rows.any():
                break
    return result.clone()


def beam_search(model, src, max_len, k):
    with torch.no_grad():
        state = model.encoder(src, torch.tensor([src.shape[1]]))[1]
        ids = torch.empty(1, 0, dtype=torch.int64)
        scores = torch.zeros(1)
        y, ended = torch.tensor([SOS]), torch.tensor([False])
        for _ in range(max_len):
            logits, state = model.decoder.step(y, state)
            log_p = logits.log_softmax(-1)
            # a hypothesis that has ended goes on with PAD, for nothing
            only_pad = torch.full_like(log_p, -torch.inf)
            only_pad[:, PAD] = 0
            log_p = torch.where(ended[:, None], only_pad, log_p)
            total = scores[:, None] + log_p
            scores, best = total.flatten().topk(min(k, int(total.isfinite().sum())))
            rows, y = best // log_p.shape[1], best % log_p.shape[1]
            state = tuple(s[:, rows] for s in state) if isinstance(state, tuple) else state[:, rows]
            ids = torch.cat([ids[rows], y[:, None]], dim=1)
            ended = ended[rows] | (y == EOS)
        winner = ids[0].tolist()
        if EOS in winner:
            winner = winner[: winner.index(EOS) + 1]
        return winner, scores[0].item()


def bleu(references, hypotheses, max_n=4):
    product = 1.0
    for n in range(1, max_n + 1):
        good = every = 0
        for reference, hypothesis in zip(references, hypotheses):
            pool = [tuple(reference[i : i + n]) for i in range(len(reference) - n + 1)]
            for i in range(len(hypothesis) - n + 1):
                every += 1
                gram = tuple(hypothesis[i : i + n])
                if gram in pool:
                    pool.remove(gram)  # it cannot be matched again
                    good += 1
        if every == 0 or good == 0:
            return 0.0
        product *= good / every
    c, r = sum(map(len, hypotheses)), sum(map(len, references))
    brevity = 1.0 if c > r else 2.718281828459045 ** (1 - r / c)
    return brevity * product ** (1 / max_n)
