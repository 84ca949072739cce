"""How a submission's files become a module: which imports pass, what is inert, and that nothing of it stays behind."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.utils

from autograder.sandbox import inert, loading

Load = Callable[..., Any]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """A function that imports text as a submission, as `grade` does (inert) or as at home."""
    before = list(sys.meta_path), list(sys.path), sys.dont_write_bytecode
    installed = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in inert.INERT}

    def do(source: str, *importable: str, inert: bool = True, **beside: str) -> Any:
        folder = tmp_path / "submission"
        folder.mkdir()
        texts = {"subm.py": source, **{f"{name}.py": text for name, text in beside.items()}}
        files = {name: textwrap.dedent(text).encode() for name, text in texts.items()}
        loading.write_files(files, folder)
        return loading.import_submission(
            folder, "subm", loading.compile_submission(folder, "subm"), importable, inert=inert
        )

    yield do
    sys.meta_path[:], sys.path[:], sys.dont_write_bytecode = before
    for name, module in list(sys.modules.items()):
        if isinstance(module, inert.Inert) or name in {"subm", "helper"}:
            del sys.modules[name]
    vars(torch.utils).pop("tensorboard", None)
    sys.modules.update(installed)


# --- the gate --------------------------------------------------------------------------------------------------------


def test_an_import_that_is_not_allowed_is_refused_where_it_stands(load: Load) -> None:
    """The message names the import, what is allowed and what to do; the traceback ends at the student's own line."""
    with pytest.raises(ImportError) as caught:
        load("x = 1\nimport pandas.core\n", "torch", "numpy")
    words = str(caught.value)
    assert "`import pandas`" in words
    assert "allows numpy, torch and Python's standard library" in words
    assert "remove the import" in words
    assert caught.value.name == "pandas"
    lines = [entry.lineno + 1 for entry in caught.traceback if Path(str(entry.path)).name == "subm.py"]
    assert lines == [2]


@pytest.mark.parametrize("line", ["import pandas", "from pandas import DataFrame", "import pandas.core as p"])
def test_every_form_of_import_is_seen(load: Load, line: str) -> None:
    """`import`, `from` and dotted imports are refused alike, whether or not the package is installed."""
    with pytest.raises(ImportError, match="`import pandas`"):
        load(f"{line}\n", "torch")


def test_what_is_allowed_passes(load: Load) -> None:
    """The standard library, the assignment's packages and the submission's own files can be imported."""
    module = load(
        """
        from __future__ import annotations
        import math, json.decoder, collections
        import yaml
        import helper
        from helper import seven
        answer = helper.seven + seven
        """,
        "yaml",
        helper="seven = 7\n",
    )
    assert module.answer == 14


def test_packages_may_import_what_they_like(load: Load) -> None:
    """The gate asks who imports: an allowed package's own imports pass."""
    module = load("import rich.markup\nanswer = rich.markup.escape('[b]')\n", "rich")
    assert module.answer == "\\[b]"


def test_an_import_inside_a_function_is_refused_when_it_runs(load: Load) -> None:
    """A late import is no way around the gate."""
    module = load("def f():\n    import pandas\n    return pandas\n", "torch")
    with pytest.raises(ImportError, match="`import pandas`"):
        module.f()


def test_at_home_plotting_is_refused_like_anything_else(load: Load) -> None:
    """Nothing is inert at home: a package that is not allowed is an error there, with the same words."""
    with pytest.raises(ImportError, match="`import tqdm`"):
        load("import tqdm\n", "torch", inert=False)


# --- inert packages --------------------------------------------------------------------------------------------------


def test_progress_bars_still_loop(load: Load) -> None:
    """`tqdm(batches)`, its notebook cousin and `trange` give back what they are to loop over."""
    module = load(
        """
        import tqdm
        from tqdm import tqdm as bar, trange
        from tqdm.auto import tqdm as auto
        from tqdm.notebook import tqdm as notebook
        answer = [list(f([1, 2], desc="x", leave=False)) for f in (bar, auto, notebook, tqdm.tqdm)] + [list(trange(2))]
        with bar(enumerate([5]), total=1) as shown:
            for step, item in shown:
                shown.set_postfix(loss=item)
                shown.update()
        """,
        "torch",
    )
    assert module.answer == [[1, 2]] * 4 + [[0, 1]]
    assert (module.step, module.item, len(module.bar([1, 2, 3]))) == (0, 5, 3)
    assert list(module.bar([])) == []


