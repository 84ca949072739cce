"""Who may see what: the rules, and a search of students' pages for what must not be there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autograder.feedback import Audience, Sight
from autograder.feedback.audience import NOT_SHOWN
from autograder.records import CheckResult, Evidence, Finding, Outcome, Visibility

DUE = datetime(2027, 3, 22, 14, 59, tzinfo=UTC)
FAILED = Outcome.FAILED


def sight(audience: Audience = Audience.STUDENT, *, late: bool = True, published: bool = True, due: Any = DUE) -> Sight:
    """What an audience sees, a day after the due date or a day before."""
    return Sight(audience, DUE + timedelta(days=1 if late else -1), due, published)


@pytest.mark.parametrize(
    ("when", "early", "late", "published_early", "published_late"),
    [
        (Visibility.ALWAYS, True, True, True, True),
        (Visibility.AFTER_DUE, False, True, False, True),
        (Visibility.AFTER_PUBLISHED, False, False, True, True),
        (Visibility.NEVER, False, False, False, False),
    ],
)
def test_each_check_is_seen_in_its_time(
    results: Any, when: Visibility, early: bool, late: bool, published_early: bool, published_late: bool
) -> None:
    """A student sees a result when its check says so; who grades sees it always."""
    check = replace(results.assignment.checks[0], visibility=when)
    seen = [
        sight(late=is_late, published=published).sees(check) for published in (False, True) for is_late in (False, True)
    ]
    assert seen == [early, late, published_early, published_late]
    assert sight(Audience.TA, late=False, published=False).sees(check)


def test_a_due_date_that_nobody_set_has_not_passed(results: Any) -> None:
    """Without an entry in course.yml nothing that waits for the due date is shown; on the minute it is."""
    check = replace(results.assignment.checks[0], visibility=Visibility.AFTER_DUE)
    assert not sight(due=None).sees(check)
    assert Sight(Audience.STUDENT, DUE, DUE, published=False).sees(check)


def test_a_check_that_the_assignment_does_not_have_is_for_those_who_grade(results: Any) -> None:
    """A result of another version of the checks says nothing to a student."""
    stranger = CheckResult("test_of_old", FAILED, 0, 5, Finding("values", "old"))
    assert sight().through(results.assignment, [stranger]) == ()
    assert sight(Audience.TA).through(results.assignment, [stranger]) == (stranger,)


def hidden_result(**changes: Any) -> CheckResult:
    """A failed hidden check with something to hide in every field."""
    full = CheckResult(
        "test_run",
        FAILED,
        0,
        30,
        Finding("values", "wrong values", "tiny.py, line 30, in run", "Where?", "got HIDDEN expected HIDDEN"),
        evidence=Evidence(
            ("HIDDEN",), "HIDDEN", "HIDDEN", {"HIDDEN": 1.0, "loss": 0.5, "loss, at most": 0.1}, (3.0, 2.0)
        ),
    )
    return replace(full, **changes)


def test_of_a_hidden_check_a_student_sees_message_place_and_hint(results: Any) -> None:
    """Details, output and other figures are gone before a page is made; the score's bound and the losses stay."""
    (seen,) = sight().through(results.assignment, [hidden_result()])
    assert "HIDDEN" not in repr(seen)
    assert seen.finding == Finding("values", "wrong values", "tiny.py, line 30, in run", "Where?")
    assert seen.evidence == Evidence(figures={"loss": 0.5, "loss, at most": 0.1}, curve=(3.0, 2.0))
    assert sight(Audience.TA).through(results.assignment, [hidden_result()]) == (hidden_result(),)


def test_of_a_public_check_a_student_sees_values_and_output(results: Any) -> None:
    """They could have it at home."""
    public = hidden_result(id="test_double", points=10)
    (seen,) = sight(published=False).through(results.assignment, [public])
    assert seen.finding == public.finding
    assert seen.evidence.stdout == "HIDDEN"


