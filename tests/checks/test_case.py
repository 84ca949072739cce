"""One check, case by case: the two precisions, whose fault a failure is, and what a worker's end means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from autograder.checks import check_that, same
from autograder.checks.bench import Bench, Used, Wish
from autograder.checks.case import CheckRun
from autograder.checks.finding import CheckFailure
from autograder.checks.problem import problem_of
from autograder.errors import SandboxError, WireError
from autograder.records import Assignment, Check, CheckResult, Finding, Outcome
from autograder.sandbox import wire
from autograder.sandbox.faults import ChildEnded, StudentError
from autograder.sandbox.remote import Session

torch.set_num_threads(1)

Function = Callable[[Mapping[str, Any]], None]
Local = Callable[..., tuple[Bench, Any]]


def doubles(fixtures: Mapping[str, Any]) -> None:
    """A check of `double` against the reference."""
    x = fixtures["draw"](3, 4)
    same(fixtures["student"].double(x), fixtures["reference"].double(x))


def cases(bench: Bench, function: Function, ids: Iterable[str] = ("",), **changes: Any) -> CheckResult:
    """The result of a check with one case for every id."""
    run = CheckRun(bench, replace(bench.assignment.checks[0], **changes))
    for id_ in ids:
        run.case(function, id_)
    return run.finish()


# --- devices ---------------------------------------------------------------------------------------------------------

COMPLAINT = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"


def on_a_device(bench: Bench, edited: Callable[..., str], local: Local, complaint: str) -> tuple[Bench, list[str]]:
    """A bench whose student raises `complaint` on a make-believe CUDA, and the devices on which it was opened."""
    there, _ = local(bench.assignment, edited(("return 2 * x", f"raise RuntimeError({complaint!r})")))
    opened: list[str] = []

    def open_student(wish: Wish) -> Any:
        opened.append(wish.device)
        return (there if wish.device == "cuda" and complaint else bench).open_student(wish)

    return replace(bench, open_student=open_student, device="cuda"), opened


def test_what_passes_on_a_device_is_not_tried_elsewhere(local_bench: Local, tiny: Assignment, edited: Any) -> None:
    """One worker, and the result says where it computed."""
    bench, opened = on_a_device(local_bench(tiny)[0], edited, local_bench, "")
    result = cases(bench, doubles)
    assert (result.outcome, result.device, opened) == (Outcome.PASSED, "cuda", ["cuda"])


def test_a_tensor_left_on_the_cpu_fails_at_its_line(local_bench: Local, tiny: Assignment, edited: Any) -> None:
    """That is the one thing that fails on a GPU alone; the line is named, and the CPU is not asked."""
    bench, opened = on_a_device(local_bench(tiny)[0], edited, local_bench, COMPLAINT)
    result = cases(bench, doubles)
    assert (result.outcome, result.earned, result.device, set(opened)) == (Outcome.FAILED, 0, "cuda", {"cuda"})
    assert result.finding is not None
    line = edited().split("\n").index("    return 2 * x") + 1
    assert result.finding.where == f"tiny.py, line {line}, in double"
    assert "On a GPU this line fails" in result.finding.message
    assert "device=x.device" in result.finding.hint


def test_lengths_for_packing_belong_on_the_cpu(local_bench: Local, tiny: Assignment, edited: Any) -> None:
    """The one tensor that must not lie with its neighbours is not said to be on the CPU."""
    complaint = "'lengths' argument should be a 1D CPU int64 tensor, but got 1D cuda:0 Long tensor"
    result = cases(on_a_device(local_bench(tiny)[0], edited, local_bench, complaint)[0], doubles)
    assert result.finding is not None
    assert "packing takes its lengths from the CPU" in result.finding.message
    assert "device=x.device" not in result.finding.hint


def test_what_only_a_device_does_otherwise_costs_nothing(local_bench: Local, tiny: Assignment, edited: Any) -> None:
    """Any other failure is tried on the CPU, whose answer counts."""
    bench, opened = on_a_device(local_bench(tiny)[0], edited, local_bench, "an operator that CUDA does not have")
    result = cases(bench, doubles)
    assert (result.outcome, result.device, opened) == (Outcome.PASSED, "cpu", ["cuda", "cuda", "cpu"])


def test_wrong_work_is_wrong_on_a_device(local_bench: Local, tiny: Assignment, edited: Any) -> None:
    """It fails on both, and what is kept to diagnose was computed on the CPU."""
    kept: list[Any] = []
    wrong, _ = local_bench(tiny, edited(("return 2 * x", "return 3 * x")), transcribe=kept.append)
    bench, opened = on_a_device(wrong, edited, local_bench, "")
    result = cases(bench, doubles)
    assert (result.outcome, result.device, opened) == (Outcome.FAILED, "cpu", ["cuda", "cuda", "cpu", "cpu"])
    assert [len(transcript.sessions) for transcript in kept] == [1]


# --- precisions ------------------------------------------------------------------------------------------------------


def test_right_in_float64_is_not_tried_again(local_bench: Local, tiny: Assignment) -> None:
    """What passes in float64 has its points, and no second worker was asked for."""
    bench, run = local_bench(tiny)
    result = cases(bench, doubles)
    assert (result.outcome, result.earned, result.precision) == (Outcome.PASSED, 10, "float64")
    assert [wish.dtype for wish in run.wishes] == ["float64"]


def test_right_in_float32_alone_is_right(local_bench: Local, tiny: Assignment, edited: Callable[..., str]) -> None:
    """An error that float32 allows and float64 does not passes with all points, and the precision is noted."""
    bench, run = local_bench(tiny, edited(("return 2 * x", "return 2.00001 * x")))
    result = cases(bench, doubles)
    assert (result.outcome, result.earned, result.precision) == (Outcome.PASSED, 10, "float32")
    assert result.finding is None
    assert [wish.dtype for wish in run.wishes] == ["float64", "float32"]


def test_each_case_may_pass_in_either_precision(
    local_bench: Local, tiny: Assignment, edited: Callable[..., str]
) -> None:
    """One case in float64 and another in float32 is passing; the workers of both serve all cases."""
    bench, run = local_bench(tiny, edited(("return 2 * x", "return 2 * x * (1 + 1e-5 * (x.shape[0] == 1))")))

    def by_size(fixtures: Mapping[str, Any]) -> None:
        size = next(sizes)
        x = fixtures["draw"](size, 4)
        same(fixtures["student"].double(x), 2 * x)

    sizes = iter([3, 1, 1, 3])
    result = cases(bench, by_size, ("a", "b", "c"))
    assert (result.outcome, result.precision) == (Outcome.PASSED, "float32")
    assert [wish.dtype for wish in run.wishes] == ["float64", "float32"]


def test_wrong_in_both_is_failed_for_the_reason_of_float64(
    local_bench: Local, tiny: Assignment, edited: Callable[..., str]
) -> None:
    """A mistake fails with no points; the finding and the precision are those of the first try."""
    bench, run = local_bench(tiny, edited(("return 2 * x", "return 3 * x")))
    result = cases(bench, doubles)
    assert (result.outcome, result.earned, result.points, result.precision) == (Outcome.FAILED, 0, 10, "float64")
    assert result.finding is not None
    assert result.finding.kind == "values"
    assert result.finding.hint == "Twice is two times."
    assert len(run.wishes) == 2


def test_both_precisions_see_the_same_numbers(local_bench: Local, tiny: Assignment) -> None:
    """A case draws the same numbers in both precisions, another case draws others; torch's default dtype follows."""
    seen: list[tuple[torch.dtype, torch.dtype, torch.Tensor]] = []

    def failing(fixtures: Mapping[str, Any]) -> None:
        x = fixtures["draw"](2)
        seen.append((x.dtype, torch.get_default_dtype(), x))
        check_that(len(seen) > 4, "not yet")

    cases(replace(local_bench(tiny)[0], blame=False), failing, ("a", "b"))
    assert [kinds[:2] for kinds in seen] == [(torch.float64,) * 2, (torch.float32,) * 2] * 2
    assert torch.equal(seen[0][2].float(), seen[1][2])
    assert not torch.equal(seen[0][2], seen[2][2])
    assert torch.get_default_dtype() is torch.float32


