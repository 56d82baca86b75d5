"""The report of the counting studies."""

from __future__ import annotations

from pathlib import Path

from experiments.common.report import NextStep, Report, Section
from experiments.counting import plots
from experiments.counting.results import StudyResults
from experiments.counting.tables import ERRORS, tables
from experiments.counting.verdict import answer, verdict

WORDS = {
    "last-step": "The network is trained on the number of ones after the last bit only.",
    "every-step": "It is trained on the running count at every bit.",
    "carried-state": "Its state is saved and fed back, and sequences are split and carried on from several states.",
    "squared error": "Of the count, on fresh sequences: at the last step, or the mean over all steps.",
    "best constant answer": "The error of one answer to every sequence, the best of all such answers.",
    "the article's code": "The code of the article that this project grew from, run with several seeds.",
    "stored": "A state that older parameters computed, by as many learner updates.",
}
"""What the words of the report mean."""


def report(results: StudyResults, out: Path) -> Report:
    """The report of the studies; draws their pictures in the directory `out`."""
    if not results.by_seed:
        return Report(answer(results), [])
    sentences, by_title = verdict(results), tables(results)
    pictures = plots.draw(results, out)
    shown = next(name for name in pictures if name in ("error_at_length", "carried_state"))
    others = [picture for name, picture in pictures.items() if name != shown]
    first = ERRORS if ERRORS in by_title else next(iter(by_title))
    return Report(
        answer(results),
        [
            Section("What was found", sentences),
            Section("More pictures", pictures=others),
            *(Section(title, table=table) for title, table in by_title.items() if title != first),
        ],
        conclusions=sentences,
        picture=pictures[shown],
        words=WORDS,
        table=by_title[first],
        next_step=NextStep(
            "to see what the start state costs in replay", ("--quick",), module="experiments.burnin_compare"
        ),
    )
