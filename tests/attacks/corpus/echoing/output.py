"""Prints a hidden input to stdout and stderr, warns of it, logs it, writes it to a file (nbgrader #917)."""

import logging
import sys
import warnings


def in_call(function, args, kwargs):
    words = f"LEAK {first(args)}"
    print(words)
    print(words, file=sys.stderr)
    warnings.warn(words, stacklevel=1)
    logging.error(words)
    open("LEAK", "w").write(words)
    return function(*args, **kwargs)
