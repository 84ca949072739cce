"""The student's own desk: `check` and `submit`, on Linux, macOS and Windows, without a sandbox.

The terminal's process imports no torch. Checks run in a process of their own (`worker`), which may crash, hang or be
killed without harm.
"""
