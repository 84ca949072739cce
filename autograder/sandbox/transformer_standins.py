"""Stand-ins for the parts of a Transformer: torch's own layers behind the course's names (see `standins.py`).

A layer of torch is built without weights, on the device `meta`, each time that it is called, and run with the
stand-in's parameters under torch's names. It is always in training mode, since torch's fast path for evaluation treats
masks in a way of its own; dropout follows the mode of the stand-in.

Shapes: B batch, T queries, S keys, d model. Masks are boolean, True = may be attended; a row that may attend nothing
gets zeros as its context.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = str | Callable[[Tensor], Tensor]

_TORCH_NAMES = (
    ("w_q.", "in_proj_"), ("w_o.", "out_proj."), ("cross_attn.", "multihead_attn."), ("feed_forward.", ""),
)  # fmt: skip


class TokenEmbedding(nn.Module):
    """`F.embedding` with rows that are longer by a factor sqrt(d)."""

    def __init__(self, vocab: int, d_model: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab, d_model)

    def forward(self, ids: Tensor) -> Tensor:
        """Return (B, T, d) for ids (B, T)."""
        return F.embedding(ids, self.embedding.weight * self.embedding.embedding_dim**0.5)


def positional_encoding(length: int, d_model: int) -> Tensor:
    """Positions as turns of unit vectors: (length, d), the sine of a turn before its cosine."""
    speeds = torch.logspace(0, -4, d_model // 2 + 1, dtype=torch.float64)[:-1]
    turns = torch.outer(torch.arange(length, dtype=torch.float64), speeds)
    vectors = torch.view_as_real(torch.polar(torch.ones_like(turns), turns))  # (length, d / 2, cosine and sine)
    return vectors.flip(-1).flatten(1).to(torch.get_default_dtype())


class PositionalEncoding(nn.Module):
    """The table of `positional_encoding` as a buffer that is not saved."""

    def __init__(self, d_model: int, max_len: int = 128) -> None:
        super().__init__()
        self.register_buffer("places", positional_encoding(max_len, d_model), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, d) for x (B, T, d)."""
        return torch.add(x, self.get_buffer("places").narrow(0, 0, x.shape[1]))


def padding_mask(ids: Tensor, pad: int) -> Tensor:
    """Which ids (B, S) are real: (B, 1, 1, S)."""
    return torch.ne(ids, pad).unsqueeze(1).unsqueeze(1)


def causal_mask(length: int, device: torch.device | str | None = None) -> Tensor:
    """Torch's mask for a decoder, True = may be attended: (length, length)."""
    return nn.Transformer.generate_square_subsequent_mask(length, device=device) == 0  # type: ignore[arg-type]


def scaled_dot_product_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Context (..., T, d), as torch's function of this name."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


class MultiHeadAttention(nn.Module):
    """`F.multi_head_attention_forward` with the course's names: w_q, w_k, w_v, w_o, each nn.Linear(d, d)."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.d_model, self.heads = d_model, heads
        self.w_q, self.w_k, self.w_v, self.w_o = (nn.Linear(d_model, d_model) for _ in range(4))

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, T, d) from q (B, T, d), k and v (B, S, d); `mask` broadcasts to (B, heads, T, S)."""
        w_q, w_k, w_v, w_o = self.w_q, self.w_k, self.w_v, self.w_o
        out, _ = F.multi_head_attention_forward(
            q.transpose(0, 1), k.transpose(0, 1), v.transpose(0, 1), q.shape[-1], self.heads,
            None, torch.cat([w_q.bias, w_k.bias, w_v.bias]), None, None, False, 0.0, w_o.weight, w_o.bias,
            attn_mask=_hidden(mask, self.heads, q, k), need_weights=False, use_separate_proj_weight=True,
            q_proj_weight=w_q.weight, k_proj_weight=w_k.weight, v_proj_weight=w_v.weight,
        )  # fmt: skip
        return out.transpose(0, 1)


