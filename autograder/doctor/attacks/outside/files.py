"""Changes files outside its own folder: solution, libraries, devices, settings, results (gradema: chmod of results.txt)."""

import ctypes
import mmap
import os
import shutil
import sys
import tempfile

folder, solution = FACTS["folder"], FACTS["solution"]
for name, path in {
    "the solution": solution, "the secret": FACTS["secret"], "a result": os.path.join(folder, "results.json"),
    "the root": "/pwned", "a library": os.path.join(os.path.dirname(os.__file__), "pwned.py"), "this library": os.__file__,
    "a path file": os.path.join(sys.prefix, "lib", "pwned.pth"), "another's temporary file": "/var/tmp/pwned",
    "memory of all": "/dev/shm/pwned", "beside scratch": os.path.join(os.path.dirname(os.getcwd()), "pwned"),
    "the judge's folder": os.path.join(FACTS["cwd"], "pwned"), "a setting of the kernel": "/proc/sys/kernel/core_pattern",
    "a terminal": "/dev/tty", "a disk": "/dev/vda",
}.items():  # fmt: skip
    attempt(f"write {name}", lambda: os.open(path, os.O_WRONLY | os.O_CREAT, 0o666))
    attempt(f"append to {name}", lambda: os.open(path, os.O_APPEND | os.O_RDWR))
attempt("truncate the solution", lambda: os.truncate(solution, 0))
attempt("remove the folder", lambda: shutil.rmtree(folder))
attempt("rename the solution", lambda: os.rename(solution, "mine.py"))
attempt("replace the solution", lambda: os.rename(__file__, solution))
attempt("a folder beside it", lambda: os.mkdir(os.path.join(folder, "x")))
attempt("a device", lambda: os.mknod("disk", 0o60666, os.makedev(1, 1)))
attempt("a pipe", lambda: os.mkfifo("pipe"))
attempt("the own file's mode", lambda: os.chmod(__file__, 0o4777))


def code_from_scratch():
    with open("library.so", "wb") as file:
        file.write(b"\xc3" * 4096)
    with open("library.so", "r+b") as file:
        return mmap.mmap(file.fileno(), 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)


if FACTS["namespaces"]:
    attempt("code from scratch", code_from_scratch)
    attempt("a library from scratch", lambda: ctypes.CDLL(os.path.join(os.getcwd(), "library.so")))
with tempfile.NamedTemporaryFile() as own, open("model.pt", "wb") as model:
    model.write(b"what an honest student writes, here and to " + own.name.encode())
