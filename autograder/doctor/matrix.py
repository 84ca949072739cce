"""Which layer stops which attempt: every attempt once for each layer alone, in a process of its own.

With one layer many attempts do what they say, so all of it happens in namespaces that end with it; what could be
written outside of them is removed afterwards. For developers, as root; `make prove` runs it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autograder.doctor.examination import TOPICS
from autograder.doctor.grounds import grounds
from autograder.doctor.trial import ATTACKS, tried
from autograder.errors import SandboxError
from autograder.sandbox import landlock, transport
from autograder.sandbox.host import ZygoteProcess, zygote

LAYERS = ("landlock", "seccomp", "namespaces")
APART = ("unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--fork", "--mount-proc")
QUICK_WALL_S = 4.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt of an attack."""

    topic: str
    attack: str
    name: str
    stopped_by: tuple[str, ...]
    """Layers that stop it with no other layer on."""
    by_itself: bool
    """Whether it fails with no layer at all: for want of a target here, or by limits that are always set."""


def digest() -> str:
    """The digest of the attacks: what a matrix holds for."""
    files = sorted(ATTACKS.rglob("*.py"))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def measure() -> tuple[Entry, ...]:
    """Return every attempt with the layers that stop it. Changes the machine around it: call it through `main`."""
    transport.LEAST_WALL_S = QUICK_WALL_S
    names = _through(LAYERS, {})
    every = {key for key, _ in names}
    through = {layer: {key for key, got in _through((layer,), dict.fromkeys(every)) if got} for layer in LAYERS}
    bare = {key for key, got in _through((), dict.fromkeys(every)) if got}
    return tuple(
        Entry(*key, tuple(layer for layer in LAYERS if key not in through[layer]), key not in bare) for key, _ in names
    )


Key = tuple[str, str, str]


def _through(layers: tuple[str, ...], wanted: Mapping[Key, None]) -> list[tuple[Key, bool]]:
    """Topic, attack and name of each attempt, and whether it gets through; all of an attack at once if none is wanted.

    An attempt that takes the zygote along got through; the next one has a new zygote.
    """
    found: list[tuple[Key, bool]] = []
    left = list(wanted) or [(topic.id, attack, "") for topic in TOPICS for attack in topic.attacks]
    while left:
        with suppress(SandboxError), zygote(layers) as process:
            while left:
                topic, attack, name = left.pop(0)
                found.append(((topic, attack, name), True))  # until it is known that it does not
                outcome = _one(process, attack, name)
                found[-1:] = [((topic, attack, key), got) for key, got in outcome.items()]
    return found


def _one(process: ZygoteProcess, attack: str, name: str) -> dict[str, bool]:
    with tempfile.TemporaryDirectory(prefix="autograder-matrix-") as folder, grounds(Path(folder)) as ground:
        facts = ground.facts | {"namespaces": True, "hidden_files": True} | ({"only": name} if name else {})
        trial = tried(process, attack, facts)
    _clear_away()
    if not name:
        return {key: how.startswith("got") for key, how in trial.attempts.items()}
    # one that does not come back has replaced or ended its process: the attempt got through
    return {name: trial.attempts.get(name, "got").startswith("got")}


def _clear_away() -> None:
    """Remove what attacks write outside their own folder where nothing stops them."""
    for path in (
        Path("/pwned"), Path("/var/tmp/pwned"), Path("/dev/shm/pwned"), Path.cwd() / "pwned",  # noqa: S108
        Path(os.__file__).parent / "pwned.py", Path(sys.prefix, "lib", "pwned.pth"),
    ):  # fmt: skip
        with suppress(OSError):
            path.unlink()


def table(entries: Iterable[Entry]) -> str:
    """The matrix as Markdown: a row a topic, then what a single layer stops."""
    every = [entry for entry in entries if not entry.by_itself]
    lines = ["| attempts at | that need a layer | Landlock alone stops | the filter alone | namespaces and uid alone |",
             "|---|---|---|---|---|"]  # fmt: skip
    for topic in TOPICS:
        own = [entry for entry in every if entry.topic == topic.id]
        counts = Counter(layer for entry in own for layer in entry.stopped_by)
        lines.append(f"| {topic.title} | {len(own)} | " + " | ".join(str(counts[layer]) for layer in LAYERS) + " |")
    lines += ["", "Stopped by one layer alone:", ""]
    for layer in LAYERS:
        alone = [f"{entry.name} ({entry.attack})" for entry in every if entry.stopped_by == (layer,)]
        lines.append(textwrap.fill(f"* **{layer}**: {', '.join(alone) or 'none'}", 120, subsequent_indent="  "))
    none = [f"{entry.name} ({entry.attack})" for entry in every if not entry.stopped_by]
    lines += ["", f"Stopped by no layer alone: {', '.join(none) or 'none'}."]
    return "\n".join(lines) + "\n"


def run(out: Path) -> None:
    """Measure in namespaces of its own and write the table to `out`. Raises SandboxError."""
    if os.geteuid() != 0:
        raise SandboxError("the matrix needs root: it measures in namespaces that it throws away")
    command = [*APART, sys.executable, "-m", "autograder.doctor.matrix", str(out.resolve())]
    if subprocess.run(command, check=False).returncode:
        raise SandboxError("the matrix could not be measured; its own words stand above")


def main() -> None:
    """Measure here, which must be in namespaces of its own."""
    entries = measure()
    words = (
        f"# Which layer stops which attempt\n\n`make prove` wrote this on Linux {os.uname().release} with Landlock "
        f"{landlock.abi()}:\n{len(entries)} attempts of `autograder/doctor/attacks` ({digest()[:16]}), each in a "
        "process of its own, with one layer on.\nOne that fails without any layer (it has no such target here, or a "
        "limit that is always set stops it) is not counted.\n\n"
    )
    Path(sys.argv[1]).write_text(words + table(entries), encoding="utf-8")


if __name__ == "__main__":
    main()
