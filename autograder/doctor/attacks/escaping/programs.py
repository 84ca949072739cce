"""Starts programs and processes by every route that Python has."""

import multiprocessing
import os
import pty
import subprocess
import sys


attempt("os.fork", lambda: os.fork() or os._exit(0))
attempt("os.system", lambda: os.system("true") and 1 / 0)
attempt("subprocess", lambda: subprocess.run([sys.executable, "-c", "1"], check=True))
attempt("posix_spawn", lambda: os.posix_spawn("/bin/sh", ["sh", "-c", "true"], {}))
attempt("execv", lambda: os.execv("/bin/sh", ["sh"]))
attempt("pty", lambda: pty.fork())
attempt("multiprocessing", lambda: multiprocessing.get_context("fork").Process(target=print).start())


def own_program():
    with open("program", "wb") as file:
        file.write(b"#!/bin/sh\ntrue\n")
    os.chmod("program", 0o700)
    os.execv("program", ["program"])


attempt("a program of its own", own_program)
attempt("a program in memory", lambda: os.execv(os.memfd_create("a"), ["a"]))
