"""Says a hidden input in the words with which Python says that a name is missing."""


def in_call(function, args, kwargs):
    raise_there(AttributeError(f"module 'LEAK {first(args)}' has no attribute 'LEAK'"))
