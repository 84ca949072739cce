"""What stands around a student's code at home: its prints are kept apart, its time is watched."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from autograder.home import events
from autograder.home.events import Event
from autograder.marks import CHECK_FILES

PRINTED = 4_000
"""Characters of what a check printed that are kept; the end tells most."""
MOST_PRINTED = 64 * 2**20
"""Bytes that a check may print before it is stopped: a loop that prints for ever would fill the disk."""
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


@dataclass
class Watchdog:
    """Ends this process when the student's code has used up what it may, and says where it was."""

    outside: Outside
    folder: str = ""
    """The student's; where a line of theirs is looked for."""
    main: int = field(default_factory=lambda: threading.main_thread().ident or 0)
    _limits: tuple[float, float] | None = None
    """CPU seconds of this process and a reading of the clock at which it is over."""
    _allowed: tuple[float, float] = (0.0, 0.0)

    def allow(self, cpu_s: float, slack_s: float = 0.0) -> None:
        """Start anew: from here on this many CPU seconds (and some of ours), and a wall clock that ends who waits."""
        self._allowed = cpu_s, max(30.0, 10 * cpu_s)
        self._limits = time.process_time() + cpu_s + slack_s, time.monotonic() + self._allowed[1]

    def rest(self) -> None:
        """No limit until the next `allow`."""
        self._limits = None

    def start(self) -> None:
        """Watch, on a thread of its own."""
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(0.1)
            limits = self._limits
            if limits is None:
                continue
            if time.process_time() > limits[0]:
                self._stop(f"it has used {self._allowed[0]:g} seconds of CPU time, and grading would stop it, too")
            elif self.outside.printed_bytes() > MOST_PRINTED:
                self._stop("it prints without end")
            elif time.monotonic() > limits[1]:
                self._stop(f"it has not come back in {self._allowed[1]:g} seconds: does it wait for something?")

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
