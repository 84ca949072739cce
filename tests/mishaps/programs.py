"""What may happen to a program of `t1_tiny` between a student's head and the grader: name -> source, score, words.

All are right but for the mishap. Where something is lost, `words` stand in what the student reads.
"""

from __future__ import annotations

from typing import NamedTuple

WORK = '''import torch
import torch.nn.functional as F


def double(x):
    """Return x twice."""
    return 2 * x


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity="tanh"):
    """Return the next state (B, H)."""
    return torch.tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh)


def run(x, h, *weights):
    """Return the last state (B, H)."""
    for t in range(x.shape[1]):
        h = rnn_cell(x[:, t], h, *weights)
    return h


def fit(model, batches, optimizer):
    """Train and return the losses."""
    losses = []
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss = F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
'''


class Program(NamedTuple):
    """A hand-in and what must become of it."""

    source: str
    score: int
    words: str


def double(body: str, words: str = "", above: str = "") -> Program:
    """Right work whose `double` has another body, and loses its 10 points where `words` say so."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    source = WORK.replace("    return 2 * x", lines, 1).replace("def double", f"{above}\n\ndef double", 1)
    return Program(source, 90 if words else 100, words)


def around(before: str = "", after: str = "", words: str = "") -> Program:
    """Right work with lines above and below it, which cannot be imported where `words` say so."""
    return Program(f"{before}\n{WORK}\n\n{after}\n", 0 if words else 100, words)


def changed(before: str, after: str, score: int, words: str = "") -> Program:
    """Right work with another line."""
    assert WORK.count(before) >= 1
    return Program(WORK.replace(before, after), score, words)


TENSOR = "expected a tensor of shape (1, 3), got "
MAIN = 'put it under `if __name__ == "__main__":`'

ANSWERS = {
    "a complex tensor": double(
        "return (2 * x).to(torch.complex128)", TENSOR + "a tensor of complex128: keep the dtype"
    ),
    "half precision": double("return (2 * x).half()", TENSOR + "a tensor of float16: keep the dtype of the inputs"),
    "whole numbers": double("return (2 * x).long()", "expected real numbers, got whole numbers (int64)"),
    "a tensor on meta": double("return (2 * x).to('meta')", TENSOR + "a tensor without numbers (device meta)"),
    "a sparse tensor": double(
        "return (2 * x).to_sparse()", TENSOR + "a sparse tensor (sparse_coo): return a dense one"
    ),
    "a quantized tensor": double(
        "return torch.quantize_per_tensor((2 * x).float(), 0.1, 0, torch.qint8)", TENSOR + "a quantized tensor (qint8)"
    ),
    "an array": double("return (2 * x).numpy()", TENSOR + "an object of type ndarray: stay in torch"),
    "a list": double(
        "return (2 * x).tolist()", TENSOR + "a list of 1 (a list of 3): torch.tensor makes one of numbers"
    ),
    "a generator": double("yield 2 * x", TENSOR + "an object of type generator: a function with `yield`"),
    "a lambda": double("return lambda: 2 * x", TENSOR + "an object of type function: are the parentheses of a call"),
    "a method": double("return x.exp", TENSOR + "an object of type builtin_function_or_method: are the parentheses"),
    "nothing": double("2 * x", TENSOR + "None (is a return missing?)"),
    "a text": double("return str(2 * x)", TENSOR + "a string"),
    "NaN": double("return 2 * x * float('nan')", "NaN in 3 of 3 places"),
    "ten gigabytes": double("return torch.zeros(10 * 2**27)", "it asked for more memory than it may use"),
    "ten gigabytes of nothing": double(
        "return torch.zeros(1).expand(10 * 2**30)", "it is larger, or nested more deeply"
    ),
    "a lying subclass": double(
        "return (3 * x).as_subclass(Liar)",
        "wrong values in 3 of 3 places",
        "class Liar(torch.Tensor):\n    __eq__ = __ne__ = lambda *_: True\n    allclose = isclose = __eq__",
    ),
    "an honest subclass": double("return (2 * x).as_subclass(Mine)", "", "class Mine(torch.Tensor):\n    pass"),
    "a parameter": double("return torch.nn.Parameter(2 * x)"),
}

DEEDS = {
    "calls itself": double("return double(x)", "Your code raised RecursionError. It calls itself without"),
    "raises what cannot be shown": double(
        "raise E", "Your code raised E.", "class E(Exception):\n    def __str__(self):\n        1 / 0"
    ),
    "asks": double("return float(input('x? ')) * x", "Your code raised EOFError. Nobody answers input()"),
    "leaves": double("import sys\nsys.exit()", "Your code raised SystemExit. A function must return its answer"),
    "ends its process": double("import os\nos._exit(0)", "the process ended itself with exit code 0"),
    "stops to look": double("breakpoint()\nreturn 2 * x", "Your code raised BdbQuit. Take breakpoint() out."),
    "starts a program": double(
        "import subprocess\nsubprocess.run(['ls'])\nreturn 2 * x", "PermissionError. Other proc"
    ),
    "starts processes": double(
        "import multiprocessing as m\nm.Pool(2)\nreturn 2 * x", "Your code raised PermissionErr"
    ),
    "waits for nobody": double("import threading\nthreading.Event().wait()", "it waited for something that never came"),
    "never ends": double("while True:\n    pass", "Your code did not answer: it "),
    "takes 100 GB": double("torch.ones(100 * 2**30)\nreturn 2 * x", "it asked for more memory than it may use"),
    "sleeps for years": double("import time\ntime.sleep(10**9)\nreturn 2 * x"),
    "prints 100 MB": double("print('x' * 100_000_000)\nreturn 2 * x"),
    "starts a thread": double(
        "import threading as t\nr = []\ns = t.Thread(target=lambda: r.append(2 * x))\ns.start()\ns.join()\nreturn r[0]"
    ),
    "writes a file": double("open('log.txt', 'w').write('x')\nassert open('log.txt').read()\nreturn 2 * x"),
    "goes elsewhere": double("import os\nos.chdir('/')\nreturn 2 * x"),
    "deletes its parameters": changed(
        "        optimizer.step()\n",
        "        optimizer.step()\n        del model.weight\n",
        70,
        "after training, the model has no weight any more",
    ),
    "is not written": double("raise NotImplementedError", "This part is not written yet."),
}
CALLS = {
    "another name": changed("def double(", "def dubble(", 90, "module 'tiny' has no attribute 'double'"),
    "one argument more": changed(
        "double(x)", "double(x, y)", 90, "double() missing 1 required positional argument: 'y'"
    ),
    "one argument less": changed(
        "double(x)", "double()", 90, "It cannot be called as the handout says: double() takes 0"
    ),
    "self": changed("double(x)", "double(self, x)", 90, "Keep its arguments, their names and order"),
    "a number in its place": changed("def double(", "double = 3\n\n\ndef d(", 90, "'int' object is not callable"),
    "nothing at all": Program("x = 1\n", 0, "module 'tiny' has no attribute"),
}

IMPORTS = {
    "asks at import": around("n = input('how many? ')", words="EOFError: EOF when reading a line. It stands outside"),
    "leaves at import": around(
        "",
        "raise SystemExit('bye')",
        f"SystemExit: bye. It stands outside of functions, and so runs for every check: {MAIN}",
    ),
    "ends its process at import": around("import os\nos._exit(0)", words="the process ended itself with exit code 0"),
    "trains at import": around(
        "", "while True:\n    fit(F, [], None)", "What stands outside of functions runs for every check: put"
    ),
    "takes 100 GB at import": around(
        "x = bytearray(10**11)", words="it asked for more memory than it may use. What stands"
    ),
    "tests itself and fails": around(
        "", "assert double(1) == 3, 'not yet'", "AssertionError: not yet. It stands outside"
    ),
    "reads its data at import": around(
        "text = open('names.txt').read()", words="No such file or directory: 'names.txt'. It st"
    ),
    "a package of its own": around(
        "import transformers", words="this assignment allows numpy, torch and Python's standard"
    ),
    "a file that was not handed in": around(
        "from utils import helper", words="put what you need of it into your own file"
    ),
    "opens a window": around("import tkinter\ntkinter.Tk()", words="tiny.py cannot be imported: "),
    "for a graphics card": around(
        "import torch\nw = torch.zeros(3).cuda()", words="tiny.py cannot be imported: RuntimeError"
    ),
    "an unknown name": changed(
        "double(x)", "double(x: Tensor)", 0, "NameError: name 'Tensor' is not defined. No check can"
    ),
    "a syntax error": changed(
        "weights):", "weights)", 0, "expected ':' (tiny.py, line 15). No check can run before Python"
    ),
    "tabs and spaces": Program(
        "def double(x):\n\ty = x\n        return y\n", 0, "(tiny.py, line 3). No check can run before"
    ),
    "Python 2": around("print 'hello'", words="Missing parentheses in call to 'print'"),
}

HARMLESS = {
    "prints at import": around("print('hello ' * 100_000)"),
    "plots": around("import matplotlib.pyplot as plt", "plt.plot([1, 2])\nplt.show()"),
    "trains as a program": around("", "if __name__ == '__main__':\n    while True:\n        pass"),
    "reads its arguments": around("import argparse\nargs = argparse.ArgumentParser().parse_args()"),
    "goes to its own folder": around("import os\nos.chdir(os.path.dirname(os.path.abspath(__file__)))"),
    "its own precision": around("import torch\ntorch.set_default_dtype(torch.float16)"),
    "its own device": around("import torch\ntorch.set_default_device('meta')"),
    "gradients off": around("import torch\ntorch.set_grad_enabled(False)"),
    "warnings are errors": around(
        "import warnings\nwarnings.simplefilter('error')",
        "old = double\n\n\ndef double(x):\n    warnings.warn('x')\n    return old(x)",
    ),
    "its own seed": around("import torch\ntorch.manual_seed(0)\ntorch.use_deterministic_algorithms(True)"),
    "another call of modules": around("import torch", "torch.nn.Module.train = lambda self, mode=True: self"),
    "lines of Windows": changed("\n", "\r\n", 100),
    "lines of an old Mac": changed("\n", "\r", 100),
    "tabs": changed("    ", "\t", 100),
    "a mark of its encoding": Program("\ufeff" + WORK, 100, ""),
}

PROGRAMS = ANSWERS | DEEDS | CALLS | IMPORTS | HARMLESS
