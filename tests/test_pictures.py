"""The digits, and the larger collections of pictures that torchvision reads, behind one interface."""

from __future__ import annotations

import ast
import gzip
import hashlib
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from course_data import digits, pictures

BUILD = Path(digits.__file__).parent / "build" / "build_digits.py"


def test_snapshot_is_the_one_that_the_build_script_records() -> None:
    """The digest of names, shapes and pixels is the one that build_digits.py expects, read without scikit-learn."""
    recorded = [
        ast.literal_eval(node.value)
        for node in ast.parse(BUILD.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXPECTED_DIGEST"
    ]
    total = hashlib.sha256()
    with np.load(digits.SNAPSHOT, allow_pickle=False) as stored:
        for name in stored.files:
            total.update(f"{name}{stored[name].shape}".encode() + stored[name].tobytes())
    assert recorded == [total.hexdigest()]


@pytest.mark.parametrize(("split", "count"), [("train", 1424), ("test", 373)])
def test_digits_are_bytes_with_labels(split: digits.Split, count: int) -> None:
    """Shapes, kinds, the range from paper to ink, and about a tenth of each digit."""
    images, labels = digits.load(split)
    assert (images.shape, images.dtype, labels.shape, labels.dtype) == ((count, 1, 8, 8), np.uint8, (count,), np.int64)
    assert (images.min(), images.max()) == (0, 255)
    assert len(np.unique(images)) == 17
    shares = np.bincount(labels, minlength=10) / count
    assert len(shares) == len(digits.CLASSES)
    assert ((shares > 0.08) & (shares < 0.14)).all()


def test_no_picture_is_in_both_splits() -> None:
    """What is tested was not seen in training."""
    train, test = ({image.tobytes() for image in digits.load(split)[0]} for split in ("train", "test"))
    assert not train & test


def test_batches_go_through_all_pictures_and_begin_again() -> None:
    """A pass shows each picture once with its own label; the last batch of a pass may be smaller."""
    images, labels = (part[:10] for part in digits.load())
    batches = list(digits.batches(images, labels, 4, 6, np.random.default_rng(1)))
    assert [len(answers) for _, answers in batches] == [4, 4, 2, 4, 4, 2]
    for start in (0, 3):
        seen = np.concatenate([pixels for pixels, _ in batches[start : start + 3]])
        assert sorted(image.tobytes() for image in seen) == sorted(image.tobytes() for image in images)
    for pixels, answers in batches:
        for image, answer in zip(pixels, answers, strict=True):
            assert any((image == other).all() and answer == label for other, label in zip(images, labels, strict=True))
    again = list(digits.batches(images, labels, 4, 6, np.random.default_rng(1)))
    assert all(np.array_equal(one[0], other[0]) for one, other in zip(batches, again, strict=True))


def test_unknown_names_are_refused() -> None:
    """A split or a collection that is not there is a ValueError that lists what is."""
    for call in (lambda: digits.load("valid"), lambda: pictures.load("valid"), lambda: pictures.load(name="imagenet")):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="is not among"):
            call()


def test_digits_are_the_default() -> None:
    """`pictures.load` needs no folder and no torchvision for them."""
    for one, other in zip(pictures.load("test"), digits.load("test"), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("name", pictures.TORCHVISION)
def test_a_missing_collection_says_what_to_do(name: str, tmp_path: Path) -> None:
    """Nothing is downloaded unless it is asked for, and nothing is written either."""
    with pytest.raises(pictures.DataMissing, match=r"download=True once .* or go on with the digits"):
        pictures.load("train", name, folder=tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_missing_network_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked to download without a network, the message is about the network."""
    from torchvision.datasets import mnist

    def unreachable(*_: object, **__: object) -> None:
        raise RuntimeError("no route to host")

    monkeypatch.setattr(mnist, "download_and_extract_archive", unreachable)
    monkeypatch.setattr(mnist.MNIST, "mirrors", [])
    with pytest.raises(pictures.DataMissing, match=r"could not be downloaded: is there a network\?"):
        pictures.load("train", "mnist", folder=tmp_path, download=True)


def test_without_torchvision_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Students need it only for these."""
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(pictures.DataMissing, match="pip install torchvision"):
        pictures.load("train", "cifar10", folder=tmp_path)


def idx(array: np.ndarray) -> bytes:
    """Bytes of an array as MNIST's files hold them."""
    return struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_collections_in_a_folder_are_read(name: str, tmp_path: Path) -> None:
    """Files as they come from the network, under the interface of the digits."""
    raw = tmp_path / pictures.TORCHVISION[name] / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(1)
    for split, count in (("train", 5), ("t10k", 3)):
        images, labels = rng.integers(0, 256, (count, 28, 28), np.uint8), rng.integers(0, 10, count, np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            (raw / f"{split}-{kind}-ubyte").write_bytes(idx(array))
            (raw / f"{split}-{kind}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
    found, answers = pictures.load("test", name, folder=tmp_path)
    assert np.array_equal(found[:, 0], images)
    assert np.array_equal(answers, labels)
    assert (found.dtype, answers.dtype) == (np.uint8, np.int64)
    assert len(pictures.load("train", name, folder=tmp_path)[0]) == 5


def test_colours_come_before_rows_and_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torchvision keeps CIFAR-10 as (n, H, W, C) and its labels as a list."""
    from torchvision import datasets

    pixels = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), np.uint8)

    class Stored:
        def __init__(self, folder: Path, *, train: bool, download: bool) -> None:
            assert (folder, train, download) == (tmp_path, True, False)
            self.data, self.targets = pixels, [3, 0, 9, 1]

    monkeypatch.setattr(datasets, "CIFAR10", Stored)
    images, labels = pictures.load("train", "cifar10", folder=tmp_path)
    assert images.shape == (4, 3, 32, 32)
    assert np.array_equal(images[2, 1], pixels[2, :, :, 1])
    assert labels.tolist() == [3, 0, 9, 1]


def test_checksums_in_the_readme_are_those_of_the_snapshots() -> None:
    """Every line of datasets/README.md that names a file and a SHA-256 is true, the digits' among them."""
    text = (Path(digits.__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    listed = dict(reversed(pair) for pair in re.findall(r"^ +([0-9a-f]{64})  (\S+)$", text, re.MULTILINE))
    assert "digits.npz" in listed
    for name, checksum in listed.items():
        assert hashlib.sha256((Path(digits.__file__).parent / name).read_bytes()).hexdigest() == checksum, name
