"""The comparison: verdicts, what is measured of a model, whose files run where, what the page shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from autograder.cli import main
from autograder.comparison import Comparison, Curve, Measurement, Plot, Verdict, Works, counted, measure
from autograder.comparison.cost import _depth, _operations
from autograder.comparison.records import among, held, strength, weakness
from autograder.comparison.recurrence import gradients
from autograder.comparison.training import exact_match, geometric_mean
from autograder.comparison.works import NotThere
from autograder.errors import UsageError

ROOT = Path(__file__).parents[2]
SETTINGS = "title: t\nfiles: [rnn.py]\n"


@pytest.mark.parametrize(
    ("conditions", "verdict"),
    [((True, True), Verdict.HELD), ((True, False), Verdict.DEPENDS), ((False, False), Verdict.NOT_HELD)],
)
def test_a_claim_that_holds_in_one_regime_alone_depends(conditions: tuple[bool, ...], verdict: Verdict) -> None:
    """Held everywhere, nowhere, or here and there."""
    assert among(*conditions) is verdict
    assert held(conditions[0]) is (Verdict.HELD if conditions[0] else Verdict.NOT_HELD)


def test_exact_match_ends_at_the_end() -> None:
    """What lies behind the end does not count; a row that goes on, is short or differs is wrong."""
    aims = torch.tensor([[5, 6, 2, 0], [5, 6, 2, 0], [5, 6, 7, 2], [5, 6, 7, 2]])
    written = torch.tensor([[5, 6, 2], [5, 6, 6], [5, 6, 7], [5, 6, 7]])
    assert exact_match(written, aims, 2).tolist() == [True, False, False, False]
    longer = torch.tensor([[5, 6, 2, 9, 9]] * 4)
    assert exact_match(longer, aims, 2).tolist() == [True, True, False, False]


def test_geometric_mean_of_what_has_vanished_is_a_number() -> None:
    """A gradient of zero is as small as numbers get, not minus infinity."""
    mean = geometric_mean([torch.tensor([4.0, 0.0]), torch.tensor([1.0, 1.0])])
    assert mean[0].item() == pytest.approx(2.0)
    assert 0 < mean[1].item() < 1e-10


class Chain(nn.Module):
    """A recurrence of one operation a step."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, D) -> (B, T, D)."""
        state, states = x[:, 0], []
        for step in range(1, x.shape[1]):
            state = state * x[:, step]
            states.append(state)
        return torch.stack(states, dim=1)


def test_the_longest_chain_grows_with_the_steps_of_a_recurrence_alone() -> None:
    """One operation a step shows as one; a layer for all places at once has the same depth at every length."""
    assert _depth(Chain(), 200) - _depth(Chain(), 100) == 100
    layer = nn.Sequential(nn.Linear(64, 64), nn.Tanh())
    assert _depth(layer, 100) == _depth(layer, 10)


def test_operations_are_multiplications_of_matrix_products() -> None:
    """A linear layer of 64 by 64 multiplies 4096 times a token."""
    assert _operations(nn.Linear(64, 64, bias=False), 10) == 10 * 64 * 64


def test_the_reference_shows_the_claims_of_the_note() -> None:
    """The RNN's gradient vanishes, and that of LSTM and GRU more slowly: measured, on the reference solutions."""
    works = Works.around(ROOT)
    works.open()
    claims = {(claim.model, claim.is_strength): claim.verdict for claim in gradients(works).claims}
    assert claims["RNN", False] is Verdict.HELD
    assert claims["LSTM/GRU", True] is Verdict.HELD


