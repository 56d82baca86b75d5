"""The page of a command, read as a browser reads it."""

from __future__ import annotations

import base64
from html.parser import HTMLParser
from pathlib import Path

from experiments.common import report

HOSTILE = "<script>alert(\"x\")</script> & 'y' {{ 7 * 7 }} $title"


class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "br":
            self.texts.setdefault(tag, []).append("")

    def handle_data(self, data: str) -> None:
        if self.elements:
            self.texts[self.elements[-1][0]][-1] += data

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_a_page_shows_what_it_is_given_and_nothing_of_it_is_markup(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\x00")
    parts = [
        report.paragraph(HOSTILE, alarm=True),
        report.paragraph("quiet"),
        report.heading(HOSTILE),
        report.bullets([HOSTILE, "second"]),
        report.html_table([[HOSTILE, None, 1.5]], [HOSTILE, "b", "c"]),
        report.picture(picture, HOSTILE),
        report.preformatted(f"{HOSTILE}\n  indented"),
    ]
    report.write_page(tmp_path / "report.html", HOSTILE, parts)
    page = Page(tmp_path / "report.html")
    assert "script" not in page.texts
    for tag in ("title", "h1", "h2", "figcaption"):
        assert page.texts[tag][0].strip() == HOSTILE, tag
    assert [text.strip() for text in page.texts["p"]] == [HOSTILE, "quiet"]
    assert page.attributes("p") == [{"class": "alarm"}, {}]
    assert [text.strip() for text in page.texts["li"]] == [HOSTILE, "second"]
    assert [text.strip() for text in page.texts["th"]] == [HOSTILE, "b", "c"]
    assert [text.strip() for text in page.texts["td"]] == [HOSTILE, "", "1.5"]
    (image,) = page.attributes("img")
    assert image["alt"] == HOSTILE
    assert base64.b64decode((image["src"] or "").removeprefix("data:image/png;base64,")) == picture.read_bytes()
    assert page.texts["pre"][0].rstrip() == f"{HOSTILE}\n  indented"


def test_a_page_refers_to_nothing_outside_itself(tmp_path: Path) -> None:
    report.write_page(tmp_path / "report.html", "title", [report.paragraph("text")])
    page = Page(tmp_path / "report.html")
    assert not {"link", "script", "iframe"} & set(page.texts)
    assert not [value for _, attributes in page.elements for value in attributes.values() if "//" in (value or "")]
    assert "url(" not in page.texts["style"][0]
