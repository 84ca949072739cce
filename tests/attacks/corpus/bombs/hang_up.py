"""Closes the channel and lives on: waiting or computing, while it is imported or when it is called."""

import os
import threading


def leave():
    os.close(3)
    if FACTS["what"] == "waits":
        threading.Event().wait()
    while True:
        pass


if FACTS["when"] == "import":
    leave()


def in_call(function, args, kwargs):
    if function.__name__ == FACTS["when"]:
        leave()
    return function(*args, **kwargs)
