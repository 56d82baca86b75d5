"""Tables for the terminal, and one self-contained page: the verdict in sentences, tables, pictures.

A page is a list of parts. How a part looks is in `templates/parts.html`, the page around them in `templates/page.html`;
both are Jinja2 templates that escape whatever they are given.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from experiments.common.results import write_text


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a page: the macro of `templates/parts.html` that renders it, and the macro's arguments."""

    template: str
    values: Mapping[str, object]


def table(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    """A table for the terminal."""
    return tabulate(rows, headers, tablefmt="simple", disable_numparse=True)


def paragraph(text: str, *, alarm: bool = False) -> Part:
    """A paragraph of the page."""
    return Part("paragraph", {"text": text, "alarm": alarm})


def heading(text: str) -> Part:
    """A heading of the page."""
    return Part("heading", {"text": text})


def bullets(lines: Sequence[str]) -> Part:
    """A list of the page."""
    return Part("bullets", {"lines": lines})


def html_table(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> Part:
    """A table of the page."""
    return Part("html_table", {"rows": rows, "headers": headers})


def preformatted(text: str) -> Part:
    """Text of the page that keeps its lines."""
    return Part("preformatted", {"text": text})


def picture(path: Path, caption: str) -> Part:
    """A PNG, inside the page."""
    return Part("picture", {"data": base64.b64encode(path.read_bytes()).decode("ascii"), "caption": caption})


def write_page(path: Path, title: str, parts: Sequence[Part]) -> None:
    """Write a page with a title and these parts, in order."""
    import jinja2  # only here: workers import this module with their experiment, and write no page

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("experiments.common"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    write_text(path, environment.get_template("page.html").render(title=title, parts=parts))
