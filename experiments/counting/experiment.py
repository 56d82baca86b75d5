"""The studies of all seeds, and their result files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common import report
from experiments.common.jobs import Job, Report
from experiments.common.results import versions, write_json, write_sealed
from experiments.common.runs import default_directory, finish, open_directory
from experiments.common.statistics import estimate
from experiments.counting.article_errors import agreement, compare, known_errors
from experiments.counting.settings import Settings
from experiments.counting.studies import FEEDS, MEASURES, STUDIES, StudySettings, best_constant_error, run
from r2d2_burnin.settings import NetworkSettings

FLOAT_PRECISION = 1e-3
"""Largest difference between split and unsplit counts that float32 explains, at counts of some tens."""


def study_settings(settings: Settings) -> StudySettings:
    """The settings of every seed's studies.

    Raises:
        ValueError: for settings that cannot work.
    """
    shared = {field.name for field in dataclasses.fields(StudySettings)} - {"network"}
    network = NetworkSettings(settings.units, settings.cell, settings.layers)
    return StudySettings(network=network, **{name: getattr(settings, name) for name in shared})


def make_runs(settings: Settings) -> tuple[dict[int, dict[str, Any]], list[str], Path]:
    """Make what is not finished yet; returns the studies by seed, the errors, and the directory."""
    studied = study_settings(settings)
    studies = STUDIES if settings.study == "all" else (settings.study,)
    name = f"{settings.study}-length{settings.length}-train{settings.sequences}"
    out = settings.runs.out or default_directory("counting", name, studied)
    config = {
        "experiment": "counting",
        "settings": {
            **json.loads(json.dumps(dataclasses.asdict(studied))),
            "studies": list(studies),
            # Both say what is meant; a directory without them holds results of another meaning and is refused.
            "training_sequences": settings.sequences,
            "error_at_length": {one: MEASURES[one] for one in STUDIES[:2] if one in studies},
        },
        "seeds": list(range(settings.runs.seeds)),
        "versions": versions(),
    }
    open_directory(out, config, fresh=settings.runs.fresh)
    trainings = ("last-step" in studies) + ("every-step" in studies or "carried-state" in studies)
    steps = trainings * studied.epochs * studied.updates_an_epoch
    jobs = [
        Job(f"seed {seed}", steps, (studied, studies, seed, path := out / "runs" / f"seed{seed}.json"), path)
        for seed in range(settings.runs.seeds)
    ]
    contents, errors = finish(jobs, study, settings.runs, title="counting")
    return {i: contents[job.path] for i, job in enumerate(jobs) if job.path in contents}, errors, out


def study(payload: tuple[StudySettings, tuple[str, ...], int, Path], progress: Report) -> None:
    """The studies of one seed, in a worker process; the result is written before the worker reports it."""
    from r2d2_burnin.runtime.tensorflow import use_one_thread

    settings, studies, seed, path = payload
    use_one_thread()
    write_sealed(path, run(settings, studies, seed, progress))


def error_rows(by_seed: list[dict[str, Any]], settings: StudySettings) -> list[list[str]]:
    """The article's errors of the first two studies beside ours, and how many of our seeds are in its range."""
    length = settings.length
    known = {(one.study, one.length): one for one in compare(by_seed, settings)}
    rows = []
    for name in (name for name in STUDIES[:2] if name in by_seed[0]):
        validation = [one[name]["curves"]["validation"][-1] for one in by_seed]
        rows.append([f"{name}, validation", MEASURES[name], str(length), "-", _range(validation), "-"])
        for n in sorted({min(7, 2 * length), length, 3 * length // 2, 2 * length}):
            errors = [one[name]["error_at_length"][n - 1] for one in by_seed]
            article, within = "-", "-"
            if beside := known.get((name, n)):
                article, within = str(beside.article), f"{beside.within} of {len(errors)}"
            rows.append([name, MEASURES[name], str(n), article, _range(errors), within])
            last = [one[name]["error_at_last_step"][n - 1] for one in by_seed]
            if last != errors:
                rows.append([name, MEASURES["last-step"], str(n), "-", _range(last), "-"])
    return rows


def carried_rows(by_seed: list[dict[str, Any]], length: int) -> list[list[str]]:
    """Published beside measured counts of the third study, one row a bit."""
    rows = []
    for index, feed in enumerate(FEEDS):
        told = {"initial": "initial state", "A": "carried from [1,1,1]", "D": "carried from [0,1,0,1,1]"}[feed.start]
        values = np.array([one["carried-state"]["table"][index] for one in by_seed])
        for step, count in enumerate(feed.counts):
            published = "-" if feed.published is None or length != 20 else f"{feed.published[step]:.3f}"
            right = np.rint(values[:, step]) == count
            bits = f"[{','.join(map(str, feed.bits))}]"
            mark = "yes" if right.all() else f"NO ({int(right.sum())} of {len(right)} seeds)"
            rows.append([bits, told, str(step + 1), str(count), published, _band(values[:, step], ".3f"), mark])
    return rows


def accepted(one: dict[str, Any]) -> bool:
    """Whether every count of a seed's carried-state table rounds right, and splitting changes no count."""
    counts = [
        bool((np.rint(values) == feed.counts).all())
        for values, feed in zip(one["carried-state"]["table"], FEEDS, strict=True)
    ]
    return all(counts) and one["carried-state"]["carried_difference"] < FLOAT_PRECISION


def accept(by_seed: dict[int, dict[str, Any]]) -> bool:
    """Whether the carried-state studies of all seeds are accepted."""
    return all(accepted(one) for one in by_seed.values() if "carried-state" in one)


def split_rows(by_seed: list[dict[str, Any]]) -> list[list[str]]:
    """Error after a split, by the state that the second part starts from: mean over all places to split."""
    names = by_seed[0]["carried-state"]["split_errors"]
    return [
        [name, _band([float(np.mean(one["carried-state"]["split_errors"][name])) for one in by_seed])] for name in names
    ]


def not_learned(by_seed: list[dict[str, Any]], length: int) -> list[str]:
    """One sentence for each of the first two studies whose target some seed has not learned."""
    sentences = []
    for name in (name for name in STUDIES[:2] if name in by_seed[0]):
        constant = best_constant_error(name, length)
        failed = sum(not one[name]["curves"]["validation"][-1] < constant for one in by_seed)
        if failed:
            sentences.append(
                f"{name}: NOT LEARNED by {failed} of {len(by_seed)} seeds, whose validation error is not below that of"
                f" the best constant answer, {constant:.3g}."
            )
    return sentences


def trained_errors(by_seed: list[dict[str, Any]], length: int) -> list[str]:
    """The errors of the first two studies by sequence length, in words."""
    sentences = []
    if "last-step" in by_seed[0]:
        errors = np.array([one["last-step"]["error_at_length"] for one in by_seed])
        worst = int(np.median(errors[:, :length], 0).argmax())
        sentences.append(
            f"last-step, where the last of {length} steps alone is trained: squared error at the last step"
            f" {_band(errors[:, length - 1])} at length {length}, and {_band(errors[:, worst])} at length {worst + 1},"
            " the worst up to there."
        )
    if "every-step" in by_seed[0]:
        errors = np.array([one["every-step"]["error_at_length"] for one in by_seed])
        last = np.array([one["every-step"]["error_at_last_step"] for one in by_seed])
        told = [
            ", ".join(f"{_band(values[:, n - 1])} at length {n}" for n in (length, 3 * length // 2, 2 * length))
            for values in (errors, last)
        ]
        sentences.append(f"every-step: squared error, mean over all steps {told[0]}; at the last step alone {told[1]}.")
    return sentences


def verdict(by_seed: list[dict[str, Any]], settings: StudySettings) -> list[str]:
    """What the studies found, in words."""
    sentences = not_learned(by_seed, settings.length) + trained_errors(by_seed, settings.length)
    sentences += agreement(compare(by_seed, settings))
    if "carried-state" in by_seed[0]:
        good = sum(accepted(one) for one in by_seed)
        word = "ACCEPTED" if good == len(by_seed) else "NOT ACCEPTED"
        difference = max(one["carried-state"]["carried_difference"] for one in by_seed)
        means = {row[0]: row[1] for row in split_rows(by_seed)}
        sentences.append(
            f"carried-state: {word}, every count rounds right for {good} of {len(by_seed)} seeds. Splitting a sequence"
            f" and carrying the state on changes no count by more than {difference:.1g}."
        )
        ages = "; ".join(f"{name} {value}" for name, value in means.items() if name.startswith("stored"))
        sentences.append(
            f"After a split, mean over all places: error {means['carried']} with the carried state,"
            f" {means['zero']} with a zero state; {ages}."
        )
    return sentences


def summary(by_seed: dict[int, dict[str, Any]], settings: Settings) -> dict[str, Any]:
    """The content of `summary.json`.

    `error_at_length` `[seed][length - 1]` is the article's quantity, on fresh sequences of every length: for last-step
    the squared error at the last step, for every-step its mean over all steps. `error_at_last_step` is the error at the
    last step for both. A known error is the range of the article's seeds.
    """
    ones, studied = list(by_seed.values()), study_settings(settings)
    content: dict[str, Any] = {
        "length": settings.length,
        "epochs": settings.epochs,
        "seeds": list(by_seed),
        "studies": {},
    }
    for name in ones[0] if ones else ():
        if name == "carried-state":
            content["studies"][name] = {
                "accepted": all(accepted(one) for one in ones),
                "carried_difference": max(one[name]["carried_difference"] for one in ones),
                "table": [
                    {
                        "bits": feed.bits,
                        "start": feed.start,
                        "counts": feed.counts,
                        "published": feed.published,
                        "measured": [one[name]["table"][i] for one in ones],
                    }
                    for i, feed in enumerate(FEEDS)
                ],
                "split_errors": {
                    key: [one[name]["split_errors"][key] for one in ones] for key in ones[0][name]["split_errors"]
                },
            }
        else:
            found = estimate([one[name]["curves"]["validation"][-1] for one in ones])
            known = {n: dataclasses.asdict(article) for n, article in known_errors(name, studied).items()}
            content["studies"][name] = {
                "validation_error": None if found is None else found.as_json(),
                "known_validation_error": known.get(settings.length),
                "error_at_length": [one[name]["error_at_length"] for one in ones],
                "error_at_last_step": [one[name]["error_at_last_step"] for one in ones],
                "error_at_length_measure": MEASURES[name],
                "known_error_at_length": known,
                "against_known": {one.length: one.as_json() for one in compare(ones, studied) if one.study == name},
            }
    return content


def result_tables(
    by_seed: list[dict[str, Any]], settings: StudySettings
) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, headers and rows of every table of the report."""
    tables: list[tuple[str, list[str], list[list[str]]]] = []
    measured = "measured" if len(by_seed) == 1 else "measured: median [10 %, 90 %]"
    if rows := error_rows(by_seed, settings):
        ours = "ours" if len(by_seed) == 1 else f"ours: median, lowest to highest of {len(by_seed)} seeds"
        headers = ["study", "squared error", "length", "the article's code", ours, "seeds in its range"]
        tables.append(("Errors on fresh sequences, and those of the article's own code", headers, rows))
    for name in (name for name in STUDIES[:2] if name in by_seed[0]):
        headers = ["bits", "ones halfway", "predicted halfway", "ones", "predicted"]
        tables.append((f"Examples, {name} (seed 0)", headers, example_rows(by_seed[0][name]["examples"])))
    if "carried-state" in by_seed[0]:
        headers = ["bits", "from", "bit", "count", "published", measured, "rounds right"]
        tables.append(("The article's table", headers, carried_rows(by_seed, settings.length)))
        headers = ["the second part starts from", f"error, {measured}"]
        tables.append(("Error after a split, mean over all places to split", headers, split_rows(by_seed)))
    return tables


def example_rows(examples: Sequence[dict[str, Any]]) -> list[list[str]]:
    """True and predicted counts of a few sequences, halfway and at the end."""
    return [
        [
            one["bits"],
            str(one["count_halfway"]),
            f"{one['predicted_halfway']:.2f}",
            str(one["count"]),
            f"{one['predicted']:.2f}",
        ]
        for one in examples
    ]


def write_results(by_seed: dict[int, dict[str, Any]], errors: Sequence[str], settings: Settings, out: Path) -> Path:
    """Write every result file and print the tables; returns the path of the report."""
    from experiments.counting import plots  # draws with Matplotlib, which no command line waits for

    write_json(out / "summary.json", summary(by_seed, settings))
    parts = [report.paragraph(text, alarm=True) for text in errors]
    ones, studied = list(by_seed.values()), study_settings(settings)
    tables: list[tuple[str, list[str], list[list[str]]]] = []
    sentences: list[str] = []
    if ones:
        sentences = verdict(ones, studied)
        tables = result_tables(ones, studied)
    parts += [report.bullets(sentences)]
    captions = plots.draw(ones, studied, out) if ones else {}
    parts += [report.picture(out / name, caption) for name, caption in captions.items()]
    for title, headers, rows in tables:
        print(f"\n{title}\n{report.table(rows, headers)}")
        parts += [report.heading(title), report.html_table(rows, headers)]
    parts += [report.heading("To run it again"), report.preformatted((out / "config.json").read_text(encoding="utf-8"))]
    report.write_page(out / "report.html", "Counting ones: what a recurrent state is good for", parts)
    print()
    for sentence in [*sentences, *errors]:
        print(f"- {sentence}")
    return out / "report.html"


def _band(values: Any, form: str = ".3g") -> str:
    """Median of values over seeds, with the 10th and 90th percentile where there are several."""
    low, middle, high = np.percentile(values, [10, 50, 90])
    return f"{middle:{form}}" if len(values) == 1 else f"{middle:{form}} [{low:{form}}, {high:{form}}]"


def _range(values: Sequence[float]) -> str:
    """Median of values over seeds, with the lowest and the highest where there are several."""
    middle = f"{np.median(values):.3g}"
    return middle if len(values) == 1 else f"{middle}, {min(values):.3g} to {max(values):.3g}"
