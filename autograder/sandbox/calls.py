"""What stand-ins call, as it was recorded when they were run dry; read, not known by heart.

`tests/sandbox/dry_runs.py` runs each in every way that it has and writes `calls.json`; a test does so again and
compares. It holds for the release of torch, and for the kind of device, on which it was recorded: anywhere else nothing
is known of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch

RECORDED = Path(__file__).with_name("calls.json")


def recorded(name: str) -> tuple[str, ...] | None:
    """Operators ("softmax") and functions ("module:name") that a stand-in may call; None: nobody knows."""
    on_gpu: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return None if on_gpu else _RECORDED.get(name)


def read() -> Mapping[str, tuple[str, ...]]:
    """Return what was recorded with this release of torch; nothing where it was another one, or nothing is recorded."""
    if not RECORDED.exists():
        return {}
    found = json.loads(RECORDED.read_text(encoding="utf-8"))
    return {name: tuple(calls) for name, calls in found["calls"].items()} if found["torch"] == release() else {}


def release() -> str:
    """Return which release of torch this is, without its patches: "2.14"."""
    return ".".join(torch.__version__.split(".")[:2])


_RECORDED = read()  # now, since a child that is locked in reads no files of ours
