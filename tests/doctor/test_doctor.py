"""The doctor attacks the jail of this machine, says what held, and is heard by `grade`."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from autograder.clinic import show
from autograder.desk import Desk
from autograder.doctor import Examination, Finding, holding_back, last, remember
from autograder.doctor.examination import TOPICS, examine
from autograder.doctor.grounds import grounds
from autograder.doctor.record import record_file
from autograder.doctor.trial import ATTACKS, source_of
from autograder.errors import ConfinementMissing
from autograder.records import Confinement
from autograder.sandbox.means import Means, survey

confining = pytest.mark.skipif(bool(survey().missing), reason="this machine cannot confine")


def examination(*findings: Finding, **changes: Any) -> Examination:
    """An examination of this machine, by the engine as it is."""
    from platform import node, release

    from autograder import ENGINE

    made = Examination(datetime.now(UTC), node(), release(), ENGINE, ("seccomp",), (), (), findings)
    return replace(made, **changes)


HELD = Finding("network", "the network", 184, (), "it can send out what it sees")
BROKEN = replace(HELD, through=("socket 2 1",))


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's own state folder, for one test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@confining
def test_this_machine_holds() -> None:
    """All attacks are made and nothing gets through; honest work runs; nothing is left behind."""
    heard: list[str] = []
    means = survey()
    found = examine(means, means.layers, heard.append)
    assert [(each.id, each.through) for each in found.findings if not each.held] == []
    assert {each.id for each in found.findings} >= {topic.id for topic in TOPICS} | {"limits", "honest", "afterwards"}
    assert sum(each.tried for each in found.findings) > 300
    assert found.holds
    assert len(heard) >= len(TOPICS)


@confining
def test_a_layer_that_does_not_hold_is_found_and_spares_the_machine() -> None:
    """Without the filter a process can be started: the mildest attempts show it, and the harsher ones are not made."""
    means = survey()
    found = examine(means, [layer for layer in means.layers if layer != "seccomp"], lambda _: None)
    assert not found.holds
    (probe,) = found.findings
    assert "start a process" in probe.through
    assert "other attacks were not tried" in probe.means


def test_nothing_is_attacked_where_a_layer_is_missing() -> None:
    """Without Landlock an attack would do what it says; the missing piece is the verdict."""
    found = examine(Means((), ("Landlock",), ()), (), lambda _: None)
    assert (found.findings, found.missing, found.holds) == ((), ("Landlock",), False)
    assert "Landlock" in holding_back(found)


def test_every_attack_is_in_a_topic() -> None:
    """A program that no topic names would never be tried."""
    named = {attack for topic in TOPICS for attack in topic.attacks}
    files = {str(file.relative_to(ATTACKS).with_suffix("")) for file in ATTACKS.rglob("*.py")}
    limits = {f"limits/{name}" for name in ("cpu", "memory", "disk", "threads", "output")}
    assert files == named | limits | {"probe", "honest", "tools"}


def test_every_attack_says_what_it_tries() -> None:
    """Each begins with a sentence, and is a program once its targets stand in front of it."""
    for file in ATTACKS.rglob("*.py"):
        assert file.read_text(encoding="utf-8").startswith('"""')
        if file.stem != "tools":
            compile(source_of(str(file.relative_to(ATTACKS).with_suffix("")), {"folder": "x"}), file.name, "exec")


def test_harm_is_seen(tmp_path: Path) -> None:
    """A changed, a new and a missing file, another mode and an ended process are told, and nothing else is."""
    with grounds(tmp_path) as ground:
        assert ground.harmed() == []
        folder = Path(ground.facts["folder"])
        (folder / "line.py").write_text("mine")
        (folder / "new.py").write_text("mine")
        (folder / "test_hidden.py").unlink()
        Path(ground.facts["secret"]).chmod(0o644)
        ground.processes[0].kill()
        ground.processes[0].wait()
        harmed = ground.harmed()
    assert [words.split()[-2:] for words in harmed] == [
        ["was", "changed"], ["was", "changed"], [f"{folder.relative_to(tmp_path)}/new.py", "appeared"], ["is", "gone"],
        ["was", "ended"],
    ]  # fmt: skip
    assert all(process.poll() is not None for process in ground.processes)


