# ruff: noqa: T201 - a script that prints
"""The experiments of assignment 3. They call your seq2seq.py; nothing here has to be changed, and all of it may be.

- `python experiment.py` trains on dates in three languages and shows how much fits into a vector: half a minute;
- `python experiment.py reversal` does so for rows of symbols, with vectors of three sizes: half a minute;
- `python experiment.py forcing` trains with and without the true tokens: half a minute.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from course_data import dates as data
from course_data import reversal as task
from seq2seq import Seq2Seq, Vocab, fit, greedy, masked_ce, pad_batch, shift_targets
from torch import Tensor

Batch = tuple[Tensor, Tensor, Tensor]
"""Sources (B, S), their lengths (B,), targets (B, T)."""
LANGUAGES = ("en_US", "ko_KR", "de_DE")
SHOWN = {"en_US": "English", "ko_KR": "Korean", "de_DE": "German"}
SIZES = (32, 64, 128)
"""Of the state."""


def batch_of(pairs: Sequence[tuple[str, str]], source: Vocab, target: Vocab) -> Batch:
    """Pairs of texts as ids."""
    src, lengths, _ = pad_batch([source.encode(text) for text, _ in pairs])
    tgt, _, _ = pad_batch([target.encode(text, sos=True, eos=True) for _, text in pairs])
    return src, lengths, tgt


def exact(model: Seq2Seq, batch: Batch) -> tuple[Tensor, Tensor]:
    """What the model writes (B, T), and which rows (B,) are right from the first token to the last."""
    src, lengths, tgt = batch
    aims = tgt[:, 1:]  # without SOS
    written = greedy(model, src, lengths, aims.shape[1])  # (B, T)
    return written, (written == aims).all(dim=1)


def filled(text: str, width: int) -> str:
    """The text with spaces behind it up to a width; a Korean letter is as wide as two others."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return text + " " * (width - len(text) - wide)


def trained_on_dates(training: Sequence[data.Date], source: Vocab, target: Vocab, hidden: int) -> Seq2Seq:
    """A model that was trained on 500 batches of dates."""
    torch.manual_seed(1)
    model = Seq2Seq(source.size, target.size, 32, hidden)

    def batches() -> Iterator[Batch]:
        for _ in range(500):
            chosen = [training[i] for i in torch.randint(len(training), (64,)).tolist()]
            yield batch_of([(date.text, date.iso) for date in chosen], source, target)

    losses = fit(model, batches(), torch.optim.Adam(model.parameters(), 8e-3), max_norm=1.0)
    print(f"H = {hidden:3}: from {losses[0]:.2f} to {sum(losses[-50:]) / 50:.2f} nats per character")
    return model


def dates() -> None:
    """Train three sizes of the state on dates of all lengths; print how many they get right, by kind and by length."""
    source, target = Vocab(data.characters(LANGUAGES)), Vocab(data.ISO_CHARACTERS)
    training, unseen = (data.load(split, LANGUAGES) for split in ("train", "test"))
    batch = batch_of([(date.text, date.iso) for date in unseen], source, target)
    results = {H: exact(trained_on_dates(training, source, target, H), batch) for H in SIZES}
    kinds = [f"{SHOWN[date.locale]:8}{date.form}" for date in unseen]
    lengths = [f"{(len(date.text) - 1) // 5 * 5 + 1:2} to {(len(date.text) - 1) // 5 * 5 + 5:2}" for date in unseen]
    print(
        "\nexact match on dates that no language showed in training" + " " * 8 + "".join(f"  H = {H:3}" for H in SIZES)
    )
    for title, groups in (("language and form", kinds), ("characters of the source", lengths)):
        print(f"{title}:")
        for group in sorted(set(groups), key=groups.index if groups is kinds else None):
            rows = torch.tensor([each == group for each in groups])
            example = unseen[groups.index(group)].text
            shares = (right[rows].double().mean().item() for _, right in results.values())
            print(f"  {group:16}{filled(example, 38)}" + "".join(f"{share:9.2f}" for share in shares))
    written, right = results[SIZES[1]]
    print(f"\nwhat H = {SIZES[1]} writes:")
    for index in range(0, len(unseen), len(unseen) // 12):
        text = "".join(target.decode(written[index].tolist()))
        aim = "" if right[index] else f"should be {unseen[index].iso}"
        print(f"  {filled(unseen[index].text, 28)} -> {text:10} {aim}")


def tensors(batch: Sequence[np.ndarray]) -> Batch:
    """A batch as tensors."""
    src, lengths, tgt = map(torch.from_numpy, batch)
    return src, lengths, tgt


def trained_on_reversal(hidden: int, longest: int, ratio: float, steps: int) -> Seq2Seq:
    """A model that was trained to say rows of 1 to `longest` digits backwards."""
    rng = np.random.default_rng(hidden)
    model = Seq2Seq(14, 14, 32, hidden)
    batches = map(tensors, task.reversal_batches(steps, 64, 1, longest, 10, rng))
    generator = torch.Generator().manual_seed(1)
    fit(model, batches, torch.optim.Adam(model.parameters(), 8e-3), ratio, generator, max_norm=1.0)
    return model


def reversal() -> None:
    """Train three sizes of the state on rows of 1 to 8 digits; print the exact match by length."""
    longest = 8
    models = [trained_on_reversal(hidden, longest, 1.0, 400) for hidden in SIZES]
    print("exact match on unseen rows of digits, backwards\n")
    print("length   possible rows" + "".join(f"{f'H = {hidden}':>10}" for hidden in SIZES))
    for length in range(1, longest + 1):
        batch = tensors(task.reversal(500, length, length, 10, np.random.default_rng(0)))
        shares = [exact(model, batch)[1].double().mean().item() for model in models]
        print(f"{length:6} {10**length:15,}" + "".join(f"{share:10.2f}" for share in shares))


def forcing() -> None:
    """Train on rows of 1 to 5 digits with several ratios; print what reading the true tokens hides."""
    print("ratio   loss with the true tokens   exact match of what it writes by itself")
    batch = tensors(task.reversal(500, 5, 5, 10, np.random.default_rng(0)))
    src, lengths, tgt = batch
    tgt_in, tgt_out = shift_targets(tgt)
    for ratio in (1.0, 0.5, 0.0):
        model = trained_on_reversal(64, 5, ratio, 300)
        loss = masked_ce(model(src, lengths, tgt_in), tgt_out).item()
        print(f"{ratio:5.1f} {loss:27.3f} {exact(model, batch)[1].double().mean().item():41.2f}")


EXPERIMENTS: Mapping[str, Callable[[], None]] = {"dates": dates, "reversal": reversal, "forcing": forcing}


def main(chosen: str = "dates") -> None:
    """Run one experiment; the same numbers every time."""
    if chosen not in EXPERIMENTS:
        sys.exit(f"unknown experiment {chosen!r}; choose one of {', '.join(EXPERIMENTS)}")
    torch.manual_seed(1)
    torch.set_num_threads(1)
    EXPERIMENTS[chosen]()


if __name__ == "__main__":
    main(*sys.argv[1:2])
