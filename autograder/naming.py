"""Proves how mistakes are named: each by itself, and random pairs of them in one program.

A mistake counts as named where the replay of a failed check gives its answers and the diagnosis puts it first, alone or
before others that answer alike. Of a pair, each mistake may be named by a check of its own or both together by one.

Each is tried on the checks that are to catch it. A mistake that is not first there is tried once more on all checks, as
in a class: what passes speaks against others. What is still behind another one answers as that does on every call of
every check that failed; it is listed with those checks.
"""

from __future__ import annotations

import ast
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.audit import Kind, Trial, Verdict
from autograder.proof import digest, measured_file
from autograder.records import Assignment
from autograder.variants import Variant, mistakes, paired

PAIRS = 100
JOINT = " + "


def naming_trials(assignment: Assignment, pairs: int = PAIRS) -> tuple[Trial, ...]:
    """Return each known mistake as a trial, and random pairs of them: the same ones every time."""
    known = [each for each in mistakes(assignment) if each.files and each.caught_by]
    drawn = random_pairs(assignment, known, pairs)
    return (*(Trial(Kind.MISTAKE, each, 0) for each in known), *(Trial(Kind.PAIR, each, 0) for each in drawn))


def random_pairs(assignment: Assignment, known: Sequence[Variant], count: int) -> tuple[Variant, ...]:
    """Return at most `count` programs with two mistakes each, whose edits fit together into what Python reads."""
    source = random.Random(assignment.id)  # noqa: S311 - chosen once, to be the same for everybody
    every = [(first, second) for place, first in enumerate(known) for second in known[place + 1 :]]
    found: list[Variant] = []
    for first, second in source.sample(every, len(every)):
        if len(found) == count:
            break
        files = paired(assignment, first, second)
        if files is None or not all(_is_python(content) for content in files.values()):
            continue
        caught = tuple(dict.fromkeys((*first.caught_by, *second.caught_by)))
        found.append(Variant(first.id + JOINT + second.id, files, caught))
    return tuple(found)


def _is_python(content: bytes) -> bool:
    try:
        ast.parse(content)
    except SyntaxError:
        return False
    return True


def unclear_among(verdicts: Sequence[Verdict]) -> tuple[Trial, ...]:
    """Return the trials of single mistakes that were not named first."""
    return tuple(v.trial for v in verdicts if v.trial.kind is Kind.MISTAKE and not _is_first(v))


def seen_again(verdicts: Sequence[Verdict], again: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Return the verdicts, those that were made again in the place of the first ones."""
    newer = {v.trial.variant.id: v for v in again}
    return tuple(newer.get(v.trial.variant.id, v) if v.trial.kind is Kind.MISTAKE else v for v in verdicts)


def _is_first(verdict: Verdict) -> bool:
    return verdict.named in ("alone", "first")


@dataclass(frozen=True, slots=True)
class Naming:
    """How the mistakes of one assignment are named."""

    mistakes: int
    first: int
    """Named first: alone, or before others that answer alike."""
    alike: int
    """Not first, but behind one that no check tells from it, in either's own trial: from outside both are one."""
    behind: Mapping[str, Mapping[str, Any]]
    """Those that were not: how, and what was named in their place by how many checks."""
    pairs: int
    one_of_pair: int
    both_of_pair: int
    missed: Mapping[str, tuple[str, ...]]
    """Pairs of which not both were named: what was named."""

    def in_words(self) -> str:
        """One line for the terminal."""
        return (
            f"named first: {self.first} of {self.mistakes} mistakes ({_share(self.first, self.mistakes)}), and"
            f" {self.alike} by one that answers alike everywhere;"
            f" of {self.pairs} pairs at least one in {_share(self.one_of_pair, self.pairs)}, both in"
            f" {_share(self.both_of_pair, self.pairs)}"
        )


def named_in(verdicts: Sequence[Verdict]) -> Naming:
    """Return how the trials of `naming_trials` were named."""
    alone = [v for v in verdicts if v.trial.kind is Kind.MISTAKE]
    pairs = [v for v in verdicts if v.trial.kind is Kind.PAIR]
    by_id = {v.trial.variant.id: v for v in alone}
    hits = {v.trial.variant.id: _found(v) & set(v.trial.variant.id.split(JOINT)) for v in pairs}
    return Naming(
        mistakes=len(alone),
        first=sum(map(_is_first, alone)),
        alike=sum(not _is_first(v) and _is_one_with_the_first(v, by_id) for v in alone),
        behind={
            v.trial.variant.id: {"how": v.named or "not named", "instead": _instead(v), "why": _why(v)}
            for v in alone
            if not _is_first(v)
        },
        pairs=len(pairs),
        one_of_pair=sum(bool(found) for found in hits.values()),
        both_of_pair=sum(len(found) == 2 for found in hits.values()),
        missed={v.trial.variant.id: tuple(sorted(_found(v))) for v in pairs if len(hits[v.trial.variant.id]) < 2},
    )


def _found(verdict: Verdict) -> set[str]:
    """The mistakes that some check's diagnosis put first."""
    return {id_ for found in verdict.exact for id_ in found.mistakes}


def _instead(verdict: Verdict) -> Mapping[str, int]:
    """A row of the confusion matrix: what was named, and by how many checks."""
    return Counter(JOINT.join(found.mistakes) for found in verdict.exact)


def _is_one_with_the_first(verdict: Verdict, by_id: Mapping[str, Verdict]) -> bool:
    """Whether what is named in a mistake's place cannot be told from it: neither in its trial nor in that one's own."""
    id_ = verdict.trial.variant.id
    firsts = {found.mistakes[0] for found in verdict.exact if id_ in found.also}
    return any(_lists_both(verdict, first) and first in by_id and _lists_both(by_id[first], id_) for first in firsts)


def _lists_both(verdict: Verdict, other: str) -> bool:
    """Whether every check that names the trial's own mistake names the other one, too."""
    id_ = verdict.trial.variant.id
    listed = [{*found.mistakes, *found.also} for found in verdict.exact if len(found.mistakes) == 1]
    own = [ids for ids in listed if id_ in ids]
    return bool(own) and all(other in ids for ids in own)


def _why(verdict: Verdict) -> str:
    """Why a mistake is not the first one that is named."""
    id_ = verdict.trial.variant.id
    alike = [r for r in verdict.grade.results if (d := r.diagnosis) and d.exact and id_ in d.also]
    if not alike:
        return "no answer of a failed check differs from the solution's in a way that the mistake explains"
    calls = sum(r.diagnosis.calls for r in alike if r.diagnosis)
    others = dict.fromkeys(id_ for r in alike if r.diagnosis for id_ in r.diagnosis.mistakes)
    checks = ", ".join(r.id for r in alike)
    return (
        f"answers as {' and '.join(others)} on all {calls} calls of {checks}, and no check that passed tells them apart"
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "none"


def naming_file(root: Path, assignment: str) -> Path:
    """Where the figures stand."""
    return measured_file(root, assignment).with_suffix(".naming.json")


def write_naming(root: Path, assignment: Assignment, naming: Naming) -> Path:
    """Write the figures with the digest of what they hold for, and return the file."""
    path = naming_file(root, assignment.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "assignment": assignment.id,
        "digest": digest(assignment.folder),
        "mistakes": naming.mistakes,
        "named_first": naming.first,
        "named_by_one_alike": naming.alike,
        "behind": naming.behind,
        "pairs": naming.pairs,
        "one_of_pair": naming.one_of_pair,
        "both_of_pair": naming.both_of_pair,
        "missed_pairs": naming.missed,
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
