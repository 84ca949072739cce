"""Has two entries of the same name in one archive: readers disagree which of them is meant."""

import io
import warnings
import zipfile

from archives import save


def hand_in(folder, work, targets):
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("line.py", work)
        archive.writestr("line.py", "raise SystemExit\n")
    save(folder, buffer.getvalue())


WORTH, WORDS = 0, "2 times"
