"""Notebooks become modules: definitions and what they need, nothing else, and every line can be found again."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import v4

from autograder.intake import read_submission
from autograder.notebooks import Module, NotebookError, apart, convert, guarded, in_cells, to_module
from autograder.notebooks.guard import Failed
from autograder.records import Assignment

linux = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

Edited = Callable[..., str]


def notebook(*cells: str, version: int = 4) -> bytes:
    """A notebook of code cells, as nbformat writes it; a cell that starts with `#md` is prose."""
    made = v4.new_notebook(
        cells=[v4.new_markdown_cell(text) if text.startswith("#md") else v4.new_code_cell(text) for text in cells]
    )
    return nbformat.writes(made if version == 4 else nbformat.convert(made, version)).encode()


def module(*cells: str, wanted: tuple[str, ...] = ()) -> Module:
    """What `cells` become."""
    return to_module(notebook(*cells), "rnn.py", wanted)


def code(made: Module) -> str:
    """The lines that run."""
    return "\n".join(line for line in made.text.split("\n") if line.strip() and not line.lstrip().startswith("#"))


def imported(made: Module) -> dict[str, Any]:
    """The names of the module, as the sandbox loads it."""
    names: dict[str, Any] = {"__name__": "rnn"}
    exec(compile(guarded(made.text.encode()), "rnn.py", "exec", dont_inherit=True), names)
    return names


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [3, 4])
def test_code_cells_become_the_module(version: int) -> None:
    """In both formats: prose, outputs and empty cells are dropped, and the cells keep their order."""
    made = to_module(notebook("#md Hello", "a = 1", "", "#md x", "def f():\n    return a", version=version), "rnn.py")
    assert made.notes == ()
    assert made.text.split("\n")[1:] == ["# %% cell 1", "a = 1", "", "# %% cell 2", "def f():", "    return a", ""]
    assert imported(made)["f"]() == 1


def test_outputs_do_not_count() -> None:
    """Another run of the same notebook is the same module."""
    cell = v4.new_code_cell("def f(): return 1")
    before = to_module(nbformat.writes(v4.new_notebook(cells=[cell])).encode(), "rnn.py")
    cell.outputs = [v4.new_output("stream", text="x" * 2_000_000)]
    cell.execution_count = 7
    assert to_module(nbformat.writes(v4.new_notebook(cells=[cell])).encode(), "rnn.py") == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is not a notebook's JSON (line 1)"),
        (b'{"cells": [', "it is not a notebook's JSON (line 1)"),
        (b"\xff\xfe\x00", "it is not a notebook's JSON"),
        (b"[" * 100_000, "it is not a notebook's JSON"),
        (b"[]", "it is JSON, but no notebook"),
        (b"{}", "no code cell defines a function or a class"),
        (b'{"cells": 5, "worksheets": {"cells": []}}', "no code cell defines"),
        (b'{"cells": [5, {"cell_type": "code", "source": {"a": [1]}}]}', "no code cell defines"),
        (b'{"metadata": {"kernelspec": {"language": "R"}}, "cells": []}', "it is a notebook for r"),
        (notebook("print(1)"), "no code cell defines"),
        (notebook("def f(:"), "no cell defines anything (cell 1, line 1: invalid syntax)"),
    ],
)
def test_what_is_no_notebook_is_told(content: bytes, words: str) -> None:
    """Broken and empty notebooks, and those of other languages, say what is wrong."""
    with pytest.raises(NotebookError, match="^" + words.replace("(", r"\(").replace(")", r"\)")):
        to_module(content, "rnn.py")


def test_nbgraders_tests_are_not_the_students() -> None:
    """A cell that is only graded is the course's; one with a solution, and a locked one without points, are kept."""
    cells = [v4.new_code_cell(f"def f{number}(): return {number}") for number in range(3)]
    cells[0].metadata["nbgrader"] = {"grade": True, "solution": True, "locked": False}
    cells[1].metadata["nbgrader"] = {"grade": True, "solution": False, "locked": True}
    cells[2].metadata["nbgrader"] = {"grade": False, "solution": False, "locked": True}
    made = to_module(nbformat.writes(v4.new_notebook(cells=cells)).encode(), "rnn.py")
    assert {"f0", "f2"} <= imported(made).keys()
    assert "f1" not in made.text


