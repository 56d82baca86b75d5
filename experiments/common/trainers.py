"""The trainers of a worker process, with their compiled programs, by settings."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from r2d2_burnin.settings import TrainingSettings

if TYPE_CHECKING:
    from r2d2_burnin.training.trainer import Trainer

_trainers: dict[str, Trainer] = {}


def trainer_for(settings: TrainingSettings) -> Trainer:
    """A trainer of these settings, the same one each time; TensorFlow keeps to one thread.

    TensorFlow is imported here, in the workers alone: the command line answers at once.
    """
    from r2d2_burnin.runtime.tensorflow import use_one_thread
    from r2d2_burnin.training.trainer import Trainer

    if not _trainers:
        use_one_thread()
        gc.freeze()  # TensorFlow's own objects stay: the collector need not look at them again and again
    key = repr(settings)
    if key not in _trainers:
        _trainers[key] = Trainer(settings)
    return _trainers[key]
