"""Transcripts as bytes, so that a failed check can be diagnosed again when the catalogue of mistakes has grown."""

from __future__ import annotations

import itertools
import json
import zlib

from autograder.checks.bench import Transcript
from autograder.sandbox.remote import Exchange

MAX_BYTES = 8 * 2**20
"""Of a transcript before compression; longer ones come from long trainings, which are not replayed anyway."""


def to_bytes(transcript: Transcript) -> bytes | None:
    """Return a transcript as bytes, or None for one that is too long to be worth keeping."""
    frames = [
        frame
        for session in transcript.sessions
        for each in session
        for frame in (each.question, each.answer, each.counts)
    ]
    if sum(map(len, frames)) > MAX_BYTES:
        return None
    head = {
        "check": transcript.check,
        "dtype": transcript.dtype,
        "seed": transcript.seed,
        "stand_ins": list(transcript.stand_ins),
        "sessions": [[_lengths(each) for each in session] for session in transcript.sessions],
    }
    return zlib.compress(json.dumps(head).encode() + b"\n" + b"".join(frames), 1)


def _lengths(exchange: Exchange) -> list[int]:
    return [len(exchange.question), len(exchange.answer), *([len(exchange.counts)] if exchange.counts else [])]


def from_bytes(content: bytes) -> Transcript:
    """Return the transcript that `to_bytes` wrote. Raises ValueError for anything else."""
    try:
        head, _, frames = zlib.decompress(content).partition(b"\n")
        described = json.loads(head)
        sessions, start = [], 0
        for lengths in described["sessions"]:
            session = []
            for each in lengths:
                ends = list(itertools.accumulate(each, initial=start))
                session.append(Exchange(*(frames[begin:end] for begin, end in itertools.pairwise(ends))))
                start = ends[-1]
            sessions.append(tuple(session))
        names = tuple(described["stand_ins"])
        return Transcript(described["check"], described["dtype"], described["seed"], names, tuple(sessions))
    except (zlib.error, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a transcript: {error}") from error
