"""What an instructor chose for Gradescope; it lies in the zip beside the course."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autograder.errors import ConfigurationError

FILE = "gradescope.json"


class Settings(BaseModel):
    """`gradescope.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    assignment: str
    offline: tuple[str, ...] = ()
    """Checks that are graded elsewhere."""
    minutes: Annotated[float, Field(gt=0, le=40)] = 10
    """The time limit that is set at Gradescope; it ends everything without a result, so we end before it."""
    attempts: Annotated[int, Field(ge=0)] = 0
    """Submissions in `hours` that are graded; 0: all."""
    hours: Annotated[float, Field(gt=0)] = 24


def read_settings(path: Path) -> Settings:
    """The settings in a file; ConfigurationError where they are none."""
    try:
        return Settings.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigurationError(f"{path} cannot be read ({error}); export the zip again") from error
