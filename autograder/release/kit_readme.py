"""The README of the students' kit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autograder.course import load_course
from autograder.records import Assignment


def readme(root: Path, assignments: Sequence[Assignment], folder: str) -> str:
    """Return the steps from an empty folder to a hand-in, with this course's assignments and due dates."""
    course = load_course(root)
    due = {term.id: f"{term.due:%a %d %b %Y, %H:%M}" for term in course.terms}
    rows = "\n".join(
        f"| [{each.id}](assignments/{each.id}/handout.md) | {each.title} | {due.get(each.id, 'see the course page')} |"
        for each in assignments
    )
    first = assignments[0].id
    return f"""# {course.title}

| assignment | about | due ({course.timezone}) |
|---|---|---|
{rows}

## Set up, once

You need Python 3.11 or newer (`python3 --version`; on Windows `py --version`) and about 6 GB of disk on Linux, 2 GB on
macOS and Windows: torch is large. Unpack this folder where you want to work, open a terminal **in it**, and type:

**Linux and macOS**

```
python3 -m venv .venv
source .venv/bin/activate
pip install -r requirements.txt
```

**Windows (PowerShell)**

```
py -m venv .venv
.venv\\Scripts\\Activate.ps1
pip install -r requirements.txt
```

If PowerShell refuses to run the script: `Set-ExecutionPolicy -Scope Process RemoteSigned`, then once more.

In a new terminal, only the second line of these three is needed again.

**Google Colab**: upload `{folder}.zip` to the files of the notebook, and run one cell:

```
!unzip -q -n {folder}.zip
%cd {folder}
!pip install -q *.whl
!autograder check {first}
```

Colab forgets: download your file (`submit` below, or the menu) before you close it.

## Work

1. Read `assignments/{first}/handout.md` and fill in the file that it names, from top to bottom.
2. `autograder check {first}` runs the public checks: what is right, what is wrong and where, what comes next.
   `autograder check {first} -k NAME` runs some of them; `autograder check {first} --watch` runs them whenever you save.
   Inside `assignments/{first}`, `autograder check` is enough.
3. `autograder submit {first}` packs your files into `handin/{first}.zip`. Upload that where your course collects work.

`pytest assignments/{first}` runs the same checks in pytest's own words, `pytest assignments` those of all assignments.

The public checks are a part of the points. The others run after you hand in, on other inputs; a mistake in one part
costs its points once, since a right part then stands in for yours. Changes in any file but those to hand in have no
effect on your points.

## If something does not work

- **`autograder: command not found`**: the environment is not active: the line with `activate` above.
- **`pip` cannot find torch**: your Python is too new for it, or 32-bit; take one that is a year old, 64-bit.
- **A new version of this kit**: unpack it beside the old one, copy your own files over, and set up again.
"""
