"""Recurrent replay for any environment: from which recurrent state should replayed experience start?

The rooms, each of which imports only from those after it: `training` (a run), `testing` and its command `check` (state
equivalence of your own network), `diagnostics` (what is measured, burn-in advice, and the audit of a replay with its
command `audit`), `learning` (objectives and the learner), `initialization` (start states), `replay` (fragments),
`acting` (from environment to episode), `networks`, `environments`, `settings` and `data`, `runtime`. The way of the
data: environment, actor, episode, replay, initialization, learner, diagnostics.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

_PUBLIC = {
    "Actor": "acting.actor",
    "Episode": "data",
    "FragmentBatch": "data",
    "Initialization": "initialization",
    "Learner": "learning.learner",
    "Replay": "initialization.replay",
    "ReplaySequences": "diagnostics.audit.sequences",
    "Trainer": "training.trainer",
    "TrainingResult": "data",
    "TrainingSettings": "settings",
    "EnvironmentSettings": "settings",
    "LearnerSettings": "settings",
    "NetworkSettings": "settings",
    "QLearningSettings": "settings",
    "ReplaySettings": "settings",
    "advise": "diagnostics.burn_in_advice",
    "audit_replay": "diagnostics.audit.audit_replay",
    "check_state_equivalence": "testing",
    "load_episodes": "acting.episode_files",
    "parse": "initialization",
    "record_episodes": "testing",
    "save_episodes": "acting.episode_files",
    "set_up": "runtime.tensorflow",
}
"""The public names, and the modules that they are imported from when they are asked for: TensorFlow takes its time."""

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.metadata.version("r2d2-burnin")
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