class LayerNorm(nn.LayerNorm):
    """`torch.nn.LayerNorm` with the course's signature; the names of its weights are the same."""

    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__(d_model, eps)

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., d)."""
        return super().forward(x)


class FeedForward(nn.Module):
    """Two `nn.Linear`, linear1 and linear2, with a function of `F`, or one of the caller's, between them."""

    def __init__(self, d_model: int, d_ff: int, activation: Activation = "relu") -> None:
        super().__init__()
        self.linear1 = nn.Linear(d_model, d_ff)
        self.linear2 = nn.Linear(d_ff, d_model)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., d) from x (..., d)."""
        between = getattr(F, self.activation) if isinstance(self.activation, str) else self.activation
        return F.linear(between(F.linear(x, *self.linear1.parameters())), *self.linear2.parameters())


class _Layer(nn.Module):
    """What encoder and decoder layers share: their parts, and the options of torch's layer."""

    def __init__(
        self, d_model: int, heads: int, d_ff: int, dropout: float = 0.0, norm_first: bool = False,
        activation: Activation = "relu", eps: float = 1e-5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.self_attn = MultiHeadAttention(d_model, heads)
        self.feed_forward = FeedForward(d_model, d_ff, activation=activation)
        self.norm1, self.norm2 = (LayerNorm(d_model, eps=eps) for _ in range(2))
        self.heads, self.dropout = heads, dropout
        self.options: dict[str, Any] = {"d_model": d_model, "nhead": heads, "dim_feedforward": d_ff} | {
            "activation": activation, "layer_norm_eps": eps, "norm_first": norm_first, "batch_first": True,
        }  # fmt: skip

    def bare(self, kind: type[nn.Module]) -> nn.Module:
        """Torch's layer of this kind without weights."""
        return kind(**self.options, dropout=self.dropout if self.training else 0.0, device="meta")


class EncoderLayer(_Layer):
    """`nn.TransformerEncoderLayer` with the course's names: self_attn.w_*, feed_forward.linear*, norm1, norm2."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, T, d) from x (B, T, d); `mask` broadcasts to (B, heads, T, T)."""
        return _run(self.bare(nn.TransformerEncoderLayer), self, x, _hidden(mask, self.heads, x, x))


class DecoderLayer(_Layer):
    """`nn.TransformerDecoderLayer` with the course's names: also cross_attn.w_*, norm3."""

    def __init__(self, d_model: int, heads: int, d_ff: int, *args: Any, **options: Any) -> None:
        super().__init__(d_model, heads, d_ff, *args, **options)
        self.cross_attn = MultiHeadAttention(d_model, heads)
        self.norm3 = LayerNorm(d_model, self.norm1.eps)

    def forward(
        self, x: Tensor, memory: Tensor, mask: Tensor | None = None, memory_mask: Tensor | None = None
    ) -> Tensor:
        """Return (B, T, d); the masks broadcast to (B, heads, T, T) and (B, heads, T, S)."""
        masks = _hidden(mask, self.heads, x, x), _hidden(memory_mask, self.heads, x, memory)
        return _run(self.bare(nn.TransformerDecoderLayer), self, x, memory, *masks)


class TransformerEncoder(nn.Module):
    """`nn.TransformerEncoder` over `layers`, with `norm` if it is pre-LN."""

    def __init__(self, d_model: int, heads: int, d_ff: int, num_layers: int, *args: Any, **options: Any) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(d_model, heads, d_ff, *args, **options) for _ in range(num_layers))
        self.norm = _last_norm(_first(self))

    def bare(self) -> nn.Module:
        """Torch's stack without weights."""
        layer, norm = _first(self).bare(nn.TransformerEncoderLayer), _bare_norm(self.norm)
        return nn.TransformerEncoder(layer, len(self.layers), norm, enable_nested_tensor=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, S, d)."""
        return _run(self.bare(), self, x, _hidden(mask, _first(self).heads, x, x))


class TransformerDecoder(nn.Module):
    """`nn.TransformerDecoder` over `layers`, with `norm` if it is pre-LN."""

    def __init__(self, d_model: int, heads: int, d_ff: int, num_layers: int, *args: Any, **options: Any) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(d_model, heads, d_ff, *args, **options) for _ in range(num_layers))
        self.norm = _last_norm(_first(self))

    def bare(self) -> nn.Module:
        """Torch's stack without weights."""
        layer = _first(self).bare(nn.TransformerDecoderLayer)
        return nn.TransformerDecoder(layer, len(self.layers), _bare_norm(self.norm))

    def forward(
        self, x: Tensor, memory: Tensor, mask: Tensor | None = None, memory_mask: Tensor | None = None
    ) -> Tensor:
        """Return (B, T, d)."""
        heads = _first(self).heads
        return _run(self.bare(), self, x, memory, _hidden(mask, heads, x, x), _hidden(memory_mask, heads, x, memory))


