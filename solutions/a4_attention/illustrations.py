"""What the page of a submission shows beside the checks: where the trained decoder looks while it writes a date."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks import Draw, load, map_of, state
from autograder.records import Picture

LOCALES, FORMS = ("en_US", "ko_KR", "de_DE"), ("full", "long", "medium")
READ, WRITTEN = "friday, february 15, 2019", "2019-02-15"
"""An example of the handout's experiment, which is in nobody's test."""


def learns_dates(reference: Any, trained: Any, draw: Draw, dataset: Any) -> Picture:
    """The weights with which the decoder looks at the letters of READ, while it is told to write WRITTEN."""
    dates, pairs = dataset("dates"), dataset("pairs")
    vocabularies = pairs.Vocabulary(dates.characters(LOCALES, FORMS)), pairs.Vocabulary(dates.ISO_CHARACTERS)
    codes = [torch.cat([torch.arange(4), 4 + draw.permutation(len(each) - 4)]) for each in vocabularies]
    model = reference.AttnSeq2Seq(*map(len, vocabularies), 32, 64)
    load(model, {name: trained.state[name] for name in state(model)})
    src, lengths, tgt = map(torch.from_numpy, pairs.encoded([(READ, WRITTEN)], *vocabularies))
    _, weights = model(codes[0][src], lengths, codes[1][tgt][:, : len(WRITTEN)])
    return map_of(
        "Where your trained decoder looks while it writes a date",
        weights[0],
        rows=tuple(WRITTEN),
        columns=tuple(READ),
        x="letters that it reads",
        y="letters that it writes",
    )
