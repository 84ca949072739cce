"""Checks are read from their source without running it, and what cannot be meant is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.course.checks_source import helper_modules, read_checks
from autograder.course.data_names import dataset_names
from autograder.course.problems import Problem
from autograder.marks import MARKS
from autograder.records import Check, Visibility

FULL = '''\
import pytest
from autograder import checks
from autograder.checks import bans, hint, needs, points, same, trains, visibility

raise SystemExit("this file must never run")


def helper(x):
    return x + 1


@points(6)
@needs("test_cell", "rnn_cell")
@bans("softmax")
@visibility("after_due")
@trains(cpu_s=60)
@hint("Look at "
      "the gate.")
@pytest.mark.parametrize("size", [helper(1), 2])
def test_full(student, size):
    """Every decorator is read.

    And this is not the title.
    """


@checks.points(0)
@checks.needs("a")
@checks.needs("b", "a")
@checks.bans()
def test_by_module(student):
    """Decorators of the module count as well."""
'''

CHECK = '''\
@points(1)
def test_one(student):
    """One."""
'''


def read(tmp_path: Path, source: str, *, public: bool = True, helpers: bytes = b"") -> tuple[Check, ...]:
    """The checks of `source`, which must be without problems."""
    found: list[Problem] = []
    file = tmp_path / "test_public.py"
    file.write_text(source)
    checks = read_checks(file, public=public, helpers=helpers, problems=found)
    assert found == []
    return checks


def refusals(tmp_path: Path, source: str | bytes) -> list[tuple[int, str]]:
    """Line and message of every problem of `source`."""
    found: list[Problem] = []
    file = tmp_path / "test_public.py"
    file.write_bytes(source if isinstance(source, bytes) else source.encode())
    read_checks(file, public=True, helpers=b"", problems=found)
    return [(problem.line, problem.message) for problem in sorted(found)]


def test_every_decorator_is_read(tmp_path: Path) -> None:
    """Points, needs, bans, visibility, training, hint and title come from the source alone."""
    check, other = read(tmp_path, FULL)
    assert (check.id, check.title, check.points, check.public) == ("test_full", "Every decorator is read.", 6, True)
    assert (check.needs, check.bans) == (("test_cell", "rnn_cell"), ("softmax",))
    assert (check.visibility, check.trains_cpu_s, check.hint) == (Visibility.AFTER_DUE, 60.0, "Look at the gate.")
    assert FULL.splitlines()[check.line - 1].startswith("def test_full")
    assert (other.points, other.needs, other.bans, other.trains_cpu_s) == (0, ("a", "b"), (), None)


def test_the_reader_knows_every_decorator_that_there_is(tmp_path: Path) -> None:
    """A decorator that check authors can import is one that the reader reads."""
    calls = {"trains": "cpu_s=1", "visibility": '"never"', "points": "1"}
    lines = [f"@{name}({calls.get(name, repr('x'))})" for name in MARKS]
    assert refusals(tmp_path, CHECK.replace("@points(1)", "\n".join(lines))) == []
    for name in MARKS:
        (found,) = refusals(tmp_path, CHECK.replace("@points(1)", f"@points(1)\n@{name}x('a')"))
        assert f"did you mean `{name}`?" in found[1]


def test_defaults_depend_on_the_file(tmp_path: Path) -> None:
    """A public check is always visible, a hidden one after publishing; no @bans means the assignment's default."""
    assert read(tmp_path, CHECK)[0].visibility is Visibility.ALWAYS
    hidden = read(tmp_path, CHECK, public=False)[0]
    assert (hidden.visibility, hidden.bans, hidden.hint, hidden.public) == (Visibility.AFTER_PUBLISHED, None, "", False)


