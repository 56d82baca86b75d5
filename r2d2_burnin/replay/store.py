"""The store of replay: steps of whole episodes, once each, where their fragments begin, and the stored states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from r2d2_burnin.data import Episode
from r2d2_burnin.replay.fragments import (
    burn_in_starts,
    first_trained,
    fragment_starts,
    further_steps,
    trained_lengths,
)
from r2d2_burnin.replay.ring import Ring
from r2d2_burnin.runtime import archive, nests
from r2d2_burnin.settings import ReplaySettings


class StartState(Protocol):
    """What replay asks of an initialization."""

    @property
    def burn_in(self) -> int | None:
        """Steps of burn-in, k; None: all steps since the episode's start."""

    @property
    def trained_steps(self) -> int | None:
        """Trained steps, m; None: `sequence_length`."""

    @property
    def stores_states(self) -> bool:
        """Whether the actor's state before each fragment's first processed step is stored."""

    def from_initial_state(self, begins: np.ndarray) -> np.ndarray:
        """`[...]` bool: fragments that start from the initial state, from those that begin an episode `[...]`."""


class Labelling(Protocol):
    """What replay asks of an objective."""

    @property
    def lookahead(self) -> int:
        """Steps after the trained ones that a batch has, n."""

    def labels(self, episode: Episode) -> dict[str, np.ndarray]:
        """Labels of every step of an episode, `[L]` each."""

    def scale_rewards(self, labels: dict[str, np.ndarray], scale: float) -> dict[str, np.ndarray]:
        """Labels `[..., T]` with rewards divided by `scale`."""


class Positions(NamedTuple):
    """Where the fragments of an episode are, counted in steps from its first one, `[n]` each."""

    starts: np.ndarray  # where they start by the settings: `sequence_length` steps before their ends
    trained: np.ndarray  # first trained steps: the starts, or earlier
    last: np.ndarray  # last trained steps
    processed: np.ndarray  # first processed steps