# --- magics ----------------------------------------------------------------------------------------------------------

MAGICS = {
    "line magics": "%matplotlib inline\n%load_ext autoreload",
    "shell": '!pip install einops\n!echo "it\'s"',
    "a long command": "!pip install \\\n    einops \\\n    torch",
    "in a block": "if True:\n    !pip install einops\nelse:\n    %time x()",
    "assigned": "files = !ls\nnow = %time",
    "help": "?print\nprint?\nlist.append??",
    "without a mark": "pip install einops\ncd data\nls -l",
    "a cell of the shell": "%%bash\nfor i in *; do echo $i; done",
    "a page": "%%html\n<b>'</b>",
}


@pytest.mark.parametrize("cell", MAGICS.values(), ids=MAGICS.keys())
def test_magics_are_left_out(cell: str) -> None:
    """Whatever only Jupyter understands is gone, with a note; what stands beside it is kept."""
    made = module(cell, "x = 1\n" + cell + "\ndef f(): return x" if not cell.startswith("%%") else "def f(): return 1")
    assert imported(made)["f"]() == 1
    assert made.notes[0].startswith("what only Jupyter understands was left out: cell 1 (line ")
    assert not any("no Python" in note for note in made.notes)


def test_percent_signs_of_python_stay() -> None:
    """A line that starts with a sign of Jupyter's inside an expression or a text is Python's."""
    cell = 'def f(a):\n    """Text.\n\n%matplotlib\n!ls\n?\n"""\n    return (a\n% 3\n    )'
    made = module("%matplotlib inline", cell)
    assert imported(made)["f"](5) == 2
    assert "\n%matplotlib\n!ls\n?\n" in imported(made)["f"].__doc__


@pytest.mark.parametrize("first", ["%%time", "%%capture out", "%%writefile rnn.py", "%%writefile hw/rnn.py"])
def test_cells_under_a_stopwatch_are_python(first: str) -> None:
    """So is a cell that writes the file that is due."""
    assert imported(module(f"{first}\ndef f(): return 1"))["f"]() == 1


def test_a_cell_that_writes_another_file_is_none_of_it() -> None:
    """Neither is one of another language."""
    assert "f" not in imported(module("%%writefile other.py\ndef f(): return 1", "def g(): return 2"))


# --- what runs -------------------------------------------------------------------------------------------------------

NEEDED = {
    "a device": ("device = str('cpu')", "def f(): return device"),
    "a loop that fills": ("t = {}\nfor i in range(3): t[i] = i", "def f(): return t[2]"),
    "a method that fills": ("t = []\nfor i in range(3):\n    t.append(i)", "def f(): return t[2]"),
    "through another": ("a = int('2')\nb = a + 1", "def g(): return b", "def f(): return g()"),
    "a method afterwards": ("class f:\n    pass", "def __new__(cls): return 2", "f.__new__ = __new__"),
    "set afterwards": ("class f:\n    pass", "setattr(f, '__call__', int)"),
    "wrapped afterwards": ("def g(x): return x", "f = functools.partial(g, 2)"),
    "a default": ("size = max(1, 2)", "def f(n=size): return n"),
    "a base": ("Base = type('Base', (), {})", "class f(Base): pass"),
    "a decorator": ("keep = functools.lru_cache()", "@keep\ndef f(): return 2"),
    "under a condition": ("if len('ab') == 2:\n    n = 2\nelse:\n    n = 3", "def f(): return n"),
    "with": ("with open('/dev/null') as file:\n    n = file.read()", "def f(): return n"),
    "a declared global": ("count = int()", "def f():\n    global count\n    count += 1\n    return count"),
}


