"""The sentences of `check` and `submit` that hold names and lines; see sentences.py."""

from __future__ import annotations

from autograder.wording.kinds import N_

AT_HOME = (
    # --- what to do next (home/advice.py)
    N_("Mend {thing}: no check can run before that."),
    N_("Mend `{name}` ({thing}), then run `{raw}`."),
    N_("Mend `{name}`, then run `{raw}`."),
    N_("Write `{name}` ({thing}): see {raw}."),
    N_("Run all checks: `{raw}`."),
    N_("Mend what this builds on: `{raw}` shows it."),
    N_("All public checks pass. Hand in with `{raw}`; more checks run after that."),
    # --- a file as it lies there (home/reading.py, submit.py)
    N_("cannot be read ({raw})"),
    N_("is empty"),
    N_("is larger than {n} MiB; keep data out of it"),
    N_("is not UTF-8 text; save it as UTF-8"),
    N_("is not valid Python: {raw}"),
    N_("cannot be compiled: {raw}"),
    N_("cannot be imported: {raw}"),
    N_("`import {name}`: {raw1} is not handed in, only {raw2} is; move its code there"),
    N_(
        "`import {name}`: this assignment allows {raw} and Python's standard library; remove the import, or "
        "put what you need of it into your own file"
    ),
    N_("not written yet: {raw}"),
    N_("on a GPU this line fails: one of its tensors lies on the CPU."),
    N_("on a GPU this line fails: packing takes its lengths from the CPU, `lengths.cpu()`."),
    N_("on a GPU this line fails: one of its tensors lies on the CPU, where line {n} made it."),
    N_("on a GPU the answer lies on the CPU all the same: this line makes it there."),
    # --- earlier work (records/results.py)
    N_("uses {words}"),
    N_("{thing}: your own, from {raw}"),
    N_("{thing}: a stand-in, since {words}"),
    N_("the grader could not measure yours"),
    N_("yours builds on a part that is not right yet"),
    N_("yours is not written yet"),
    N_("your {raw} cannot be imported"),
    N_("{raw} was not handed in"),
    N_("yours did not pass the hidden checks of {raw}"),
    N_("yours did not pass {name} of {raw}"),
)