class EpisodeStore:
    """Steps of the newest episodes and the fragments that they are cut into; the oldest episodes go first.

    Args:
        settings: capacity in steps, and how episodes are cut into fragments.
        start: decides which states are stored, and how many steps of a fragment are trained.
        labelling: decides which labels are stored.

    Raises:
        ValueError: for fewer trained steps than a fragment has.
    """

    def __init__(self, settings: ReplaySettings, start: StartState, labelling: Labelling) -> None:
        self.settings = settings
        self._start = start
        self.labelling = labelling
        self.further_steps = further_steps(start.trained_steps, settings.sequence_length)
        self.trained_steps = settings.sequence_length + self.further_steps
        # An episode's steps, and its final observation as one row more.
        self.steps = Ring((start.burn_in or 0) + self.trained_steps + labelling.lookahead)
        self.episodes = Ring()  # where an episode's steps and fragments begin, its steps, its first step, as [4]
        self.fragments = Ring()
        self.labels: tuple[str, ...] = ()
        self.longest_start = 0  # largest first trained step of a fragment so far, from what is stored of its episode
        self.latest_start = 0  # the same, counted from its episode's first step
        self.state_structure: Any = None
        self.state_leaves: list[np.ndarray] = []  # [1, ...] each, for their shapes
        self._known_positions: tuple[int, Positions] | None = None

    @property
    def step_count(self) -> int:
        """Steps stored."""
        return len(self.steps) - len(self.episodes)

    @property
    def nbytes(self) -> int:
        """Memory in use, in bytes."""
        return sum(sum(ring.nbytes.values()) for ring in (self.steps, self.episodes, self.fragments))

    def positions(self, length: int) -> Positions:
        """Where the fragments of an episode of `length` steps are."""
        if self._known_positions is None or self._known_positions[0] != length:
            starts = fragment_starts(length, self.settings.sequence_length, self.settings.period)
            last = starts + trained_lengths(starts, length, self.settings.sequence_length) - 1
            trained = first_trained(starts, self.further_steps)
            processed = burn_in_starts(trained, self._start.burn_in)
            self._known_positions = length, Positions(starts, trained, last, processed)
        return self._known_positions[1]

    def add(self, episodes: Sequence[Episode], positions: Sequence[Positions]) -> None:
        """Add episodes that fit together; array by array, as each call of NumPy costs more than a small episode."""
        lengths = [len(episode) for episode in episodes]
        counts = np.array([len(of_episode.starts) for of_episode in positions])
        self._expect(lengths[0], int(counts[0]))
        self.state_structure = episodes[-1].states
        self.state_leaves = [leaf[:1] for leaf in nests.flatten(episodes[-1].states)]
        first_fragments = self.fragments.end + np.cumsum(counts) - counts
        first_steps = self.steps.end + np.cumsum(lengths) - lengths + np.arange(len(lengths))
        places = np.stack([first_steps, first_fragments, lengths, [e.first_step for e in episodes]], axis=1)
        steps = self._step_rows(episodes)
        processed = [of_episode.processed for of_episode in positions]
        fragments = {
            "episode": np.repeat(np.arange(len(episodes)) + self.episodes.end, counts).astype(np.int32),
            "update": rows_of([episode.updates for episode in episodes], processed).astype(np.int32),
        }
        if self._start.stores_states:
            leaves = zip(*(nests.flatten(episode.states) for episode in episodes), strict=True)
            fragments |= {f"stored/{i}": rows_of(of_episodes, processed) for i, of_episodes in enumerate(leaves)}
        self.episodes.append({"place": places})
        self.fragments.append(fragments)
        self.steps.append(steps)
        last = [int(of_episode.trained[-1]) for of_episode in positions]
        self.longest_start = max(self.longest_start, *last)
        later = [start + episode.first_step for start, episode in zip(last, episodes, strict=True)]
        self.latest_start = max(self.latest_start, *later)

    def forget_oldest(self, steps: int) -> tuple[int, int]:
        """Forget the oldest episodes that have so many steps at least together; returns their fragments' rows.

        As the first one and the one after the last one.
        """
        first = self.fragments.first
        if steps <= 0:
            return first, first
        # No more episodes than steps: what is added decides the cost of a look, not what is stored.
        end = min(self.episodes.first + steps + 1, self.episodes.end)
        places = self.episodes.take("place", np.arange(self.episodes.first, end))
        forgotten = int(np.searchsorted(places[:, 2].cumsum(), steps)) + 1
        self.episodes.drop(forgotten)
        step, fragment = self.steps.end, self.fragments.end
        if len(self.episodes):
            step, fragment = places[forgotten, :2].tolist()
        self.steps.drop(step - self.steps.first)
        self.fragments.drop(fragment - first)
        return first, fragment

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Of the episodes `[..., 4]` of fragments `[...]`: rows of its first step and fragment, steps, first step."""
        return self.episodes.take("place", self.fragments.take("episode", rows))

    def starts(self, rows: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Where fragments `[...]` with these `places` start by the settings, from what is stored of their episode."""
        return np.asarray((rows - places[..., 1]) * self.settings.period)

    def stored_states(self, rows: np.ndarray) -> Any:
        """The stored states of fragments `[...]`, a nest of `[..., *]`; zeros where none are stored."""
        if self._start.stores_states:
            leaves = [self.fragments.take(f"stored/{i}", rows) for i in range(len(self.state_leaves))]
        else:
            leaves = [np.zeros((*rows.shape, *leaf.shape[1:]), leaf.dtype) for leaf in self.state_leaves]
        return nests.pack(self.state_structure, leaves)

    def refresh(self, rows: np.ndarray, states: Any, updates: np.ndarray) -> None:
        """Overwrite stored states by nests of `[U, B, M, ...]` at the M fragments that follow each of `[U, B]`.

        `updates` `[U, B]` are the learner updates made by then.
        """
        episodes = self.fragments.take("episode", rows)
        later, rest = self._later(rows) if self.further_steps else (0, 0)
        leaves = nests.flatten(states)
        for ahead in range(leaves[0].shape[2] if leaves else 0):
            others = rows + ahead + 1 + later
            exists = others < self.fragments.end
            exists &= np.equal(rest, 0)
            exists &= self.fragments.take("episode", np.minimum(others, self.fragments.end - 1)) == episodes
            for i, leaf in enumerate(leaves):
                self.fragments.put(f"stored/{i}", others[exists], leaf[:, :, ahead][exists])
            self.fragments.put("update", others[exists], updates[exists])

    def _later(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """By how many fragments later the recomputed states of fragments `[...]` belong, and the steps left over.

        The steps of a fragment whose further ones would begin before its episode come so much earlier in a batch. Where
        that is no whole number of periods, its states belong to no fragment.
        """
        missing = np.maximum(self.further_steps - self.starts(rows, self.places(rows)), 0)
        return np.divmod(missing, self.settings.period)

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything stored, as arrays that need no pickle."""
        state: dict[str, np.ndarray] = {}
        for name, ring in self._rings().items():
            state |= archive.with_prefix(name, ring.get_state())
        state |= {f"leaf/{i}": leaf for i, leaf in enumerate(self.state_leaves)}
        return state | {
            "labels": np.array(self.labels, np.str_),
            "longest_prefix": np.array([self.longest_start, self.latest_start]),
        }

    def set_state(self, state: dict[str, np.ndarray], state_structure: Any) -> None:
        """Go on from what `get_state` returned; `state_structure` is a nest like the network's states."""
        for name, ring in self._rings().items():
            ring.set_state(archive.part(name, state))
        leaves = archive.part("leaf", state)
        self.state_leaves = [leaves[str(i)] for i in range(len(leaves))]
        self.state_structure = state_structure
        self.labels = tuple(str(name) for name in state["labels"])
        self.longest_start, self.latest_start = state["longest_prefix"].tolist()

    def _rings(self) -> dict[str, Ring]:
        return {"steps": self.steps, "episodes": self.episodes, "fragments": self.fragments}

    def _expect(self, steps: int, fragments: int) -> None:
        """Expect a whole replay of episodes like the first one."""
        if self.steps.end == 0:
            episodes = -(-self.settings.replay_capacity // steps)
            self.steps.expect(episodes * (steps + 1))
            self.episodes.expect(episodes)
            self.fragments.expect(episodes * fragments)

    def _step_rows(self, episodes: Sequence[Episode]) -> dict[str, np.ndarray]:
        labels = [self.labelling.labels(episode) for episode in episodes]
        self.labels = tuple(labels[0])
        rows = {
            "observations": [part for e in episodes for part in (e.observations, e.final_observation[None])],
            # Of the step before: what the network sees beside the observation.
            "previous_action": [part for e in episodes for part in (np.array([e.previous_action]), e.actions)],
            "previous_reward": [part for e in episodes for part in (np.array([e.previous_reward]), e.rewards)],
            **{f"label/{n}": [part for each in labels for part in (each[n], each[n][-1:])] for n in self.labels},
        }
        types = {"previous_action": np.int32, "previous_reward": np.float32}
        return {name: np.concatenate(parts, dtype=types.get(name), casting="unsafe") for name, parts in rows.items()}


def rows_of(arrays: Sequence[np.ndarray], rows: Sequence[np.ndarray]) -> np.ndarray:
    """The given rows `[n]` of each array, one after another."""
    return np.concatenate([array[chosen] for array, chosen in zip(arrays, rows, strict=True)])
