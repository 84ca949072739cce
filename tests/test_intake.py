"""Whatever students hand in becomes a Submission: nothing escapes, nothing is run, one bad hand-in stops no other."""

from __future__ import annotations

import io
import os
import stat
import struct
import sys
import unicodedata
import zipfile
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.errors import SubmissionError
from autograder.intake import files_digest, read_submission, read_submissions, safe_student, shown
from autograder.intake.sources import MAX_ENTRIES, MAX_FILE
from autograder.intake.text import source_text
from autograder.intake.zips import MAX_ZIP
from autograder.records import Assignment, Limits, Submission

CODE = b"import torch\n"


def assignment(*files: str) -> Assignment:
    """An assignment that asks for `files`."""
    nothing: tuple[str, ...] = ()
    return Assignment(
        "a1_rnn", "RNN", Path(), files, nothing, nothing, ("torch",), nothing, Limits(), MappingProxyType({}), ()
    )


ONE = assignment("rnn.py")
TWO = assignment("rnn.py", "train.py")


def zipped(path: Path, entries: dict[str, bytes], mode: int = 0, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip at `path`; `mode` is the Unix mode that its entries claim."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = compression
            archive.writestr(info, content)
    return path


def foldered(path: Path, entries: dict[str, bytes]) -> Path:
    """A folder at `path`."""
    for name, content in entries.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def taken(path: Path, wanted: Assignment = ONE) -> Submission:
    """The submission at `path` by alice."""
    return read_submission(path, wanted, "alice")


class TestWhatIsTaken:
    """The allow-list, wherever the files lie."""

    @pytest.mark.parametrize("kind", ["folder", "zip"])
    @pytest.mark.parametrize("where", ["", "homework/", "a/b/c/"])
    def test_the_asked_for_file_is_found(self, tmp_path: Path, kind: str, where: str) -> None:
        """A folder and a zip give the same files and digest, nested or not."""
        entries = {f"{where}rnn.py": CODE}
        path = zipped(tmp_path / "alice.zip", entries) if kind == "zip" else foldered(tmp_path / "alice", entries)
        found = taken(path)
        assert (found.problem, found.files, found.notes) == ("", {"rnn.py": CODE}, ())
        assert found.digest == files_digest({"rnn.py": CODE})

    @pytest.mark.parametrize("kind", ["folder", "zip"])
    def test_everything_else_is_left_out_and_said(self, tmp_path: Path, kind: str) -> None:
        """Other files are named in a note; system folders, caches and hidden files are not even that."""
        entries = {
            "rnn.py": CODE,
            "data.csv": b"1",
            "conftest.py": b"evil",
            "__MACOSX/._rnn.py": b"x",
            "__pycache__/rnn.pyc": b"x",
            ".ipynb_checkpoints/rnn.py": b"old",
            ".git/config": b"[core]",
            "venv/lib/rnn.py": b"x",
        }
        path = zipped(tmp_path / "alice.zip", entries) if kind == "zip" else foldered(tmp_path / "alice", entries)
        found = taken(path)
        assert (found.problem, found.files) == ("", {"rnn.py": CODE})
        assert found.notes == (
            "the .git folder was ignored",
            "conftest.py, data.csv were ignored: not asked for",
        )

    def test_the_shallowest_file_of_a_name_is_taken(self, tmp_path: Path) -> None:
        """A copy deeper down is left out, with a note."""
        found = taken(foldered(tmp_path / "alice", {"rnn.py": CODE, "backup/rnn.py": b"old"}))
        assert found.files == {"rnn.py": CODE}
        assert found.notes == ("backup/rnn.py is deeper than rnn.py and was ignored",)

    def test_two_files_of_a_name_at_one_depth_are_a_problem(self, tmp_path: Path) -> None:
        """Nobody guesses which one counts."""
        found = taken(foldered(tmp_path / "alice", {"a/rnn.py": CODE, "b/rnn.py": b"old"}))
        assert found.problem == "rnn.py was handed in 2 times (a/rnn.py, b/rnn.py); hand in one"
        assert found.files == {}

    def test_a_lone_file_is_the_file_that_is_asked_for(self, tmp_path: Path) -> None:
        """A single Python file under another name counts where one file is asked for."""
        single = foldered(tmp_path, {"alice.py": CODE}) / "alice.py"
        assert (taken(single).files, taken(single).notes) == ({"rnn.py": CODE}, ())
        found = taken(foldered(tmp_path / "alice", {"my_rnn (1).py": CODE}))
        assert (found.files, found.notes) == ({"rnn.py": CODE}, ("my_rnn (1).py was taken as rnn.py",))

    @pytest.mark.parametrize(
        "name",
        [
            *("rnn (1).py", "rnn(2).py", "RNN.py", "Rnn.PY", "rnn.py.txt", "rnn - Copy (2).py", "Copy of rnn.py"),
            *("rnn-1.py", unicodedata.normalize("NFD", "rnn - 복사본.py")),
        ],
    )
    def test_a_second_download_is_the_file(self, tmp_path: Path, name: str) -> None:
        """What browsers and file managers add to a name is seen through and said, unless the file itself is there."""
        others = {"utils.py": b"x = 1\n", "experiment.py": b"x = 2\n"}
        found = taken(foldered(tmp_path / "alice", {name: CODE, **others}))
        assert (found.problem, found.files) == ("", {"rnn.py": CODE})
        assert found.notes[0] == f"{shown(name)} was taken as rnn.py"
        both = taken(foldered(tmp_path / "bo", {name: b"x = 3\n", "rnn.py": CODE}))
        assert (both.problem, both.files) == ("", {"rnn.py": CODE})
        assert "was not taken, since rnn.py is there; if it is the newer one, hand it in as rnn.py" in both.notes[0]

    def test_a_file_that_is_asked_for_is_no_copy_of_another(self, tmp_path: Path) -> None:
        """`rnn_1.py` and `rnn.py`, both asked for: neither takes the other's place."""
        found = taken(foldered(tmp_path / "alice", {"rnn.py": CODE}), assignment("rnn.py", "rnn_1.py"))
        assert (found.files, found.notes) == ({"rnn.py": CODE}, ("rnn_1.py is missing",))
        found = taken(foldered(tmp_path / "bo", {"rnn_1.py": CODE}), assignment("rnn.py", "rnn_1.py"))
        assert found.problem.startswith("rnn.py is missing")

    def test_files_that_came_with_the_task_are_nobodys_own(self, tmp_path: Path) -> None:
        """A lone file under another name is found beside the checks and the given files."""
        given = replace(ONE, given=("experiment.py",))
        files = {"mine.py": CODE, "experiment.py": b"x = 1\n", "test_public.py": b"x = 2\n"}
        found = taken(foldered(tmp_path / "alice", files), given)
        assert (found.problem, found.files) == ("", {"rnn.py": CODE})

    def test_equal_copies_are_one(self, tmp_path: Path) -> None:
        """Where all that could be meant hold the same bytes, there is nothing to ask."""
        found = taken(foldered(tmp_path / "alice", {"a/rnn.py": CODE, "b/rnn.py": CODE}))
        assert (found.problem, found.files) == ("", {"rnn.py": CODE})
        found = taken(foldered(tmp_path / "bo", {"rnn (1).py": CODE, "rnn (2).py": CODE}))
        assert (found.problem, found.files) == ("", {"rnn.py": CODE})

    def test_of_several_files_each_is_taken_by_name(self, tmp_path: Path) -> None:
        """Of two files that are asked for, a missing second one is a note, a missing first one a problem."""
        found = taken(foldered(tmp_path / "a", {"rnn.py": CODE}), TWO)
        assert (found.problem, found.notes) == ("", ("train.py is missing",))
        assert taken(foldered(tmp_path / "b", {"train.py": CODE}), TWO).problem.startswith("rnn.py is missing")
        assert (
            taken(foldered(tmp_path, {"c.py": CODE}) / "c.py", TWO).problem
            == "rnn.py is missing; c.py was handed in; rename the file with your code to rnn.py and hand it in"
        )

    @pytest.mark.parametrize(
        ("entries", "expected"),
        [
            ({"notes.txt": b"x"}, "rnn.py is missing; notes.txt was handed in; hand in rnn.py, or a folder or .zip"),
            ({}, "rnn.py is missing; nothing was handed in; hand in rnn.py, or a folder or .zip with it"),
            ({"a.py": b"x", "b.py": b"x"}, "rnn.py is missing; a.py, b.py were handed in; rename the file with"),
            ({"report.pdf": b"x"}, "report.pdf was handed in; a document cannot be run: hand in rnn.py itself"),
            ({"hw.7z": b"x"}, "hw.7z was handed in; only .zip archives can be opened"),
            ({"rnn.py": b"PK\x03\x04..."}, "rnn.py is a zip, whatever its name says"),
            ({"rnn.py": b"x = 1\n\0"}, "rnn.py is no text: line 2 holds the character 0x00"),
            ({"rnn.py": b"\x93NUMPY\x01"}, "rnn.py is no text: line 1 holds the character 0x01"),
            ({"rnn.py": b"\xff\xfe"}, "rnn.py is empty"),
            ({"rnn (1).py": b"1", "rnn (2).py": b"2"}, "2 files could be rnn.py (rnn (1).py, rnn (2).py); hand in the"),
            ({"rnn.ipynb": b"{}"}, "rnn.ipynb cannot be graded: no code cell defines a function or a class"),
            (
                {"a.ipynb": b"{}", "b.ipynb": b"{}"},
                "rnn.py is missing; a.ipynb, b.ipynb were handed in; rename the file",
            ),
            ({"rnn.py": b" \n"}, "rnn.py is empty; hand in the file with your code"),
            ({"rnn.py": b"#" * (MAX_FILE + 1)}, "rnn.py is larger than 1 MiB"),
        ],
    )
    def test_a_hand_in_that_cannot_be_graded_says_why(
        self, tmp_path: Path, entries: dict[str, bytes], expected: str
    ) -> None:
        """The problem tells the student what was seen and what to do."""
        (tmp_path / "alice").mkdir()
        found = taken(foldered(tmp_path / "alice", entries))
        assert expected in found.problem
        assert (found.files, found.digest) == ({}, "")

    def test_several_bad_files_are_told_together(self, tmp_path: Path) -> None:
        """One answer names everything that is wrong."""
        found = taken(foldered(tmp_path / "alice", {"rnn.py": b"", "train.py": b"\0"}), TWO)
        assert found.problem.startswith("rnn.py is empty")
        assert "train.py is no text" in found.problem

    def test_a_file_of_the_largest_size_is_taken(self, tmp_path: Path) -> None:
        """The cap itself is allowed, in both carriers."""
        code = os.urandom(MAX_FILE // 2).hex().encode()
        assert taken(foldered(tmp_path / "alice", {"rnn.py": code})).problem == ""
        assert taken(zipped(tmp_path / "alice.zip", {"rnn.py": code})).problem == ""


KOREAN = "# 순환 신경망\nname = '가'\n"


class TestEncodings:
    """Whatever an editor wrote is read as what it is."""

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "cp949", "euc_kr"])
    def test_other_encodings_are_read_and_said(self, tmp_path: Path, encoding: str) -> None:
        """Korean Windows and UTF-16, with its mark or without, become UTF-8, with a note."""
        found = taken(foldered(tmp_path / "alice", {"rnn.py": KOREAN.encode(encoding)}))
        assert (found.problem, found.files) == ("", {"rnn.py": KOREAN.encode()})
        assert len(found.notes) == 1
        assert found.notes[0].startswith("rnn.py is not UTF-8; it was read as ")

    def test_a_mark_of_utf_8_is_nothing(self, tmp_path: Path) -> None:
        """It is dropped without a word."""
        found = taken(foldered(tmp_path / "alice", {"rnn.py": KOREAN.encode("utf-8-sig")}))
        assert (found.problem, found.notes, found.files) == ("", (), {"rnn.py": KOREAN.encode()})

    @pytest.mark.parametrize(
        ("declared", "text"), [("johab", "# 한글"), ("shift_jis", "x = '表'"), ("latin-1", "# é"), ("cp949", "# 똠방")]
    )
    def test_a_declared_encoding_is_believed(self, tmp_path: Path, declared: str, text: str) -> None:
        """A comment as Python wants it decides, and says the truth afterwards, on its own line."""
        source = f"#!/usr/bin/python\n# -*- coding: {declared} -*-\n{text}\n"
        (tmp_path / "alice").mkdir()
        (found,) = taken(foldered(tmp_path / "alice", {"rnn.py": source.encode(declared)})).files.values()
        assert found.decode() == source.replace(declared, "utf-8")
        compile(found, "rnn.py", "exec")

    @pytest.mark.parametrize("declared", ["rot13", "unicode_escape", "idna", "punycode", "no-such", "utf-7", "zlib"])
    def test_an_encoding_that_computes_is_not_used(self, tmp_path: Path, declared: str) -> None:
        """A comment cannot name a codec that turns the text into another one."""
        source = f"# coding: {declared}\nx = '\xe9'\n".encode("latin-1")
        (tmp_path / "alice").mkdir()
        (found,) = taken(foldered(tmp_path / "alice", {"rnn.py": source})).files.values()
        assert found.decode().endswith("x = 'é'\n")

    @settings(deadline=None)
    @given(st.binary(max_size=60))
    def test_any_bytes_are_text_or_a_problem(self, content: bytes) -> None:
        """What comes out is UTF-8 without NUL, and the same again when it is read again."""
        try:
            text, _ = source_text("rnn.py", content)
        except SubmissionError:
            return
        assert "\0" not in text.decode()
        assert source_text("rnn.py", text)[0] == text

    @settings(deadline=None)
    @given(st.text(st.characters(exclude_categories=["Cs", "Cc"])), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    def test_no_text_is_changed(self, text: str, encoding: str) -> None:
        """Every text comes through as it is."""
        source = f"x = 1  # {text}\n"
        assert source_text("rnn.py", source.encode(encoding))[0] == source.encode()


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of Unix")
class TestLinks:
    """Nothing is followed out of a hand-in."""

    @pytest.fixture
    def secret(self, tmp_path: Path) -> Path:
        """A file that no submission may reach."""
        folder = tmp_path / "secret"
        folder.mkdir()
        (folder / "rnn.py").write_text("answers = 1\n")
        return folder

    def test_a_linked_file_is_not_read(self, tmp_path: Path, secret: Path) -> None:
        """A link in place of the file counts as no file."""
        (tmp_path / "alice").mkdir()
        (tmp_path / "alice" / "rnn.py").symlink_to(secret / "rnn.py")
        found = taken(tmp_path / "alice")
        assert found.problem.startswith("rnn.py is missing; nothing was handed in; ")
        assert found.notes == ("rnn.py is a link and was ignored",)

    def test_a_linked_folder_is_not_entered(self, tmp_path: Path, secret: Path) -> None:
        """Neither is a link to a folder inside, nor one in the student's place."""
        (tmp_path / "alice").mkdir()
        (tmp_path / "alice" / "src").symlink_to(secret)
        assert taken(tmp_path / "alice").notes == ("src is a link and was ignored",)
        (tmp_path / "bob").symlink_to(secret)
        assert taken(tmp_path / "bob").problem == "bob is a link; hand in the folder, zip or file itself"

    def test_a_pipe_does_not_block(self, tmp_path: Path) -> None:
        """A named pipe is no file, and nobody waits for it."""
        (tmp_path / "alice").mkdir()
        os.mkfifo(tmp_path / "alice" / "rnn.py")
        assert taken(tmp_path / "alice").notes == ("rnn.py is not a plain file and was ignored",)
        os.mkfifo(tmp_path / "bob.py")
        assert taken(tmp_path / "bob.py").problem == "bob.py is not a plain file; hand in a copy of it"

    def test_folders_without_end_are_cut_off(self, tmp_path: Path) -> None:
        """A tower of folders is not climbed."""
        deep = tmp_path / "alice" / "/".join(["d"] * 40)
        deep.mkdir(parents=True)
        (deep / "rnn.py").write_bytes(CODE)
        assert "more than 16 folders deep" in taken(tmp_path / "alice").notes[0]

    def test_a_flood_of_files_is_cut_off(self, tmp_path: Path) -> None:
        """More files than anybody needs are a problem, not an hour of listing."""
        (tmp_path / "alice").mkdir()
        for number in range(MAX_ENTRIES + 1):
            (tmp_path / "alice" / f"{number}.txt").touch()
        assert taken(tmp_path / "alice").problem.startswith("more than 2,000 files")


class TestZips:
    """A zip is read in memory, within caps, and never believed."""

    @pytest.mark.parametrize("name", ["../rnn.py", "/rnn.py", "a/../../rnn.py", "..\\rnn.py", "C:\\rnn.py"])
    def test_a_name_that_leads_outside_is_ignored(self, tmp_path: Path, name: str) -> None:
        """It is not taken as the file, and noted."""
        found = taken(zipped(tmp_path / "alice.zip", {name: b"evil", "src/rnn.py": CODE}))
        assert found.files == {"rnn.py": CODE}
        assert found.notes[0].endswith("is a name that leads out of the zip and was ignored")

    @pytest.mark.parametrize(("mode", "what"), [(stat.S_IFLNK | 0o777, "a link"), (stat.S_IFBLK, "not a plain file")])
    def test_links_and_devices_are_ignored(self, tmp_path: Path, mode: int, what: str) -> None:
        """What a zip stores as a link or device is not its target's content."""
        found = taken(zipped(tmp_path / "alice.zip", {"rnn.py": b"/etc/passwd"}, mode))
        assert found.notes == (f"rnn.py is {what} and was ignored",)
        assert found.problem.startswith("rnn.py is missing")

    def test_a_bomb_is_not_unpacked(self, tmp_path: Path) -> None:
        """A file that unpacks to far more than its size is refused before, for its size and for its ratio."""
        large = taken(zipped(tmp_path / "a.zip", {"rnn.py": b"\n" * (MAX_FILE + 1)}))
        assert large.problem.startswith("rnn.py is larger than 1 MiB")
        dense = taken(zipped(tmp_path / "b.zip", {"rnn.py": b"#" * MAX_FILE}))
        assert dense.problem.startswith("rnn.py unpacks to more than 200 times its size")

    def test_a_size_that_lies_is_found_out(self, tmp_path: Path) -> None:
        """A directory that declares fewer bytes than come out gives a broken zip, not those bytes."""
        content = os.urandom(50_000).hex().encode()
        path = zipped(tmp_path / "alice.zip", {"rnn.py": content})
        data = path.read_bytes().replace(struct.pack("<I", len(content)), struct.pack("<I", 10))
        path.write_bytes(data)
        assert taken(path).problem.startswith("the zip cannot be opened")

    def test_an_encrypted_file_is_a_problem(self, tmp_path: Path) -> None:
        """The student is asked for a zip without a password."""
        path = zipped(tmp_path / "alice.zip", {"rnn.py": CODE})
        data = bytearray(path.read_bytes())
        for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            data[data.index(signature) + offset] |= 1
        path.write_bytes(data)
        assert taken(path).problem == "rnn.py is encrypted; make a zip without a password"

    def test_an_unusual_packing_is_a_problem(self, tmp_path: Path) -> None:
        """Packers whose dictionaries may take gigabytes are refused."""
        path = zipped(tmp_path / "alice.zip", {"rnn.py": CODE}, compression=zipfile.ZIP_LZMA)
        assert taken(path).problem == "rnn.py is packed in an unusual way; make an ordinary zip"

    def test_too_many_entries_are_a_problem(self, tmp_path: Path) -> None:
        """They are counted before an object is made of each."""
        path = zipped(tmp_path / "alice.zip", {f"{number}.txt": b"" for number in range(MAX_ENTRIES + 1)})
        assert taken(path).problem.startswith("the zip has more than 2,000 entries")

    def test_a_zip_that_is_too_large_is_a_problem(self, tmp_path: Path) -> None:
        """A zip with a data set in it is not read."""
        path = tmp_path / "alice.zip"
        with path.open("wb") as file:
            file.truncate(MAX_ZIP + 1)
        assert taken(path).problem.startswith("alice.zip is larger than 16 MiB")

    @pytest.mark.parametrize("kind", ["folder", "zip"])
    def test_a_zip_inside_is_opened_once(self, tmp_path: Path, kind: str) -> None:
        """A hand-in that holds nothing but a zip is that zip; what is packed in a third one is not looked for."""
        inner = zipped(tmp_path / "inner.zip", {"src/rnn.py": CODE}).read_bytes()
        make = {"folder": foldered, "zip": zipped}[kind]
        found = taken(make(tmp_path / "alice.zip", {"hw/과제.zip": inner, "notes.txt": b"x"}))
        assert (found.problem, found.files) == ("", {"rnn.py": CODE})
        assert found.notes == ("hw/과제.zip was opened",)
        (tmp_path / "twice").mkdir()
        twice = zipped(tmp_path / "twice.zip", {"inner.zip": inner}).read_bytes()
        deep = taken(make(tmp_path / "bo.zip", {"twice.zip": twice}))
        assert deep.problem.startswith("rnn.py is missing; inner.zip was handed in")

    def test_a_zip_beside_code_stays_closed(self, tmp_path: Path) -> None:
        """What lies beside the file that counts is not looked into; of two zips none is."""
        inner = zipped(tmp_path / "inner.zip", {"rnn.py": b"old = 1\n"}).read_bytes()
        assert taken(foldered(tmp_path / "alice", {"old.zip": inner, "rnn.py": CODE})).files == {"rnn.py": CODE}
        assert taken(foldered(tmp_path / "bo", {"a.zip": inner, "b.zip": inner})).problem.startswith(
            "rnn.py is missing"
        )

    def test_names_of_korean_windows_are_read(self, tmp_path: Path) -> None:
        """Names that are not marked as UTF-8 are cp949 where they can be, and never an exception."""
        path = tmp_path / "alice.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("12345.py", CODE)
        path.write_bytes(path.read_bytes().replace(b"12345.py", "과제5.py".encode("cp949")))
        found = taken(path)
        assert (found.files, found.notes) == ({"rnn.py": CODE}, ("과제5.py was taken as rnn.py",))
        path.write_bytes(path.read_bytes().replace("과제5".encode("cp949"), b"\xff\xff5\xff\xff"))
        assert taken(path).files == {"rnn.py": CODE}

    def test_every_cut_of_a_zip_is_survived(self, tmp_path: Path) -> None:
        """A zip that was not uploaded to its end is that student's problem."""
        whole = zipped(tmp_path / "alice.zip", {"rnn.py": CODE}).read_bytes()
        for length in range(len(whole)):
            (tmp_path / "alice.zip").write_bytes(whole[:length])
            assert taken(tmp_path / "alice.zip").problem.startswith("the zip cannot be opened")

    @settings(deadline=None)
    @given(position=st.integers(0, 200), value=st.integers(0, 255))
    def test_every_changed_byte_is_survived(
        self, position: int, value: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """A damaged zip gives the right file or a problem, never an exception and never other content."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("rnn.py", CODE)
        data = bytearray(buffer.getvalue())
        data[position % len(data)] = value
        path = tmp_path_factory.mktemp("zip") / "alice.zip"
        path.write_bytes(data)
        found = taken(path)
        assert found.files == {"rnn.py": CODE} or found.problem


class TestClass:
    """A folder with one entry per student."""

    def test_every_kind_of_entry_is_a_student(self, tmp_path: Path) -> None:
        """Folders, zips and files are named after their students, and come sorted."""
        foldered(tmp_path, {"kim.min/rnn.py": CODE, "20271234.py": CODE, ".DS_Store": b"x", "__MACOSX/x": b"x"})
        zipped(tmp_path / "홍길동.zip", {"rnn.py": CODE})
        found = read_submissions(tmp_path, ONE)
        assert [(one.student, one.problem) for one in found] == [("20271234", ""), ("kim.min", ""), ("홍길동", "")]

    def test_a_bad_hand_in_stops_no_other(self, tmp_path: Path) -> None:
        """Every problem stays with its student."""
        foldered(tmp_path, {"good/rnn.py": CODE, "empty/rnn.py": b"", "broken.zip": b"PK", "packed.7z": b"7z"})
        problems = {one.student: one.problem for one in read_submissions(tmp_path, ONE)}
        assert problems["good"] == ""
        assert problems["empty"].startswith("rnn.py is empty")
        assert problems["broken"].startswith("the zip cannot be opened")
        assert problems["packed"] == "packed.7z cannot be read; a folder, a .zip, a .py file or a notebook is expected"

    def test_two_hand_ins_of_one_student_are_a_problem(self, tmp_path: Path) -> None:
        """Nobody guesses which one counts, and upper case makes no second student."""
        foldered(tmp_path, {"kim/rnn.py": CODE, "Kim.py": CODE})
        (found,) = read_submissions(tmp_path, ONE)
        assert found.problem == "there is more than one hand-in: Kim.py, kim; keep one and grade again"

    def test_a_file_without_an_owner_is_a_problem(self, tmp_path: Path) -> None:
        """The assignment's own file name says nothing about who handed it in, and neither does the zip of `submit`."""
        foldered(tmp_path, {"rnn.py": CODE, f"{ONE.id}.zip": b"PK"})
        found = read_submissions(tmp_path, ONE)
        for one, name in zip(found, (f"{ONE.id}.zip", "rnn.py"), strict=True):
            assert one.problem.startswith(f"{name} does not say whose it is")

    def test_a_name_that_could_do_harm_is_escaped(self, tmp_path: Path) -> None:
        """It never reaches a path or terminal, and its student has a problem."""
        foldered(tmp_path, {"\x1b[2J/rnn.py": CODE, "=cmd()/rnn.py": CODE})
        found = read_submissions(tmp_path, ONE)
        assert [one.student for one in found] == ["%1B%5B2J", "%3Dcmd%28%29"]
        assert all("cannot be a student id" in one.problem and "\x1b" not in one.problem for one in found)

    def test_a_folder_that_cannot_be_listed_is_an_error(self, tmp_path: Path) -> None:
        """Here nobody can be graded, so it is not a student's problem."""
        with pytest.raises(SubmissionError, match="name the folder that holds one entry per student"):
            read_submissions(tmp_path / "nowhere", ONE)


class TestNames:
    """What students call themselves and their files."""

    @pytest.mark.parametrize("name", ["kim", "20271234", "홍길동", "kim.min-ji+1@example.org", "Kim Min Ji", "O_o"])
    def test_ordinary_names_stay(self, name: str) -> None:
        """Letters of every script, digits and a few signs are an id as they are."""
        assert safe_student(name) == (name, "")

    def test_names_from_a_mac_are_put_together(self) -> None:
        """Hangul in pieces, as macOS writes it, is the same student."""
        assert safe_student("\u1112\u1169\u11bc") == ("홍", "")

    @settings(deadline=None)
    @given(st.text(st.characters()))  # lone surrogates too: what an undecodable file name looks like
    def test_every_id_is_safe(self, name: str) -> None:
        """No id is empty, hidden, long, or holds a separator or control character; a change has a reason."""
        safe, why = safe_student(name)
        assert 1 <= len(safe) <= 64
        assert not set(safe) & set('/\\:*?"<>|\0')
        assert safe.isprintable()
        assert safe[0] not in ".-=+@ "
        assert safe[-1] not in ". "
        assert bool(why) == (safe != unicodedata.normalize("NFC", name))

    @settings(deadline=None)
    @given(st.text(st.characters()))
    def test_every_shown_name_is_harmless(self, name: str) -> None:
        """Nothing that is shown can move a cursor or fill a screen."""
        assert shown(name).isprintable()
        assert len(shown(name)) <= 80


def test_a_digest_tells_names_from_content() -> None:
    """Moving bytes between names or files gives another digest; the order of files does not."""
    digests = {
        files_digest({"a.py": b"x", "b.py": b"y"}),
        files_digest({"a.py": b"xy", "b.py": b""}),
        files_digest({"a.py": b"x"}),
        files_digest({"a.pyx": b""}),
    }
    assert len(digests) == 4
    assert files_digest({"b.py": b"y", "a.py": b"x"}) in digests


class TestWhenItWasHandedIn:
    """Every submission says when, and who says so."""

    OLD = 1_800_000_000
    MADE = b'{"made": "2027-03-01T12:30:01+09:00"}'

    def test_files_say_it_by_their_time(self, tmp_path: Path) -> None:
        """The newest of the files that were taken; others do not matter."""
        folder = foldered(tmp_path / "alice", {"rnn.py": CODE, "train.py": CODE, "notes.txt": b"later"})
        for name, later in (("rnn.py", 5), ("train.py", 9), ("notes.txt", 99)):
            os.utime(folder / name, (0, self.OLD + later))
        for wanted, seconds in ((ONE, 5), (TWO, 9)):
            when = taken(folder, wanted).handed_in
            assert when is not None
            assert (when.at.timestamp(), when.source) == (self.OLD + seconds, "the time of the file")
        alone = tmp_path / "alice.py"
        alone.write_bytes(CODE)
        os.utime(alone, (0, self.OLD))
        assert str(taken(alone).handed_in).count("2027") == 1

    @pytest.mark.parametrize("kind", ["folder", "zip"])
    def test_the_manifest_of_submit_goes_first(self, tmp_path: Path, kind: str) -> None:
        """Unpacked or not; its own words are not taken for a file that was handed in."""
        entries = {"rnn.py": CODE, "manifest.json": self.MADE}
        path = zipped(tmp_path / "alice.zip", entries) if kind == "zip" else foldered(tmp_path / "alice", entries)
        found = taken(path)
        assert found.handed_in is not None
        assert found.handed_in.at.isoformat() == "2027-03-01T12:30:01+09:00"
        assert "student's own clock" in found.handed_in.source
        assert (found.files, found.notes) == ({"rnn.py": CODE}, ())

    @pytest.mark.parametrize(
        "manifest",
        [b"", b'{"made": "2027-03-01T12:30:01"}', b'{"made": "9999-99-99T99:99:99+00:00"}', b"x" * (1 << 19)],
    )
    def test_a_manifest_that_says_nothing_is_passed_over(self, tmp_path: Path, manifest: bytes) -> None:
        """Without an offset, without a date, or too large: the zip's own time stands."""
        path = zipped(tmp_path / "alice.zip", {"rnn.py": CODE, "manifest.json": manifest})
        os.utime(path, (0, self.OLD))
        when = taken(path).handed_in
        assert when is not None
        assert (when.at.timestamp(), when.source) == (self.OLD, "the time of the file")
