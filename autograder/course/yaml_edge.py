"""The YAML edge: text -> node tree (for line numbers) -> pydantic model, with every problem at its own line."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from autograder.course.problems import Problem, nearest

Model = TypeVar("Model", bound=BaseModel)
Place = Sequence[str | int]
"""Keys and indices that lead from the top of a document to one value."""


@dataclass(frozen=True, slots=True)
class Document(Generic[Model]):
    """A valid YAML file: its content, and where each value stands."""

    file: Path
    content: Model
    node: yaml.Node

    def problem(self, place: Place, message: str) -> Problem:
        """A problem with the value at `place`."""
        return Problem(self.file, _line(self.node, place), message)


class _Loader(yaml.SafeLoader):
    """SafeLoader that leaves dates as text: PyYAML would silently change their time zone."""


def _as_text(_: _Loader, node: yaml.Node) -> str:
    return str(node.value)


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)


def read_yaml(file: Path, model: type[Model], problems: list[Problem]) -> Document[Model] | None:
    """The file as `model`; None after at least one addition to `problems`."""
    node = _compose(file, problems)
    if node is None:
        return None
    repeated = list(_repeated_keys(file, node))
    problems.extend(repeated)
    try:
        content = model.model_validate(_construct(node))
    except ValidationError as error:
        problems.extend(_problem(file, node, model, details) for details in error.errors(include_url=False))
        return None
    except yaml.MarkedYAMLError as error:
        problems.append(_syntax_problem(file, error))
        return None
    return None if repeated else Document(file, content, node)


def _compose(file: Path, problems: list[Problem]) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(file.read_bytes(), Loader=_Loader)
    except OSError as error:
        problems.append(Problem(file, 1, f"cannot be read ({error.strerror}); create it or mend its permissions"))
    except yaml.MarkedYAMLError as error:
        problems.append(_tab(file) or _syntax_problem(file, error))
    except yaml.YAMLError as error:  # not UTF-8, or characters that YAML forbids: has no line
        problems.append(Problem(file, 1, f"is not YAML text in UTF-8: {error}".replace("\n", " ")))
    else:
        if node is not None:
            return node
        problems.append(Problem(file, 1, "is empty; at least a `title` is expected"))
    return None


def _construct(node: yaml.Node) -> object:
    loader = _Loader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _syntax_problem(file: Path, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    what = ", ".join(part for part in (error.context, error.problem) if part)
    return Problem(file, mark.line + 1 if mark else 1, f"is not valid YAML: {what}")


def _tab(file: Path) -> Problem | None:
    """The first line that begins with a tab, of which PyYAML complains in words and lines of its own."""
    lines = file.read_bytes().split(b"\n")
    number = next((n for n, line in enumerate(lines, 1) if b"\t" in line[: len(line) - len(line.lstrip())]), 0)
    return Problem(file, number, "begins with a tab; YAML wants spaces there") if number else None


def _repeated_keys(file: Path, root: yaml.Node) -> Iterator[Problem]:
    """YAML forbids a key twice, PyYAML keeps the last one in silence."""
    waiting, seen_nodes = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen_nodes:  # an alias; it may even lead back to itself
            continue
        seen_nodes.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            waiting.extend(value for _, value in node.value)
            yield from _repeated_in(file, node)


def _repeated_in(file: Path, mapping: yaml.MappingNode) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for key, _ in mapping.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in first:
            yield Problem(file, line, f"key `{name}` stands here again (first in line {first[name]}); keep one")
        first.setdefault(name, line)


def _line(node: yaml.Node, place: Place) -> int:
    """The line of the value at `place`, or of the nearest thing around it; from 1."""
    line = node.start_mark.line
    for step in place:
        found = _child(node, step)
        if found is None:
            break
        line, node = found
    return line + 1


def _child(node: yaml.Node, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key.start_mark.line, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line, node.value[step]
    return None


def _problem(file: Path, node: yaml.Node, model: type[BaseModel], details: ErrorDetails) -> Problem:
    place = details["loc"]
    name = ".".join(str(step) for step in place if step != "[key]") or "the whole file"
    if details["type"] == "extra_forbidden":
        message = f"unknown key `{name}`{nearest(str(place[-1]), _fields_at(model, place[:-1]))}"
    elif details["type"] == "missing":
        message = f"`{name}` is missing"
    elif details["type"] == "model_type":
        message = f"`{name}` is {_short(details['input'])}; expected keys with values, such as `title: ...`"
    else:
        expected = details["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        message = f"`{name}` is {_short(details['input'])}; expected {expected}"
    return Problem(file, _line(node, place), message)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fields_at(model: type[BaseModel], place: Place) -> list[str]:
    """The keys that `model` knows at `place`."""
    for step in place:
        if isinstance(step, str) and step in model.model_fields:
            annotation = model.model_fields[step].annotation
            inner = [one for one in (annotation, *typing.get_args(annotation)) if _is_model(one)]
            model = inner[0] if inner else model
    return list(model.model_fields)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
