# ruff: noqa: T201 - a script that prints
"""The experiments of assignment 5. They call your transformer.py; nothing here has to be changed, and all of it may be.

- `python experiment.py` draws the table of positions and shows what attention makes of it;
- `python experiment.py order` shuffles a sentence, with positions and without;
- `python experiment.py time` measures recurrence and attention against the length of the sentence;
- `python experiment.py translate` trains on English and Korean phrases and translates new ones;
- `python experiment.py leak` does the same with a decoder that may read what it has to predict.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
import transformer
from torch import Tensor, nn

SHADES = " .:-=+*#%@"
"""From -1 to 1."""


def positions() -> None:
    """Draw the table as characters, and print how alike two positions are."""
    table = transformer.positional_encoding(32, 64)
    print("the sines of the table: one line a position, one column a feature (0, 2, 4, ...); ' ' is -1 and '@' is +1\n")
    for place, row in enumerate(table[:, ::2]):
        print(f"{place:3} " + "".join(2 * shade(value) for value in row.tolist()))
    print("\nPE[10] . PE[10 + k] / 32: how alike are two positions at a distance of k?")
    for k in range(-10, 21, 2):
        likeness = (table[10] @ table[10 + k] / 32).item()
        print(f"k = {k:3}  {likeness:5.2f}  {'#' * round(50 * max(likeness, 0))}")


def shade(value: float) -> str:
    """One character for a number from -1 to 1."""
    return SHADES[min(int((value + 1) / 2 * len(SHADES)), len(SHADES) - 1)]


def order() -> None:
    """Shuffle the words of a sentence, and print whether their vectors are just shuffled as well."""
    d = 32
    encoder = transformer.TransformerEncoder(d, 4, 64, 2).eval()
    places = transformer.PositionalEncoding(d)
    sentence, shuffled = torch.randn(1, 9, d), torch.randperm(9)
    print("the largest difference between: encode, then shuffle - shuffle, then encode")
    for name, embed in (("without positions", nn.Identity()), ("with positions", places)):
        before = encoder(embed(sentence))[:, shuffled]
        after = encoder(embed(sentence[:, shuffled]))
        print(f"{name:18} {(before - after).abs().max().item():8.1e}")


def time_against_length() -> None:
    """Print milliseconds for one pass over sentences of growing length."""
    d, batch = 64, 8
    cell, layer = nn.GRUCell(d, d), transformer.EncoderLayer(d, 4, 4 * d)
    print("milliseconds for forward and backward, and how many times longer than for half the length")
    print("length    recurrence (GRU cell)      attention (EncoderLayer)")
    before: dict[str, float] = {}
    for length in (16, 32, 64, 128, 256, 512, 1024):
        x = torch.randn(batch, length, d)
        took = {"recurrence": milliseconds(lambda x=x: run(cell, x)), "attention": milliseconds(lambda x=x: layer(x))}
        grew = {name: f"x {took[name] / before[name]:4.1f}" if before else "" for name in took}
        print(f"{length:6}" + "".join(f"{took[name]:15.1f} ms  {grew[name]:6}" for name in took))
        before = took


def run(cell: nn.Module, x: Tensor) -> Tensor:
    """All states of a recurrent cell, one step after the other."""
    h, states = torch.zeros(x.shape[0], x.shape[2]), []
    for step in x.unbind(dim=1):
        h = cell(step, h)
        states.append(h)
    return torch.stack(states, dim=1)


def milliseconds(call: Callable[[], Tensor]) -> float:
    """The best of three passes forward and backward."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        call().sum().backward()
        best = min(best, time.perf_counter() - start)
    return 1000 * best


def translate() -> None:
    """Train on English and Korean phrases; translate some that were not among them."""
    from course_data import phrases as data

    rng = np.random.default_rng(1)
    english, korean = data.vocabularies()
    pad, start, end = data.Vocabulary.PAD, data.Vocabulary.START, data.Vocabulary.END
    model = transformer.Transformer(len(english), len(korean), 48, 4, 96, 1)
    batches = [(torch.from_numpy(src), torch.from_numpy(tgt)) for src, tgt in data.batches(data.load(), 64, 250, rng)]
    adam = torch.optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
    losses = transformer.fit(model, batches, adam, pad, warmup=40, factor=0.4)
    for step in (1, 25, 50, 100, 250):
        print(f"step {step:4}: loss {losses[step - 1]:.3f} nats per word")
    unseen = data.load("test")
    src, tgt = (torch.from_numpy(ids) for ids in data.pairs(unseen))
    written = transformer.greedy_decode(model, src, start, end, tgt.shape[1] - 1, pad)
    right = (written == tgt[:, 1:]).all(dim=1)
    print(f"\nright, to the last word: {right.double().mean().item():.1%} of {len(unseen)} phrases that it never saw\n")
    wrong = (~right).nonzero().flatten().tolist()
    for number in [*range(8), *(place for place in wrong if place >= 8)][:12]:
        words = data.joined(korean.decode(written[number].tolist()))
        print(f"{'  ' if right[number] else '! '}{unseen[number].english:40} {words}")
        if not right[number]:
            print(f"{'':43}(right: {unseen[number].korean})")


def leak() -> None:
    """Train with a causal mask that hides nothing: the loss looks wonderful."""
    transformer.causal_mask = lambda length, device=None: torch.ones(length, length, dtype=torch.bool, device=device)
    translate()


EXPERIMENTS: Mapping[str, Callable[[], None]] = {
    "positions": positions,
    "order": order,
    "time": time_against_length,
    "translate": translate,
    "leak": leak,
}


def main(chosen: str = "positions") -> None:
    """Run one experiment; the same numbers every time, but for the times."""
    if chosen not in EXPERIMENTS:
        sys.exit(f"unknown experiment {chosen!r}; choose one of {', '.join(EXPERIMENTS)}")
    torch.manual_seed(1)
    torch.set_num_threads(1)
    EXPERIMENTS[chosen]()


if __name__ == "__main__":
    main(*sys.argv[1:2])
