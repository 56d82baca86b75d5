"""A new objective is one class: this file defines one, and a comparison uses it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from r2d2_burnin.environments import spaces
from r2d2_burnin.learning.objectives import Objective, Outcome, StepLosses, objective_class
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import TrainingSettings
from r2d2_burnin.training.trainer import Trainer
from tests.common.tiny import compare

ABSOLUTE = f"{__name__}:AbsoluteError"


@dataclasses.dataclass(frozen=True)
class AbsoluteError(Objective):
    """The distance of one output from the target: its best constant answer is the median."""

    actions: int

    loss_name = "absolute error"
    outcome = Outcome("eval_error", "mean absolute error", "error")
    defaults = {"learning_rate": 1e-2}  # noqa: RUF012 (as in the base)

    @classmethod
    def make(cls, env: gym.Env[Any, Any], settings: TrainingSettings) -> AbsoluteError:
        return cls(spaces.actions(env.action_space))

    @property
    def outputs(self) -> int:
        return 1

    def losses(self, outputs: Any, target_outputs: Any, labels: dict[str, Any]) -> StepLosses:
        error = tf.abs(outputs[..., 0] - labels["target"])
        return StepLosses(error, error)

    def act(self, outputs: np.ndarray) -> np.ndarray:
        return np.asarray(np.clip(np.rint(outputs[..., 0]), 0, self.actions - 1), np.int64)

    def error(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(outputs[..., 0] - targets))

    def constant_errors(self, targets: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(targets - np.median(targets)))


def test_its_own_defaults_hold_where_nothing_is_given() -> None:
    assert Trainer(TrainingSettings(objective=ABSOLUTE)).settings.learner.learning_rate == 1e-2


@pytest.mark.long
@pytest.mark.usefixtures("jobs_in_process")
def test_a_comparison_uses_it(tmp_path: Path) -> None:
    summary = compare(tmp_path, "--objective", ABSOLUTE, "--strategies", "zero", "full", "--env-kwargs", "length=12")
    assert summary["objective"] == ABSOLUTE
    assert "mean absolute error" in (tmp_path / "report.html").read_text()
    for strategy in summary["strategies"].values():
        assert strategy["eval_error"]["mean"] > 0
        assert strategy["floor"] is None  # the environment knows floors of squared errors


@pytest.mark.parametrize("name", ["no_such_module:Error", f"{__name__}:ABSOLUTE", f"{__name__}:Missing"])
def test_what_is_no_objective_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="objective: "):
        objective_class(name)
