#!/usr/bin/env bash
# Built by `autograder export gradescope`. Gradescope runs it once, as root, when it builds the image.
set -euo pipefail
root=${AUTOGRADER_ROOT:-/autograder}
# More options for pip. An index with builds of torch for CPUs alone makes the image gigabytes smaller.
pip_options=()

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
python=
for name in python3.13 python3.12 python3.11 python3; do
  if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    python=$name
    break
  fi
done
if [ -z "$python" ]; then
  apt-get install -qq --yes python3.11
  python=python3.11
fi
version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
apt-get install -qq --yes "$version-venv" libseccomp2
"$python" -m venv "$root/venv"
wheel=$(echo "$root"/source/*.whl)
"$root/venv/bin/pip" install --quiet --no-cache-dir "${pip_options[@]}" "$wheel[gradescope]"
chown -R root:root "$root/source"
chmod -R go-rwx "$root/source"
