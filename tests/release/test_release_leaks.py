from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest

from autograder.errors import ReleaseError
from autograder.release import Leak, pages, scan
from autograder.secret import make_secret

SOLUTION = '''import torch


def cell(x, h, w):
    """Return the next state."""
    scale = 1.0 / len(x)
    ### BEGIN SOLUTION
    state = torch.tanh(x @ w.T + h)  # the bias sits in the last column of w
    text = 'first' + 'second'
    optimizer.zero_grad()
    return state * scale
    ### END SOLUTION
'''
STUB = '''import torch


def cell(x, h, w):
    """Return the next state."""
    scale = 1.0 / len(x)
    raise NotImplementedError("write cell: see handout.md")
'''
HIDDEN = '''def test_large_numbers(student, reference):
    """Very large numbers do not overflow."""
    same(student.cell(1e30), reference.cell(1e30))
'''
MISTAKES = """- id: forgets_h
  edits:
    - replace: torch.tanh(x @ w.T + h)
      with: torch.tanh(x @ w.T + w.T)
  hint: The hint may be said anywhere.
"""


def leaks(tmp_path: Path, **released: bytes | str) -> tuple[Leak, ...]:
    """What the scan finds in a release with these files (`a__md` is a.md) beside the stub."""
    files = {
        name.replace("__", "."): text.encode() if isinstance(text, str) else text for name, text in released.items()
    }
    hidden = {"test_hidden.py": HIDDEN, "mistakes.yml": MISTAKES}
    return scan({"rnn.py": STUB.encode(), **files}, {"rnn.py": SOLUTION}, hidden, tmp_path)


def zipped(name: str, content: bytes) -> bytes:
    """A zip file with one member."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def test_clean_release_has_no_leaks(tmp_path: Path) -> None:
    """Given lines, equations and short idioms are no leaks."""
    assert leaks(tmp_path, handout__md="# h' = tanh(W x + h)\n    scale = 1.0 / len(x)\nThe hint may be said.\n") == ()


@pytest.mark.parametrize(
    "text",
    [
        "state = torch.tanh(x @ w.T + h)",
        "Hint: `state=torch.tanh( x@w.T + h )`",
        "state = torch.tanh(\n    x @ w.T\n    + h\n)",
        "state = torch.tanh(  # why\n    x @ w.T + h)",
        "state = \\\n    torch.tanh(x @ w.T + h)",
        "# state = torch.tanh(x @ w.T + h)",
    ],
)
@pytest.mark.parametrize("name", ["handout__md", "plot__py"])
def test_solution_line_is_found_in_any_layout(tmp_path: Path, name: str, text: str) -> None:
    """White space, line breaks, comments and continuation lines hide nothing."""
    found = leaks(tmp_path, **{name: f"first line\n{text}\n" if name.endswith("md") else f"a = 1\n{text}\n"})
    assert [(leak.file, leak.line, leak.source) for leak in found if leak.text.startswith("state = ")] == [
        (name.replace("__", "."), 2, "rnn.py, line 8")
    ]


def test_other_quotes_hide_nothing(tmp_path: Path) -> None:
    """A string in double quotes is the same line."""
    (leak,) = leaks(tmp_path, handout__md='text = "first" + "second"\n')
    assert str(leak) == "handout.md:1: text = 'first' + 'second' (rnn.py, line 9)"


@pytest.mark.parametrize(
    "text", ["torch.tanh(x @ w.T + h)", "out = torch.tanh(x @ w.T + h)", "yield torch.tanh(x@w.T+h)"]
)
def test_formula_of_the_solution_is_found_under_another_name(tmp_path: Path, text: str) -> None:
    """What stands right of `=` or `return` is looked for by itself; where it is short, it is an idiom."""
    assert "rnn.py, line 8" in {leak.source for leak in leaks(tmp_path, handout__md=f"`{text}`\n")}
    assert leaks(tmp_path, handout__md="The answer is `state * scale`.\n") == ()


def test_comment_of_the_solution_is_found(tmp_path: Path) -> None:
    """What the solution explains in words stays with the course, too."""
    (leak,) = leaks(tmp_path, handout__md="Remember: the bias sits in the last column of w.\n")
    assert leak.source == "rnn.py, line 8"


def test_hidden_check_its_title_and_its_id_are_found(tmp_path: Path) -> None:
    """A line of a hidden check, its title without quotes, and its name alone are leaks."""
    line = "same(student.cell(1e30), reference.cell(1e30))"
    found = leaks(tmp_path, handout__md=f"Very large numbers do not overflow.\n\nsee test_large_numbers\n{line}\n")
    assert [(leak.line, leak.source) for leak in found] == [
        (1, "test_hidden.py, line 2"),
        (3, "test_hidden.py: the id of a hidden check"),
        (4, "test_hidden.py, line 3"),
    ]


def test_edit_of_a_known_mistake_is_found(tmp_path: Path) -> None:
    """Both sides of an edit are secret; its hint is not."""
    (leak,) = leaks(tmp_path, handout__md="Not torch.tanh(x @ w.T + w.T)!\n")
    assert leak.source == "mistakes.yml, line 4"
    hidden = {"mistakes.yml": MISTAKES}
    (leak,) = scan({"handout.md": b"But torch.tanh(x @ w.T + h)!\n"}, {}, hidden, tmp_path)
    assert leak.source == "mistakes.yml, line 3"


def test_idiom_of_the_solution_may_stand_in_a_public_check_but_a_long_line_may_not(tmp_path: Path) -> None:
    """`optimizer.zero_grad()` is in every training loop; a whole formula in a public check gives the answer away."""
    assert leaks(tmp_path, test_public__py="optimizer.zero_grad()\n") == ()
    (leak, *_) = leaks(tmp_path, test_public__py="state = torch.tanh(x @ w.T + h)\n")
    assert (leak.file, leak.line, leak.source) == ("test_public.py", 1, "rnn.py, line 8")


def test_hidden_line_that_public_checks_have_is_no_secret(tmp_path: Path) -> None:
    """Helpers that both test files hold are public."""
    line = "    same(student.cell(1e30), reference.cell(1e30))\n"
    assert leaks(tmp_path, test_public__py=f"def test_a(student, reference):\n{line}", handout__md=line) == ()


LEAK = b"x = 1\nstate = torch.tanh(x @ w.T + h)\n"


def tarred(content: bytes) -> bytes:
    """A tar file with one member, a folder beside it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tape:
        tape.addfile(tarfile.TarInfo("folder/"))
        entry = tarfile.TarInfo("in.py")
        entry.size = len(content)
        tape.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("packed", "place"),
    [
        (zipped("in.py", LEAK), "kit.bin!in.py"),
        (gzip.compress(LEAK, mtime=0), "kit.bin!content"),
        (bz2.compress(LEAK), "kit.bin!content"),
        (lzma.compress(LEAK), "kit.bin!content"),
        (tarred(LEAK), "kit.bin!in.py"),
        (gzip.compress(tarred(LEAK), mtime=0), "kit.bin!content!in.py"),
        (zipped("inner.zip", zipped("in.py", LEAK)), "kit.bin!inner.zip!in.py"),
    ],
    ids=["zip", "gzip", "bzip2", "xz", "tar", "tar.gz", "zip in zip"],
)
def test_archives_are_opened(tmp_path: Path, packed: bytes, place: str) -> None:
    """A line is found in a zip, gzip, bzip2, xz or tar file, one inside the other too, whatever its name."""
    found = leaks(tmp_path, kit__bin=packed)
    assert (place, 2) in [(leak.file, leak.line) for leak in found if leak.text.startswith("state")]


