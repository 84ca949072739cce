"""The last look before a release: no line of what stays with the course, and never the secret, is in it.

Lines are compared without white space, without comments and with one kind of quotes, so another layout hides nothing.
What students get anyway (the given parts of the stub, the public checks, the given files) is no secret; a handout is
not on that list: one that quotes the solution is to be rewritten.
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType

from autograder.release.needles import Needle, hidden_needles, hidden_words, solution_needles, squeeze, uncommented
from autograder.release.pages import Page, pages
from autograder.secret import PLACE, VARIABLE

_NOTHING: Mapping[str, str] = MappingProxyType({})
_WHEEL = ".whl"
_LONG = 12
"""Tokens from which a line of the solution may not stand in a public check either: shorter ones are idioms."""
_IDIOM = re.compile(r"(?:from\s+\S+\s+)?import\s[\w\s.,*()]+|\)\s*->[\w\s.,|\[\]]+:")
"""Imports and ends of signatures: however long, they tell nothing about an assignment."""


@dataclass(frozen=True, slots=True, order=True)
class Leak:
    """Something in a released file that must not leave the course."""

    file: str
    """The released one; `kit.zip!rnn.py` inside an archive."""
    line: int
    """From 1; 0 where lines mean nothing."""
    source: str
    """Where it comes from: `rnn.py, line 46`."""
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text} ({self.source})"


@dataclass(frozen=True, slots=True)
class _Haystack:
    """A text without white space that still knows its lines."""

    squeezed: str
    ends: tuple[int, ...]
    """Where each line ends in `squeezed`."""

    @classmethod
    def of(cls, lines: Sequence[str]) -> _Haystack:
        squeezed = [squeeze(line) for line in lines]
        return cls("".join(squeezed), tuple(accumulate(len(line) for line in squeezed)))

    def line_of(self, needle: str) -> int:
        """The line, from 1, in which the first occurrence starts; 0 where there is none."""
        place = self.squeezed.find(needle)
        return 0 if place < 0 else bisect_right(self.ends, place) + 1


def scan(
    built: Mapping[str, bytes],
    solution_texts: Mapping[str, str],
    hidden_texts: Mapping[str, str],
    secret_root: Path,
    *,
    environment: Mapping[str, str] = _NOTHING,
    public: Mapping[str, bytes] | None = None,
) -> tuple[Leak, ...]:
    """Return everything in `built` that must stay with the course, sorted by place; nothing where all is well.

    `solution_texts` are the files with markers, `hidden_texts` all others that are not released, both name -> text.
    The secret is looked for as in the file below `secret_root` and in the variable of `environment`. `public` is what
    students get anyway, where that is less than `built`. In a wheel, which nobody writes for one assignment, only long
    lines count, and neither imports nor ends of signatures: the others are idioms.
    """
    known = built if public is None else public
    needles = _secret_lines(known, solution_texts, hidden_texts)
    words = _not_public(hidden_words(hidden_texts), known)
    secrets = _secrets(secret_root, environment)
    every = [page for name, content in built.items() for page in pages(name, content)]
    needles = _somewhere(needles, every)
    found: dict[tuple[str, int, str], Leak] = {}  # a whole line comes before the formula in it, which says no more
    for page in every:
        sought = [needle for needle in needles if _tells(needle)] if _WHEEL in page.name else needles
        for leak in (*_in_page(page, sought, words), *_spelt_out(page, secrets)):
            found.setdefault((leak.file, leak.line, leak.source), leak)
    return tuple(sorted(found.values()))


def _tells(needle: Needle) -> bool:
    """Whether a line gives something away where it stands in a program that nobody wrote for an assignment."""
    return needle.tokens >= _LONG and not _IDIOM.fullmatch(needle.shown)


def _not_public(words: Mapping[str, str], known: Mapping[str, bytes]) -> dict[str, str]:
    """The ids of hidden checks without those that a public check of another assignment has, too."""
    text = "\n".join(content.decode(errors="replace") for name, content in known.items() if name.endswith(".py"))
    return {word: source for word, source in words.items() if not re.search(rf"^def {word}\(", text, re.MULTILINE)}


def _somewhere(needles: Sequence[Needle], every: Sequence[Page]) -> tuple[Needle, ...]:
    """The needles that occur at all: looking each of them up page by page takes a hundred times as long."""
    texts = (text for page in every for text in (page.text, "\n".join(uncommented(page.name, page.text))))
    found = _occurring({needle.squeezed for needle in needles}, map(squeeze, texts))
    return tuple(needle for needle in needles if needle.squeezed in found)


def _occurring(words: Collection[str], texts: Iterable[str]) -> set[str]:
    """Those of `words` that stand anywhere in `texts`, in one walk over each text: there are thousands of both.

    Each place's first letters, as many as the shortest word has, are looked up among the beginnings of the words.
    """
    if not words:
        return set()
    width = min(map(len, words))
    beginning = defaultdict[str, list[str]](list)
    for word in words:
        beginning[word[:width]].append(word)
    found: set[str] = set()
    for text in texts:
        for place in range(len(text) - width + 1):
            for word in beginning.get(text[place : place + width], ()):
                if text.startswith(word, place):
                    found.add(word)
    return found


def _secret_lines(
    built: Mapping[str, bytes], solution_texts: Mapping[str, str], hidden_texts: Mapping[str, str]
) -> tuple[Needle, ...]:
    """The needles that are not public already, each once."""
    sources = {name: content.decode(errors="replace") for name, content in built.items() if name.endswith(".py")}
    stubs = _joined(text for name, text in sources.items() if name in solution_texts)
    as_they_are = _joined(text for name, text in sources.items() if name not in solution_texts)
    of_solution = [needle for needle in solution_needles(solution_texts) if needle.squeezed not in stubs]
    kept = [needle for needle in of_solution if needle.tokens >= _LONG or needle.squeezed not in as_they_are]
    public = stubs + as_they_are
    kept += [needle for needle in hidden_needles(hidden_texts) if needle.squeezed not in public]
    first: dict[str, Needle] = {}
    for needle in kept:
        first.setdefault(needle.squeezed, needle)
    return tuple(first.values())


def _joined(texts: Iterator[str]) -> str:
    return "\n".join(squeeze(text) for text in texts)


def _in_page(page: Page, needles: Sequence[Needle], words: Mapping[str, str]) -> Iterator[Leak]:
    if page.problem:
        yield Leak(page.name, 0, "nobody can look inside", page.problem)
    haystacks = (_Haystack.of(page.text.split("\n")), _Haystack.of(uncommented(page.name, page.text)))
    for needle in needles:
        line = next(filter(None, (haystack.line_of(needle.squeezed) for haystack in haystacks)), 0)
        if line:
            yield Leak(page.name, line, needle.source, needle.shown)
    for word, source in words.items():
        if word in page.text and (hit := re.search(rf"(?<!\w){re.escape(word)}(?!\w)", page.text)):
            yield Leak(page.name, page.text.count("\n", 0, hit.start()) + 1, source, word)


def _secrets(root: Path, environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """Every spelling of every course secret that is in reach."""
    file = root / PLACE
    raw = [file.read_bytes()] if file.is_file() else []
    if text := environment.get(VARIABLE, "").strip():
        raw.append(text.encode())
        if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text):
            raw.append(bytes.fromhex(text))
    return tuple(spelling for secret in raw if secret for spelling in _spellings(secret))


def _spellings(secret: bytes) -> Iterator[bytes]:
    """Raw, hexadecimal, Python and base64, the latter at each of the three places that it may have in a longer text."""
    yield secret
    yield from (secret.hex().encode(), secret.hex().upper().encode(), repr(secret)[2:-1].encode())
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret).rstrip(b"=")[(before * 8 + 5) // 6 : -1]
        yield from (encoded, encoded.translate(bytes.maketrans(b"+/", b"-_")))


def _spelt_out(page: Page, secrets: Sequence[bytes]) -> Iterator[Leak]:
    compact = re.sub(rb"\s", b"", page.content)
    for spelling in secrets:
        if spelling in page.content or spelling in compact:
            line = page.content.count(b"\n", 0, max(page.content.find(spelling), 0)) + 1
            yield Leak(page.name, line, PLACE.as_posix(), "the course secret")
