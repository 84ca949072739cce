"""Tells when something was saved in a folder. The work is watchfiles', on all three systems."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from watchfiles import watch

SETTLE_MS = 120
"""An editor that saves writes more than once; what comes within this time is one save."""
STEP_MS = 30
LOOK_AGAIN_S = 0.2


class Saves:
    """Watches a folder on a thread of its own, for the length of a block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._over = threading.Event()
        self._queue: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(timeout=2)

    def waiting(self) -> bool:
        """Whether something was saved that nobody has looked at yet."""
        return not self._queue.empty()

    def wait_for(self, changed: Callable[[], bool]) -> None:
        """Return once something was saved and `changed()` agrees that it makes a difference."""
        while True:
            try:
                self._queue.get(timeout=LOOK_AGAIN_S)  # short: ctrl-C must get through on Windows, too
            except queue.Empty:
                continue
            while not self._queue.empty():
                self._queue.get_nowait()
            if changed():
                return

    def _watch(self) -> None:
        for _ in watch(
            self._folder,
            stop_event=self._over,
            debounce=SETTLE_MS,
            step=STEP_MS,
            rust_timeout=500,
            raise_interrupt=False,
            recursive=False,
        ):
            self._queue.put(None)
