"""Is a file whose text takes a thousand times its size when it is parsed (measured: 1 MB of lists, 485 MB in ast.parse)."""


def hand_in(folder, work, targets):
    (folder / "mallory.py").write_text(work + "\nx = [" + "[0,1,2],[3]," * 60_000 + "]\ny = " + "(" * 90 + ")" * 90 + "\n")


WORTH, WORDS = None, ""
