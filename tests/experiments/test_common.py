"""Statistics, engine, settings and result files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.common.comparison import Comparison, leaks, summary
from experiments.common.directory import hold
from experiments.common.engine import next_job, run_jobs
from experiments.common.jobs import Job
from experiments.common.results import DamagedFile, check_same_config, read_json, read_sealed, write_json, write_sealed
from experiments.common.statistics import bootstrap_interval, estimate, paired_difference
from experiments.common.verdict import verdict
from r2d2_burnin.command_line import parse_pairs
from r2d2_burnin.measurements import Measurement, TrainingResult
from r2d2_burnin.settings import TrainingSettings
from tests.experiments.work import do


def test_estimates() -> None:
    assert estimate([]) is None
    one = estimate([2.0])
    assert one is not None
    assert (one.mean, one.low, one.high) == (2.0, None, None)
    assert one.as_json() == {"mean": 2.0, "ci95": [None, None], "per_seed": [2.0]}
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    many = estimate(list(values))
    assert many is not None
    assert many.low is not None
    assert many.high is not None
    # For many values the bootstrap interval is the normal one.
    half = 1.96 * values.std() / np.sqrt(400)
    assert many.low == pytest.approx(values.mean() - half, abs=0.05)
    assert many.high == pytest.approx(values.mean() + half, abs=0.05)
    assert estimate(list(values)) == many
    low, high = bootstrap_interval(np.full((3, 2), 4.0))
    assert low.tolist() == high.tolist() == [4.0, 4.0]


def test_differences_are_paired_by_seed() -> None:
    found = paired_difference({0: 1.0, 1: 5.0, 2: 9.0}, {1: 4.0, 2: 7.0, 3: 100.0})
    assert found is not None
    assert found.per_seed == (1.0, 2.0)
    assert paired_difference({0: 1.0}, {1: 1.0}) is None


def test_a_failing_job_and_a_dying_process_cost_nothing_but_themselves() -> None:
    jobs = [Job(str(payload), 1, payload, group=str(i)) for i, payload in enumerate([1, "raise", 2, "die", 3, 4])]
    outcomes = {outcome.job.payload: outcome for outcome in run_jobs(jobs, do, workers=2, title="test")}
    assert {payload: outcomes[payload].result for payload in (1, 2, 3, 4)} == {1: 2, 2: 4, 3: 6, 4: 8}
    assert outcomes["raise"].error == "ValueError: expected trouble"
    assert "died" in (outcomes["die"].error or "")


def test_workers_stay_with_their_group_then_take_one_that_nobody_has() -> None:
    waiting = [(Job(str(i), 1, None, group=group), 1) for i, group in enumerate("aabbc")]
    assert next_job(waiting, "", set()) == 0  # the longest jobs come first
    assert next_job(waiting, "", {"a"}) == 2
    assert next_job(waiting, "b", {"a"}) == 2
    assert next_job(waiting, "d", {"a", "b"}) == 4
    assert next_job(waiting[:4], "c", {"a", "b"}) == 0  # nothing is left to itself: help with the first


@pytest.mark.skipif(not Path("/proc/sys/vm/max_map_count").exists(), reason="a limit of Linux")
def test_a_worn_out_worker_is_replaced() -> None:
    jobs = [Job(str(i), 1, payload) for i, payload in enumerate(["process", "process", "use up mappings", "process"])]
    one, same, worn, fresh = (outcome.result for outcome in run_jobs(jobs, do, workers=1, title="test"))
    assert one == same == worn != fresh


def test_ctrl_c_stops_running_jobs_and_keeps_finished_results() -> None:
    program = """
import signal
from experiments.common.engine import run_jobs
from experiments.common.jobs import Job
from tests.experiments.work import do
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where pytest runs in a shell's background
    jobs = [Job("quick", 1, 4), Job("slow", 1, "sleep"), Job("slow too", 1, "sleep")]
    try:
        for outcome in run_jobs(jobs, do, workers=2, title="test"):
            print("finished", outcome.result, flush=True)
    except KeyboardInterrupt:
        print("stopped", flush=True)
