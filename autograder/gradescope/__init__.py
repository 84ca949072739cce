"""An assignment as Gradescope's autograder: the zip that its image is built from, and what runs inside it."""

from __future__ import annotations

from autograder.gradescope.bundle import Bundle, make_bundle

__all__ = ["Bundle", "make_bundle"]
