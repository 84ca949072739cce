"""Raises its own limits."""


def in_shift(function, args, kwargs):
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, (9999, 9999))
