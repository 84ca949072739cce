"""What all pages of one run share: the course, the moment, who may see what, in which language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from autograder.feedback.audience import Sight
from autograder.feedback.curve import Band
from autograder.feedback.parts import Part
from autograder.feedback.text import clipped
from autograder.gradebook import Book
from autograder.gradebook.marks import Mark
from autograder.records import Assignment, Grade
from autograder.wording import Wording

MESSAGE = 1_200
"""Characters of a message or hint."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all pages of one run share."""

    course: str
    wording: Wording
    assignment: Assignment
    parts: tuple[Part, ...]
    sight: Sight
    student_sight: Sight
    """What students see now, for whoever grades to know."""
    changes: Mapping[str, str] = field(default_factory=dict)
    """Id of a known mistake -> how it differs from the solution; for those who grade, empty for anybody else."""
    extended: Mapping[str, datetime] = field(default_factory=dict)
    """Student -> until when they may hand in, aware, where that is not the due date of all."""
    bands: Mapping[str, Band] = field(default_factory=dict)
    """Check -> where the training curves of right submissions lie."""
    book: Book | None = None
    """The course's gradebook, as it was when the run began."""
    mark_of: Callable[[Grade], Mark | None] = lambda _: None
    """What a submission counts for after lateness, and what people said of it; None: nobody knows (yet)."""

    def for_student(self, student: str) -> Setting:
        """The same for one student's page: what waits for the due date waits for theirs."""
        if student not in self.extended:
            return self
        sights = (replace(sight, due=self.extended[student]) for sight in (self.sight, self.student_sight))
        return replace(self, sight=next(sights), student_sight=next(sights))

    @property
    def language(self) -> str:
        """Of the pages."""
        return self.wording.language

    def said(self, text: str, most: int = MESSAGE) -> str:
        """Words of a result, in the language of the pages, ready to be shown."""
        return clipped(self.wording.said(text), most)

    def spoken(self, moment: datetime) -> str:
        """A moment in the course's own time."""
        zone = self.sight.now.tzinfo
        return f"{moment.astimezone(zone):%Y-%m-%d %H:%M} ({getattr(zone, 'key', zone)})"
