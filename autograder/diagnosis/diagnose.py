"""Finds the known mistake that gives exactly these answers.

The transcript of a failed check is asked again, of every mistake of the catalogue. One that gives the student's own
answers, right and wrong ones alike, names the mistake, however the student's code is written. If none does, pairs are
tried; if none of these does either, the closest is kept, for the TA, if it is a lead.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

from autograder.checks.bench import Transcript
from autograder.diagnosis.agree import agreement
from autograder.diagnosis.catalogue import Catalogue
from autograder.diagnosis.replay import Asked, Gap, Player, distances, read
from autograder.diagnosis.touched import ANYTHING
from autograder.records import Diagnosis

EQUAL = 1e-6
"""Answers no farther apart than this part of their size are the same answer in float64."""
FARTHEST = 1e6
"""What stands for an infinite distance in a record."""
EQUAL_IN_SINGLE = 1e-4
"""The same for a submission that computes in float32 whatever it is given."""
SINGLES_S, PAIRS_S = 8.0, 2.0
"""CPU seconds for single mistakes and for pairs, for each submission: where all is wrong, a diagnosis says little."""
LEAD = 2 / 3
"""A mistake that gives no wrong answer is a lead where no more than this part of what is wrong stays unexplained."""
CANDIDATES = 24
"""Mistakes that are paired with each other: those that explain most by themselves."""


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

        A mistake that fails a check which the submission `passed` was not made. It is returned only where no other
        explains the answers, with these checks, as something that has the same effect here.
        """
        sessions = read(transcript)
        if not sessions or self._rest_s["singles"] <= 0:
            return None
        trial = _Trial(self.catalogue, transcript, sessions, passed)
        if trial.all_right:  # the failure is in no answer: a statistical check, a shared parameter
            return None
        found = self._timed("singles", lambda _: trial.single())
        return found or self._timed("pairs", trial.pair_or_closest)

    def _timed(self, kind: str, work: Callable[[float], Diagnosis | None]) -> Diagnosis | None:
        until = time.process_time() + self._rest_s[kind]
        try:
            return work(until)
        finally:
            self._rest_s[kind] = until - time.process_time()