def test_the_workers_seed_is_the_checks_own(local_bench: Local, tiny: Assignment) -> None:
    """A submission's random numbers start at a seed of the secret, the assignment and the check."""
    bench, run = local_bench(tiny)
    for assignment, check in ((tiny, "a"), (tiny, "a"), (tiny, "b"), (replace(tiny, id="t2"), "a")):
        cases(replace(bench, assignment=assignment), doubles, id=check)
    cases(replace(bench, secret=b"another secret"), doubles, id="a")
    seeds = [wish.seed for wish in run.wishes]
    assert seeds[0] == seeds[1]
    assert len(set(seeds)) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)


# --- whose fault it is -----------------------------------------------------------------------------------------------


def strange(fixtures: Mapping[str, Any]) -> None:
    """A check that does arithmetic of its own with the answer."""
    out, state = fixtures["student"].double(torch.ones(2)), fixtures["draw"](1)
    assert float(out.sum()) + float(state) * 0 == 4


def test_an_answer_that_a_check_cannot_work_with_is_the_students(
    local_bench: Local, tiny: Assignment, edited: Callable[..., str]
) -> None:
    """A check that raises only for this student's strange answer fails them; the exception stands in the detail."""
    for answer in ('"text"', "None", "[1]", "object()", "torch.ones(2, 2, dtype=torch.float16)", "{1: 2}"):
        result = cases(local_bench(tiny, edited(("return 2 * x", f"return {answer}")))[0], strange)
        assert result.outcome is Outcome.FAILED, answer
        assert result.finding is not None
        assert result.finding.kind in {"structure", "missing"}
        assert result.finding.detail