class Transformer(nn.Module):
    """`nn.Transformer` between embeddings with positions and a linear layer `out`, which may share a matrix."""

    def __init__(
        self, src_vocab: int, tgt_vocab: int, d_model: int, heads: int, d_ff: int, num_layers: int,
        dropout: float = 0.0, norm_first: bool = False, pad: int = 0, max_len: int = 128, tie: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.d_model, self.heads, self.pad, self.dropout = d_model, heads, pad, nn.Dropout(dropout)
        self.src_embedding, self.tgt_embedding = (TokenEmbedding(size, d_model) for size in (src_vocab, tgt_vocab))
        self.positions = PositionalEncoding(d_model, max_len)
        sizes = (d_model, heads, d_ff, num_layers)
        options: dict[str, Any] = {"dropout": dropout, "norm_first": norm_first}
        self.encoder, self.decoder = TransformerEncoder(*sizes, **options), TransformerDecoder(*sizes, **options)
        self.out = nn.Linear(in_features=d_model, out_features=tgt_vocab)
        for linear in [self.out] * tie:
            linear.weight = self.tgt_embedding.embedding.weight

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        """Return logits (B, T, tgt_vocab) from ids src (B, S) and tgt (B, T)."""
        stacks: dict[str, Any] = {"custom_encoder": self.encoder.bare(), "custom_decoder": self.decoder.bare()}
        model = nn.Transformer(self.d_model, self.heads, batch_first=True, device="meta", **stacks)
        sides = ((self.src_embedding, src), (self.tgt_embedding, tgt))
        embedded = [self.dropout(self.positions(embedding(ids))) for embedding, ids in sides]
        read, written = (ids.eq(self.pad) for ids in (src, tgt))  # torch's masks say what is hidden
        hidden = {"src_key_padding_mask": read, "tgt_key_padding_mask": written, "memory_key_padding_mask": read}
        future = causal_mask(tgt.shape[1], tgt.device).logical_not()
        return F.linear(_run(model, self, *embedded, tgt_mask=future, **hidden), self.out.weight, self.out.bias)


def _first(stack: TransformerEncoder | TransformerDecoder) -> Any:
    return stack.layers[0]  # Any: an nn.ModuleList forgets the types of its entries


def _last_norm(layer: _Layer) -> nn.Module | None:
    options = layer.options
    return LayerNorm(options["d_model"], options["layer_norm_eps"]) if options["norm_first"] else None


def _bare_norm(norm: nn.Module | None) -> nn.Module | None:
    return nn.LayerNorm(norm.normalized_shape, norm.eps, device="meta") if isinstance(norm, nn.LayerNorm) else None


def _hidden(mask: Tensor | None, heads: int, q: Tensor, k: Tensor) -> Tensor | None:
    """The mask as nn.MultiheadAttention wants it: (B * heads, T, S), True = may not be attended."""
    if mask is None:
        return None
    mask = mask.unsqueeze(1) if mask.dim() == 3 else mask
    return ~mask.expand(q.shape[0], heads, q.shape[1], k.shape[1]).flatten(0, 1)


def _run(layer: nn.Module, owner: nn.Module, *args: Tensor | None, **kwargs: Tensor | None) -> Tensor:
    """What torch's layer answers with the parameters of `owner`, which it knows under other names."""
    own = dict[str, Tensor](owner.named_parameters())
    for name in [name for name in own if "w_q." in name]:
        own[name] = torch.cat([owner.get_parameter(name.replace("w_q.", f"w_{part}.")) for part in "qkv"])
    renamed = {_torch_name(name): parameter for name, parameter in own.items()}
    weights = {name: renamed[name] for name, _ in layer.named_parameters()}
    out: Tensor = torch.func.functional_call(layer, weights, args, kwargs)
    return out


def _torch_name(name: str) -> str:
    for ours, theirs in _TORCH_NAMES:
        name = name.replace(ours, theirs)
    return name


TRANSFORMER_STAND_INS: Mapping[str, Callable[..., Any]] = MappingProxyType({
    stand_in.__name__: stand_in
    for stand_in in (
        TokenEmbedding, positional_encoding, PositionalEncoding, padding_mask, causal_mask,
        scaled_dot_product_attention, MultiHeadAttention, LayerNorm, FeedForward, EncoderLayer, DecoderLayer,
        TransformerEncoder, TransformerDecoder, Transformer,
    )
})  # fmt: skip
