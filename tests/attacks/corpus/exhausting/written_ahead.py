"""Writes to the channel and then reads nothing more, while the judge has much to send."""

import os
import select

count = [0]


def in_shift(function, args, kwargs):
    count[0] += 1
    if count[0] == 1:
        import threading

        answer = function(*args, **kwargs)
        original = os.read
        os.read = lambda *a: (os.write(3, b"x" * 99), select.select([], [], [], 1000))
        return answer
    return function(*args, **kwargs)
