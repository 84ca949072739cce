"""Has names of every kind: a megabyte of them, control characters, right-to-left marks, markup, devices of Windows."""

from archives import zipped

NAMES = (
    "\x1b]0;owned\x07.py", "\u202egnp.py", "<img src=x onerror=alert(1)>.py", "=cmd|' /C calc'!A0.py", "CON.py", "a\nb.py",
    "x" * 60_000 + ".py", "\ud55c\uad6d\uc5b4.py", "..", "", " ", "line.py ", "line.py.", "-rf", "$(touch pwned).py", "%s%n.py",
)


def hand_in(folder, work, targets):
    zipped(folder, {"line.py": work, **dict.fromkeys(NAMES, "x = 1\n")})


WORTH, WORDS = 100, "ignored"
