"""Objectives, one file each: `choose_objective` finds the one that an environment asks for."""

from r2d2_burnin.learning.objectives.base import (
    Labels,
    Objective,
    Outcome,
    StepLosses,
    largest_magnitude,
    trained_steps,
)
from r2d2_burnin.learning.objectives.choice import choose_objective, objective_class, objective_defaults
from r2d2_burnin.learning.objectives.classification import Classification
from r2d2_burnin.learning.objectives.control import QLearning
from r2d2_burnin.learning.objectives.plain import Outputs
from r2d2_burnin.learning.objectives.regression import Regression

__all__ = [
    "Classification",
    "Labels",
    "Objective",
    "Outcome",
    "Outputs",
    "QLearning",
    "Regression",
    "StepLosses",
    "choose_objective",
    "largest_magnitude",
    "objective_class",
    "objective_defaults",
    "trained_steps",
]
