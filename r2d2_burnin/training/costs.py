"""What a run costs, a checksum of what it has seen, and how much of replay it has measured."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from r2d2_burnin.data import Episode, FragmentBatch
from r2d2_burnin.runtime import nests


class Costs:
    """Time of an update, memory of a batch, steps processed, checksum of all streams, distinct fragments of ΔQ."""

    def __init__(self) -> None:
        self._update_seconds: list[float] = []
        self._batch_bytes = 0
        self._processed_steps = 0
        self._streams = 0
        self._measured_fragments: int | None = None

    def add_updates(self, batches: FragmentBatch, seconds: float) -> None:
        """Count U updates on batches `[U, B, ...]` that took so many seconds together."""
        updates = len(batches.mask)
        self._processed_steps += int(np.count_nonzero(batches.burn_in_mask) + np.count_nonzero(batches.mask))
        self._batch_bytes = sum(np.asarray(leaf).nbytes for leaf in nests.flatten(batches)) // updates
        self._update_seconds.append(seconds / updates)

    def count(self, episodes: Sequence[Episode]) -> Sequence[Episode]:
        """The same episodes, their lengths and observations added to the checksum in their order."""
        for episode in episodes:
            length = len(episode).to_bytes(8, "little")
            self._streams = zlib.crc32(
                np.ascontiguousarray(episode.observations).data, zlib.crc32(length, self._streams)
            )
        return episodes

    def note_measured(self, rows: np.ndarray) -> None:
        """Count the distinct fragments of a measurement of ΔQ on those with these rows `[n]`."""
        distinct = len(np.unique(rows))
        self._measured_fragments = min(distinct, self._measured_fragments or distinct)

    @property
    def results(self) -> dict[str, Any]:
        """The fields of a `TrainingResult` that are known here."""
        # The first call may compile.
        seconds = self._update_seconds[1:] or self._update_seconds
        return {
            "update_seconds": float(np.median(seconds)),
            "batch_bytes": self._batch_bytes,
            "processed_steps": self._processed_steps,
            "streams": f"{self._streams:08x}",
            "measured_fragments": self._measured_fragments,
        }

    def get_state(self) -> dict[str, Any]:
        """Everything counted so far, as JSON has it."""
        return {
            "seconds_per_update": self._update_seconds,
            "batch_bytes": self._batch_bytes,
            "processed_steps": self._processed_steps,
            "streams": self._streams,
            "measured_fragments": self._measured_fragments,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        self._update_seconds = list(state["seconds_per_update"])
        self._batch_bytes = state["batch_bytes"]
        self._processed_steps, self._streams = state["processed_steps"], state["streams"]
        self._measured_fragments = state.get("measured_fragments")  # which earlier versions did not count
