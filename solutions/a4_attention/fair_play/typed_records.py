"""Style: a software engineer's. NamedTuples for every answer, keyword arguments, small helpers, functools."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from typing import Final, NamedTuple

import torch
from seq2seq import Encoder, masked_ce, shift_targets
from torch import Tensor, nn

PAD: Final = 0
SOS: Final = 1
EOS: Final = 2


class Attended(NamedTuple):
    context: Tensor
    weights: Tensor


class Step(NamedTuple):
    logits: Tensor
    state: Tensor
    weights: Tensor


class Decoded(NamedTuple):
    logits: Tensor
    weights: Tensor


class Encoded(NamedTuple):
    enc_out: Tensor
    state: Tensor
    mask: Tensor


class Translation(NamedTuple):
    ids: Tensor
    attention: Tensor


class Picture(NamedTuple):
    weights: Tensor
    rows: list[str]
    columns: list[str]


def softmax(x: Tensor, dim: int = -1) -> Tensor:
    return torch.exp(x - torch.logsumexp(x, dim=dim, keepdim=True))


def dot_scores(q: Tensor, k: Tensor) -> Tensor:
    queries = q if q.dim() == k.dim() else q.unsqueeze(-2)
    scores = torch.matmul(queries, k.mT)
    return scores if queries is q else scores.squeeze(-2)


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    if mask is None:
        return softmax(scores)
    visible = mask if mask.dim() == scores.dim() else mask.unsqueeze(-2)
    floor = torch.finfo(scores.dtype).min
    return softmax(torch.where(visible, scores, floor)).masked_fill(~visible, 0.0)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, scale: float = 1.0) -> Attended:
    weights = masked_softmax(scores=dot_scores(q=q, k=k) * scale, mask=mask)
    rows = weights if weights.dim() == v.dim() else weights.unsqueeze(-2)
    context = torch.matmul(rows, v)
    return Attended(context=context if rows is weights else context.squeeze(-2), weights=weights)


def score_variance(d: int, scale: float, n: int, generator: torch.Generator | None = None) -> Tensor:
    normal = partial(torch.randn, n, d, generator=generator)
    return torch.var(torch.linalg.vecdot(normal(), normal()).mul(scale), correction=0)


class AdditiveAttention(nn.Module):
    def __init__(self, query_size: int, key_size: int, hidden: int) -> None:
        super().__init__()
        self.w_q = nn.Linear(query_size, hidden, bias=False)
        self.w_k = nn.Linear(key_size, hidden, bias=False)
        self.v = nn.Linear(hidden, 1, bias=False)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Attended:
        energies = self.v(torch.tanh(self.w_q(q)[:, None, :] + self.w_k(k)))
        weights = masked_softmax(scores=energies[:, :, 0], mask=mask)
        return Attended(context=torch.einsum("bs,bsd->bd", weights, v), weights=weights)


class AttnDecoder(nn.Module):
    def __init__(self, vocab: int, embed: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_embeddings=vocab, embedding_dim=embed)
        self.cell = nn.GRUCell(input_size=embed, hidden_size=hidden)
        self.attn_combine = nn.Linear(in_features=2 * hidden, out_features=hidden)
        self.dropout = nn.Dropout(p=dropout)
        self.out = nn.Linear(in_features=hidden, out_features=vocab)

    def _score(self, found: Attended, state: Tensor) -> Tensor:
        return self.out(self.dropout(torch.tanh(self.attn_combine(torch.cat([found.context, state], dim=-1)))))

    def step(self, y: Tensor, state: Tensor, enc_out: Tensor, mask: Tensor | None = None) -> Step:
        after = self.cell(self.embedding(y), state)
        found = Attended(*attend(q=after, k=enc_out, v=enc_out, mask=mask))
        return Step(logits=self._score(found, after), state=after, weights=found.weights)

    def _steps(self, tgt_in: Tensor, state: Tensor, enc_out: Tensor, mask: Tensor | None) -> Iterator[Step]:
        for y in tgt_in.T:
            done = self.step(y, state, enc_out, mask)
            state = done.state
            yield done

    def forward(self, tgt_in: Tensor, state: Tensor, enc_out: Tensor, mask: Tensor | None = None) -> Decoded:
        steps = list(self._steps(tgt_in, state, enc_out, mask))
        return Decoded(
            logits=torch.stack([each.logits for each in steps], dim=1),
            weights=torch.stack([each.weights for each in steps], dim=1),
        )


class AttnSeq2Seq(nn.Module):
    def __init__(self, src_vocab: int, tgt_vocab: int, embed: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = Encoder(vocab=src_vocab, embed=embed, hidden=hidden)
        self.decoder = AttnDecoder(vocab=tgt_vocab, embed=embed, hidden=hidden, dropout=dropout)

    def encode(self, src: Tensor, lengths: Tensor) -> Encoded:
        enc_out, h_n = self.encoder(src, lengths)
        (state,) = h_n.unbind(dim=0)
        return Encoded(enc_out, state, torch.arange(src.size(-1))[None, :] < lengths[:, None])

    def forward(self, src: Tensor, lengths: Tensor, tgt_in: Tensor) -> Decoded:
        source = self.encode(src, lengths)
        return self.decoder(tgt_in=tgt_in, state=source.state, enc_out=source.enc_out, mask=source.mask)


@dataclasses.dataclass
class Trainer:
    model: nn.Module
    optimizer: torch.optim.Optimizer
    max_norm: float | None

    def loss(self, src: Tensor, lengths: Tensor, tgt: Tensor) -> Tensor:
        tgt_in, tgt_out = shift_targets(tgt)
        match self.model(src, lengths, tgt_in):
            case (logits, *_):
                return masked_ce(logits, tgt_out)
            case logits:
                return masked_ce(logits, tgt_out)

    def update(self, loss: Tensor) -> float:
        self.optimizer.zero_grad()
        loss.backward()
        if self.max_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.max_norm)
        self.optimizer.step()
        return loss.item()


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    max_norm: float | None = None,
) -> list[float]:
    trainer = Trainer(model=model.train(), optimizer=optimizer, max_norm=max_norm)
    return [trainer.update(trainer.loss(*batch)) for batch in batches]


@torch.no_grad()
def translate(model: AttnSeq2Seq, src: Tensor, lengths: Tensor, max_len: int) -> Translation:
    source = model.encode(src, lengths)
    state, y = source.state, torch.full((len(src),), SOS)
    ended = torch.zeros(len(src), dtype=torch.bool)
    steps: list[tuple[Tensor, Tensor]] = []
    for _ in range(max_len):
        logits, state, weights = model.decoder.step(y, state, source.enc_out, source.mask)
        y = torch.where(ended, EOS, logits.argmax(dim=-1))  # EOS again and again behind the end
        ended |= y == EOS
        steps.append((y, weights))
    ids, attention = zip(*steps, strict=True)
    ids_tensor = torch.stack(ids, dim=1)
    return Translation(ids=ids_tensor, attention=torch.stack(attention, dim=1))


def attention_map(
    weights: Tensor, src: Tensor, ids: Tensor, src_tokens: Sequence[str], tgt_tokens: Sequence[str]
) -> Picture:
    written = list(takewhile(lambda i: i not in {EOS, PAD}, ids.tolist()))
    read = list(takewhile(lambda i: i != PAD, src.tolist()))
    return Picture(
        weights=weights.detach()[: len(written), : len(read)],
        rows=[tgt_tokens[i] for i in written],
        columns=[src_tokens[i] for i in read],
    )
