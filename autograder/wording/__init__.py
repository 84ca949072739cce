"""What people read, in their language: catalogues of sentences, and measured English put into other words.

Results stay in English. Whoever shows them asks `wording_in(language)` for the words; see docs/architecture.md.
"""

from __future__ import annotations

from autograder.wording.wording import LANGUAGES, SOURCE, Wording, wording_in

__all__ = ["LANGUAGES", "SOURCE", "Wording", "wording_in"]
