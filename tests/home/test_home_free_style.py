"""Free-style code on the make-believe GPU: what is right in any style costs nothing, what stays behind has its line."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autograder.checks.bench import Wish
from autograder.checks.home import open_folder
from autograder.home.gpu import rehearse
from autograder.home.report import Gpu
from autograder.records import Assignment

HEAD = "import math\n\nimport numpy as np\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn\n"
RIGHT = """
class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(9, 4)
        self.rnn = nn.LSTM(4, 5, num_layers=2, batch_first=True, bidirectional=True)
    def forward(self, ids):
        out, (h, c) = self.rnn(self.emb(ids))
        return out, h

class OneWay(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb, self.rnn = nn.Embedding(9, 4), nn.GRU(4, 5)
    def forward(self, ids):
        e = self.emb(ids).transpose(0, 1)
        return self.rnn(e, e.new_zeros(1, len(ids), 5))[1]

class Packs(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb, self.rnn = nn.Embedding(9, 4), nn.LSTM(4, 5, batch_first=True)
    def forward(self, ids):
        n = (ids != 0).sum(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(self.emb(ids), n, batch_first=True, enforce_sorted=False)
        return nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], batch_first=True)[0]

class PacksList(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb, self.rnn = nn.Embedding(9, 4), nn.GRU(4, 5, batch_first=True)
    def forward(self, ids):
        n = [sum(i != 0 for i in row) for row in ids.tolist()]
        packed = nn.utils.rnn.pack_padded_sequence(self.emb(ids), n, batch_first=True, enforce_sorted=False)
        return self.rnn(packed)[1]

class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(3, 5)
    def forward(self, x):
        h = c = x.new_zeros(len(x), 5)
        for _ in range(2):
            h, c = self.cell(x, (h, c))
        return h

class TorchsEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)
        self.emb, self.encoder = nn.Embedding(9, 4), nn.TransformerEncoder(layer, 2)
    def forward(self, ids):
        return self.encoder(self.emb(ids), src_key_padding_mask=ids == 0)

class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(2))
        self.scale = nn.ParameterList([nn.Parameter(torch.ones(3))])
        self.register_buffer("positions", torch.arange(3.0))
    def forward(self, x):
        for layer in self.layers:
            x = layer(self.norm(x))
        return x * self.scale[0] + self.positions

