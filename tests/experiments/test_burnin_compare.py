"""The comparison as its users meet it: flags in, files out."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from experiments import burnin_compare, memory_use
from tests.common.in_process import jobs_in_process

TINY = {
    "--env-kwargs": ["length=12"],
    "--sequence-length": ["5"],
    "--period": ["3"],
    "--updates": ["20"],
    "--units": ["4"],
    "--batch-size": ["8"],
    "--num-envs": ["8"],
    "--initial-steps": ["96"],
    "--new-steps": ["48"],
    "--updates-between": ["5"],
    "--measure-every": ["5"],
    "--evaluation-episodes": ["8"],
    "--strategies": ["zero", "stored+4", "full"],
}
"""Flags and their values; a flag of several values may be given once."""
FILES = ["config.json", "metrics.csv", "summary.json", "report.html"]
PICTURES = [
    *("outcome.png", "learning_curves.png", "error_by_position.png", "delta_q.png", "delta_q_others.png", "memory.png")
]


def run(out: Path, *more: str) -> int:
    tiny = [part for flag, values in TINY.items() if flag not in more for part in (flag, *values)]
    return burnin_compare.main([*tiny, "--out", str(out), *more])


def read_summary(out: Path) -> dict[str, Any]:
    """A summary without what the clock and the command line decide."""
    content = json.loads((out / "summary.json").read_text())
    assert content.pop("command").startswith("python -m experiments.burnin_compare ")
    for entry in content["strategies"].values():
        for name in ("seconds", "update_seconds"):
            assert entry.pop(name)["mean"] > 0
    # On a busy machine an initialization may not reach its first measurement in the time that the cheapest takes.
    costs = [entry.pop("at_equal_update_seconds") for entry in content["strategies"].values()]
    reached = [cost for cost in costs if cost is not None]
    assert all(cost["cost"] > 0 for cost in reached)
    assert max(cost["updates"] for cost in reached) == pytest.approx(content["updates"])
    return content


def test_all_files_resuming_and_the_same_figures_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "first"
    with jobs_in_process():
        assert run(out, "--seeds", "2", "--workers", "2") == 0
    printed = capsys.readouterr().out
    assert "Mean squared error over whole fresh episodes (mean over seeds, 95 % t-interval)" in printed
    assert f"report: {out / 'report.html'}" in printed
    for name in FILES + PICTURES:
        assert (out / name).stat().st_size > 0

    content = read_summary(out)
    assert list(content)[:7] == ["env", "objective", "sequence_length", "period", "updates", "seeds", "strategies"]
    assert (content["status"], content["errors"], content["reference"]) == ("complete", [], "full")
    assert content["streams_differ"] is False  # observations do not depend on actions here
    assert all(sentence in printed for sentence in content["verdict"])
    # 20 updates teach nothing, so that nothing is compared.
    assert content["verdict"][0].startswith("NOTHING LEARNED")
    assert content["contrasts"] == []
    assert content["seeds"] == [0, 1]
    assert content["objective"] == "regression"
    assert list(content["strategies"]) == ["zero", "stored+4", "full"]
    for name, start, burn_in in (("zero", "zero", 0), ("stored+4", "stored", 4), ("full", "zero", None)):
        entry = content["strategies"][name]
        assert (entry["start"], entry["burn_in"]) == (start, burn_in)
        assert entry["eval_error"]["ci95"][0] <= entry["eval_error"]["mean"] <= entry["eval_error"]["ci95"][1]
        assert len(entry["eval_error"]["per_seed"]) == 2
        assert (entry["floor"] > 0) == (name == "zero")
        assert (entry["staleness"] is None) == (start == "zero")
        # The count's variance over steps 1 to 12: 6.5 / 4 within them, 143 / 48 between their means.
        assert entry["constant_error"]["mean"] == pytest.approx(6.5 / 4 + 143 / 48, rel=0.4)
    # Fragments start at 0, 3, 6 and 9 of 12 steps; 20 updates on 8 of them.
    for name, steps in (("zero", 4.5), ("stored+4", 4.5 + 2.75), ("full", 4.5 + 4.5)):
        entry = content["strategies"][name]
        assert entry["processed_steps"]["mean"] == pytest.approx(20 * 8 * steps, rel=0.1)
        assert entry["at_equal_processed_steps"]["updates"] == pytest.approx(20 * 4.5 / steps, rel=0.15)
        assert entry["at_equal_processed_steps"]["measured_update"] in (5, 10, 15, 20)
        assert entry["at_equal_processed_steps"]["measured_update"] <= 20 * 1.15 * 4.5 / steps

    with (out / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["strategy", "seed", "update", "metric", "value"]
    assert {row["metric"] for row in rows} >= {"train_loss", "eval_error", "delta_q_first", "staleness", "state_error"}
    assert {(row["strategy"], row["seed"]) for row in rows} == {
        (name, seed) for name in content["strategies"] for seed in "01"
    }
    config = json.loads((out / "config.json").read_text())
    assert config["settings"]["environment"]["env_kwargs"] == {"length": 12}
    assert {"python", "tensorflow", "numpy", "gymnasium"} <= set(config["versions"])

    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2 * len(PICTURES)  # a wide and a narrow one of each
    assert not re.search(r'(src|href)="(?!data:)', page)  # self-contained

    check_memory(out, content, tmp_path / "memory")

    # A lost run is made again, and only that one; what was there is left alone. In a worker, the same figures.
    deleted, finished = out / "runs" / "full_seed1.json", out / "runs" / "zero_seed0.json"
    before = finished.stat().st_mtime_ns
    deleted.unlink()
    assert run(out, "--seeds", "2", "--workers", "1") == 0
    assert "5 of" in capsys.readouterr().out
    assert finished.stat().st_mtime_ns == before
    assert read_summary(out) == content

    # Other settings are not mixed in.
    with pytest.raises(SystemExit):
        run(out, "--updates", "30")
    assert "error: out:" in capsys.readouterr().err
    assert read_summary(out) == content

    # The same command from nothing gives the same figures.
    again = tmp_path / "again"
    with jobs_in_process():
        assert run(again, "--seeds", "2") == 0
    assert read_summary(again) == content


def check_memory(out: Path, content: dict[str, Any], elsewhere: Path) -> None:
    """A comparison states no memory of agents that learned nothing; the command alone measures what each run did."""
    for name, entry in content["strategies"].items():
        assert entry["memory_steps"] is None
        assert entry["memory_curve"]["steps"] == list(range(12))
        # Uncut, in the same 8 episodes as the last evaluation.
        uncut = [of_seed[-1] for of_seed in entry["memory_curve"]["per_seed"]]
        ends = [json.loads((out / "runs" / f"{name}_seed{seed}.json").read_text())["outcomes"] for seed in (0, 1)]
        assert uncut == pytest.approx([sum(errors) / 8 for errors in ends], rel=1e-4)
    assert content["memory"] == [
        "Memory use is not stated where nothing is shown to have been learned: zero in 2 of 2 seeds, stored+4 in 2 of 2"
        " seeds, full in 2 of 2 seeds."
    ]
    with jobs_in_process():
        assert memory_use.main(["--checkpoint", str(out), "--episodes", "8", "--out", str(elsewhere)]) == 0
    alone = json.loads((elsewhere / "summary.json").read_text())
    assert (elsewhere / "memory.png").stat().st_size > 0
    for name, entry in content["strategies"].items():
        assert alone["strategies"][name]["memory_curve"] == entry["memory_curve"]


@pytest.mark.usefixtures("jobs_in_process")
def test_classes_are_compared_by_error_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--env", "BitStream/Parity-v0", "--seeds", "1", "--strategies", "stored") == 0
    assert read_summary(tmp_path)["objective"] == "classification"
    assert "error rate" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--strategies", "zero", "stord"],
            "strategies: got 'stord', expected one of zero, stored, refreshed, learned, zero+K",
        ),
        (["--strategies", "zero", "zero"], "strategies: got zero zero, expected each once"),
        (["--reference", "learned"], "reference: got 'learned', expected one of the strategies: zero, stored+4, full"),
        (["--period", "30"], "period: got 30, expected 1 to sequence_length (5)"),
        (["--env-kwargs", "lenght=3"], "lenght: Count has no such setting"),
        (["--env-kwargs", "length"], "env_kwargs: got 'length', expected KEY=VALUE"),
        (["--env", "BitStream/Sum-v0"], "env: got 'BitStream/Sum-v0', expected an id that gymnasium.make knows"),
        (["--env", "CartPole-v1", "--env-kwargs", "--objective", "regression"], 'gives no info["target"]'),
        (["--env", "Pendulum-v1", "--env-kwargs"], "env: got action space Box(-2.0, 2.0, (1,), float32), expected"),
        (
            ["--wrappers", "gymnasium.wrappers:Nothing"],
            "wrappers: got 'gymnasium.wrappers:Nothing', expected a name that module 'gymnasium.wrappers' has",
        ),
        (["--network", "nowhere:make"], "network: module 'nowhere' of 'nowhere:make' cannot be imported"),
        (["--preset", "large"], "preset: got 'large', expected one of auto, small, guess, r2d2"),
        (["--env", "nowhere:Env-v0", "--env-kwargs"], "env: 'nowhere:Env-v0' could not be made"),
        (["--cell", "rnn"], "cell: got 'rnn', expected one of lstm, gru"),
        (["--seeds", "0"], "seeds: got 0, expected at least 1"),
        (["--updates", "0"], "updates: got 0, expected at least 1"),
    ],
)
def test_bad_input_is_explained_before_any_work(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(tmp_path / "out", *flags)
    assert ended.value.code == 2
    shown = re.sub(r"[│\s]+", " ", capsys.readouterr().err)  # without the box that wraps it
    assert message in shown
    assert not (tmp_path / "out").exists()