@pytest.mark.parametrize("cells", NEEDED.values(), ids=NEEDED.keys())
def test_what_definitions_need_runs(cells: tuple[str, ...]) -> None:
    """A statement that binds or changes a name that is needed is kept, and so is what it reads in turn."""
    made = module("import functools", *cells, wanted=("f", "nothing"))
    value = imported(made)["f"]
    assert value() is not None
    assert not any("does not run" in note for note in made.notes)


NOT_NEEDED = {
    "prints": "print(f())",
    "tests": "assert f() == 3, 'wrong'",
    "plots": "plt.plot([1, 2]); plt.show()",
    "training": "model = build()\nfor step in range(10**9):\n    model.train()\n    losses.append(step)",
    "a result": "answer = f(2 ** 10)",
    "jupyter": "get_ipython().system('ls')",
    "leaving": "exit()",
    "main": "if __name__ == '__main__':\n    main()",
    "a question": "n = int(input('how many? '))",
    "data": "text = open('no such file').read()",
}


@pytest.mark.parametrize("cell", NOT_NEEDED.values(), ids=NOT_NEEDED.keys())
def test_what_no_definition_needs_does_not_run(cell: str) -> None:
    """Tests, prints, plots and training are left out with a note, even where a helper reads what they bind."""
    helper = "def show():\n    plt.plot(losses, model, answer, text, n)"
    made = module("losses = []\ndef f(): return 2", cell, helper, wanted=("f",))
    assert imported(made)["f"]() == 2
    assert made.notes == (
        "what no function or class that is asked for needs (tests, prints, plots, training) does not run: cell 2",
    )
    assert cell.split("\n", maxsplit=1)[0] not in code(made)


def test_without_names_that_are_asked_for_all_definitions_count() -> None:
    """Where nothing is known of the interface, what any definition needs runs."""
    assert imported(module("n = int('2')", "def g(): return n"))["g"]() == 2


def test_future_imports_go_first() -> None:
    """They may stand in any cell, and count."""
    made = module("def f(x: Missing): return x", "from __future__ import annotations")
    assert imported(made)["f"](1) == 1


def test_a_cell_that_is_no_python_costs_itself() -> None:
    """A cell that never ran, or a statement that cannot stand alone, is left out and told with its line."""
    made = module("def f(): return 1", "x = 1\ndef g(:\n    pass", "y = 2\nreturn 5")
    assert imported(made)["f"]() == 1
    assert made.notes[-2].startswith("cell 2 is no Python (line 2: ")
    assert made.notes[-1] == "cell 3 is no Python (line 2: 'return' outside function); what it defines is missing"
    assert code(made) == "def f(): return 1\ny = 2"


# --- failing cells ---------------------------------------------------------------------------------------------------


def test_a_cell_that_fails_costs_its_names(capsys: pytest.CaptureFixture[str]) -> None:
    """Each name that it would have bound raises its exception when it is used; all others are there."""
    made = module(
        "import no_such_package as np2\nfrom no_such import thing",
        "class Bad(Missing):\n    pass",
        "class Worse(Bad):\n    pass",
        "table = open('no such file').read()",
        "def f(): return 1\n\ndef g(): return np2.zeros(3)\n\ndef h(): return table[0]",
    )
    names = imported(made)
    assert names["f"]() == 1
    for use, error in (
        (names["g"], ModuleNotFoundError),
        (names["thing"], ModuleNotFoundError),
        (names["Bad"], NameError),
        (names["Worse"], NameError),
        (names["h"], FileNotFoundError),
    ):
        for _ in range(2):
            with pytest.raises(error):
                use()
    assert "NameError: name 'Missing' is not defined" in capsys.readouterr().err


