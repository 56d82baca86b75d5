"""Outputs that nothing is known of: for measures of a network that is not trained here."""

from __future__ import annotations

import numpy as np

from r2d2_burnin.data import Episode
from r2d2_burnin.learning.objectives.base import Labels, Objective, StepLosses
from r2d2_burnin.networks.protocol import Tensor


class Outputs(Objective):
    """Outputs compared as they are, the best action being that of the largest; there is no loss."""

    def labels(self, episode: Episode) -> Labels:
        """None."""
        return {}

    def losses(self, outputs: Tensor, target_outputs: Tensor, labels: dict[str, Tensor]) -> StepLosses:
        """No step has a loss."""
        steps = outputs.shape[:2]
        return StepLosses(np.zeros(steps, np.float32), np.zeros(steps, np.float32), np.zeros(steps, np.bool_))
