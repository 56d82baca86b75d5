"""Names and settings: what is accepted, and what an error says."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import math
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from experiments import burnin_compare
from r2d2_burnin.data import Measurement, TrainingResult
from r2d2_burnin.initialization import Full, Stored, Zero, parse
from r2d2_burnin.settings import (
    EnvironmentSettings,
    LearnerSettings,
    NetworkSettings,
    QLearningSettings,
    ReplaySettings,
    TrainingSettings,
)
from r2d2_burnin.training.trainer import Trainer


@pytest.mark.parametrize(
    "name", ["zero", "full", "zero+20", "stored+1", "refreshed", "zero@40", "stored+20@40", "full@40"]
)
def test_names_are_read_and_written_alike(name: str) -> None:
    assert parse(name).name == name


def test_meaning_of_the_names() -> None:
    assert parse("zero") == Zero(0)
    assert parse("stored+40") == Stored(40)
    assert parse("full") == Full()
    assert parse("stored+20@40") == Stored(20, trained_steps=40)
    assert parse("full@40") == Full(trained_steps=40)


@pytest.mark.parametrize("name", ["", "one", "zero+", "zero-20", "full+20", "zero+1.5", "Zero", "stored +2", "zero@"])
def test_an_unknown_name_is_an_error_that_lists_what_exists(name: str) -> None:
    with pytest.raises(
        ValueError, match=r"strategies: got .* expected one of zero, stored, refreshed, learned, zero\+K"
    ):
        parse(name)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("store", "stored"),
        ("store+7@9", "stored+7@9"),
        ("zero@0", "zero@20"),
        ("stored+20@", "stored+20@20"),
        ("zero@40+30", "zero+30@40"),
        ("full+20@40", "full@40"),
        ("zero+", "zero+20"),
    ],
)
def test_an_almost_right_name_is_recognised(name: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"did you mean {nearest!r}")):
        parse(name)
    assert parse(nearest).name == nearest


def test_fewer_trained_steps_than_a_fragment_has_are_refused() -> None:
    with pytest.raises(ValueError, match=r"strategies: got 10 trained steps .* the nearest is @20"):
        Trainer(TrainingSettings(objective="regression", updates=1)).run("zero@10", 0)
    with pytest.raises(ValueError, match=r"strategies: got 10 trained steps"):
        burnin_compare.Settings(strategies=("zero@10", "full"))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: NetworkSettings(units=0), "units: got 0"),
        (lambda: NetworkSettings(layers=0), "layers: got 0"),
        (lambda: NetworkSettings(cell="rnn"), "cell: got 'rnn', expected one of lstm, gru"),
        (lambda: NetworkSettings(cell="mini_gru"), "cell: got 'mini_gru', .* did you mean 'mingru'"),
        (lambda: LearnerSettings(learning_rate=0), "learning_rate: got 0"),
        (lambda: LearnerSettings(gradient_clip=-1), "gradient_clip: got -1"),
        (
            lambda: ReplaySettings(period=30),
            r"period: got 30, expected 1 to sequence_length \(20\).* the nearest is 20",
        ),
        (lambda: ReplaySettings(sequence_length=0), "sequence_length: got 0"),
        (lambda: ReplaySettings(replay_capacity=0), "replay_capacity: got 0"),
        (
            lambda: ReplaySettings(priority_exponent=1.5),
            "priority_exponent: got 1.5, expected 0 to 1; the nearest is 1",
        ),
        (lambda: QLearningSettings(discount=-0.1), "discount: got -0.1, expected 0 to 1; the nearest is 0"),
        (lambda: QLearningSettings(n_step=0), "n_step: got 0"),
        (lambda: QLearningSettings(alpha=-1.0), "alpha: got -1.0"),
        (lambda: EnvironmentSettings(vectorization="threads"), "vectorization: got 'threads', expected one of auto"),
        (lambda: EnvironmentSettings(max_episode_steps=0), "max_episode_steps: got 0"),
        (lambda: TrainingSettings(batch_size=0), "batch_size: got 0"),
        (lambda: TrainingSettings(objective="q"), "objective: got 'q', expected one of auto, regression"),
    ],
)
def test_wrong_settings_are_named(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_final_means_the_last_tenth_of_updates() -> None:
    result = TrainingResult([Measurement(10 * i, "loss", float(i)) for i in range(1, 11)], 0.0)
    assert result.final("loss") == 10.0
    assert result.final("loss", last=0.2) == 9.5
    assert result.final("other") is None


def test_importing_prints_nothing_once_set_up_and_settings_need_no_tensorflow() -> None:
    program = """import experiments.burnin_compare, sys; assert "tensorflow" not in sys.modules
from r2d2_burnin.runtime.tensorflow import set_up; set_up()
import r2d2_burnin.training.trainer, r2d2_burnin.networks, r2d2_burnin.replay
from r2d2_burnin.runtime.tensorflow import tf; tf.constant(1.0) + 1"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd="/")
    assert (done.stdout, done.stderr) == ("", "")


NUMBERS = st.one_of(
    st.integers(-5, 5), st.integers(), st.floats(allow_nan=True, allow_infinity=True), st.just(True), st.just(0.5)
)


