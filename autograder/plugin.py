"""pytest's entry point into the kit: makes `pytest assignments/<id>` work.

It is loaded in every pytest run of whoever installs the kit, so it imports nothing heavy until it meets a check file.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.marks import CHECK_FILES, MARKS


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks of checks."""
    for words in MARKS.values():
        config.addinivalue_line("markers", words)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> None:
    """At the first check file, register the plugin that runs checks."""
    manager = parent.config.pluginmanager
    is_check_file = module_path.name in CHECK_FILES and (module_path.parent / "assignment.yml").exists()
    if is_check_file and not manager.has_plugin("autograder-checks"):
        from autograder.checks.home import home_bench
        from autograder.checks.plugin import ChecksPlugin

        manager.register(ChecksPlugin(home_bench), "autograder-checks")
