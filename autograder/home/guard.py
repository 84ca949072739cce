"""What stands around a student's code at home: its prints are kept apart, its time is watched."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO

from autograder.home import events
from autograder.home.events import Event
from autograder.marks import CHECK_FILES

PRINTED = 4_000
"""Characters of what a check printed that are kept; the end tells most."""
MOST_PRINTED = 64 * 2**20
"""Bytes that a check may print before it is stopped: a loop that prints for ever would fill the disk."""
BUSY = 0.02
"""CPU seconds a second from which a process is at work."""
EXIT_STOPPED = 70


@dataclass
class Outside:
    """The terminal's process: events go there, and what the student's code prints is kept from them."""

    stream: BinaryIO
    printed: BinaryIO
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, event: Event) -> None:
        """Send an event."""
        with self._lock:
            self.stream.write(events.line_of(event))
            self.stream.flush()

    def printed_bytes(self) -> int:
        """Return how much was printed since the last time."""
        return os.fstat(self.printed.fileno()).st_size

    def take_printed(self) -> str:
        """Return what was printed since the last time."""
        sys.stdout.flush()
        sys.stderr.flush()
        self.printed.seek(-min(self.printed_bytes(), 4 * PRINTED), os.SEEK_END)
        text = self.printed.read().decode("utf-8", errors="replace")
        self.printed.seek(0)
        self.printed.truncate()
        return text if len(text) <= PRINTED else f"...{text[-PRINTED:]}"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the student's code may use from a moment on."""

    cpu_s: float
    slack_s: float
    cpu_start: float
    wall_start: float

    @property
    def wall_s(self) -> float:
        """Seconds after which one who uses no CPU only waits."""
        return max(30.0, 10 * self.cpu_s)


@dataclass
class Watchdog:
    """Ends this process when the student's code has used up what it may, and says where it was."""

    outside: Outside
    folder: str = ""
    """The student's; where a line of theirs is looked for."""
    crash: IO[str] | None = None
    """Where Python writes the line when even the watching thread gets no turn."""
    main: int = field(default_factory=lambda: threading.main_thread().ident or 0)
    _allowed: Allowance | None = None
    _pause: threading.Event = field(default_factory=threading.Event)

    def allow(self, cpu_s: float, slack_s: float = 0.0) -> None:
        """Start anew: from here on this many CPU seconds, and some of ours; who only waits is ended, too."""
        self._allowed = Allowance(cpu_s, slack_s, time.process_time(), time.monotonic())
        if self.crash is not None:
            faulthandler.dump_traceback_later(3 * self._allowed.wall_s, exit=True, file=self.crash)

    def rest(self) -> None:
        """No limit until the next `allow`."""
        self._allowed = None
        faulthandler.cancel_dump_traceback_later()

    def start(self) -> None:
        """Watch, on a thread of its own."""
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._pause.wait(0.1):  # `time.sleep` does nothing here, as where work is graded
            allowed = self._allowed
            if allowed is not None and (words := self._over(allowed)):
                self._stop(words)

    def _over(self, allowed: Allowance) -> str:
        """Why it is enough; empty: it is not."""
        used, passed = time.process_time() - allowed.cpu_start, time.monotonic() - allowed.wall_start
        if used > allowed.cpu_s + allowed.slack_s:
            return f"it has used {allowed.cpu_s:g} seconds of CPU time, and grading would stop it, too"
        if self.outside.printed_bytes() > MOST_PRINTED:
            return "it prints without end"
        if passed > allowed.wall_s and used < BUSY * passed:  # on a busy machine all takes long, and nobody waits
            return f"it has not come back in {passed:.0f} seconds: does it wait for something?"
        return ""

    def _stop(self, words: str) -> None:
        self.outside.tell(events.Stopped(words, self._where()))
        os._exit(EXIT_STOPPED)

    def _where(self) -> str:
        """The innermost line of the student's own that runs right now."""
        frame = sys._current_frames().get(self.main)
        while frame is not None and not self._is_own(Path(frame.f_code.co_filename)):
            frame = frame.f_back
        if frame is None:
            return ""
        return f"{Path(frame.f_code.co_filename).name}, line {frame.f_lineno}, in {frame.f_code.co_name}"

    def _is_own(self, file: Path) -> bool:
        return file.is_relative_to(self.folder) and file.name not in CHECK_FILES
