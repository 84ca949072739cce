"""Grades deep-learning assignments in a sandbox and names the mistake behind a wrong answer.

The modules in the order in which data flows: docs/architecture.md.
"""

__version__ = "0.1.0"

ENGINE = "3"
"""Version of how checks are measured: raised when results of the same submission and checks could change."""
