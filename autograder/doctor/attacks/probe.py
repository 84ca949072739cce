"""Tries the mildest of each kind first: where one of these gets through, the harsher ones would do harm."""

import os
import socket

attempt("read the solution", lambda: open(FACTS["solution"]).read())
attempt("write beside the solution", lambda: open(FACTS["solution"] + ".new", "x").close())
attempt("ask after another process", lambda: os.kill(FACTS["victim"], 0) or "it is there")
attempt("open a socket", lambda: socket.socket())
attempt("start a process", lambda: os.fork() or os._exit(0))
