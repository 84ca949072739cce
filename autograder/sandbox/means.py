"""What this machine offers to confine a submission with, and what grading insists on."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from autograder.errors import ConfinementMissing
from autograder.records import Confinement
from autograder.sandbox import landlock, namespaces, seccomp


@dataclass(frozen=True, slots=True)
class Means:
    """What this machine offers to confine a submission with."""

    layers: tuple[str, ...]
    missing: tuple[str, ...]
    """In words, what `required` would refuse for."""
    remarks: tuple[str, ...]
    """In words, what would be better still."""


def survey() -> Means:
    """Return the layers of confinement that this machine offers."""
    if sys.platform != "linux":
        return Means((), (f"the sandbox needs Linux; this is {sys.platform}",), ())
    lacking = {
        "landlock": "" if landlock.abi() else "Landlock (a kernel of 5.13 or later with `landlock` among its lsm=)",
        "seccomp": seccomp.missing(),
    }
    given, remark = namespaces.probe()
    layers = [name for name, words in lacking.items() if not words] + (["namespaces"] if "mount" in given else [])
    return Means(tuple(layers), tuple(words for words in lacking.values() if words), (remark,) if remark else ())


def choose_layers(confinement: Confinement, means: Means) -> tuple[str, ...]:
    """Return the layers to use. Raises ConfinementMissing where `required` cannot be met."""
    if means.missing and confinement is Confinement.REQUIRED:
        pieces = "; ".join(means.missing)
        raise ConfinementMissing(
            f"this machine cannot confine submissions: missing {pieces}. "
            "Grade on a machine that has it, or pass --sandbox best-effort: every result will say so."
        )
    return means.layers
