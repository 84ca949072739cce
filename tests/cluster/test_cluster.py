"""A class on a real cluster of two workers, over TLS, one of which is killed: the grades of one machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from autograder.cluster import Keys, connected
from autograder.cluster.order import Order, Sealed
from autograder.errors import UsageError
from autograder.pipeline import Job, Settings
from autograder.records import Confinement, Grade

Write = Callable[..., Path]
SECRET = b"a secret of the tests, thirty-two bytes and more"
SLOW = ("return 2 * x", "return 2 * x if sum(range(5_000_000)) else x")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of a worker that is killed: Dask's own sockets
]


def certificate(folder: Path) -> Path:
    """A certificate with its key in one file, which is its own authority."""
    made = folder / "tls.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-keyout", str(made), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    made.write_text(made.read_text() + (folder / "cert.pem").read_text())
    return made


def is_the_tracker(process: psutil.Process) -> bool:
    """Whether it is multiprocessing's resource tracker."""
    with contextlib.suppress(psutil.Error):
        return "resource_tracker" in " ".join(process.cmdline())
    return True  # it has ended


def started() -> set[psutil.Process]:
    """All that this process has started and that still runs, and what those have started.

    One helper of Python's own lives as long as this process.
    """
    children = psutil.Process().children(recursive=True)
    return {each for each in children if not is_the_tracker(each)}


@pytest.fixture
def tls(tmp_path: Path) -> tuple[dict[str, Any], Keys]:
    """What a cluster and its client need to talk over TLS."""
    from distributed import Security

    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates")
    file = certificate(tmp_path)
    names = [f"tls_{who}_cert" for who in ("client", "scheduler", "worker")]
    security = Security(tls_ca_file=str(file), require_encryption=True, **dict.fromkeys(names, str(file)))
    return {"security": security, "protocol": "tls://"}, Keys(file, file)


def test_a_cluster_gives_the_grades_of_one_machine_though_a_worker_is_killed(
    write_tiny: Write,
    cheap_hidden: str,
    without_timings: Callable[[Grade], Grade],
    desk_for: Any,
    hand_in: Any,
    edited: Any,
    tmp_path: Path,
    tls: tuple[dict[str, Any], Keys],
) -> None:
    """Six submissions on two workers, one of which dies with one in hand: equal grades, all measured things kept.

    What is kept afterwards is enough to grade all of them here, without a sandbox; and no process is left.
    """
    from distributed import LocalCluster

    folder = write_tiny(tmp_path / "c", test_hidden__py=cheap_hidden)
    desk = desk_for(folder)
    sources = {"slow": edited(SLOW), "ada": edited(), "eun": "def broken(:\n"}
    sources |= {f"s{number}": edited(("2 * x", f"{number} * x")) for number in (3, 4, 5)}
    jobs = [Job(hand_in(source, student), SECRET) for student, source in sources.items()]
    here = {job.submission.student: desk.pipeline(ledger=tmp_path / "one").grade(job) for job in jobs}
    before = started()
    there: dict[str, Grade] = {}
    of_the_cluster: set[psutil.Process] = set()
    killed: list[int] = []
    settings: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", **tls[0]}
    with (
        LocalCluster(local_directory=str(tmp_path / "dask"), host="127.0.0.1", **settings) as local,
        connected(local.scheduler_address, tls[1], Confinement.BEST_EFFORT, "cpu", lambda _: None) as cluster,
    ):
        pids = cluster.client.run(os.getpid)

        def done(job: Job, grade: Grade) -> None:
            assert grade.student not in there
            there[grade.student] = grade
            of_the_cluster.update(started() - before)
            busy = [address for address, keys in cluster.client.processing().items() if keys]
            if not killed and busy:
                killed.append(pids[busy[0]])
                os.kill(killed[0], signal.SIGKILL)

        terms = cluster.terms
        used = Settings(folder, Confinement.BEST_EFFORT, terms.layers, terms.missing, tmp_path / "two", "0" * 64)
        cluster.grade_all(used, tmp_path / "c", jobs, done)
    assert killed, "nobody was at work when the first grade came"
    assert {name: without_timings(grade) for name, grade in there.items()} == {
        name: without_timings(grade) for name, grade in here.items()
    }
    assert [there[name].score for name in sources] == [100, 100, 0, 90, 90, 90]
    desk.forks.clear()
    again = desk.pipeline(ledger=tmp_path / "two")
    assert {job.submission.student: again.grade(job) for job in jobs} == there
    assert desk.forks == []
    assert len(of_the_cluster) > 6
    assert psutil.wait_procs(of_the_cluster, timeout=30)[1] == []


def test_orders_are_not_in_logs() -> None:
    """Dask logs the arguments of tasks; an order holds the secret of the course."""
    order = Order(None, "t1_tiny", Job(None, SECRET)).sealed()  # type: ignore[arg-type]
    assert SECRET in order
    assert isinstance(order, Sealed)
    for words in (repr(order), str(order), f"{order}", repr((order,))):
        assert "secret" not in words
        assert "bytes" in words


@pytest.mark.parametrize("file", ["ca", "cert", "key"])
def test_a_key_that_is_not_there_is_named(tmp_path: Path, file: str) -> None:
    """Before anything is connected."""
    keys = Keys(**{file: tmp_path / "missing.pem"})
    with (
        pytest.raises(UsageError, match=r"missing\.pem is not there"),
        connected("tls://127.0.0.1:1", keys, Confinement.REQUIRED, "cpu", print),
    ):
        pass


def test_tls_needs_certificates() -> None:
    """Without any, and with none in Dask's configuration, it is said which."""
    with (
        pytest.raises(UsageError, match="needs certificates: give --cluster-ca"),
        connected("tls://127.0.0.1:1", Keys(), Confinement.REQUIRED, "cpu", print),
    ):
        pass


def test_no_scheduler_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody listens, the address stands in the message."""
    monkeypatch.setattr("autograder.cluster.client.CONNECT_S", 0.2)
    with (
        pytest.raises(UsageError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        connected("tcp://127.0.0.1:9", Keys(), Confinement.REQUIRED, "cpu", print),
    ):
        pass
