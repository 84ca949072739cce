"""submission_metadata.yml of a Gradescope export: who handed in what, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from autograder.errors import SubmissionError
from autograder.intake.people import Claim
from autograder.names import student_id

METADATA = "submission_metadata.yml"
_MOST = 256 << 20
"""Bytes: the file repeats every result of every attempt."""


@dataclass(frozen=True, slots=True)
class Handed:
    """What it says of one folder."""

    submitters: tuple[Claim, ...]
    created_at: datetime | None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Plain values only; objects of Gradescope's own language are read as the mappings that they are written as."""


def _as_mapping(loader: Any, _suffix: str, node: Any) -> Any:
    return loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else None


_Loader.add_multi_constructor("!ruby/", _as_mapping)


def read_metadata(path: Path) -> dict[str, Handed]:
    """Folder -> what is known of it; SubmissionError where the file cannot be read."""
    try:
        if path.stat().st_size > _MOST:
            raise SubmissionError(f"{path} is larger than {_MOST >> 20} MiB; that is no list of submissions")
        content = yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506 - a safe loader
    except (OSError, yaml.YAMLError) as error:
        raise SubmissionError(f"{path} cannot be read ({str(error).partition(chr(10))[0]}); export again") from error
    if not isinstance(content, dict):
        raise SubmissionError(f"{path} lists no submissions; export again")
    return {str(name): _handed(each) for name, each in content.items() if isinstance(each, dict)}


def _handed(each: dict[str, Any]) -> Handed:
    people = each.get(":submitters") or []
    claims = tuple(_claim(person) for person in people if isinstance(person, dict))
    return Handed(claims, _moment(each.get(":created_at")))


def _claim(person: dict[str, Any]) -> Claim:
    name, sid, email = (str(person.get(key) or "") for key in (":name", ":sid", ":email"))
    return Claim((sid, email), name, student_id(sid or email or name))


def _moment(value: object) -> datetime | None:
    if isinstance(value, dict):  # a time with its zone, as an object
        value = value.get("utc")
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.utcoffset() is not None else value.replace(tzinfo=UTC)  # YAML's timestamps are UTC
