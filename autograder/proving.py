"""What an author asks of an assignment at the desk: an audit, its proof, and how well its mistakes are named."""

from __future__ import annotations

from pathlib import Path

from autograder import proof
from autograder.audit import audit, trials
from autograder.desk import Desk
from autograder.errors import UsageError
from autograder.naming import named_in, naming_trials, seen_again, unclear_among, write_naming
from autograder.screen import Screen

AUDIT_LEDGER = Path(".autograder", "audit")


def prove(desk: Desk, rounds: int, only: tuple[str, ...], screen: Screen, *, write: bool) -> bool:
    """Audit the assignment, print its table, and return whether it holds."""
    chosen = [t for t in trials(desk.assignment, rounds) if not only or t.variant.id in only or t.kind in only]
    if not chosen:
        raise UsageError(f"{desk.assignment.id} has no program called {', '.join(only)}")
    settings, begun_with = desk.settings(AUDIT_LEDGER), proof.digest(desk.assignment.folder)
    with screen.progress(desk.assignment, len(chosen), desk.missing):
        verdicts = audit(settings, desk.assignment, chosen, desk.workers, screen.advance_audit)
    screen.audit(desk.assignment, verdicts)
    fine = not any(verdict.fault for verdict in verdicts)
    if write:
        calibrated = proof.calibrate(settings, desk.assignment, verdicts, screen.advance_calibration)
        screen.calibration(calibrated)
        fine = fine and not any(each.fault for each in calibrated)
        _refuse_changed(desk, begun_with)
        path = proof.write(desk.root, desk.assignment, verdicts, calibrated, settings)
        screen.say(f"figures written to {path}")
    return fine


def name(desk: Desk, only: tuple[str, ...], screen: Screen) -> bool:
    """Plant every mistake and random pairs, write how they are named, and return whether all were caught."""
    chosen = [trial for trial in naming_trials(desk.assignment) if not only or trial.variant.id in only]
    settings, begun_with = desk.settings(AUDIT_LEDGER), proof.digest(desk.assignment.folder)
    with screen.progress(desk.assignment, len(chosen), desk.missing):
        verdicts = audit(settings, desk.assignment, chosen, desk.workers, screen.advance_audit)
    if unclear := unclear_among(verdicts):
        with screen.progress(desk.assignment, len(unclear), desk.missing):
            again = audit(settings, desk.assignment, unclear, desk.workers, screen.advance_audit, as_in_class=True)
        verdicts = seen_again(verdicts, again)
    found = named_in(verdicts)
    screen.naming(desk.assignment, found)
    if not only:
        _refuse_changed(desk, begun_with)
        screen.say(f"figures written to {write_naming(desk.root, desk.assignment, found)}")
    return not any(verdict.fault for verdict in verdicts)


def _refuse_changed(desk: Desk, begun_with: str) -> None:
    """Figures hold for the files that were measured. Raises UsageError where these are not the ones that lie there."""
    folder = desk.assignment.folder
    if proof.digest(folder) != begun_with:
        raise UsageError(
            f"{folder} was changed while it was being measured, so its figures were not written. What was measured is "
            "kept: run the same command again"
        )
