"""Style: somebody who thinks time-first, as the old tutorials do, and sorts before packing."""

import math
from collections import defaultdict

import torch
import torch.nn as nn
import torch.nn.functional as F

PAD = 0
SOS = 1
EOS = 2
UNK = 3


class Vocab:
    def __init__(self, tokens):
        self.token2id = {}
        self.id2token = {PAD: "<pad>", SOS: "<sos>", EOS: "<eos>", UNK: "<unk>"}
        for token in tokens:
            if token not in self.token2id:
                new = len(self.id2token)
                self.token2id[token] = new
                self.id2token[new] = token

    @property
    def size(self):
        return len(self.id2token)

    def encode(self, tokens, sos=False, eos=False):
        ids = []
        if sos:
            ids.append(SOS)
        for token in tokens:
            ids.append(self.token2id[token] if token in self.token2id else UNK)
        if eos:
            ids.append(EOS)
        return ids

    def decode(self, ids):
        out = []
        for i in ids:
            if i == EOS:
                return out
            if i == PAD or i == SOS:
                continue
            out.append(self.id2token[i])
        return out


def pad_batch(sequences):
    tensors = [torch.tensor(s, dtype=torch.long) for s in sequences]
    ids = nn.utils.rnn.pad_sequence(tensors, padding_value=PAD).t().contiguous()
    lengths = torch.LongTensor([len(s) for s in sequences])
    positions = torch.arange(ids.size(1)).unsqueeze(0).expand(ids.size(0), -1)
    return ids, lengths, positions.lt(lengths.unsqueeze(1))


class Encoder(nn.Module):
    def __init__(self, vocab, embed, hidden, num_layers=1, kind="gru", dropout=0.0):
        super(Encoder, self).__init__()
        self.embedding = nn.Embedding(vocab, embed)
        if kind == "lstm":
            self.rnn = nn.LSTM(embed, hidden, num_layers=num_layers, dropout=dropout)
        else:
            self.rnn = nn.GRU(embed, hidden, num_layers=num_layers, dropout=dropout)

    def forward(self, src, lengths):
        sorted_lengths, order = torch.sort(lengths, descending=True)
        back = torch.argsort(order)
        embedded = self.embedding(src.t()[:, order])  # (S, B, E)
        packed = nn.utils.rnn.pack_padded_sequence(embedded, sorted_lengths.tolist())
        out, state = self.rnn(packed)
        out, _ = nn.utils.rnn.pad_packed_sequence(out, total_length=src.size(1))
        out = out[:, back].transpose(0, 1)
        if isinstance(state, tuple):
            return out, (state[0][:, back], state[1][:, back])
        return out, state[:, back]


class Decoder(nn.Module):
    def __init__(self, vocab, embed, hidden, num_layers=1, kind="gru", dropout=0.0):
        super(Decoder, self).__init__()
        self.embedding = nn.Embedding(vocab, embed)
        if kind == "lstm":
            self.rnn = nn.LSTM(embed, hidden, num_layers=num_layers, dropout=dropout)
        else:
            self.rnn = nn.GRU(embed, hidden, num_layers=num_layers, dropout=dropout)
        self.out = nn.Linear(hidden, vocab)

    def step(self, y, state):
        embedded = self.embedding(y.unsqueeze(0))  # (1, B, E)
        output, state = self.rnn(embedded, state)
        return self.out(output[0]), state


def decode_teacher_forced(decoder, tgt_in, state):
    outputs = None
    for t in range(tgt_in.size(1)):
        logits, state = decoder.step(tgt_in[:, t], state)
        logits = logits.unsqueeze(1)
        outputs = logits if outputs is None else torch.cat((outputs, logits), dim=1)
    return outputs


def shift_targets(tgt):
    T = tgt.size(1)
    return tgt.narrow(1, 0, T - 1).clone(), tgt.narrow(1, 1, T - 1).clone()


def masked_ce(logits, targets, pad=PAD):
    log_p = F.log_softmax(logits, dim=2)
    criterion = nn.NLLLoss(ignore_index=pad, reduction="mean")
    return criterion(log_p.view(-1, log_p.size(2)), targets.contiguous().view(-1))


