"""Says in its manifest that it is somebody else's, handed in long ago, and marked already."""

import json

from archives import zipped


def hand_in(folder, work, targets):
    manifest = {"student": "ann", "assignment": "a0_line", "made": "1999-01-01T00:00:00+00:00", "score": 100, "check": "100/100"}
    zipped(folder, {"line.py": work, "manifest.json": json.dumps(manifest), "submission.json": json.dumps(manifest)})


WORTH, WORDS = 100, ""
