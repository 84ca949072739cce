"""Names the mistake behind a failed check: the transcript of the check, replayed on every known mistake."""

from __future__ import annotations

from autograder.diagnosis.catalogue import Catalogue
from autograder.diagnosis.diagnose import Diagnostician
from autograder.diagnosis.rounds import Rounds

__all__ = ["Catalogue", "Diagnostician", "Rounds"]
