"""Everything the kit raises on purpose: one tree, one sentence and one exit code each.

Library code raises; only `cli.py` prints and exits. A student's fault inside a check is not here: it is
a `CheckFailure` (see `checks/finding.py`), because it is a result and not an error.
"""


class AutograderError(Exception):
    """The base of all errors of this kit; its message says what was seen, what was expected, what to do."""

    exit_code = 3


class UsageError(AutograderError):
    """The command was given something that it cannot use."""

    exit_code = 2


class ConfigurationError(UsageError):
    """A YAML file or a check file of the course says something that cannot be meant."""


class SubmissionError(UsageError):
    """A submission cannot be read; the message is for the student."""


class ReleaseError(UsageError):
    """A release would be stale, broken, or leak a solution."""


class SandboxError(AutograderError):
    """The sandbox itself failed; never the student's fault."""


class ConfinementMissing(SandboxError):
    """This machine cannot confine a submission as `required` demands; names the missing piece."""


class DeviceMissing(SandboxError):
    """There is no CUDA device to grade on; says what was looked for and what to do."""


class WireError(AutograderError):
    """Bytes that came out of the sandbox are not a valid message."""


class LedgerError(AutograderError):
    """The ledger on disk cannot be read or written."""
