"""Imports all that Python and torch have."""

import importlib
import pkgutil
import sys

import torch

for name in sorted(sys.stdlib_module_names - {"antigravity", "this", "idlelib", "turtledemo"}):
    try:
        importlib.import_module(name)
    except BaseException:
        pass
for found in pkgutil.walk_packages(torch.__path__, "torch.", onerror=lambda name: None):
    try:
        importlib.import_module(found.name)
    except BaseException:
        pass
