"""Runs one attack as submissions are run: in a locked child of a zygote, imported, its output captured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.records import Limits, Outcome
from autograder.sandbox.faults import ChildEnded, StudentFault
from autograder.sandbox.host import ZygoteProcess
from autograder.sandbox.order import Order

ATTACKS = Path(__file__).with_name("attacks")
LIMITS = Limits(cpu_s=5, memory_mb=1024, output_kb=64, scratch_mb=4)
QUICK_CPU_S = 1
MODULE = "attack"
END = "the end"


@dataclass(frozen=True, slots=True)
class Trial:
    """How an attack went."""

    attempts: dict[str, str]
    """What it tried -> `got ...`, or the exception that stopped it."""
    finished: bool
    """Whether it came to its end; only then is it known that all of it was tried."""
    ended: Outcome | None
    """How its process ended, if it did not live to the end."""
    error: str
    """The exception that its import raised; empty for none."""
    printed: int
    """Characters of output that were kept."""

    @property
    def through(self) -> tuple[str, ...]:
        """The attempts that got through."""
        return tuple(name for name, how in self.attempts.items() if how.startswith("got"))


def source_of(attack: str, facts: dict[str, Any]) -> str:
    """Return the attack's program, with its targets and the tools that all attacks share in front."""
    tools = (ATTACKS / "tools.py").read_text(encoding="utf-8").replace("FACTS = {}", f"FACTS = {facts!r}")
    return f"{tools}\n{(ATTACKS / f'{attack}.py').read_text(encoding='utf-8')}\nprint('<{END}> reached')\n"


def tried(zygote: ZygoteProcess, attack: str, facts: dict[str, Any], cpu_s: float = LIMITS.cpu_s) -> Trial:
    """Return how an attack went. Raises SandboxError for a fault of ours."""
    files = {f"{MODULE}.py": source_of(attack, facts)}
    child = zygote.fork(Order(files, MODULE, "float32", 1, (), (), ("torch", "numpy")), LIMITS, cpu_s)
    ended, error = None, ""
    try:
        child.wait_loaded()
    except ChildEnded as fault:
        ended = fault.outcome
    except StudentFault as fault:
        error = str(fault)
    printed = child.close().stdout
    attempts: dict[str, str] = {}
    for name, how in re.findall(r"^<(.+?)> (.*)$", printed, re.MULTILINE):
        if not attempts.get(name, "").startswith("got"):
            attempts[name] = how
    finished = attempts.pop(END, None) is not None
    return Trial(attempts, finished, ended, error, len(printed))