def broken(_: Mapping[str, Any]) -> None:
    """A bug of the check's own."""
    raise ZeroDivisionError("a bug in the check")


def skipping(_: Mapping[str, Any]) -> None:
    """A check that takes itself out."""
    pytest.skip("no time today")


def asks_for_nothing_that_is(fixtures: Mapping[str, Any]) -> None:
    """A check of a function that the handout does not name."""
    fixtures["student"].no_such_function()


def too_strict(fixtures: Mapping[str, Any]) -> None:
    """A check that nobody can pass."""
    check_that(fixtures["draw"](1).item() > 1e9, "never true")


def leaves(_: Mapping[str, Any]) -> None:
    """A check that ends the process."""
    raise SystemExit


def stumbles(fixtures: Mapping[str, Any]) -> None:
    """A check with a slip where a wrong answer is put into words, which the reference never gets to."""
    if fixtures["student"].double(torch.ones(2)).sum() != 4:
        words_for_it  # type: ignore[name-defined]  # noqa: B018, F821


def test_a_slip_in_the_words_for_a_wrong_answer_is_ours(local_bench: Local, tiny: Assignment, edited: Any) -> None:
    """No answer raises NameError: a human looks, and nobody reads that the answer was of a strange kind."""
    result = cases(local_bench(tiny, edited(("return 2 * x", "return 3 * x")))[0], stumbles)
    assert (result.outcome, result.finding.kind) == (Outcome.GRADER_ERROR, "grader")
    assert cases(local_bench(tiny)[0], stumbles).outcome is Outcome.PASSED


@pytest.mark.parametrize("function", [broken, skipping, asks_for_nothing_that_is, too_strict, leaves])
def test_a_check_that_the_reference_does_not_pass_is_at_fault(
    local_bench: Local, tiny: Assignment, function: Function
) -> None:
    """Whatever also goes wrong with the reference in the student's place is a grader error, never a zero."""
    result = cases(local_bench(tiny)[0], function)
    assert (result.outcome, result.earned) == (Outcome.GRADER_ERROR, 0)


def test_at_home_nobody_is_blamed(local_bench: Local, tiny: Assignment) -> None:
    """Without a reference a failure is a failure."""
    result = cases(replace(local_bench(tiny)[0], open_reference=None, blame=False), broken)
    assert result.outcome is Outcome.FAILED


def test_training_that_did_not_succeed_is_not_tried_on_the_reference(
    local_bench: Local, tiny: Assignment, edited: Callable[..., str]
) -> None:
    """A training check's own verdict stands without another training run; a broken one is still found out."""
    references: list[int] = []
    bench, _ = local_bench(tiny, edited(("return 2 * x", "return 3 * x")))
    open_reference = bench.open_reference
    assert open_reference is not None

    def counted() -> Any:
        references.append(1)
        return open_reference()

    bench = replace(bench, open_reference=counted)
    assert cases(bench, doubles, trains_cpu_s=5.0).outcome is Outcome.FAILED
    assert len(references) == 2  # one a precision
    assert cases(bench, broken, trains_cpu_s=5.0).outcome is Outcome.GRADER_ERROR


