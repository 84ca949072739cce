"""A worker's side: seats, each with a judge in a process of its own. Runs inside Dask's worker; imports no torch.

What goes wrong with a judge ends that process and no worker: it ended, it raised, or neither it nor anything that it
started used the CPU for a long while. The order is then lost here, and tried elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from autograder.cluster.offer import Offer, offer
from autograder.cluster.order import Answer, Place, Sealed, opened
from autograder.cluster.parcel import Parcel, unpack
from autograder.records import Confinement
from autograder.secret import VARIABLE

QUIET_S = 300.0
"""A judge that used no CPU for so long hangs: the longest wait in it, for a child that sleeps, is far shorter."""
LOOK_S = 5.0
VISIBLE = "CUDA_VISIBLE_DEVICES"


def look(confinement: str, device: str) -> Offer:
    """Task: what this worker's machine offers."""
    return offer(Confinement(confinement), device)


def receive(parcel: Parcel) -> str:
    """Task: keep the course in the worker's own folder, which Dask removes with it; return where it lies there."""
    from distributed import get_worker

    return str(unpack(parcel, Path(get_worker().local_directory) / "autograder-courses"))


def grade(place: Place, order: Sealed, quiet_s: float = QUIET_S) -> Sealed:
    """Task: the answer to an order. Never raises, since Dask would put the order into its log."""
    return _seat(place.number).grade(place, order, quiet_s)


def leave(places: int) -> None:
    """Task: nobody grades here any more for now; judges end."""
    for number in range(places):
        _seat(number).close()


@cache
def _seat(number: int) -> Seat:
    """This process's seat of that number; its judge ends with the process."""
    return Seat(number)


@dataclass
class Seat:
    """One judge, started when there is something to judge."""

    number: int
    _place: Place | None = None
    _process: subprocess.Popen[bytes] | None = None
    _orders: Connection | None = None
    _in_use: threading.Lock = field(default_factory=threading.Lock)

    def grade(self, place: Place, order: Sealed, quiet_s: float) -> Sealed:
        """Return the answer, sealed."""
        with self._in_use:  # whoever left a run behind may still have an order here
            try:
                orders = self._ready(place)
                orders.send_bytes(order)
                self._await(orders, quiet_s)
                return Sealed(orders.recv_bytes())
            except TimeoutError as error:
                self.close()
                return _lost(str(error))
            except (EOFError, OSError):
                return _lost(f"the judge ended ({self.close()})")

    def _ready(self, place: Place) -> Connection:
        """A running judge that grades with this course on this card."""
        if self._process is None or self._process.poll() is not None or place != self._place:
            self.close()
            ours, theirs = Pipe()
            command = [sys.executable, "-m", "autograder.cluster.judge", str(theirs.fileno()), str(place.course)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, pass_fds=[theirs.fileno()], env=_environment(os.environ, place)
            )
            theirs.close()
            self._place, self._orders = place, ours
        assert self._orders is not None
        return self._orders

    def _await(self, orders: Connection, quiet_s: float) -> None:
        """Wait for an answer. TimeoutError where the judge hangs."""
        assert self._process is not None
        used, since = _cpu_s(self._process.pid), time.monotonic()
        while not orders.poll(min(LOOK_S, quiet_s / 4)):
            now = _cpu_s(self._process.pid)
            if now != used:
                used, since = now, time.monotonic()
            elif time.monotonic() - since > quiet_s:
                raise TimeoutError(f"the judge did nothing for {quiet_s:g} s")

    def close(self) -> str:
        """End the judge, and with it its zygote and what runs there; return how it ended."""
        process, self._process = self._process, None
        if process is None:
            return "it did not start"
        if self._orders is not None:
            self._orders.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)  # it may just be ending by itself: how, is worth knowing
        process.kill()
        process.communicate()
        code = process.returncode
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _lost(why: str) -> Sealed:
    import pickle

    return Sealed(pickle.dumps(Answer(lost=why)))


def answer_of(content: bytes) -> Answer:
    """Return the answer that `grade` sealed."""
    answer = opened(content)
    assert isinstance(answer, Answer)
    return answer


def _environment(environment: Mapping[str, str], place: Place) -> dict[str, str]:
    own = {name: value for name, value in environment.items() if name != VARIABLE}
    card = {} if place.card is None else {VISIBLE: place.card}
    return own | {"OMP_NUM_THREADS": "1"} | card


def _cpu_s(pid: int) -> tuple[float, int]:
    """CPU seconds of a process and of all that it started and that still runs, and how many those are."""
    import psutil

    total, count = 0.0, 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                times = each.cpu_times()
                total, count = total + times.user + times.system, count + 1
    return total, count
