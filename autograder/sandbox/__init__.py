"""Runs what students wrote, confined: values go in, values come out, nothing else does."""