@pytest.mark.parametrize(
    ("decorator", "expected"),
    [
        ("@points(six)", "is read, not run: write literal values"),
        ("@points(3 * 2)", "is read, not run: write literal values"),
        ("@points(True)", "`@points(True)`: a whole number"),
        ("@points(-1)", "a whole number from 0"),
        ("@points(1.5)", "a whole number from 0"),
        ("@points()", "`@points` takes one argument"),
        ("@points(value=1)", "`@points` takes one argument"),
        ("@points", "`@points` needs its argument in brackets"),
        ("@points(*[1])", "is read, not run"),
        ("@points(1)\n@points(2)", "`@points` stands twice"),
        ("@points(1)\n@needs()", "`@needs` takes names in quotes"),
        ("@points(1)\n@needs(test_cell)", "is read, not run"),
        ("@points(1)\n@needs(3)", "`@needs` takes names in quotes"),
        ("@points(1)\n@bans(*names)", "is read, not run"),
        ("@points(1)\n@bans(**{'a': 1})", "takes no `**`"),
        ('@points(1)\n@visibility("after_deu")', "did you mean `after_due`?"),
        ("@points(1)\n@trains(cpu=3)", "`@trains` takes one argument, named `cpu_s`"),
        ("@points(1)\n@trains(3)", "`@trains` takes one argument, named `cpu_s`"),
        ("@points(1)\n@trains(cpu_s=0)", "CPU seconds above 0"),
        ('@points(1)\n@hint("")', "a sentence for the student"),
        ('@points(1)\n@hint(f"{x}")', "is read, not run"),
        ("@points(1)\n@need('a')", "unknown decorator `@need`; did you mean `needs`?"),
        ("@points(1)\n@checks.visible('a')", "unknown decorator `@checks.visible`"),
        ("@points(1)\n@pytest.mark.skip", "would take a check out of the marks in silence"),
        ("@points(1)\n@pytest.mark.xfail(reason='x')", "would take a check out of the marks in silence"),
        ("", "`test_one` has no `@points(...)`"),
    ],
)
def test_a_decorator_that_cannot_be_meant_is_refused(tmp_path: Path, decorator: str, expected: str) -> None:
    """Only known decorators with literal arguments of the right kind are accepted, and the message says which."""
    found = refusals(tmp_path, CHECK.replace("@points(1)", decorator))
    assert len(found) == 1
    assert expected in found[0][1]
    assert found[0][0] == max(1, len(decorator.splitlines())) + (not decorator)


@pytest.mark.parametrize("docstring", ['""""""', '"""\n    """', "pass"])
def test_a_check_needs_a_title(tmp_path: Path, docstring: str) -> None:
    """A missing or empty docstring is an error at the check."""
    found = refusals(tmp_path, CHECK.replace('"""One."""', docstring))
    assert found == [(2, "`test_one` has no docstring; its first line is the title")]


def test_one_id_stands_for_one_check(tmp_path: Path) -> None:
    """Of two functions with one name Python would keep the second in silence."""
    found = refusals(tmp_path, CHECK + "\n\n" + CHECK)
    assert found == [(7, "`test_one` stands here again (first in line 2); one would hide the other")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class TestCell:\n    x = 1\n", "class `TestCell` would be collected"),
        ("class Cell:\n    def test_x(self): ...\n", "`test_x` stands inside something"),
        ("if True:\n    def test_x(): ...\n", "`test_x` stands inside something"),
        ("try:\n    pass\nexcept OSError:\n    def test_x(): ...\n", "`test_x` stands inside something"),
        ("async def test_x(): ...\n", "`test_x` is an async function"),
        ("def testing(): ...\n", "`testing` would be collected by pytest"),
        ("from elsewhere import test_x\n", "`test_x` would be collected as a check"),
        ("test_x = print\n", "`test_x` would be collected as a check"),
    ],
)
def test_whatever_pytest_would_collect_besides_is_refused(tmp_path: Path, source: str, expected: str) -> None:
    """A check that would run without being known here is an error."""
    assert [expected in message for _, message in refusals(tmp_path, source)] == [True]


def test_a_test_inside_a_function_is_nobodys_check(tmp_path: Path) -> None:
    """What pytest does not collect is not refused."""
    assert read(tmp_path, "def helper():\n    def test_x(): ...\n    return test_x\n") == ()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"def test_x(:\n", "is not valid Python"),
        (b"x = '\xff'\n", "is not UTF-8 text (byte 5)"),
        (b"x = 1\0\n", "is not valid Python"),
    ],
)
def test_a_file_that_python_cannot_read_is_one_problem(tmp_path: Path, source: bytes, expected: str) -> None:
    """Broken syntax and broken text are problems of the file, with their line."""
    found = refusals(tmp_path, source)
    assert len(found) == 1
    assert expected in found[0][1]


def test_a_missing_file_is_one_problem(tmp_path: Path) -> None:
    """Without the file there are no checks, and the reason is said."""
    found: list[Problem] = []
    assert read_checks(tmp_path / "test_hidden.py", public=False, helpers=b"", problems=found) == ()
    assert "every assignment has this file" in found[0].message


