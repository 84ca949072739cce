"""Modules that are imported again and again are those that stand in the file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from autograder.sandbox import loading


def test_a_save_within_the_same_second_is_read(tmp_path: Path) -> None:
    """Neither the file's time nor its size has changed, nor what Python once compiled of it: its text has."""
    file = tmp_path / "cell.py"
    file.write_text("VALUE = 1\n", encoding="utf-8")
    moment = file.stat().st_mtime_ns
    place = loading.Apart([tmp_path])
    with place:
        import cell  # type: ignore[import-not-found]

        assert cell.VALUE == 1
    file.write_text("VALUE = 2\n", encoding="utf-8")
    os.utime(file, ns=(moment, moment))
    assert loading.import_apart([tmp_path], "cell").VALUE == 2


def test_a_text_is_compiled_once(tmp_path: Path) -> None:
    """Two imports are two modules with functions of their own, whose code is one."""
    (tmp_path / "cell.py").write_text("def f():\n    return 1\n", encoding="utf-8")
    one, two = (loading.import_apart([tmp_path], "cell") for _ in range(2))
    assert one is not two
    assert one.f is not two.f
    assert one.f.__code__ is two.f.__code__


def test_everything_that_python_finds_in_a_folder_is_found(tmp_path: Path) -> None:
    """Files in other encodings, packages, and files that appear between two imports; nothing is left behind."""
    before = dict(sys.path_importer_cache)
    (tmp_path / "old.py").write_bytes("# coding: latin-1\nVALUE = 'é'\n".encode("latin-1"))
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("VALUE = 3\n", encoding="utf-8")
    assert loading.import_apart([tmp_path], "old").VALUE == "é"
    place = loading.Apart([tmp_path])
    with place:
        (tmp_path / "later.py").write_text("from parts import VALUE\n", encoding="utf-8")
        import later  # type: ignore[import-not-found]

        assert later.VALUE == 3
    sys.modules.pop("parts", None)
    assert str(tmp_path) not in sys.path_importer_cache
    assert before.items() <= sys.path_importer_cache.items()


def test_a_file_that_is_no_python_says_where(tmp_path: Path) -> None:
    """A syntax error has its file and line, as from Python's own loader, at every import."""
    (tmp_path / "cell.py").write_text("x = 1\ndef f(:\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(SyntaxError) as caught:
            loading.import_apart([tmp_path], "cell")
        assert (caught.value.filename, caught.value.lineno) == (str(tmp_path / "cell.py"), 2)
