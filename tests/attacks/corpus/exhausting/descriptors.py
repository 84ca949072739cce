"""Opens pipes, sockets and memory files until there are no numbers left, and then works on."""

import os
import socket

KEPT = []


def until_none_is_left(make):
    try:
        while True:
            KEPT.append(make())
    except OSError:
        return len(KEPT)


def in_shift(function, args, kwargs):
    for make in (os.pipe, lambda: os.memfd_create("m"), socket.socketpair, lambda: os.open("/dev/null", os.O_RDONLY)):
        print("opened", until_none_is_left(make))
    return function(*args, **kwargs)
