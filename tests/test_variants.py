"""Programs made from a solution: mistakes and fair play as edits, the stub, and students who are lazy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from autograder import variants
from autograder.course import load_assignment
from autograder.errors import ConfigurationError
from autograder.records import Assignment

torch.set_num_threads(1)

Write = Callable[..., Path]
ModuleOf = Callable[[str], tuple[ModuleType, Path]]


@pytest.fixture
def course(write_tiny: Write, tmp_path: Path) -> Callable[..., Assignment]:
    """A function that writes the assignment with other files and loads it."""
    return lambda **files: load_assignment(write_tiny(tmp_path / "course", **files))


def test_a_mistake_is_the_solution_with_its_edits(tiny: Assignment) -> None:
    """Every entry is a whole program with its words and the checks that catch it; one that is no edit has no files."""
    made = {variant.id: variant for variant in variants.mistakes(tiny)}
    solution = variants.solution(tiny).files["tiny.py"].decode()
    triples = made["tiny.triples"]
    assert triples.files["tiny.py"].decode() == solution.replace("return 2 * x", "return 3 * x")
    assert (triples.caught_by, triples.hint) == (("test_double",), "Count again.")
    assert (made["tiny.not_an_edit"].files, made["tiny.not_an_edit"].why_not) == ({}, "it is about the handout")
    assert len({variant.files["tiny.py"] for variant in made.values() if variant.files}) == 4


def test_several_edits_apply_in_order(course: Callable[..., Assignment]) -> None:
    """A later edit may meet what an earlier one wrote; an edit may concern another file."""
    text = """
- id: two
  edits: [{replace: "2 * x", with: "5 * y"}, {replace: "5 * y", with: "7 * x"}]
- id: flags
  edits: [{replace: "2 * x", with: "x"}]
  training_visible: true
- id: another file
  file: tiny.py
  edits: [{replace: "2 * x", with: "x - x"}]
"""
    two, flags, another = variants.mistakes(course(mistakes__yml=text))
    assert b"return 7 * x" in two.files["tiny.py"]
    assert (two.training_visible, flags.training_visible) == (False, True)
    assert b"return x - x" in another.files["tiny.py"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('- {id: a, edits: [{replace: "nowhere", with: "x"}]}', "'nowhere' stands 0 times"),
        ('- {id: a, edits: [{replace: "return", with: "x"}]}', "times in the solution; it must be once"),
        ("- {id: a, edits: []}\n- {id: a, edits: []}", "a stands there more than once"),
        ("- {id: a, edit: []}", "unknown key edit; known are"),
        ("- {id: a}", "a needs an id, and either edits or why_not"),
        ("- {edits: []}", "needs an id"),
        ("- {id: a, edits: [], why_not: x}", "either edits or why_not"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(course: Callable[..., Assignment], text: str, words: str) -> None:
    """The error names the file, the entry and what is wrong with it."""
    with pytest.raises(ConfigurationError, match=r"mistakes\.yml") as caught:
        variants.mistakes(course(mistakes__yml=text))
    assert words in str(caught.value)


def test_no_list_is_no_variant(course: Callable[..., Assignment]) -> None:
    """A course may have no mistakes, no cheats and no fair play yet."""
    made = course(mistakes__yml=None, fair_play__yml="")
    assert (variants.mistakes(made), variants.cheats(made), variants.fair_play(made)) == ((), (), ())


def test_fair_play_is_whole_files_and_edits(course: Callable[..., Assignment]) -> None:
    """Programs of the folder come as they are, then the edits; none is expected to be caught."""
    made = course()
    (made.folder / "fair_play").mkdir()
    (made.folder / "fair_play" / "terse.py").write_text("double = lambda x: x + x\n", encoding="utf-8")
    found = variants.fair_play(made)
    assert [variant.id for variant in found] == ["terse", "adds"]
    assert found[0].files == {"tiny.py": b"double = lambda x: x + x\n"}
    assert not any(variant.caught_by for variant in found)


def test_the_stub_is_what_students_get(tiny: Assignment, module_of: ModuleOf) -> None:
    """Every gap raises NotImplementedError; nothing of the solution is left."""
    text = variants.stub(tiny).files["tiny.py"].decode()
    assert "torch.tanh" not in text
    module, _ = module_of(text)
    with pytest.raises(NotImplementedError):
        module.double(1)


def test_lazy_students_have_shapes_and_nothing_else(tiny: Assignment, module_of: ModuleOf) -> None:
    """Five students: zeros, noise, the input itself, an exception, an exit; the rest of the file is the solution's."""
    lazy = {variant.id: variant.files["tiny.py"].decode() for variant in variants.lazy_students(tiny)}
    assert len(lazy) == 5
    x = torch.ones(2, 3)
    zeros, random, echo, error = (
        module_of(lazy[f"lazy_{name}"])[0] for name in ("zeros", "random", "echo", "value_error")
    )
    assert torch.equal(zeros.double(x), torch.zeros(2, 3))
    assert random.double(x).shape == (2, 3)
    assert not torch.equal(random.double(x), 2 * x)
    assert echo.double(x) is x
    with pytest.raises(ValueError, match="lazy"):
        error.double(x)
    assert "os').exit" not in lazy["lazy_exit"]
    assert "_exit(0)" in lazy["lazy_exit"]


def test_lazy_students_are_lazy_in_methods_too(course: Callable[..., Assignment], module_of: ModuleOf) -> None:
    """Every function and every method but `__init__` of the file's own is laid around; what it imports is not."""
    source = """
from math import sqrt
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x), [x, 3]


def rnn_cell(x):
    return sqrt(4.0) * x
"""
    made = course(tiny__py=source, mistakes__yml=None, fair_play__yml=None)
    zeros = next(variant for variant in variants.lazy_students(made) if variant.id == "lazy_zeros")
    module, _ = module_of(zeros.files["tiny.py"].decode())
    net = module.Net()
    assert isinstance(net.layer, torch.nn.Linear)
    out, (x, number) = net(torch.ones(1, 2))
    assert (out.abs().sum(), x.abs().sum(), number) == (0, 0, 0)
    assert module.sqrt(4.0) == 2.0


def test_a_variant_is_handed_in_like_anything(tiny: Assignment) -> None:
    """As a submission it has the files' digest, so that equal programs are measured once."""
    files = variants.solution(tiny).files
    one, other = (variants.as_submission(tiny, name, files) for name in ("a", "b"))
    assert (one.student, one.assignment, one.problem) == ("a", "t1_tiny", "")
    assert one.digest == other.digest
    assert len(one.digest) == 64


def test_a_mistake_may_be_shown_by_some_trainings_only(course: Callable[..., Assignment]) -> None:
    """`training_visible` is true for all trainings, or a list of those that show the mistake."""
    text = """
- id: all
  edits: [{replace: "2 * x", with: "x"}]
  training_visible: true
- id: some
  edits: [{replace: "2 * x", with: "x"}]
  training_visible: [test_a, test_b]
- id: none
  edits: [{replace: "2 * x", with: "x"}]
"""
    found = [(each.training_visible, each.shown_by) for each in variants.mistakes(course(mistakes__yml=text))]
    assert found == [(True, ()), (True, ("test_a", "test_b")), (False, ())]
