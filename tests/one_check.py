"""A course whose one assignment has two tiny checks: a submission takes a tenth of a second. For scripts."""

from __future__ import annotations

from pathlib import Path

SETTINGS = """title: "One check"
files: [cell.py]
builds_on: []
bans: [recurrent]
importable: [torch, numpy]
preload: []
limits: {cpu_s: 2, memory_mb: 256, output_kb: 4, scratch_mb: 2}
parts:
  rnn_cell: [test_rnn_cell]
"""
SOLUTION = '''"""One step of a recurrent network."""

import torch


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    """Return the next state (B, H) from x (B, I) and h (B, H)."""
    ### BEGIN SOLUTION
    return torch.tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh)
    ### END SOLUTION
'''
CHECK = '''"""The check."""

from __future__ import annotations

import torch

from autograder.checks import points, same


@points(40)
def test_rnn_cell(student, draw):
    """`rnn_cell` computes the next state as torch does."""
    args = [draw(3, 5), draw(3, 7), draw(7, 5), draw(7, 7), draw(7), draw(7)]
    same(student.rnn_cell(*args), torch.rnn_tanh_cell(*args))
'''
HIDDEN = CHECK.replace("(40)", "(60)").replace("test_rnn_cell(", "test_rnn_cell_wide(").replace("7", "9")
ID = "t1_cell"
KINDS = ("", "torch.tanh(x", "torch.sigmoid(x", "h.no_such(x")
"""By turns right, right, another function, an exception."""


def write_course(root: Path) -> Path:
    """Write the course into `root`, with its secret, and return it."""
    from autograder.secret import make_secret

    folder = root / "solutions" / ID
    folder.mkdir(parents=True)
    (root / "course.yml").write_text(
        f"title: One check\ntimezone: UTC\nassignments: [{{id: {ID}, due: 2027-03-22T23:59, weight: 1}}]\n"
    )
    files = {"assignment.yml": SETTINGS, "cell.py": SOLUTION, "handout.md": "# One check\n"}
    files |= {"test_public.py": CHECK, "test_hidden.py": HIDDEN}
    for name, text in files.items():
        (folder / name).write_text(text)
    make_secret(root)
    return root


def write_class(folder: Path, count: int) -> Path:
    """Write `count` submissions, no two alike, into a folder of their own each, and return `folder`."""
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        text = SOLUTION.replace("torch.tanh(x", kind) if kind else SOLUTION
        path = folder / f"s{number:05}" / "cell.py"
        path.parent.mkdir(parents=True)
        path.write_text(f"{text}\n# {number}\n")
    return folder
