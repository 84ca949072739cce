from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from autograder.course import load_assignment
from autograder.errors import ReleaseError
from autograder.records import Assignment
from autograder.release import build, stub_files

WriteCourse = Callable[..., Path]


def read(root: Path, *given: str) -> Assignment:
    """The assignment of the small course, with given files."""
    plain = load_assignment(root / "solutions" / "a1_adder")
    return replace(plain, given=given)


def refused(root: Path, *given: str) -> str:
    """The message of the refusal to build."""
    with pytest.raises(ReleaseError) as caught:
        build(read(root, *given))
    return str(caught.value)


def test_students_get_what_is_on_the_whitelist_and_nothing_else(write_course: WriteCourse) -> None:
    """Hidden checks, mistakes, fair play, notes and caches stay with the course."""
    extra = ("mistakes.yml", "fair_play.yml", "fair_play/loop.py", "notes.md", "__pycache__/adder.pyc", "experiment.py")
    built = build(read(write_course(**dict.fromkeys(extra, ""))))
    assert list(built) == ["README.md", "adder.py", "assignment.yml", "handout.md", "test_public.py"]


def test_same_sources_give_the_same_bytes(write_course: WriteCourse) -> None:
    """Two builds are equal, byte for byte."""
    root = write_course()
    assert build(read(root)) == build(read(root))


def test_stub_names_the_section_of_the_handout(write_course: WriteCourse) -> None:
    """The stub raises where the solution was, and says where to read."""
    text = build(read(write_course()))["adder.py"].decode()
    assert text.endswith(
        '"""Return the sum of two numbers."""\n    raise NotImplementedError("write add: see '
        "handout.md, '1. Sums'\")\n"
    )
    assert "SOLUTION" not in text


def test_stub_files_need_no_handout_yet(write_course: WriteCourse) -> None:
    """While an assignment is being written, its stub can be had without a handout."""
    stubs = stub_files(read(write_course(handout__md=None)))
    assert b'"write add: see handout.md"' in stubs["adder.py"]


def test_settings_of_students_name_no_hidden_check(write_course: WriteCourse) -> None:
    """The released assignment.yml keeps files, limits and bans, and of the parts only their public checks."""
    text = build(read(write_course()))["assignment.yml"].decode()
    settings = yaml.safe_load(text)
    assert "negative" not in text
    assert settings["parts"] == {"add": ["test_add"]}
    assert settings["files"] == ["adder.py"]
    assert settings["limits"]["cpu_s"] == 4.0


def test_part_without_public_checks_is_left_out(write_course: WriteCourse) -> None:
    """A part whose checks are all hidden is no news for students."""
    settings = "title: T\nfiles: [adder.py]\nparts: {add: [test_add_negative_numbers]}\n"
    assert "parts" not in yaml.safe_load(build(read(write_course(assignment__yml=settings)))["assignment.yml"])


def test_public_check_that_could_never_run_at_home_is_refused(write_course: WriteCourse) -> None:
    """A public check may not need a part whose checks are all hidden."""
    root = write_course(
        assignment__yml="title: T\nfiles: [adder.py]\nparts: {add: [test_add_negative_numbers]}\n",
        test_public__py="from autograder.checks import needs, points\n\n\n@points(40)\n@needs('add')\n"
        'def test_more(student):\n    """T."""\n',
        test_hidden__py="from autograder.checks import points\n\n\n@points(60)\n"
        'def test_add_negative_numbers(student):\n    """T."""\n',
    )
    assert "`test_more` needs the part `add`, whose checks are all hidden" in refused(root)


def test_readme_says_what_to_do_and_what_it_is_worth(write_course: WriteCourse) -> None:
    """The README names the commands, the points, and the Korean handout where there is one."""
    plain = build(read(write_course()))["README.md"].decode()
    assert "`autograder check`" in plain
    assert "`pytest assignments/a1_adder`" in plain
    assert "worth 40 of 100 points" in plain
    assert "handout.ko.md" not in plain
    korean = build(read(write_course(handout__ko__md="# 덧셈\n")))
    assert "handout.ko.md" in korean["README.md"].decode()
    assert korean["handout.ko.md"].decode() == "# 덧셈\n"