def test_an_interrupt_stops_the_run(local_bench: Local, tiny: Assignment) -> None:
    """Ctrl-C is no result of anybody's."""

    def interrupted(_: Mapping[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cases(local_bench(tiny)[0], interrupted)
    assert torch.get_default_dtype() is torch.float32


# --- what the student reads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ("raise NotImplementedError('todo')", "missing", "This part is not written yet."),
        ("raise ValueError(f'inputs were {x}')", "exception", "Your code raised ValueError."),
        ("return undefined_name", "exception", "Your code raised NameError."),
        ("return torch.rnn_tanh_cell(*[x] * 6)", "banned", "torch.rnn_tanh is not allowed"),
        ("raise SystemExit", "exception", "Your code raised SystemExit."),
    ],
)
def test_an_exception_is_told_by_its_kind_and_place(
    local_bench: Local, tiny: Assignment, edited: Callable[..., str], line: str, kind: str, words: str
) -> None:
    """The student reads the type and their own line; the exception's message, which may hold inputs, is for the TA."""
    result = cases(local_bench(tiny, edited(("return 2 * x", line)))[0], doubles)
    finding = result.finding
    assert finding is not None
    assert (result.outcome, finding.kind) == (Outcome.FAILED, kind)
    assert words.split(" is not", maxsplit=1)[0] in finding.message or kind == "banned"
    assert finding.where.startswith("tiny.py, line ")
    assert finding.where.endswith("in double")
    assert "inputs were" not in finding.message
    if "inputs were" in line:
        assert "inputs were tensor" in finding.detail


def test_a_function_that_is_not_there_is_missing(
    local_bench: Local, tiny: Assignment, edited: Callable[..., str]
) -> None:
    """A name that the check asks for and the file lacks is told by name."""
    result = cases(local_bench(tiny, edited(("def double(x)", "def duble(x)")))[0], doubles)
    assert result.finding is not None
    assert result.finding.kind == "missing"
    assert "'double'" in result.finding.message


def test_a_refused_operator_is_told_even_when_its_exception_is_hidden(
    local_bench: Local, tiny: Assignment, edited: Callable[..., str]
) -> None:
    """A submission that swallows the refusal and then fails is told that it was banned; the calls stand in evidence."""
    source = (
        "try:\n        torch.rnn_tanh_cell(*[x] * 6)\n    except Exception:\n        raise ValueError('hm') from None"
    )
    result = cases(local_bench(tiny, edited(("return 2 * x", source)))[0], doubles)
    assert result.finding is not None
    assert result.finding.kind == "banned"
    assert any("rnn_tanh" in name for name in result.evidence.banned_calls)
    swallowed = source.replace("raise ValueError('hm') from None", "return 2 * x")
    passed = cases(local_bench(tiny, edited(("return 2 * x", swallowed)))[0], doubles)
    assert passed.outcome is Outcome.PASSED
    assert passed.evidence.banned_calls


def test_no_finding_holds_control_characters(local_bench: Local, tiny: Assignment) -> None:
    """A name of the student's may stand in a message; what could move a terminal's cursor is replaced."""

    def painted(_: Mapping[str, Any]) -> None:
        raise CheckFailure(Finding("missing", "no \x1b[31mweight\x07", "a\rb", detail="\x9bd\ud800\nmore"))

    finding = cases(replace(local_bench(tiny)[0], blame=False), painted).finding
    assert finding is not None
    mark = "\N{REPLACEMENT CHARACTER}"
    assert (finding.message, finding.where) == (f"no {mark}[31mweight{mark}", f"a{mark}b")
    assert finding.detail == f"{mark}d{mark}\nmore"


# --- workers that end ------------------------------------------------------------------------------------------------


@dataclass
class Scripted:
    """A worker that answers, or ends, as it was told: True answers, an exception is raised."""

    script: list[BaseException | bool]
    closing: BaseException | None = None
    closed: int = 0
    asked: int = 0
    session: Session = field(init=False)

    def __post_init__(self) -> None:
        self.session = Session(self)

    def exchange(self, _: bytes) -> bytes:
        """Answer, or raise."""
        answer = self.script.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        self.asked += 1
        return wire.pack({"n": self.asked - 1, "answer": answer, "refused": ["torch.lstm"]}, wire.Plain())

    def close(self) -> Used:
        """Say what it used."""
        self.closed += 1
        if self.closing:
            raise self.closing
        return Used(0.5, f"out {self.asked};", "err;")


