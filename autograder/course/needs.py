"""Which checks build on which, through `@needs`: by a check's name, or by that of a part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from autograder.records import Check


def in_order_of_needs(checks: Iterable[Check], parts: Mapping[str, tuple[str, ...]]) -> list[Check]:
    """Checks so that each comes after those that it needs, otherwise as they were."""
    by_id = {check.id: check for check in checks}
    ordered: dict[str, Check] = {}

    def place(check: Check) -> None:
        for name in check.needs:
            for needed in parts.get(name, (name,)):
                if needed in by_id and needed not in ordered and needed != check.id:
                    place(by_id[needed])
        ordered.setdefault(check.id, check)

    for check in by_id.values():
        place(check)
    return list(ordered.values())


def with_needs(
    chosen: Iterable[Check], checks: Iterable[Check], parts: Mapping[str, tuple[str, ...]]
) -> tuple[Check, ...]:
    """The chosen ones of `checks` with all on which they build, in the order of `checks`."""
    by_id = {check.id: check for check in checks}
    found: set[str] = set()
    waiting = list(chosen)
    while waiting:
        check = waiting.pop()
        if check.id not in found:
            found.add(check.id)
            needed = (id_ for name in check.needs for id_ in parts.get(name, (name,)))
            waiting += [by_id[id_] for id_ in needed if id_ in by_id]
    return tuple(check for check in by_id.values() if check.id in found)