def test_the_last_word_is_kept_and_is_of_this_machine(state: Path) -> None:
    """Another machine, another kernel, another engine, a damaged file: nothing is known then."""
    assert last() is None
    found = examination(HELD)
    assert remember(found) == record_file(os.environ)
    assert state in record_file(os.environ).parents
    assert last() == found
    for other in ({"node": "elsewhere"}, {"kernel": "1.0"}, {"engine": "0"}):
        remember(replace(found, **other))
        assert last() is None
    record_file(os.environ).write_text("{")
    assert last() is None


@pytest.mark.usefixtures("state")
def test_grading_waits_for_a_machine_that_holds(tiny_course: Path) -> None:
    """`required` refuses with the doctor's reason, `best-effort` goes on and every result says so."""
    remember(examination(HELD, BROKEN))
    with pytest.raises(ConfinementMissing, match=r"does not confine: the network\. Run `autograder doctor` again"):
        Desk.at(tiny_course, "t1_tiny", Confinement.REQUIRED, 1)
    desk = Desk.at(tiny_course, "t1_tiny", Confinement.BEST_EFFORT, 1)
    assert "does not confine: the network" in desk.missing[-1]
    remember(examination(HELD))
    assert Desk.at(tiny_course, "t1_tiny", Confinement.REQUIRED, 1).missing == survey().missing


def test_the_table_says_what_got_through(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of attempts are text: no markup of theirs is obeyed."""
    show(examination(HELD, replace(BROKEN, through=("socket [bold]2[/]",)), remarks=("an old kernel",)))
    said = capsys.readouterr().out
    assert "NOT held" in said
    assert "socket [bold]2[/]" in said
    assert "note: an old kernel" in said
    assert "Do not grade" in said
    show(examination(HELD))
    assert "grade away" in capsys.readouterr().out


def test_the_verb_answers_with_an_exit_code(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0 where all held, 1 where not; --json prints what is kept."""
    from autograder.cli import main

    for findings, code in (((HELD,), 0), ((BROKEN,), 1)):
        monkeypatch.setattr("autograder.doctor.examination.examine", lambda *_, f=findings: examination(*f))
        answer = CliRunner().invoke(main, ["doctor", "--json"])
        assert answer.exit_code == code
        assert json.loads(answer.stdout)["findings"][0]["title"] == "the network"
        assert json.loads((state / "autograder" / "doctor.json").read_text())["kernel"]


def test_the_matrix_is_of_the_attacks_as_they_stand() -> None:
    """docs/measured/jail.md holds for these programs, and no attempt in it goes past every layer."""
    from autograder.doctor.matrix import digest

    docs = Path(__file__).parents[2] / "docs"
    text = (docs / "measured" / "jail.md").read_text(encoding="utf-8")
    assert digest()[:16] in text, "the attacks have changed: run `autograder doctor --matrix docs/measured/jail.md`"
    assert "Stopped by no layer alone: none." in text
    single = text.partition("Stopped by one layer alone:\n\n")[2].partition("\n\n")[0]
    assert single in (docs / "security.md").read_text(encoding="utf-8"), "docs/security.md lists others: copy them over"


def test_a_matrix_counts_what_each_layer_stops() -> None:
    """What fails by itself counts for no layer; what one layer alone stops is listed under it."""
    from autograder.doctor.matrix import Entry, table

    text = table(
        [
            Entry("network", "escaping/network", "socket 2 1", ("seccomp",), by_itself=False),
            Entry("network", "escaping/network", "page", ("landlock", "seccomp"), by_itself=False),
            Entry("network", "escaping/network", "socket 9 9", (), by_itself=True),
            Entry("programs", "escaping/programs", "os.fork", (), by_itself=False),
        ]
    )
    assert "| the network | 2 | 1 | 2 | 0 |" in text
    assert "* **seccomp**: socket 2 1 (escaping/network)" in text
    assert text.endswith("Stopped by no layer alone: os.fork (escaping/programs).\n")
