"""What course.yml and assignment.yml may hold. Defaults live in the records alone."""

from __future__ import annotations

import keyword
import sys
import zoneinfo
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from autograder.course.problems import nearest
from autograder.records import Attempts, LatePolicy, Limits
from autograder.wording import LANGUAGES, SOURCE

_LATE = LatePolicy()
_LIMITS = Limits()


def _known_timezone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        suggestion = nearest(name, zoneinfo.available_timezones())
        end = suggestion if len(suggestion) < 100 else ""
        raise ValueError(f"the name of a time zone, such as Asia/Seoul{end}") from None
    return name


def _known_language(name: str) -> str:
    if name not in LANGUAGES:
        raise ValueError(f"one of {', '.join(LANGUAGES)}")
    return name


def _date_time(value: object) -> datetime:
    expected = "a date with a time, such as 2027-03-22T23:59 (course time) or 2027-03-22T23:59+09:00"
    if not isinstance(value, str) or ":" not in value:  # without a time it would mean the first minute of that day
        raise ValueError(expected)
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{expected} ({error})") from None


def _attempts(value: object) -> Attempts:
    if value not in list(Attempts):
        raise ValueError(f"one of {', '.join(Attempts)}")
    return Attempts(str(value))


def _file_name(name: str) -> str:
    stem = name.removesuffix(".py")
    if not name.endswith(".py") or not stem.isidentifier() or keyword.iskeyword(stem):
        raise ValueError("the plain name of a Python file that can be imported, such as rnn.py, without a folder")
    if stem in sys.stdlib_module_names:
        raise ValueError("a name that no module of the standard library has")
    return name


def _identifier(name: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("test_"):
        raise ValueError("the name of a function or class of the submission, not of a check")
    return name


def _mapping_of_parts(value: object) -> object:
    if value == []:
        return {}
    if isinstance(value, dict):
        return value
    raise ValueError("each assignment with the parts of it that are used, such as {a3_seq2seq: [Encoder]}")


def _module(name: str) -> str:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError("the name of a module, such as torch or torch.nn")
    return name


def _unique(names: list[str]) -> list[str]:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"every name once; {', '.join(repeated)} stands there more often")
    return names


Text = Annotated[str, Field(min_length=1)]
Positive = Annotated[int, Field(gt=0)]
Percent = Annotated[float, Field(ge=0, le=100)]
Names = Annotated[list[Text], AfterValidator(_unique)]
Modules = Annotated[list[Annotated[str, AfterValidator(_module)]], AfterValidator(_unique)]
Files = Annotated[list[Annotated[str, AfterValidator(_file_name)]], AfterValidator(_unique), Field(min_length=1)]
GivenFiles = Annotated[list[Annotated[str, AfterValidator(_file_name)]], AfterValidator(_unique)]
Part = Annotated[str, AfterValidator(_identifier)]
Earlier = Annotated[dict[Text, Annotated[Names, Field(min_length=1)]], BeforeValidator(_mapping_of_parts)]
"""Assignment -> the parts of it that are used."""


class Strict(BaseModel):
    """A mapping of a YAML file: no unknown keys, no guessing of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LatePolicyModel(Strict):
    """`late_policy:` of course.yml."""

    grace_minutes: Annotated[int, Field(ge=0)] = _LATE.grace_minutes
    penalty_percent_per_day: Percent = _LATE.penalty_percent_per_day
    cap_percent: Percent = _LATE.cap_percent
    late_days: Annotated[int, Field(ge=0)] = _LATE.late_days
    percent_per_late_day: Percent = _LATE.percent_per_late_day


class TermModel(Strict):
    """One entry of `assignments:` in course.yml."""

    id: Text
    due: Annotated[datetime, BeforeValidator(_date_time)]
    """Naive: course time."""
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    extra_credit: bool = False
    written: Annotated[int, Field(ge=0, le=100)] = 0


class CourseModel(Strict):
    """course.yml."""

    title: Text
    timezone: Annotated[str, AfterValidator(_known_timezone)]
    language: Annotated[str, AfterValidator(_known_language)] = SOURCE
    late_policy: LatePolicyModel = LatePolicyModel()
    attempts: Annotated[Attempts, BeforeValidator(_attempts)] = Attempts.LATEST
    assignments: list[TermModel]


class ExtensionModel(Strict):
    """One entry of `extensions:` in extensions.yml."""

    student: Text
    assignment: Text
    until: Annotated[datetime, BeforeValidator(_date_time)] | None = None
    """Naive: course time."""
    excused: bool = False
    why: str = ""


class ExtensionsModel(Strict):
    """extensions.yml."""

    extensions: list[ExtensionModel] = []


class LimitsModel(Strict):
    """`limits:` of assignment.yml."""

    cpu_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = _LIMITS.cpu_s
    memory_mb: Positive = _LIMITS.memory_mb
    output_kb: Positive = _LIMITS.output_kb
    scratch_mb: Positive = _LIMITS.scratch_mb


class AssignmentModel(Strict):
    """assignment.yml."""

    title: Text
    files: Files
    given: GivenFiles = []
    builds_on: Earlier = {}
    bans: Names = []
    importable: Modules = ["torch", "numpy"]
    preload: Modules = []
    limits: LimitsModel = LimitsModel()
    parts: dict[Part, Annotated[Names, Field(min_length=1)]] = {}
