"""The CUDA devices of this machine, what their driver needs of a jail, and words where there is none.

A process that has opened a device cannot fork children that use it, so a process of its own is asked.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import DeviceMissing

VISIBLE = "CUDA_VISIBLE_DEVICES"
LOOK_S = 120.0
LEAST_FREE_MB = 2048
"""For a context of CUDA's and a submission's share."""
_LOOK = """
import json, torch
found = {"torch": torch.__version__, "cuda": torch.version.cuda, "cards": [], "error": ""}
try:
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        torch.ones(2, 2, device=f"cuda:{number}") @ torch.ones(2, 2, device=f"cuda:{number}")
        found["cards"].append([torch.cuda.get_device_name(number), total >> 20, free >> 20])
except Exception as error:
    found["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
print(json.dumps(found))
"""
_DRIVER_DEVICES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "dxg")
OF_THE_KERNEL = (
    "/proc/cpuinfo", "/proc/driver/nvidia", "/proc/devices", "/proc/modules", "/proc/sys/vm/mmap_min_addr"
)  # fmt: skip
"""What the driver's library reads of /proc, beside the process itself."""
_ABOUT_THE_MACHINE = (
    *OF_THE_KERNEL, "/sys/bus/pci/devices",
    "/sys/devices/system/node", "/sys/devices/system/cpu", "/sys/devices/system/memory", "/sys/module/nvidia/initstate",
    "/sys/module/nvidia/version", "/sys/module/nvidia_uvm",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Card:
    """One CUDA device."""

    token: str
    """What `CUDA_VISIBLE_DEVICES` calls it."""
    name: str
    total_mb: int
    free_mb: int


def survey(environment: Mapping[str, str]) -> tuple[Card, ...]:
    """Return the devices on which submissions can be graded. Raises DeviceMissing, in words, where there is none."""
    try:
        looked = subprocess.run(
            [sys.executable, "-c", _LOOK], capture_output=True, text=True, timeout=LOOK_S, check=False, env=environment
        )
        found = json.loads(looked.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise DeviceMissing(f"the CUDA devices of this machine cannot be looked at: {error}. {_OTHERWISE}") from error
    return usable(found, environment.get(VISIBLE, ""))


def usable(found: Mapping[str, object], visible: str) -> tuple[Card, ...]:
    """Return the devices among what was found that have room. Raises DeviceMissing."""
    rows = found["cards"]
    assert isinstance(rows, list)
    tokens = [token.strip() for token in visible.split(",")] if visible else [str(n) for n in range(len(rows))]
    cards = [Card(token, *row) for token, row in zip(tokens, rows, strict=False)]
    free = tuple(card for card in cards if card.free_mb >= LEAST_FREE_MB)
    if free:
        return free
    if cards:
        full = "; ".join(f"{card.name}: {card.free_mb} of {card.total_mb} MB are free" for card in cards)
        raise DeviceMissing(f"no CUDA device has {LEAST_FREE_MB} MB for a submission ({full}). {_OTHERWISE}")
    if not found["cuda"]:
        raise DeviceMissing(
            f"this torch ({found['torch']}) is built without CUDA: install a build with it. {_OTHERWISE}"
        )
    why = found["error"] or "nvidia-smi says what the driver sees"
    raise DeviceMissing(f"torch {found['torch']} finds no CUDA device on this machine: {why}. {_OTHERWISE}")


def named(device: str, cards: tuple[Card, ...]) -> str:
    """Return the device as results name it, with what kinds of cards there are: `cuda (NVIDIA A100)`."""
    kinds = ", ".join(sorted({card.name for card in cards}))
    return f"{device} ({kinds})" if kinds else device


def usable_layers(layers: tuple[str, ...], uid: int) -> tuple[str, ...]:
    """Return those of the layers that CUDA works in: who is not root cannot give a child the /proc that it needs."""
    return layers if uid == 0 else tuple(name for name in layers if name != "namespaces")


_OTHERWISE = "Nothing was graded. Without --device, everything is graded on the CPU."


def devices() -> tuple[Path, ...]:
    """The device files through which the driver is asked; those of all cards, which its library looks at."""
    folder = Path("/dev")
    numbered = sorted(path for path in folder.glob("nvidia[0-9]*") if path.name[6:].isdigit())
    return (*numbered, *(path for name in _DRIVER_DEVICES if (path := folder / name).exists()))


def runtime_paths() -> tuple[Path, ...]:
    """What the driver's library reads: device files, itself and its neighbours, what the kernel says of the cards."""
    places = [Path(name) for name in _ABOUT_THE_MACHINE]
    return (*devices(), *_library_folder(), *(path for path in places if path.exists()))


def _library_folder() -> tuple[Path, ...]:
    """The folder of libcuda.so.1, wherever the loader finds it."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return ()
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    names = [line.split(maxsplit=5)[5] for line in maps if "libcuda.so" in line]
    return (Path(names[0]).parent,) if names else ()


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a process that opens a device must know: which one, where the driver's library is, and how to compute.

    Kernels are waited for (`CUDA_LAUNCH_BLOCKING`), so that what goes wrong in one is told at its own line.
    """
    passed = {name: environment[name] for name in ("LD_LIBRARY_PATH",) if name in environment}
    return passed | {
        VISIBLE: environment.get(VISIBLE, "0").split(",")[0],
        "CUDA_LAUNCH_BLOCKING": "1",
        "CUDA_CACHE_DISABLE": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "NVIDIA_TF32_OVERRIDE": "0",
    }


NO_DEVICE = {VISIBLE: ""}
"""For those who compute on the CPU: that a machine has a GPU changes nothing for them."""


def assign(cards: tuple[Card, ...], number: int) -> None:
    """Have the zygotes of this process use one card: one submission at a time computes on each."""
    os.environ[VISIBLE] = cards[number % len(cards)].token