def test_a_visible_result_does_not_tell_of_an_unseen_one(results: Any) -> None:
    """Names of unseen checks leave the messages, and a stand-in is not named where only unseen checks missed it."""
    assignment = replace(results.assignment, parts={"rnn_cell": ("test_rnn_cell", "test_rnn_cell_repeats")})
    words = "Not run: it builds on rnn_cell, and test_rnn_cell_repeats did not pass. Mend that first."
    shown = CheckResult("test_double", Outcome.SKIPPED, 0, 10, Finding("needs", words), stand_ins=("rnn_cell",))
    cell = CheckResult("test_rnn_cell", Outcome.PASSED, 25, 25)
    seen, _ = sight(published=False).through(assignment, [shown, cell])
    assert seen.finding is not None
    assert seen.finding.message == words.replace("test_rnn_cell_repeats", NOT_SHOWN)
    assert seen.stand_ins == ()
    seen, _ = sight(published=False).through(assignment, [shown, replace(cell, outcome=FAILED, earned=0)])
    assert seen.stand_ins == ("rnn_cell",)


# --- on the pages ----------------------------------------------------------------------------------------------------

SECRETS = {"detail": "DETAIL-0.123456789", "stdout": "STDOUT-7.77", "stderr": "STDERR-8.88"}


def full_of_secrets(points: int) -> dict[str, Any]:
    """Changes that make a check fail with a secret in every field that only staff may see."""
    finding = Finding("values", f"message of {points}", "tiny.py, line 30, in run", "a hint", SECRETS["detail"])
    figures = {"FIGURE-margin": 0.987654}
    return {
        "outcome": FAILED,
        "finding": finding,
        "evidence": Evidence(("BANNED.call",), SECRETS["stdout"], SECRETS["stderr"], figures, (5.4321,) * 3),
    }


def test_no_page_of_a_student_holds_what_only_staff_may_see(results: Any) -> None:
    """Published or not, hidden details, output, figures, refused calls and the secret's hash are on TAs' pages only."""
    results.add(
        **{id_: full_of_secrets(n) for n, id_ in enumerate(("test_run", "test_fit", "test_rnn_cell_repeats"))},
        needs_human=("HUMAN-reason",),
    )
    kept = [*SECRETS.values(), "FIGURE-margin", "0.988", "BANNED.call", "5ec7e7", "HUMAN-reason", "5.43"]
    for published in (True, False):
        page = results.pages(published=published)["ada"]
        assert [word for word in kept if word in page] == []
        assert ("message of 0" in page) is published
        assert ("test_run" in page or "goes on from step to step" in page) is published
    staff = results.pages("ta")["ada"]
    assert [word for word in kept if word not in staff] == ["5.43"]  # three losses make no curve


def test_before_publishing_a_page_tells_no_total(results: Any) -> None:
    """The score would tell the hidden checks' points: a page has the sum of what it shows, and says what is missing."""
    results.add(test_run=full_of_secrets(1), test_double=full_of_secrets(2))
    page = results.pages(published=False)["ada"]
    assert "60" not in page.partition("</style>")[2].partition("<footer>")[0].replace("65 points", "")
    assert '<span class="big">25</span> of 35 points so far' in page
    assert "The results of 3 more checks, worth 65 points, are not on this page: they are shown once the marks" in page
    page = results.pages(published=True)["ada"]
    assert '<span class="big">60</span> of 100 points' in page
    assert "not on this page" not in page


def test_what_waits_for_the_due_date_says_until_when(results: Any) -> None:
    """The due date of course.yml decides, and stands on the page in the course's time."""
    file = results.root / "solutions" / "t1_tiny" / "test_hidden.py"
    text = file.read_text(encoding="utf-8").replace("@points(30)", '@points(30)\n@visibility("after_due")')
    file.write_text(text.replace("import builtin,", "import visibility, builtin,"), encoding="utf-8")
    from autograder.course import load_assignment

    results.assignment = load_assignment(file.parent)
    results.add()
    early = results.pages(now="2027-03-22T23:58+09:00", published=False)["ada"]
    assert "some are shown after 2027-03-22 23:59 (Asia/Seoul), some once the marks are out" in early
    assert "35 of" not in early
    late = results.pages(now="2027-03-22T23:59+09:00", published=False)["ada"]
    assert '<span class="big">95</span> of 95 points so far' in late
