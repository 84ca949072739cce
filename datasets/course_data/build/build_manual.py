"""Build `manual.json.gz` from the topics of Python's reference manual: `python build/build_manual.py`.

Run by maintainers only. Source: `pydoc_data.topics` of CPython 3.11.7 (Python Software Foundation License V2), and the
library tokenizers 0.23.3 (Apache License 2.0), which trains the vocabulary and is not needed at run time.

`EXPECTED` and `EXPECTED_DIGEST` record what these give. The script leaves the snapshot alone and ends with 1 where the
result differs, since other releases of Python say other things.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pydoc_data.topics import topics

from course_data import manual
from word_pieces import trained

PIECES = 1500
"""Special pieces, single characters and what was merged from them."""
SHORTEST, LONGEST = 4, 40
"""Words of a sentence that is kept."""
TEST_SHARE = 0.2
"""Of the documents, chosen by a hash of their names."""
EXPECTED = {"documents": 74, "sentences": 1741, "pieces": 1500}
EXPECTED_DIGEST = "601fa04241ad38d0e28a1d5522cef3bfc394cc2ff162c4ec605b6c64838ceca3"
"""sha256 of the JSON inside the snapshot."""

_END = re.compile(r"(?<=[.!?:])\s+(?=[A-Z\"(*])")
_CODE = re.compile(r"::=|>>>|^\s{4,}|\|\s|\+-|={3}|-{3}|\*{3}", re.MULTILINE)

_EMPHASIS = re.compile(r"(?<![\"*\w])\*([^*\"]+)\*(?![\"*\w])")


def paragraphs(text: str) -> Iterator[str]:
    """Runs of prose: neither code nor grammar, tables or headings."""
    for block in re.split(r"\n\s*\n", text):
        if not _CODE.search(block):
            yield " ".join(block.split())


def sentences(text: str) -> Iterator[str]:
    """The sentences of a topic, in lower case, with plain quotes and without stars of emphasis."""
    for paragraph in paragraphs(text):
        for sentence in _END.split(paragraph):
            plain = _EMPHASIS.sub(r"\1", sentence).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
            plain = plain.lstrip("*\N{BULLET} ").strip()
            if plain.isascii() and plain.endswith(".") and SHORTEST <= len(manual.words(plain)) <= LONGEST:
                yield plain.lower()


def documents() -> Mapping[str, list[str]]:
    """Topic -> its sentences; each sentence stands in the first document that has it."""
    seen: set[str] = set()
    found: dict[str, list[str]] = {}
    for name in sorted(topics, key=lambda name: (len(topics[name]), name)):  # short topics repeat parts of long ones
        own = [sentence for sentence in dict.fromkeys(sentences(topics[name])) if sentence not in seen]
        seen.update(own)
        if len(own) >= 2:
            found[name] = own
    return dict(sorted(found.items()))


def is_test(name: str) -> bool:
    """Whether a topic is of the test split."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) < TEST_SHARE * 2**32


def pieces(texts: Iterable[str]) -> list[str]:
    """The pieces of the vocabulary in the order of their ids."""
    return trained([" ".join(manual.words(text)) for text in texts], manual.SPECIAL, PIECES)


def main() -> int:
    """Write the snapshot if it is the expected one, else say what differs."""
    every = documents()
    train = {name: text for name, text in every.items() if not is_test(name)}
    test = {name: text for name, text in every.items() if is_test(name)}
    content = {"pieces": pieces(sentence for text in train.values() for sentence in text), "train": train, "test": test}
    text = json.dumps(content, separators=(",", ":"))
    found = {
        "documents": len(every),
        "sentences": sum(map(len, every.values())),
        "pieces": len(content["pieces"]),
    }
    digest = hashlib.sha256(text.encode()).hexdigest()
    print(found, digest)
    if (found, digest) != (EXPECTED, EXPECTED_DIGEST):
        print(f"expected {EXPECTED} {EXPECTED_DIGEST}: another release of Python or tokenizers; nothing was written")
        return 1
    manual.SNAPSHOT.write_bytes(gzip.compress(text.encode(), mtime=0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