def test_a_bar_is_asked_and_told(load: Load) -> None:
    """What programs do with a bar besides looping over it: words, counts, lengths, also of `trange` and by keyword."""
    module = load(
        """
        import tqdm as package
        from functools import partial
        from tqdm.auto import tqdm, trange
        from tqdm.contrib import tenumerate, tzip
        bar = trange(3, desc="fit", leave=False)
        for i in bar:
            bar.set_description(f"loss {i:.2f}")
            bar.set_postfix({"lr": 0.1})
        with tqdm(total=10) as counted:
            for _ in range(4):
                counted.update(2)
                done = counted.n / counted.total
        lengths = [len(bar), len(tqdm(range(5))), len(tqdm(iter([1]), total=1)), bar.n]
        quiet = partial(tqdm, disable=True)
        loops = [list(tqdm(iterable=[1, 2], desc="x")), list(quiet([3])), list(zip(tqdm("ab"), range(2)))]
        contrib = [list(tenumerate("ab", start=1)), list(tzip([1], [2]))]
        tqdm.write(f"took {bar.format_dict['elapsed']:.1f} s")
        tqdm._instances.clear()
        if bar:
            bar.close()
        class Own(tqdm):
            def __iter__(self):
                for n, each in enumerate(super().__iter__()):
                    self.set_postfix(n=n)
                    yield each
        own = list(Own([7, 8], desc="own")), isinstance(bar, tqdm), bar.desc
        optional: "package.tqdm | None" = None
        """,
        "torch",
    )
    assert (module.i, module.done) == (2, 0.8)
    assert module.lengths == [3, 5, 1, 3]
    assert module.loops == [[1, 2], [3], [("a", 0), ("b", 1)]]
    assert module.contrib == [[(1, "a"), (2, "b")], [(1, 2)]]
    assert module.own == ([7, 8], True, "fit")


def test_a_bar_over_nothing_is_an_error(load: Load) -> None:
    """As with the real one: a bar that counts cannot be looped over, and a generator has no length."""
    module = load("from tqdm import tqdm\n", "torch")
    with pytest.raises(TypeError, match="not iterable"):
        list(module.tqdm(total=3))


def test_curves_are_logged_nowhere(load: Load) -> None:
    """TensorBoard's writer, which torch only passes on, is inert as well, whether or not it is installed."""
    module = load(
        """
        import torch
        from torch.utils.tensorboard import SummaryWriter
        writer = SummaryWriter("runs/1")
        writer.add_scalar("loss", 1.0, 0)
        writer.close()
        answer = torch.ones(1).item()
        """,
        "torch",
    )
    assert module.answer == 1


def test_figures_are_drawn_nowhere(load: Load) -> None:
    """The usual plotting calls at the end of a file run and do nothing."""
    module = load(
        """
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
        import seaborn as sns, wandb
        from IPython.display import display
        figure, axes = plt.subplots()
        ax = plt.figure().add_subplot(111)
        ax.plot([1, 2], label="loss")
        with plt.style.context("ggplot"):
            plt.plot([1, 2]); plt.legend(); plt.savefig("loss.png"); plt.show()
        sns.set_theme()
        wandb.init(project="x")
        wandb.log({"loss": 1.0})
        display(figure)
        answer = 5
        """,
        "torch",
    )
    assert module.answer == 5


def test_plots_of_the_ordinary_kind_run(load: Load) -> None:
    """Grids of axes are indexed, images are shown with a colour bar, ticks are counted: what notebooks do."""
    module = load(
        """
        import matplotlib.pyplot as plt
        fig, axes = plt.subplots(1, 2, figsize=(8, 3))
        axes[0].plot([1]); axes[1].imshow([[1]]); axes[0, 1].set_title("x")
        for ax in axes.flat:
            ax.set_xlabel("step")
        fig.colorbar(axes[1].imshow([[1]]), ax=axes[1])
        plt.gca().xaxis.set_major_locator(None)
        plt.rcParams["figure.dpi"] = 100
        line, = plt.plot([1], [2])
        counts, bins, patches = plt.hist([1, 2])
        plt.close("all")
        answer = 5
        """,
        "torch",
    )
    assert module.answer == 5


def test_what_is_drawn_may_be_computed_with(load: Load) -> None:
    """Heights of bars, limits of axes, versions, types, warnings to silence, bases of classes: none ends a file."""
    module = load(
        """
        import warnings
        import matplotlib, matplotlib.pyplot as plt, matplotlib.ticker
        from matplotlib.figure import Figure
        print(matplotlib.__version__.split("."))
        warnings.filterwarnings("ignore", category=matplotlib.MatplotlibDeprecationWarning)
        def draw(values, ax: plt.Axes | None = None) -> "Figure":
            ax = ax or plt.gca()
            for box in ax.bar([1, 2], values):
                ax.text(box.get_x() + box.get_width() / 2, 1.01 * box.get_height(), f"{box.get_height():.2f}")
            ax.set_ylim(0, max(1.0, -ax.get_ylim()[1] ** 2), round(float(ax.get_ylim()[0])))
        class Curve(matplotlib.ticker.Formatter):
            colour = "red"
        try:
            draw([0.5])
        except plt.DrawError:
            pass
        answer = Curve().colour
        """,
        "torch",
    )
    assert module.answer == "red"


