"""What an assignment builds on: files and parts of earlier assignments, as their own assignment.yml has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from autograder.course.problems import Problem, nearest
from autograder.course.schema import AssignmentModel
from autograder.course.yaml_edge import Document, read_yaml
from autograder.records import BuildsOn


def read_earlier(
    document: Document[AssignmentModel], folders: Mapping[str, Path], complete: bool, problems: list[Problem]
) -> tuple[BuildsOn, ...]:
    """Every assignment that the one of `document` builds on, and what these build on, each before its users.

    `folders` are those of all assignments by id. What is wrong is added to `problems`. In a students' kit
    (`complete=False`) a part whose checks are all hidden is not listed, so unknown names mean nothing there.
    """
    found: dict[str, BuildsOn] = {}
    _collect(document, folders, complete, found, problems, within=(document.file.parent.name,))
    problems.extend(_clashes(document, found.values()))
    return tuple(found.values())


def _collect(
    document: Document[AssignmentModel],
    folders: Mapping[str, Path],
    complete: bool,
    found: dict[str, BuildsOn],
    problems: list[Problem],
    within: tuple[str, ...],
) -> None:
    for id_, parts in document.content.builds_on.items():
        place = ("builds_on", id_)
        if id_ in within:
            problems.append(document.problem(place, f"goes in a circle: {' -> '.join((*within, id_))}"))
        elif id_ not in folders:
            known = [other for other in folders if other not in within]
            unknown = f"unknown assignment `{id_}`{nearest(id_, known)}"
            beside = f"builds on {id_}, whose folder is not beside this one; put it there as the course's kit has it"
            problems.append(document.problem(place, unknown if complete else beside))
        elif (earlier := read_yaml(folders[id_] / document.file.name, AssignmentModel, problems)) is not None:
            problems.extend(_unknown_parts(document, id_, earlier.content.parts) if complete else ())
            _collect(earlier, folders, complete, found, problems, (*within, id_))
            used = found[id_].parts if id_ in found else ()
            found[id_] = BuildsOn(id_, tuple(earlier.content.files), tuple(dict.fromkeys((*used, *parts))))


def _unknown_parts(document: Document[AssignmentModel], id_: str, parts: Iterable[str]) -> Iterator[Problem]:
    known = tuple(parts)
    for number, part in enumerate(document.content.builds_on[id_]):
        if part not in known:
            message = f"`{part}` is no part of {id_}{nearest(part, known)}"
            yield document.problem(("builds_on", id_, number), message)


def _clashes(document: Document[AssignmentModel], found: Iterable[BuildsOn]) -> Iterator[Problem]:
    """Two files of one name could not be told apart in a hand-in."""
    owner = dict.fromkeys(document.content.files, document.file.parent.name)
    for earlier in found:
        for name in earlier.files:
            if owner.setdefault(name, earlier.id) != earlier.id:
                message = f"`{name}` is a file of {owner[name]} and of {earlier.id}; rename one"
                yield document.problem(("builds_on", earlier.id), message)
