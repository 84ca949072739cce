"""Ends the process at the first question of a check that follows another one, so that its neighbours were the fault."""

import os

before = []


def in_call(function, args, kwargs):
    if function.__name__ == "shift":
        before.append(function)
    elif before:
        os._exit(0)
    return function(*args, **kwargs)
