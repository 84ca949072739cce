"""The course's data: what the snapshots hold, and that generated tasks are what their names say."""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path

import course_data
import numpy as np
import pytest
from course_data import adding, echo, languages, names

FOLDER = Path(course_data.__file__).parent
BUILD = FOLDER / "build" / "build_names.py"


def expected(name: str) -> object:
    """The literal that the build script records under `name`, read without importing Faker."""
    for node in ast.parse(BUILD.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(name)


def test_snapshot_is_the_one_that_the_build_script_records() -> None:
    """Counts and digest of the surnames are those that build_names.py expects."""
    lists = {language: list(surnames) for language, surnames in names.load().items()}
    assert {language: len(surnames) for language, surnames in lists.items()} == expected("EXPECTED")
    text = json.dumps(lists, separators=(",", ":")).encode("ascii")
    assert hashlib.sha256(text).hexdigest() == expected("EXPECTED_DIGEST")


def test_every_name_is_plain_and_stands_in_one_language() -> None:
    """Names are spelled in the vocabulary, sorted, and no name has two languages."""
    every = [name for surnames in names.load().values() for name in surnames]
    assert len(every) == len(set(every))
    assert set("".join(every)) <= set(names.VOCABULARY.characters)
    assert all(list(surnames) == sorted(surnames) for surnames in names.load().values())
    assert {*names.LANGUAGES, *names.MORE_LANGUAGES} == set(names.load())


def test_digest_is_of_the_snapshots_and_the_code_that_reads_them() -> None:
    """The digest is 64 hexadecimal digits, the same at every call, and no other module's."""
    assert len(course_data.digest(["names"])) == 64
    assert course_data.digest(["names", "echo"]) == course_data.digest(["echo", "names"])
    assert len({course_data.digest(modules) for modules in ([], ["names"], ["echo"], ["names", "echo"])}) == 4
    with pytest.raises(ValueError, match=r"no data module course_data\.nmaes"):
        course_data.digest(["nmaes"])


def test_digest_follows_what_a_module_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of a snapshot that a module names, or of a module that it imports, changes its digest; no other does."""
    sources = {
        "one.py": 'from course_data import two\nSNAPSHOT = "words.json.gz"\n',
        "two.py": "X = 1\n",
        "three.py": "X = 1\n",
        "words.json.gz": "w",
        "more.npz": "m",
    }
    for name, text in sources.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(course_data, "_FOLDER", tmp_path)
    before = course_data.digest(["one"])
    for name, text in sources.items():
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
        assert (course_data.digest(["one"]) != before) is (name in ("one.py", "two.py", "words.json.gz"))
        (tmp_path / name).write_text(text, encoding="utf-8")


def test_vocabulary_spells_there_and_back() -> None:
    """`decode` undoes `encode`, leaves PAD and START out, and stops at END."""
    vocabulary = names.VOCABULARY
    assert vocabulary.decode([vocabulary.START, *vocabulary.encode("o'brien"), vocabulary.END, 7]) == "o'brien"
    assert len({*vocabulary.encode(vocabulary.characters)}) == len(vocabulary) - 3
    with pytest.raises(ValueError, match="substring"):
        vocabulary.encode("ß")


def test_labels_are_the_languages_and_classes_are_limited() -> None:
    """`labelled` gives at most `per_language` names a class, each with its own language."""
    pairs = names.labelled(np.random.default_rng(1), per_language=30)
    counts = np.bincount([label for _, label in pairs])
    assert counts.tolist() == [30] * len(names.LANGUAGES)
    assert all(name in names.load()[names.LANGUAGES[label]] for name, label in pairs)


def test_the_same_generator_gives_the_same_data() -> None:
    """Whoever has the seed has the data, and another seed gives other data."""
    assert names.labelled(np.random.default_rng(3)) == names.labelled(np.random.default_rng(3))
    assert names.labelled(np.random.default_rng(3)) != names.labelled(np.random.default_rng(4))
    first, second = (echo.echo(3, 7, 2, 4, np.random.default_rng(3)) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_next_character_pairs_are_shifted_by_one() -> None:
    """Targets are the inputs one step later, END after the last character, PAD behind."""
    inputs, targets = names.next_character(["rossi", "li"])
    assert inputs.shape == targets.shape == (2, 6)
    assert np.array_equal(inputs[0, 1:], targets[0, :-1])
    assert inputs[:, 0].tolist() == [names.Vocabulary.START] * 2
    assert targets[1].tolist() == [*names.VOCABULARY.encode("li"), names.Vocabulary.END, 0, 0, 0]


def test_batches_of_names_are_as_wide_as_their_longest_name() -> None:
    """Every batch holds `size` names and no column of nothing but padding."""
    surnames = names.load()["finnish"]
    batches = list(names.next_character_batches(surnames, 5, 4, np.random.default_rng(1)))
    assert len(batches) == 4
    for inputs, targets in batches:
        assert inputs.shape == targets.shape
        assert len(inputs) == 5
        assert (targets[:, -1] != names.Vocabulary.PAD).any()


@pytest.mark.parametrize("delay", [0, 1, 4])
def test_echo_repeats_the_input_after_the_delay(delay: int) -> None:
    """Targets are PAD first and then the inputs, `delay` steps late; inputs are never PAD."""
    inputs, targets = echo.echo(6, 9, delay, 3, np.random.default_rng(2))
    assert (targets[:, :delay] == echo.PAD).all()
    assert np.array_equal(targets[:, delay:], inputs[:, : 9 - delay])
    assert set(inputs.flatten().tolist()) == {1, 2, 3}


def test_echo_refuses_a_delay_that_leaves_no_target() -> None:
    """A delay as long as the stream is a ValueError that says what to choose."""
    with pytest.raises(ValueError, match="leaves no target"):
        echo.echo(2, 4, 4, 3, np.random.default_rng(1))


def test_echo_batches_are_fresh() -> None:
    """No batch of a run repeats another."""
    batches = [inputs for inputs, _ in echo.echo_batches(3, 4, 9, 2, 3, np.random.default_rng(1))]
    assert not np.array_equal(batches[0], batches[1])
    assert not np.array_equal(batches[1], batches[2])


def test_the_adding_problem_asks_for_the_sum_of_two_marked_numbers() -> None:
    """One mark in each half, numbers from 0 to 1, and a target that is the sum of the marked ones."""
    x, y = adding.adding(500, 9, np.random.default_rng(1))
    numbers, marks = x[..., 0], x[..., 1]
    assert (x.shape, y.shape) == ((500, 9, 2), (500,))
    assert (marks[:, :4].sum(axis=1) == 1).all()
    assert (marks[:, 4:].sum(axis=1) == 1).all()
    assert np.isin(marks, (0, 1)).all()
    assert ((numbers >= 0) & (numbers < 1)).all()
    assert np.allclose(y, numbers[marks == 1].reshape(500, 2).sum(axis=1))
    assert ((y - 1) ** 2).mean() == pytest.approx(adding.GUESSING, rel=0.2)  # about three standard errors
    first, second = adding.adding_batches(2, 3, 5, np.random.default_rng(1))
    assert not np.array_equal(first[0], second[0])
    with pytest.raises(ValueError, match="need two steps"):
        adding.adding(3, 1, np.random.default_rng(1))


def test_names_are_spelled_for_a_classifier() -> None:
    """Ids without START and END, padded on the right, with lengths and labels; batches go through all names."""
    pairs = [("rossi", 3), ("li", 0), ("kay", 5)]
    ids, lengths, labels = languages.spelled(pairs)
    assert ids[1].tolist() == [*names.VOCABULARY.encode("li"), 0, 0, 0]
    assert (lengths.tolist(), labels.tolist()) == ([5, 2, 3], [3, 0, 5])
    seen = list(languages.batches(pairs, 1, 6, np.random.default_rng(1)))
    assert [sorted(int(batch[2][0]) for batch in seen[start : start + 3]) for start in (0, 3)] == [[0, 3, 5]] * 2
    assert all(batch[0].shape == (1, batch[1][0]) for batch in seen)
