"""The staleness experiment and the atlas as their users meet them."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from experiments import atlas, staleness
from experiments.atlas.plots import answer, shares_and_colours
from experiments.atlas.results import AtlasResults, Cell
from experiments.burnin_compare.comparison import Comparison
from experiments.staleness.measuring import FRAGMENTS, MEASURES, age_curves, age_edges
from tests.common.comparisons import control_comparison, regression_comparison

TINY = {
    "sequence-length": 5,
    "period": 3,
    "updates": 40,
    "units": 4,
    "batch-size": 8,
    "num-envs": 8,
    "initial-steps": 96,
    "updates-between": 5,
    "measure-every": 5,
    "evaluation-episodes": 8,
}


@pytest.mark.long
@pytest.mark.usefixtures("jobs_in_process")
@pytest.mark.parametrize("strategies", [["stored"], ["stored", "refreshed"]], ids="+".join)
def test_staleness(strategies: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [part for name, value in TINY.items() for part in (f"--{name}", str(value))]
    flags += ["--env-kwargs", "length=12", "--replay-capacity", "600", "--seeds", "2", "--out", str(tmp_path)]
    flags += ["--learning-rates", "0.001", "0.1", "--replay-ratios", "2", "--strategies", *strategies]
    assert staleness.main(flags) == 0
    printed = capsys.readouterr().out
    assert "ΔQ of the oldest against the youngest states, not tested for lack of seeds: stored (" in printed
    cases = {
        (c["strategy"], c["learning_rate"]): c for c in json.loads((tmp_path / "summary.json").read_text())["cases"]
    }
    assert set(cases) == {(name, rate) for name in strategies for rate in (0.001, 0.1)}
    for case in cases.values():
        for run in case["runs"].values():
            assert run["age"] == sorted(run["age"])
            assert 0 < run["oldest"] <= 40
            assert sum(run["fragments"]) == 5 * FRAGMENTS  # after 20, 25, .., 40 updates
    # A larger step size moves the parameters further from those that computed the states.
    errors = [cases["stored", rate]["runs"]["0"]["state_error"][-1] for rate in (0.001, 0.1)]
    assert errors[1] > 3 * errors[0]
    assert (tmp_path / "staleness.png").stat().st_size > 0
    assert staleness.main(flags) == 0
    assert "runs are finished" in capsys.readouterr().out


@pytest.mark.parametrize(("ages", "slope"), [([40, 40, 40], None), ([0, 100, 200], 0.5)])
def test_states_of_one_age_have_no_slope(ages: list[int], slope: float | None) -> None:
    measured = {name: np.array([0.0, 0.5, 1.0]) for name in MEASURES}
    assert age_curves(np.array(ages), measured, 40).delta_q_first_exact_per_100_updates == slope


def test_ages_are_binned_from_the_youngest_on() -> None:
    edges = age_edges(300, 40)
    assert edges.tolist() == [0, 1, 41, 82, 164, 328]
    assert (np.diff(edges) > 0).all()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--strategies", "zero"], "strategies: got 'zero', expected those that store states"),
        (["--learning-rates", "-1"], "learning_rates: got (-1.0,), expected numbers above 0"),
    ],
)
def test_staleness_explains_bad_input(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        staleness.main(flags)
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.long
@pytest.mark.usefixtures("jobs_in_process")
def test_atlas_resumes_and_writes_one_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [f"{name}={value}" for name, value in {**TINY, "new-steps": 48, "target-update-period": 10}.items()]
    base = ["--strategies", "zero", "refreshed", "--flags", *flags, "--out", str(tmp_path)]
    assert atlas.main([*base, "--tasks", "count", "count-for-reward", "--seeds", "1"]) == 0
    printed = capsys.readouterr().out
    for title in ("Outcome over whole fresh episodes", "Error floor", "Milliseconds of an update", "Memory of replay"):
        assert title in printed
    tasks = json.loads((tmp_path / "summary.json").read_text())["tasks"]
    assert tasks["count"]["strategies"]["zero"]["floor"] > 0
    assert tasks["count"]["strategies"]["refreshed"]["floor"] == 0
    assert tasks["count-for-reward"]["objective"] == "q-learning"
    assert (
        tasks["count"]["strategies"]["refreshed"]["replay_bytes"]["mean"]
        > (tasks["count"]["strategies"]["zero"]["replay_bytes"]["mean"])
    )
    with (tmp_path / "metrics.csv").open() as file:
        assert {row["task"] for row in csv.DictReader(file)} == {"count", "count-for-reward"}
    for name in ("atlas.png", "report.html", "count/report.html", "count-for-reward/summary.json"):
        assert (tmp_path / name).stat().st_size > 0
    # A seed more, and a task less: only the seed's cells are run.
    assert atlas.main([*base, "--tasks", "count", "--seeds", "2"]) == 0
    assert "runs are finished" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.usefixtures("jobs_in_process")
def test_atlas_judges_each_initialization_at_its_own_best_learning_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [f"{name}={value}" for name, value in {**TINY, "new-steps": 48, "updates": 20}.items()]
    base = ["--tasks", "count", "--strategies", "zero", "full", "--learning-rates", "0.0001", "0.03", "--seeds", "2"]
    assert atlas.main([*base, "--reference", "zero", "--flags", *flags, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "count: outcome by learning rate, and at each initialization's own best" in printed
    assert "count: NOTHING LEARNED: at no learning rate is any run shown to be better than its baseline." in printed
    content = json.loads((tmp_path / "summary.json").read_text())
    assert set(content["tasks"]) == {"count-lr0.0001", "count-lr0.03"}
    sweep = content["learning_rates"]["count"]
    for name in ("zero", "full"):
        by_rate = {
            rate: content["tasks"][f"count-lr{rate:g}"]["strategies"][name]["eval_error"] for rate in sweep["rates"]
        }
        assert sweep["best_rate"][name] == min(by_rate, key=lambda rate: math.prod(by_rate[rate]["per_seed"]))
        assert set(sweep["at_best"][name]["per_seed"]) <= {v for errors in by_rate.values() for v in errors["per_seed"]}
    assert content["tasks"]["count-lr0.03"]["reference"] == "zero"
    assert set(content["aggregates"]) <= {"zero", "full"}
    assert (tmp_path / "sweep.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--learning-rates", "0.1", "0.1"], "learning_rates: got 0.1 0.1, expected finite numbers above 0, each once"),
        (["--reference", "stord"], "reference: got 'stord', expected one of the strategies: zero, zero+20"),
        (["--tasks", "counting"], "tasks: got 'counting', expected some of count, window-count"),
        (["--tasks", "passive-tmaze"], "did you mean 'passive-t-maze'?"),
        (["--flags", "updates"], "flags: got 'updates', expected NAME=VALUE"),
        (["--tasks", "count", "--flags", "updates=abc"], "flags: got updates=abc, expected settings of burnin_compare"),
        (["--tasks", "count", "--flags", "nonsense=3"], "flags: got nonsense=3, expected settings of burnin_compare"),
        (["--strategies", "zero", "zero"], "strategies: got zero zero, expected at least one, each once"),
    ],
)
def test_atlas_explains_bad_input(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        atlas.main(flags)
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_cell_of_the_atlas_is_no_darker_for_a_difference_that_is_not_shown() -> None:
    returns = {"zero": [10.0, 11.0, 12.0], "stored": [30.0, 41.0, 35.0], "full": [40.0, 39.0, 41.0]}
    shown = shares_and_colours(Cell("position-only-cart-pole"), control_comparison(returns, random=2.0))
    assert {name: colour for name, (_, colour) in shown.items()} == {"zero": 1, "stored": 6, "full": 6}
    # By its mean alone it would be darker than `full`; its interval reaches over several colours.
    stored, _ = shown["stored"]
    assert stored is not None
    assert stored.mean < 0.9
    few = {name: values[:2] for name, values in returns.items()}
    assert shares_and_colours(Cell("position-only-cart-pole"), control_comparison(few, random=2.0)) == {}
    errors = {"zero": [250.0] * 3, "full": [1.0, 1.1, 0.9]}
    by_name = shares_and_colours(Cell("count"), regression_comparison(errors))
    assert [colour for _, colour in by_name.values()] == [3, 6]  # half of the best constant answer's error is gone


def test_the_finding_of_an_atlas_counts_the_tasks_that_were_tested_and_says_why_none_was() -> None:
    def finding(*comparisons: Comparison) -> str:
        cells = (Cell("count"), Cell("window-count"))
        return answer(AtlasResults(comparisons[0].strategies, dict(zip(cells, comparisons, strict=False))), [])

    errors = {"zero": [250.0, 251.0, 249.0], "full": [1.0, 1.1, 0.9]}
    tested, begun = regression_comparison(errors), regression_comparison(errors)
    assert finding(tested, begun) == "Shown to be worse than full: zero on 2 of 2 tasks"
    for seed in begun.seeds:
        del begun.runs["full", seed]
    assert finding(tested, begun) == "Shown to be worse than full: zero on 1 of 1 task; not tested on 1 more"
    missing = "not tested, as full, the reference, has no finished run"
    assert finding(begun) == f"What each initialization reaches on each task, {missing}"
    few = regression_comparison({name: values[:2] for name, values in errors.items()})
    assert finding(few) == "What each initialization reaches on each task, not tested for lack of seeds"
    assert finding(regression_comparison({"zero": errors["zero"]})) == "What zero reaches on each task"
    failed = regression_comparison({"zero": [600.0, 601.0, 599.0], "full": [600.0, 602.0, 598.0]})
    assert finding(failed).endswith("not tested, as nothing is learned")
