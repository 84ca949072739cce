"""What nbgrader is told, from `nbgrader_config.py`: nothing of a student's runs in a kernel, our engine grades."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autograder.nbcourse.carrier import STUB
from autograder.nbcourse.places import find_programs

_ENGINE = "autograder.nbcourse.engine"


def configure(c: Any, file: str) -> None:
    """Set in nbgrader's configuration `c` what the course in the folder of `file` needs."""
    find_programs()
    root = Path(file).resolve().parent
    c.CourseDirectory.root = str(root)
    c.GenerateAssignmentApp.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", ".released"]
    c.ClearSolutions.code_stub = {"python": STUB}
    # `nbgrader autograde`: the student's notebook is replaced before it is written anywhere, then the engine grades
    c.Autograde.sanitize_preprocessors = [f"{_ENGINE}.Blank"]
    c.Autograde.autograde_preprocessors = [f"{_ENGINE}.Engine"]
    c.Autograde.create_student = not (root / "roster.csv").exists()
    # what lies in autograded/ is served beside formgrader's pages: no file of a student's is copied there
    c.NbGraderApp.AutogradeApp.CourseDirectory.ignore = ["*"]
    # "Generate feedback" prints what lies in autograded/, which is for those who grade
    c.GenerateFeedback.preprocessors = [
        f"{_ENGINE}.ForStudents",
        "nbgrader.preprocessors.GetGrades",
        "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    ]
    c.HTMLExporter.sanitize_html = True
    # zip_collect: an archive a student, named after them; the work is a .py file beside the notebook
    c.FileNameCollectorPlugin.named_regexp = r".*/extracted/(?P<student_id>[^/]+)/(?:.*/)?(?P<file_id>[^/]+)"
    c.FileNameCollectorPlugin.valid_ext = [".ipynb", ".py"]
