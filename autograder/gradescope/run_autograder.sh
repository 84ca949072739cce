#!/usr/bin/env bash
# Built by `autograder export gradescope`. Gradescope runs it, as root, for every submission.
root=${AUTOGRADER_ROOT:-/autograder}
python=${AUTOGRADER_PYTHON:-$root/venv/bin/python}
results=$root/results/results.json
mkdir -p "$root/results"
rm -f "$results"
chmod -R go-rwx "$root/source"
"$python" -I -m autograder.gradescope.run "$root"
if [ ! -s "$results" ]; then
  cat > "$results" <<'END'
{"score": 0, "tests": [], "output": "The grader could not start. Nothing is decided by this; a person will look at it.", "extra_data": {"grader_error": true}}
END
fi
