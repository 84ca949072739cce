"""Hands in the files that Python and pytest run before anything else (SWE-bench #620, terminal-bench #1774)."""

from archives import zipped

RUN = "import os\nopen(os.path.expanduser('~/pwned'), 'w')\nprint('PASSED')\n"
NAMES = ("conftest.py", "sitecustomize.py", "usercustomize.py", "evil.pth", "pytest.ini", "setup.cfg", "pyproject.toml", ".env")


def hand_in(folder, work, targets):
    zipped(folder, {"line.py": work, **dict.fromkeys(NAMES, RUN)})


WORTH, WORDS = 100, "were ignored: not asked for"
