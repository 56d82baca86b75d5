"""Recorded episodes as sequences to audit: what a replay that stores every state would return of them."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from r2d2_burnin.acting.episode_files import load_episodes
from r2d2_burnin.data import Episode
from r2d2_burnin.diagnostics.audit.sequences import ReplaySequences, UnfitSequences
from r2d2_burnin.runtime import nests

LENGTH, PERIOD = 80, 40
"""Steps of a sequence, and from the start of one to the next one's, of R2D2 (section 2.3)."""


def read_sequences(path: Path, *, length: int = LENGTH, period: int = PERIOD) -> ReplaySequences:
    """The sequences of an archive or a folder, or of the episodes in a file of `save_episodes`.

    Args:
        path: of either.
        length: steps of a sequence that is cut from an episode, at most.
        period: steps between the starts of two of them.

    Raises:
        UnfitSequences: for what is none of these, and for arrays that are missing, unknown or ill-shaped.
    """
    if not _has_episodes(path):
        return ReplaySequences.read(path)
    try:
        return sequences_of(load_episodes(path), length=length, period=period)
    except UnfitSequences:
        raise
    except ValueError as error:
        raise UnfitSequences(f"sequences: {error}") from None


def _has_episodes(path: Path) -> bool:
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
    return {"actions", "rewards"} <= names and not {"mask", "is_first"} & names


def sequences_of(episodes: Sequence[Episode], *, length: int = LENGTH, period: int = PERIOD) -> ReplaySequences:
    """Sequences from every `period`-th step of recorded episodes, with the states that the actor had there.

    Where no episode is so long, sequences are as long as the longest one, and start every half of that at least.

    Raises:
        UnfitSequences: for episodes without states, and for a length or a period below 1.
    """
    for name, value in (("sequence_length", length), ("period", period)):
        if value < 1:
            raise UnfitSequences(f"{name}: got {value}, expected at least 1")
    if not all(nests.flatten(episode.states) for episode in episodes):
        raise UnfitSequences("state/0: missing, expected episodes with the recurrent state before each step")
    longest = max(len(episode) for episode in episodes)
    if longest < length:  # so that some sequences begin inside an episode
        length, period = longest, min(period, max(longest // 2, 1))
    starts = [(e, begin) for e, episode in enumerate(episodes) for begin in range(0, len(episode), period)]
    owners, begins = np.array(starts).T
    counts = np.minimum(length, np.array([len(episode) for episode in episodes])[owners] - begins)

    def cut(name: str) -> np.ndarray:
        """An array `[N, L, ...]` of steps, zeros as padding."""
        first = getattr(episodes[0], name)
        whole = np.zeros((len(starts), length, *first.shape[1:]), first.dtype)
        for i, (e, begin) in enumerate(starts):
            whole[i, : counts[i]] = getattr(episodes[e], name)[begin : begin + length]
        return whole

    first_step = begins + np.array([episode.first_step for episode in episodes])[owners]
    leaves = zip(*(nests.flatten(episode.states) for episode in episodes), strict=True)
    updates = np.array([episodes[e].updates[begin] for e, begin in starts])
    return ReplaySequences(
        observations=cut("observations"),
        state=tuple(np.stack([leaf[e][begin] for e, begin in starts]) for leaf in leaves),
        is_first=(first_step == 0)[:, None] & (np.arange(length) == 0),
        mask=np.arange(length) < counts[:, None],
        episode=owners,
        first_step=first_step,
        outputs=cut("outputs") if episodes[0].outputs.shape[1] else None,
        age=updates.max() - updates if np.ptp(updates) else None,
    )
