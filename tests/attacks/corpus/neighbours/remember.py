"""Leaves a note for its next child: in files, in modules, in the environment, in shared memory; then looks for one."""

import os
import sys
import tempfile

import torch

PLACES = {os.path.join(folder, "note") for folder in (os.getcwd(), tempfile.gettempdir(), os.path.expanduser("~"), "/dev/shm")}
for place in PLACES:
    attempt(f"a note in {place}", lambda: open(place).read())
    try:
        open(place, "w").write("I was here")
    except OSError:
        pass
attempt("a note in torch", lambda: torch.note)
attempt("a note in sys", lambda: sys.note)
attempt("a note in the environment", lambda: os.environ["NOTE"])
torch.note = sys.note = os.environ["NOTE"] = "I was here"
torch.Tensor.tanh_ = torch.Tensor.zero_
