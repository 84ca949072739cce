"""What a student wrote under the task cell of nbgrader's notebook: its text, in a process with limits of its own."""

from __future__ import annotations

import json
from typing import Any

from autograder.limited import serve

MOST = 20_000
"""Characters of an answer that are kept."""


def answer_in(task: Any) -> str:
    """The text of the prose cells after the cell with the grade id `task["task"]`, without `task["placeholder"]`."""
    notebook = json.loads(task["notebook"])
    found = False
    texts: list[str] = []
    for cell in notebook["cells"]:
        about = cell.get("metadata", {}).get("nbgrader", {})
        if found and cell.get("cell_type") == "markdown" and not about:
            source = cell.get("source", "")
            texts.append("".join(source) if isinstance(source, list) else source)
        found = found or about.get("grade_id") == task["task"]
    text = "\n\n".join(texts).replace(task["placeholder"], "").strip()
    return text if len(text) <= MOST else f"{text[:MOST]} [...]"


if __name__ == "__main__":
    serve(answer_in)
