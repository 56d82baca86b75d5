"""What a command says of its results, on the terminal and on one self-contained page.

Every page has the same order, which `templates/page.html` lays out: the answer in one sentence, one picture, what the
words mean, the table, details that fold, the command that makes it again. How a part looks is in
`templates/parts.html`. Both are Jinja2 templates that escape whatever they are given.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from experiments.common.results import write_text


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of a report, which the terminal shows too."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    meanings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What a column shows, by its header; the page says it where the pointer rests on the header."""
    title: str = ""

    @property
    def text(self) -> str:
        """The form that the terminal shows."""
        return tabulate(self.rows, self.headers, tablefmt="simple", disable_numparse=True)


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture of a report; `plots.save` makes it, and the file with its title."""

    title: str  # the finding; a page says it of pictures in sections, unless its heading does
    caption: str
    wide: bytes  # PNG without the title
    narrow: bytes  # the same for narrow pages


@dataclasses.dataclass(frozen=True)
class Section:
    """A detail of a report, which folds; the page shows its parts in the order of these fields."""

    title: str = ""
    sentences: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    table: Table | None = None
    note: str = ""


@dataclasses.dataclass(frozen=True)
class NextStep:
    """A command to try after this one."""

    purpose: str  # what it is for
    arguments: tuple[str, ...]
    module: str = ""  # of another command; by default it is the same command again, with these arguments as well
    elsewhere: bool = False  # whether its results are others, so that they need a directory of their own


@dataclasses.dataclass(frozen=True)
class Report:
    """What a page and the terminal say of an experiment."""

    title: str  # the answer, in one sentence
    sections: Sequence[Section]  # details
    conclusions: Sequence[str] = ()  # what the terminal shows after the tables
    alarms: Sequence[str] = ()  # what a reader must not miss
    picture: Picture | None = None  # the one that shows the answer
    words: Mapping[str, str] = dataclasses.field(default_factory=dict)  # what they mean
    table: Table | None = None
    next_step: NextStep | None = None

    @property
    def tables(self) -> dict[str, Table]:
        """All tables by title, that of the whole report first."""
        of_sections = {section.title: section.table for section in self.sections if section.table is not None}
        return of_sections if self.table is None else {self.table.title: self.table, **of_sections}


LONGEST_LINE = 20
"""Characters of a cell's line that is not wrapped."""


def write_page(path: Path, report: Report, *, errors: Sequence[str] = (), command: str = "") -> None:
    """Write the page of a report.

    Args:
        path: of the page.
        report: what it says.
        errors: what went wrong while its results were made.
        command: the command line that makes them.
    """
    import jinja2  # only here: workers import this module with their experiment, and write no page

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("experiments.common"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda picture: base64.b64encode(picture).decode("ascii")
    environment.tests["short"] = lambda cell: all(len(line) <= LONGEST_LINE for line in cell.splitlines())
    page = environment.get_template("page.html").render(report=report, errors=errors, command=command)
    write_text(path, page)
