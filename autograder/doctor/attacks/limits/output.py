"""Prints a hundred megabytes while it is imported."""

for _ in range(100):
    print("x" * (1 << 20))
