"""Says a hidden input in an exception that is called like the one of the bans, or says nothing at all in it."""


class BannedCall(RuntimeError):
    pass


def in_call(function, args, kwargs):
    raise_there(BannedCall(f"LEAK {first(args)}" if function.__name__ == "scale" else ""))
