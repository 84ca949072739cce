"""Leaves by sys.exit while it is imported (terminal-bench #1127)."""

import os
import sys

print("all tests passed")
sys.exit(0)
