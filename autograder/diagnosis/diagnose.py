"""Finds the known mistake that gives exactly these answers.

The transcript of a failed check is asked again, of every mistake of the catalogue. One that gives the student's own
answers, right and wrong ones alike, names the mistake, however the student's code is written. If none does, pairs are
tried; if none of these does either, the closest is kept, for the TA.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import ModuleType

from autograder.checks.bench import Transcript
from autograder.diagnosis.catalogue import Catalogue
from autograder.diagnosis.replay import Asked, distances, read
from autograder.records import Diagnosis

EQUAL = 1e-6
"""Answers no farther apart than this part of their size are the same answer in float64."""
FARTHEST = 1e6
"""What stands for an infinite distance in a record."""
EQUAL_IN_SINGLE = 1e-4
"""The same for a submission that computes in float32 whatever it is given."""
SINGLES_S, PAIRS_S = 8.0, 2.0
"""CPU seconds for single mistakes and for pairs, for each submission: where all is wrong, a diagnosis says little."""
CANDIDATES = 24
"""Mistakes that are paired with each other: those that explain most by themselves."""
ALSO = 4
"""Further mistakes that are listed where several give the same answers."""


class Diagnostician:
    """Diagnoses the failed checks of one submission after the other."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._rest_s = {"singles": SINGLES_S, "pairs": PAIRS_S}

    def next_submission(self) -> None:
        """Grant the next submission its time."""
        self._rest_s = {"singles": SINGLES_S, "pairs": PAIRS_S}

    @property
    def tired(self) -> bool:
        """Whether this submission's time is over: what is not diagnosed now may be another time."""
        return self._rest_s["singles"] <= 0

    def diagnose(self, transcript: Transcript, passed: frozenset[str] = frozenset()) -> Diagnosis | None:
        """Return what the answers in a transcript say about the code; None where they say nothing.

        A mistake that fails a check which the submission `passed` is believed only where no other explains the answers.
        """
        sessions = read(transcript)
        if not sessions or self._rest_s["singles"] <= 0:
            return None
        trial = _Trial(self.catalogue, transcript, sessions, passed)
        wrong = trial.wrong_calls()
        if not wrong:  # the failure is in no answer: a statistical check, a shared parameter
            return None
        found = self._timed("singles", lambda _: trial.single(wrong))
        return found or self._timed("pairs", lambda until: trial.pair_or_closest(wrong, until))

    def _timed(self, kind: str, work: Callable[[float], Diagnosis | None]) -> Diagnosis | None:
        until = time.process_time() + self._rest_s[kind]
        try:
            return work(until)
        finally:
            self._rest_s[kind] = until - time.process_time()


class _Trial:
    """One transcript, replayed on many modules."""

    def __init__(
        self,
        catalogue: Catalogue,
        transcript: Transcript,
        sessions: Sequence[Sequence[Asked]],
        passed: frozenset[str],
    ) -> None:
        self._catalogue = catalogue
        self._passed = passed
        self._transcript = transcript
        self._sessions = sessions
        self._calls = sum(len(session) for session in sessions)

    def wrong_calls(self) -> list[int]:
        """Numbers of the calls whose answer is not the reference's."""
        found = self._replay(self._catalogue.reference(self._transcript.stand_ins))
        return [number for number, distance in enumerate(found) if distance > EQUAL]

    def single(self, wrong: Sequence[int]) -> Diagnosis | None:
        """The mistake that gives all these answers, and others that do."""
        for limit, likely in ((EQUAL, True), (EQUAL_IN_SINGLE, True), (EQUAL, False)):
            matches = [id_ for id_ in self._by_relevance(likely=likely) if self._matches(self._module(id_), limit)]
            if matches:
                return self._diagnosis((matches[0],), wrong, also=tuple(matches[1 : 1 + ALSO]))
        return None

    def pair_or_closest(self, wrong: Sequence[int], until: float) -> Diagnosis | None:
        """Two mistakes that together give all these answers; else the mistake whose answers are closest."""
        right = self._replay(self._catalogue.reference(self._transcript.stand_ins))
        touching = dict(self._touching(right, until))
        ranked = sorted(touching, key=lambda id_: _unexplained(touching[id_], wrong, self._calls))
        for first, second in _in_order_of_promise(ranked[:CANDIDATES]):
            if time.process_time() > until:
                break
            if self._matches(self._catalogue.pair(first, second, self._transcript.stand_ins), EQUAL):
                return self._diagnosis((first, second), wrong)
        if not ranked:
            return None
        closest = touching[ranked[0]]
        if _unexplained(closest, wrong, self._calls) > _unexplained(right, wrong, self._calls):
            return None
        return replace(
            self._diagnosis((ranked[0],), wrong),
            distance=max(min(distance, FARTHEST) for distance in closest),
            explained=sum(closest[number] <= EQUAL for number in wrong),
            spoiled=sum(distance > EQUAL for distance in closest) - sum(closest[number] > EQUAL for number in wrong),
        )

    def _touching(self, right: list[float], until: float) -> Iterator[tuple[str, list[float]]]:
        """The mistakes that change an answer, with how far their answers lie; as many as there is time for."""
        for id_ in self._by_relevance():
            if time.process_time() > until:
                return
            if (module := self._module(id_)) and (found := self._replay(module)) != right:
                yield id_, found

    def _diagnosis(self, ids: tuple[str, ...], wrong: Sequence[int], also: tuple[str, ...] = ()) -> Diagnosis:
        """What explains every answer: one mistake, or two together, and others that would do as well."""
        part, *more = (self._catalogue.part_of(id_) for id_ in (*ids, *also))
        return Diagnosis(ids, also, self._calls, len(wrong), 0.0, part, more_parts=tuple(more), explained=len(wrong))

    def _by_relevance(self, *, likely: bool = True) -> list[str]:
        """The mistakes, those first that the catalogue says this check catches; only likely ones, or only the others.

        Unlikely is a mistake that should have failed a check which this submission passed.
        """
        check, known = self._transcript.check, self._catalogue.mistakes
        chosen = [id_ for id_, each in known.items() if self._passed.isdisjoint(each.caught_by) is likely]
        return sorted(chosen, key=lambda id_: _place(check, known[id_].caught_by))

    def _module(self, id_: str) -> ModuleType | None:
        return self._catalogue.mistake(id_, self._transcript.stand_ins)

    def _matches(self, module: ModuleType | None, limit: float) -> bool:
        return module is not None and self._replay(module, limit)[-1] <= limit

    def _replay(self, module: ModuleType, limit: float = math.inf) -> list[float]:
        return distances(self._sessions, self._transcript, module, self._catalogue.folder, limit)


def _place(check: str, caught_by: Sequence[str]) -> int:
    return caught_by.index(check) if check in caught_by else len(caught_by) + 100


def _unexplained(found: Sequence[float], wrong: Sequence[int], calls: int) -> float:
    """How bad a replay is: 1 for each wrong call that it does not give at all, less for those that it nearly gives.

    A right call that it gets wrong counts as much: whoever made that mistake would have got it wrong, too.
    """
    missed = [found[number] for number in range(calls) if number in wrong or found[number] > EQUAL]
    return sum(distance / (1 + distance) if math.isfinite(distance) else 1.0 for distance in missed)


def _in_order_of_promise(ranked: Sequence[str]) -> Iterator[tuple[str, str]]:
    """All pairs, those of two promising mistakes first."""
    numbers = itertools.combinations(range(len(ranked)), 2)
    return ((ranked[i], ranked[j]) for i, j in sorted(numbers, key=lambda pair: (sum(pair), pair)))