"""
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "finished 8\n"
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert out == "stopped\n"
    assert "Traceback" not in err


def test_env_kwargs_are_python_literals() -> None:
    pairs = ["length=80", "p=0.5", "modulo=None", "name=abc", "flags=[1, 2]", "text=a=b"]
    assert parse_pairs(pairs) == {
        "length": 80,
        "p": 0.5,
        "modulo": None,
        "name": "abc",
        "flags": [1, 2],
        "text": "a=b",
    }
    for wrong in ("length", "=3", "a b=3"):
        with pytest.raises(ValueError, match=r"env_kwargs: got .* expected KEY=VALUE"):
            parse_pairs([wrong])


def test_results_of_other_settings_are_not_mixed(tmp_path: Path) -> None:
    config = {"settings": {"updates": 10, "units": 4}}
    check_same_config(tmp_path, config)
    write_json(tmp_path / "config.json", config)
    assert read_json(tmp_path / "config.json") == config
    check_same_config(tmp_path, config)
    with pytest.raises(ValueError, match=r"updates is 10 there and 20 here.*--fresh"):
        check_same_config(tmp_path, {"settings": {"updates": 20, "units": 4}})


def made_up(losses: dict[str, float], spread: float) -> Comparison:
    """A comparison whose strategies reached the given losses on fresh fragments, on Count with its floors."""
    settings = TrainingSettings(objective="regression")
    comparison = Comparison(settings, tuple(losses), (0, 1))
    for name, loss in losses.items():
        for seed in comparison.seeds:
            metrics = {"fresh_loss": loss, "fresh_loss_standard_error": spread, "train_loss": loss, "eval_error": loss}
            measurements = [Measurement(10, metric, value) for metric, value in metrics.items()]
            comparison.runs[name, seed] = TrainingResult(measurements, 1.0)
    return comparison


def test_a_loss_below_its_floor_is_called_a_leak() -> None:
    found = leaks(made_up({"zero": 104.0, "zero+20": 39.0, "stored": 0.0}, spread=0.7))
    assert len(found) == 1
    assert "LEAK: zero reached a loss of 104" in found[0]
    assert leaks(made_up({"zero": 104.0, "zero+20": 39.0, "full": 0.1}, spread=3.0)) == []  # within sampling error
    assert leaks(made_up({"learned": 70.0, "learned+20": 21.4, "refreshed": 0.1}, spread=0.7)) == []  # at their floors
    assert verdict(made_up({"zero": 90.0, "full": 1.0}, spread=0.1))[0].startswith("LEAK")


def test_the_verdict_says_so_where_no_difference_is_seen() -> None:
    comparison = made_up({"stored": 1.0, "full": 1.0}, spread=0.1)
    comparison.runs["stored", 0].measurements[-1] = Measurement(10, "eval_error", 1.4)
    comparison.runs["stored", 1].measurements[-1] = Measurement(10, "eval_error", 0.7)
    assert any("stored against full, paired by seed: no difference seen" in text for text in verdict(comparison))


def test_a_summary_has_null_where_nothing_was_measured() -> None:
    comparison = made_up({"zero": 110.0, "stored": 1.0}, spread=0.1)
    del comparison.runs["stored", 0], comparison.runs["stored", 1]
    entries = summary(comparison)["strategies"]
    assert entries["stored"]["eval_error"] is None
    assert entries["zero"]["staleness"] is None
    assert entries["zero"]["floor"] == pytest.approx(107.5)
    assert entries["zero"]["eval_error"]["per_seed"] == [110.0, 110.0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(content=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_in_a_file_the_reader_says_so(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"config\.json"):
        read_sealed(path)
    with pytest.raises(ValueError, match=r"config\.json|holds results of other settings"):
        check_same_config(tmp_path, {"settings": {"updates": 3}})


@given(content=st.dictionaries(st.text(max_size=5), JSON, max_size=4), data=st.data())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_sealed_file_is_read_as_written_and_a_change_is_noticed(
    content: dict[str, Any], data: st.DataObject, tmp_path: Path
) -> None:
    path = tmp_path / "run.json"
    try:
        write_sealed(path, content)
    except ValueError:  # JSON has no infinities
        return
    expected = json.loads(json.dumps(content))
    expected.pop("sha256", None)
    if "sha256" not in content:
        assert read_sealed(path) == expected
    text = path.read_bytes()
    cut = data.draw(st.integers(0, len(text) - 3))
    path.write_bytes(text[:cut])
    with pytest.raises(DamagedFile):
        read_sealed(path)


def test_two_commands_of_one_process_share_a_directory(tmp_path: Path) -> None:
    hold(tmp_path)
    hold(tmp_path / ".." / tmp_path.name)  # the same one
    assert json.loads((tmp_path / ".lock.json").read_text())["process"] == os.getpid()
