"""Starts threads without end, and opens files without end."""

import threading

stop = threading.Event()
threads, files = [], []


def many():
    while len(threads) < 20_000:
        threads.append(threading.Thread(target=stop.wait, daemon=True))
        threads[-1].start()
    return len(threads)


def opened():
    while len(files) < 20_000:
        files.append(open("/dev/null", "rb"))
    return len(files)


threading.stack_size(32 << 10)
if FACTS["namespaces"]:
    attempt("twenty thousand threads", many)
stop.set()
attempt("twenty thousand open files", opened)
