"""One self-contained page: the verdict in words, tables, pictures."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from string import Template

from tabulate import tabulate

from experiments.common.results import write_text

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-size: .78rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
th, td { padding: .3rem .5rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
td:first-child { white-space: nowrap; }
th { border-bottom: 2px solid #1a1a1a; vertical-align: bottom; }
img { max-width: 100%; } figure { margin: 1rem 0 2rem; } figcaption { font-size: .9rem; color: #444; }
.alarm { border: 3px solid #b00020; padding: .6rem 1rem; font-weight: bold; color: #b00020; }
pre { background: #f4f4f4; padding: .6rem; white-space: pre-wrap; font-size: .8rem; }
</style>
</head>
<body>
<h1>$title</h1>
$body
</body>
</html>
""")


def table(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    """A table for the terminal."""
    return tabulate(rows, headers, tablefmt="simple", disable_numparse=True)


def paragraph(text: str, *, alarm: bool = False) -> str:
    """A paragraph of the page."""
    return f'<p class="alarm">{html.escape(text)}</p>' if alarm else f"<p>{html.escape(text)}</p>"


def heading(text: str) -> str:
    """A heading of the page."""
    return f"<h2>{html.escape(text)}</h2>"


def bullets(lines: Sequence[str]) -> str:
    """A list of the page."""
    return "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>"


def html_table(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    """A table of the page."""
    return f'<div class="wide">{tabulate(rows, headers, tablefmt="html", disable_numparse=True)}</div>'


def preformatted(text: str) -> str:
    """Text of the page that keeps its lines."""
    return f"<pre>{html.escape(text)}</pre>"


def picture(path: Path, caption: str) -> str:
    """A PNG, inside the page."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    escaped = html.escape(caption)
    return (
        f'<figure><img alt="{escaped}" src="data:image/png;base64,{data}"><figcaption>{escaped}</figcaption></figure>'
    )


def write_page(path: Path, title: str, parts: Sequence[str]) -> None:
    """Write the page."""
    write_text(path, _PAGE.substitute(title=html.escape(title), body="\n".join(parts)))
