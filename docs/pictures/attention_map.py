"""Makes `attention_map.png` and `phrases_map.png` beside it: what the trained solution of a4 looks at while it writes.

The first is of dates, the second of phrases from English to Korean. It calls the experiment.py of a4 with the solutions
in place of a student's files, and needs matplotlib and a font with Korean letters:
`python docs/pictures/attention_map.py`. It says how often a digit of the year was written while the decoder looked most
at the year, on Korean dates that training did not see, and how many unseen phrases come out word for word right.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).resolve().parent
SOLUTIONS = HERE.parents[1] / "solutions"


def main() -> None:
    """Train, measure, draw."""
    sys.path[:0] = [str(SOLUTIONS / name) for name in ("a4_attention", "a3_seq2seq")]
    experiment: Any = importlib.import_module("experiment")
    torch.manual_seed(1)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    model = experiment.trained_model()
    unseen = [date.text for date in experiment.loaded("test") if date.locale == "ko_KR"][::6]
    hits = [hit for text in unseen for hit in looks_at_the_year(*experiment.attention_of(model, text))]
    print(f"{sum(hits)} of {len(hits)} digits of a year were written while looking at the year ({len(unseen)} dates)")
    maps = {text: experiment.attention_of(model, text) for text in experiment.SHOWN}
    for weights, rows, columns in maps.values():
        experiment.draw_as_text(weights, rows, columns)
    print(experiment.draw_as_picture(maps, HERE / "attention_map.png"))
    torch.manual_seed(1)
    with contextlib.chdir(HERE):
        experiment.phrase_map()


def looks_at_the_year(weights: torch.Tensor, rows: list[str], columns: list[str]) -> list[bool]:
    """For each digit of the year that was written: whether most attention lies on the year and the sign behind it.

    A Korean date begins with the year, four digits.
    """
    assert all(letter.isdigit() for letter in columns[:4])
    return [int(row.argmax()) <= 4 for row in weights[:4]] if len(rows) >= 4 else [False] * 4


if __name__ == "__main__":
    main()
