"""From sequence to sequence: what a fixed vector holds, what attention adds, what a Transformer needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from autograder.comparison.records import Claim, Curve, Measured, Plot, among, held, strength, weakness
from autograder.comparison.training import Batch, exact_match, seeded, tensors
from autograder.comparison.works import Works

EMBED = 32
LONGEST = 10
STATES = (32, 128)
LOCALES, FORMS = ("en_US", "ko_KR", "de_DE"), ("full", "long", "medium")


def vector(works: Works) -> Measured:
    """Rows of 1 to 10 digits, said backwards by two sizes of a Seq2Seq: exact match on unseen rows, by length."""
    seq2seq = works.module("a3_seq2seq", "seq2seq")
    from course_data import reversal as task

    lengths = tuple(range(1, LONGEST + 1))
    shares: dict[int, tuple[float, ...]] = {}
    for hidden in STATES:
        rng = seeded(hidden)
        model = seq2seq.Seq2Seq(14, 14, EMBED, hidden)
        batches = map(tensors, task.reversal_batches(450, 64, 1, LONGEST, 10, rng))
        seq2seq.fit(model, batches, torch.optim.Adam(model.parameters(), 8e-3), max_norm=1.0)
        model.eval()
        shares[hidden] = tuple(_reversed_right(seq2seq, model, length) for length in lengths)
    small, large = (shares[hidden] for hidden in STATES)
    ends = [f"{found[1]:.0%} at length 2, {found[-1]:.0%} at length {LONGEST}" for found in (small, large)]
    figure = f"exact match with {STATES[0]} numbers: {ends[0]}; with {STATES[1]}: {ends[1]}"
    middle = LONGEST // 2
    claims = (
        weakness("Seq2Seq", "long inputs suffer", held(large[-1] < 0.5 * large[1]), figure),
        weakness(
            "Seq2Seq",
            "the fixed vector is a bottleneck",
            held(large[middle - 1] > small[middle - 1] + 0.1),
            f"at length {middle}, {STATES[0]} numbers give {small[middle - 1]:.0%}, {STATES[1]} give"
            f" {large[middle - 1]:.0%}",
        ),
    )
    plot = Plot(
        "What a fixed vector holds",
        "digits to be said backwards",
        "exact match on unseen rows",
        tuple(Curve(f"vector of {hidden} numbers", lengths, shares[hidden]) for hidden in STATES),
        f"A Seq2Seq that saw rows of 1 to {LONGEST} digits: 450 batches of 64.",
    )
    return Measured(claims, (plot,))


def _reversed_right(seq2seq: Any, model: nn.Module, length: int) -> float:
    from course_data import reversal as task

    src, lengths, tgt = tensors(task.reversal(300, length, length, 10, np.random.default_rng(0)))
    written = seq2seq.greedy(model, src, lengths, length + 1)
    return exact_match(written, tgt[:, 1:], 2).double().mean().item()


def attention(works: Works) -> Measured:
    """Dates in three languages to ISO 8601, with attention and without, trained alike: exact match by source length."""
    seq2seq, attending = works.module("a3_seq2seq", "seq2seq"), works.module("a4_attention", "attention")
    dates = _Dates()
    unseen = dates.batch("test")
    src, lengths, tgt = unseen
    rng = seeded(1)
    without = seq2seq.Seq2Seq(dates.sources, dates.targets, EMBED, 64)
    _train(without, partial(seq2seq.fit, max_norm=1.0), partial(dates.batches, "train", rng))
    rng = seeded(1)
    looking = attending.AttnSeq2Seq(dates.sources, dates.targets, EMBED, 64)
    _train(looking, partial(attending.fit, max_norm=1.0), partial(dates.batches, "train", rng))
    width = tgt.shape[1] - 1
    right = {
        "without attention": exact_match(seq2seq.greedy(without.eval(), src, lengths, width), tgt[:, 1:], 2),
        "with attention": exact_match(attending.translate(looking.eval(), src, lengths, width)[0], tgt[:, 1:], 2),
    }
    edges = (0, 12, 16, 20, 24, 99)
    groups = [(lengths > low) & (lengths <= high) for low, high in pairwise(edges)]
    used = [group for group in groups if group.sum() >= 10]
    middles = tuple(lengths[group].double().mean().item() for group in used)
    plot = Plot(
        "Dates to ISO 8601",
        "characters of the date in words (mean of a group)",
        "exact match on unseen dates",
        tuple(
            Curve(name, middles, tuple(hits[group].double().mean().item() for group in used))
            for name, hits in right.items()
        ),
        "English, Korean and German; 320 batches of 32, the same for both.",
    )
    overall = {name: hits.double().mean().item() for name, hits in right.items()}
    claims = (
        strength(
            "Seq2Seq",
            "input and output may differ in length",
            held(bool(right["with attention"][lengths != width - 1].double().mean() > 0.5)),
            f"sources of {int(lengths.min())} to {int(lengths.max())} characters become {width - 1}; with attention,"
            f" {overall['with attention']:.0%} of them exactly",
        ),
        strength(
            "Seq2Seq",
            "with attention, the decoder looks back, and long inputs no longer suffer",
            held(overall["with attention"] > 2 * overall["without attention"] and plot.curves[1].y[-1] > 0.5),
            f"exact match on {len(lengths)} unseen dates: {overall['with attention']:.0%} with attention,"
            f" {overall['without attention']:.0%} without; of the longest,"
            f" {plot.curves[1].y[-1]:.0%} against {plot.curves[0].y[-1]:.0%}",
        ),
    )
    return Measured(claims, (plot,))


def _train(model: nn.Module, fit: Callable[..., object], batches: Callable[[int], Iterator[Batch]]) -> None:
    for count, rate in ((220, 1e-2), (100, 3e-3)):
        fit(model, batches(count), torch.optim.Adam(model.parameters(), rate))


class _Dates:
    """Dates as ids."""

    def __init__(self) -> None:
        from course_data import dates as data
        from course_data import pairs

        self._data, self._pairs = data, pairs
        self._source = pairs.Vocabulary(data.characters(LOCALES, FORMS))
        self._target = pairs.Vocabulary(data.ISO_CHARACTERS)
        self.sources, self.targets = len(self._source), len(self._target)

    def batch(self, split: str, most: int | None = None) -> Batch:
        """Sources (B, S), lengths (B,), targets (B, T) of a split, or of `most` of its dates."""
        return tensors(self._encoded(split, most))

    def batches(
        self, split: str, rng: np.random.Generator, count: int, most: int | None = None, size: int = 32
    ) -> Iterator[Batch]:
        """`count` batches of `size`."""
        return map(tensors, self._pairs.batches(self._encoded(split, most), size, count, rng))

    def _encoded(self, split: str, most: int | None) -> Any:
        found = self._data.load(split, LOCALES, FORMS)
        if most is not None:  # spread over languages and forms, the same ones every time
            found = [found[index] for index in np.random.default_rng(0).permutation(len(found))[:most]]
        return self._pairs.encoded([(date.text, date.iso) for date in found], self._source, self._target)


AMOUNTS = (100, 300, 1000, 3600)
WIDTHS = (16, 64)


def data(works: Works) -> Measured:
    """Dates again, from 100 to all of the training set: a Transformer and the recurrent model with attention."""
    attending, transformer = works.module("a4_attention", "attention"), works.module("a5_transformer", "transformer")
    dates = _Dates()

    def recurrent(amount: int) -> float:
        rng = seeded(1)
        model = attending.AttnSeq2Seq(dates.sources, dates.targets, EMBED, 64)
        _train(model, partial(attending.fit, max_norm=1.0), partial(dates.batches, "train", rng, most=amount))
        src, lengths, tgt = dates.batch("test")
        written = attending.translate(model.eval(), src, lengths, tgt.shape[1] - 1)[0]
        return exact_match(written, tgt[:, 1:], 2).double().mean().item()

    def parallel(amount: int, width: int = 64) -> float:
        rng = seeded(1)
        model = transformer.Transformer(dates.sources, dates.targets, width, 4, 2 * width, 2)
        pairs = ((src, tgt) for src, _, tgt in dates.batches("train", rng, 500, most=amount))
        adam = torch.optim.Adam(model.parameters(), 1.0, betas=(0.9, 0.98), eps=1e-9)
        transformer.fit(model, pairs, adam, 0, warmup=100, factor=0.5)
        src, _, tgt = dates.batch("test")
        written = transformer.greedy_decode(model, src, 1, 2, tgt.shape[1] - 1)
        return exact_match(written, tgt[:, 1:], 2).double().mean().item()

    found = {
        "recurrent with attention": tuple(map(recurrent, AMOUNTS)),
        "Transformer": tuple(map(parallel, AMOUNTS)),
    }
    narrow = parallel(AMOUNTS[-1], WIDTHS[0])
    return Measured(_of_data(found, narrow), (_amounts(found),))


def _amounts(found: dict[str, tuple[float, ...]]) -> Plot:
    return Plot(
        "Dates to ISO 8601, by the number of dates to learn from",
        "dates in training",
        "exact match on unseen dates",
        tuple(Curve(name, AMOUNTS, shares) for name, shares in found.items()),
        "The same number of steps at every amount.",
        log_x=True,
    )


def _of_data(found: dict[str, Sequence[float]] | dict[str, tuple[float, ...]], narrow: float) -> tuple[Claim, ...]:
    ours, theirs = found["Transformer"], found["recurrent with attention"]
    behind = [mine < other - 0.05 for mine, other in zip(ours, theirs, strict=True)]
    figures = "; ".join(f"{name}: {', '.join(f'{share:.0%}' for share in shares)}" for name, shares in found.items())
    return (
        weakness(
            "Transformer",
            "needs much data",
            among(ours[0] < 0.5 * ours[-1], any(behind[:2]) and not behind[-1]),
            f"exact match from {', '.join(map(str, AMOUNTS))} dates: {figures}",
        ),
        strength(
            "Transformer",
            "scales: a larger one is better",
            held(ours[-1] > narrow + 0.05),
            f"exact match {narrow:.0%} with d_model {WIDTHS[0]}, {ours[-1]:.0%} with {WIDTHS[1]}",
        ),
    )
