"""Acts after the check: atexit, a thread that outlives its call, a finaliser, a trace function (Saligrama, Securescope)."""

import atexit
import sys
import threading
import time
import weakref

atexit.register(lambda: print("<atexit> got through"))
weakref.finalize(sys.modules["os"], lambda: print("<finaliser> got through"))


def linger():
    import select

    while True:
        select.select([], [], [], 0.05)


def in_call(function, args, kwargs):
    if threading.active_count() < 4:
        threading.Thread(target=linger, daemon=False).start()
    return function(*args, **kwargs)
