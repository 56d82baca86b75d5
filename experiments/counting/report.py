"""The report of the counting studies."""

from __future__ import annotations

from pathlib import Path

from experiments.common.experiment import Report, Section
from experiments.counting import plots
from experiments.counting.results import StudyResults
from experiments.counting.tables import tables
from experiments.counting.verdict import verdict


def report(results: StudyResults, out: Path) -> Report:
    """The report of the studies; draws their pictures in the directory `out`."""
    sections, sentences = [], []
    if results.by_seed:
        sentences = verdict(results)
        pictures = {out / name: caption for name, caption in plots.draw(results, out).items()}
        sections = [Section(sentences=sentences, pictures=pictures)]
        sections += [Section(title, table=table) for title, table in tables(results).items()]
    return Report("Counting ones: what a recurrent state is good for", sections, conclusions=sentences)
