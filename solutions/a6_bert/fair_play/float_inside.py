"""Style: half of it in float32, whatever comes in; exact counts of what is hidden; softmax, log and gather by hand."""

import torch
import torch.nn.functional as F
from torch import nn
from transformer import EncoderLayer

PAD, UNK, CLS, SEP, MASK, FIRST_WORD, IGNORE = 0, 1, 2, 3, 4, 5, -100


def wordpiece(word, vocab):
    longest = max(map(len, vocab))
    out, at = [], 0
    while at < len(word):
        mark = "##" * (at > 0)
        fits = [n for n in range(1, min(longest, len(word) - at) + 1) if mark + word[at : at + n] in vocab]
        if not fits:
            return [vocab["[UNK]"]]
        out.append(vocab[mark + word[at : at + fits[-1]]])
        at += fits[-1]
    return out


def build_pair(a, b, max_len):
    room = max_len - (2 if b is None else 3)
    n, m = len(a), 0 if b is None else len(b)
    if n + m > room:  # where one text fits into half of the room, the other has the rest
        half = room // 2 if b is not None else 0
        if b is None:
            n = room
        elif m <= half:
            n = room - m
        elif n <= room - half:
            m = room - n
        else:
            n, m = room - half, half
    ids, segments = torch.zeros(2, max_len, dtype=torch.int64)
    ids[0] = CLS
    ids[1 : n + 1] = torch.tensor(a[:n], dtype=torch.int64)
    ids[n + 1] = SEP
    end = n + 2
    if b is not None:
        ids[n + 2 : n + m + 2] = torch.tensor(b[:m], dtype=torch.int64)
        ids[n + m + 2] = SEP
        segments[n + 2 : n + m + 3] = 1
        end = n + m + 3
    return ids, segments, torch.arange(max_len) < end


def apply_masks(ids, chosen, fate, words):
    hidden = torch.where(fate.float() < 0.8, torch.full_like(ids, MASK), torch.where(fate.float() < 0.9, words, ids))
    return torch.where(chosen, hidden, ids), torch.where(chosen, ids, torch.full_like(ids, IGNORE))


def mask_tokens(ids, vocab, generator, p=0.15):
    places = torch.nonzero(ids.flatten() >= FIRST_WORD)[:, 0]
    count = round(p * len(places))  # exactly so many
    picked = places[torch.randperm(len(places), generator=generator)[:count]]
    chosen = torch.zeros(ids.numel(), dtype=torch.bool)
    chosen[picked] = True
    fate = torch.rand(ids.shape, generator=generator, dtype=torch.float32)
    words = torch.randint(vocab - FIRST_WORD, ids.shape, generator=generator) + FIRST_WORD
    return apply_masks(ids, chosen.view_as(ids), fate, words)


def next_sentence_pairs(documents, generator):
    if len(documents) < 2:
        raise ValueError("one document has no other")
    result = []
    for i, doc in enumerate(documents):
        for a, b in zip(doc[:-1], doc[1:]):
            u = torch.rand(3, generator=generator).tolist()
            if u[0] < 0.5:
                result.append([a, b, 0])
            else:
                j = int(u[1] * (len(documents) - 1))
                other = documents[j if j < i else j + 1]
                result.append([a, other[int(u[2] * len(other))], 1])
    return result


def gelu(x):
    return torch.distributions.Normal(0.0, 1.0).cdf(x) * x


class BertEmbeddings(nn.Module):
    def __init__(self, vocab, d_model, max_len=64, dropout=0.0):
        super().__init__()
        self.norm = nn.LayerNorm(d_model, eps=1e-12)
        self.segment_embeddings = nn.Embedding(2, d_model)
        self.position_embeddings = nn.Embedding(max_len, d_model)
        self.word_embeddings = nn.Embedding(vocab, d_model)
        self.dropout = nn.Dropout(dropout)
        torch.nn.init.trunc_normal_(self.word_embeddings.weight, std=0.02)

    def forward(self, ids, segments):
        _, t = ids.shape
        where = self.position_embeddings.weight[None, :t]
        kind = F.one_hot(segments, 2).to(where.dtype) @ self.segment_embeddings.weight
        return self.dropout(self.norm(where + kind + F.embedding(ids, self.word_embeddings.weight)))


