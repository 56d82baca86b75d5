"""The advisor as its users meet it, and the answers that are known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import burnin_advisor
from experiments.burnin_advisor.checks import check_task, longest_episode
from experiments.burnin_advisor.results import overall
from experiments.burnin_advisor.settings import Task, task_of
from experiments.burnin_advisor.training import _train, kept_ages, nearest_age
from r2d2_burnin.diagnostics.burn_in_measures import Advice
from r2d2_burnin.diagnostics.forgetting import Forgetting
from r2d2_burnin.initialization import parse
from r2d2_burnin.settings import EnvironmentSettings, ReplaySettings, TrainingSettings
from r2d2_burnin.training import checkpoint
from r2d2_burnin.training.trainer import Trainer

TINY = [
    *("--sequence-length", "5", "--period", "3", "--updates", "20", "--units", "4", "--batch-size", "8"),
    *("--num-envs", "8", "--initial-steps", "96", "--new-steps", "48", "--updates-between", "10"),
    *("--measure-every", "10", "--evaluation-episodes", "8", "--seeds", "1"),
]


@pytest.mark.long
@pytest.mark.usefixtures("jobs_in_process")
def test_it_trains_an_agent_and_advises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [*TINY, "--env-kwargs", "length=12", "--episodes", "16", "--longest", "1", "--out", str(tmp_path)]
    assert burnin_advisor.main(flags) == 0
    printed = capsys.readouterr().out
    content = json.loads((tmp_path / "summary.json").read_text())
    advice = content["seeds"]["0"]
    assert advice["stored_age"] == 10  # two rounds of 10 updates; states of both are replayed in the second
    assert 0 < advice["staleness"] < 20
    assert f"parameters 10 updates old. In training they were {advice['staleness']:.3g} updates old" in printed
    assert content["verdict"] == advice["verdict"]
    assert {m["start"] for m in advice["measures"]} == {"zero", "stored"}
    assert len({(m["fragments"], m["episodes"]) for m in advice["measures"]}) == 1
    assert advice["possible"] == 7  # fragments start at 9 at the latest, and must leave out two steps
    assert [cost["burn_in"] for cost in advice["costs"]] == [0, 1]
    for m in advice["measures"]:
        assert m["delta_q_first"] <= m["delta_q_first_upper"]
    for text in ("95 % upper bounds", "95 % quantiles", f"{advice['measures'][0]['delta_q_first_upper']:.3g}"):
        assert text in printed
        assert text in (tmp_path / "report.html").read_text()
    assert advice["costs"][0]["burn_in_bytes"] == 0
    assert advice["costs"][1]["burn_in_bytes"] == 4 + 1  # a float32 and a flag a step
    assert advice["costs"][0]["state_bytes"] == 2 * 4 * 4
    assert all(cost["update_seconds"] > 0 for cost in advice["costs"])
    for name in ("advice.png", "report.html", "config.json"):
        assert (tmp_path / name).stat().st_size > 0
    assert burnin_advisor.main(flags) == 0
    assert "runs are finished" in capsys.readouterr().out


CART_POLE = [*TINY, "--env", "CartPole-v1", "--max-episode-steps", "30"]


@pytest.mark.long
@pytest.mark.usefixtures("jobs_in_process")
def test_it_advises_on_a_checkpoint_with_older_stored_states(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = Trainer(burnin_advisor.read_settings(CART_POLE).training)
    for name, seed in (("stored", 0), ("today", 1)):
        trainer.network.initialize(seed)
        checkpoint.save(tmp_path / f"{name}.npz", trainer.network)
    today = ["--checkpoint", str(tmp_path / "today.npz")]
    pair = [*today, "--stored-checkpoint", str(tmp_path / "stored.npz"), "--out", str(tmp_path / "advice")]
    more = ["--episodes", "24", "--sequence-length", "2", "--period", "2", "--longest", "1"]
    assert burnin_advisor.main([*CART_POLE, *pair, *more]) == 0
    advice = json.loads((tmp_path / "advice" / "summary.json").read_text())["seeds"]["0"]
    measured = [m for m in advice["measures"] if m["start"] == "stored"]
    assert measured[0]["delta_q_first"] > 0  # other parameters computed them
    # Parameters of a network of other shapes are refused.
    capsys.readouterr()
    assert burnin_advisor.main([*CART_POLE, *today, "--units", "6", "--out", str(tmp_path / "wrong")]) == 1
    assert "has parameters of shapes [(7, 4)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tolerance", "0"], "tolerance: got 0.0, expected a number above 0"),
        (["--checkpoint", "nowhere.npz"], "checkpoint: there is no file nowhere.npz"),
        (["--trained-with", "stord"], "did you mean 'stored'"),
        (["--episodes", "0"], "episodes: got 0"),
        (["--episodes", "15"], "episodes: got 15, expected at least 16"),
        (["--longest", "-1"], "longest: got -1"),
    ],
)
def test_bad_input_is_explained(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        burnin_advisor.main(flags)
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--env-kwargs", "length=20", "--sequence-length", "20"],
            "sequence_length: got 20, but episodes of BitStream/Count-v0 have 20 steps (so had all of 16 with random"
            " actions), so that every fragment begins an episode and no burn-in is needed; expected less than 20, the"
            " nearest is --sequence-length 19 --period 3",
        ),
        (
            ["--env", "CartPole-v1", "--max-episode-steps", "4"],
            "episodes of CartPole-v1 have at most 4 steps (max_episode_steps), so that every fragment begins an episode"
            " and no burn-in is needed; expected less than 4, the nearest is --sequence-length 3 --period 3",
        ),
        (
            ["--env-kwargs", "length=1"],
            "have 1 steps (so had all of 16 with random actions): a network needs no memory",
        ),
        (["--updates", "10"], "updates: got 10, expected more than updates_between (10)"),
    ],
)
def test_what_cannot_be_advised_on_is_refused_before_training(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        burnin_advisor.main([*TINY, *flags, "--episodes", "16", "--out", str(tmp_path / "advice")])
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not (tmp_path / "advice").exists()


@pytest.mark.parametrize(
    ("environment", "enough", "length"),
    [
        (EnvironmentSettings(env_kwargs={"length": 12}), 12, 12),
        (EnvironmentSettings(env_kwargs={"length": 12}), 11, None),
        (EnvironmentSettings(env_kwargs={"length": 12}, max_episode_steps=7), 9, 7),
        (EnvironmentSettings("CartPole-v1"), 500, 500),  # what it states; random episodes are far shorter
        (EnvironmentSettings("CartPole-v1"), 80, None),  # an agent that has learned may get further
        (EnvironmentSettings("CartPole-v1", max_episode_steps=30), 30, 30),
    ],
)
def test_what_is_known_of_the_length_of_episodes(
    environment: EnvironmentSettings, enough: int, length: int | None
) -> None:
    assert longest_episode(environment, enough)[0] == length


@given(st.integers(2, 40), st.integers(1, 45), st.integers(1, 45))
def test_the_nearest_settings_that_a_refusal_names_work(length: int, sequence_length: int, period: int) -> None:
    training = TrainingSettings(
        environment=EnvironmentSettings(env_kwargs={"length": length}),
        replay=ReplaySettings(sequence_length, min(period, sequence_length)),
    )
    task = Task(training, None, None, "stored", 0.05, None, 16)
    if sequence_length < length:
        check_task(task)
        return
    with pytest.raises(ValueError, match=f"sequence_length: got {sequence_length}") as refusal:
        check_task(task)
    arguments = str(refusal.value).split()
    named = {name: int(arguments[arguments.index(f"--{name}") + 1]) for name in ("sequence-length", "period")}
    replay = ReplaySettings(named["sequence-length"], named["period"])
    check_task(dataclasses.replace(task, training=dataclasses.replace(training, replay=replay)))


@pytest.mark.long
@pytest.mark.usefixtures("jobs_in_process")
def test_too_short_episodes_that_only_training_shows_keep_the_trained_parameters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Random actions end a cart pole's episodes after about 20 steps, but those of an agent may be longer."""
    flags = [*TINY, "--env", "CartPole-v1", "--sequence-length", "120", "--period", "60", "--episodes", "16"]
    assert burnin_advisor.main([*flags, "--out", str(tmp_path / "first")]) == 1
    printed = capsys.readouterr().out
    assert "fragments that do not begin an episode, expected at least 16" in printed
    assert "sequence_length is 120; CartPole-v1 gave episodes of" in printed
    runs = tmp_path / "first" / "runs"
    again = [f"--checkpoint {runs / 'seed0.npz'}", f"--stored-checkpoint {runs / 'seed0_stored.npz'}"]
    for flag in again:
        assert flag in printed
    given = [part for flag in again for part in flag.split()]
    more = ["--sequence-length", "2", "--period", "2", "--longest", "0", "--out", str(tmp_path / "second")]
    assert burnin_advisor.main([*flags, *given, *more]) == 0


