"""What an assignment's author wrote, in other languages: titles of checks and hints, beside the assignment.

`checks.ko.yml` maps each English text to the same in Korean. A text that was edited since is shown in English, not in
words that no longer fit. A text that holds numbers or names has places for them, of the kinds in wording/sentences.py:
`initial values lie beyond 1/sqrt(H) = {figure}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from pydantic import RootModel

from autograder.course.problems import Problem, report
from autograder.course.schema import Text
from autograder.course.yaml_edge import read_yaml
from autograder.wording import Wording, wording_in


class TranslationModel(RootModel[dict[Text, Text]]):
    """checks.<language>.yml."""


def translation_file(folder: Path, language: str) -> Path:
    """Where an assignment's texts in `language` stand."""
    return folder / f"checks.{language}.yml"


def read_translation(folder: Path, language: str) -> Mapping[str, str]:
    """English -> `language`, nothing where there is no such file. Raises ConfigurationError."""
    file = translation_file(folder, language)
    if not file.is_file():
        return MappingProxyType({})
    problems: list[Problem] = []
    document = read_yaml(file, TranslationModel, problems)
    report(problems)
    assert document is not None  # else there were problems
    return MappingProxyType(document.content.root)


def wording_of(folder: Path, language: str) -> Wording:
    """The words of `language` with those of the assignment in `folder`. Raises ConfigurationError."""
    return replace(wording_in(language), own=read_translation(folder, language))
