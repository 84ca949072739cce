"""Where a cluster may be: behind TLS, or on this very machine. The course secret and the solutions travel there."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from autograder.errors import UsageError

_TLS = "tls"
_PLAIN = "tcp"


@dataclass(frozen=True, slots=True)
class Keys:
    """PEM files with which this side of TLS shows who it is; None: what Dask's own configuration says."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


def checked(address: str) -> str:
    """Return `tls://HOST:PORT`, or `tcp://HOST:PORT` on loopback; UsageError for anything else."""
    parts = urlsplit(address)
    try:
        complete = bool(parts.hostname and parts.port) and not parts.path and "@" not in parts.netloc
    except ValueError:  # a port that is no number
        complete = False
    if not complete:
        raise UsageError(f"--cluster {address} is no address; such as tls://scheduler.example.edu:8786 is expected")
    if not is_safe(address):
        raise UsageError(
            f"--cluster {address} would send the solutions and the course secret unencrypted. Use tls://HOST:PORT (see "
            "docs/cluster.md for the certificates); tcp:// is for 127.0.0.1, ::1 and localhost alone."
        )
    return address


def is_safe(address: str) -> bool:
    """Whether what goes to this address is encrypted or never leaves the machine."""
    parts = urlsplit(address)
    return parts.scheme == _TLS or (parts.scheme == _PLAIN and _is_loopback(parts.hostname or ""))


def encrypted(address: str) -> bool:
    """Whether the address is one of TLS."""
    return urlsplit(address).scheme == _TLS


def unsafe_among(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return those addresses to which nothing may be sent."""
    return tuple(address for address in addresses if not is_safe(address))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
