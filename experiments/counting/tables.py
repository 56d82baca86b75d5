"""The tables of the counting studies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.common.report import Table
from experiments.counting.article_errors import AgainstArticle, compare
from experiments.counting.records import CarriedState, Example, TrainedStudy
from experiments.counting.results import StudyResults
from experiments.counting.studies import FEEDS, MEASURES, StudySettings
from r2d2_burnin.runtime.formatting import number

START_TEXTS = {"initial": "initial state", "A": "carried from [1,1,1]", "D": "carried from [0,1,0,1,1]"}
"""The states that `FEEDS` start from."""


ERRORS = "Errors on fresh sequences, and those of the article's own code"
"""Title of the first table."""


def tables(results: StudyResults) -> dict[str, Table]:
    """The tables of the studies that were made, by title."""
    seeds, trained, carried = len(results.by_seed), results.trained, results.carried
    by_title: dict[str, Table] = {}
    if trained:
        ours = "ours" if seeds == 1 else f"ours: median, lowest to highest of {seeds} seeds"
        headers = ["study", "squared error", "length (bits)", "the article's code", ours, "seeds in its range"]
        meanings = {
            "squared error": "Which steps of a fresh sequence it is measured at.",
            "the article's code": "Lowest to highest seed of the article's own code.",
            "seeds in its range": "How many of our seeds are within the range of the article's.",
        }
        by_title[ERRORS] = Table(headers, error_rows(trained, results.settings), meanings)
    for name, studies in trained.items():
        headers = ["bits", "ones halfway", "predicted halfway", "ones", "predicted"]
        by_title[f"Examples, {name} (seed 0)"] = Table(headers, example_rows(studies[0].examples))
    if carried:
        measured = "measured" if seeds == 1 else "measured: median [10 %, 90 %]"
        headers = ["bits", "from", "bit", "count", "published", measured, "rounds right"]
        by_title["The article's table"] = Table(headers, carried_rows(carried, results.settings.length))
        headers = ["the second part starts from", f"error, {measured}"]
        rows = [list(row) for row in split_errors(carried).items()]
        by_title["Error after a split, mean over all places to split"] = Table(headers, rows)
    return by_title


def error_rows(trained: dict[str, list[TrainedStudy]], settings: StudySettings) -> list[list[str]]:
    """The article's errors of the first two studies beside ours, and how many of our seeds are in its range."""
    known = {(against.study, against.length): against for against in compare(trained, settings)}
    rows = []
    for name, studies in trained.items():
        validation = [study.curves.validation[-1] for study in studies]
        rows.append([f"{name}, validation", MEASURES[name], str(settings.length), "-", _range(validation), "-"])
        for length in _lengths(settings.length):
            rows += _rows_at_length(name, length, studies, known.get((name, length)))
    return rows


def _rows_at_length(
    name: str, length: int, studies: Sequence[TrainedStudy], known: AgainstArticle | None
) -> list[list[str]]:
    """The row of a study and a sequence length, and one of the error at the last step where this is another."""
    errors = [study.error_at_length[length - 1] for study in studies]
    last = [study.error_at_last_step[length - 1] for study in studies]
    article, within = ("-", "-") if known is None else (str(known.article), f"{known.within} of {len(errors)}")
    rows = [[name, MEASURES[name], str(length), article, _range(errors), within]]
    if last != errors:
        rows.append([name, MEASURES["last-step"], str(length), "-", _range(last), "-"])
    return rows


def _lengths(length: int) -> list[int]:
    """Sequence lengths that the table shows."""
    return sorted({min(7, 2 * length), length, 3 * length // 2, 2 * length})


def carried_rows(carried: Sequence[CarriedState], length: int) -> list[list[str]]:
    """Published beside measured counts of the third study, one row a bit."""
    rows = []
    for index, feed in enumerate(FEEDS):
        values = np.array([study.table[index] for study in carried])
        for step, count in enumerate(feed.counts):
            published = "-" if feed.published is None or length != 20 else f"{feed.published[step]:.3f}"
            right = np.rint(values[:, step]) == count
            bits = f"[{','.join(map(str, feed.bits))}]"
            mark = "yes" if right.all() else f"NO ({int(right.sum())} of {len(right)} seeds)"
            start, measured = START_TEXTS[feed.start], band(values[:, step], 3)
            rows.append([bits, start, str(step + 1), str(count), published, measured, mark])
    return rows


def split_errors(carried: Sequence[CarriedState]) -> dict[str, str]:
    """Error after a split, by the state that the second part starts from: mean over all places to split."""
    return {
        start: band([float(np.mean(study.split_errors()[start])) for study in carried])
        for start in carried[0].split_errors()
    }


def example_rows(examples: Sequence[Example]) -> list[list[str]]:
    """True and predicted counts of a few sequences, halfway and at the end."""
    return [
        [
            example.bits,
            str(example.count_halfway),
            f"{example.predicted_halfway:.2f}",
            str(example.count),
            f"{example.predicted:.2f}",
        ]
        for example in examples
    ]


def band(values: Any, decimals: int | None = None) -> str:
    """Median of values over seeds, with the 10th and 90th percentile where there are several."""
    low, middle, high = (
        number(value) if decimals is None else f"{value:.{decimals}f}" for value in np.percentile(values, [10, 50, 90])
    )
    return middle if len(values) == 1 else f"{middle} [{low}, {high}]"


def _range(values: Sequence[float]) -> str:
    """Median of values over seeds, with the lowest and the highest on a second line where there are several."""
    middle = number(float(np.median(values)))
    return middle if len(values) == 1 else f"{middle}\n{number(min(values))} to {number(max(values))}"
