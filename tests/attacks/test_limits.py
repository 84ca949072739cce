"""docs/security.md states every limit; what it says is what the program does."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from autograder.sandbox.blob import DTYPES

DOCUMENT = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| .* \| ([\d,]+) \| `([\w.]+)\.(\w+)` \|$", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize(("stated", "module", "name"), ROWS, ids=[name for _, _, name in ROWS])
def test_a_limit_is_as_it_is_stated(stated: str, module: str, name: str) -> None:
    """The number in the table is the one that is checked."""
    assert getattr(importlib.import_module(f"autograder.{module}"), name) == int(stated.replace(",", ""))


def test_every_limit_is_stated() -> None:
    """No cap of the wire, of intake or of notebooks is missing from the table; the dtypes are all named."""
    stated = {name for _, _, name in ROWS}
    for folder in ("sandbox", "intake", "notebooks"):
        for path in (Path(__file__).parents[2] / "autograder" / folder).glob("*.py"):
            found = set(re.findall(r"^(MAX_\w+) = ", path.read_text(encoding="utf-8"), re.MULTILINE))
            assert found - {"MAX_MESSAGE", "MAX_ORDER", "MAX_LINES", "MAX_NOTES"} <= stated, path
    sentence = DOCUMENT.partition("Dtypes that cross: ")[2].partition(".")[0]
    assert sentence.split(", ") == [str(dtype).removeprefix("torch.") for dtype, _ in DTYPES.values()]