class TestDigest:
    """What a measurement of a check depends on, as far as the check goes."""

    SOURCE = "LIMIT = 3\n\n\n" + CHECK + "\n\n" + CHECK.replace("one", "two")

    def digests(self, tmp_path: Path, source: str, helpers: bytes = b"") -> list[str]:
        """The digests of the checks of `source`."""
        return [check.digest for check in read(tmp_path, source, helpers=helpers)]

    def test_an_edit_changes_only_that_check(self, tmp_path: Path) -> None:
        """Another check, a new check and blank lines leave a digest alone."""
        first, second = self.digests(tmp_path, self.SOURCE)
        edited = self.digests(tmp_path, "\n" + self.SOURCE.replace("def test_two(student)", "def test_two(draw)"))
        assert edited[0] == first
        assert edited[1] != second
        assert self.digests(tmp_path, self.SOURCE + "\n\n" + CHECK.replace("one", "three"))[:2] == [first, second]

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("@points(1)\n", "@points(2)\n"),
            ("@points(1)\n", '@points(1)\n@hint(\n    "Look here."\n)\n'),
            ("@points(1)\n", '@points(1)\n@visibility("never")\n'),
            ("@points(1)\n", "@checks.points(1)\n"),
            ('    """', '    """Another title.\n\n    '),
        ],
    )
    def test_marks_and_titles_are_no_part_of_it(self, tmp_path: Path, before: str, after: str) -> None:
        """Points, hints, who sees it, the docstring: what is measured stays the same."""
        assert before in self.SOURCE
        assert self.digests(tmp_path, self.SOURCE.replace(before, after)) == self.digests(tmp_path, self.SOURCE)

    @pytest.mark.parametrize("after", ['@points(1)\n@needs("test_two")\n', "@points(1)\n@trains(cpu_s=3)\n"])
    def test_what_it_needs_and_its_limits_belong_to_a_check(self, tmp_path: Path, after: str) -> None:
        """These decorators decide how it is measured."""
        before = self.digests(tmp_path, self.SOURCE)
        found = self.digests(tmp_path, self.SOURCE.replace("@points(1)\n", after, 1))
        assert (before[0] != found[0], before[1] == found[1]) == (True, True)

    def test_a_statement_beside_the_docstring_counts(self, tmp_path: Path) -> None:
        """Only lines that hold nothing else are left out."""
        one = 'import x\n\n\n@points(1)\ndef test_one(student):\n    """Title."""; x = 1\n'
        assert self.digests(tmp_path, one) != self.digests(tmp_path, one.replace("x = 1", "x = 2"))

    def test_shared_code_belongs_to_every_check(self, tmp_path: Path) -> None:
        """A constant, or a module beside the file, changes all digests."""
        before = self.digests(tmp_path, self.SOURCE)
        constant = self.digests(tmp_path, self.SOURCE.replace("LIMIT = 3", "LIMIT = 4"))
        module = self.digests(tmp_path, self.SOURCE, helpers=b"x")
        assert len({before[0], constant[0], module[0]}) == len({before[1], constant[1], module[1]}) == 3

    def test_line_ends_do_not_count(self, tmp_path: Path) -> None:
        """A checkout on Windows measures nothing again."""
        before = self.digests(tmp_path, self.SOURCE)
        assert self.digests(tmp_path, self.SOURCE.replace("\n", "\r\n")) == before

    def test_helper_modules_are_those_beside_the_checks(self, tmp_path: Path) -> None:
        """The solution and the checks are no helpers; every other Python file of the folder is."""
        for name in ("rnn.py", "test_public.py", "test_hidden.py", "shapes.py"):
            (tmp_path / name).write_text(name)
        assert helper_modules(tmp_path, ("rnn.py",)) == b"shapes.py\0shapes.py"


def test_the_data_of_a_check_is_read_from_its_source(tmp_path: Path) -> None:
    """Names of data modules are literals, in helpers too; anything else would hide what a measurement depends on."""
    file, problems = tmp_path / "test_hidden.py", list[Problem]()
    file.write_text(
        "def helper(dataset):\n    return dataset('names')\n\n\n"
        "def test_a(dataset):\n    dataset('echo')\n    helper(dataset)\n    dataset(name)\n    dataset()\n"
    )
    assert dataset_names((file, tmp_path / "missing.py"), problems) == ("echo", "names")
    assert [(problem.file, problem.line) for problem in problems] == [(file, 8), (file, 9)]
    assert "in quotes" in problems[0].message
