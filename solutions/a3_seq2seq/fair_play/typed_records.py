"""Style: a software engineer's. NamedTuples, dataclasses, small helpers, keyword arguments everywhere."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Iterator as Stream
from enum import IntEnum
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Special(IntEnum):
    PAD = 0
    SOS = 1
    EOS = 2
    UNK = 3


PAD: Final = int(Special.PAD)
SOS: Final = int(Special.SOS)
EOS: Final = int(Special.EOS)
UNK: Final = int(Special.UNK)


class Encoded(NamedTuple):
    outputs: Tensor
    state: Tensor | tuple[Tensor, Tensor]


class Step(NamedTuple):
    logits: Tensor
    state: Tensor | tuple[Tensor, Tensor]


class Batch(NamedTuple):
    ids: Tensor
    lengths: Tensor
    mask: Tensor


class Shifted(NamedTuple):
    inputs: Tensor
    outputs: Tensor


@dataclasses.dataclass
class Vocab:
    tokens: dataclasses.InitVar[Iterable[str]]
    _names: tuple[str, ...] = dataclasses.field(init=False)
    _ids: Mapping[str, int] = dataclasses.field(init=False)

    def __post_init__(self, tokens: Iterable[str]) -> None:
        unique = tuple(dict.fromkeys(tokens))
        self._names = ("<pad>", "<sos>", "<eos>", "<unk>", *unique)
        self._ids = {name: index for index, name in enumerate(unique, start=len(Special))}

    @property
    def size(self) -> int:
        return len(self._names)

    def encode(self, tokens: Iterable[str], sos: bool = False, eos: bool = False) -> list[int]:
        def stream() -> Stream[int]:
            if sos:
                yield SOS
            yield from (self._ids.get(token, UNK) for token in tokens)
            if eos:
                yield EOS

        return list(stream())

    def decode(self, ids: Iterable[int]) -> list[str]:
        until_end = itertools.takewhile(lambda number: number != EOS, ids)
        return [self._names[number] for number in until_end if number not in (Special.PAD, Special.SOS)]


def pad_batch(sequences: Sequence[Sequence[int]]) -> Batch:
    columns = itertools.zip_longest(*sequences, fillvalue=PAD)
    ids = torch.tensor(list(columns), dtype=torch.int64).T.contiguous()
    lengths = torch.tensor([len(sequence) for sequence in sequences], dtype=torch.int64)
    mask = torch.arange(ids.shape[1]).expand_as(ids) < lengths.unsqueeze(dim=-1)
    return Batch(ids=ids, lengths=lengths, mask=mask)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    vocab: int
    embed: int
    hidden: int
    num_layers: int = 1
    kind: str = "gru"
    dropout: float = 0.0

    def recurrent(self) -> nn.RNNBase:
        kinds: Mapping[str, type[nn.RNNBase]] = {"gru": nn.GRU, "lstm": nn.LSTM}
        return kinds[self.kind](
            input_size=self.embed,
            hidden_size=self.hidden,
            num_layers=self.num_layers,
            dropout=self.dropout,
            batch_first=True,
        )


class _Half(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.embedding = nn.Embedding(num_embeddings=sizes.vocab, embedding_dim=sizes.embed)
        self.rnn = sizes.recurrent()


class Encoder(_Half):
    def __init__(
        self, vocab: int, embed: int, hidden: int, num_layers: int = 1, kind: str = "gru", dropout: float = 0.0
    ) -> None:
        super().__init__(
            Sizes(vocab=vocab, embed=embed, hidden=hidden, num_layers=num_layers, kind=kind, dropout=dropout)
        )

    def forward(self, src: Tensor, lengths: Tensor) -> Encoded:
        packed = pack_padded_sequence(self.embedding(src), lengths, batch_first=True, enforce_sorted=False)
        outputs, state = self.rnn(packed)
        padded, _ = pad_packed_sequence(outputs, batch_first=True, padding_value=7.0, total_length=src.shape[1])
        return Encoded(outputs=padded, state=state)


class Decoder(_Half):
    def __init__(
        self, vocab: int, embed: int, hidden: int, num_layers: int = 1, kind: str = "gru", dropout: float = 0.0
    ) -> None:
        super().__init__(
            Sizes(vocab=vocab, embed=embed, hidden=hidden, num_layers=num_layers, kind=kind, dropout=dropout)
        )
        self.out = nn.Linear(in_features=hidden, out_features=vocab)

    def step(self, y: Tensor, state: Tensor | tuple[Tensor, Tensor]) -> Step:
        hidden, following = self.rnn(self.embedding(y)[:, None, :], state)
        return Step(logits=self.out(hidden[:, -1, :]), state=following)


def decode_teacher_forced(decoder: Decoder, tgt_in: Tensor, state: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    def steps(state: Tensor | tuple[Tensor, Tensor]) -> Stream[Tensor]:
        for column in tgt_in.unbind(dim=1):
            result = decoder.step(y=column, state=state)
            state = result[1]
            yield result[0]

    return torch.stack(tuple(steps(state)), dim=1)


def shift_targets(tgt: Tensor) -> Shifted:
    return Shifted(inputs=tgt[:, :-1], outputs=tgt[:, 1:])


def masked_ce(logits: Tensor, targets: Tensor, pad: int = PAD) -> Tensor:
    real = targets.ne(pad)
    return F.cross_entropy(input=logits[real], target=targets[real], reduction="mean")


class Seq2Seq(nn.Module):
    def __init__(
        self,
        src_vocab: int,
        tgt_vocab: int,
        embed: int,
        hidden: int,
        num_layers: int = 1,
        kind: str = "gru",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        shared = {"embed": embed, "hidden": hidden, "num_layers": num_layers, "kind": kind, "dropout": dropout}
        self.encoder = Encoder(vocab=src_vocab, **shared)
        self.decoder = Decoder(vocab=tgt_vocab, **shared)

    def forward(
        self,
        src: Tensor,
        lengths: Tensor,
        tgt_in: Tensor,
        teacher_forcing_ratio: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        _, state = self.encoder(src=src, lengths=lengths)
        # one coin for the whole call
        coin = torch.rand(size=(), generator=generator).item()
        if coin < teacher_forcing_ratio:
            return decode_teacher_forced(decoder=self.decoder, tgt_in=tgt_in, state=state)
        logits: list[Tensor] = []
        token = tgt_in[:, 0]
        for _ in range(tgt_in.shape[1]):
            step = self.decoder.step(y=token, state=state)
            scores, state = step
            logits.append(scores)
            token = scores.argmax(dim=-1)
        return torch.stack(logits, dim=1)


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    teacher_forcing_ratio: float = 1.0,
    generator: torch.Generator | None = None,
    max_norm: float | None = None,
) -> list[float]:
    def one(src: Tensor, lengths: Tensor, tgt: Tensor) -> float:
        inputs, outputs = shift_targets(tgt)
        optimizer.zero_grad(set_to_none=True)
        logits = model(
            src=src,
            lengths=lengths,
            tgt_in=inputs,
            teacher_forcing_ratio=teacher_forcing_ratio,
            generator=generator,
        )
        loss = masked_ce(logits=logits, targets=outputs)
        loss.backward()
        if max_norm is not None:
            nn.utils.clip_grad_norm_(parameters=model.parameters(), max_norm=max_norm)
        optimizer.step()
        return loss.item()

    model.train(mode=True)
    losses = [one(*batch) for batch in batches]
    model.eval()
    return losses


@torch.no_grad()
def greedy(model: Seq2Seq, src: Tensor, lengths: Tensor, max_len: int) -> Tensor:
    encoded = model.encoder(src=src, lengths=lengths)
    token, state = torch.full((len(src),), SOS), encoded[1]
    written: list[Tensor] = []
    for _ in range(max_len):
        scores, state = model.decoder.step(y=token, state=state)
        token = scores.argmax(dim=-1)
        written.append(token)
    ids = torch.stack(written, dim=1)
    ends = ids.eq(EOS)
    after_the_end = ends.cumsum(dim=1) - ends.long() > 0  # written as if nothing had happened, then blotted out
    return ids.masked_fill(after_the_end, PAD)


class Hypothesis(NamedTuple):
    score: float
    ids: tuple[int, ...]
    state: Tensor | tuple[Tensor, Tensor]

    @property
    def ended(self) -> bool:
        return bool(self.ids) and self.ids[-1] == EOS


class Best(NamedTuple):
    ids: list[int]
    score: float


@torch.no_grad()
def beam_search(model: Seq2Seq, src: Tensor, max_len: int, k: int) -> Best:
    def extended(hypothesis: Hypothesis) -> Stream[Hypothesis]:
        if hypothesis.ended:
            yield hypothesis
            return
        last = torch.tensor([hypothesis.ids[-1] if hypothesis.ids else SOS])
        logits, state = model.decoder.step(y=last, state=hypothesis.state)
        for token, log_p in enumerate(F.log_softmax(logits[0], dim=-1).tolist()):
            yield Hypothesis(hypothesis.score + log_p, (*hypothesis.ids, token), state)

    start = model.encoder(src=src, lengths=torch.tensor([src.shape[1]]))[1]
    beam = [Hypothesis(score=0.0, ids=(), state=start)]
    for _ in range(max_len):
        candidates = itertools.chain.from_iterable(map(extended, beam))
        beam = sorted(candidates, key=lambda hypothesis: hypothesis.score, reverse=True)[:k]
    return Best(ids=list(beam[0].ids), score=beam[0].score)


def bleu(references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]], max_n: int = 4) -> float:
    def grams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
        return Counter(zip(*(tokens[start:] for start in range(n)), strict=False))

    def precision(n: int) -> float:
        pairs = [(grams(r, n), grams(h, n)) for r, h in zip(references, hypotheses, strict=True)]
        total = sum(h.total() for _, h in pairs)
        return sum((r & h).total() for r, h in pairs) / total if total else 0.0

    precisions = [precision(n) for n in range(1, max_n + 1)]
    if not all(precisions):
        return 0.0
    r, c = (sum(len(text) for text in texts) for texts in (references, hypotheses))
    return min(1.0, math.exp(1 - r / c)) * math.prod(precisions) ** (1 / max_n)
