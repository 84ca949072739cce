"""From grades to marks in a gradebook: lateness, extensions and weights, all worked out in the open."""

from __future__ import annotations

from autograder.gradebook.book import Book, open_book
from autograder.gradebook.marks import Mark, Sources, Standing, State, standing

__all__ = ["Book", "Mark", "Sources", "Standing", "State", "open_book", "standing"]
