"""Stand-ins for the parts of a sequence-to-sequence model: torch's own layers behind the course's names.

See standins.py. Shapes: B batch, S source, T target, H hidden, L layers, V vocabulary. A state is torch's: h (L, B, H)
for "gru", the pair (h, c) for "lstm". Padding is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

State = Tensor | tuple[Tensor, Tensor]


class _Half(nn.Module):
    """What an encoder and a decoder share: embedding and recurrent layers."""

    def __init__(
        self, vocab: int, embed: int, hidden: int, num_layers: int = 1, kind: str = "gru", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(vocab, embed)
        layers = nn.LSTM if kind == "lstm" else nn.GRU
        self.rnn: nn.Module = layers(embed, hidden, num_layers, batch_first=True, dropout=dropout)


class Encoder(_Half):
    """An embedding and torch's GRU or LSTM over packed sources."""

    def forward(self, src: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
        """All states (B, S, H), and every layer's state behind the last real token of src (B, S)."""
        packed = pack_padded_sequence(self.embedding(src), lengths.cpu(), batch_first=True, enforce_sorted=False)
        out, state = self.rnn(packed)
        return pad_packed_sequence(out, batch_first=True, total_length=src.shape[1])[0], state


class Decoder(_Half):
    """An embedding, torch's GRU or LSTM, and a linear layer to the vocabulary."""

    def __init__(
        self, vocab: int, embed: int, hidden: int, num_layers: int = 1, kind: str = "gru", dropout: float = 0.0
    ) -> None:
        super().__init__(vocab, embed, hidden, num_layers, kind, dropout)
        self.out = torch.nn.Linear(hidden, vocab)

    def step(self, y: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B, V) behind the token y (B,), and the next state."""
        out, state = self.rnn(self.embedding(y)[:, None], state)
        return self.out(out[:, 0]), state


def decode_teacher_forced(decoder: Any, tgt_in: Tensor, state: State) -> Tensor:
    """Logits (B, T, V) of the decoder's steps over given tokens tgt_in (B, T)."""
    logits = []
    for y in tgt_in.unbind(1):
        scores, state = decoder.step(y, state)
        logits.append(scores)
    return torch.stack(logits, 1)


def shift_targets(tgt: Tensor) -> tuple[Tensor, Tensor]:
    """What is read and what is to be predicted, each (B, T - 1), of tgt (B, T)."""
    return tgt[:, :-1], tgt[:, 1:]


def masked_ce(logits: Tensor, targets: Tensor, pad: int = 0) -> Tensor:
    """Mean cross-entropy () of logits (B, T, V) over the targets (B, T) that are not `pad`."""
    return F.cross_entropy(logits.movedim(-1, 1), targets, ignore_index=pad)


class Seq2Seq(nn.Module):
    """The stand-ins of encoder and decoder, one state between them."""

    def __init__(
        self, src_vocab: int, tgt_vocab: int, embed: int, hidden: int, num_layers: int = 1, kind: str = "gru",
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder = Encoder(src_vocab, embed, hidden, num_layers, kind, dropout)
        self.decoder = Decoder(tgt_vocab, embed, hidden, num_layers, kind, dropout)

    def forward(
        self, src: Tensor, lengths: Tensor, tgt_in: Tensor, teacher_forcing_ratio: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Logits (B, T, V); each token read is that of tgt_in (B, T) with the given probability, else the argmax."""
        _, state = self.encoder(src, lengths)
        coins = torch.rand(tgt_in.shape, generator=generator).to(src.device) < teacher_forcing_ratio
        logits: list[Tensor] = []
        for t, y in enumerate(tgt_in.unbind(1)):
            read = torch.where(coins[:, t], y, logits[-1].argmax(-1)) if logits else y
            scores, state = self.decoder.step(read, state)
            logits.append(scores)
        return torch.stack(logits, 1)


SEQ2SEQ_STAND_INS: tuple[Callable[..., Any], ...] = (
    Encoder, Decoder, decode_teacher_forced, shift_targets, masked_ce, Seq2Seq,
)  # fmt: skip
