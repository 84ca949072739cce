# ruff: noqa: T201 - a script that prints
"""The experiments of assignment 3. They call your seq2seq.py; nothing here has to be changed, and all of it may be.

- `python experiment.py` trains on dates in three languages and shows how much fits into a vector: half a minute;
- `python experiment.py reversal` does so for rows of symbols, with vectors of three sizes: half a minute;
- `python experiment.py forcing` trains with and without the true tokens: half a minute.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from course_data import dates as data
from course_data import reversal as task
from seq2seq import Seq2Seq, Vocab, fit, greedy, masked_ce, pad_batch, shift_targets
from torch import Tensor

Batch = tuple[Tensor, Tensor, Tensor]
"""Sources (B, S), their lengths (B,), targets (B, T)."""
LANGUAGES = ("en_US", "ko_KR", "de_DE")
SHOWN = {"en_US": "English", "ko_KR": "Korean", "de_DE": "German"}
EXAMPLES = 4


def batch_of(pairs: Sequence[tuple[str, str]], source: Vocab, target: Vocab) -> Batch:
    """Pairs of texts as ids."""
    src, lengths, _ = pad_batch([source.encode(text) for text, _ in pairs])
    tgt, _, _ = pad_batch([target.encode(text, sos=True, eos=True) for _, text in pairs])
    return src, lengths, tgt


def exact(model: Seq2Seq, batch: Batch) -> tuple[Tensor, Tensor]:
    """What the model writes (B, T), and which rows (B,) are right from the first token to the last."""
    src, lengths, tgt = batch
    aims = tgt[:, 1:]  # without SOS
    written = greedy(model, src, lengths, aims.shape[1])  # (B, T)
    return written, (written == aims).all(dim=1)


def bar(share: float) -> str:
    """A share from 0 to 1 as a bar and a number."""
    return f"{'#' * round(30 * share):30} {share:5.2f}"


def dates() -> None:
    """Train one model on dates of all lengths; print how many it gets right, by what a date holds and by its length."""
    source = Vocab(data.characters(LANGUAGES))
    target = Vocab(data.ISO_CHARACTERS)
    training, unseen = (data.load(split, LANGUAGES) for split in ("train", "test"))
    model = Seq2Seq(source.size, target.size, 32, 64)
    optimizer = torch.optim.Adam(model.parameters(), 8e-3)

    def batches() -> Iterator[Batch]:
        for _ in range(800):
            chosen = [training[i] for i in torch.randint(len(training), (64,)).tolist()]
            yield batch_of([(date.text, date.iso) for date in chosen], source, target)

    losses = fit(model, batches(), optimizer, max_norm=1.0)
    print(f"loss of the first batch {losses[0]:.2f}, of the last fifty {sum(losses[-50:]) / 50:.2f} nats per character")
    written, right = exact(model, batch_of([(date.text, date.iso) for date in unseen], source, target))
    forms, lengths = defaultdict[str, list[float]](list), defaultdict[int, list[float]](list)
    for date, hit in zip(unseen, right.tolist(), strict=True):
        forms[f"{SHOWN[date.locale]:8} {date.form:7}"].append(hit)
        lengths[(len(date.text) - 1) // 5].append(hit)
    print("\nexact match on dates that no language showed in training")
    for name in sorted(forms, key=lambda name: -sum(forms[name]) / len(forms[name])):
        print(f"{name}  {bar(sum(forms[name]) / len(forms[name]))}")
    print("\nthe same by the length of the source, in characters")
    for fifth in sorted(lengths):
        share = sum(lengths[fifth]) / len(lengths[fifth])
        print(f"{5 * fifth + 1:2} to {5 * fifth + 5:2}          {bar(share)}")
    print()
    for index in range(0, len(unseen), len(unseen) // 12):
        text = "".join(target.decode(written[index].tolist()))
        print(f"{unseen[index].text:28} -> {text:10} {'' if right[index] else 'should be ' + unseen[index].iso}")


def tensors(batch: Sequence[np.ndarray]) -> Batch:
    """A batch as tensors."""
    src, lengths, tgt = map(torch.from_numpy, batch)
    return src, lengths, tgt


def trained_on_reversal(hidden: int, longest: int, ratio: float, steps: int) -> Seq2Seq:
    """A model that was trained to say rows of 1 to `longest` digits backwards."""
    rng = np.random.default_rng(hidden)
    model = Seq2Seq(14, 14, 32, hidden)
    batches = map(tensors, task.reversal_batches(steps, 64, 1, longest, 10, rng))
    generator = torch.Generator().manual_seed(1)
    fit(model, batches, torch.optim.Adam(model.parameters(), 8e-3), ratio, generator, max_norm=1.0)
    return model


def reversal() -> None:
    """Train three sizes of the state on rows of 1 to 8 digits; print the exact match by length."""
    sizes, longest = (32, 64, 128), 8
    models = [trained_on_reversal(hidden, longest, 1.0, 400) for hidden in sizes]
    print("exact match on unseen rows of digits, backwards\n")
    print("length   possible rows" + "".join(f"{f'H = {hidden}':>10}" for hidden in sizes))
    for length in range(1, longest + 1):
        batch = tensors(task.reversal(500, length, length, 10, np.random.default_rng(0)))
        shares = [exact(model, batch)[1].double().mean().item() for model in models]
        print(f"{length:6} {10**length:15,}" + "".join(f"{share:10.2f}" for share in shares))


def forcing() -> None:
    """Train on rows of 1 to 5 digits with several ratios; print what reading the true tokens hides."""
    print("ratio   loss with the true tokens   exact match of what it writes by itself")
    batch = tensors(task.reversal(500, 5, 5, 10, np.random.default_rng(0)))
    src, lengths, tgt = batch
    tgt_in, tgt_out = shift_targets(tgt)
    for ratio in (1.0, 0.5, 0.0):
        model = trained_on_reversal(64, 5, ratio, 300)
        loss = masked_ce(model(src, lengths, tgt_in), tgt_out).item()
        print(f"{ratio:5.1f} {loss:27.3f} {exact(model, batch)[1].double().mean().item():41.2f}")


EXPERIMENTS: Mapping[str, Callable[[], None]] = {"dates": dates, "reversal": reversal, "forcing": forcing}


def main(chosen: str = "dates") -> None:
    """Run one experiment; the same numbers every time."""
    if chosen not in EXPERIMENTS:
        sys.exit(f"unknown experiment {chosen!r}; choose one of {', '.join(EXPERIMENTS)}")
    torch.manual_seed(1)
    torch.set_num_threads(1)
    EXPERIMENTS[chosen]()


if __name__ == "__main__":
    main(*sys.argv[1:2])
