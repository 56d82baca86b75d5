"""Sequences of one episode that follow each other: the state of a later one follows from an earlier one."""

from __future__ import annotations

import dataclasses

import numpy as np

from r2d2_burnin.diagnostics.audit.layout import Layout, first_episodes
from r2d2_burnin.diagnostics.audit.sequences import ReplaySequences
from r2d2_burnin.diagnostics.audit.unrolling import Leaves, Unroller, take


@dataclasses.dataclass(frozen=True)
class Consecutive:
    """For each sequence, one that starts earlier in its episode and reaches up to its first step."""

    before: np.ndarray  # [N] the earlier sequence, -1 where there is none
    gap: np.ndarray  # [N] steps from its start to the later one's


def find_consecutive(sequences: ReplaySequences, layout: Layout) -> Consecutive | None:
    """The nearest earlier sequence of each; None without episode numbers and first steps."""
    if sequences.episode is None or sequences.first_step is None:
        return None
    count = len(sequences)
    episode = first_episodes(sequences, layout)
    first = np.asarray(sequences.first_step).astype(np.int64)
    pairs, places = np.unique(np.stack([episode, first], 1), axis=0, return_inverse=True)
    places = places.reshape(-1)
    # Of several sequences with the same start, the one that reaches furthest stands for all.
    order = np.lexsort((layout.until, places))
    longest = np.zeros(len(pairs), np.int64)
    longest[places[order]] = order
    before, gap = np.full(len(pairs), -1), np.zeros(len(pairs), np.int64)
    steps = pairs[1:, 1] - pairs[:-1, 1]
    follows = (pairs[1:, 0] == pairs[:-1, 0]) & (steps <= layout.until[longest[:-1]])
    before[1:][follows], gap[1:][follows] = longest[:-1][follows], steps[follows]
    assert len(places) == count
    return Consecutive(before[places], gap[places])


@dataclasses.dataclass(frozen=True)
class ExactStates:
    """The states before the first steps of sequences whose episodes are covered from their first step.

    They are those that today's parameters give, whatever is stored.
    """

    rows: np.ndarray  # [m], in order; none of them begins an episode
    leaves: Leaves  # [m, ...]

    def states(self, rows: np.ndarray) -> Leaves:
        """The states of some of these sequences."""
        return take(self.leaves, np.searchsorted(self.rows, rows))


def exact_states(
    unroller: Unroller,
    layout: Layout,
    consecutive: Consecutive,
    episodes: np.ndarray,
    most: int,
    rng: np.random.Generator,
) -> ExactStates:
    """Exact states of the sequences of a random subset of episodes, of `most` sequences or a few more.

    Whole episodes are drawn, as the states of earlier sequences lead to those of later ones.

    Args:
        unroller: of the network.
        layout: of the sequences.
        consecutive: which of them follow each other.
        episodes: numbers `[N]` of their episodes.
        most: sequences.
        rng: of the subset.
    """
    depth = _depths(consecutive, layout.begins)
    rows = np.flatnonzero(depth > 0)
    if len(rows) > most:
        numbers, counts = np.unique(episodes[rows], return_counts=True)
        order = rng.permutation(len(numbers))
        drawn = numbers[order[: int(np.searchsorted(np.cumsum(counts[order]), most)) + 1]]
        rows = rows[np.isin(episodes[rows], drawn)][: 2 * most]
    if not len(rows):
        return ExactStates(rows, [])
    return ExactStates(rows, _exact_leaves(unroller, consecutive, depth, rows))


def _depths(consecutive: Consecutive, begins: np.ndarray) -> np.ndarray:
    """How many earlier sequences lead from an episode's first step to each sequence `[N]`, -1 where none do."""
    depth = np.where(begins, 0, -1)
    while True:
        earlier = np.where(consecutive.before >= 0, depth[consecutive.before], -1)
        reached = (depth < 0) & (earlier >= 0)
        if not reached.any():
            return depth
        depth[reached] = earlier[reached] + 1


def _exact_leaves(unroller: Unroller, consecutive: Consecutive, depth: np.ndarray, chosen: np.ndarray) -> Leaves:
    needed, level = {int(row) for row in chosen}, {int(row) for row in chosen}
    while level:
        level = {int(consecutive.before[row]) for row in level if depth[row] > 0} - needed
        needed |= level
    rows = np.array(sorted(needed))
    leaves = [np.array(leaf) for leaf in unroller.initial(len(rows))]
    for d in range(1, int(depth[rows].max()) + 1):
        at_depth = rows[depth[rows] == d]
        for gap in np.unique(consecutive.gap[at_depth]):
            later = at_depth[consecutive.gap[at_depth] == gap]
            earlier = consecutive.before[later]
            start = take(leaves, np.searchsorted(rows, earlier))
            _, after = unroller.unroll(unroller.observations(earlier, 0, int(gap)), start)
            for leaf, part in zip(leaves, after, strict=True):
                leaf[np.searchsorted(rows, later)] = part
    return take(leaves, np.searchsorted(rows, chosen))