@pytest.mark.parametrize(
    "group",
    [EnvironmentSettings, NetworkSettings, LearnerSettings, ReplaySettings, QLearningSettings, TrainingSettings],
)
@given(data=st.data())
@hypothesis_settings(max_examples=150)
def test_whatever_is_given_settings_are_right_or_a_clear_error(group: Any, data: st.DataObject) -> None:
    fields = {field.name: getattr(group(), field.name) for field in dataclasses.fields(group)}
    names = [name for name, value in fields.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    names += [name for name, value in fields.items() if isinstance(value, str) and name != "env"]
    chosen = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
    given_values = {
        name: data.draw(st.text(max_size=5) if isinstance(fields[name], str) else NUMBERS) for name in chosen
    }
    problem = None
    try:
        group(**given_values)
    except ValueError as error:
        problem = str(error)
    if problem is not None:
        assert re.match(r"[a-z_]+: got .*expected", problem), problem
        assert problem.split(":")[0] in fields
    else:
        assert not any(isinstance(value, float) and math.isnan(value) for value in given_values.values())


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["--updates", "--seeds", "--env", "--strategies", "--env-kwargs", "--units", "--out", "--"]
            ),
            st.sampled_from(["stored", "zero+3", "BitStream/Count-v0", "length=3", "7", "-1", "1e400", "nan", "=", ""]),
            st.text(max_size=6),
        ),
        max_size=7,
    )
)
@hypothesis_settings(max_examples=60)
def test_whatever_the_command_line_says_the_answer_is_settings_or_an_error(arguments: list[str]) -> None:
    from experiments.burnin_compare import read_settings

    status, problem = 0, "none: all is well"
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        try:
            read_settings(arguments)
        except SystemExit as stopped:
            status = int(stopped.code or 0)
        except ValueError as error:
            problem = str(error)
    assert status in (0, 2)
    assert re.match(r"[a-z_]+: ", problem), problem


def test_defaults_are_those_of_the_objective_unless_given() -> None:
    control = TrainingSettings(objective="q-learning", updates=2000, learner=LearnerSettings(final_learning_rate=2e-4))
    assert (control.learner.learning_rate, control.learner.final_learning_rate) == (1e-3, 2e-4)  # one was given
    assert (control.updates, control.num_envs, control.new_steps) == (2000, 64, 2560)
    assert (control.replay.priority_exponent, control.replay.importance_exponent) == (0.9, 0.6)
    assert control.q_learning.target_update_period < control.updates
    uniform = dataclasses.replace(control, replay=ReplaySettings(priority_exponent=0.0))
    assert uniform.replay.priority_exponent == 0.0
    unknown = TrainingSettings()  # auto: until the environment was looked at
    assert (unknown.learner.learning_rate, unknown.updates) == (6e-3, 2000)
    assert dataclasses.replace(unknown, objective="q-learning") == TrainingSettings(objective="q-learning")
    assert dataclasses.replace(unknown, objective="regression").updates == 2000
    assert pickle.loads(pickle.dumps(unknown)) == unknown
    assert json.loads(json.dumps(dataclasses.asdict(unknown)))["learner"]["learning_rate"] == 6e-3


def test_a_trainer_takes_the_defaults_of_the_objective_that_its_environment_asks_for() -> None:
    trainer = Trainer(TrainingSettings(EnvironmentSettings("CartPole-v1"), updates=77, evaluation_episodes=2))
    assert trainer.settings.objective == "q-learning"
    assert trainer.settings.learner.learning_rate == 1e-3
    assert (trainer.settings.updates, trainer.settings.evaluation_episodes) == (77, 2)
    counting = Trainer(TrainingSettings(evaluation_episodes=2))
    assert (counting.settings.objective, counting.settings.learner.learning_rate) == ("regression", 6e-3)


def flags_of(settings: Any) -> Iterator[str]:
    for field in dataclasses.fields(settings):
        kind = get_type_hints(settings)[field.name]
        yield from flags_of(kind) if dataclasses.is_dataclass(kind) else [field.name.replace("_", "-")]


@pytest.mark.parametrize(
    "flags", [["--objective", "q-learning", "--preset", "small", "--help"], ["-h", "--env", "CartPole-v1"]]
)
def test_help_shows_the_defaults_that_hold(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        burnin_compare.read_settings(flags)
    assert ended.value.code == 0
    shown = re.sub(r"[│\s]+", " ", capsys.readouterr().out)
    assert "Adam's step size at the first update. (default: 0.001)" in shown
    with pytest.raises(SystemExit):
        burnin_compare.read_settings(["--help"])
    printed = capsys.readouterr().out
    assert "Adam's step size at the first update. (default: 0.006)" in " ".join(printed.split())
    # Ten common flags come first, every flag once, and no line is wider than the terminal.
    first = printed.split("Common flags:\n")[1].split("\n\n")[0]
    assert re.findall(r"^  (--[a-z-]+)", first, re.MULTILINE)[:3] == ["--env", "--env-kwargs", "--objective"]
    assert len(re.findall(r"^  --", first, re.MULTILINE)) == 10
    flags = re.findall(r"^  --([a-z-]+)", printed, re.MULTILINE)
    assert len(set(flags)) == len(flags)
    assert set(flags) == set(flags_of(burnin_compare.Settings)) - {"command", "preset-reason"}
    assert max(map(len, printed.splitlines())) <= 80


def test_short_fragments_take_a_period_that_fits_them():
    assert [ReplaySettings(sequence_length=length).period for length in (1, 4, 9, 10, 40)] == [1, 2, 4, 10, 10]
    assert ReplaySettings(4, 3).period == 3
