"""The page of an audit: the result in sentences, its picture, every verdict with its evidence, all measures."""

from __future__ import annotations

import base64
from pathlib import Path

import jinja2

from r2d2_burnin.diagnostics.audit import picture
from r2d2_burnin.diagnostics.audit.result import AuditResult
from r2d2_burnin.runtime.formatting import number


def write_page(result: AuditResult, path: Path) -> None:
    """Write one self-contained HTML page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("r2d2_burnin.diagnostics.audit"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    wide, narrow, caption = picture.draw(result)
    pictures = {name: base64.b64encode(png).decode("ascii") for name, png in (("wide", wide), ("narrow", narrow))}
    content = environment.get_template("audit.html").render(result=result, caption=caption, **pictures)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
