"""The words of one language: sentences of pages by gettext, sentences inside results by their patterns."""

from __future__ import annotations

import gettext
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from autograder.wording.kinds import KINDS
from autograder.wording.sentences import SENTENCES

SOURCE = "en"
"""The language in which everything is written and measured."""
LANGUAGES = (SOURCE, "ko")
LONGEST = 4_000
"""Characters of a text that is put into other words; longer ones, which no sentence of ours is, stay as they are."""
DEEPEST = 4
"""Levels of words within words."""

_PLACE = re.compile(r"\{(([a-z]+)\d*)\}")
_INDEXED = re.compile(r"(.*?)((?:\[[^\[\]]*\])*)", re.DOTALL)
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one language; `own` are those of an assignment: English -> this language.

    An English text of `own` may have places as the engine's sentences have: `initial values lie beyond {figure}`.
    """

    language: str
    catalogue: gettext.NullTranslations
    own: Mapping[str, str] = field(default_factory=lambda: _NONE)

    def __call__(self, message: str) -> str:
        """A sentence of ours, which the catalogue has."""
        return self.catalogue.gettext(message)

    def counted(self, one: str, many: str, count: int) -> str:
        """A sentence of ours about a number of things."""
        return self.catalogue.ngettext(one, many, count)

    def written(self, text: str) -> str:
        """A title or a hint that an assignment's author wrote; in English where there is no other."""
        return self.own.get(text, text)

    def said(self, text: str) -> str:
        """Words of a result: an author's, or the engine's, whose sentences hold names, shapes and numbers.

        What is not recognised stays as it is, in its place among what is.
        """
        if self.language == SOURCE or len(text) > LONGEST:
            return text
        return self._said(text, DEEPEST)

    def _said(self, text: str, deep: int) -> str:
        if not text or not deep:
            return text
        if (own := self._author(text, deep)) is not None:
            return own
        for sentence in _sentences():
            if found := sentence.pattern.fullmatch(text):
                return self._filled(self.catalogue.gettext(sentence.id), sentence, found, deep)
        for mark in ("\n", "; "):
            if mark in text:
                return mark.join(self._said(piece, deep - 1) for piece in text.split(mark))
        head, mark, tail = text.partition(": ")
        if mark:  # what an answer is, and which part of it: "with h0[0]: wrong value"
            what, part = _INDEXED.fullmatch(head).groups()  # type: ignore[union-attr] # it matches every line
            own = self._author(what, deep)
            head = head if own is None else own + part
        return head + mark + self._said(tail, deep - 1)

    def _author(self, text: str, deep: int) -> str | None:
        """The words of the assignment for `text`; None where it has none."""
        if (exact := self.own.get(text)) is not None:
            return exact
        for sentence in _places(tuple(self.own)) if self.own else ():
            if found := sentence.pattern.fullmatch(text):
                return self._filled(self.own[sentence.id], sentence, found, deep)
        return None

    def _filled(self, words: str, sentence: _Sentence, found: re.Match[str], deep: int) -> str:
        return _filled(words, {name: self._value(name, found[name], deep) for name in sentence.names})

    def _value(self, name: str, value: str, deep: int) -> str:
        return self._said(value, deep - 1) if KINDS[name.rstrip("0123456789")].inside else value


@dataclass(frozen=True, slots=True)
class _Sentence:
    id: str
    pattern: re.Pattern[str]
    names: tuple[str, ...]


@cache
def wording_in(language: str) -> Wording:
    """The words of one of LANGUAGES."""
    if language == SOURCE:
        return Wording(language, gettext.NullTranslations())
    with (files("autograder.wording") / f"{language}.mo").open("rb") as catalogue:
        return Wording(language, gettext.GNUTranslations(catalogue))


@cache
def _sentences() -> tuple[_Sentence, ...]:
    return tuple(map(_sentence, SENTENCES))


@cache
def _places(texts: tuple[str, ...]) -> tuple[_Sentence, ...]:
    """Those of an author's texts that have places."""
    return tuple(_sentence(text) for text in texts if any(place[2] in KINDS for place in _PLACE.finditer(text)))


def _sentence(text: str) -> _Sentence:
    pattern, at, names = "", 0, list[str]()
    for place in _PLACE.finditer(text):
        if place[2] not in KINDS:
            continue  # an author's own braces
        pattern += f"{re.escape(text[at : place.start()])}(?P<{place[1]}>{KINDS[place[2]].pattern})"
        names.append(place[1])
        at = place.end()
    return _Sentence(text, re.compile(pattern + re.escape(text[at:])), tuple(names))


def _filled(words: str, values: Mapping[str, str]) -> str:
    """`words` with its places filled: no format string, since nothing in a value may be taken for a place."""
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), words)
