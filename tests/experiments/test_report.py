"""The page of a command, read as a browser reads it."""

from __future__ import annotations

import base64
import dataclasses
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.common import report
from r2d2_burnin.runtime.formatting import number, plus_minus

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


def test_a_page_shows_what_it_is_given_in_one_order_and_nothing_of_it_is_markup(tmp_path: Path) -> None:
    picture = report.Picture(HOSTILE, HOSTILE, wide=b"\x89PNG\x00", narrow=b"\x89PNG\x01")
    other = dataclasses.replace(picture, title="a finding of its own")
    table = report.Table([HOSTILE, "b"], [[HOSTILE, "1.5\n± 0.1"]], {"b": HOSTILE})
    section = report.Section(HOSTILE, [HOSTILE, "second"], [other], table, HOSTILE)
    whole = report.Report(HOSTILE, [section], alarms=[HOSTILE], picture=picture, words={HOSTILE: HOSTILE}, table=table)
    report.write_page(tmp_path / "report.html", whole, errors=["an error"], command=HOSTILE)
    page = Page(tmp_path / "report.html")
    assert "script" not in page.texts
    for tag in ("title", "h1", "figcaption", "dt", "dd", "pre"):
        assert page.texts[tag][0].strip() == HOSTILE, tag
    # The heading is the title of the first picture; that of another one is said where it is not the heading.
    assert [text.strip() for text in page.texts["p"]][:4] == [HOSTILE, "an error", "a finding of its own", HOSTILE]
    assert page.attributes("p")[:4] == [{"class": "alarm"}, {"class": "alarm"}, {"class": "finding"}, {}]
    assert [text.strip() for text in page.texts["li"]] == [HOSTILE, "second"]
    assert [text.strip() for text in page.texts["summary"]] == ["What the words mean", HOSTILE]
    assert [text.strip() for text in page.texts["th"]] == [HOSTILE, "b"] * 2
    assert page.attributes("th") == [{"scope": "col"}, {"scope": "col", "title": HOSTILE}] * 2
    assert [text.replace("\u00a0", " ").strip() for text in page.texts["span"]] == [HOSTILE, "1.5\n± 0.1"] * 2
    images = page.attributes("img")
    assert [image["alt"] for image in images] == [HOSTILE] * 2
    assert base64.b64decode((images[0]["src"] or "").removeprefix("data:image/png;base64,")) == picture.wide
    narrow = page.attributes("source")[0]
    assert narrow["media"] == "(max-width: 45rem)"
    assert base64.b64decode((narrow["srcset"] or "").removeprefix("data:image/png;base64,")) == picture.narrow
    order = [tag for tag, _ in page.elements if tag in ("h1", "img", "dl", "table", "details", "pre")]
    assert order == ["h1", "img", "details", "dl", "table", "details", "img", "table", "pre"]


def test_a_page_refers_to_nothing_outside_itself(tmp_path: Path) -> None:
    report.write_page(tmp_path / "report.html", report.Report("title", []))
    page = Page(tmp_path / "report.html")
    assert not {"link", "script", "iframe"} & set(page.texts)
    assert not [value for _, attributes in page.elements for value in attributes.values() if "//" in (value or "")]
    assert "url(" not in page.texts["style"][0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.41e-8, "about 0"),
        (0.0000123, "0.0000123"),
        (-0.0456789, "-0.0457"),
        (999.6, "1,000"),
        (2606.0, "2,610"),
        (2.61e6, "2.61 million"),
        (math.inf, "over 1,000 billion"),
        (math.nan, "-"),
    ],
)
def test_numbers_are_those_that_people_read(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [
        (0.0, 0.0, "0"),
        (117.23, 1.43, "117.2 ± 1.4"),
        (0.803, 0.404, "0.80 ± 0.40"),
        (2790.0, 1500.0, "2,800 ± 1,500"),
        (-0.004, 0.31, "0.00 ± 0.31"),
        (1.0, 1e-7, "1"),
        (3e6, 2e5, "3.00 ± 0.20 million"),
    ],
)
def test_intervals_have_as_many_digits_as_count(mean: float, half: float, text: str) -> None:
    assert plus_minus(mean, half) == text


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_what_is_read_is_what_was_measured(mean: float, half: float) -> None:
    """To half of the last digit that is shown; and no number has an exponent."""
    for text in (number(mean), plus_minus(mean, half)):
        assert not re.search(r"[0-9]e", text)
        if "about" not in text and "illion" not in text:
            read = float(text.split(" ± ")[0].replace(",", ""))
            assert abs(read - mean) <= max(0.006 * abs(mean), 0.06 * half, 1e-6)