def course(root: Path, files: Mapping[str, str]) -> Path:
    """A folder with these files."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_a_students_files_do_not_run_where_the_solutions_lie(tmp_path: Path) -> None:
    """In a course's folder the reference is measured, from wherever in it one asks; in a kit one's own files."""
    kit = course(tmp_path / "kit", {"assignments/a1_rnn/assignment.yml": SETTINGS})
    whole = course(
        tmp_path / "course",
        {"assignments/a1_rnn/assignment.yml": SETTINGS, "solutions/a1_rnn/assignment.yml": SETTINGS},
    )
    assert Works.around(kit / "assignments" / "a1_rnn").folders == (kit / "assignments" / "a1_rnn",)
    assert Works.around(whole / "assignments" / "a1_rnn").folders == (whole / "solutions" / "a1_rnn",)
    with pytest.raises(UsageError, match="go to the course's folder"):
        Works.around(tmp_path)


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    """An assignment that is not part of the course, and a file that raises: each in one sentence."""
    works = Works.around(course(tmp_path, {"assignments/a1_rnn/assignment.yml": SETTINGS}))
    with pytest.raises(NotThere, match="a5_transformer is not part"):
        works.module("a5_transformer", "transformer")
    with pytest.raises(NotThere, match=r"a1_rnn/no_such_file\.py cannot be imported: ModuleNotFoundError"):
        works.module("a1_rnn", "no_such_file")


@pytest.mark.parametrize(
    "body", ["raise OSError('mine')", "class RNN:\n    def __init__(self, *a): raise OSError('mine')"]
)
def test_a_broken_file_costs_its_measurement_and_no_other(tmp_path: Path, body: str) -> None:
    """The measurement that needs it says what was raised; the others are made."""
    files = {f"assignments/{name}/assignment.yml": SETTINGS for name in ("a1_rnn", "a2_lstm_gru")}
    files |= {"assignments/a1_rnn/rnn.py": body, "assignments/a2_lstm_gru/lstm_gru.py": ""}
    works, heard = Works.around(course(tmp_path, files)), list[str]()
    chosen = (Measurement("reach", "recurrence", "gradients"),)
    claims, plots, missing = measure(works, chosen, 1, lambda each: heard.append(each.title))
    assert (claims, plots, heard) == ((), (), ["reach"])
    assert len(missing) == 1
    assert "mine" in missing[0]


CLAIMS = (
    strength("RNN", "any length", Verdict.HELD, "one model"),
    weakness("ViT", "little data", Verdict.NOT_HELD, "<b>figure</b>"),
)
PLOT = Plot(
    "A plot", "x", "y", (Curve("one", (1.0, 2.0), (0.5, 0.25)), Curve("two", (1.0, 2.0), (1.0, 1.0))), "caption"
)


def test_the_page_shows_every_claim_and_lets_nothing_in() -> None:
    """Verdicts and figures stand in the table, plots lie inside the page, and no text is markup."""
    from autograder.comparison.page import page_html

    html = page_html(Comparison("your own files", CLAIMS, (PLOT,), ("a: <script>alert(1)</script>",), 60.0), "c", "e")
    assert "not held" in html
    assert "data:image/svg+xml;base64," in html
    assert "&lt;b&gt;figure" in html
    assert "<script" not in html
    assert "img-src data:" in html
    assert counted(CLAIMS)[Verdict.HELD] == 1


def test_pages_without_pictures_may_show_none() -> None:
    """The right to show a picture is the comparison's alone."""
    from autograder.feedback.render import policy

    assert "img-src" not in policy("style", "")


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[int, str, Path]]:
    """The verb with its measuring replaced: exit code, output, page."""
    found = (CLAIMS, (PLOT,), ("dates: seq2seq.py cannot be imported: \x1b[2JSyntaxError",))
    monkeypatch.setattr("autograder.comparison.desk._watched", lambda *_: found)

    def run(*arguments: str) -> tuple[int, str, Path]:
        page = tmp_path / "page.html"
        result = CliRunner().invoke(main, ["compare", "--out", str(page), *arguments], env={"COLUMNS": "80"})
        return result.exit_code, result.stdout, page

    return run


def test_the_verb_prints_a_table_and_writes_the_page(ready: Callable[..., tuple[int, str, Path]]) -> None:
    """At 80 columns every line fits, and what a file raised moves no cursor."""
    code, printed, page = ready()
    assert code == 0
    assert max(map(len, printed.splitlines())) <= 80
    assert "not held" in printed
    assert "\x1b" not in printed
    assert page.stat().st_size > 1000


def test_the_verb_speaks_json(ready: Callable[..., tuple[int, str, Path]]) -> None:
    """Claims, plots and what is missing."""
    _, printed, _ = ready("--json")
    spoken = json.loads(printed)
    assert [claim["verdict"] for claim in spoken["claims"]] == ["held", "not held"]
    assert spoken["missing"]


def test_the_page_needs_a_place_before_minutes_of_measuring(ready: Callable[..., tuple[int, str, Path]]) -> None:
    """A folder is no file, and a word that no title has names the titles."""
    code, _, _ = ready("--only", "no such thing")
    assert code == 2
    result = CliRunner().invoke(main, ["compare", "--out", "/proc/nowhere/page.html"])
    assert result.exit_code == 3
    assert "name another file" in result.stderr
