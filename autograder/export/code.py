"""The verb `export code`: what was handed in, as files again, for a program that looks for copies (JPlag, Dolos, MOSS).

What lies in `handed_in/` is what was graded: notebooks as modules, none of the files that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import LedgerError, UsageError
from autograder.export.desk import write_out
from autograder.grading import why_not_graded
from autograder.intake import files_digest
from autograder.ledger import handed_in_file, read_files, read_results


@dataclass(frozen=True, slots=True)
class Code:
    """What was written."""

    submissions: Path
    """A folder for each student."""
    stub: Path
    """What everybody was given, which is no copy."""
    count: int
    remarks: tuple[str, ...]


def export_code(results: Path, stub: Mapping[str, bytes], out: Path) -> Code:
    """Write the code of every submission that has a result into `out`, which must be new. UsageError: nothing to write.

    Whoever handed in nothing that could be read, or whose kept files are not those of the result, is in the remarks.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already; name a new folder with --out, so that nobody's old files stay in it")
    grades, problems = read_results(results)
    found: dict[str, Mapping[str, bytes]] = {}
    remarks = [*problems]
    for grade in grades:
        try:
            files = read_files(handed_in_file(results, grade.student))
        except LedgerError as error:
            remarks.append(f"{grade.student}: {why_not_graded(grade) or error}")
            continue
        if files_digest(files) == grade.submission_digest:
            found[grade.student] = files
        else:
            remarks.append(f"{grade.student}: what was kept is not what was graded; grade the hand-in again")
    if not found:
        raise UsageError(f"{results} holds nothing that was handed in; `autograder grade` keeps it there")
    code = Code(out / "submissions", out / "stub", len(found), tuple(remarks))
    folders = {code.stub: stub, **{code.submissions / student: own for student, own in found.items()}}
    for folder, texts in folders.items():
        for name, content in texts.items():
            write_out(folder / name, content)
    return code
