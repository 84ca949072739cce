"""A student's exception in words: what it means and what to do, and nothing of its own message.

A message may hold hidden inputs and goes to the detail. The exceptions are those of Python and of the bans whose words
say how a function was called or what is missing: these are recognised whole, and their names are short.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from autograder.records import NOT_WRITTEN, Finding
from autograder.sandbox.devices import MISMATCH
from autograder.sandbox.faults import ChildEnded, StudentError, plain_name

NOT_THERE = re.compile(r"(module '\w{1,40}'|type object '\w{1,40}'|'\w{1,40}' object) has no attribute '\w{1,40}'")
REFUSAL = re.compile(r"[\w.]{1,80} is not allowed in this check: [A-Za-z_., ]{1,80} \(assignment\.yml: bans\)")
"""The words of Python and of the bans. Anybody can raise exceptions of these names, with words of their own."""
_NAMES = r"'\w{1,40}'(, '\w{1,40}'){0,8}(,? and '\w{1,40}')?"
CALLED_OTHERWISE = re.compile(
    r"([\w.<>]{1,80}\(\) ("
    rf"missing \d{{1,2}} required (positional|keyword-only) arguments?: {_NAMES}"
    r"|takes (no|\d{1,2}|from \d{1,2} to \d{1,2}) (positional )?arguments? but \d{1,2} (was|were) given"
    r"|takes no arguments"
    r"|got (an unexpected keyword argument|multiple values for argument) '\w{1,40}'"
    r")|'\w{1,40}' object is not callable)"
)
"""What Python says where a call does not fit a signature."""

_IMPORTS = "Only what the handout names and Python's standard library can be imported."
_CLOSED = "Other processes, folders and the network are closed to it when it is graded."
ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "BdbQuit": "Take breakpoint() out.",
        "EOFError": "Nobody answers input() when it is graded: take what you need as arguments.",
        "FileNotFoundError": "When it is graded, no other files lie beside your code.",
        "RecursionError": "It calls itself without coming to an end.",
        "SystemExit": "A function must return its answer, and not end the program.",
        "TclError": "There is no screen when it is graded: leave windows out.",
        **dict.fromkeys(("ImportError", "ModuleNotFoundError"), _IMPORTS),
        **dict.fromkeys(("PermissionError", "BlockingIOError", "URLError", "ConnectionError", "gaierror"), _CLOSED),
    }
)
"""Name of an exception -> what a student may not know about where their code runs."""
WORDS_OF_AN_ERROR = 300
LOST = "In your loop the weights became nan or inf. It was ended there, since no further step mends that."
LOST_HINT = (
    "What makes them so: a logarithm or a root of 0, a division by 0, a softmax over nothing but -inf, gradients that "
    "are never cleared or clipped."
)
ON_A_GPU = "On a GPU this line fails: one of its tensors lies on the CPU."
LENGTHS = re.compile(r"'lengths' argument should be a 1D CPU int64 tensor")
"""What `pack_padded_sequence` says: the one place where a tensor has to be on the CPU."""
LENGTHS_ON_A_GPU = "On a GPU this line fails: packing takes its lengths from the CPU, `lengths.cpu()`."
BESIDE_ITS_NEIGHBOURS = (
    "A new tensor belongs where its neighbours are: `device=x.device`, `x.new_zeros(...)`, `torch.zeros_like(x)`; a "
    "constant of a module belongs in a buffer."
)


def finding_of_exception(error: StudentError) -> Finding:
    """Return a student's exception in words."""
    name = error.type_names[0]
    if name == "NotImplementedError":
        return Finding("missing", NOT_WRITTEN, error.where, detail=str(error))
    if name == "AttributeError" and not error.frames and NOT_THERE.fullmatch(error.message):
        words = f"Something that this check asks for is not there: {error.message}."
        return Finding("missing", words, detail=str(error))
    if name == "TypeError" and not error.frames and _is_honest(error.message):
        words = f"It cannot be called as the handout says: {error.message}. Keep its arguments, their names and order."
        return Finding("exception", words, detail=str(error))
    if name == "BannedCall" and REFUSAL.fullmatch(error.message):
        return Finding("banned", error.message, error.where)
    if name == "TrainingLost":
        return Finding("training", LOST, error.where, LOST_HINT, detail=str(error))
    if is_device_mistake(error):
        if LENGTHS.search(error.message):
            return Finding("exception", LENGTHS_ON_A_GPU, error.where, detail=str(error))
        return Finding("exception", ON_A_GPU, error.where, BESIDE_ITS_NEIGHBOURS, detail=str(error))
    words = f"Your code raised {name}. {ADVICE.get(name, '')}".rstrip()
    return Finding("exception", words, error.where, detail=str(error))


def is_device_mistake(error: BaseException) -> bool:
    """Whether a tensor of the student's lay on another device than its neighbour, at a line of theirs."""
    return isinstance(error, StudentError) and bool(error.frames) and bool(MISMATCH.search(error.message))


def _is_honest(message: str) -> bool:
    """Whether these are Python's words about a call, with names that could stand in a source."""
    names = re.findall(r"[A-Za-z_]\w*", message)
    return bool(CALLED_OTHERWISE.fullmatch(message)) and all(plain_name(name) for name in names)


def why_not_imported(file: str, error: Exception) -> str:
    """The sentence about a file that cannot be imported: what was seen, and what to do.

    No check has asked anything yet, so the exception's own message holds no hidden input.
    """
    seen = str(error).partition("\n")[0]
    seen = seen if len(seen) <= WORDS_OF_AN_ERROR else f"{seen[:WORDS_OF_AN_ERROR]}..."
    return f"{file} cannot be imported: {seen.rstrip('.')}. {_what_to_do(file, error)}"


def _what_to_do(file: str, error: Exception) -> str:
    main = 'under `if __name__ == "__main__":`'
    if isinstance(error, ChildEnded):
        return f"What stands outside of functions runs for every check: put training, tests and plots {main}."
    names = error.type_names if isinstance(error, StudentError) else ()
    if "SyntaxError" in names:
        return f"No check can run before Python can read it: run `python {file}` and mend the line that it names."
    if {"ImportError", "BannedCall"} & {*names}:
        return "No check can run before that."
    if {"EOFError", "FileNotFoundError", "SystemExit", "AssertionError", "TclError", "PermissionError"} & {*names}:
        return f"It stands outside of functions, and so runs for every check: put it {main}."
    return f"No check can run before `python {file}` runs without an exception."
