"""Brings orders to workers through Dask, and tells who is there."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from autograder.cluster import seat
from autograder.cluster.client import Cluster, offer_in
from autograder.cluster.crew import Joined
from autograder.cluster.offer import unlike
from autograder.cluster.order import Answer, Entries, Order, Place
from autograder.cluster.parcel import Parcel
from autograder.jobs import Job, Settings
from autograder.records import Limits

LOOK_S = 1.0
"""Between two looks at who is there; longer for very many."""
_NOWHERE = Path()


class DaskPost:
    """See `crew.Post`. A worker joins once it offers the run's terms and has the course."""

    def __init__(
        self, cluster: Cluster, parcel: Parcel, settings: Settings, limits: Limits, entries: Callable[[Job], Entries]
    ) -> None:
        self._cluster, self._client = cluster, cluster.client
        self._parcel, self._limits, self._entries = parcel, limits, entries
        self._settings, self._assignment = replace(settings, ledger=_NOWHERE, folder=_NOWHERE), settings.folder.name
        self._calls: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._futures: dict[str, tuple[Any, Callable[[str, Any], Any]]] = {}
        """Ticket -> what was asked of Dask, and who takes the outcome."""
        self._here: dict[str, int] = {}
        """Address -> threads, of all workers that were heard of lately."""
        self._joined: dict[str, Joined] = {}
        self._looked = float("-inf")

    def news(self, timeout_s: float) -> Iterator[Joined | tuple[str, Answer]]:
        """Workers that joined, and answers."""
        self._look_around()
        with suppress(queue.Empty):
            tickets = [self._calls.get(timeout=timeout_s)]
            while not self._calls.empty():
                tickets.append(self._calls.get())
            for ticket in tickets:
                future, take = self._futures.pop(ticket, (None, None))
                if take is not None and (told := take(ticket, future)) is not None:
                    yield told

    def present(self) -> frozenset[str]:
        """Addresses of the workers that were heard of lately."""
        return frozenset(self._here)

    def send(self, worker: Joined, place: Place, job: Job) -> str:
        """Hand over an order; return its ticket."""
        settings = replace(self._settings, cards=worker.offer.cards)
        order = Order(settings, self._assignment, job, self._entries(job)).sealed()
        return self._ask(self._answer, seat.grade, place, order, at=worker.address)

    def forget(self, ticket: str) -> None:
        """Nobody waits for this any more."""
        future, _ = self._futures.pop(ticket, (None, None))
        if future is not None:
            future.cancel()

    def close(self) -> None:
        """Have judges leave, without waiting for it."""
        from distributed import fire_and_forget

        for address, joined in self._joined.items():
            if address in self._here:
                task = self._client.submit(seat.leave, len(joined.places), workers=[address], pure=False)
                fire_and_forget(task)

    def _ask(self, take: Callable[[str, Any], Any], task: Callable[..., Any], *args: Any, at: str) -> str:
        future = self._client.submit(task, *args, workers=[at], pure=False)  # its name holds no student's
        ticket = str(future.key)
        self._futures[ticket] = future, take
        future.add_done_callback(lambda _: self._calls.put(ticket))
        return ticket

    def _look_around(self) -> None:
        """Notice who came and who went."""
        if time.monotonic() - self._looked < max(LOOK_S, len(self._here) / 100):
            return
        workers = self._cluster.workers()
        for address in workers.keys() - self._here.keys():
            self._take_offer(address)
        self._here = {address: int(each["nthreads"]) for address, each in workers.items()}
        self._looked = time.monotonic()

    def _take_offer(self, address: str) -> None:
        future = self._cluster.look_at(address)
        self._futures[str(future.key)] = future, lambda _, found: self._offered(address, found)
        future.add_done_callback(lambda done: self._calls.put(str(done.key)))

    def _offered(self, address: str, future: Any) -> None:
        """Send the course to a worker that offers what this run's others do."""
        terms = self._cluster.terms
        found, why = offer_in(future)
        if found is not None and not why:
            why = unlike(terms, found)
            if (found.layers, _kinds(found.cards)) != (terms.layers, _kinds(terms.cards)):
                why = f"it confines by {', '.join(found.layers)}, and the first one by {', '.join(terms.layers)}"
        if found is None or why:
            self._cluster.say(f"{address} grades nothing of this run: {why}")
            return

        def received(_: str, answer: Any) -> Joined | None:
            if answer.status != "finished":
                self._cluster.say(f"{address} did not take the course: {offer_in(answer)[1]}")
                return None
            count = found.places(self._here.get(address, 1), self._limits)
            cards: list[str | None] = [card.token for card in found.cards] or [None] * count
            places = (Place(number, Path(answer.result()), cards[number]) for number in range(count))
            self._joined[address] = Joined(address, found, tuple(places))
            return self._joined[address]

        self._ask(received, seat.receive, self._parcel, at=address)

    @staticmethod
    def _answer(ticket: str, future: Any) -> tuple[str, Answer]:
        if future.status == "finished":
            return ticket, seat.answer_of(future.result())
        return ticket, Answer(lost=offer_in(future)[1])


def _kinds(cards: Any) -> set[str]:
    return {card.name for card in cards}