def test_stored_states_come_from_the_parameters_of_the_age_that_is_reported() -> None:
    settings = burnin_advisor.read_settings([*TINY, "--env-kwargs", "length=12", "--updates", "50"])
    task = task_of(settings)
    trainer = Trainer(task.training)
    old, age, staleness = _train(trainer, task, 3, lambda update, status: None)  # type: ignore[arg-type]
    assert age in (10, 20, 30, 40)
    assert abs(age - staleness) <= 5
    result: dict[int, list[np.ndarray]] = {}

    def observe(update: int, replay: Any, learner: Any) -> None:
        result[update] = [variable.numpy() for variable in trainer.network.trainable_variables]

    trainer.run(parse("stored"), 3, observer=observe)  # measures every 10 updates
    for a, b in zip(old, result[50 - age], strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(old, result[50], strict=True))


@given(st.integers(2, 100_000), st.integers(1, 500), st.floats(0, 1))
def test_kept_ages_are_those_of_rounds_and_near_any_staleness(updates: int, between: int, part: float) -> None:
    between = min(between, updates - 1)
    ages = kept_ages(updates, between)
    ends = {*range(between, updates, between), updates}
    assert ages <= {updates - end for end in ends}
    assert len(ages) <= 17 + 6 * max(np.log2(updates / between / 16), 0) + 8
    staleness = part * max(ages)
    age = nearest_age(staleness, sorted(ages))
    assert age > 0 or staleness == 0
    assert abs(age - staleness) <= max(between, age / 8)
    if staleness <= 16 * between and staleness >= between / 2:
        nearest = min({updates - end for end in ends} - {0}, key=lambda age: abs(age - staleness))
        assert abs(age - staleness) <= abs(nearest - staleness) + 1e-9


def test_a_verdict_for_all_seeds_claims_no_more_than_was_tried() -> None:
    def advice(burn_in: int | None, longest: int) -> Advice:
        return Advice("", burn_in, longest, longest, 0, 0.05, [], Forgetting(None, None, None, []))

    for seeds, verdict, burn_in in (
        ([advice(0, 9)], "zero state is enough", 0),
        ([advice(0, 9), advice(4, 9)], "burn-in suffices", 4),
        ([advice(0, 9), advice(None, 7), advice(None, 12)], "none up to 12 steps", None),
    ):
        total = overall(seeds)
        assert (total.verdict, total.burn_in) == (verdict, burn_in)
        assert total.burn_in_by_seed == [seed.burn_in for seed in seeds]
