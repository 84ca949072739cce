"""Leaves an object whose finaliser never ends."""


def in_shift(function, args, kwargs):
    class D:
        def __del__(self):
            while True:
                pass
    D()
    return function(*args, **kwargs)
