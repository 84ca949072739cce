"""Is a folder whose file is a link to the solution, beside one that leads to itself."""


def hand_in(folder, work, targets):
    (folder / "mallory").mkdir()
    (folder / "mallory" / "line.py").symlink_to(targets["solution"])
    (folder / "mallory" / "again").symlink_to(folder / "mallory")
    (folder / "mallory" / "root").symlink_to("/")


WORTH, WORDS = 0, "is a link"