class MovesItsTable(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.ones(3)
    def forward(self, x):
        return x + self.table.to(x.device)

def item(x):
    return x / (x.abs().max().item() + 1)

def boolean_index(x):
    return x[x > 0].sum() + x

def boolean_rows(ids):
    real, out = ids.ne(0), torch.zeros_like(ids)
    out[real] = ids[real]
    return out

def early_stop(ids):
    done, out = torch.zeros(len(ids), dtype=torch.bool, device=ids.device), []
    for t in range(ids.shape[1]):
        done = done | (ids[:, t] == 2)
        out.append(ids[:, t])
        if done.all():
            break
    return torch.stack(out, 1)

def nonzero(ids):
    rows, columns = torch.nonzero(ids, as_tuple=True)
    return ids[rows, columns], len(ids), torch.where(ids > 1)[0], ids.unique()

def loops(ids):
    total = 0
    for row in ids:
        for value in row:
            if value == 0:
                continue
            total = total + int(value)
    return total

def numpy_at_the_end(x):
    return float(x.detach().cpu().numpy().mean()), np.asarray(x.cpu()).shape[0]

def lengths(ids):
    n = (ids != 0).sum(1)
    mask = torch.arange(ids.size(1), device=ids.device)[None] < n[:, None]
    return mask[:, : int(n.max())], [ids[i, : n[i]].sum() for i in range(len(n))], ids.repeat_interleave(n, 0)

def numbers(x):
    return x * torch.tensor(2.0) / torch.sqrt(torch.tensor(x.shape[-1])) + torch.tensor(math.pi)

def indices_on_the_cpu(x):
    return x[torch.arange(len(x)), torch.tensor([0, 1])]

def moved_at_once(x):
    return torch.zeros(2, 3).to(x) + torch.rand(2, 3, generator=torch.Generator().manual_seed(0)).to(x.device)

def counts(ids):
    table = {}
    for token in ids.flatten().tolist():
        table[token] = table.get(token, 0) + 1
    return table, [len(row) for row in ids], torch.tensor(len(table)) / 2

def logs_and_returns_the_tensor(x):
    history = np.zeros(2)
    seen = torch.zeros(3)
    for i, row in enumerate(x):
        history[i] = row.detach().cpu().numpy().sum()
        seen[i] = row.sum()
    print(history, seen.mean())
    return x - x.mean()

def maps_kept_on_the_cpu_on_purpose(x):
    maps = torch.empty(2, 3)
    for i, row in enumerate(x):
        maps[i] = row.softmax(0).detach().cpu()
    return maps, maps.argmax(-1)

def filled_and_moved(x):
    table = torch.zeros(2, 3)
    for i in range(2):
        table[i] = i + torch.arange(3)
    table.scatter_(1, torch.tensor([[0], [1]]), 5.0)
    return table.to(x) + x

def filled_beside_its_neighbour(x):
    out = torch.empty_like(x)
    for i, row in enumerate(x):
        out[i] = row.cumsum(0)
    return out

def sorted_for_packing(ids):
    n = torch.tensor([int((row != 0).sum()) for row in ids])
    order = n.argsort(descending=True)
    packed = nn.utils.rnn.pack_padded_sequence(ids[order], n[order], batch_first=True)
    back, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    return back[order.argsort()], n.tolist()

class TableInABuffer(nn.Module):
    def __init__(self):
        super().__init__()
        table = torch.zeros(5, 3)
        for place in range(5):
            for i in range(3):
                table[place, i] = math.sin(place / 10 ** i)
        self.register_buffer("table", table)
    def forward(self, x):
        return self.table[: len(x)].expand(2, -1, -1)

def by_size(x, rows=4):
    out = x.new_zeros(rows, 3)
    for i in range(rows):
        out[i] = x[i % 2]
    return out, x.new_tensor([1.0, 2.0])

def answers_on_purpose_on_the_cpu(x):
    return x.softmax(-1).cpu(), [x.argmax(-1).to("cpu")], torch.tensor(0.5)
"""
WRONG = """
def zeros(x):
    h = torch.zeros(x.size(0), 3)
    return h @ x.T  # here

def causal_mask(x):
    mask = torch.tril(torch.ones(2, 2)).bool()
    return (x @ x.T).masked_fill(~mask, -1e9)  # here

def mask_to_add(x):
    mask = torch.full((2, 2), float("-inf")).triu(1)
    return (x @ x.T + mask).softmax(-1)  # here

class Attribute(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.ones(5, 3)
    def forward(self, x):
        return x + self.table[: len(x)]  # here

class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.positions = nn.Embedding(5, 3)
    def forward(self, x):
        return x + self.positions(torch.arange(x.size(0)))  # here

class PlainList(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(3, 3)]
    def forward(self, x):
        for layer in self.layers:
            x = layer(x)  # here
        return x

class State(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 3, batch_first=True)
    def forward(self, x):
        state = torch.zeros(1, 1, 3), torch.zeros(1, 1, 3)
        return self.rnn(x[None], state)[0]  # here

class CellState(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(3, 3)
    def forward(self, x):
        return self.cell(x, torch.zeros(len(x), 3))  # here

class PacksLengthsThere(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(9, 4)
    def forward(self, ids):
        n = (ids != 0).sum(1)
        return nn.utils.rnn.pack_padded_sequence(self.emb(ids), n, enforce_sorted=False, batch_first=True).data  # here

def cpu(x):
    y = x.cpu() * 2
    return y + x  # here

def numpy(x):
    y = np.tanh(x.detach().numpy())  # here
    return torch.from_numpy(y)

def array(x):
    return torch.as_tensor(np.asarray(x.detach()))  # here

def one_hot(ids):
    return torch.eye(9)[ids]  # here

def first_row(x):
    return torch.cat([torch.zeros(1, 3), x])  # here

def layer_made_here(x):
    return nn.Linear(3, 3)(x)  # here

def after_item(x):
    if x.abs().max().item() > 0:
        return x + torch.zeros(2, 3)  # here

def after_boolean_index(x):
    y = x[x > 0]
    return y * torch.ones(len(y))  # here

def filled_by_items(x):
    out = torch.zeros(2, 3)  # here
    for i, row in enumerate(x):
        for j, value in enumerate(row):
            out[i, j] = value.item()
    return out

def filled_by_silent_copies(x):
    out = torch.empty(3, 2)  # here
    for i in range(3):
        out[i] = x[:, i].tanh()
    return out.transpose(0, 1)

def scattered(ids):
    rows = ids.tolist()
    hot = torch.zeros(2, 4, 9)  # here
    hot.scatter_(-1, torch.tensor(rows).unsqueeze(-1), 1.0)
    return hot

def copied_by_index(x):
    base = torch.ones(4, 3)  # here
    base.index_copy_(0, torch.tensor([0, 2]), torch.full((2, 3), x.mean().item()))
    return {"answer": [base * 2]}

def of_a_list(ids):
    tokens = [row[-1] for row in ids.tolist()]
    return torch.LongTensor(tokens)  # here

def through_numpy(x):
    table = np.cumsum(x.detach().cpu().numpy(), axis=0)
    return torch.from_numpy(table)  # here

def mask_of_sizes(ids):
    steps = torch.arange(ids.size(1))  # here
    return steps[None, :] <= steps[:, None]

def made_by_a_helper(x):
    return helps(len(x)).bool()

def helps(n):
    return torch.eye(n)  # here

class TableNobodyMoves(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(3, 3)
        self.table = torch.arange(15.0).view(5, 3)  # here
    def forward(self, x):
        return self.proj(x), self.table[: len(x)]

class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(3, 5)
    def forward(self, x):
        h, outs = x.new_zeros(1, 5), torch.zeros(2, 5)  # here
        for t in range(2):
            h = self.cell(x[t : t + 1], h)
            outs[t] = h[0]
        return outs, h

def losses(x):
    found = []
    for row in x:
        found.append(row.pow(2).mean().item())
    return x.mean(), torch.tensor(found)  # here

def best_tokens(x):
    best, n = torch.full((2,), -1), 0  # here
    while n < 2:
        best[n] = x[n].argmax()
        n += 1
    return best

def ended(ids):
    done = torch.zeros(len(ids), dtype=torch.bool)
    for t in range(ids.size(1)):
        done |= ids[:, t] == 2  # here
        if done.all():
            break
    return done
"""


def names_in(source: str) -> list[str]:
    """The functions and classes."""
    made = (node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef))
    return [name for name in made if name != "helps"]


Rehearsed = Callable[[str, str], Gpu]


@pytest.fixture
def rehearsed(tiny: Assignment, tmp_path: Path, apart: Callable[..., Gpu]) -> Rehearsed:
    """A function that calls what has a name in a source, and rehearses that."""

    def play(source: str, name: str) -> Gpu:
        (tmp_path / "tiny.py").write_text(source, encoding="utf-8")
        wish = Wish(replace(tiny.checks[0], bans=()), "float64", 0)
        desk = open_folder(tiny, tmp_path, wish)
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            text = next(ast.unparse(node) for node in ast.parse(source).body if getattr(node, "name", "") == name)
            ids = torch.tensor([[3, 4, 2, 0], [5, 1, 7, 2]])
            given = ids if "ids)" in text.partition("return")[0] else torch.tensor([[0.5, -1, 2], [1, 2, -3]])
            called = getattr(desk.session.root, name)
            (called() if name[0].isupper() else called)(given)
            again = lambda: open_folder(tiny, tmp_path, wish).session.transport  # noqa: E731 - nothing to name
            return apart(lambda: rehearse(again, [("test", desk.session.transcript)]))
        finally:
            torch.set_default_dtype(before)

    return play


@pytest.mark.parametrize("name", names_in(RIGHT))
def test_right_work_in_any_style_runs_there(rehearsed: Rehearsed, name: str) -> None:
    """What asks for numbers is followed to its end, torch's own layers too, and nothing is found."""
    assert rehearsed(HEAD + RIGHT, name) == Gpu(ready=("test",))


@pytest.mark.parametrize("name", names_in(WRONG))
def test_what_stays_behind_is_named_with_its_line(rehearsed: Rehearsed, name: str) -> None:
    """The line at which the CPU meets the GPU; where they never meet, the one that made what was answered."""
    source = HEAD + WRONG
    gpu = rehearsed(source, name)
    start = source.index(f" {name}(")
    line = source.count("\n", 0, source.index("# here", start)) + 1
    assert [(found.file, found.line) for found in gpu.findings] == [("tiny.py", line)]
    assert gpu.advice
    assert not gpu.ready


def test_lengths_for_packing_belong_on_the_cpu(rehearsed: Rehearsed) -> None:
    """The one tensor that must not lie with its neighbours is not said to be on the CPU."""
    (found,) = rehearsed(HEAD + WRONG, "PacksLengthsThere").findings
    assert "packing takes its lengths from the CPU" in found.message


def test_the_numbers_are_those_of_the_cpu(rehearsed: Rehearsed) -> None:
    """Which way code goes there is decided by what is true: a branch that nobody takes costs nothing."""
    source = HEAD + (
        "def chooses(x):\n    y = x.clone()\n    y[0] += 1\n    y = y.view(-1).mul_(2)[1:].sort().values\n"
        "    if y.tolist() != [-6.0, 0.0, 2.0, 4.0, 6.0]:\n        return x + torch.zeros(2, 3)\n    return y\n"
    )
    assert rehearsed(source, "chooses") == Gpu(ready=("test",))


def test_what_torch_lacks_there_is_no_finding(rehearsed: Rehearsed) -> None:
    """Operators that cannot be pretended name all devices in what they say: that is nobody's mistake."""
    source = HEAD + (
        "def differentiates(x):\n    x = x.detach().requires_grad_()\n"
        "    return torch.autograd.grad((x * x).sum(), x)[0]\n"
    )
    assert rehearsed(source, "differentiates") == Gpu(untested=("test",))