class _TimeIsUpError(Exception):
    """A submission's time is over in the middle of a replay."""


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
        self._asked = [asked for session in sessions for asked in session]
        reference, running = catalogue.reference(transcript.stand_ins), catalogue.running
        player = Player("", lambda: reference, catalogue.folder, catalogue.answers, running.watched)
        self._right = distances(sessions, transcript, player)
        self._first_run = running.first([asked.place for asked in self._asked])
        self._wrong = [number for number, gap in enumerate(self._right) if gap.distance > EQUAL]
        """Numbers of the calls whose answer is not the reference's."""
        self._not_literal = [n for n, gap in enumerate(self._right) if gap.distance > EQUAL or not gap.literal]
        """The same, where who draws other random numbers answers otherwise, too."""

    @property
    def all_right(self) -> bool:
        """Whether all answers are the reference's, to the last number that was drawn."""
        return not self._not_literal

    def single(self) -> Diagnosis | None:
        """The mistake that gives all these answers, and others that do."""
        limit = EQUAL_IN_SINGLE if self._wrong else EQUAL
        for likely in (True, False):
            close = {id_: gaps for id_ in self._by_relevance(likely=likely) if (gaps := self._close(id_, limit))}
            literal = [id_ for id_, (worst, literal) in close.items() if worst <= EQUAL and literal]
            by_law = [id_ for id_, (worst, _) in close.items() if worst <= EQUAL and self._wrong]
            in_single = [id_ for id_ in close if self._wrong and likely]
            if matches := literal or by_law or in_single:
                return self._diagnosis((matches[0],), also=tuple(matches[1:]))
        return None

    def _close(self, id_: str, limit: float) -> tuple[float, bool] | None:
        """The largest distance to a mistake's answers, and whether it draws alike; None where it answers otherwise."""
        if not self._may_explain(id_):
            return None
        gaps = self._replay((id_,), limit, literally=not self._wrong)
        worst, literal = max(gap.distance for gap in gaps), all(gap.literal for gap in gaps)
        return (worst, literal) if worst <= limit and (literal or self._wrong) else None

    def _may_explain(self, id_: str) -> bool:
        """Whether something that a mistake changes runs before the first wrong answer is given, or in that call."""
        first = next(iter(self._not_literal), -1)
        return any(call <= first for call in self._runs_in(id_))

    def _runs_in(self, id_: str) -> list[int]:
        """The calls in which what a mistake changes runs first; none where no call comes upon it."""
        changed = self._catalogue.changed_by(id_)
        if changed is None or ANYTHING in self._first_run:
            return [-1]
        return [self._first_run[part] for part in changed if part in self._first_run]

    def pair_or_closest(self, until: float) -> Diagnosis | None:
        """Two mistakes that together give all these answers; else the mistake whose answers are closest."""
        if not self._wrong:
            return None
        touching = dict(self._touching(until))
        ranked = sorted(touching, key=lambda id_: (self._as_far(touching[id_]), self._unexplained(touching[id_])))
        likely = [id_ for id_ in ranked if not self._against((id_,))]
        for first, second in _in_order_of_promise(likely[:CANDIDATES], self._clashes(touching)):
            try:
                if self._replay((first, second), EQUAL, until=until)[-1].distance <= EQUAL:
                    return self._diagnosis((first, second))
            except _TimeIsUpError:
                break
        leads = (self._lead(id_, touching[id_]) for id_ in (*likely[:1], *ranked[:1]))
        return next(filter(None, leads), None)

    def _lead(self, id_: str, found: Sequence[Gap]) -> Diagnosis | None:
        """A mistake that gives some of the answers, if those that it leaves are few enough."""
        wrong = [gap.distance > EQUAL for gap in found]
        explained = sum(not wrong[number] for number in self._wrong)
        most = 1.0 if explained else LEAD
        if self._unexplained(found) > most * self._unexplained(self._right):
            return None
        return replace(
            self._diagnosis((id_,)),
            distance=max(min(gap.distance, FARTHEST) for gap in found),
            explained=explained,
            spoiled=sum(wrong) - sum(wrong[number] for number in self._wrong),
        )

    def _touching(self, until: float) -> Iterator[tuple[str, list[Gap]]]:
        """The mistakes that change an answer, with how far their answers lie; as many as there is time for."""
        for id_ in self._by_relevance():
            try:
                if self._runs_in(id_) and (found := self._replay((id_,), until=until)) != self._right:
                    yield id_, found
            except _TimeIsUpError:
                return

    def _as_far(self, found: Sequence[Gap]) -> bool:
        """Whether answers lie exactly as far away as right ones: what changed in them lies beneath something else."""
        return all(gap.distance == right.distance for gap, right in zip(found, self._right, strict=True))

    def _clashes(self, touching: Mapping[str, list[Gap]]) -> Callable[[str, str], int]:
        """How many answers speak against a pair: one of both leaves them alone, the other does not give them."""
        alone = {
            id_: [gap == right and math.isfinite(gap.distance) for gap, right in zip(gaps, self._right, strict=True)]
            for id_, gaps in touching.items()
        }
        off = {id_: [gap.distance > EQUAL for gap in gaps] for id_, gaps in touching.items()}

        def clashes(first: str, second: str) -> int:
            answers = zip(alone[first], alone[second], off[first], off[second], strict=True)
            return sum((still and amiss) or (silent and wrong) for still, silent, wrong, amiss in answers)

        return clashes

    def _unexplained(self, found: Sequence[Gap]) -> float:
        """How bad a replay is: 1 for each wrong call that it does not give at all, less for those that it nearly gives.

        A right call that it gets wrong counts as much: whoever made that mistake would have got it wrong, too.
        """
        wrong = {*self._wrong}
        missed = [gap.distance for number, gap in enumerate(found) if number in wrong or gap.distance > EQUAL]
        return sum(distance / (1 + distance) if math.isfinite(distance) else 1.0 for distance in missed)

    def _diagnosis(self, ids: tuple[str, ...], also: tuple[str, ...] = ()) -> Diagnosis:
        """What explains every answer: one mistake, or two together, and others that would do as well."""
        part, *more = (self._catalogue.part_of(id_) for id_ in (*ids, *also))
        wrong, against = len(self._wrong or self._not_literal), self._against(ids)
        return Diagnosis(
            ids, also, len(self._asked), wrong, 0.0, part, more_parts=tuple(more), explained=wrong, against=against
        )

    def _against(self, ids: Sequence[str]) -> tuple[str, ...]:
        """The checks that passed although the catalogue says that they catch one of these mistakes."""
        known = self._catalogue.mistakes
        return tuple(dict.fromkeys(check for id_ in ids for check in known[id_].caught_by if check in self._passed))

    def _by_relevance(self, *, likely: bool | None = None) -> list[str]:
        """The mistakes, those first that the catalogue says this check catches; only likely ones, or only the others.

        Unlikely is a mistake that should have failed a check which this submission passed.
        """
        check, known = self._transcript.check, self._catalogue.mistakes
        chosen = [id_ for id_ in known if likely in (None, not self._against((id_,)))]
        return sorted(chosen, key=lambda id_: _place(check, known[id_].caught_by))

    def _replay(
        self, ids: tuple[str, ...], limit: float = math.inf, *, literally: bool = False, until: float = math.inf
    ) -> list[Gap]:
        """How far the answers of the solution with these mistakes in it lie from the submission's.

        Raises _TimeIsUpError instead of asking anything more after `until`, in CPU seconds of this process.
        """

        def in_time(_: bytes) -> AbstractContextManager[None]:
            if time.process_time() > until:
                raise _TimeIsUpError
            return nullcontext()

        in_time(b"")  # all answers may be known, and still take time to compare
        catalogue, transcript = self._catalogue, self._transcript
        module = partial(catalogue.made, ids, transcript.stand_ins)
        player = Player("+".join(ids), module, catalogue.folder, catalogue.answers, in_time)
        found = distances(self._sessions, transcript, player, limit, literally=literally)
        return [self._right[number] if self._is_as_right(number, gap) else gap for number, gap in enumerate(found)]

    def _is_as_right(self, number: int, gap: Gap) -> bool:
        """Whether a wrong answer's law is a mistake's by chance alone: what the mistake draws is of the right law.

        Two draws that lie at opposite ends of what chance allows need not be alike, and either may be like a third one.
        """
        right, asked = self._right[number].drawn, self._asked[number]
        if gap.literal or gap.drawn is None or right is None or number not in self._wrong:
            return False
        return agreement(asked.operation, right, gap.drawn, asked.terms).distance <= EQUAL


def _place(check: str, caught_by: Sequence[str]) -> int:
    return caught_by.index(check) if check in caught_by else len(caught_by) + 100


def _in_order_of_promise(ranked: Sequence[str], clashes: Callable[[str, str], int]) -> Iterator[tuple[str, str]]:
    """All pairs: those first that fewest answers speak against, and of these the ones of two promising mistakes."""
    numbers = list(itertools.combinations(range(len(ranked)), 2))
    order = sorted(numbers, key=lambda pair: (clashes(ranked[pair[0]], ranked[pair[1]]), sum(pair), pair))
    return ((ranked[i], ranked[j]) for i, j in order)
