"""Attacks by the file that is handed in: nothing outside is read or written, and the others keep their points."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from autograder.intake import read_submissions
from autograder.pipeline import Job


def module_of(path: Path) -> Any:
    """The module of a file beside the tests; pytest imports none of them by name."""
    spec = importlib.util.spec_from_file_location(f"attack_by_{path.stem}", path)
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CORPUS = Path(__file__).with_name("corpus") / "archives"
NAMES = sorted(path.stem for path in CORPUS.glob("*.py"))
zip_of = module_of(Path(__file__).parents[1] / "mishaps" / "carriers.py").zip_of
SECRET = b"a secret of this test, thirty-two"


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the attacks call `archives`: ways to make a zip and to hand it in as mallory's."""
    module: Any = types.ModuleType("archives")
    module.bytes_of = zip_of
    module.save = lambda folder, content: (folder / "mallory.zip").write_bytes(content)
    module.zipped = lambda folder, entries, mode=0: module.save(folder, zip_of(entries, mode))
    monkeypatch.setitem(sys.modules, "archives", module)


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("name", NAMES)
def test_a_hand_in_reaches_nothing_but_itself(
    arena: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secrets_of_the_host: dict[str, str], name: str
) -> None:
    """It is worth what is right in it or told what is wrong; beside it Ann and Zoe have their 100."""
    module, folder = module_of(CORPUS / f"{name}.py"), tmp_path / "class"
    folder.mkdir()
    for student in ("ann", "zoe"):
        (folder / f"{student}.py").write_text(f"# {student}\n{arena.right}", encoding="utf-8")
    module.hand_in(folder, arena.right, arena.facts | {"folder": str(tmp_path)})
    monkeypatch.setenv("HOME", str(tmp_path))
    before, around = arena.look(), sorted(tmp_path.rglob("*"))
    submissions = {each.student: each for each in read_submissions(folder, arena.pipeline.assignment)}
    assert set(submissions) == {"ann", "mallory", "zoe"}
    grades = {student: arena.pipeline.grade(Job(each, SECRET)) for student, each in submissions.items()}
    assert [grades[student].score for student in ("ann", "zoe")] == [100, 100]
    told = " ".join((submissions["mallory"].problem, *submissions["mallory"].notes))
    assert module.WORTH is None or grades["mallory"].score == module.WORTH, told
    assert module.WORDS in told
    assert len(told) < 4_000
    assert not any(character < " " or "\u202a" <= character <= "\u202e" for character in told), ascii(told)
    assert not any(needle in told for needle in secrets_of_the_host.values())
    assert [grades[student].needs_human for student in ("ann", "zoe")] == [(), ()]
    assert sorted(tmp_path.rglob("*")) == around
    assert arena.look() == before