class Seq2Seq(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, embed, hidden, num_layers=1, kind="gru", dropout=0.0):
        super(Seq2Seq, self).__init__()
        self.tgt_vocab = tgt_vocab
        self.encoder = Encoder(src_vocab, embed, hidden, num_layers, kind, dropout)
        self.decoder = Decoder(tgt_vocab, embed, hidden, num_layers, kind, dropout)

    def forward(self, src, lengths, tgt_in, teacher_forcing_ratio=1.0, generator=None):
        B, T = tgt_in.size()
        outputs = torch.zeros(T, B, self.tgt_vocab).to(next(self.parameters()))
        _, state = self.encoder(src, lengths)
        token = tgt_in[:, 0]
        for t in range(T):
            logits, state = self.decoder.step(token, state)
            outputs[t] = logits
            if t + 1 < T:
                use_teacher_forcing = torch.rand(1, generator=generator).item() < teacher_forcing_ratio
                token = tgt_in[:, t + 1] if use_teacher_forcing else logits.max(1)[1]
        return outputs.transpose(0, 1)


def fit(model, batches, optimizer, teacher_forcing_ratio=1.0, generator=None, max_norm=None):
    model.train()
    history = []
    for batch in batches:
        src, lengths, tgt = batch
        model.zero_grad()
        inputs, targets = shift_targets(tgt)
        output = model(src, lengths, inputs, teacher_forcing_ratio=teacher_forcing_ratio, generator=generator)
        loss = masked_ce(output, targets, PAD)
        loss.backward()
        if max_norm:
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        history.append(float(loss))
    return history


@torch.no_grad()
def greedy(model, src, lengths, max_len):
    was_training = model.training
    model.eval()
    B = src.size(0)
    _, state = model.encoder(src, lengths)
    token = torch.LongTensor([SOS] * B)
    finished = torch.zeros(B, dtype=torch.bool)
    columns = []
    while len(columns) < max_len and not finished.all():
        logits, state = model.decoder.step(token, state)
        token = logits.topk(1)[1].squeeze(1)
        token = torch.where(finished, torch.full_like(token, EOS), token)  # EOS again and again
        finished = finished | token.eq(EOS)
        columns.append(token)
    model.train(was_training)
    return torch.stack(columns).t()


@torch.no_grad()
def beam_search(model, src, max_len, k):
    _, state = model.encoder(src, torch.LongTensor([src.size(1)]))
    alive = [([], 0.0, SOS, state)]
    done = []
    for _ in range(max_len):
        new = []
        for ids, score, last, state in alive:
            logits, next_state = model.decoder.step(torch.LongTensor([last]), state)
            log_p = F.log_softmax(logits, dim=1)[0]
            for token in range(len(log_p)):
                new.append((ids + [token], score + log_p[token].item(), token, next_state))
        new.sort(key=lambda item: item[1], reverse=True)
        room = k - len(done)
        alive = []
        for item in new[:room]:
            (done if item[2] == EOS else alive).append(item)
        if not alive:
            break
    ids, score, _, _ = max(done + alive, key=lambda item: item[1])
    return ids, score


def ngrams(tokens, n):
    counts = defaultdict(int)
    for i in range(len(tokens) - n + 1):
        counts[" ".join(tokens[i : i + n])] += 1
    return counts


def bleu(references, hypotheses, max_n=4):
    precisions = []
    for n in range(1, max_n + 1):
        match, total = 0, 0
        for ref, hyp in zip(references, hypotheses):
            r, h = ngrams(ref, n), ngrams(hyp, n)
            for gram in h:
                match += min(h[gram], r.get(gram, 0))
                total += h[gram]
        precisions.append(match / total if total > 0 else 0.0)
    if min(precisions) == 0:
        return 0.0
    ref_len = sum(len(r) for r in references)
    hyp_len = sum(len(h) for h in hypotheses)
    bp = 1.0 if hyp_len > ref_len else math.exp(1 - ref_len / hyp_len)
    return bp * math.exp(sum(math.log(p) for p in precisions) / max_n)
