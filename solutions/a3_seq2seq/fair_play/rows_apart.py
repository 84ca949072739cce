"""Style: somebody's second week of Python. One row after the other, lists, everything spelled out."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import math

PAD, SOS, EOS, UNK = 0, 1, 2, 3


class Vocab:
    def __init__(self, tokens):
        self.words = []
        for t in tokens:
            if t not in self.words:
                self.words.append(t)
        self.size = len(self.words) + 4

    def encode(self, tokens, sos=False, eos=False):
        result = []
        if sos == True:
            result.append(SOS)
        for t in tokens:
            if t in self.words:
                result.append(self.words.index(t) + 4)
            else:
                result.append(UNK)
        if eos == True:
            result.append(EOS)
        return result

    def decode(self, ids):
        result = []
        for i in range(len(ids)):
            if ids[i] == EOS:
                break
            elif ids[i] == PAD or ids[i] == SOS:
                pass
            elif ids[i] == UNK:
                result.append("<unk>")
            else:
                result.append(self.words[ids[i] - 4])
        return result


def pad_batch(sequences):
    longest = 0
    for s in sequences:
        if len(s) > longest:
            longest = len(s)
    ids = []
    lengths = []
    mask = []
    for s in sequences:
        lengths.append(len(s))
        row = []
        row_mask = []
        for i in range(longest):
            if i < len(s):
                row.append(s[i])
                row_mask.append(True)
            else:
                row.append(PAD)
                row_mask.append(False)
        ids.append(row)
        mask.append(row_mask)
    return torch.tensor(ids), torch.tensor(lengths), torch.tensor(mask)


class Encoder(nn.Module):
    def __init__(self, vocab, embed, hidden, num_layers=1, kind="gru", dropout=0.0):
        super(Encoder, self).__init__()
        self.kind = kind
        self.hidden = hidden
        self.embedding = nn.Embedding(vocab, embed)
        if kind == "gru":
            self.rnn = nn.GRU(embed, hidden, num_layers, batch_first=True, dropout=dropout)
        elif kind == "lstm":
            self.rnn = nn.LSTM(embed, hidden, num_layers, batch_first=True, dropout=dropout)
        else:
            raise ValueError(kind)

    def forward(self, src, lengths):
        # every sentence alone, so there is no padding
        S = src.shape[1]
        outs = []
        hs = []
        cs = []
        for b in range(src.shape[0]):
            n = lengths[b].item()
            out, state = self.rnn(self.embedding(src[b : b + 1, :n]))
            if n < S:
                zeros = torch.zeros(1, S - n, self.hidden).to(out)
                out = torch.cat([out, zeros], dim=1)
            outs.append(out)
            if self.kind == "lstm":
                hs.append(state[0])
                cs.append(state[1])
            else:
                hs.append(state)
        out = torch.cat(outs, dim=0)
        h = torch.cat(hs, dim=1)
        if self.kind == "lstm":
            c = torch.cat(cs, dim=1)
            return out, (h, c)
        return out, h


class Decoder(nn.Module):
    def __init__(self, vocab, embed, hidden, num_layers=1, kind="gru", dropout=0.0):
        super(Decoder, self).__init__()
        self.embedding = nn.Embedding(vocab, embed)
        if kind == "gru":
            self.rnn = nn.GRU(embed, hidden, num_layers, batch_first=True, dropout=dropout)
        else:
            self.rnn = nn.LSTM(embed, hidden, num_layers, batch_first=True, dropout=dropout)
        self.out = nn.Linear(hidden, vocab)

    def step(self, y, state):
        x = self.embedding(y)
        x = x.reshape(x.shape[0], 1, x.shape[1])
        o, new_state = self.rnn(x, state)
        logits = self.out(o)
        logits = logits[:, 0, :]
        return logits, new_state


def decode_teacher_forced(decoder, tgt_in, state):
    B = tgt_in.shape[0]
    T = tgt_in.shape[1]
    all_logits = []
    t = 0
    while t < T:
        y = tgt_in[:, t]
        logits, state = decoder.step(y, state)
        all_logits.append(logits.unsqueeze(1))
        t += 1
    return torch.cat(all_logits, dim=1)


def shift_targets(tgt):
    T = tgt.shape[1]
    tgt_in = tgt[:, 0 : T - 1]
    tgt_out = tgt[:, 1:T]
    return [tgt_in, tgt_out]


def masked_ce(logits, targets, pad=PAD):
    B, T, V = logits.shape
    losses = F.cross_entropy(logits.permute(0, 2, 1), targets, reduction="none")
    total = 0
    count = 0
    for b in range(B):
        keep = targets[b] != pad
        total = total + losses[b][keep].sum()
        count = count + keep.sum().item()
    return total / count


class Seq2Seq(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, embed, hidden, num_layers=1, kind="gru", dropout=0.0):
        super(Seq2Seq, self).__init__()
        self.encoder = Encoder(src_vocab, embed, hidden, num_layers=num_layers, kind=kind, dropout=dropout)
        self.decoder = Decoder(tgt_vocab, embed, hidden, num_layers=num_layers, kind=kind, dropout=dropout)
        self.num_layers = num_layers

    def forward(self, src, lengths, tgt_in, teacher_forcing_ratio=1.0, generator=None):
        enc_out, state = self.encoder(src, lengths)
        B, T = tgt_in.shape
        outputs = []
        y = tgt_in[:, 0]
        for t in range(T):
            logits, state = self.decoder.step(y, state)
            outputs.append(logits)
            if t == T - 1:
                break
            pred = logits.argmax(1)
            next_y = []
            for b in range(B):
                coin = torch.rand(1, generator=generator).item()
                if coin < teacher_forcing_ratio:
                    next_y.append(tgt_in[b, t + 1].item())
                else:
                    next_y.append(pred[b].item())
            y = torch.tensor(next_y)
        return torch.stack(outputs, dim=1)


def fit(model, batches, optimizer, teacher_forcing_ratio=1.0, generator=None, max_norm=None):
    model.train()
    losses = []
    for i in range(len(batches)):
        src = batches[i][0]
        lengths = batches[i][1]
        tgt = batches[i][2]
        tgt_in, tgt_out = shift_targets(tgt)
        optimizer.zero_grad()
        logits = model(src, lengths, tgt_in, teacher_forcing_ratio, generator)
        loss = masked_ce(logits, tgt_out, PAD)
        loss.backward()
        if max_norm != None:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        losses.append(loss.item())
    return losses


def greedy(model, src, lengths, max_len):
    rows = []
    with torch.no_grad():
        for b in range(src.shape[0]):
            n = lengths[b]
            out, state = model.encoder(src[b : b + 1], lengths[b : b + 1])
            y = torch.tensor([SOS])
            row = []
            for t in range(max_len):
                logits, state = model.decoder.step(y, state)
                y = torch.argmax(logits, dim=1)
                row.append(y.item())
                if y.item() == EOS:
                    break
            while len(row) < max_len:
                row.append(PAD)
            rows.append(row)
    return torch.tensor(rows)


def beam_search(model, src, max_len, k):
    with torch.no_grad():
        out, state = model.encoder(src, torch.tensor([src.shape[1]]))
        beams = [{"ids": [], "score": 0.0, "state": state, "done": False}]
        for t in range(max_len):
            new_beams = []
            for beam in beams:
                if beam["done"]:
                    new_beams.append(beam)
                    continue
                if len(beam["ids"]) == 0:
                    y = torch.tensor([SOS])
                else:
                    y = torch.tensor([beam["ids"][-1]])
                logits, new_state = model.decoder.step(y, beam["state"])
                log_p = torch.log_softmax(logits, dim=1)
                for v in range(log_p.shape[1]):
                    new_beams.append(
                        {
                            "ids": beam["ids"] + [v],
                            "score": beam["score"] + log_p[0, v].item(),
                            "state": new_state,
                            "done": v == EOS,
                        }
                    )
            new_beams = sorted(new_beams, key=lambda beam: beam["score"])
            new_beams.reverse()
            beams = new_beams[0:k]
        return beams[0]["ids"], beams[0]["score"]


def count_ngrams(tokens, n):
    counts = {}
    for i in range(0, len(tokens) - n + 1):
        g = tuple(tokens[i : i + n])
        if g in counts:
            counts[g] = counts[g] + 1
        else:
            counts[g] = 1
    return counts


def bleu(references, hypotheses, max_n=4):
    log_sum = 0.0
    for n in range(1, max_n + 1):
        hits = 0
        total = 0
        for i in range(len(hypotheses)):
            ref = count_ngrams(references[i], n)
            hyp = count_ngrams(hypotheses[i], n)
            for g in hyp:
                total = total + hyp[g]
                if g in ref:
                    hits = hits + min(hyp[g], ref[g])
        if hits == 0:
            return 0
        log_sum = log_sum + math.log(hits / total)
    c = 0
    r = 0
    for i in range(len(hypotheses)):
        c = c + len(hypotheses[i])
        r = r + len(references[i])
    if c > r:
        bp = 1
    else:
        bp = math.exp(1 - r / c)
    return bp * math.exp(log_sum / max_n)
