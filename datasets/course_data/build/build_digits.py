"""Build `digits.npz` from scikit-learn's copy of the UCI digits. Run by maintainers: `python build/build_digits.py`.

Source: "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, UCI Machine Learning Repository; the
test set, as scikit-learn (https://scikit-learn.org, BSD-3-Clause) ships it in `sklearn/datasets/data/digits.csv.gz`.
Only that file is read and nothing of scikit-learn is imported, so `pip install --no-deps scikit-learn` is enough.

Which picture goes into which split is decided by SHA-256, so no random generator has a say in it. `EXPECTED_DIGEST`
records what scikit-learn 1.9.1 gives. The script leaves the snapshot alone and ends with 1 where the result differs: a
change of the data changes grades, so somebody has to decide on it.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TEST_SHARE = 5
"""One picture in five is for testing."""
EXPECTED_DIGEST = "e21d56f347aa2373b2f3dc5a39a6ba087af9863bbd671e30e2fafefb76348e1d"
OUT = Path(__file__).resolve().parent.parent / "digits.npz"

Array = NDArray[np.uint8]


def source() -> Path:
    """Where the installed scikit-learn keeps its digits; RuntimeError where there is none."""
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("scikit-learn is not installed: pip install --no-deps scikit-learn")
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"


def rows(file: Path) -> Array:
    """All lines of the table (1797, 65): 64 pixels from 0 to 16, then the digit."""
    return np.loadtxt(gzip.open(file), delimiter=",").astype(np.uint8)


def is_test(row: Array) -> bool:
    """Whether a picture is kept for testing."""
    return hashlib.sha256(row.tobytes()).digest()[0] % TEST_SHARE == 0


def splits(table: Array) -> dict[str, Array]:
    """Pictures (n, 8, 8) and labels (n,) of both splits, in the order of the table."""
    test = np.array([is_test(row) for row in table])
    parts = {"train": table[~test], "test": table[test]}
    pictures = {f"{split}_images": part[:, :64].reshape(-1, 8, 8) for split, part in parts.items()}
    return pictures | {f"{split}_labels": part[:, 64] for split, part in parts.items()}


def packed(arrays: dict[str, Array]) -> bytes:
    """The arrays as an .npz file without a time stamp: the same bytes on every run."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            content = BytesIO()
            np.save(content, np.ascontiguousarray(array))
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, content.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def digest(arrays: dict[str, Array]) -> str:
    """sha256 of all names, shapes and pixels."""
    total = hashlib.sha256()
    for name, array in arrays.items():
        total.update(f"{name}{array.shape}".encode() + array.tobytes())
    return total.hexdigest()


def main() -> int:
    """Write the snapshot; 1, and nothing written, where it is not the expected one."""
    arrays = splits(rows(source()))
    found = digest(arrays)
    print({name: array.shape for name, array in arrays.items()}, len(packed(arrays)), found)
    if found != EXPECTED_DIGEST:
        return 1
    OUT.write_bytes(packed(arrays))
    return 0


if __name__ == "__main__":
    sys.exit(main())
