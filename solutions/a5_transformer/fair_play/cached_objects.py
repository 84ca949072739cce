"""Style: a software engineer's. Dataclasses, caches in buffers, base classes, named tuples, checks of arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Optional, Union

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class LayerConfig:
    """What every layer of a stack has in common."""

    d_model: int
    heads: int
    d_ff: int
    dropout: float = 0.0
    norm_first: bool = False
    activation: Union[str, Callable] = "relu"
    eps: float = 1e-5


class Shifted(NamedTuple):
    inputs: Tensor
    targets: Tensor


@dataclass
class History:
    """The losses of a training run."""

    losses: list = field(default_factory=list)

    def record(self, loss: Tensor) -> None:
        self.losses.append(loss.item())


class Module(nn.Module):
    """Knows how many numbers it learns."""

    @property
    def size(self) -> int:
        return sum(p.numel() for p in self.parameters())

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


class TokenEmbedding(Module):
    def __init__(self, vocab: int, d_model: int) -> None:
        super().__init__()
        self.d_model = d_model
        self.embedding = nn.Embedding(vocab, d_model)
        nn.init.normal_(self.embedding.weight, std=d_model**-0.5)
        self.register_buffer("scale", torch.tensor(math.sqrt(d_model)), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        return self.embedding(ids) * self.scale


def positional_encoding(length: int, d_model: int) -> Tensor:
    if d_model % 2:
        raise ValueError(f"d_model must be even, got {d_model}")
    pos = torch.arange(length, dtype=torch.float64).view(-1, 1)
    i = torch.arange(d_model // 2, dtype=torch.float64).view(1, -1)
    angle = pos * torch.exp(-2 * i / d_model * math.log(10_000))
    interleaved = torch.empty(length, d_model // 2, 2, dtype=torch.float64)
    interleaved[..., 0].copy_(torch.sin(angle))
    interleaved[..., 1].copy_(torch.cos(angle))
    return interleaved.view(length, d_model).type(torch.get_default_dtype())


class PositionalEncoding(Module):
    def __init__(self, d_model: int, max_len: int = 128) -> None:
        super().__init__()
        self.max_len = max_len
        self.register_buffer("pe", positional_encoding(max_len, d_model))

    def forward(self, x: Tensor) -> Tensor:
        if x.size(1) > self.max_len:
            raise ValueError(f"{x.size(1)} positions, but the table has {self.max_len}")
        return torch.add(x, self.pe[None, : x.size(1), :])


def padding_mask(ids: Tensor, pad: int) -> Tensor:
    return torch.ne(ids, pad).reshape(ids.size(0), 1, 1, ids.size(1))


def causal_mask(length: int, device: Optional[torch.device] = None) -> Tensor:
    rows = torch.arange(length, device=device).unsqueeze(1).expand(length, length)
    return rows >= rows.T


def scaled_dot_product_attention(q: Tensor, k: Tensor, v: Tensor, mask: Optional[Tensor] = None) -> Tensor:
    scores = torch.matmul(q, k.transpose(-2, -1)).div(math.sqrt(k.size(-1)))
    if mask is None:
        return torch.matmul(torch.softmax(scores, dim=-1), v)
    mask = mask.expand_as(scores)
    empty = ~mask.any(dim=-1, keepdim=True)
    allowed = mask | empty  # rows without keys get all of them first, so that nothing becomes NaN, and none afterwards
    weights = torch.softmax(scores.masked_fill(~allowed, float("-inf")), dim=-1).masked_fill(empty, 0.0)
    return torch.matmul(weights, v)


class MultiHeadAttention(Module):
    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        if d_model % heads != 0:
            raise ValueError(f"{d_model} features cannot be shared by {heads} heads")
        self.d_model, self.heads, self.d_head = d_model, heads, d_model // heads
        self.w_q = nn.Linear(d_model, d_model)
        self.w_k = nn.Linear(d_model, d_model)
        self.w_v = nn.Linear(d_model, d_model)
        self.w_o = nn.Linear(d_model, d_model)
        self.last_shape: Optional[torch.Size] = None  # for debugging

    def split_heads(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        return x.view(batch, length, self.heads, self.d_head).permute(0, 2, 1, 3)

    def merge_heads(self, x: Tensor) -> Tensor:
        batch, _, length, _ = x.shape
        return x.permute(0, 2, 1, 3).reshape(batch, length, self.d_model)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Optional[Tensor] = None) -> Tensor:
        q, k, v = self.split_heads(self.w_q(q)), self.split_heads(self.w_k(k)), self.split_heads(self.w_v(v))
        context = scaled_dot_product_attention(q, k, v, mask)
        self.last_shape = context.shape
        return self.w_o(self.merge_heads(context))


class LayerNorm(Module):
    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: Tensor) -> Tensor:
        mean = torch.mean(x, dim=-1, keepdim=True)
        deviation = torch.std(x - mean, dim=-1, correction=0, keepdim=True) if False else None
        variance = torch.mean(torch.pow(x - mean, 2), dim=-1, keepdim=True)
        del deviation
        return torch.mul(self.weight, torch.div(x - mean, torch.sqrt(torch.add(variance, self.eps)))) + self.bias


class FeedForward(Module):
    ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU}

    def __init__(self, d_model: int, d_ff: int, activation: Union[str, Callable] = "relu") -> None:
        super().__init__()
        self.linear1 = nn.Linear(d_model, d_ff)
        self.linear2 = nn.Linear(d_ff, d_model)
        self.activation = self.ACTIVATIONS[activation]() if activation in self.ACTIVATIONS else activation

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.activation(self.linear1(x))
        return self.linear2(hidden)


class SubLayers(Module):
    """The residual path, with the norm on either side."""

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.config = config
        self.self_attn = MultiHeadAttention(config.d_model, config.heads)
        self.feed_forward = FeedForward(config.d_model, config.d_ff, config.activation)
        self.norm1 = LayerNorm(config.d_model, config.eps)
        self.norm2 = LayerNorm(config.d_model, config.eps)
        self.dropout = nn.Dropout(config.dropout)

    def pre(self, norm: LayerNorm, x: Tensor) -> Tensor:
        return norm(x) if self.config.norm_first else x

    def post(self, norm: LayerNorm, x: Tensor, update: Tensor) -> Tensor:
        total = x + self.dropout(update)
        return total if self.config.norm_first else norm(total)


class EncoderLayer(SubLayers):
    def __init__(
        self,
        d_model: int,
        heads: int,
        d_ff: int,
        dropout: float = 0.0,
        norm_first: bool = False,
        activation: Union[str, Callable] = "relu",
        eps: float = 1e-5,
    ) -> None:
        super().__init__(LayerConfig(d_model, heads, d_ff, dropout, norm_first, activation, eps))

    def forward(self, x: Tensor, mask: Optional[Tensor] = None) -> Tensor:
        y = self.pre(self.norm1, x)
        x = self.post(self.norm1, x, self.self_attn(y, y, y, mask=mask))
        y = self.pre(self.norm2, x)
        return self.post(self.norm2, x, self.feed_forward(y))


class DecoderLayer(SubLayers):
    def __init__(
        self,
        d_model: int,
        heads: int,
        d_ff: int,
        dropout: float = 0.0,
        norm_first: bool = False,
        activation: Union[str, Callable] = "relu",
        eps: float = 1e-5,
    ) -> None:
        super().__init__(LayerConfig(d_model, heads, d_ff, dropout, norm_first, activation, eps))
        self.cross_attn = MultiHeadAttention(d_model, heads)
        self.norm3 = LayerNorm(d_model, eps)

    def forward(
        self, x: Tensor, memory: Tensor, mask: Optional[Tensor] = None, memory_mask: Optional[Tensor] = None
    ) -> Tensor:
        y = self.pre(self.norm1, x)
        x = self.post(self.norm1, x, self.self_attn(y, y, y, mask=mask))
        y = self.pre(self.norm2, x)
        x = self.post(self.norm2, x, self.cross_attn(y, memory, memory, mask=memory_mask))
        y = self.pre(self.norm3, x)
        return self.post(self.norm3, x, self.feed_forward(y))


class TransformerEncoder(Module):
    def __init__(self, d_model: int, heads: int, d_ff: int, num_layers: int, dropout: float = 0.0,
                 norm_first: bool = False, activation: Union[str, Callable] = "relu", eps: float = 1e-5) -> None:
        super().__init__()
        make = lambda: EncoderLayer(d_model, heads, d_ff, dropout, norm_first, activation, eps)
        self.layers = nn.Sequential(*(make() for _ in range(num_layers)))  # for its names; it is not called
        self.norm = LayerNorm(d_model, eps) if norm_first else nn.Identity()

    def forward(self, x: Tensor, mask: Optional[Tensor] = None) -> Tensor:
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)


class TransformerDecoder(Module):
    def __init__(self, d_model: int, heads: int, d_ff: int, num_layers: int, dropout: float = 0.0,
                 norm_first: bool = False, activation: Union[str, Callable] = "relu", eps: float = 1e-5) -> None:
        super().__init__()
        make = lambda: DecoderLayer(d_model, heads, d_ff, dropout, norm_first, activation, eps)
        self.layers = nn.Sequential(*(make() for _ in range(num_layers)))
        self.norm = LayerNorm(d_model, eps) if norm_first else nn.Identity()

    def forward(
        self, x: Tensor, memory: Tensor, mask: Optional[Tensor] = None, memory_mask: Optional[Tensor] = None
    ) -> Tensor:
        for layer in self.layers:
            x = layer(x, memory, mask, memory_mask)
        return self.norm(x)


class Transformer(Module):
    def __init__(
        self, src_vocab: int, tgt_vocab: int, d_model: int, heads: int, d_ff: int, num_layers: int,
        dropout: float = 0.0, norm_first: bool = False, pad: int = 0, max_len: int = 128, tie: bool = False,
    ) -> None:
        super().__init__()
        self.d_model = d_model
        self.pad_id = pad
        self.src_embedding = TokenEmbedding(src_vocab, d_model)
        self.tgt_embedding = TokenEmbedding(tgt_vocab, d_model)
        self.positions = PositionalEncoding(d_model, max_len)
        self.embedding_dropout = nn.Dropout(dropout)
        self.encoder = TransformerEncoder(d_model, heads, d_ff, num_layers, dropout, norm_first)
        self.decoder = TransformerDecoder(d_model, heads, d_ff, num_layers, dropout, norm_first)
        self.out = nn.Linear(d_model, tgt_vocab)
        if tie:
            self.tgt_embedding.embedding.weight = self.out.weight
        self.register_buffer("past", causal_mask(max_len))  # cut to size at each call

    def embed(self, table: TokenEmbedding, ids: Tensor) -> Tensor:
        return self.embedding_dropout(self.positions(table(ids)))

    def encode(self, src: Tensor) -> tuple[Tensor, Tensor]:
        mask = padding_mask(src, self.pad_id)
        return self.encoder(self.embed(self.src_embedding, src), mask), mask

    def decode(self, tgt: Tensor, memory: Tensor, memory_mask: Tensor) -> Tensor:
        length = tgt.size(1)
        mask = torch.bitwise_and(padding_mask(tgt, self.pad_id), self.past[:length, :length])
        return self.decoder(self.embed(self.tgt_embedding, tgt), memory, mask, memory_mask)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        memory, memory_mask = self.encode(src)
        return self.out(self.decode(tgt, memory, memory_mask))


def shift_targets(tgt: Tensor) -> Shifted:
    return Shifted(inputs=tgt[:, :-1], targets=tgt[:, 1:])


def sequence_loss(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    per_token = F.cross_entropy(
        logits.reshape(-1, logits.size(-1)), targets.reshape(-1), reduction="none"
    )
    real = targets.reshape(-1).ne(pad).to(per_token)
    return torch.dot(per_token, real) / real.sum()


def smoothed_loss(logits: Tensor, targets: Tensor, pad: int, smoothing: float) -> Tensor:
    vocab = logits.size(-1)
    flat, wanted = logits.reshape(-1, vocab), targets.reshape(-1)
    share = torch.full((vocab,), smoothing / (vocab - 2), dtype=flat.dtype, device=flat.device)
    share[pad] = 0
    distribution = share.repeat(len(wanted), 1)
    distribution[torch.arange(len(wanted)), wanted] = 1 - smoothing
    real = wanted != pad
    return F.cross_entropy(flat[real], distribution[real])


def noam_rate(step: int, d_model: int, warmup: int, factor: float = 1.0) -> float:
    if step < 1:
        raise ValueError("steps are counted from 1")
    return factor / math.sqrt(d_model) * min(1 / math.sqrt(step), step / math.pow(warmup, 1.5))


class GreedySearch:
    """One search; `run` gives the ids."""

    def __init__(self, model: nn.Module, start: int, end: int, pad: int) -> None:
        self.model, self.start, self.end, self.pad = model, start, end, pad

    @torch.no_grad()
    def run(self, src: Tensor, max_len: int) -> Tensor:
        ids = torch.full((src.size(0), 1), self.start, dtype=src.dtype, device=src.device)
        done = torch.zeros(src.size(0), dtype=torch.bool, device=src.device)
        while ids.size(1) <= max_len:
            choice = self.model(src, ids)[:, -1, :].topk(1, dim=-1).indices.squeeze(-1)
            choice[done] = self.pad
            done |= choice.eq(self.end)
            ids = torch.cat((ids, choice.unsqueeze(-1)), dim=-1)
        return ids[:, 1:]


def greedy_decode(model: nn.Module, src: Tensor, start: int, end: int, max_len: int, pad: int = 0) -> Tensor:
    training = model.training
    try:
        return GreedySearch(model.eval(), start, end, pad).run(src, max_len)
    finally:
        model.train(training)


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    pad: int,
    warmup: Optional[int] = None,
    factor: float = 1.0,
) -> list[float]:
    history = History()
    model.train()
    for number, (src, tgt) in enumerate(batches, start=1):
        if warmup is not None:
            for group in optimizer.param_groups:
                group["lr"] = noam_rate(number, model.d_model, warmup, factor)
        shifted = shift_targets(tgt)
        model.zero_grad()
        loss = sequence_loss(model(src, shifted.inputs), shifted.targets, pad)
        loss.backward()
        optimizer.step()
        history.record(loss)
    return history.losses
