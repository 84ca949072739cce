"""Pages become HTML: one file each, without a script to read it, without a request to anywhere."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

import jinja2
from markupsafe import Markup

from autograder.feedback.class_view import ClassPage
from autograder.feedback.text import joints, ticked, visible
from autograder.feedback.view import SubmissionPage
from autograder.wording import wording_in

TEMPLATES = files("autograder.feedback") / "templates"


def submission_html(page: SubmissionPage) -> str:
    """The page of one submission."""
    return render("submission.html", page, page.language)


def class_html(page: ClassPage) -> str:
    """The page of a class; its script sorts the table and nothing else."""
    return render("class.html", page, page.language, script=_text("sort.js"))


def render(
    template: str, page: object, language: str, *, script: str = "", images: bool = False, **words: object
) -> str:
    """A template filled with `page`, its sentences in `language`; `images` that lie inside the page may be shown."""
    style = _text("style.css")
    return (
        _environment(language)
        .get_template(template)
        .render(
            page=page,
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            policy=policy(style, script, images=images),
            **words,
        )
    )


def fragment(template: str, language: str, **words: object) -> str:
    """A piece of HTML for a page of somebody else's, its sentences in `language`, everything in it escaped."""
    return _environment(language).get_template(template).render(**words)


def policy(style: str, script: str, *, images: bool = False) -> str:
    """A Content-Security-Policy under which a page can load nothing, send nothing, and run no line but ours."""
    allowed = [f"style-src '{_digest(style)}'"] + ([f"script-src '{_digest(script)}'"] if script else [])
    allowed += ["img-src data:"] if images else []
    return "; ".join(["default-src 'none'", *allowed, "base-uri 'none'", "form-action 'none'"])


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _environment(language: str) -> jinja2.Environment:
    """Jinja with autoescape everywhere, and every sentence of the templates in `language`."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    catalogue = wording_in(language).catalogue
    environment.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined] # the extension's
    environment.filters |= {"joints": joints, "ticked": ticked, "visible": visible}
    return environment
