"""Style: a beginner's. One row, one token after the other; lists that are stacked; nothing is shorter than it could be."""

import math

import torch
import transformer
from torch import nn

PAD = 0
UNK = 1
CLS = 2
SEP = 3
MASK = 4
FIRST_WORD = 5
IGNORE = -100


def wordpiece(word, vocab):
    pieces = []
    rest = word
    first = True
    while len(rest) > 0:
        length = len(rest)
        found = None
        while length > 0:
            candidate = rest[0:length]
            if not first:
                candidate = "##" + candidate
            if candidate in vocab.keys():
                found = candidate
                break
            length = length - 1
        if found is None:
            return [vocab["[UNK]"]]
        pieces.append(vocab[found])
        rest = rest[length:]
        first = False
    return pieces


def build_pair(a, b, max_len):
    a = list(a)
    if b is None:
        while len(a) + 2 > max_len:
            a.pop()
        ids = [CLS] + a + [SEP]
        segments = [0] * len(ids)
    else:
        b = list(b)
        while len(a) + len(b) + 3 > max_len:
            if len(a) > len(b):
                a.pop()
            else:
                b.pop()
        ids = [CLS] + a + [SEP] + b + [SEP]
        segments = [0] * (len(a) + 2) + [1] * (len(b) + 1)
    mask = [1] * len(ids)
    while len(ids) < max_len:
        ids.append(PAD)
        segments.append(0)
        mask.append(0)
    return torch.LongTensor(ids), torch.LongTensor(segments), torch.BoolTensor(mask)


def apply_masks(ids, chosen, fate, words):
    inputs = ids.clone()
    labels = ids.clone()
    B = ids.shape[0]
    T = ids.shape[1]
    for b in range(B):
        for t in range(T):
            if not chosen[b, t]:
                labels[b, t] = IGNORE
            elif fate[b, t] < 0.8:
                inputs[b, t] = MASK
            elif fate[b, t] < 0.9:
                inputs[b, t] = words[b, t]
    return inputs, labels


def mask_tokens(ids, vocab, generator, p=0.15):
    chosen = torch.rand(ids.size(), generator=generator) < p
    for special in (PAD, UNK, CLS, SEP, MASK):
        chosen[ids == special] = False
    fate = torch.rand(ids.size(), generator=generator)
    words = torch.randint(low=FIRST_WORD, high=vocab, size=ids.size(), generator=generator)
    return apply_masks(ids, chosen, fate, words)


def next_sentence_pairs(documents, generator):
    n = len(documents)
    if n == 0 or n == 1:
        raise ValueError("not enough documents")
    pairs = []
    for d in range(n):
        for s in range(len(documents[d]) - 1):
            a = documents[d][s]
            if torch.rand(1, generator=generator).item() < 0.5:
                pairs.append((a, documents[d][s + 1], 0))
            else:
                o = d
                while o == d:
                    o = torch.randint(0, n, (1,), generator=generator).item()
                r = torch.randint(0, len(documents[o]), (1,), generator=generator).item()
                pairs.append((a, documents[o][r], 1))
    return pairs


def gelu(x):
    probability = 0.5 * (1 + torch.erf(x / 2**0.5))
    return x * probability


class BertEmbeddings(nn.Module):
    def __init__(self, vocab, d_model, max_len=64, dropout=0.0):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab, d_model)
        self.position_embeddings = nn.Embedding(max_len, d_model)
        self.segment_embeddings = nn.Embedding(2, d_model)
        self.norm = nn.LayerNorm(d_model, eps=1e-12)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, ids, segments):
        rows = []
        for t in range(ids.shape[1]):
            word = self.word_embeddings(ids[:, t])
            segment = self.segment_embeddings(segments[:, t])
            position = self.position_embeddings(torch.tensor(t))
            rows.append(word + segment + position)
        x = torch.stack(rows, dim=1)
        x = self.norm(x)
        x = self.dropout(x)
        return x


class Bert(nn.Module):
    def __init__(self, vocab, d_model, heads, d_ff, num_layers, max_len=64, dropout=0.0):
        super().__init__()
        self.embeddings = BertEmbeddings(vocab, d_model, max_len, dropout)
        self.layers = nn.ModuleList()
        for _ in range(num_layers):
            self.layers.append(transformer.EncoderLayer(d_model, heads, d_ff, dropout, False, gelu, 1e-12))
        self.pooler = nn.Linear(d_model, d_model)

    def forward(self, ids, segments, mask):
        x = self.embeddings(ids, segments)
        attention_mask = mask.unsqueeze(1).unsqueeze(2)
        for i in range(len(self.layers)):
            x = self.layers[i](x, attention_mask)
        firsts = []
        for b in range(x.shape[0]):
            firsts.append(x[b][0])
        pooled = self.pooler(torch.stack(firsts))
        pooled = nn.Tanh()(pooled)
        return x, pooled


