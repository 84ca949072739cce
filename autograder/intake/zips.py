"""What a zip holds. It is never unpacked to disk, so a name that leads outside can lead nowhere."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from autograder.errors import SubmissionError
from autograder.intake.sources import CODE, MAX_ENTRIES, Entry, HandedIn, read_plain, size
from autograder.names import shown

MAX_ZIP = 16 << 20
"""Bytes of a zip; it is read into memory as a whole."""
MAX_RATIO = 200
"""How much smaller a file may be in the zip: Python text packs about 5 times, a bomb 1,000 times."""

_DIRECTORY_RECORD = b"PK\x01\x02"
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, OverflowError, ValueError)
"""What zipfile raises for bytes that are no sound zip."""


def from_zip(path: Path) -> HandedIn:
    """The plain files in the zip `path`; SubmissionError when it is broken, too large or has too many entries."""
    return _contents(read_plain(path, MAX_ZIP))


def unwrapped(found: HandedIn) -> HandedIn:
    """What the one zip among the files of `found` holds, where they hold no code themselves: many pack twice."""
    zips = [entry for entry in found.entries if entry.path.suffix.lower() == ".zip"]
    if len(zips) != 1 or any(entry.path.suffix.lower() in CODE for entry in found.entries):
        return found
    inside = _contents(zips[0].read(MAX_ZIP))
    notes = [*found.notes, f"{shown(str(zips[0].path))} was opened", *inside.notes]
    return HandedIn(inside.entries, notes, [*found.manifests, *inside.manifests])


def _contents(content: bytes) -> HandedIn:
    if content.count(_DIRECTORY_RECORD) > MAX_ENTRIES:  # asked before zipfile makes an object of each
        raise SubmissionError(f"the zip has more than {MAX_ENTRIES:,} entries; zip only the files that are asked for")
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _BROKEN as error:
        raise _broken(error) from None
    found = HandedIn()
    for info in archive.infolist():
        _sort_in(archive, info, found)
    found.entries.sort(key=lambda entry: entry.path.parts)
    return found


def _sort_in(archive: zipfile.ZipFile, info: zipfile.ZipInfo, found: HandedIn) -> None:
    name = _name(info).replace("\\", "/")
    path = PurePosixPath(name)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or name[1:2] == ":":
        found.refuse(name, "a name that leads out of the zip")
    elif name.endswith("/") or kind == stat.S_IFDIR or not found.wants(path):
        return
    elif kind not in {0, stat.S_IFREG}:  # 0: packed on Windows
        found.refuse(name, "a link" if kind == stat.S_IFLNK else "not a plain file")
    else:
        found.add(Entry(path, lambda limit: _content(archive, info, limit)))


def _name(info: zipfile.ZipInfo) -> str:
    """The entry's name. zipfile takes a name that is not marked as UTF-8 for cp437; on Korean Windows it is cp949."""
    if info.flag_bits & 0x800 or info.filename.isascii():
        return info.filename
    try:
        return info.filename.encode("cp437").decode("cp949")
    except UnicodeError:
        return info.filename


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """The unpacked file; SubmissionError when what it says about itself, or what really comes out, is too much."""
    name = shown(_name(info))
    if info.flag_bits & 1:
        raise SubmissionError(f"{name} is encrypted; make a zip without a password")
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise SubmissionError(f"{name} is packed in an unusual way; make an ordinary zip")
    if info.file_size > limit:
        raise SubmissionError(f"{name} is larger than {size(limit)}; hand in only what is asked for")
    if info.file_size > MAX_RATIO * max(1, info.compress_size):
        raise SubmissionError(f"{name} unpacks to more than {MAX_RATIO} times its size; hand in source text")
    try:
        with archive.open(info) as file:
            content = file.read(limit + 1)
    except (*_BROKEN, RuntimeError) as error:  # RuntimeError: encrypted, though the directory denies it
        raise _broken(error) from None
    if len(content) > limit:
        raise SubmissionError(f"{name} is larger than {size(limit)}; hand in only what is asked for")
    return content


def _broken(error: Exception) -> SubmissionError:
    return SubmissionError(f"the zip cannot be opened ({shown(str(error))}); make it again and hand it in again")
