# ruff: noqa: T201 - a script that prints
"""The experiments of assignment 4. They call your attention.py; nothing has to be changed, and all of it may be.

- `python experiment.py` trains on dates in three languages and shows what your
  decoder looks at while it writes: a quarter of a minute;
- `python experiment.py length` compares exact match with and without attention,
  by the length of the source: half a minute; it needs all of your seq2seq.py;
- `python experiment.py phrases` translates from English to Korean, word by word,
  and shows which word it looks at: half a minute;
- `python experiment.py variance` shows what large scores do to a softmax: a second.

The seq2seq.py of assignment 3 is looked for in ../a3_seq2seq. The map is drawn as
text; where matplotlib is installed, a picture is written as well.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from course_data import dates as data
from course_data import pairs, phrases
from torch import Tensor

sys.path.append(str(Path(__file__).resolve().parents[1] / "a3_seq2seq"))

Batch = tuple[Tensor, Tensor, Tensor]
"""Sources (B, S), their lengths (B,), targets (B, T)."""
LOCALES, FORMS = ("en_US", "ko_KR", "de_DE"), ("full", "long", "medium")
SOURCE = pairs.Vocabulary(data.characters(LOCALES, FORMS))
TARGET = pairs.Vocabulary(data.ISO_CHARACTERS)
EMBED, HIDDEN = 32, 64
SHADES = " .:-=+*#%@"
HANGUL = ("Noto Sans CJK KR", "Noto Sans CJK JP", "NanumGothic", "Malgun Gothic", "AppleGothic")
"""Fonts that have Korean letters; the first one that is installed is used for pictures."""
SHOWN = ("2019년 2월 15일 금요일", "friday, february 15, 2019", "15. februar 2019")


def encoded(texts: Sequence[tuple[str, str]]) -> Batch:
    """Pairs of a text and its date as ids."""
    src, lengths, tgt = (torch.from_numpy(each) for each in pairs.encoded(texts, SOURCE, TARGET))
    return src, lengths, tgt


def loaded(split: str) -> list[data.Date]:
    """All dates of a split."""
    return data.load(split, LOCALES, FORMS)


def train(model: torch.nn.Module, fit: Callable[..., list[float]]) -> None:
    """Train on 320 batches, the last 100 of them in smaller steps; print how it went."""
    rng = np.random.default_rng(1)
    whole = pairs.encoded([(date.text, date.iso) for date in loaded("train")], SOURCE, TARGET)
    losses: list[float] = []
    for count, rate in ((220, 1e-2), (100, 3e-3)):
        batches: Iterator[Any] = (tuple(map(torch.from_numpy, b)) for b in pairs.batches(whole, 32, count, rng))
        losses += fit(model, batches, torch.optim.Adam(model.parameters(), rate), max_norm=1.0)
    model.eval()
    print(f"loss of the first batch {losses[0]:.2f}, of the last fifty {sum(losses[-50:]) / 50:.3f} nats a character")


def trained_model() -> Any:
    """Your model, trained on dates."""
    from attention import AttnSeq2Seq, fit

    model = AttnSeq2Seq(len(SOURCE), len(TARGET), EMBED, HIDDEN)
    train(model, fit)
    return model


def tokens(vocabulary: pairs.Vocabulary) -> list[str]:
    """The text of every id."""
    return ["<pad>", "<sos>", "<eos>", "<unk>", *vocabulary.tokens]


def attention_of(model: Any, text: str) -> tuple[Tensor, list[str], list[str]]:
    """The map of one date: weights (t, s), what was written, what was read."""
    from attention import attention_map, translate

    src, lengths, _ = encoded([(text, "")])
    ids, attention = translate(model, src, lengths, 12)
    weights, rows, columns = attention_map(attention[0], src[0], ids[0], tokens(SOURCE), tokens(TARGET))
    return weights, rows, columns


def attention() -> None:
    """Train, then show the map of one date in each language."""
    model = trained_model()
    maps = {text: attention_of(model, text) for text in SHOWN}
    for text, (weights, rows, columns) in maps.items():
        print(f"\n{text}   ->   {''.join(rows)}")
        draw_as_text(weights, rows, columns)
    print("\nA row for each character that was written, a column for each that was read; @ is all of the attention.")
    print(draw_as_picture(maps, Path("attention_map.png")))


def draw_as_text(weights: Tensor, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Print a map: Hangul is twice as wide as a digit, so every column is two characters wide."""
    wide = [letter if letter >= "\u1100" else f"{letter} " for letter in columns]
    print("    " + "".join(wide))
    for label, row in zip(rows, weights.tolist(), strict=True):
        shades = [SHADES[min(int(weight * len(SHADES)), len(SHADES) - 1)] * 2 for weight in row]
        print(f"  {label} " + "".join(shades))


