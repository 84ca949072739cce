"""How long the children of one submission are waited for: a hundred checks are no hundred times half a minute."""

from __future__ import annotations

from dataclasses import dataclass

BELIEVED, LATER = 2, 1 / 6
"""Of a submission of which so many children waited in vain, further ones may wait this part of the usual time."""


@dataclass
class Patience:
    """Shared by the children of a submission."""

    in_vain: int = 0
    """Children that were ended because they only waited."""

    @property
    def part(self) -> float:
        """The part of the usual time that a child may wait."""
        return 1.0 if self.in_vain < BELIEVED else LATER
