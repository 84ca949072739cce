"""Imports the modules of a folder again and again: each text is compiled once, and read at every import.

Python keeps compiled modules on the disk and believes them by the second of the last save; at home that would show a
student what they wrote before.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from types import CodeType


class CompiledOnce(SourceFileLoader):
    """Loads a module from its text as it stands."""

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the text that the file holds now."""
        path = self.get_filename(fullname)
        return _code(self.get_data(path), path)


def watch(folders: Iterable[Path]) -> None:
    """Import from folders as they are from now on, also what appears in them; all else is found as Python finds it."""
    extensions, sources = (ExtensionFileLoader, EXTENSION_SUFFIXES), (CompiledOnce, SOURCE_SUFFIXES)
    for path in map(str, folders):
        found = FileFinder(path, extensions, sources, (SourcelessFileLoader, BYTECODE_SUFFIXES))
        sys.path_importer_cache[path] = found


def forget(folders: Iterable[Path]) -> None:
    """Leave folders to Python again."""
    for path in map(str, folders):
        sys.path_importer_cache.pop(path, None)


@lru_cache(maxsize=64)
def _code(text: bytes, path: str) -> CodeType:
    code: CodeType = compile(text, path, "exec", dont_inherit=True)
    return code
