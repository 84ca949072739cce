"""Style: as short as it gets. Comprehensions, the walrus, no line that is not needed."""

import math
from random import Random

import torch
import torch as t
from torch.nn import Dropout, Embedding, LayerNorm, Linear, Module, ModuleList, Parameter
from torch.nn.functional import cross_entropy as ce

import transformer

PAD, UNK, CLS, SEP, MASK, FIRST_WORD, IGNORE = 0, 1, 2, 3, 4, 5, -100


def wordpiece(word, vocab, first=True):
    if not word:
        return []
    for n in range(len(word), 0, -1):
        if (p := word[:n] if first else "##" + word[:n]) in vocab:
            rest = wordpiece(word[n:], vocab, False)
            return [vocab["[UNK]"]] if rest is None or word[n:] and rest == [vocab["[UNK]"]] else [vocab[p], *rest]
    return [vocab["[UNK]"]]


def build_pair(a, b, max_len):
    n, m = len(a), len(b or ())
    while n + m > max_len - 2 - (b is not None):
        n, m = (n - 1, m) if n > m else (n, m - 1)
    x = [CLS, *a[:n], SEP] + ([*b[:m], SEP] if b is not None else [])
    s = [i >= n + 2 for i in range(len(x))]
    fill = [0] * (max_len - len(x))
    return t.tensor(x + fill), t.tensor(s + fill).long(), t.tensor([1] * len(x) + fill) == 1


def apply_masks(ids, chosen, fate, words):
    new = ids.clone()
    new[c] = MASK if (c := chosen & (fate < 0.8)).any() else new[c]
    r = chosen & (fate >= 0.8) & (fate < 0.9)
    return new.masked_scatter(r, words[r]), ids.masked_fill(chosen.logical_not(), IGNORE)


def mask_tokens(ids, vocab, generator, p=0.15):
    u = t.rand(3, *ids.shape, generator=generator)
    words = FIRST_WORD + (u[2].double() * (vocab - FIRST_WORD)).long()
    return apply_masks(ids, (u[0] < p) & (ids > MASK), u[1], words)


def next_sentence_pairs(documents, generator):
    if len(documents) == 1:
        raise ValueError
    r = Random(int(t.randint(2**31, (), generator=generator)))  # one number from the generator seeds the rest
    return [
        (a, b, 0) if r.random() < 0.5 else (a, r.choice(r.choice(documents[:i] + documents[i + 1 :])), 1)
        for i, d in enumerate(documents)
        for a, b in zip(d, d[1:])
    ]


def gelu(x):
    return x * t.special.erfc(-x * math.sqrt(0.5)) / 2


class BertEmbeddings(Module):
    def __init__(self, vocab, d_model, max_len=64, dropout=0.0):
        super().__init__()
        for name, size in ("word", vocab), ("position", max_len), ("segment", 2):
            setattr(self, name + "_embeddings", Embedding(size, d_model))
        self.norm, self.dropout = LayerNorm(d_model, 1e-12), Dropout(dropout)

    def forward(self, ids, segments):
        w, p, s = self.word_embeddings.weight, self.position_embeddings.weight, self.segment_embeddings.weight
        return self.dropout(self.norm(w[ids] + p[: len(ids[0])] + s[segments]))


class Bert(Module):
    def __init__(self, vocab, d_model, heads, d_ff, num_layers, max_len=64, dropout=0.0):
        super().__init__()
        self.embeddings = BertEmbeddings(vocab, d_model, max_len, dropout)
        kwargs = dict(dropout=dropout, activation="gelu", eps=1e-12)
        self.layers = ModuleList(transformer.EncoderLayer(d_model, heads, d_ff, **kwargs) for _ in range(num_layers))
        self.pooler = Linear(d_model, d_model)

    def forward(self, ids, segments, mask):
        h = self.embeddings(ids, segments)
        for f in self.layers:
            h = f(h, mask[:, None, None])
        return [h, t.tanh(self.pooler(h[:, 0, :]))]


def init_weights(model, generator):
    for n, p in model.state_dict(keep_vars=True).items():
        if p.ndim - 1:
            p.data = 0.02 * t.randn(p.shape, generator=generator, dtype=p.dtype)
        else:
            p.data = t.full_like(p.data, n.endswith("weight"))


class MLMHead(Module):
    def __init__(self, d_model, vocab):
        super().__init__()
        self.transform = Linear(d_model, d_model)
        self.norm = LayerNorm(d_model, eps=1e-12)
        self.bias = Parameter(torch.zeros(vocab))

    def forward(self, hidden, table):
        return self.norm(gelu(self.transform(hidden))) @ table.T + self.bias


def pretrain_loss(mlm_logits, nsp_logits, labels, next_labels):
    nsp = ce(nsp_logits, next_labels)
    return nsp + ce(mlm_logits[labels >= 0], labels[labels >= 0]) if (labels >= 0).any() else nsp + 0 * mlm_logits.sum()


class BertForPreTraining(Module):
    def __init__(self, vocab, d_model, *args, **kwargs):
        super().__init__()
        self.bert, self.mlm, self.nsp = Bert(vocab, d_model, *args, **kwargs), MLMHead(d_model, vocab), Linear(d_model, 2)

    def forward(self, *row):
        h, c = self.bert(*row)
        return self.mlm(h, self.bert.embeddings.word_embeddings.weight), self.nsp(c)

    def loss(self, *batch):
        return pretrain_loss(*self(*batch[:3]), *batch[3:])


def fill_masks(model, *row):
    with t.no_grad():
        best = model.eval()(*row)[0][..., FIRST_WORD:].argmax(-1) + FIRST_WORD
    return row[0].where(row[0] != MASK, best)


class BertForClassification(Module):
    def __init__(self, classes, vocab, d_model, *args, **kwargs):
        super().__init__()
        self.bert = Bert(vocab, d_model, *args, **kwargs)
        self.dropout, self.classifier = self.bert.embeddings.dropout, Linear(d_model, classes)

    def forward(self, *row):
        return self.classifier(self.dropout(self.bert(*row)[1]))

    def loss(self, ids, segments, mask, classes):
        return ce(self(ids, segments, mask), classes)


def load_pretrained(model, pretrained):
    for n, p in model.bert.named_parameters(prefix="bert"):
        p.data[...] = pretrained[n]


def linear_rate(step, total, warmup, peak):
    return peak * min(step / warmup, 1 - (step - warmup) / (total + 1 - warmup))


def fit(model, batches, optimizer, rates=None):
    model.train()
    losses = []
    for i, batch in enumerate(batches):
        [g.update(lr=rates[i]) for g in optimizer.param_groups if rates]
        model.zero_grad()
        (loss := model.loss(*batch)).backward()
        optimizer.step()
        losses += [loss.item()]
    return losses
