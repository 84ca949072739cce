"""What these attacks share: an input's first number, and a raise that leaves no frame of the submission."""

import torch


def first(args):
    """The first number among the arguments; 0 where there is none."""
    return next((arg.flatten()[0].item() for arg in args if isinstance(arg, torch.Tensor)), 0.0)


def raise_there(error):
    """Have the worker raise it, so that no frame is the submission's."""
    import sys

    space = {"error": error}
    exec(compile("def there():\n    raise error", "<string>", "exec"), space)
    frame = sys._getframe()
    while frame.f_code.co_name != "reply":
        frame = frame.f_back
    frame.f_globals["describe"] = lambda problem, folder: {
        "types": [kind.__name__ for kind in type(problem).__mro__[:-1]],
        "message": str(problem),
        "frames": [],
        "out_of_memory": isinstance(problem, MemoryError),
    }
    space["there"]()
