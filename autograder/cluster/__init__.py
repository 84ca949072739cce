"""Grading on the workers of a Dask cluster: the same sandbox there, and one ledger and one writer here.

`distributed` is imported inside functions only: who has no cluster needs none.
"""

from __future__ import annotations

from autograder.cluster.address import Keys
from autograder.cluster.client import Cluster, connected

__all__ = ["Cluster", "Keys", "connected"]