def test_only_what_public_checks_say_is_released_in_other_languages(write_course: WriteCourse) -> None:
    """Titles and hints of hidden checks stay, as do their words in Korean; places count as what stands around them."""
    texts = (
        "Adding up: 덧셈\n'`add` adds.': '`add`는 더합니다.'\nthe sum is {raw1} and not {raw2}: 합은 {raw1}\n"
        "The sum of negative numbers is negative.: 음수\nall {raw} of it: 비밀\n"
    )
    body = '    """`add` adds."""\n    assert 1, f"the sum is {1} and not {2}"\n'
    checks = f"from autograder.checks import points\n\n\n@points(40)\ndef test_add(student):\n{body}"
    built = build(read(write_course(checks__ko__yml=texts, test_public__py=checks)))["checks.ko.yml"].decode()
    for known in ("덧셈", "`add`는 더합니다.", "합은 {raw1}"):
        assert known in built
    for kept in ("negative", "음수", "비밀"):
        assert kept not in built


def test_pictures_that_handouts_show_are_released(write_course: WriteCourse) -> None:
    """Pictures in all three spellings come along, others' do not."""
    text = (
        '![a](one.png "title") ![b](<figures/two%20b.svg>)\n<img alt="c" src="three.webp">\n![d][four]\n\n'
        "[four]: four.jpg\n![e](https://example.org/five.png) ![f](data:image/png;base64,AAAA)\n"
    )
    names = ["four.jpg", "figures/two b.svg", "one.png", "three.webp"]
    built = build(read(write_course(handout__md=text, **{name.replace(".", "__"): name for name in names}, un="")))
    assert {name: built[name] for name in names} == {name: name.encode() for name in names}
    assert "un" not in built


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("missing.png", "not a file in this folder"),
        ("../other.png", "not a file in this folder"),
        ("adder.py", "is no picture"),
    ],
)
def test_picture_that_cannot_be_released_is_refused(write_course: WriteCourse, link: str, said: str) -> None:
    """A picture that is missing, lies elsewhere or is none stops the release."""
    root = write_course(handout__md=f"![x]({link})\n")
    (root / "solutions" / "other.png").write_bytes(b"")
    assert said in refused(root)


def test_given_files_are_released_as_they_are(write_course: WriteCourse) -> None:
    """Files under `given:` come along unchanged and stand in the students' settings."""
    built = build(read(write_course(experiment__py="import adder\n"), "experiment.py"))
    assert built["experiment.py"] == b"import adder\n"
    assert yaml.safe_load(built["assignment.yml"])["given"] == ["experiment.py"]


@pytest.mark.parametrize(
    "name",
    ["test_hidden.py", "mistakes.yml", "fair_play/loop.py", "../x.py", "adder.py", "handout.md", "test_public.py"],
)
def test_given_file_that_is_kept_back_or_released_already_is_refused(write_course: WriteCourse, name: str) -> None:
    """`given:` cannot let out what stays with the course, nor replace what a release writes."""
    assert f"`given:` names {name}, which is kept back" in refused(write_course(mistakes__yml="[]"), name)


def test_given_file_with_a_marker_is_refused(write_course: WriteCourse) -> None:
    """Somebody who marks a region in a given file expects a gap."""
    root = write_course(experiment__py="### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n")
    assert "experiment.py:1: `### BEGIN SOLUTION`, but this file is released as it is" in refused(root, "experiment.py")


@pytest.mark.parametrize("line", ["import helpers.deep", "from helpers import x", "def f():\n    import helpers"])
def test_released_file_that_imports_one_that_stays_is_refused(write_course: WriteCourse, line: str) -> None:
    """What students run must not need a module that they do not get."""
    root = write_course(helpers__py="x = 1\n", experiment__py=f"{line}\n")
    assert "imports `helpers`, which is not released" in refused(root, "experiment.py")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"handout__md": None}, "handout.md: cannot be read"),
        ({"experiment__py": "x = = 1\n"}, "experiment.py:1: is not valid Python"),
    ],
)
def test_missing_or_broken_sources_are_refused(write_course: WriteCourse, files: dict[str, str], said: str) -> None:
    """The message names the file."""
    assert said in refused(write_course(**({"experiment__py": ""} | files)), "experiment.py")


def test_source_that_is_not_utf8_is_refused(write_course: WriteCourse) -> None:
    """The message names the byte."""
    root = write_course()
    (root / "solutions" / "a1_adder" / "handout.md").write_bytes(b"caf\xe9 au lait")
    assert "handout.md: is not UTF-8 text (byte 3)" in refused(root)
