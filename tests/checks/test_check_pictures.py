"""What a check shows of its numbers: the part of an answer that is wrong, what its author adds, and nothing endless."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from autograder.checks import CheckFailure, Draw, same, show_curves, show_image, show_map
from autograder.checks.draw import HOME_SECRET, derive_key
from autograder.checks.gradients import same_gradients
from autograder.checks.pictures import MOST_COLUMNS, MOST_PICTURES, MOST_ROWS, difference_picture
from autograder.ledger import read_grade, write_grade
from autograder.records import Outcome, Picture, PictureKind
from autograder.sandbox.remote import LocalTransport, Remote, Session, handle_session
from autograder.sandbox.worker import Executor

Remoted = Callable[[str], Remote]


@pytest.fixture
def remote(module_of: Any) -> Remoted:
    """A function that returns the proxy of a module made of text, in this process."""
    return lambda source: Session(LocalTransport(Executor(*module_of(source)))).root


def drawn(got: torch.Tensor, expected: torch.Tensor, what: str = "") -> tuple[Picture, ...]:
    """What `same` draws of a wrong answer."""
    with pytest.raises(CheckFailure) as caught:
        same(got, expected, what=what)
    return caught.value.pictures


def test_a_wrong_matrix_is_drawn_beside_the_right_one() -> None:
    """Both panels hold the values as they are, rounded to what a shade can show."""
    right = torch.arange(6.0).reshape(2, 3)
    (picture,) = drawn(right + 0.123456, right, what="h_n")
    assert (picture.kind, picture.title) == (PictureKind.HEAT, "h_n[:, :]")
    yours, expected = picture.panels
    assert (yours.name, expected.name) == ("yours", "expected")
    assert expected.values == ((0.0, 1.0, 2.0), (3.0, 4.0, 5.0))
    assert yours.values[0] == (0.123, 1.12, 2.12)


def test_of_more_axes_the_matrix_with_the_first_difference_is_drawn() -> None:
    """Its index is in the title, and the window of a large one holds the difference."""
    right = torch.zeros(2, 3, 100, 200)
    wrong = right.clone()
    wrong[1, 2, 90, 150] = 1
    (picture,) = drawn(wrong, right)
    assert picture.title == "answer[1, 2, 76:100, 134:166]"
    values = picture.panels[0].values
    assert (len(values), len(values[0])) == (MOST_ROWS, MOST_COLUMNS)
    assert values[90 - 76][150 - 134] == 1


def test_a_vector_is_one_row_and_a_number_is_no_picture() -> None:
    """What has one value is said better than drawn."""
    (picture,) = drawn(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 2.0]))
    assert picture.title == "answer[:]"
    assert picture.panels[0].values == ((1.0, 3.0),)
    assert drawn(torch.tensor(1.0), torch.tensor(2.0)) == ()
    assert drawn(torch.zeros(2, 2), torch.zeros(2, 3)) == ()  # nothing to lay side by side
    nothing = torch.zeros(2, 2)
    assert difference_picture("", nothing, nothing, nothing > 1) == ()


def test_a_wrong_gradient_over_time_is_drawn_by_its_norms(remote: Remoted) -> None:
    """Where the graph is cut the student's curve falls to zero."""
    student = remote("def f(x):\n    return x[:, :3].detach().sum(1) + x[:, 3:].sum(1)\n")
    reference = remote("def f(x):\n    return x.sum(1)\n")
    draw = Draw(derive_key(HOME_SECRET, "a", "test_f", "", "draw"), torch.float64, "cpu")
    with pytest.raises(CheckFailure) as caught:
        same_gradients(student.f, reference.f, draw(2, 6, 4), draw=draw, names=["x"])
    (picture,) = caught.value.pictures
    assert (picture.kind, picture.title) == (PictureKind.LINES, "gradient of x")
    yours, expected = (panel.values[0] for panel in picture.panels)
    assert yours[:3] == (0, 0, 0)
    assert all(value > 0 for value in (*yours[3:], *expected))


def test_what_an_author_shows_is_kept_with_its_labels(remote: Remoted) -> None:
    """Tokens beside an attention map, pixels in grey, curves by name; no answer that is none is shown."""
    student = remote("x = 1\n")
    session = handle_session(student)
    show_map(student, "attention", torch.eye(2), torch.ones(2, 2) / 2, rows=["le", "chat"], columns=["the", "cat"])
    (picture,) = session.pictures
    assert (picture.rows, picture.columns) == (("le", "chat"), ("the", "cat"))
    show_image(student, "patches", torch.rand(3, 8, 8), torch.rand(8, 8))
    assert [len(panel.values) for panel in session.pictures[1].panels] == [8, 8]
    show_image(student, "one too many", torch.rand(8, 8))
    assert len(session.pictures) == MOST_PICTURES
    session.pictures = ()
    for nonsense in (None, "text", torch.rand(2, 2, 2), torch.zeros(0, 3), [1, 2]):
        show_map(student, "nothing", nonsense)
    assert session.pictures == ()
    show_curves(student, "gradients", {"yours": torch.tensor([1.0, 0.5]), "nothing": None}, x="distance")
    assert [panel.values for panel in session.pictures[0].panels] == [((1.0, 0.5),)]


def test_pictures_of_a_failing_check_survive_the_ledger(desk: Any, hand_in: Any, edited: Any, tmp_path: Any) -> None:
    """They are those of its first failing case, infinities and all; what passed and shows nothing has none."""
    grade = desk.grade(hand_in(edited(("2 * x", "3 * x / 0"), ("for t in range(x.shape[1])", "for t in range(1)"))))
    write_grade(tmp_path / "g.json", grade)
    assert read_grade(tmp_path / "g.json") == grade
    assert (
        desk.grade(hand_in(edited(("2 * x", "3 * x / 0"), ("for t in range(x.shape[1])", "for t in range(1)"))))
        == grade
    )
    results = {result.id: result for result in grade.results}
    (picture,) = results["test_run"].evidence.pictures
    assert [panel.name for panel in picture.panels] == ["yours", "expected"]
    assert results["test_rnn_cell"].outcome is Outcome.PASSED
    assert results["test_rnn_cell"].evidence.pictures == ()
