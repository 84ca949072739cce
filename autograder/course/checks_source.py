"""The checks of a test file, read with `ast`: all ids and points are known before anything runs."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from autograder.course.decorators import decides_nothing, read_marks
from autograder.course.illustrations import ILLUSTRATIONS
from autograder.course.problems import Problem
from autograder.records import Check, Visibility

PUBLIC, HIDDEN = "test_public.py", "test_hidden.py"


def read_checks(file: Path, *, public: bool, helpers: bytes, problems: list[Problem]) -> tuple[Check, ...]:
    """The checks of `file` in source order; whatever is wrong is added to `problems`.

    `helpers` is the content of the modules beside the file that its checks may use; it enters every digest.
    """
    try:
        text = _text(file)
        tree = ast.parse(text)
    except OSError as error:
        problems.append(Problem(file, 1, f"cannot be read ({error.strerror}); every assignment has this file"))
        return ()
    except UnicodeDecodeError as error:
        problems.append(Problem(file, 1, f"is not UTF-8 text (byte {error.start}); save it as UTF-8"))
        return ()
    except (SyntaxError, ValueError) as error:  # ValueError: a NUL byte
        line = getattr(error, "lineno", None) or 1
        problems.append(Problem(file, line, f"is not valid Python: {getattr(error, 'msg', error)}"))
        return ()
    problems.extend(Problem(file, line, message) for line, message in _misplaced(tree))
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and _is_test(node.name)]
    problems.extend(_repeated(file, tests))
    lines = text.split("\n")
    shared = _shared(lines, tests, helpers)
    return tuple(_check(file, test, lines, shared, public, problems) for test in tests)


def helper_modules(folder: Path, files: tuple[str, ...]) -> bytes:
    """The content of the Python files of `folder` that are neither handed in nor checks, framed by name."""
    own = {PUBLIC, HIDDEN, ILLUSTRATIONS, *files}
    modules = sorted(path for path in folder.glob("*.py") if path.name not in own)
    return b"\0".join(b"\0".join((path.name.encode(), _normalised(path.read_bytes()))) for path in modules)


def _text(file: Path) -> str:
    return _normalised(file.read_bytes()).decode("utf-8-sig")


def _normalised(content: bytes) -> bytes:
    """Line ends as on Unix: a checkout on Windows keeps its digests."""
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _is_test(name: str) -> bool:
    return name.startswith("test_")


def _check(
    file: Path, test: ast.FunctionDef, lines: list[str], shared: bytes, public: bool, problems: list[Problem]
) -> Check:
    marks, wrong = read_marks(test)
    problems.extend(Problem(file, one.line, one.message) for one in wrong)
    title = (ast.get_docstring(test) or "").partition("\n")[0].strip()
    if not title:
        problems.append(Problem(file, test.lineno, f"`{test.name}` has no docstring; its first line is the title"))
    return Check(
        id=test.name,
        title=title,
        points=marks.points,
        public=public,
        visibility=marks.visibility or (Visibility.ALWAYS if public else Visibility.AFTER_PUBLISHED),
        needs=marks.needs,
        bans=marks.bans,
        trains_cpu_s=marks.trains_cpu_s,
        hint=marks.hint,
        file=file,
        line=test.lineno,
        digest=_digest(lines, test, shared),
    )


def _span(test: ast.FunctionDef) -> range:
    """The lines of a test function with its decorators, from 0."""
    first = min([test.lineno, *(decorator.lineno for decorator in test.decorator_list)])
    return range(first - 1, test.end_lineno or test.lineno)


def _shared(lines: list[str], tests: list[ast.FunctionDef], helpers: bytes) -> bytes:
    """What every check of the file depends on; blank lines do not count, so a new check measures no other again."""
    of_tests = {number for test in tests for number in _span(test)}
    rest = [line for number, line in enumerate(lines) if number not in of_tests and line.strip()]
    return "\n".join(rest).encode() + b"\0" + helpers


def _digest(lines: list[str], test: ast.FunctionDef, shared: bytes) -> str:
    inert = {number for node in _inert(test) for number in range(node.lineno - 1, node.end_lineno or node.lineno)}
    source = "\n".join(lines[number] for number in _span(test) if number not in inert).encode()
    return hashlib.sha256(hashlib.sha256(source).digest() + hashlib.sha256(shared).digest()).hexdigest()


def _inert(test: ast.FunctionDef) -> Iterator[ast.expr]:
    """What a measurement does not depend on, each on lines of its own: points, hint, visibility, the docstring."""
    yield from (decorator for decorator in test.decorator_list if decides_nothing(decorator))
    first, *rest = test.body
    if ast.get_docstring(test) is not None and isinstance(first, ast.Expr):
        end = first.end_lineno or first.lineno
        if test.lineno < first.lineno and all(each.lineno > end for each in rest[:1]):
            yield first.value


def _repeated(file: Path, tests: list[ast.FunctionDef]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for test in tests:
        if first.setdefault(test.name, test.lineno) != test.lineno:
            message = f"`{test.name}` stands here again (first in line {first[test.name]}); one would hide the other"
            yield Problem(file, test.lineno, message)


def _misplaced(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Whatever pytest would collect although it is not a plain function at the top of the file."""
    for node in _statements(tree.body):
        if isinstance(node, ast.AsyncFunctionDef) and _is_test(node.name):
            yield node.lineno, f"`{node.name}` is an async function; a check is a plain function"
        elif isinstance(node, ast.FunctionDef) and _is_test(node.name) and node not in tree.body:
            yield node.lineno, f"`{node.name}` stands inside something; a check stands at the top of the file"
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test") and not _is_test(node.name):
            yield node.lineno, f"`{node.name}` would be collected by pytest; name it `test_...` or otherwise"
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield node.lineno, f"class `{node.name}` would be collected; a check is a plain function"
        else:
            yield from ((node.lineno, f"`{name}` would be collected as a check; rename it") for name in _bound(node))


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Every statement that runs on import: those in classes and branches too, those in functions not."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _statements([child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)])
            handlers = (child.body for child in ast.iter_child_nodes(node) if isinstance(child, ast.ExceptHandler))
            for handler in handlers:
                yield from _statements(handler)


def _bound(node: ast.stmt) -> list[str]:
    """The names of tests that an import or assignment binds."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [alias.asname or alias.name for alias in node.names]
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
    else:
        names = []
    return [name for name in names if name.startswith("test_")]