# --- side by side ----------------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two folders, each with a cell.py and a module of the same name beside it."""
    made = [tmp_path / name for name in ("one", "two")]
    for folder in made:
        folder.mkdir()
        (folder / "cell.py").write_text("import helper\nWHO = __file__\nVALUE = helper.VALUE\n", encoding="utf-8")
        (folder / "helper.py").write_text(f"VALUE = {folder.name!r}\n", encoding="utf-8")
    return made


def test_two_modules_of_one_name_live_side_by_side(folders: list[Path]) -> None:
    """A reference and a submission of the same name are two modules, each with the helper from its own folder."""
    path, modules = list(sys.path), dict(sys.modules)
    one, two = (loading.import_apart([folder], "cell") for folder in folders)
    assert (one.VALUE, two.VALUE) == ("one", "two")
    assert sys.path == path
    assert {name for name in sys.modules if name not in modules} == set()


def test_a_module_that_was_there_before_is_there_again(folders: list[Path]) -> None:
    """Somebody else's `helper` is hidden while ours is imported, and stands in its place afterwards."""
    sys.modules["helper"] = sys
    try:
        assert loading.import_apart([folders[0]], "cell").VALUE == "one"
        assert sys.modules["helper"] is sys
    finally:
        del sys.modules["helper"]


def test_a_failed_import_leaves_nothing_behind(folders: list[Path]) -> None:
    """Where the module raises, the path and the modules are as before, too."""
    (folders[0] / "cell.py").write_text("import helper\nraise RuntimeError('no')\n", encoding="utf-8")
    path = list(sys.path)
    with pytest.raises(RuntimeError, match="no"):
        loading.import_apart([folders[0]], "cell")
    assert sys.path == path
    assert not {"cell", "helper"} & set(sys.modules)


def test_the_first_folder_wins(folders: list[Path]) -> None:
    """A solution's own files come before those of the assignments that it builds on."""
    assert loading.import_apart(folders, "cell").VALUE == "one"
    assert loading.import_apart(folders[::-1], "cell").VALUE == "two"


def test_dataclasses_with_future_annotations_work(load: Load) -> None:
    """What looks its module up by name while it is imported finds it: dataclasses, NamedTuples, class variables."""
    module = load(
        """
        from __future__ import annotations
        import dataclasses, typing

        @dataclasses.dataclass
        class Config:
            sizes: list[int] = dataclasses.field(default_factory=list)
            kind: typing.ClassVar[str] = "x"
            again: dataclasses.InitVar[int | None] = None

        class Out(typing.NamedTuple):
            h: int
            c: Config | None = None

        hints = typing.get_type_hints(Out)
        answer = [field.name for field in dataclasses.fields(Config)], list(hints)
        """,
        "torch",
    )
    assert module.answer == (["sizes"], ["h", "c"])


def test_submitted_files_cannot_be_changed_by_accident(load: Load, tmp_path: Path) -> None:
    """Files are written readable and no more; no byte code is written beside them."""
    load("x = 1\n", "torch", helper="y = 2\n")
    folder = tmp_path / "submission"
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "subm.py": 0o444,
        "helper.py": 0o444,
    }


# --- what a graded run does without ----------------------------------------------------------------------------------

ACCOMMODATED = """
import time, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from autograder.sandbox.surroundings import accommodate

accommodate()
data = TensorDataset(torch.arange(6.0))
loaders = [
    DataLoader(data, 2, num_workers=4, prefetch_factor=2, persistent_workers=True, timeout=5, pin_memory=False),
    DataLoader(data, batch_size=2, shuffle=False, num_workers=2, multiprocessing_context="spawn"),
    DataLoader(data, 2, False, None, None, 3),
]
assert [loader.num_workers for loader in loaders] == [0, 0, 0]
assert [[batch[0].tolist() for batch in loader] for loader in loaders] == [[[0, 1], [2, 3], [4, 5]]] * 3

model = nn.Linear(2, 2)
assert torch.compile(model) is model
assert torch.compile(model, mode="max-autotune", fullgraph=True) is model

@torch.compile
def f(x):
    return x + 1

@torch.compile(dynamic=True)
def g(x):
    return f(x) + 1

assert g(torch.zeros(1)).item() == 2
assert model.compile() is None
assert model(torch.zeros(1, 2)).shape == (1, 2)

start = time.monotonic()
time.sleep(60)
assert time.monotonic() - start < 30

torch.set_num_threads(4)
assert (torch.ones(200, 200) @ torch.ones(200, 200))[0, 0] == 200
print("fine")
"""


def test_workers_compilers_and_naps_are_done_without() -> None:
    """DataLoaders load in their own process, `torch.compile` hands the function back, sleeping takes no time."""
    run = subprocess.run([sys.executable, "-c", ACCOMMODATED], capture_output=True, text=True, check=False)
    assert run.stdout == "fine\n", run.stderr