def test_what_stood_before_stays() -> None:
    """Where a later cell fails to bind a name again, the earlier one counts, as in a session."""
    assert imported(module("def f(): return 1", "f = wrap(f)", wanted=("f",)))["f"]() == 1


def test_leaving_is_a_failure_and_an_interrupt_is_not() -> None:
    """`exit()` in a cell that is needed ends nothing; ctrl-C is heard."""
    names = imported(module("import sys\nn = sys.exit(3)", "def f(): return 1\n\ndef g(): return n[0]"))
    assert names["f"]() == 1
    with pytest.raises(SystemExit):
        names["g"]()
    with pytest.raises(KeyboardInterrupt):
        imported(module("def interrupt(): raise KeyboardInterrupt\n\nn = interrupt()", "def g(): return n"))


def test_a_failed_name_has_no_hidden_side() -> None:
    """It answers no protocol that somebody may try on it: copying, pickling, comparing."""
    stand_in = Failed(ValueError("x"))
    assert stand_in != 1
    with pytest.raises(AttributeError):
        stand_in.__deepcopy__  # noqa: B018
    with pytest.raises(ValueError, match="x"):
        stand_in.shape  # noqa: B018


def test_other_modules_are_as_they_were() -> None:
    """Only what was made of a notebook is guarded."""
    assert guarded(b"x = 1\n") == b"x = 1\n"


# --- places ----------------------------------------------------------------------------------------------------------


def test_lines_are_told_as_the_student_knows_them() -> None:
    """A line of the module is a cell and a line in it, wherever it is named, and no other text changes."""
    made = module("a = 1", "#md prose", "%matplotlib inline\ndef f():\n    return 1")
    files = {"rnn.py": made.text.encode(), "other.py": b"x = 1\n"}
    line = made.text.split("\n").index("    return 1") + 1
    assert in_cells(f"rnn.py, line {line}, in f", files) == "cell 2, line 3, in f"
    assert in_cells("other.py, line 1 (rnn.py, line 1)", files) == "other.py, line 1 (rnn.py, line 1)"


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_any_text_keeps_its_lines(cells: list[str]) -> None:
    """Whatever stands in cells, a module that comes out compiles, and each line is there, alone or as a comment."""
    content = json.dumps({"cells": [{"cell_type": "code", "source": text} for text in [*cells, "f = 1"]]}).encode()
    made = to_module(content, "rnn.py")
    compile(guarded(made.text.encode()), "rnn.py", "exec")
    lines = made.text.split("\n")
    assert lines[-3:] == [f"# %% cell {sum(bool(text.strip()) for text in cells) + 1}", "f = 1", ""]


KEYS = st.sampled_from(["cells", "worksheets", "source", "metadata", "cell_type", "kernelspec", "language"])
ANY = st.none() | st.booleans() | st.integers() | st.text(max_size=5)


@settings(deadline=None)
@given(st.recursive(ANY, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)))
def test_any_json_is_a_module_or_a_problem(document: object) -> None:
    """The reader itself never fails."""
    with contextlib.suppress(NotebookError):
        to_module(json.dumps(document).encode(), "rnn.py")


# --- the process of its own ------------------------------------------------------------------------------------------


def test_conversion_apart_is_the_same() -> None:
    """The limited process gives the same module and the same problem, and sees nothing of our environment."""
    content = notebook("%time", "def f():\n    return '가'")
    assert convert(content, "rnn.py", {"f"}) == to_module(content, "rnn.py", {"f"})
    with pytest.raises(NotebookError, match="it is JSON, but no notebook"):
        convert(b"[]", "rnn.py")


def test_too_much_code_is_the_students_problem() -> None:
    """A module has a size that no honest one reaches."""
    with pytest.raises(NotebookError, match="its code cells are larger than 1 MiB"):
        convert(notebook(f"f = '{'a' * (1 << 20)}'"), "rnn.py")


