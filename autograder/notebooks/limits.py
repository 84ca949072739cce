"""What reading one notebook may use; both processes say it."""

from __future__ import annotations

CPU_S = 10
"""A megabyte of source takes some 4 s."""
MEMORY = 1 << 30
"""Bytes of address space: parsing a megabyte of source takes half of it."""
MAX_MODULE = 1 << 20
"""Bytes of what comes out: as much as a Python file may have."""
MAX_NOTES = 20
OUT_OF_MEMORY = 12
"""The reader's exit code."""
