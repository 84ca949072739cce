"""Style: a careful one's. Every input is asserted, tokens are drawn one by one, derivatives are written out."""

import itertools
import math

import numpy as np
import torch
from torch import nn
from transformer import EncoderLayer

PAD, UNK, CLS, SEP, MASK = (torch.tensor(number).item() for number in range(5))
FIRST_WORD = 5
IGNORE = -100
SPECIAL = frozenset({PAD, UNK, CLS, SEP, MASK})


def wordpiece(word, vocab):
    assert isinstance(word, str)
    assert "[UNK]" in vocab

    def cut(rest, inside):
        if rest == "":
            return []
        longest = max(
            (end for end in range(1, len(rest) + 1) if ("##" if inside else "") + rest[:end] in vocab), default=None
        )
        if longest is None:
            raise LookupError
        return [vocab[("##" if inside else "") + rest[:longest]]] + cut(rest[longest:], True)

    try:
        return cut(word, False)
    except LookupError:
        return [vocab["[UNK]"]]


def build_pair(a, b, max_len):
    assert max_len >= (2 if b is None else 3), "no room even for [CLS] and [SEP]"
    lengths = np.array([len(a), 0 if b is None else len(b)])
    while lengths.sum() > max_len - (2 if b is None else 3):
        lengths[int(lengths[1] >= lengths[0])] -= 1
    ids = np.full(max_len, PAD)
    segments = np.zeros(max_len, dtype=int)
    mask = np.zeros(max_len, dtype=bool)
    row = [CLS] + list(a)[: lengths[0]] + [SEP]
    segments[len(row) :] = 1
    if b is not None:
        row = row + list(b)[: lengths[1]] + [SEP]
    ids[: len(row)] = row
    mask[: len(row)] = True
    segments[len(row) :] = 0
    return torch.from_numpy(ids), torch.from_numpy(segments), torch.from_numpy(mask)


def apply_masks(ids, chosen, fate, words):
    assert ids.shape == chosen.shape == fate.shape == words.shape
    assert chosen.dtype == torch.bool
    assert ((fate >= 0) & (fate < 1)).all()
    inputs, labels = ids.tolist(), torch.full_like(ids, IGNORE)
    for row, place in chosen.nonzero().tolist():
        labels[row, place] = ids[row, place]
        if fate[row, place].item() < 0.8:
            inputs[row][place] = MASK
        elif fate[row, place].item() < 0.9:
            inputs[row][place] = words[row, place].item()
    return torch.tensor(inputs, dtype=torch.int64), labels


def mask_tokens(ids, vocab, generator, p=0.15):
    assert ids.dim() == 2
    assert ids.dtype == torch.int64
    assert vocab > FIRST_WORD
    assert 0.0 <= p <= 1.0
    inputs, labels = ids.clone(), torch.full_like(ids, IGNORE)
    for row in range(ids.size(0)):
        for place in range(ids.size(1)):
            token = int(ids[row, place])
            if token in SPECIAL or torch.rand((), generator=generator).item() >= p:
                continue
            labels[row, place] = token
            fate = torch.rand((), generator=generator).item()
            if fate < 0.8:
                inputs[row, place] = MASK
            elif fate < 0.9:
                inputs[row, place] = torch.randint(FIRST_WORD, vocab, (), generator=generator)
    return inputs, labels


def next_sentence_pairs(documents, generator):
    if len(documents) < 2:
        raise ValueError("a random sentence needs a second document")
    assert all(len(document) >= 1 for document in documents)
    rng = np.random.default_rng(torch.randint(2**62, (), generator=generator).item())
    pairs = []
    for number, document in enumerate(documents):
        for a, b in itertools.pairwise(document):
            is_next = bool(rng.integers(2))
            if not is_next:
                other = rng.choice([i for i in range(len(documents)) if i != number])
                b = documents[other][rng.integers(len(documents[other]))]
            pairs.append((list(a), list(b), 1 - is_next))
    return pairs


class _Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        share = 0.5 + 0.5 * torch.erf(x * math.sqrt(0.5))
        ctx.save_for_backward(x, share)
        return x * share

    @staticmethod
    def backward(ctx, grad):
        x, share = ctx.saved_tensors
        return grad * (share + x * torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))


def gelu(x):
    return _Gelu.apply(x)


class BertEmbeddings(nn.Module):
    def __init__(self, vocab, d_model, max_len=64, dropout=0.0):
        super().__init__()
        assert 0.0 <= dropout < 1.0
        assert vocab > FIRST_WORD
        self.vocab, self.max_len = vocab, max_len
        self.word_embeddings = nn.Embedding(vocab, d_model)
        self.position_embeddings = nn.Embedding(max_len, d_model)
        self.segment_embeddings = nn.Embedding(2, d_model)
        self.norm = nn.LayerNorm(d_model, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids, segments):
        assert ids.shape == segments.shape and ids.dim() == 2, f"{tuple(ids.shape)}, {tuple(segments.shape)}"
        assert ids.dtype == segments.dtype == torch.int64
        assert ids.size(1) <= self.max_len
        assert ids.min() >= 0 and ids.max() < self.vocab
        assert ((segments == 0) | (segments == 1)).all()
        positions = torch.arange(ids.size(1)).unsqueeze(0).repeat(ids.size(0), 1)
        total = sum(
            (self.word_embeddings(ids), self.position_embeddings(positions), self.segment_embeddings(segments))
        )
        return self.dropout(self.norm(total))