def test_a_reader_that_ends_otherwise_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed for time, crashed, or hanging: the class goes on."""
    for program, words in (
        ("import os; os.kill(os.getpid(), 9)", "more than 10 s of CPU time"),
        ("raise SystemExit(1)", "the reader ended with code 1"),
        ("raise SystemExit(12)", "more than 1 GiB of memory; clear all outputs"),
        ("import time; time.sleep(60)", "more than 0.5 s"),
    ):
        monkeypatch.setattr(apart, "COMMAND", (sys.executable, "-c", program))
        monkeypatch.setattr(apart, "WALL_S", 0.5)
        with pytest.raises(NotebookError, match=words):
            convert(b"{}", "rnn.py")


# --- handed in -------------------------------------------------------------------------------------------------------


def cells_of(work: str) -> list[str]:
    """A solution as a student writes it in Jupyter: one function a cell, and what one does to try it."""
    parts = work.split("\n\n\n")
    tries = ["print(double(torch.ones(3)))", "#md The loss falls:", "assert double(1) == 3, 'not yet'"]
    return ["%matplotlib inline\n!pip install einops", *parts, *tries, "for step in range(10**9): double(step)"]


@linux
@pytest.mark.parametrize("carrier", ["ada.ipynb", "ada/tiny.ipynb", "ada/work (2).ipynb"])
def test_a_notebook_is_graded(desk: Any, tiny: Assignment, tmp_path: Path, edited: Edited, carrier: str) -> None:
    """Right work in a notebook has all points, whatever its name; the notes say how it was read."""
    path = tmp_path / "class" / carrier
    path.parent.mkdir(parents=True)
    path.write_bytes(notebook(*cells_of(edited())))
    submission = read_submission(tmp_path / "class" / carrier.partition("/")[0], tiny, "ada")
    grade = desk.grade(submission)
    assert (grade.score, grade.needs_human) == (100, ())
    assert f"{path.name} was read as tiny.py: the code of its cells" in grade.notes


@linux
def test_findings_name_the_cell(desk: Any, tiny: Assignment, tmp_path: Path, edited: Edited) -> None:
    """An exception is told with its cell; a function whose cell failed, with that cell's exception."""
    work = edited(("    return 2 * x\n", "    y = x\n    return y / None\n"))
    cells = cells_of(work.replace("def run(", "@missing\ndef run("))
    (tmp_path / "tiny.ipynb").write_bytes(notebook(*cells))
    grade = desk.grade(read_submission(tmp_path / "tiny.ipynb", tiny, "ada"))
    findings: Mapping[str, Any] = {result.id: result.finding for result in grade.results}
    number = next(i for i, cell in enumerate(cells, 1) if "def double" in cell)
    line = next(cell for cell in cells if "def double" in cell).split("\n").index("    return y / None") + 1
    assert findings["test_double"].where == f"cell {number}, line {line}, in double"
    assert findings["test_run"].message == "Your code raised NameError."
    assert findings["test_run"].where == f"cell {number + 2}, line 1"
    assert grade.score == 60


def test_a_module_beside_a_notebook_counts(tiny: Assignment, tmp_path: Path) -> None:
    """The file that was asked for is taken, and the notebook is said not to be read."""
    (tmp_path / "tiny.ipynb").write_bytes(notebook("def double(x): return 3"))
    (tmp_path / "tiny.py").write_text("x = 1\n")
    found = read_submission(tmp_path, tiny, "ada")
    assert found.files == {"tiny.py": b"x = 1\n"}
    assert "tiny.ipynb was not read, since tiny.py is there" in found.notes


def test_a_broken_notebook_is_a_problem(tiny: Assignment, tmp_path: Path) -> None:
    """It says whose file cannot be graded, and why."""
    (tmp_path / "tiny.ipynb").write_bytes(b'{"cells": [')
    found = read_submission(tmp_path, tiny, "ada")
    assert found.problem.startswith("tiny.ipynb cannot be graded: it is not a notebook's JSON (line 1); ")
