"""What is said of memory use, and what the command refuses."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from experiments import memory_use
from experiments.common.results import from_json, settings_to_json, to_json, without_nan
from experiments.memory_use.results import MemoryResults, entry, finding, sentences, table
from r2d2_burnin.data import MemoryUse
from r2d2_burnin.learning.objectives import QLearning, Regression
from r2d2_burnin.settings import EnvironmentSettings, TrainingSettings

ENOUGH = MemoryUse(
    steps=[0, 1, 2, 3, 4, 7],
    outcomes=[1.0, 2.0, 5.0, 9.0, 9.8, 10.0],
    p_values=[1.0, 1.0, 1.0, 1.0, 0.01, 0.001],
    used=4,
    too_few=3,
    alone=4,
    better=None,
    learned=True,
    baseline=1.0,
    margin=0.45,
    episodes=64,
)
NOTHING = dataclasses.replace(ENOUGH, used=None, too_few=None, alone=None, learned=False)
NONE = dataclasses.replace(ENOUGH, used=0, too_few=None, alone=0)


def results(**runs: list[MemoryUse]) -> MemoryResults:
    return MemoryResults("Task-v0", QLearning.outcome, {name: dict(enumerate(of)) for name, of in runs.items()})


def test_numbers_are_medians_with_their_range() -> None:
    more = dataclasses.replace(
        ENOUGH, steps=[0, 1, 2, 4, 5, 6, 7], outcomes=[1.0, 2.0, 5.0, 8.0, 9.0, 9.9, 10.0], used=6, too_few=5
    )
    found = results(full=[ENOUGH, ENOUGH, more], zero=[NONE, NOTHING])
    assert finding(found) == "Task-v0: steps of memory used: full 4 (4 to 6), zero 0"
    first, failed = sentences(found)
    assert first.startswith(
        "Memory (median over seeds, and their range): full uses 4 (4 to 6) steps of memory; zero uses none."
    )
    assert "less than 5% of what separates the uncut agent from random actions" in first
    assert failed == "Memory use is not stated where nothing is shown to have been learned: zero in 1 of 2 seeds."
    stated = entry(found, "full")
    assert stated["memory_steps"]["per_seed"] == [4, 4, 6]
    assert stated["memory_curve"]["steps"] == [0, 1, 2, 4, 7]  # those that were tried in all seeds
    assert stated["memory_curve"]["episode_return"] == pytest.approx([1, 2, 5, 9.2, 10])
    assert [row[:2] for row in table(found).rows] == [["full", "4 (4 to 6)"], ["zero", "0"]]


def test_what_cannot_be_stated_is_not() -> None:
    assert (
        finding(results(zero=[NOTHING])) == "Task-v0: nothing is shown to have been learned, so no memory use is stated"
    )
    assert entry(results(zero=[NOTHING]), "zero")["memory_steps"] is None
    assert entry(results(zero=[]), "zero") == {
        "memory_steps": None,
        "memory_steps_estimate": None,
        "memory_curve": None,
    }
    assert sentences(results(zero=[])) == []
    assert "initializations cannot matter" in finding(results(zero=[NONE], full=[NONE, NONE]))
    (alone,) = sentences(results(zero=[NONE]))  # no agent that was shown the past
    assert alone.startswith("Memory: zero use none: the current observation is enough")
    assert "cannot matter" not in alone
    assert alone.endswith("compare with full.")


def test_what_few_episodes_do_not_show_is_said_with_how_many_could() -> None:
    few = dataclasses.replace(ENOUGH, used=7, too_few=4, unproven=2, needed=1234, episodes=16)
    found = results(stored=[few, ENOUGH], full=[ENOUGH])
    assert finding(found) == "Task-v0: steps of memory used: stored at most 5.5 (4 to 7), full 4"
    first, unproven = sentences(found)
    assert "stored uses at most 5.5 (4 to 7) steps of memory; full uses 4 steps" in first
    assert unproven.startswith("Fewer steps may be enough, which these episodes cannot tell: stored with 2")
    assert unproven.endswith(
        "About 1300 episodes can show it: python -m experiments.memory_use --checkpoint DIR --episodes 1300."
    )
    assert table(found).rows[0][1] == "at most 5.5 (4 to 7)"


def test_curves_that_are_not_monotone_are_described() -> None:
    hump = dataclasses.replace(ENOUGH, alone=2, better=2)
    _, fewer, better = sentences(results(stored=[hump, hump, ENOUGH]))
    assert fewer.startswith("Fewer steps are enough, too: stored with 2 steps (in 2 of 3 seeds).")
    assert better.startswith(
        "stored is better with its memory cut, in 2 of 3 seeds: episode return 5 with 2 steps, 10 uncut."
    )
    coarse = dataclasses.replace(ENOUGH, too_few=1)
    assert "stored (at least 2, at most 4) may be fewer" in sentences(results(stored=[coarse]))[1]


def test_results_and_settings_read_back() -> None:
    undefined = dataclasses.replace(NOTHING, baseline=float("nan"))
    read = from_json(MemoryUse, json.loads(json.dumps(without_nan(to_json(undefined)))))
    assert dataclasses.replace(read, baseline=0.0) == dataclasses.replace(undefined, baseline=0.0)
    environment = EnvironmentSettings(env_kwargs={"length": 12, "p": [0.5]}, wrappers=("a:B", "c:D"))
    settings = TrainingSettings(environment, objective="q-learning")
    assert from_json(TrainingSettings, settings_to_json(settings)) == settings
    assert Regression.outcome.margin == 0.01


@pytest.mark.parametrize(
    ("files", "flags", "message"),
    [
        ({}, [], "checkpoint: there is no DIR/out, expected the --out of a comparison"),
        ({"out/x": ""}, [], "checkpoint: DIR/out has no runs/NAME_seedN.npz"),
        ({"out/x": ""}, ["--episodes", "3"], "episodes: got 3, expected at least 8"),
        ({"out/runs/full_seed0.npz": ""}, [], "checkpoint: there is no DIR/out/config.json"),
        ({"out/runs/full_seed3.npz": ""}, ["--seeds", "2"], "seeds: got 2, but DIR/out has seeds 3 alone"),
        ({"out/runs/ful_seed0.npz": ""}, [], "got 'ful', expected one of zero, stored"),
        ({"out/runs/full_seed0.npz": "", "out/config.json": "{}"}, [], "is not the config.json of a comparison"),
        (
            {
                "out/runs/full_seed0.npz": "",
                "out/config.json": '{"experiment": "burnin_compare", "settings": {"a": 1}}',
            },
            [],
            "has no settings of this version: no TrainingSettings",
        ),
    ],
)
def test_bad_input_is_explained_before_any_work(
    files: dict[str, str], flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(SystemExit) as ended:
        memory_use.main(["--checkpoint", str(tmp_path / "out"), "--out", str(tmp_path / "results"), *flags])
    assert ended.value.code == 2
    shown = re.sub(r"[│\s]+", " ", capsys.readouterr().err)
    assert message in shown.replace(str(tmp_path), "DIR")
    assert not (tmp_path / "results").exists()
