"""Stand-ins: torch's own layers behind the course's names, for parts that a submission got wrong.

A mistake costs its points once: where the checks of `rnn_cell` failed, the checks of what is built on it run with the
stand-in in its place. Each is a few lines over torch's own layers and holds no secret: students have this file.

A stand-in may call what its check bans. The bans are off only inside it, and only those of what it is known to call:
in a child all others are sealed. Sandbox and home use the same switch (`Bans.lifted`). What those of transformers call
was recorded by running them (`calls.py`).

What remains in a child with a stand-in, and in no other: the switch is a Python object in the closure of the stand-in,
so a submission that digs it out can lift these bans, and its own code that runs inside a stand-in (a hook, a subclass
of Tensor, a thread) runs without them. Either has first lost the points of the part, and gains what the stand-in calls,
which it was given already. Where nobody knows what a stand-in calls (with another release of torch than it was recorded
with, on a GPU), that is all of torch.

Shapes: B batch, T queries, S keys, d model. Masks are boolean, True = may be attended; a row that may attend nothing
gets zeros.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from types import MappingProxyType, ModuleType
from typing import Any

from torch import nn

from autograder.errors import ConfigurationError, SandboxError
from autograder.sandbox import recurrent
from autograder.sandbox.attention_standins import ATTENTION_STAND_INS
from autograder.sandbox.bans import Bans
from autograder.sandbox.bert_standins import BERT_STAND_INS
from autograder.sandbox.calls import recorded
from autograder.sandbox.forms import ANSWERING, in_form_of
from autograder.sandbox.order import EarlierModule
from autograder.sandbox.places import put_in_places
from autograder.sandbox.seq2seq_standins import SEQ2SEQ_STAND_INS
from autograder.sandbox.transformer_standins import TRANSFORMER_STAND_INS
from autograder.sandbox.vit_standins import VIT_STAND_INS

STAND_INS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {stand_in.__name__: stand_in for stand_in in (*recurrent.STAND_INS, *SEQ2SEQ_STAND_INS, *ATTENTION_STAND_INS)}
    | {**TRANSFORMER_STAND_INS, **BERT_STAND_INS}
    | {stand_in.__name__: stand_in for stand_in in VIT_STAND_INS}
)
_CLASSES = frozenset(stand_in for stand_in in STAND_INS.values() if isinstance(stand_in, type))


def calls_banned(name: str, bans: Bans) -> bool:
    """Whether a stand-in may call what these bans refuse; one of which nobody knows what it calls may call anything."""
    patterns = _calls(name)
    return patterns is None or bans.refuses(patterns)


def all_called(names: Iterable[str]) -> tuple[str, ...] | None:
    """What these stand-ins may call, as `Bans.seal` takes it; None: of one of them nobody knows."""
    called: dict[str, None] = {}
    for name in names:
        if (calls := _calls(name)) is None:
            return None
        called.update(dict.fromkeys(calls))
    return tuple(called)


def _calls(name: str) -> tuple[str, ...] | None:
    return _SAID[name] if name in _SAID else recorded(name)


def provide_earlier(earlier: Iterable[EarlierModule], bans: Bans) -> None:
    """Make the modules of earlier assignments ready: stand-ins in their places, and a module where none is written.

    Before a submission is imported, so that what it takes from them by name is right. What needs no stand-in is left
    to be imported when the submission asks for it.
    """
    for each in earlier:
        if not each.written:
            sys.modules[each.name] = ModuleType(each.name, "Stand-ins for work of an earlier assignment.")
        if each.stand_ins:
            module = importlib.import_module(each.name)
            for name in each.stand_ins:
                set_stand_in(module, name, bans)


_CELLS = ("*rnn*", "*lstm*", "*gru*")
_SOFTMAX = ("*softmax*",)
_ATTENTION = ("*scaled_dot_product*", *_SOFTMAX)
_SAID: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {**recurrent.OPERATORS}
    | dict.fromkeys(("Encoder", "Decoder", "Seq2Seq"), (*_CELLS, "embedding*"))
    | dict.fromkeys(("decode_teacher_forced", "shift_targets", "dot_scores"), ())
    | dict.fromkeys(("masked_softmax", "attend"), _ATTENTION)
    | dict.fromkeys(("AttnDecoder", "AttnSeq2Seq"), (*_ATTENTION, *_CELLS, "embedding*"))
    | {"softmax": _SOFTMAX, "masked_ce": ("*softmax*", "*cross_entropy*", "nll_loss*")}
)
"""Operators, as globs, that a recurrent one may call, or one of attention, and an assignment may ban; on any device."""


def set_stand_in(module: ModuleType, name: str, bans: Bans) -> None:
    """Put the stand-in called `name` in the place of the module's own attribute, with `bans` off inside it.

    Raises ConfigurationError for a name that is not in STAND_INS, SandboxError for bans that nothing can lift and that
    it would need to.
    """
    if name not in STAND_INS:
        raise ConfigurationError(f"there is no stand-in for the part {name!r}; there are {', '.join(STAND_INS)}")
    stand_in = STAND_INS[name]
    if calls_banned(name, bans):
        if bans.sealed:
            raise SandboxError(f"the stand-in for {name!r} needs bans with a switch: install(..., switchable=True)")
        stand_in = _with_bans_off(stand_in, name, bans)
    theirs = getattr(module, name, None)
    stand_in = in_form_of(theirs, stand_in)
    setattr(module, name, stand_in)
    if theirs is not None:
        put_in_places(module, theirs, stand_in)


def _with_bans_off(stand_in: Callable[..., Any], name: str, bans: Bans) -> Callable[..., Any]:
    if isinstance(stand_in, type):
        return _class_with_bans_off(stand_in, name, bans)
    return _unbanned(stand_in, bans, recurrent.OPERATORS.get(name, ()))


def _class_with_bans_off(stand_in: Any, name: str, bans: Bans) -> type[nn.Module]:
    """The class with bans off in what other code calls of it, and of the stand-ins that it is made of."""

    def __init__(self: nn.Module, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes the class's own
        stand_in.__init__(self, *args, **kwargs)
        for part in self.modules():  # a student's code may call `model.decoder.step`
            kind: Any = type(part)
            if part is not self and kind in _CLASSES:
                part.__class__ = _class_with_bans_off(kind, kind.__name__, bans)

    methods = {key: _unbanned(getattr(stand_in, key), bans, ()) for key in ANSWERING if hasattr(stand_in, key)}
    built = wraps(stand_in.__init__)(__init__)
    return type(name, (stand_in,), {**methods, "__init__": built, "__doc__": stand_in.__doc__})


def _unbanned(function: Callable[..., Any], bans: Bans, operators: tuple[str, ...]) -> Callable[..., Any]:
    @wraps(function)
    def unbanned(*args: Any, **kwargs: Any) -> Any:
        with bans.lifted(*operators):
            return function(*args, **kwargs)

    return unbanned
