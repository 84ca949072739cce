"""Mild attempts first, then all attacks by what they are after, then honest work, then a look round."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autograder import ENGINE
from autograder.doctor.grounds import Grounds, grounds
from autograder.doctor.record import Examination, Finding
from autograder.doctor.trial import LIMITS, QUICK_CPU_S, Trial, tried
from autograder.records import Outcome
from autograder.sandbox import landlock
from autograder.sandbox.host import ZygoteProcess, zygote
from autograder.sandbox.means import Means

OUTPUT = 3 * LIMITS.output_kb * 1024


@dataclass(frozen=True, slots=True)
class Topic:
    """Attacks that are after one thing."""

    id: str
    title: str
    attacks: tuple[str, ...]
    means: str
    """What follows where one gets through."""


PROBE = Topic("probe", "the mildest of each kind", ("probe",), "the other attacks were not tried: they would do harm")
TOPICS = (
    Topic(
        "files",
        "files of the course and of others",
        ("reading/files", "reading/neighbours", "outside/files"),
        "a submission can read solution and secret, or change results",
    ),
    Topic(
        "processes",
        "other processes, their memory and their limits",
        ("reading/processes", "escaping/processes", "escaping/nine_calls"),
        "a submission can look into the judge, slow it down or end it",
    ),
    Topic("network", "the network", ("escaping/network",), "a submission can send out what it sees, or fetch answers"),
    Topic("programs", "starting programs", ("escaping/programs",), "a submission can run what nobody watches"),
    Topic(
        "kernel",
        "the kernel's rarer calls",
        ("escaping/kernel",),
        "a submission reaches parts of the kernel in which most holes are found",
    ),
)


def examine(means: Means, layers: Sequence[str], begin: Callable[[str], None]) -> Examination:
    """Return what held on this machine with these layers; `begin` hears what is tried next.

    Where a layer is missing nothing is tried: without it an attack would do what it says. Raises SandboxError.
    """
    findings: list[Finding] = []
    named: tuple[str, ...] = ()
    if not means.missing:
        with tempfile.TemporaryDirectory(prefix="autograder-doctor-") as folder, grounds(Path(folder)) as ground:
            begin("starting the sandbox")
            with zygote(layers) as process:
                named = process.layers
                findings += _examined(process, ground, namespaces="namespaces" in layers, begin=begin)
    return Examination(
        datetime.now(UTC),
        platform.node(),
        platform.release(),
        ENGINE,
        named,
        means.missing,
        tuple(remarks(means)),
        tuple(findings),
    )


def remarks(means: Means) -> Iterator[str]:
    """What this machine cannot do, and what that means, in words."""
    yield from means.remarks
    if "namespaces" not in means.layers and not means.missing:
        yield (
            "without namespaces a submission learns whether a file exists, and its disk, files and threads are bounded "
            "by its CPU time alone: grade as root, or allow unprivileged user namespaces"
        )
    version = landlock.abi()
    for needed, what in ((4, "TCP ports"), (5, "devices"), (6, "signals and abstract sockets")):
        if 0 < version < needed:
            yield f"this kernel's Landlock ({version}) does not know {what}: the system call filter alone stands there"
    if os.name == "posix" and hasattr(os, "geteuid") and os.geteuid() != 0:
        yield "started as an ordinary user, so submissions run under your own uid; started as root, under another"


def _examined(
    process: ZygoteProcess, ground: Grounds, *, namespaces: bool, begin: Callable[[str], None]
) -> Iterator[Finding]:
    facts = ground.facts | {"namespaces": namespaces, "hidden_files": namespaces}
    begin(PROBE.title)
    probed = tried(process, "probe", facts)
    through = tuple(_through({"probe": probed}))
    yield Finding(PROBE.id, PROBE.title, len(probed.attempts), through, PROBE.means)
    if through:
        return
    for topic in TOPICS:
        begin(topic.title)
        trials = {attack: tried(process, attack, facts) for attack in topic.attacks}
        count = sum(len(trial.attempts) for trial in trials.values())
        yield Finding(topic.id, topic.title, count, tuple(_through(trials)), topic.means)
    begin("using up the machine")
    yield _limits(process, facts)
    begin("honest work")
    yield _honest(process, facts)
    yield _afterwards(ground)


def _through(trials: dict[str, Trial]) -> Iterator[str]:
    for attack, trial in trials.items():
        yield from trial.through
        if not trial.finished:
            yield f"{attack} did not come to its end ({trial.error or trial.ended})"


def _limits(process: ZygoteProcess, facts: dict[str, Any]) -> Finding:
    """CPU time, memory, disk, threads and output, each used up."""
    through: list[str] = []
    computing = tried(process, "limits/cpu", facts, QUICK_CPU_S)
    if computing.ended is not Outcome.TIMED_OUT:
        through.append(f"a loop without end was not ended by its limit ({computing.ended or computing.error})")
    printing = tried(process, "limits/output", facts)
    if not 0 < printing.printed <= OUTPUT:
        through.append(f"of a hundred printed megabytes {printing.printed} characters were kept")
    count = 2
    for attack in ("memory", "disk", "threads"):
        trial = tried(process, f"limits/{attack}", facts)
        ended = trial.ended in {Outcome.OUT_OF_MEMORY, Outcome.CRASHED, Outcome.TIMED_OUT}
        count += max(1, len(trial.attempts))
        through += trial.through
        if not (trial.finished or ended):
            through.append(f"{attack} did not come to its end ({trial.error or trial.ended})")
    return Finding("limits", "using up the machine", count, tuple(through), "one submission can take the machine down")


def _honest(process: ZygoteProcess, facts: dict[str, Any]) -> Finding:
    trial = tried(process, "honest", facts)
    said = trial.error or (str(trial.ended) if trial.ended else "")
    means = "right submissions would lose points here: please report what it said"
    return Finding("honest", "honest work runs undisturbed", 1, (said,) if said else (), means)


def _afterwards(ground: Grounds) -> Finding:
    means = "an attack got further than it noticed: do not grade here, and please report it"
    return Finding("afterwards", "all is as it was before", 1, tuple(ground.harmed()), means)
