"""Lists one compressed megabyte under a thousand names: a bomb whose ratio looks harmless (a zip bomb that overlaps)."""

import io
import zipfile

from archives import save


def hand_in(folder, work, targets):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("line.py", "#" * (1 << 20))
        first = archive.infolist()[0]
        for number in range(1_000):
            again = zipfile.ZipInfo(f"{number}.py")
            for name in ("header_offset", "CRC", "compress_size", "file_size", "compress_type"):
                setattr(again, name, getattr(first, name))
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
        archive._didModify = True
    save(folder, buffer.getvalue())


WORTH, WORDS = 0, "line.py"
