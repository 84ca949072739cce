"""What a machine offers for grading: its kit, its confinement, how many submissions at once. Asked of every worker."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from autograder import ENGINE, __version__, memory
from autograder.doctor.record import holding_back, last
from autograder.errors import SandboxError
from autograder.records import Confinement, Limits
from autograder.sandbox import cards
from autograder.sandbox.means import choose_layers, survey


@dataclass(frozen=True, slots=True)
class Offer:
    """One worker's answer."""

    node: str
    """The machine's name, for people."""
    version: str
    engine: str
    sources: str
    """sha256 of the kit's own files and of the course's data."""
    torch: str
    """Version, with its build."""
    layers: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    cards: tuple[cards.Card, ...] = ()
    free_mb: int | None = None
    refusal: str = ""
    """Why nothing can be graded there, in words; empty: it can."""

    def places(self, threads: int, limits: Limits) -> int:
        """How many submissions at once: one a thread, as far as memory reaches, and one a CUDA device."""
        fit = memory.fitting(limits, self.free_mb) or threads
        return min(threads, fit, len(self.cards) or threads)


def offer(confinement: Confinement, device: str) -> Offer:
    """Return what this machine offers; what it lacks is said in the answer, and nothing is raised for it."""
    about = (platform.node(), __version__, ENGINE, sources(), metadata.version("torch"))
    try:
        means = survey()
        found = holding_back(last())
        if found and confinement is Confinement.REQUIRED:
            return Offer(*about, refusal=found)
        layers = choose_layers(confinement, means)
        devices = cards.survey(os.environ) if device == "cuda" else ()
    except SandboxError as error:
        return Offer(*about, refusal=str(error))
    if devices:
        layers = cards.usable_layers(layers, os.geteuid())
    missing = (*means.missing, found) if found else means.missing
    return Offer(*about, layers, missing, devices, memory.available_mb())


def unlike(ours: Offer, theirs: Offer) -> str:
    """Why measurements of two machines could differ, in words; empty where nothing speaks for it."""
    pairs = {
        "the kit's version": (ours.version, theirs.version),
        "the engine": (ours.engine, theirs.engine),
        "torch": (ours.torch, theirs.torch),
        "the kit's files": (ours.sources[:12], theirs.sources[:12]),
    }
    apart = [f"{what} is {there} there and {here} here" for what, (here, there) in pairs.items() if here != there]
    return "; ".join(apart)


def sources() -> str:
    """sha256 of what is installed of the kit and of the course's data."""
    total = hashlib.sha256()
    for package in ("autograder", "course_data"):
        spec = importlib.util.find_spec(package)
        assert spec is not None
        for folder in map(Path, spec.submodule_search_locations or ()):
            for path in sorted(_shipped(folder)):
                total.update(f"{path.relative_to(folder.parent)}\0".encode())
                total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _shipped(folder: Path) -> Iterator[Path]:
    """What decides how something is graded: programs, settings and data, without caches and the data's own builders."""
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if path.suffix in {".py", ".ini", ".npz", ".gz", ".txt"} and "build" not in inside.parts and path.is_file():
            yield path
