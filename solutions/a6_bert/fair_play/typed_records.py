"""Style: an engineer's. Frozen records, small typed functions, generators, a base class for everything with an encoder."""

from __future__ import annotations

import functools
import itertools
from collections import abc
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformer import EncoderLayer


class Special(IntEnum):
    """The ids that are no words."""

    PAD = 0
    UNK = 1
    CLS = 2
    SEP = 3
    MASK = 4


PAD, UNK, CLS, SEP, MASK = Special
FIRST_WORD: Final = max(Special) + 1
IGNORE: Final = -100
EPS: Final = 1e-12


class Row(NamedTuple):
    ids: Tensor
    segments: Tensor
    mask: Tensor


class Masked(NamedTuple):
    inputs: Tensor
    labels: Tensor


class Pair(NamedTuple):
    a: list[int]
    b: list[int]
    label: int


class Encoded(NamedTuple):
    hidden: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class Sizes:
    vocab: int
    d_model: int
    heads: int
    d_ff: int
    num_layers: int
    max_len: int = 64
    dropout: float = 0.0


def _pieces(word: str, vocab: abc.Mapping[str, int]) -> abc.Iterator[int]:
    start = 0
    while start < len(word):
        prefix = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if prefix + word[start:end] in vocab), None)
        if end is None:
            raise KeyError(word)
        yield vocab[prefix + word[start:end]]
        start = end


def wordpiece(word: str, vocab: abc.Mapping[str, int]) -> list[int]:
    try:
        return list(_pieces(word, vocab))
    except KeyError:
        return [vocab["[UNK]"]]


def _shorten(a: abc.Sequence[int], b: abc.Sequence[int], room: int) -> tuple[abc.Sequence[int], abc.Sequence[int]]:
    match len(a) + len(b) > room, len(a) > len(b):
        case False, _:
            return a, b
        case True, True:
            return _shorten(a[:-1], b, room)
        case _:
            return _shorten(a, b[:-1], room)


def build_pair(a: list[int], b: list[int] | None, max_len: int) -> Row:
    specials = 2 if b is None else 3
    first, second = _shorten(a, b or [], max_len - specials)
    texts = [[int(CLS), *first, int(SEP)]]
    if b is not None:
        texts.append([*second, int(SEP)])
    ids = torch.tensor(list(itertools.chain.from_iterable(texts)))
    segments = torch.repeat_interleave(torch.arange(len(texts)), torch.tensor([len(text) for text in texts]))
    missing = max_len - len(ids)
    pad = functools.partial(F.pad, pad=(0, missing))
    return Row(pad(ids, value=int(PAD)), pad(segments), pad(torch.ones_like(ids)).bool())


def apply_masks(ids: Tensor, chosen: Tensor, fate: Tensor, words: Tensor) -> Masked:
    mask = torch.tensor(int(MASK))
    drawn = mask.where(fate < 0.8, words.where(fate < 0.9, ids))
    return Masked(inputs=drawn.where(chosen, ids), labels=ids.where(chosen, IGNORE))


def mask_tokens(ids: Tensor, vocab: int, generator: torch.Generator, p: float = 0.15) -> Masked:
    first, second = torch.rand((2, *ids.shape), generator=generator)
    words = torch.randint(FIRST_WORD, vocab, tuple(ids.shape), generator=generator)
    return apply_masks(ids, first.lt(p).logical_and(ids.ge(FIRST_WORD)), second, words)


def next_sentence_pairs(
    documents: abc.Sequence[abc.Sequence[list[int]]], generator: torch.Generator
) -> abc.Iterable[Pair]:
    if not len(documents) > 1:
        raise ValueError("next_sentence_pairs: fewer than two documents")

    def choice(options: abc.Sequence[abc.Sequence[int]] | abc.Sequence[int]) -> abc.Sequence[int] | int:
        return options[int(torch.randint(len(options), (1,), generator=generator))]

    def drawn(number: int, a: list[int], b: list[int]) -> Pair:
        if choice((True, False)):
            return Pair(a, b, 0)
        rest = [*range(number), *range(number + 1, len(documents))]
        return Pair(a, choice(documents[choice(rest)]), 1)

    return [
        drawn(number, a, b) for number, document in enumerate(documents) for a, b in itertools.pairwise(document)
    ]


def gelu(x: Tensor) -> Tensor:
    return x * torch.special.ndtr(x)


