"""BERT: what pre-training on text without labels is worth for a task with few of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autograder.comparison.records import Claim, Curve, Measured, Plot, among, held, strength, weakness
from autograder.comparison.training import Batch, count_parameters, seeded
from autograder.comparison.works import Works

SIZES = {"d_model": 48, "heads": 4, "d_ff": 96, "num_layers": 2}
LENGTH = 32
LABELS = (1, 2, 4, 16)
"""Labelled texts of each language."""
TAUGHT, ASKED = range(1, 7), range(7, 13)
"""Months whose texts are labelled in training, and months whose texts are asked: words that no label was given for."""
PRETRAINING, TUNING = 1500, 60


def pretraining(works: Works) -> Measured:
    """Days in eleven languages: pre-trained on all months without labels, taught the language on half of them."""
    lab = _Lab(works)
    ready = lab.pretrained()
    few: dict[str, Callable[[int], nn.Module]] = {
        "pre-trained, then all weights tuned": lambda n: lab.tuned(lab.classifier(ready), lab.languages(TAUGHT, n)),
        "pre-trained, only the new head tuned": lambda n: lab.tuned(
            lab.classifier(ready), lab.languages(TAUGHT, n), frozen=True
        ),
        "not pre-trained": lambda n: lab.tuned(lab.classifier(None), lab.languages(TAUGHT, n)),
    }
    asked = lab.languages(ASKED, 40)
    right = {name: tuple(lab.right(tune(n), asked) for n in LABELS) for name, tune in few.items()}
    taught = lab.tuned(lab.classifier(ready, 12), lab.months("train", 1200), steps=300)
    months = lab.right(taught, lab.months("test", 300))
    plot = Plot(
        "Which language is this day in?",
        "labelled texts of each language",
        "right, in months that no label was given for",
        tuple(Curve(name, LABELS, shares) for name, shares in right.items()),
        f"{PRETRAINING} batches of pre-training on texts without labels, then {TUNING} with labels.",
        log_x=True,
    )
    return Measured((*_claims(right, months), *lab.sides(ready), lab.size()), (plot,))


def _claims(right: dict[str, tuple[float, ...]], months: float) -> tuple[Claim, ...]:
    tuned, frozen, fresh = right.values()
    shares = "; ".join(f"{name}: {', '.join(f'{share:.0%}' for share in found)}" for name, found in right.items())
    figure = f"right with {', '.join(map(str, LABELS))} labelled texts of each language: {shares}"
    return (
        strength("BERT", "pre-training pays where labels are few", among(*_ahead(tuned, fresh)), figure),
        strength(
            "BERT",
            "one model for many tasks",
            held(tuned[-1] > 0.5 and months > 0.5),
            f"tuned from the same weights, it names the language ({tuned[-1]:.0%} right) and the month ({months:.0%})",
        ),
        weakness("BERT", "needs fine-tuning", among(*_ahead(tuned, frozen)), figure),
    )


def _ahead(ours: Sequence[float], theirs: Sequence[float]) -> list[bool]:
    return [mine > other + 0.02 for mine, other in zip(ours, theirs, strict=True)]


class _Lab:
    """Models and data of one measurement."""

    def __init__(self, works: Works) -> None:
        self.bert = works.module("a6_bert", "bert")
        from course_data import calendar_words

        self.data = calendar_words
        self.vocab = len(calendar_words.vocabulary())

    def pretrained(self) -> nn.Module:
        """A model after pre-training on the train split."""
        rng = seeded(1)
        model: nn.Module = self.bert.BertForPreTraining(self.vocab, **SIZES, max_len=LENGTH)
        self.bert.init_weights(model, torch.Generator().manual_seed(1))
        rates = [self.bert.linear_rate(step, PRETRAINING, 50, 3e-3) for step in range(1, PRETRAINING + 1)]
        self.bert.fit(model, self._masked(rng), torch.optim.AdamW(model.parameters(), 1e-3), rates)
        return model.eval()

    def _masked(self, rng: np.random.Generator) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(2)
        pairs: list[Any] = []
        for _ in range(PRETRAINING):
            while len(pairs) < 32:
                documents = list(self.data.documents(self.data.load("train"), rng))
                drawn = self.bert.next_sentence_pairs(documents, generator)
                pairs += [drawn[index] for index in rng.permutation(len(drawn)).tolist()]
            chosen, pairs = pairs[:32], pairs[32:]
            rows = [self.bert.build_pair(a, b, LENGTH) for a, b, _ in chosen]
            ids, segments, mask = (torch.stack(each) for each in zip(*rows, strict=True))
            inputs, labels = self.bert.mask_tokens(ids, self.vocab, generator)
            yield inputs, segments, mask, labels, torch.tensor([label for _, _, label in chosen])

    def classifier(self, pretrained: nn.Module | None, classes: int = 11) -> nn.Module:
        """A model with a new head, on pre-trained weights where there are some."""
        seeded(3)
        model: nn.Module = self.bert.BertForClassification(classes, self.vocab, **SIZES, max_len=LENGTH)
        self.bert.init_weights(model, torch.Generator().manual_seed(3))
        if pretrained is not None:
            self.bert.load_pretrained(model, pretrained.state_dict())
        return model

    def languages(self, months: Sequence[int], most: int) -> Batch:
        """Texts of these months with their languages, at most so many of each language."""
        days = self.data.load("train" if months is TAUGHT else "test")
        return self._rows(self.data.labelled(days, np.random.default_rng(4), months, most))

    def months(self, split: str, most: int) -> Batch:
        """Texts of a split with their months."""
        days = self.data.load(split)
        chosen = [days[index] for index in np.random.default_rng(5).permutation(len(days))[:most].tolist()]
        return self._rows([(self.data.encode(day.text), day.month - 1) for day in chosen])

    def _rows(self, pairs: Sequence[tuple[list[int], int]]) -> Batch:
        rows = [self.bert.build_pair(ids, None, LENGTH) for ids, _ in pairs]
        return (*(torch.stack(each) for each in zip(*rows, strict=True)), torch.tensor([label for _, label in pairs]))

    def tuned(self, model: nn.Module, rows: Batch, *, frozen: bool = False, steps: int = TUNING) -> nn.Module:
        """The model after so many batches of labelled texts; with `frozen`, only its head has learned."""
        rng = seeded(6)
        learning = model.classifier if frozen else model
        optimizer = torch.optim.AdamW(learning.parameters(), 2e-2 if frozen else 2e-3)  # type: ignore[union-attr]
        drawn = (torch.from_numpy(rng.integers(len(rows[0]), size=32)) for _ in range(steps))
        self.bert.fit(model, (tuple(part[chosen] for part in rows) for chosen in drawn), optimizer)
        return model.eval()

    def right(self, model: nn.Module, rows: Batch) -> float:
        """The share of texts whose class is the likeliest."""
        with torch.no_grad():
            guess: Tensor = model(*rows[:3]).argmax(dim=-1)
        return (guess == rows[3]).double().mean().item()

    def sides(self, model: nn.Module) -> tuple[Claim, ...]:
        """How often the pre-trained model finds a hidden piece when it sees both sides of it, or one."""
        ids, segments, mask, _ = self.months("test", 200)
        seen: dict[str, list[bool]] = {"both sides": [], "the left alone": [], "the right alone": []}
        places = torch.arange(ids.shape[1])
        with torch.no_grad():
            for place in range(1, int(mask.sum(dim=1).min()) - 1):  # between [CLS] and the [SEP] of the shortest text
                hidden = ids.clone()
                hidden[:, place] = self.bert.MASK
                for name, shown in (
                    ("both sides", places >= 0),
                    ("the left alone", places <= place),
                    ("the right alone", places >= place),
                ):
                    logits: Tensor = model(hidden, segments, mask & shown)[0][:, place]
                    seen[name] += (logits.argmax(dim=-1) == ids[:, place]).tolist()
        shares = {name: sum(hits) / len(hits) for name, hits in seen.items()}
        both, *one = shares.values()
        figure = "hidden pieces that it finds: " + ", ".join(
            f"{share:.0%} from {name}" for name, share in shares.items()
        )
        verdict = among(*(both > share + 0.02 for share in one))
        return (strength("BERT", "understands context from both sides", verdict, figure),)

    def size(self) -> Claim:
        """How large it is beside a recurrent classifier of the same vocabulary and width."""
        parameters = count_parameters(self.classifier(None))
        width = SIZES["d_model"]
        recurrent = self.vocab * width + count_parameters(nn.GRU(width, width)) + 11 * (width + 1)
        return weakness(
            "BERT",
            "large",
            held(parameters > 1.5 * recurrent),
            f"{parameters:,} parameters with {SIZES['num_layers']} layers of width {width}, against {recurrent:,} of a"
            " recurrent classifier of one layer of this width",
        )
