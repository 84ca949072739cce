"""Local times of the course's own files become moments."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def in_zone(written: datetime, zone: ZoneInfo) -> tuple[datetime, str]:
    """The aware moment that `written` means, in `zone` where it has no offset; and why it cannot mean one, or ""."""
    if written.tzinfo:
        return written, ""
    local = written.replace(tzinfo=zone)
    if len({local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)}) == 1:
        return local, ""
    return local, f"{written} comes twice or never in {zone.key} (the clock changes); write its offset, such as +01:00"