class BertEmbeddings(nn.Module):
    def __init__(self, vocab: int, d_model: int, max_len: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        self.word_embeddings, self.position_embeddings, self.segment_embeddings = (
            nn.Embedding(size, d_model) for size in (vocab, max_len, 2)
        )
        self.norm = nn.LayerNorm(d_model, EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor, segments: Tensor) -> Tensor:
        places = torch.ones_like(ids).cumsum(dim=1) - 1
        tables = (self.word_embeddings, self.position_embeddings, self.segment_embeddings)
        summed = sum(table(index) for table, index in zip(tables, (ids, places, segments), strict=True))
        return self.dropout(self.norm(summed))


class Bert(nn.Module):
    def __init__(
        self, vocab: int, d_model: int, heads: int, d_ff: int, num_layers: int, max_len: int = 64, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.sizes = Sizes(vocab, d_model, heads, d_ff, num_layers, max_len, dropout)
        layer = functools.partial(EncoderLayer, activation=gelu, eps=EPS)
        self.embeddings = BertEmbeddings(vocab, d_model, max_len, dropout)
        self.layers = nn.ModuleList([layer(d_model, heads, d_ff, dropout) for _ in range(num_layers)])
        self.pooler = nn.Linear(d_model, d_model)

    def forward(self, ids: Tensor, segments: Tensor, mask: Tensor) -> Encoded:
        keys = mask.reshape(len(mask), 1, 1, -1)
        hidden = functools.reduce(lambda x, layer: layer(x, keys), self.layers, self.embeddings(ids, segments))
        return Encoded(hidden, self.pooler(hidden.select(1, 0)).tanh())


def init_weights(model: nn.Module, generator: torch.Generator) -> None:
    norms = {id(module.weight) for module in model.modules() if hasattr(module, "weight") and module.weight.dim() == 1}
    for parameter in model.parameters():
        if parameter.dim() >= 2:
            nn.init.normal_(parameter, 0.0, 0.02, generator=generator)
        else:
            nn.init.constant_(parameter, float(id(parameter) in norms))


class MLMHead(nn.Module):
    def __init__(self, d_model: int, vocab: int) -> None:
        super().__init__()
        self.transform = nn.Linear(d_model, d_model)
        self.norm = nn.LayerNorm(d_model, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(vocab))

    def forward(self, hidden: Tensor, table: Tensor) -> Tensor:
        return torch.matmul(self.norm(gelu(self.transform(hidden))), table.mT).add(self.bias)


def pretrain_loss(mlm_logits: Tensor, nsp_logits: Tensor, labels: Tensor, next_labels: Tensor) -> Tensor:
    each = F.cross_entropy(mlm_logits.movedim(-1, 1), labels, ignore_index=IGNORE, reduction="none")
    count = labels.ne(IGNORE).sum()
    mlm = each.sum() if count == 0 else each.sum() / count
    return mlm + F.cross_entropy(nsp_logits, next_labels)


class _WithEncoder(nn.Module):
    """Whatever has an encoder, and trains by a loss."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.bert = Bert(**vars(sizes))


class BertForPreTraining(_WithEncoder):
    def __init__(
        self, vocab: int, d_model: int, heads: int, d_ff: int, num_layers: int, max_len: int = 64, dropout: float = 0.0
    ) -> None:
        super().__init__(Sizes(vocab, d_model, heads, d_ff, num_layers, max_len, dropout))
        self.mlm = MLMHead(d_model, vocab)
        self.nsp = nn.Linear(d_model, 2)

    def forward(self, ids: Tensor, segments: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        encoded = self.bert(ids, segments, mask)
        return self.mlm(encoded.hidden, self.bert.embeddings.word_embeddings.weight), self.nsp(encoded.pooled)

    def loss(self, ids: Tensor, segments: Tensor, mask: Tensor, labels: Tensor, next_labels: Tensor) -> Tensor:
        return pretrain_loss(*self(ids, segments, mask), labels=labels, next_labels=next_labels)


def fill_masks(model: nn.Module, ids: Tensor, segments: Tensor, mask: Tensor) -> Tensor:
    model.eval()
    with torch.no_grad():
        scores, _ = model(ids, segments, mask)
    _, best = scores[..., FIRST_WORD:].max(dim=-1)
    return torch.where(ids.eq(int(MASK)), best.add(FIRST_WORD), ids)


class BertForClassification(_WithEncoder):
    def __init__(
        self,
        classes: int,
        vocab: int,
        d_model: int,
        heads: int,
        d_ff: int,
        num_layers: int,
        max_len: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(Sizes(vocab, d_model, heads, d_ff, num_layers, max_len, dropout))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(d_model, classes)

    def forward(self, ids: Tensor, segments: Tensor, mask: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.bert(ids, segments, mask).pooled))

    def loss(self, ids: Tensor, segments: Tensor, mask: Tensor, classes: Tensor) -> Tensor:
        return F.cross_entropy(self(ids, segments, mask), classes)


def load_pretrained(model: nn.Module, pretrained: abc.Mapping[str, Tensor]) -> None:
    expected = {f"bert.{name}" for name, _ in model.bert.named_parameters()}
    if lost := expected - pretrained.keys():
        raise ValueError(f"not pre-trained: {', '.join(sorted(lost))}")
    for name, parameter in model.bert.named_parameters():
        parameter.data.copy_(pretrained[f"bert.{name}"])


def linear_rate(step: int, total: int, warmup: int, peak: float) -> float:
    points = ((0, 0.0), (warmup, peak), (total + 1, 0.0))
    for (left, low), (right, high) in itertools.pairwise(points):
        if left <= step <= right:
            return low + (high - low) * (step - left) / (right - left)
    raise ValueError(step)


def _step(model: nn.Module, batch: tuple[Tensor, ...], optimizer: torch.optim.Optimizer, rate: float | None) -> float:
    if rate is not None:
        for group in optimizer.param_groups:
            group.update(lr=rate)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = model.loss(*batch)
        loss.backward()
        return loss

    return float(optimizer.step(closure))


def fit(
    model: nn.Module,
    batches: abc.Iterable[tuple[Tensor, ...]],
    optimizer: torch.optim.Optimizer,
    rates: abc.Sequence[float] | None = None,
) -> list[float]:
    model.train()
    each_rate = itertools.repeat(None) if rates is None else iter(rates)
    return [_step(model, batch, optimizer, rate) for batch, rate in zip(batches, each_rate)]
