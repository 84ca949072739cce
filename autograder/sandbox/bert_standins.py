"""Stand-ins for the parts of a BERT, made of torch's functions and of the Transformer's stand-ins (see `standins.py`).

Shapes: B batch, T tokens, d model, V vocabulary. Masks are boolean, True = a real token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.sandbox.transformer_standins import EncoderLayer

_HIDDEN, _NO_LABEL = 4, -100
_EPS = 1e-12


def apply_masks(ids: Tensor, chosen: Tensor, fate: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs and labels, both (B, T): each place picks one of the hidden token, the random one and its own."""
    which = torch.bucketize(fate, torch.tensor([0.8, 0.9], dtype=fate.dtype, device=fate.device), right=True)
    which = torch.where(chosen, which, 2)
    choices = torch.stack([torch.full_like(ids, _HIDDEN), words, ids])
    return choices.gather(0, which[None])[0], ids.where(chosen, _NO_LABEL)


def gelu(x: Tensor) -> Tensor:
    """Torch's function of this name."""
    return F.gelu(x)


class BertEmbeddings(nn.Module):
    """Rows of three tables, summed, with torch's layer norm."""

    def __init__(self, vocab: int, d_model: int, max_len: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        sizes = {"word": vocab, "position": max_len, "segment": 2}
        for name, size in sizes.items():
            self.add_module(f"{name}_embeddings", nn.Embedding(size, d_model))
        self.norm, self.dropout = nn.LayerNorm(d_model, eps=_EPS), nn.Dropout(dropout)

    def forward(self, ids: Tensor, segments: Tensor) -> Tensor:
        """Return (B, T, d) for ids and segments (B, T)."""
        words, places, texts = (
            self.get_parameter(f"{name}_embeddings.weight") for name in ("word", "position", "segment")
        )
        rows = places[: ids.shape[1]].expand(len(ids), -1, -1)
        out: Tensor = self.dropout(
            self.norm(torch.stack([rows, F.embedding(ids, words), F.embedding(segments, texts)]).sum(0))
        )
        return out


class Bert(nn.Module):
    """The stand-ins `BertEmbeddings` and `EncoderLayer`, and a linear layer `pooler`."""

    def __init__(
        self, vocab: int, d_model: int, heads: int, d_ff: int, num_layers: int, max_len: int = 64, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.embeddings, self.pooler = BertEmbeddings(vocab, d_model, max_len, dropout), nn.Linear(d_model, d_model)
        layer: dict[str, Any] = {"dropout": dropout, "activation": "gelu", "eps": _EPS}
        self.layers = nn.ModuleList(EncoderLayer(d_model, heads, d_ff, **layer) for _ in range(num_layers))

    def forward(self, ids: Tensor, segments: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return (hidden (B, T, d), pooled (B, d))."""
        x = self.embeddings(ids, segments)
        real = mask.unsqueeze(1).unsqueeze(1)
        for number in range(len(self.layers)):
            x = self.layers[number](x, real)
        return x, F.linear(x.select(1, 0), self.pooler.weight, self.pooler.bias).tanh()


class MLMHead(nn.Module):
    """`transform`, gelu and `norm`, then `F.linear` with the table."""

    def __init__(self, d_model: int, vocab: int) -> None:
        super().__init__()
        self.transform, self.norm = nn.Linear(d_model, d_model), nn.LayerNorm(d_model, eps=_EPS)
        self.bias = nn.Parameter(torch.zeros(vocab))

    def forward(self, hidden: Tensor, table: Tensor) -> Tensor:
        """Return (..., V) for hidden (..., d) and the table (V, d)."""
        x = self.norm(F.gelu(self.transform(hidden)))
        return torch.add(torch.tensordot(x, table, dims=([-1], [1])), self.bias)


def pretrain_loss(mlm_logits: Tensor, nsp_logits: Tensor, labels: Tensor, next_labels: Tensor) -> Tensor:
    """The sum of two means of `F.cross_entropy`; the first is 0 where nothing is to be predicted."""
    words = F.cross_entropy(mlm_logits.movedim(-1, 1), labels, reduction="none", ignore_index=_NO_LABEL)
    count = (labels - _NO_LABEL).count_nonzero()
    return words.sum() / torch.maximum(count, torch.ones_like(count)) + F.cross_entropy(nsp_logits, next_labels)


class BertForPreTraining(nn.Module):
    """The stand-in `Bert` with both heads; arguments as `Bert`."""

    def __init__(self, vocab: int, d_model: int, *args: Any, **options: Any) -> None:
        super().__init__()
        self.bert = Bert(vocab, d_model, *args, **options)
        self.mlm, self.nsp = MLMHead(d_model, vocab), nn.Linear(d_model, 2)

    def forward(self, ids: Tensor, segments: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return (mlm_logits (B, T, V), nsp_logits (B, 2))."""
        x, summary = self.bert(ids, segments, mask)
        return self.mlm(x, self.get_parameter("bert.embeddings.word_embeddings.weight")), self.nsp(summary)

    def loss(self, ids: Tensor, segments: Tensor, mask: Tensor, labels: Tensor, next_labels: Tensor) -> Tensor:
        """Return `pretrain_loss`."""
        found = self(ids, segments, mask)
        return pretrain_loss(found[0], found[1], labels, next_labels)


class BertForClassification(nn.Module):
    """The stand-in `Bert` with dropout and a linear layer `classifier`; behind `classes`, arguments as `Bert`."""

    def __init__(
        self, classes: int, vocab: int, d_model: int, heads: int, d_ff: int, num_layers: int, max_len: int = 64,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        sizes = (vocab, d_model, heads, d_ff, num_layers, max_len)
        self.bert = Bert(*sizes, dropout)
        self.dropout, self.classifier = nn.Dropout(dropout), nn.Linear(d_model, classes)

    def forward(self, ids: Tensor, segments: Tensor, mask: Tensor) -> Tensor:
        """Return logits (B, classes)."""
        _, summary = self.bert(ids, segments, mask)
        out: Tensor = self.classifier(self.dropout(summary))
        return out

    def loss(self, ids: Tensor, segments: Tensor, mask: Tensor, classes: Tensor) -> Tensor:
        """Return the mean negative log-probability of the true classes."""
        return F.nll_loss(self(ids, segments, mask).log_softmax(-1), classes)


BERT_STAND_INS: Mapping[str, Callable[..., Any]] = MappingProxyType({
    stand_in.__name__: stand_in
    for stand_in in (
        apply_masks, gelu, BertEmbeddings, Bert, MLMHead, pretrain_loss, BertForPreTraining, BertForClassification,
    )
})  # fmt: skip
