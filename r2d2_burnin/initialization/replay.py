"""Replay, with its initialization given by name."""

from __future__ import annotations

from r2d2_burnin.initialization.base import Initialization
from r2d2_burnin.initialization.names import parse
from r2d2_burnin.replay import buffer
from r2d2_burnin.replay.batching import Composer
from r2d2_burnin.replay.references import ReferenceSample
from r2d2_burnin.replay.store import Labelling
from r2d2_burnin.settings import ReplaySettings


class Replay(buffer.Replay):
    """`replay.buffer.Replay` whose initialization may be a name, such as "stored+10".

    Raises:
        ValueError: for an unknown name.
    """

    def __init__(
        self,
        settings: ReplaySettings,
        initialization: Initialization | str,
        objective: Labelling,
        inputs: Composer | None = None,
        *,
        references: ReferenceSample | None = None,
    ) -> None:
        super().__init__(settings, parse(initialization), objective, inputs, references=references)
