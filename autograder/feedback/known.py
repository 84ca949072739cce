"""A diagnosis in words: for the student who made the mistake, and for those who grade."""

from __future__ import annotations

from collections.abc import Callable

from autograder.feedback.curve import short
from autograder.feedback.excerpts import Source
from autograder.feedback.pieces import Known
from autograder.feedback.text import visible
from autograder.records import CheckResult, Diagnosis, Finding


def known_of(
    result: CheckResult, part: str, source: Source, language: str, said: Callable[[str], str], later: str
) -> Known | None:
    """What gives exactly these answers, told or only pointed at; `part` is the one that the check belongs to."""
    diagnosis, finding = result.diagnosis, result.finding or Finding("", "")
    if diagnosis is None or not diagnosis.exact:
        return None
    hints = [each.get(language) or each.get("en", "") for each in (diagnosis.hints, *diagnosis.more_hints)]
    own = diagnosis.part.partition(".")[0]
    return Known(
        hints=tuple(dict.fromkeys(said(hint) for hint in hints if hint)),
        parts=tuple(map(visible, diagnosis.parts)),
        together=len(diagnosis.mistakes) > 1,
        alike=bool(diagnosis.also),
        calls=diagnosis.calls,
        wrong=diagnosis.wrong,
        kind="gradient" if finding.message.startswith("the gradient of ") else finding.kind,
        lines=said(source.lines(diagnosis.part) or source.lines(own)),
        excerpt=source.definition(own, ()) if own not in ("", part) else None,
        later=later,
    )


def diagnosed(diagnosis: Diagnosis | None) -> str:
    """`rnn.no_bhh, in rnn_cell: equal on 6 of 6 calls, 4 of them wrong`; of the closest one, what it does not give."""
    if diagnosis is None:
        return ""
    names = " or ".join([" and ".join(diagnosis.mistakes), *diagnosis.also])
    part = f", in {' and '.join(diagnosis.parts)}" if diagnosis.parts else ""
    calls, wrong = diagnosis.calls, diagnosis.wrong
    if diagnosis.distance:
        gives = f"gives {diagnosis.explained} of {wrong} wrong answers"
        spoils = f", but not {diagnosis.spoiled} of {calls - wrong} right ones" if diagnosis.spoiled else ""
        away = f"{short(diagnosis.distance)} away at most"
        return visible(f"{names}{part}: only the closest: {gives}{spoils}; {away}{_refuted(diagnosis)}")
    alike = "; they answer alike, so it may be any of them" if diagnosis.also and not diagnosis.against else ""
    equal = f"equal to the student's answers on {calls} of {calls} calls, {wrong} of them wrong"
    return visible(f"{names}{part}: {equal}{alike}{_refuted(diagnosis)}")


def _refuted(diagnosis: Diagnosis) -> str:
    """What speaks against the mistake that is named."""
    passed = ", ".join(diagnosis.against)
    return f"; but {passed} passed, which it fails: something else with the same effect here" if passed else ""