@dataclass
class Workers:
    """A bench's workers, one after the other."""

    waiting: list[Scripted | BaseException]
    started: list[Scripted] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)

    def open(self, wish: Wish) -> Scripted:
        """Return the next one, or raise."""
        self.wishes.append(wish)
        worker = self.waiting.pop(0)
        if isinstance(worker, BaseException):
            raise worker
        self.started.append(worker)
        return worker


def asks(fixtures: Mapping[str, Any]) -> None:
    """A check of one question."""
    check_that(fixtures["student"].anything(), "it said no")


@pytest.fixture
def check(tiny: Assignment) -> Check:
    """Any check."""
    return tiny.checks[0]


def started(tiny: Assignment, *workers: Scripted | BaseException) -> tuple[CheckRun, Workers]:
    """A run with these workers."""
    waiting = Workers(list(workers))
    bench = Bench(tiny, b"s", waiting.open, lambda: Scripted([True] * 9), lambda _: None)
    return CheckRun(bench, tiny.checks[0]), waiting


CRASH = ChildEnded(Outcome.CRASHED, "the process was ended by SIGSEGV")
SLOW = ChildEnded(Outcome.TIMED_OUT, "it used more than 4 s of CPU time")
HUNGRY = ChildEnded(Outcome.OUT_OF_MEMORY, "it asked for more memory than it may use")
STUCK = ChildEnded(Outcome.TIMED_OUT, "it waited", waited=True)


def test_a_crash_gives_the_next_case_a_new_child(tiny: Assignment) -> None:
    """The cases of a check share one worker in order; after a crash the next case has a new one."""
    run, workers = started(tiny, Scripted([True, CRASH]), Scripted([True, True]))
    problems = [run.case(asks, id_) for id_ in "abcd"]
    result = run.finish()
    assert [problem and problem.outcome for problem in problems] == [None, Outcome.CRASHED, None, None]
    assert (result.outcome, result.earned) == (Outcome.CRASHED, 0)
    assert [wish.dtype for wish in workers.wishes] == ["float64", "float64"]
    assert [worker.closed for worker in workers.started] == [1, 1]


def test_numbers_half_as_long_may_fit_into_memory(tiny: Assignment) -> None:
    """What runs out of memory in float64 is tried in float32, as whatever does not pass; a hint says what is kept."""
    run, workers = started(tiny, Scripted([HUNGRY]), Scripted([True]))
    run.case(asks, "")
    result = run.finish()
    assert (result.outcome, result.precision) == (Outcome.PASSED, "float32")
    assert [wish.dtype for wish in workers.wishes] == ["float64", "float32"]
    run, workers = started(tiny, Scripted([HUNGRY]), Scripted([HUNGRY]))
    run.case(asks, "")
    result = run.finish()
    assert result.outcome is Outcome.OUT_OF_MEMORY
    assert result.finding is not None
    assert result.finding.hint.startswith("A loss that is kept keeps the graph that made it")
    assert len(workers.started) == 2


@pytest.mark.parametrize("end", [CRASH, SLOW, STUCK])
def test_the_end_of_a_worker_is_the_outcome(tiny: Assignment, end: ChildEnded) -> None:
    """A limit or a crash is the result, not tried in float32 and not blamed on the check; waiting is told apart."""
    run, workers = started(tiny, Scripted([end]))
    run.case(asks, "")
    assert run.over is (end.outcome is Outcome.TIMED_OUT)
    result = run.finish()
    assert result.outcome is end.outcome
    assert result.finding is not None
    assert result.finding.kind == ("waited" if end.waited else "limit")
    assert str(end) in result.finding.message
    assert len(workers.started) == 1


def test_what_all_workers_used_and_left_is_in_the_result(tiny: Assignment) -> None:
    """CPU time, output and refused operators of every worker of a check are added up."""
    run, _ = started(tiny, Scripted([True, CRASH]), Scripted([True]))
    for id_ in "abc":
        run.case(asks, id_)
    result = run.finish()
    assert result.cpu_s == 1.0
    assert (result.evidence.stdout, result.evidence.stderr) == ("out 1;out 1;", "err;err;")
    assert result.evidence.banned_calls == ("torch.lstm",)


