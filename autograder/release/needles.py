"""What the leak scan looks for: the lines that stay with the course, in a form that layout does not change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from autograder.errors import ReleaseError
from autograder.release.stubs import comments, regions

_SHORTEST = 12
"""Characters, white space not counted: a line must have more to tell anything."""
_SHORTEST_VALUE = 8
"""Tokens that an expression needs to be looked for without the `return` or `name =` before it."""
_VALUE = re.compile(r"\s*(?:return\b|yield\b|[\w\s.,:\[\]]+=(?!=))\s*(.+)")
_EDIT_KEYS = frozenset({"replace", "with"})


@dataclass(frozen=True, slots=True)
class Needle:
    """One line of a file that stays with the course."""

    squeezed: str
    tokens: int
    source: str
    """`rnn.py, line 46`."""
    shown: str


def squeeze(text: str) -> str:
    """Return the text without white space and line continuations, with one kind of quotes."""
    return re.sub(r"\\?\s+|\\$", "", text).replace("'", '"')


def uncommented(name: str, text: str) -> list[str]:
    """Return the lines of a text without their comments; in text that is not Python, each `#` starts one."""
    lines = text.split("\n")
    if name.endswith(".py"):
        try:
            columns = comments(text)
        except SyntaxError:  # is scanned all the same
            columns = {}
        return [line[: columns.get(number)] for number, line in enumerate(lines, start=1)]
    return [line.partition("#")[0] for line in lines]


def solution_needles(texts: Mapping[str, str]) -> Iterator[Needle]:
    """Yield the lines of the marked regions."""
    for name, text in texts.items():
        for region in regions(name, text):
            yield from _of_python(name, text, range(region.begin + 1, region.end))


def hidden_needles(texts: Mapping[str, str]) -> Iterator[Needle]:
    """Yield the lines of Python files, and those of the edits in YAML files (`replace`, `with`)."""
    for name, text in texts.items():
        if name.endswith(".py"):
            yield from _of_python(name, text, range(1, text.count("\n") + 2))
        else:
            yield from _of_edits(name, text)


def hidden_words(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the ids of hidden checks, each with its source."""
    return {
        check: f"{name}: the id of a hidden check"
        for name, text in texts.items()
        if name.endswith(".py")
        for check in re.findall(r"^def (test_\w+)", text, flags=re.MULTILINE)
    }


def _of_python(name: str, text: str, wanted: range) -> Iterator[Needle]:
    lines, code = text.split("\n"), uncommented(name, text)
    for number in wanted:
        source = f"{name}, line {number}"
        yield from _needle(code[number - 1], source)
        if value := _VALUE.match(code[number - 1]):
            yield from (one for one in _needle(value.group(1), source) if one.tokens >= _SHORTEST_VALUE)
        comment = lines[number - 1][len(code[number - 1]) :].lstrip("#")
        if len(re.findall(r"[^\W\d_]", comment)) > _SHORTEST:  # words, not the shape of a tensor
            yield from _needle(comment, source)


def _of_edits(name: str, text: str) -> Iterator[Needle]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ReleaseError(f"{name}: is not valid YAML, so nobody can look for its edits: {error}") from error
    for first, edit in _edits(root):
        for number, line in enumerate(edit.split("\n")):
            yield from _needle(line.partition("#")[0], f"{name}, line {first + number}")


def _edits(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """The texts under `replace:` and `with:` at any depth, with their lines."""
    children: Sequence[yaml.Node] = ()
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value in _EDIT_KEYS and isinstance(value, yaml.ScalarNode):
                yield value.start_mark.line + 1, value.value
        children = [value for _, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    for child in children:
        yield from _edits(child)


def _needle(text: str, source: str) -> Iterator[Needle]:
    squeezed = squeeze(text).strip('"')
    if len(squeezed) > _SHORTEST:
        yield Needle(squeezed, len(re.findall(r"\w+|[^\w\s]", text)), source, text.strip())
