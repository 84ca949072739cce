"""This side of a cluster: the connection, the terms on which its workers grade, and the one writer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autograder.cluster.address import Keys, checked, encrypted, is_safe
from autograder.cluster.offer import Offer, offer, unlike
from autograder.errors import ConfinementMissing, SandboxError, UsageError
from autograder.records import Confinement, Grade

if TYPE_CHECKING:
    from pathlib import Path

    from distributed import Client

    from autograder.jobs import Job, Settings

CONNECT_S = 30.0
FIRST_S = 300.0
"""How long to wait for a first worker that can grade."""
SILENT_S = 60.0
"""A worker that was not heard of for so long is taken for gone; its heartbeat comes twice a second to a minute."""


@dataclass
class Cluster:
    """A connected cluster, and the terms of this run: what its first worker offers, which all others must, too."""

    client: Client
    address: str
    confinement: Confinement
    device: str
    say: Callable[[str], None]
    terms: Offer

    def grade_all(
        self,
        settings: Settings,
        root: Path,
        jobs: Sequence[Job],
        done: Callable[[Job, Grade], None],
        running: Callable[[Sequence[str]], None] = lambda _: None,
    ) -> None:
        """Grade all jobs as `fleet.grade_all` does; results and measurements are written here and nowhere else.

        An interrupt waits for what is being graded. A submission that was lost on three workers is a fault of the
        grader for a human. Raises SandboxError where the cluster is gone.
        """
        from autograder.cluster.run import grade_all

        grade_all(self, settings, root, jobs, done, running)

    def workers(self) -> dict[str, dict[str, Any]]:
        """Address -> what the scheduler knows of a worker that was heard of lately. SandboxError where it is gone."""
        try:
            found = self.client.scheduler_info()["workers"]
        except (OSError, TimeoutError, KeyError) as error:
            raise SandboxError(
                f"the scheduler does not answer any more ({type(error).__name__}); what was measured is kept: run the "
                "same command again"
            ) from error
        latest = max((each["last_seen"] for each in found.values()), default=0.0)
        return {address: each for address, each in found.items() if latest - each["last_seen"] < SILENT_S}

    def look_at(self, address: str) -> Any:
        """The future of a worker's offer. UsageError for an address to which nothing may be sent."""
        from autograder.cluster.seat import look

        if not is_safe(address):
            raise UsageError(
                f"the worker {address} of this cluster is reached without TLS and is not on this machine; nothing was "
                "sent to it. Start the cluster with tls:// throughout."
            )
        return self.client.submit(look, self.confinement.value, self.device, workers=[address], pure=False)


def offer_in(future: Any) -> tuple[Offer | None, str]:
    """What a worker offers, and why that cannot be used."""
    if future.status != "finished":
        return None, f"{future.exception() if future.status == 'error' else 'the worker is gone'}"
    found = future.result()
    assert isinstance(found, Offer)
    return found, found.refusal


@contextmanager
def connected(
    address: str, keys: Keys, confinement: Confinement, device: str, say: Callable[[str], None]
) -> Iterator[Cluster]:
    """A connected cluster with at least one worker that can grade.

    Raises UsageError for an address or keys that cannot be used, ConfinementMissing where every worker refuses.
    """
    say(f"asking the scheduler at {checked(address)}, for {CONNECT_S:g} s at most")
    client = _connect(address, keys)
    try:
        ours = offer(Confinement.BEST_EFFORT, "cpu")
        cluster = Cluster(client, address, confinement, device, say, ours)
        cluster.terms = _terms(cluster, ours)
        yield cluster
    finally:
        client.close()


def _connect(address: str, keys: Keys) -> Client:
    try:
        from distributed import Client, Security
    except ImportError:
        raise UsageError(
            "--cluster needs Dask: pip install 'rnn-to-vit-grader[cluster]' here and on the workers"
        ) from None
    for path in (keys.ca, keys.cert, keys.key):
        if path is not None and not path.is_file():
            raise UsageError(f"{path} is not there; expected a PEM file of TLS (see docs/cluster.md)")
    names = {"tls_ca_file": keys.ca, "tls_client_cert": keys.cert, "tls_client_key": keys.key}
    own = {name: str(path) for name, path in names.items() if path is not None}
    security = Security(require_encryption=True, **own) if encrypted(address) else None
    if security is not None and not getattr(security, "tls_ca_file", None):
        raise UsageError(
            f"{address} needs certificates: give --cluster-ca, --cluster-cert and --cluster-key, or set "
            "distributed.comm.tls in Dask's own configuration"
        )
    try:
        return Client(address, security=security, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"no Dask scheduler answers at {address}: {error}") from error


def _terms(cluster: Cluster, ours: Offer) -> Offer:
    """What the first worker that can grade offers; all that are there may answer."""
    asked, refused = dict[str, Any](), dict[str, str]()
    end, told = time.monotonic() + FIRST_S, False
    while time.monotonic() < end:
        workers = cluster.workers()
        for address in workers.keys() - asked.keys():
            asked[address] = cluster.look_at(address)
        for address in [each for each in asked if each not in refused and asked[each].done()]:
            found, why = offer_in(asked[address])
            why = why or (unlike(ours, found) if found else "")
            if found and not why:
                return found
            refused[address] = f"{address}: {why}"
        if workers and workers.keys() <= refused.keys():
            kind = ConfinementMissing if cluster.confinement is Confinement.REQUIRED else SandboxError
            raise kind(f"no worker of this cluster can grade. {'. '.join(refused.values())}")
        if not told and not workers:
            cluster.say("waiting for a first worker")
            told = True
        time.sleep(0.1)
    raise SandboxError(f"the cluster had no worker that answered within {FIRST_S:g} s; start some, then run again")
