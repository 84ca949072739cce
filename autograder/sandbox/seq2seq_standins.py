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
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

State = Tensor | tuple[Tensor, Tensor]


class _Half(nn.Module):
    """What an encoder and a decoder share: embedding and recurrent layers."""

    def __init__(
        self, vocab: int, embed: int, hidden: int, num_layers: int = 1, kind: str = "gru", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(vocab, embed)
        options = {"num_layers": num_layers, "dropout": dropout, "batch_first": True}
        self.rnn: nn.Module = getattr(nn, kind.upper())(embed, hidden, **options)


class Encoder(_Half):
    """An embedding, and torch's GRU or LSTM over rows of several lengths."""

    def forward(self, src: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
        """All states (B, S, H), and every layer's state behind the last real token of src (B, S)."""
        rows = [row[:length] for row, length in zip(self.embedding(src), lengths.tolist(), strict=True)]
        states, last = self.rnn(pack_sequence(rows, enforce_sorted=False))
        return pad_packed_sequence(states, True, 0.0, src.shape[1])[0], last


class Decoder(_Half):
    """An embedding, torch's GRU or LSTM, and a linear layer to the vocabulary."""

    def __init__(
        self, vocab: int, embed: int, hidden: int, num_layers: int = 1, kind: str = "gru", dropout: float = 0.0
    ) -> None:
        super().__init__(vocab, embed, hidden, num_layers, kind, dropout)
        self.out = torch.nn.Linear(hidden, vocab)

    def step(self, y: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B, V) behind the token y (B,), and the next state."""
        top, after = self.rnn(self.embedding(y[:, None]), state)
        return self.out(top)[:, 0], after


def decode_teacher_forced(decoder: Any, tgt_in: Tensor, state: State) -> Tensor:
    """Logits (B, T, V) of the decoder's steps over given tokens tgt_in (B, T)."""
    logits = []
    for y in tgt_in.unbind(1):
        both = decoder.step(y, state)
        logits.append(both[0][:, None])
        state = both[1]
    return torch.cat(logits, 1)


def shift_targets(tgt: Tensor) -> tuple[Tensor, Tensor]:
    """What is read and what is to be predicted, each (B, T - 1), of tgt (B, T)."""
    steps = tgt.shape[-1] - 1
    return tgt.narrow(-1, 0, steps), tgt.narrow(-1, 1, steps)


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
        sizes = (embed, hidden, num_layers, kind, dropout)
        self.encoder, self.decoder = Encoder(src_vocab, *sizes), Decoder(tgt_vocab, *sizes)

    def forward(
        self, src: Tensor, lengths: Tensor, tgt_in: Tensor, teacher_forcing_ratio: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Logits (B, T, V); each token read is that of tgt_in (B, T) with the given probability, else the argmax."""
        state = self.encoder(src, lengths=lengths)[1]
        coins = torch.rand(tgt_in.shape, generator=generator).to(src.device) < teacher_forcing_ratio
        logits: list[Tensor] = []
        for t, y in enumerate(tgt_in.unbind(1)):
            read = torch.where(coins[:, t], y, logits[-1].argmax(-1)) if logits else y
            both = self.decoder.step(read, state)
            logits, state = [*logits, both[0]], both[1]
        return torch.stack(logits, 1)


SEQ2SEQ_STAND_INS: tuple[Callable[..., Any], ...] = (
    Encoder, Decoder, decode_teacher_forced, shift_targets, masked_ce, Seq2Seq,
)  # fmt: skip