def init_weights(model, generator):
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.weight.data = torch.randn(module.weight.shape, generator=generator).to(module.weight) * 0.02
            module.bias.data.fill_(0)
        elif isinstance(module, nn.Embedding):
            module.weight.data = torch.randn(module.weight.shape, generator=generator).to(module.weight) * 0.02
        elif "LayerNorm" in type(module).__name__:
            module.weight.data.fill_(1)
            module.bias.data.fill_(0)
        elif isinstance(module, MLMHead):
            module.bias.data.fill_(0)


class MLMHead(nn.Module):
    def __init__(self, d_model, vocab):
        super().__init__()
        self.transform = nn.Linear(d_model, d_model)
        self.norm = nn.LayerNorm(d_model, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(vocab))

    def forward(self, hidden, table):
        x = self.transform(hidden)
        x = gelu(x)
        x = self.norm(x)
        scores = torch.matmul(x, torch.transpose(table, 0, 1))
        scores = scores + self.bias
        return scores


def pretrain_loss(mlm_logits, nsp_logits, labels, next_labels):
    losses = []
    for b in range(labels.shape[0]):
        places = torch.nonzero(labels[b] != IGNORE)
        for place in places:
            t = place.item()
            losses.append(nn.functional.cross_entropy(mlm_logits[b, t], labels[b, t]))
    if len(losses) > 0:
        mlm = sum(losses) / len(losses)
    else:
        mlm = mlm_logits.sum() * 0
    nsp = 0
    for b in range(next_labels.shape[0]):
        nsp = nsp - torch.log_softmax(nsp_logits[b], dim=0)[next_labels[b]]
    return mlm + nsp / next_labels.shape[0]


class BertForPreTraining(nn.Module):
    def __init__(self, vocab, d_model, heads, d_ff, num_layers, max_len=64, dropout=0.0):
        super().__init__()
        self.bert = Bert(vocab, d_model, heads, d_ff, num_layers, max_len, dropout)
        self.mlm = MLMHead(d_model, vocab)
        self.nsp = nn.Linear(d_model, 2)

    def forward(self, ids, segments, mask):
        hidden, pooled = self.bert(ids, segments, mask)
        mlm_logits = self.mlm(hidden, self.bert.embeddings.word_embeddings.weight)
        nsp_logits = self.nsp(pooled)
        return mlm_logits, nsp_logits

    def loss(self, ids, segments, mask, labels, next_labels):
        mlm_logits, nsp_logits = self.forward(ids, segments, mask)
        return pretrain_loss(mlm_logits, nsp_logits, labels, next_labels)


def fill_masks(model, ids, segments, mask):
    model.eval()
    with torch.no_grad():
        mlm_logits, _ = model(ids, segments, mask)
    filled = ids.clone()
    for b in range(ids.shape[0]):
        for t in range(ids.shape[1]):
            if ids[b, t] == MASK:
                scores = mlm_logits[b, t].clone()
                scores[:FIRST_WORD] = -math.inf
                filled[b, t] = torch.argmax(scores)
    return filled


class BertForClassification(nn.Module):
    def __init__(self, classes, vocab, d_model, heads, d_ff, num_layers, max_len=64, dropout=0.0):
        super().__init__()
        self.bert = Bert(vocab, d_model, heads, d_ff, num_layers, max_len, dropout)
        self.dropout = nn.Dropout(p=dropout)
        self.classifier = nn.Linear(d_model, classes)

    def forward(self, ids, segments, mask):
        hidden, pooled = self.bert(ids, segments, mask)
        pooled = self.dropout(pooled)
        return self.classifier(pooled)

    def loss(self, ids, segments, mask, classes):
        criterion = nn.CrossEntropyLoss()
        return criterion(self.forward(ids, segments, mask), classes)


def load_pretrained(model, pretrained):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith("bert."):
                parameter.copy_(pretrained[name])


def linear_rate(step, total, warmup, peak):
    if step <= warmup:
        return peak * step / warmup
    else:
        return peak * (total + 1 - step) / (total + 1 - warmup)


def fit(model, batches, optimizer, rates=None):
    model.train()
    losses = []
    i = 0
    for batch in batches:
        if rates is not None:
            for group in optimizer.param_groups:
                group["lr"] = rates[i]
        optimizer.zero_grad()
        loss = model.loss(*batch)
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
        i += 1
    return losses