def test_a_malformed_answer_is_the_students_and_ends_the_worker(tiny: Assignment) -> None:
    """Bytes that are no answer fail the case in both precisions; each worker that gave them is closed at once."""
    run, workers = started(tiny, *(Scripted([WireError("not a frame")]) for _ in range(2)))
    run.case(asks, "")
    assert [worker.closed for worker in workers.started] == [1, 1]
    result = run.finish()
    assert result.outcome is Outcome.FAILED
    assert result.finding is not None
    assert result.finding.kind == "malformed"


def test_a_lost_sandbox_is_our_fault(tiny: Assignment) -> None:
    """Where the sandbox fails, in the middle or at the start, the check is a grader error."""
    for workers in ([Scripted([SandboxError("gone")])] * 2, [SandboxError("gone")] * 2):
        run, _ = started(tiny, *workers)
        run.case(asks, "")
        result = run.finish()
        assert (result.outcome, result.earned) == (Outcome.GRADER_ERROR, 0)
        assert result.finding is not None
        assert "gone" in result.finding.detail


def test_a_check_that_was_cut_off_never_passes(tiny: Assignment) -> None:
    """An exception of the grader's own between a case's start and its end leaves a grader error, not the points."""
    run, _ = started(tiny, Scripted([SandboxError("gone")], closing=RuntimeError("our bug")))
    with pytest.raises(RuntimeError, match="our bug"):
        run.case(asks, "")
    assert run.finish().outcome is Outcome.GRADER_ERROR


def test_a_submission_that_cannot_be_imported_fails(tiny: Assignment) -> None:
    """An import that raises in this check (under its bans, say) is the student's, with its line."""
    error = StudentError(("ImportError", "Exception"), "no such thing", (("tiny.py", 3, "<module>"),))
    run, _ = started(tiny, error, error)
    run.case(asks, "")
    result = run.finish()
    assert result.outcome is Outcome.FAILED
    assert result.finding is not None
    assert result.finding.where == "tiny.py, line 3"


def test_figures_and_curves_are_kept(tiny: Assignment) -> None:
    """What a check leaves in its session stands in the result's evidence."""

    def figures(fixtures: Mapping[str, Any]) -> None:
        session = fixtures["student"]._session
        session.figures |= {"held-out loss": 0.5}
        session.curve = (2.0, 1.0)

    run, _ = started(tiny, Scripted([]))
    run.case(figures, "")
    evidence = run.finish().evidence
    assert (dict(evidence.figures), evidence.curve) == ({"held-out loss": 0.5}, (2.0, 1.0))


@pytest.mark.parametrize(
    ("error", "outcome", "kind"),
    [
        (CRASH, Outcome.CRASHED, "limit"),
        (WireError("x"), Outcome.FAILED, "malformed"),
        (SandboxError("x"), Outcome.GRADER_ERROR, "grader"),
        (NameError("x"), Outcome.GRADER_ERROR, "grader"),
        (ImportError("x"), Outcome.GRADER_ERROR, "grader"),
        (TypeError("x"), Outcome.FAILED, "structure"),
        (CheckFailure(Finding("shape", "x")), Outcome.FAILED, "shape"),
    ],
)
def test_every_exception_means_something(error: Exception, outcome: Outcome, kind: str) -> None:
    """What comes out of a check is an outcome with words."""
    problem = problem_of(error)
    assert (problem.outcome, problem.finding.kind) == (outcome, kind)
    assert problem.finding.message


def two_of(answer: Any) -> tuple[Any, Any]:
    """An answer taken apart as a check does it."""
    out, state = answer
    return out, state


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "There is None where this check needs a value (is a return missing?)."),
        ((1, 2, 3), "Your answer has more or fewer parts than this check needs"),
        ([1], "Your answer has more or fewer parts than this check needs"),
        (3.5, "Your answer has more or fewer parts than this check needs"),
    ],
)
def test_an_answer_that_cannot_be_taken_apart_is_described(answer: Any, words: str) -> None:
    """A forgotten return and a tuple of another length are told in words that need no knowledge of the check."""
    with pytest.raises((TypeError, ValueError)) as caught:
        two_of(answer)
    found = problem_of(caught.value).finding
    assert (found.kind, found.message.startswith(words)) == ("structure", True)
