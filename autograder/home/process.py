"""The terminal's end of a process that runs checks: starts it, listens, ends it. The same on every system."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from autograder.course.checks_source import HIDDEN, PUBLIC
from autograder.home import events
from autograder.home.events import Ended, Event, Order

SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT"), "1")
"""One thread, as where grades are made: quicker for small tensors, and CPU seconds mean the same."""
CRASH_FILE, LATE = "crash.txt", "Timeout"
_FRAME = re.compile(r'File "(?P<file>[^"\n]+)", line (?P<line>\d+) in (?P<function>.+)')


class Process:
    """One process that imports torch and waits for orders: with `ahead`, most likely one for that folder."""

    def __init__(self, ahead: Path | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="autograder-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "autograder.home.worker", *([os.fsencode(ahead).hex()] if ahead else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._folder.name,  # empty, as where it is graded: no file of the student's is found by chance
            env=os.environ | SINGLE | {"TORCHDYNAMO_DISABLE": "1", "PYTHONUTF8": "1"},
            **_group(),
        )
        self._ended: Ended | None = None
        self._said: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._ending = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def send(self, order: Order) -> None:
        """Give an order; it is read as soon as torch is there."""
        assert self._process.stdin is not None  # a pipe was asked for
        with contextlib.suppress(OSError):  # the process is gone: `Ended` says so
            self._process.stdin.write(events.order_line(order))
            self._process.stdin.flush()

    def next_event(self, timeout: float) -> Event | None:
        """Return what it said next; None where it said nothing for so many seconds. Its end is said again and again."""
        try:
            return self._said.get(timeout=timeout)
        except queue.Empty:
            return self._ended

    def close(self) -> None:
        """End it, whatever it does, and everything that it started."""
        with self._ending:
            if self._process.poll() is None:
                _kill(self._process)
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()
        self._folder.cleanup()

    def _listen(self) -> None:
        assert self._process.stdout is not None  # a pipe was asked for
        with contextlib.suppress(OSError, ValueError):  # closed from this side
            for line in self._process.stdout:
                if event := events.event_of(line):
                    self._said.put(event)
        self._ended = self._last_words()
        self._said.put(self._ended)

    def _last_words(self) -> Ended:
        code = self._process.wait()
        try:
            crash = (Path(self._folder.name) / CRASH_FILE).read_text(encoding="utf-8", errors="replace")
        except OSError:
            crash = ""
        frames = (frame for frame in _FRAME.finditer(crash) if _is_own(Path(frame["file"])))
        where = next((f"{Path(f['file']).name}, line {f['line']}, in {f['function']}" for f in frames), "")
        return Ended(_exit_words(code, crash), where, timed_out=crash.startswith(LATE))


def _is_own(file: Path) -> bool:
    """Whether a file is neither the kit's nor Python's."""
    others = (str(Path(__file__).parents[1]), sys.prefix, sys.base_prefix)
    return not str(file).startswith(others) and file.name not in {PUBLIC, HIDDEN}


def _exit_words(code: int, crash: str) -> str:
    if crash.startswith(LATE):
        return "it does not come back, and nothing else in Python gets a turn"
    reason = crash.partition("\n")[0].removeprefix("Fatal Python error: ").removeprefix("Windows fatal exception: ")
    if reason:
        return f"it crashed Python ({reason})"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"it crashed Python ({signal.Signals(-code).name})"
    return f"it ended Python with exit code {code}"


def _group() -> dict[str, Any]:
    """A group of its own: ctrl-C in the terminal is for the terminal's process, which then ends this one."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _kill(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
