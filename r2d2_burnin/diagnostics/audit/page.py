"""The page of an audit: the result in sentences, its picture, every verdict with its evidence, all measures."""

from __future__ import annotations

import base64
from pathlib import Path

import jinja2

from r2d2_burnin.diagnostics.audit import picture
from r2d2_burnin.diagnostics.audit.result import AuditResult


def write_page(result: AuditResult, path: Path) -> None:
    """Write one self-contained HTML page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("r2d2_burnin.diagnostics.audit"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    png, caption = picture.draw(result)
    content = environment.get_template("audit.html").render(
        result=result, picture=base64.b64encode(png).decode("ascii"), caption=caption
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
