"""Ends the process with success when it is called (cocalc #4951)."""

import os


def in_shift(function, args, kwargs):
    os._exit(0)