class Bert(nn.Module):
    def __init__(self, vocab, d_model, heads, d_ff, num_layers, max_len=64, dropout=0.0):
        super().__init__()
        self.pooler = nn.Linear(d_model, d_model)
        make = lambda: EncoderLayer(d_model, heads, d_ff, dropout, activation=gelu, eps=1e-12)  # noqa: E731
        self.layers = nn.ModuleList(make() for _ in range(num_layers))
        self.embeddings = BertEmbeddings(vocab, d_model, max_len, dropout)

    def forward(self, ids, segments, mask):
        # who is padding asks nothing and is asked nothing
        pairs = (mask.float()[:, :, None] @ mask.float()[:, None, :]).bool() | torch.eye(mask.shape[1], dtype=torch.bool)
        h = self.embeddings(ids, segments)
        for layer in self.layers:
            h = layer(h, pairs[:, None])
        first = h.narrow(1, 0, 1).squeeze(1)
        return h, self.pooler(first).float().tanh().to(h.dtype)


@torch.no_grad()
def init_weights(model, generator):
    for name, p in model.named_parameters():
        if p.ndim == 2:
            p.copy_(torch.empty(p.shape).normal_(generator=generator) / 50)
        elif name.endswith(".bias") or name == "bias":
            p.zero_()
        else:
            p.fill_(1.0)


class MLMHead(nn.Module):
    def __init__(self, d_model, vocab):
        super().__init__()
        self.transform = nn.Linear(d_model, d_model)
        self.norm = nn.LayerNorm(d_model, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(vocab))

    def forward(self, hidden, table):
        x = self.norm(gelu(self.transform(hidden)))
        return torch.einsum("...d,vd->...v", x, table) + self.bias


def pretrain_loss(mlm_logits, nsp_logits, labels, next_labels):
    logp = mlm_logits - mlm_logits.float().logsumexp(dim=-1, keepdim=True).to(mlm_logits.dtype)
    real = labels.ne(IGNORE)
    picked = logp.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    words = -(picked * real).sum() / max(1, int(real.sum()))
    after = -nsp_logits.log_softmax(-1)[torch.arange(len(next_labels)), next_labels].mean()
    return words + after


class BertForPreTraining(nn.Module):
    def __init__(self, vocab, d_model, heads, d_ff, num_layers, max_len=64, dropout=0.0):
        super().__init__()
        self.nsp = nn.Linear(d_model, 2)
        self.mlm = MLMHead(d_model, vocab)
        self.bert = Bert(vocab, d_model, heads, d_ff, num_layers, max_len, dropout)

    def forward(self, ids, segments, mask):
        h, c = self.bert(ids, segments, mask)
        return self.mlm(h, self.bert.embeddings.word_embeddings.weight), self.nsp(c)

    def loss(self, ids, segments, mask, labels, next_labels):
        words, after = self(ids, segments, mask)
        return pretrain_loss(words, after, labels, next_labels)


def fill_masks(model, ids, segments, mask):
    model.train(False)
    with torch.inference_mode():
        words, _ = model(ids, segments, mask)
        words = words.softmax(-1)
        words[..., :FIRST_WORD] = -1
        best = words.argmax(-1)
    return ids * (ids != MASK) + best * (ids == MASK)


class BertForClassification(nn.Module):
    def __init__(self, classes, vocab, d_model, heads, d_ff, num_layers, max_len=64, dropout=0.0):
        super().__init__()
        self.classifier = nn.Linear(d_model, classes)
        self.dropout = nn.Dropout(dropout)
        self.bert = Bert(vocab, d_model, heads, d_ff, num_layers, max_len, dropout)

    def forward(self, ids, segments, mask):
        return self.classifier(self.dropout(self.bert(ids, segments, mask)[1]))

    def loss(self, ids, segments, mask, classes):
        return F.nll_loss(F.log_softmax(self(ids, segments, mask), dim=1), classes)


def load_pretrained(model, pretrained):
    own = model.state_dict()
    taken = {name: pretrained[name].clone() for name in own if name.startswith("bert.")}
    model.load_state_dict({**own, **taken})


def linear_rate(step, total, warmup, peak):
    rising, falling = torch.tensor([step / warmup, (total + 1 - step) / (total + 1 - warmup)], dtype=torch.float64)
    return peak * torch.minimum(rising, falling)


def fit(model, batches, optimizer, rates=None):
    batches = list(batches)
    was = [group["lr"] for group in optimizer.param_groups]
    rates = [None] * len(batches) if rates is None else rates
    losses = torch.empty(len(batches))
    model.train()
    for i in range(len(batches)):
        optimizer.zero_grad()
        loss = model.loss(*batches[i])
        loss.backward()
        for group, own in zip(optimizer.param_groups, was):
            group["lr"] = own if rates[i] is None else rates[i]
        optimizer.step()
        losses[i] = loss.detach()
    return losses.tolist()
