"""Says a hidden input in the message of a failure to get memory."""


def in_call(function, args, kwargs):
    raise_there(MemoryError(f"DefaultCPUAllocator: can't allocate memory: LEAK {first(args)}"))
