"""Whether this machine really confines what students hand in: the jail is attacked, and what held is said.

A survey of the kernel says which layers there are; only attacks say that they hold. `examine` runs the programs of
`attacks/` as submissions are run, against files and processes that were made to be attacked, and `record.py` keeps the
verdict, by which `grade` decides.
"""

from autograder.doctor.record import Examination, Finding, holding_back, last, remember

__all__ = ["Examination", "Finding", "holding_back", "last", "remember"]
