"""Looks for the judge and other processes in /proc, and for what their memory and environment hold (Saligrama)."""

import os

for pid in ("judge", "victim"):
    for file in ("mem", "environ", "maps", "cmdline", "cwd/x", "root/etc/passwd", "fd/0", "status"):
        attempt(f"{pid} {file}", lambda pid=pid, file=file: open(f"/proc/{FACTS[pid]}/{file}", "rb").read(9))
for file in ("self/environ", "self/mem", "1/environ", "self/mountinfo", "sys/kernel/hostname", "self/fd/3"):
    attempt(file, lambda file=file: open(f"/proc/{file}", "rb").read(9))
attempt("list /proc", lambda: os.listdir("/proc"))
NEEDED = {"TMPDIR", "HOME", "LANG", "LC_CTYPE", "TORCHDYNAMO_DISABLE"}
foreign = {key for key in os.environ if key not in NEEDED and "THREAD" not in key and not key.startswith("TORCH")}
print("<environment>", f"got {sorted(foreign)}" if foreign & {"NEEDLE", "PATH", "USER", "PYTHONPATH"} else "clean")
print("\n".join(f"{key}={value}" for key, value in os.environ.items()))