def test_notebook_is_read_without_its_quoting(tmp_path: Path) -> None:
    """A line in a notebook's source or output is found; a broken notebook is read as text."""
    output = {"text": ["text = 'first' + \"second\"\n", "state = torch.tanh(x @ w.T + h)\n"]}
    notebook = json.dumps({"cells": [{"outputs": [output]}]})
    sources = {"rnn.py, line 8", "rnn.py, line 9"}
    assert sources <= {leak.source for leak in leaks(tmp_path, demo__ipynb=notebook)}
    assert leaks(tmp_path, demo__ipynb="{ state = torch.tanh(x @ w.T + h)")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("old__pyc", b"\0", "compiled Python"),
        ("kit__zip", zipped("in.py", LEAK)[:-30], "cannot be opened"),
        ("kit__gz", gzip.compress(LEAK, mtime=0)[:-9], "cannot be opened"),
        ("kit__zip", zipped("a/__init__.pyc", b"\0"), "compiled Python"),
        (
            "kit__zip",
            zipped("1", zipped("2", zipped("3", zipped("4", zipped("5", b""))))),
            "an archive inside 4 others",
        ),
    ],
)
def test_what_cannot_be_read_is_not_released(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """Compiled Python, a broken archive, and archives in archives without end are refused."""
    assert any(said in leak.text for leak in leaks(tmp_path, **{name: content}))


def test_too_large_member_is_not_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member too large to look through is refused instead of unpacked."""
    monkeypatch.setattr(pages, "LARGEST", 1000)
    (leak,) = leaks(tmp_path, kit__gz=gzip.compress(bytes(10_000)))
    assert "too much to look through" in leak.text


@pytest.mark.parametrize("before", [b"", b"1", b"12", b"123"])
def test_secret_is_found_in_every_spelling(tmp_path: Path, before: bytes) -> None:
    """The course secret is found raw, in hexadecimal, as Python writes it, and in base64 wherever it starts."""
    secret = make_secret(tmp_path)
    assert not leaks(tmp_path, data__txt=bytes(32))
    wrapped = base64.encodebytes(before * 20 + secret)
    urlsafe = base64.urlsafe_b64encode(before + secret + b"more")
    for spelt in (secret, secret.hex(), secret.hex().upper(), repr(before + secret), wrapped, urlsafe):
        found = leaks(tmp_path, data__txt=spelt, kit__zip=zipped("a", before + secret))
        assert {leak.file for leak in found if leak.text == "the course secret"} >= {"data.txt", "kit.zip!a"}


def test_secret_of_the_environment_is_found(tmp_path: Path) -> None:
    """A secret that comes from the environment, as text or in hexadecimal, is looked for as well."""
    text = "correct horse battery staple, twice over"
    for value, spelt in ((text, text.encode()), ("ab" * 32, bytes([0xAB] * 32)), ("ab" * 32, b"AB" * 32)):
        found = scan({"a.bin": b"\n" + spelt}, {}, {}, tmp_path, environment={"AUTOGRADER_SECRET": value})
        assert [(leak.file, leak.line, leak.text) for leak in found] == [("a.bin", 2, "the course secret")]


def test_hidden_yaml_that_cannot_be_read_stops_the_release(tmp_path: Path) -> None:
    """What must not leak has to be known."""
    with pytest.raises(ReleaseError, match=r"mistakes\.yml: is not valid YAML"):
        scan({}, {}, {"mistakes.yml": "a: [1"}, tmp_path)
