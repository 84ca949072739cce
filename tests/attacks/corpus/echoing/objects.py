"""Says a hidden input in the type of an object, in the fields of a record, in the keys of a dict."""

from collections import namedtuple


def in_call(function, args, kwargs):
    number = "".join(c for c in str(float(first(args))) if c.isdigit()) + "0000"
    if function.__name__ == "scale":
        return type(f"LEAK{number}", (), {})()
    return {f"LEAK {number}": namedtuple(f"LEAK{number}", [f"LEAK{number}"])(1)}
