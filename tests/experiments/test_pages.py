"""The pages of all commands, opened in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments import atlas, burnin_advisor, counting, memory_use, staleness
from experiments.burnin_compare.report import report
from experiments.common.report import Report, Section, Table, write_page
from tests.common.browser import BROWSER, WIDTHS, look_at
from tests.common.comparisons import regression_comparison
from tests.common.tiny import TINY

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no browser is installed: chromium or google-chrome")


def check_pages(pages: list[Path], directory: Path) -> None:
    """No text is cut, nothing scrolls sideways or is hard to read, and no host is asked, in light and dark."""
    for dark in (False, True):
        looks = look_at(pages, directory, dark=dark)
        assert [(look.width, look.dark) for look in looks] == [(width, dark) for _ in pages for width in WIDTHS]
        assert not [look for look in looks if look.faults]


def page_of(report: Report, directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    write_page(directory / "report.html", report, errors=["an error"], command="python -m " + "long_word" * 30)
    return directory / "report.html"


@pytest.mark.long
def test_pages_read_well_and_faults_are_seen(tmp_path: Path) -> None:
    means = {"zero": 2e7, "stored": 1e-8, "full": 1.0}
    errors = {name: [mean, 1.1 * mean, 0.9 * mean] for name, mean in means.items()}
    comparison = regression_comparison(errors, fresh=dict.fromkeys(errors, 120.0), constant=1e8)
    (tmp_path / "errors").mkdir()
    pages = [page_of(report(comparison, tmp_path / "errors"), tmp_path / "errors")]
    text = re.sub(r'src(set)?="[^"]*"', "", pages[0].read_text())
    assert not re.search(r"[0-9]e[+-][0-9]", text)
    assert "20.0 ± 5.0 million" in text
    check_pages(pages, tmp_path)

    # The check sees what it looks for.
    wide = Table(["x" * 30] * 12, [["y" * 30] * 12])
    broken = page_of(Report("title", [Section("folded", table=wide)]), tmp_path / "wide")
    dim = tmp_path / "dim"
    dim.mkdir()
    dim /= "report.html"
    dim.write_text(
        '<p style="color: #999; background: #888">dim</p><img src="http://127.0.0.1:9/picture.png" alt="far">'
    )
    at_1280, _, faint, _ = look_at([broken, dim], tmp_path, dark=False)
    assert any("scrolls to" in fault for fault in at_1280.faults)
    assert {fault.split(":")[0] for fault in faint.faults} == {"low contrast", "request", "picture"}


@pytest.mark.long
@pytest.mark.usefixtures("jobs_in_process")
def test_the_pages_of_all_commands(tmp_path: Path) -> None:
    def out(name: str) -> list[str]:
        return ["--out", str(tmp_path / name)]

    bits, two = ["--env-kwargs", "length=12"], ["--strategies", "zero", "full"]
    flags = [argument.removeprefix("--") for argument in TINY if argument not in ("--seeds", "1")]
    of_atlas = dict(zip(flags[::2], flags[1::2], strict=True)) | {"evaluation-episodes": "8", "max-episode-steps": "30"}
    tasks = ["--tasks", "count", "position-only-cart-pole", *two, "--seeds", "2", "--flags"]
    tasks += [f"{name}={value}" for name, value in of_atlas.items()]
    assert atlas.main([*tasks, *out("atlas")]) == 0  # each of its tasks is a comparison, with a page of its own
    compared = str(tmp_path / "atlas" / "count")
    assert memory_use.main(["--checkpoint", compared, "--episodes", "8", *out("memory")]) == 0
    assert counting.main(["--length", "6", "--sequences", "40", "--epochs", "3", "--units", "4", *out("counting")]) == 1
    assert burnin_advisor.main([*TINY, *bits, "--episodes", "16", "--longest", "1", *out("advisor")]) == 0
    ages = ["--replay-ratios", "2", "--learning-rates", "0.01", "--strategies", "stored"]
    assert staleness.main([*TINY, *bits, *ages, *out("staleness")]) == 0
    check_pages([tmp_path / name / "report.html" for name in PAGES], tmp_path)


PAGES = ("atlas", "atlas/count", "atlas/position-only-cart-pole", "memory", "counting", "advisor", "staleness")
