"""Plotting and progress packages that do nothing: no answer depends on them, so no answer may fail because of them.

A progress bar is the one thing among them that a program computes with: it hands on what it loops over. All else takes
every use, stands where a number or a class is expected, and comes to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from types import MappingProxyType, ModuleType
from typing import Any, Self

INERT = frozenset({"matplotlib", "seaborn", "plotly", "bokeh", "IPython", "ipywidgets", "tqdm", "wandb", "tensorboard"})
INERT_PARTS = frozenset({"torch.utils.tensorboard"})
"""The same inside packages that an assignment allows."""
PARTS = {"plot": 1, "hist": 3}
"""How many things a call of this name returns, where it is not two."""
CLASSES = {"Warning": Warning, "Deprecation": DeprecationWarning, "Error": Exception, "Exception": Exception}
"""How names of classes end that Python itself has to know: those of `except` and `warnings.filterwarnings`."""
NUMBER = [
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv", "mod", "rmod"),
    *("pow", "rpow", "matmul", "rmatmul", "or", "ror", "and", "rand", "neg", "pos", "abs", "round"),
]
"""Methods with which a thing stands beside numbers, or beside types: `bar.get_height() / 2`, `plt.Axes | None`."""


class Inert(ModuleType):
    """A module that accepts every use and does nothing, in place of a plotting or progress package.

    So does whatever comes out of it. What a call of plotting gives unpacks as one expects: `figure, axes =
    plt.subplots(1, 2)`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []  # a package: submodules of it are inert, too

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            return "0.0.0"
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        if self.__name__.partition(".")[0] == "tqdm" and name in BARS:
            return BARS[name]
        for end, base in CLASSES.items():
            if name.endswith(end):
                return type(name, (base,), {})
        return Inert(f"{self.__name__}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return something inert, or a bar where a module of tqdm's is called as if it were one."""
        return Bar(*args, **kwargs) if self.__name__.partition(".")[0] == "tqdm" else Inert(self.__name__)

    def __mro_entries__(self, _: tuple[Any, ...]) -> tuple[type, ...]:
        return ()  # a class that derives from it derives from nothing

    def __iter__(self) -> Iterator[Any]:
        return iter((self,) * len(self))

    def __len__(self) -> int:
        return PARTS.get(self.__name__.rpartition(".")[2], 2)

    def __getitem__(self, key: object) -> Any:
        return self

    def __setitem__(self, key: object, value: object) -> None:
        return None

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __format__(self, _: str) -> str:
        return ""

    def __float__(self) -> float:
        return 0.0

    def __int__(self) -> int:
        return 0

    def __lt__(self, _: object) -> bool:
        return False

    __gt__ = __le__ = __ge__ = __lt__


def _itself(self: Inert, *_: object) -> Inert:
    return self


for _name in NUMBER:
    setattr(Inert, f"__{_name}__", _itself)


class _Bars(type):
    """Whatever else is asked of the class, as `tqdm.write` and `tqdm.pandas`, is inert."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert(f"bar.{name}")


class Bar(metaclass=_Bars):
    """A progress bar that shows nothing and loops over what it was given, under the names of tqdm's own arguments."""

    def __init__(
        self,
        iterable: Any = None,
        desc: str | None = None,
        total: float | None = None,
        *_: Any,
        initial: float = 0,
        **__: Any,
    ) -> None:
        self.iterable = iterable
        self.desc = desc or ""
        self.total = len(iterable) if total is None and isinstance(iterable, Sized) else total
        self.n = initial

    def __iter__(self) -> Iterator[Any]:
        if self.iterable is None:
            raise TypeError("'NoneType' object is not iterable")
        for each in self.iterable:
            yield each
            self.n += 1

    def __len__(self) -> int:
        return len(self.iterable) if isinstance(self.iterable, Sized) else int(self.total or 0)

    def __bool__(self) -> bool:
        return self.iterable is not None if self.total is None else self.total > 0

    def __reversed__(self) -> Iterator[Any]:
        yield from reversed(self.iterable)

    def __contains__(self, item: object) -> bool:
        return item in (self.iterable or ())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert(f"bar.{name}")

    def update(self, n: float | None = 1) -> None:
        """Count."""
        self.n += n or 0

    def reset(self, total: float | None = None) -> None:
        """Count from the start."""
        self.n, self.total = 0, self.total if total is None else total


def trange(*args: int, **kwargs: Any) -> Bar:
    """Return a bar over numbers."""
    return Bar(range(*args), **kwargs)


def tenumerate(iterable: Iterable[Any], start: int = 0, *_: Any, **__: Any) -> Iterator[tuple[int, Any]]:
    """Return what `tqdm.contrib.tenumerate` loops over."""
    return enumerate(iterable, start)


def tzip(*iterables: Iterable[Any], **_: Any) -> Iterator[tuple[Any, ...]]:
    """Return what `tqdm.contrib.tzip` loops over."""
    return zip(*iterables, strict=False)


def tmap(function: Callable[..., Any], *iterables: Iterable[Any], **_: Any) -> Iterator[Any]:
    """Return what `tqdm.contrib.tmap` loops over."""
    return map(function, *iterables)


BARS: Mapping[str, Any] = MappingProxyType(
    {
        **dict.fromkeys(("tqdm", "tqdm_notebook", "tqdm_gui", "std_tqdm", "tqdm_auto"), Bar),
        **dict.fromkeys(("trange", "tnrange", "tgrange"), trange),
        "tenumerate": tenumerate,
        "tzip": tzip,
        "tmap": tmap,
    }
)
"""What tqdm's modules hold that hands on what it was given."""
