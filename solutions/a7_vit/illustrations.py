"""What the page of a submission shows beside the checks: handwriting that is cut into patches, and put together."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks import image_of
from autograder.records import Picture

ROWS, COLUMNS, MARGIN, PATCH = 2, 4, 2, 4
"""Digits below and beside each other, 8 x 8 pixels each with a margin above and below; the side of a patch."""
GAP = 0.6
"""Neither ink nor paper."""


def patchify(student: Any, dataset: Any) -> Picture:
    """The student's patches, each where it stands in their list, with a gap around it."""
    sheet = _sheet(dataset)
    height, width = sheet.shape[2:]
    patches = student.patchify(sheet, PATCH)[0].reshape(height // PATCH, width // PATCH, PATCH, PATCH)
    apart = torch.nn.functional.pad(patches, (0, 1, 0, 1), value=GAP)  # (h, w, P + 1, P + 1)
    return image_of(
        "Real handwriting, cut into the patches of your list", apart.transpose(1, 2).flatten(2).flatten(0, 1)
    )


def unpatchify(student: Any, reference: Any, dataset: Any) -> Picture:
    """Right patches, as the student puts them together."""
    sheet = _sheet(dataset)
    whole = student.unpatchify(reference.patchify(sheet, PATCH), PATCH, *sheet.shape[2:])
    return image_of("Patches of real handwriting, as you put them together", whole[0])


def _sheet(dataset: Any) -> Tensor:
    """Digits of the training set in rows, (1, 1, H, W), as ink on paper: from 0 (ink) to 1 (paper)."""
    images, labels = dataset("digits").load("train")
    firsts = [int((labels == digit).argmax()) for digit in range(ROWS * COLUMNS)]
    ink = torch.from_numpy(images[firsts]).to(torch.get_default_dtype())[:, 0] / 255
    digits = 1 - torch.nn.functional.pad(ink, (0, 0, MARGIN, MARGIN))
    grid = digits.reshape(ROWS, COLUMNS, *digits.shape[1:]).transpose(1, 2)
    return grid.flatten(2).flatten(0, 1)[None, None]