class Bert(nn.Module):
    def __init__(self, vocab, d_model, heads, d_ff, num_layers, max_len=64, dropout=0.0):
        super().__init__()
        assert d_model % heads == 0
        assert num_layers >= 1
        self.embeddings = BertEmbeddings(vocab, d_model, max_len, dropout)
        self.layers = nn.ModuleList()
        for _ in range(num_layers):
            self.layers.append(EncoderLayer(d_model, heads, d_ff, dropout=dropout, activation=gelu, eps=1e-12))
        self.pooler = nn.Linear(d_model, d_model)

    def forward(self, ids, segments, mask):
        assert mask.dtype == torch.bool
        assert mask.shape == ids.shape
        assert mask[:, 0].all(), "a row without [CLS]"
        B, T = ids.shape
        x = self.embeddings(ids, segments)
        may_see = mask.view(B, 1, 1, T).expand(B, 1, T, T)
        for layer in self.layers:
            x = layer(x, may_see)
            assert x.shape[:2] == (B, T)
        pooled = torch.tanh(self.pooler(x.select(1, 0)))
        return x, pooled


def init_weights(model, generator):
    for name, parameter in model.named_parameters():
        if parameter.dim() >= 2:
            nn.init.normal_(parameter, mean=0.0, std=0.02, generator=generator)
        elif name.rsplit(".", 1)[-1] == "bias":
            nn.init.zeros_(parameter)
        else:
            nn.init.ones_(parameter)


class MLMHead(nn.Module):
    def __init__(self, d_model, vocab):
        super().__init__()
        self.transform = nn.Linear(d_model, d_model)
        self.norm = nn.LayerNorm(d_model, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(vocab))

    def forward(self, hidden, table):
        assert table.shape == (self.bias.numel(), hidden.size(-1))
        return torch.einsum("...d,vd->...v", self.norm(gelu(self.transform(hidden))), table) + self.bias


def pretrain_loss(mlm_logits, nsp_logits, labels, next_labels):
    assert nsp_logits.size(-1) == 2
    assert labels.shape == mlm_logits.shape[:-1]
    counts = (labels != IGNORE).to(mlm_logits.dtype)
    of_labels = mlm_logits.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    each = (mlm_logits.logsumexp(-1) - of_labels) * counts
    rows = torch.arange(len(next_labels))
    pairs = nsp_logits.logsumexp(-1) - nsp_logits[rows, next_labels]
    return each.sum() / counts.sum().clamp(min=1.0) + pairs.sum() / len(pairs)


class BertForPreTraining(nn.Module):
    def __init__(self, vocab, d_model, heads, d_ff, num_layers, max_len=64, dropout=0.0):
        super().__init__()
        self.bert = Bert(vocab, d_model, heads, d_ff, num_layers, max_len, dropout)
        self.mlm = MLMHead(d_model, vocab)
        self.nsp = nn.Linear(d_model, 2)

    def forward(self, ids, segments, mask):
        hidden, pooled = self.bert(ids, segments, mask)
        return self.mlm(hidden, self.bert.embeddings.word_embeddings.weight), self.nsp(pooled)

    def loss(self, ids, segments, mask, labels, next_labels):
        assert len(ids) == len(next_labels)
        return pretrain_loss(*self(ids, segments, mask), labels=labels, next_labels=next_labels)


def fill_masks(model, ids, segments, mask):
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        words, _ = model(ids, segments, mask)
    model.train(was_training)
    forbidden = torch.zeros(words.size(-1), dtype=torch.bool)
    forbidden[:FIRST_WORD] = True
    best = words.masked_fill(forbidden, -math.inf).argmax(dim=-1)
    return torch.where(ids.eq(MASK), best, ids)


class BertForClassification(nn.Module):
    def __init__(self, classes, vocab, d_model, heads, d_ff, num_layers, max_len=64, dropout=0.0):
        super().__init__()
        assert classes >= 2
        self.classes = classes
        self.bert = Bert(vocab, d_model, heads, d_ff, num_layers, max_len, dropout)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(d_model, classes)

    def forward(self, ids, segments, mask):
        summaries = self.bert(ids, segments, mask)[-1]
        logits = self.classifier(self.dropout(summaries))
        assert logits.shape == (len(ids), self.classes)
        return logits

    def loss(self, ids, segments, mask, classes):
        assert 0 <= int(classes.min()) and int(classes.max()) < self.classes
        logits = self.forward(ids, segments, mask)
        chosen = torch.zeros_like(logits).scatter(1, classes.unsqueeze(1), 1.0)
        return -(torch.log_softmax(logits, dim=1) * chosen).sum(dim=1).mean()


def load_pretrained(model, pretrained):
    assert isinstance(model, BertForClassification)
    found = model.state_dict()
    for name in found:
        if name.startswith("bert."):
            if name not in pretrained:
                raise KeyError(f"{name} is not among the pre-trained weights")
            if found[name].shape != pretrained[name].shape:
                raise ValueError(f"{name}: {tuple(pretrained[name].shape)} does not fit {tuple(found[name].shape)}")
            found[name] = pretrained[name]
    model.load_state_dict(found, strict=True)


def linear_rate(step, total, warmup, peak):
    assert 1 <= step <= total
    assert 1 <= warmup <= total
    up = step / warmup
    down = (total + 1 - step) / (total + 1 - warmup)
    return peak * (up if up < down else down)


def fit(model, batches, optimizer, rates=None):
    assert rates is None or len(rates) == len(list(batches))
    losses = []
    model.train(True)
    optimizer.zero_grad(set_to_none=False)
    for batch, rate in zip(batches, itertools.repeat(None) if rates is None else rates):
        assert model.training
        if rate is not None:
            assert rate >= 0
            for group in optimizer.param_groups:
                group["lr"] = rate
        with torch.enable_grad():
            loss = model.loss(*batch)
        assert torch.isfinite(loss), "the loss is not a number"
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        losses.append(loss.detach().item())
    return losses
