"""The code cells of a notebook file: nbformat 4, and 3 and 2 with their worksheets.

JSON and two keys are all that is needed of the format: cells carry their text as a string or a list of lines. The
nbformat package would bring 0.3 s of imports for every notebook, and a student's kit would need it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


class NotebookError(Exception):
    """A notebook cannot become a module; the message is for the student."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One code cell with something in it."""

    number: int
    """Among the code cells that are not empty, from 1: what Jupyter shows in brackets after `Restart and run all`."""
    lines: tuple[str, ...]


def code_cells(content: bytes) -> tuple[Cell, ...]:
    """The code cells of a notebook, without prose, outputs and nbgrader's test cells. Raises NotebookError."""
    try:
        notebook = json.loads(content)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise NotebookError(f"it is not a notebook's JSON{where}; save it in Jupyter or Colab once more") from None
    if not isinstance(notebook, dict):
        raise NotebookError("it is JSON, but no notebook; save it in Jupyter or Colab once more")
    if (language := _language(notebook)) != "python":
        raise NotebookError(f"it is a notebook for {language[:20]}; hand in one for Python")
    texts = (text for cell in _cells(notebook) if (text := _code(cell)).strip())
    return tuple(Cell(number, tuple(text.split("\n"))) for number, text in enumerate(texts, 1))


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    for section, key in (("kernelspec", "language"), ("language_info", "name")):
        about = metadata.get(section) if isinstance(metadata, dict) else None
        if isinstance(about, dict) and isinstance(about.get(key), str):
            return str(about[key]).lower().removesuffix("3") or "python"
    return "python"


def _cells(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    worksheets = notebook.get("worksheets")
    sheets = [notebook, *(worksheets if isinstance(worksheets, list) else [])]
    for sheet in sheets:
        cells = sheet.get("cells") if isinstance(sheet, dict) else None
        yield from (cell for cell in (cells if isinstance(cells, list) else []) if isinstance(cell, dict))


def _code(cell: dict[str, Any]) -> str:
    """The cell's text with one kind of line end; empty for prose and for tests that a course added by nbgrader."""
    metadata = cell.get("metadata")
    graded = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    is_test = isinstance(graded, dict) and graded.get("grade") is True and graded.get("solution") is not True
    if cell.get("cell_type") != "code" or is_test:
        return ""
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    text = source if isinstance(source, str) else ""
    text = text.encode("utf-8", "replace").decode("utf-8")  # JSON can hold halves of letters, and what no source holds
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.replace("\r\n", "\n").replace("\r", "\n")