def draw_as_picture(maps: Mapping[str, tuple[Tensor, list[str], list[str]]], file: Path, between: str = "") -> str:
    """Write the maps as a picture where matplotlib is installed; return a line about it."""
    try:
        import matplotlib as mpl
    except ImportError:
        return "Install matplotlib to have them as a picture."
    mpl.use("agg")
    from matplotlib import font_manager
    from matplotlib import pyplot as plt

    known = {font.name for font in font_manager.fontManager.ttflist}
    hangul = [name for name in HANGUL if name in known]
    plt.rcParams["font.family"] = [*hangul, "DejaVu Sans"]
    figure, all_axes = plt.subplots(len(maps), 1, figsize=(9, 4 * len(maps)), squeeze=False, layout="constrained")
    for axes, (text, (weights, rows, columns)) in zip(all_axes[:, 0], maps.items(), strict=True):
        image = axes.imshow(weights.numpy(), cmap="magma", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_title(f"{text}  →  {between.join(rows)}")
        axes.set_xlabel("read")
        axes.set_ylabel("written")
        figure.colorbar(image, ax=axes)
    figure.savefig(file, dpi=110)
    plt.close(figure)
    return f"The same as a picture: {file}"


def phrase_map() -> None:
    """Train on phrases in English and Korean, then show the maps of some that training did not see."""
    from attention import AttnSeq2Seq, attention_map, fit, translate

    texts = {split: [(phrases.words(each.english), phrases.words(each.korean)) for each in phrases.load(split)]
             for split in ("train", "test")}  # fmt: skip
    every = [*texts["train"], *texts["test"]]
    english, korean = (pairs.Vocabulary.of(side) for side in zip(*every, strict=True))
    model = AttnSeq2Seq(len(english), len(korean), 48, 96)
    rng = np.random.default_rng(1)
    whole = pairs.encoded(texts["train"], english, korean)
    losses: list[float] = []
    for count, rate in ((500, 1e-2), (200, 2e-3)):
        batches: Iterator[Any] = (tuple(map(torch.from_numpy, b)) for b in pairs.batches(whole, 48, count, rng))
        losses += fit(model, batches, torch.optim.Adam(model.parameters(), rate), max_norm=1.0)
    model.eval()
    src, lengths, tgt = (torch.from_numpy(each) for each in pairs.encoded(texts["test"], english, korean))
    ids, attention = translate(model, src, lengths, tgt.shape[1] - 1)
    width = ids.shape[1]
    right = (ids == tgt[:, 1 : 1 + width]).all(dim=1) & (tgt[:, 1 + width :] == pairs.PAD).all(dim=1)
    print(f"loss of the last fifty batches {sum(losses[-50:]) / 50:.3f} nats a word; "
          f"{right.double().mean():.2f} of {len(right)} unseen phrases are word for word right")  # fmt: skip
    maps = {}
    for place in longest_of_each_kind():
        labels = [tokens(vocabulary) for vocabulary in (english, korean)]
        weights, rows, columns = attention_map(attention[place], src[place], ids[place], *labels)
        maps[phrases.load("test")[place].english] = weights, rows, columns
        print(f"\n{phrases.load('test')[place].english}")
        draw_words(weights, rows, columns)
    print("\nA row for each word that was written, a column for each that was read; @ is all of the attention.")
    print(draw_as_picture(maps, Path("phrases_map.png"), between=" "))


def longest_of_each_kind(most: int = 9) -> list[int]:
    """Places in the test split: of every kind the longest phrase of at most `most` English words."""
    found: dict[str, tuple[int, int]] = {}
    for place, each in enumerate(phrases.load("test")):
        size = len(phrases.words(each.english))
        if size <= most and size > found.get(each.kind, (0, 0))[0]:
            found[each.kind] = size, place
    return [place for _, place in found.values()]


def draw_words(weights: Tensor, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Print a map of words: rows in the order of writing, then one number for each column."""
    for label, row in zip(rows, weights.tolist(), strict=True):
        shades = "".join(SHADES[min(int(weight * len(SHADES)), len(SHADES) - 1)] * 2 for weight in row)
        print(f"  {shades}  {label}  <-  {columns[int(np.argmax(row))]}")


def length() -> None:
    """Train with and without attention; print exact match by the length of the source."""
    from attention import translate
    from seq2seq import Seq2Seq, greedy
    from seq2seq import fit as fit_without

    without = Seq2Seq(len(SOURCE), len(TARGET), EMBED, HIDDEN)
    train(without, fit_without)
    model = trained_model()
    unseen = loaded("test")
    src, lengths, tgt = encoded([(date.text, date.iso) for date in unseen])
    aims = tgt[:, 1:]
    written = {
        "without": greedy(without, src, lengths, aims.shape[1]),
        "with": translate(model, src, lengths, aims.shape[1])[0],
    }
    right = {name: (ids == aims).all(dim=1).tolist() for name, ids in written.items()}
    print(f"\nexact match on {len(unseen)} unseen dates, by the length of the source\n")
    print("characters    dates   without attention   with attention")
    groups = defaultdict[int, list[int]](list)
    for place, date in enumerate(unseen):
        groups[(len(date.text) - 1) // 5].append(place)
    for fifth, places in sorted(groups.items()):
        shares = [sum(right[name][place] for place in places) / len(places) for name in ("without", "with")]
        print(f"{5 * fifth + 1:3} to {5 * fifth + 5:3} {len(places):9}   {shares[0]:17.2f}   {shares[1]:14.2f}")
    print(f"{'all':10} {len(unseen):9}   {np.mean(right['without']):17.2f}   {np.mean(right['with']):14.2f}")


def variance() -> None:
    """Print what the size of keys does to scores, and what the size of scores does to a softmax."""
    from attention import score_variance, softmax

    generator = torch.Generator().manual_seed(1)
    print("variance of the scores of 10,000 pairs, and the largest of 10 weights on average\n")
    print("    d    unscaled    scaled by 1/sqrt(d)    largest weight    scaled")
    for d in (1, 4, 16, 64, 256, 1024):
        scale = d**-0.5
        both = [float(score_variance(d, each, 10_000, generator)) for each in (1.0, scale)]
        scores = torch.randn(2000, 10, generator=generator) * d**0.5  # of this variance, ten at a time
        largest = [softmax(each).amax(dim=-1).mean().item() for each in (scores, scores * scale)]
        print(f"{d:5}  {both[0]:10.2f}  {both[1]:21.2f}  {largest[0]:16.2f}  {largest[1]:8.2f}")


EXPERIMENTS: Mapping[str, Callable[[], None]] = {
    "attention": attention,
    "phrases": phrase_map,
    "length": length,
    "variance": variance,
}


def main(chosen: str = "attention") -> None:
    """Run one experiment; the same numbers every time."""
    if chosen not in EXPERIMENTS:
        sys.exit(f"unknown experiment {chosen!r}; choose one of {', '.join(EXPERIMENTS)}")
    torch.manual_seed(1)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    EXPERIMENTS[chosen]()


if __name__ == "__main__":
    main(*sys.argv[1:2])
