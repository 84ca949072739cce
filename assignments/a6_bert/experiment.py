# ruff: noqa: T201 - a script that prints
"""The experiments of assignment 6. They call your bert.py; nothing here has to be changed, and all of it may be.

- `python experiment.py` pre-trains a small BERT on days in eleven languages, teaches it and an untrained one to name
  the language of a day, with few labels and with more, and prints how often each is right;
- `python experiment.py pieces` prints the pieces of some words;
- `python experiment.py hide` prints what pre-training hides;
- `python experiment.py fill` lets the pre-trained model guess hidden words (needs the bonus 4.4);
- `python experiment.py documents` pre-trains on real documents, the reference manual of Python, and prints what it
  learns of both tasks in so short a time.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parent.parent / "a5_transformer"))  # your transformer.py, if it lies there

import bert
import numpy as np
from course_data import calendar_words, manual
from torch import Tensor, nn

SMALL = {"d_model": 32, "heads": 4, "d_ff": 64, "num_layers": 1}
Rows = tuple[Tensor, Tensor, Tensor]
Pair = tuple[list[int], list[int], int]


def fresh(model: nn.Module, seed: int) -> nn.Module:
    """The model with first weights. 0.02 is made for d = 768; a model as narrow as these begins better with 0.12."""
    bert.init_weights(model, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(6)
    return model


def stacked(texts: Sequence[tuple[list[int], list[int] | None]], width: int) -> Rows:
    """Ids, segments and mask of some texts, one row each."""
    ids, segments, mask = (
        torch.stack(rows) for rows in zip(*(bert.build_pair(a, b, width) for a, b in texts), strict=True)
    )
    longest = int(mask.sum(dim=1).max())
    return ids[:, :longest], segments[:, :longest], mask[:, :longest]


def reading(documents: Sequence[list[list[int]]], vocab: int, size: int, width: int) -> Iterator[tuple[Tensor, ...]]:
    """Batches to pre-train on, without end: new pairs and new masks in every round."""
    generator = torch.Generator().manual_seed(1)
    while True:
        pairs: list[Pair] = bert.next_sentence_pairs(documents, generator)
        order = torch.randperm(len(pairs), generator=generator).tolist()
        for start in range(0, len(order) - size + 1, size):
            part = [pairs[i] for i in order[start : start + size]]
            ids, segments, mask = stacked([(a, b) for a, b, _ in part], width)
            inputs, labels = bert.mask_tokens(ids, vocab, generator)
            yield inputs, segments, mask, labels, torch.tensor([label for *_, label in part])


def fitted(model: nn.Module, batches: Iterator[tuple[Tensor, ...]], steps: int, peak: float) -> list[float]:
    """Train with your `fit` and `linear_rate`; the losses."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=0.01)
    rates = [bert.linear_rate(step, steps, steps // 10, peak) for step in range(1, steps + 1)]
    return bert.fit(model, [next(batches) for _ in range(steps)], optimizer, rates)


def pretrained_on_days() -> nn.Module:
    """A BERT that has read days in eleven languages."""
    vocab = len(calendar_words.vocabulary())
    documents = list(calendar_words.documents(calendar_words.load("train"), np.random.default_rng(1)))
    model = fresh(bert.BertForPreTraining(vocab, **SMALL), 1)
    losses = fitted(model, reading(documents, vocab, 32, 32), 450, 5e-3)
    print(f"pre-training: loss {np.mean(losses[:20]):.2f} at first, {np.mean(losses[-20:]):.2f} at last")
    return model


def share_named(model: nn.Module, days: Sequence[tuple[list[int], int]]) -> float:
    """How many days the model tells by their language."""
    model.eval()
    with torch.no_grad():
        answers = model(*stacked([(ids, None) for ids, _ in days], 32)).argmax(dim=1)
    return float((answers == torch.tensor([label for _, label in days])).double().mean())


def labelled(days: Sequence[tuple[list[int], int]], rng: np.random.Generator) -> Iterator[tuple[Tensor, ...]]:
    """Batches of labelled days, without end."""
    while True:
        part = [days[i] for i in rng.permutation(len(days))[:32].tolist()]
        yield *stacked([(ids, None) for ids, _ in part], 32), torch.tensor([label for _, label in part])


def show_that_it_pays() -> None:
    """Fine-tuning with and without pre-training, on days of January and February, tried on the other months."""
    pretrained = pretrained_on_days()
    train, test = calendar_words.load("train"), calendar_words.load("test")
    unseen = calendar_words.labelled(test, np.random.default_rng(0), range(3, 13), 100)
    print("\nlabels of each    with pre-training      without               (mean of three draws, lowest to highest)")
    for labels in (1, 2, 4, 8, 16):
        shares: dict[bool, list[float]] = {True: [], False: []}
        for seed in range(3):
            few = calendar_words.labelled(train, np.random.default_rng(seed), (1, 2), labels)
            for ready, found in shares.items():
                model = bert.BertForClassification(11, len(calendar_words.vocabulary()), **SMALL)
                fresh(model, seed)
                if ready:
                    bert.load_pretrained(model, pretrained.state_dict())
                fitted(model, labelled(few, np.random.default_rng(seed)), 50, 3e-3)
                found.append(share_named(model, unseen))
        cells = (f"{np.mean(found):.0%} ({min(found):.0%} to {max(found):.0%})" for found in shares.values())
        print(f"{labels:14d}", *(f"{cell:19}" for cell in cells), sep="    ")


def show_pieces() -> None:
    """Some words of real text, and what they are made of."""
    names = {number: piece for piece, number in manual.vocabulary().items()}
    for word in ("objects", "subclassing", "unpacking", "reimplemented", "garbage", "generators", "übung"):
        print(f"{word:16}", *(names[number] for number in bert.wordpiece(word, manual.vocabulary())))


def show_hidden() -> None:
    """What is hidden of a day, five times."""
    names = {number: piece for piece, number in calendar_words.vocabulary().items()}
    day = calendar_words.encode("wednesday, february 24")
    ids, _, _ = stacked([(day, calendar_words.encode("tuesday, may 4"))], 32)
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        inputs, labels = bert.mask_tokens(ids, len(names), generator)
        hidden = [names[number] for number in labels[0].tolist() if number != bert.IGNORE]
        print(*(names[number] for number in inputs[0].tolist()), "    to predict:", *hidden)


def show_filled() -> None:
    """Hidden words, and what the model writes in their place."""
    model, names = pretrained_on_days(), {number: piece for piece, number in calendar_words.vocabulary().items()}
    for text, word in (
        ("freitag, 15. februar", "februar"),
        ("2월 15일 금요일", "월"),
        ("vendredi 15 février", "février"),
    ):
        ids, segments, mask = stacked([(calendar_words.encode(text), None)], 32)
        inputs = ids.masked_fill(torch.isin(ids, torch.tensor(calendar_words.encode(word))), bert.MASK)
        filled = bert.fill_masks(model, inputs, segments, mask)
        for row in (inputs, filled):
            print(*(names[number] for number in row[0].tolist()))


def show_documents() -> None:
    """Both tasks on real documents, tried on documents that the model has not read."""
    vocab = manual.vocabulary()
    read, unseen = (
        [
            [[i for word in manual.words(text) for i in bert.wordpiece(word, vocab)] for text in document]
            for document in side
        ]
        for side in (manual.documents("train"), manual.documents("test"))
    )
    model = fresh(bert.BertForPreTraining(len(vocab), 64, 4, 128, 2), 1)
    inputs, segments, mask, labels, follows = next(reading(unseen, len(vocab), 256, 64))
    hidden = labels != bert.IGNORE
    counts = 1.0 + torch.bincount(
        torch.tensor([i for document in read for text in document for i in text]), minlength=len(vocab)
    )
    frequencies = (counts / counts.sum()).log()
    guess = -float(frequencies[labels[hidden]].mean())
    print(f"by frequency    pieces {guess:.2f} nats              pairs {math.log(2):.2f} nats, 50% right")
    for steps in (0, 400):
        if steps:
            fitted(model, reading(read, len(vocab), 32, 64), steps, 2e-3)
        model.eval()
        with torch.no_grad():
            answers = model(inputs, segments, mask)
        found = []
        for logits, due in ((answers[0][hidden], labels[hidden]), (answers[1], follows)):
            right = float((logits.argmax(dim=-1) == due).double().mean())
            found.append(f"{float(nn.functional.cross_entropy(logits, due)):.2f} nats, {right:3.0%} right")
        print(f"{steps:3d} batches     pieces {found[0]}   pairs {found[1]}")


SHOWN = {
    "pieces": show_pieces,
    "hide": show_hidden,
    "fill": show_filled,
    "documents": show_documents,
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    SHOWN[sys.argv[1]]() if len(sys.argv) > 1 else show_that_it_pays()
