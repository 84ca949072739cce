"""Whose a hand-in is: what an export says of its owner, against the roster. Pure."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.names import shown
from autograder.records import Person


@dataclass(frozen=True, slots=True)
class Claim:
    """What a hand-in says of one of its owners."""

    ids: tuple[str, ...]
    """Student ids, addresses, ids of an LMS: one that the roster knows settles it."""
    name: str
    fallback: str
    """The student's id where there is no roster, or nobody like this in it."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who it is."""

    student: str
    remark: str = ""
    """For the instructor; empty: there is no doubt."""


def owner_of(claim: Claim, roster: Sequence[Person]) -> Owner:
    """The student: by an id, else by a name that one person alone has; else as the hand-in says, with a remark."""
    if not roster:
        return Owner(claim.fallback)
    words = {_folded(word) for word in claim.ids if word}
    by_id = [person for person in roster if words & _ids(person)]
    if len(by_id) == 1:
        return Owner(by_id[0].student)
    spellings = _spellings(claim.name) - {""}
    by_name = [person for person in roster if spellings & _spellings(person.name)]
    if len(by_name) == 1 and not by_id:
        return Owner(by_name[0].student)
    said = shown(claim.fallback)
    if several := by_id or by_name:
        names = ", ".join(person.student for person in several)
        return Owner(claim.fallback, f"{said} could be {names}; rename the hand-in, or give roster.csv the LMS' ids")
    known = [person.student for person in roster]
    near = difflib.get_close_matches(claim.fallback, [*known, *(p.name for p in roster if p.name)], 1)
    hint = f"; did they mean {shown(near[0])}?" if near else ""
    return Owner(claim.fallback, f"{said} is not on the roster{hint}")


def _ids(person: Person) -> set[str]:
    return {_folded(word) for word in (person.student, person.email, *person.other_ids) if word}


def _folded(word: str) -> str:
    """Without case, and letters in one piece, as macOS does not write them."""
    return unicodedata.normalize("NFC", word).casefold()


def _spellings(name: str) -> set[str]:
    """`Ada King`, `King, Ada`, `King Ada`, each squeezed as Canvas does in the names of files."""
    first, comma, second = name.partition(",")
    words = f"{second} {first}".split() if comma else name.split()
    turned = [words[n:] + words[:n] for n in range(len(words))]
    return {_squeezed("".join(each)) for each in turned}


def _squeezed(name: str) -> str:
    """Letters and digits alone, without accents and case."""
    parts = unicodedata.normalize("NFKD", name).casefold()
    return unicodedata.normalize("NFC", "".join(letter for letter in parts if letter.isalnum()))
