"""Recorded episodes in a file: a NumPy archive that any program can write, without pickle, and Minari datasets.

The arrays of a file, N being the steps of all its E episodes one after another:

| array | shape | |
| --- | --- | --- |
| `observations` | `[N, ...]` | what the network saw at each step |
| `actions` | `[N]` | whole numbers from 0 |
| `rewards` | `[N]` | the reward that followed each action |
| `terminated`, `truncated` | `[N]` bool | the step that ended its episode; one of both will do |
| `state/0`, `state/1`, .. | `[N, ...]` | the recurrent state before each step, array by array, as acted; optional |
| `outputs` | `[N, A]` | the network's outputs as acted; optional |
| `updates` | `[N]` | learner updates made when each step was taken; optional |
| `targets` | `[N]` | `info["target"]`, NaN for none; optional |
| `final_observations` | `[E, ...]` | the observation after each episode's last step; optional |

`numpy.savez("episodes.npz", observations=..., **{"state/0": ..., "state/1": ...})` writes one. The arrays of a nest are
numbered in its order, those of a dictionary by sorted keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from r2d2_burnin.data import Episode
from r2d2_burnin.runtime import archive, nests

REQUIRED = ("observations", "actions", "rewards")
ENDS = ("terminated", "truncated")
OPTIONAL = ("outputs", "updates", "targets", "final_observations")


def save_episodes(path: Path | str, episodes: Sequence[Episode]) -> None:
    """Write episodes to a file, whole or not at all; see the module for what is in it.

    Raises:
        ValueError: without any episode.
        OSError: where the file cannot be written.
    """
    if not episodes:
        raise ValueError("episodes: got none, expected at least one")

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(episode, name) for episode in episodes])

    ends = np.cumsum([len(episode) for episode in episodes]) - 1
    terminated, truncated = np.zeros((2, ends[-1] + 1), np.bool_)
    terminated[ends] = [episode.terminated for episode in episodes]
    truncated[ends] = ~terminated[ends]
    arrays = {name: joined(name) for name in ("observations", "actions", "rewards", "updates")}
    arrays |= {"terminated": terminated, "truncated": truncated}
    arrays["final_observations"] = np.stack([episode.final_observation for episode in episodes])
    if episodes[0].outputs.shape[1]:
        arrays["outputs"] = joined("outputs")
    if any(episode.targets is not None for episode in episodes):
        parts = [np.full(len(e), np.nan) if e.targets is None else e.targets for e in episodes]
        arrays["targets"] = np.concatenate(parts)
    leaves = zip(*(nests.flatten(episode.states) for episode in episodes), strict=True)
    arrays |= {f"state/{i}": np.concatenate(of_episodes) for i, of_episodes in enumerate(leaves)}
    archive.write(Path(path), arrays, {"content": "episodes"})


def load_episodes(*paths: Path | str) -> list[Episode]:
    """The episodes of files, one after another; see the module for what is in them.

    Raises:
        ValueError: naming the file, and the array that is missing, unknown, or of a wrong shape.
        FileNotFoundError: if there is no such file.
    """
    return [episode for path in paths for episode in _load(Path(path))]


def _load(path: Path) -> list[Episode]:
    arrays = _read(path)
    states = [f"state/{i}" for i in range(sum(name.startswith("state/") for name in arrays))]
    known = (*REQUIRED, *ENDS, *OPTIONAL, *states)
    for name in (*REQUIRED, *states):
        if name not in arrays:
            raise ValueError(
                f"episodes: {path} has no array {name}, expected {', '.join(REQUIRED)}, and terminated or truncated;"
                f" optional: {', '.join(OPTIONAL)}, state/0, .."
            )
    if unknown := sorted(set(arrays) - set(known)):
        raise ValueError(f"episodes: {path} has an array {unknown[0]}, expected only {', '.join(known)}")
    steps = len(arrays["observations"]) if arrays["observations"].ndim else 0
    ends, terminated = _ends(path, arrays, steps)
    episodes, begin = [], 0
    finals = arrays.get("final_observations")
    if finals is not None and len(finals) != len(ends):
        raise ValueError(f"episodes: {path}: final_observations has {len(finals)} rows, expected {len(ends)} episodes")
    for number, end in enumerate(ends + 1):
        rows = slice(begin, end)
        optional = {name: arrays[name][rows] for name in ("outputs", "updates", "targets") if name in arrays}
        try:
            episode = Episode.from_arrays(
                arrays["observations"][rows],
                arrays["actions"][rows],
                arrays["rewards"][rows],
                terminated=bool(terminated[end - 1]),
                states=tuple(arrays[name][rows] for name in states),
                final_observation=None if finals is None or _is_missing(finals[number]) else finals[number],
                environment=number,
                **optional,
            )
        except ValueError as error:
            raise ValueError(f"episodes: {path}: episode {number} (rows {begin} to {end - 1}): {error}") from None
        episodes.append(episode)
        begin = end
    return episodes


def _read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an archive of ours, or of NumPy's alone."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("a lone array")
            if "header" in file.files:
                return _read_own(path)
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise nearly anything for other files
        raise ValueError(
            f"episodes: {path}: expected a NumPy archive (.npz) without pickled objects, got {str(error)[:200]}"
        ) from None


def _read_own(path: Path) -> dict[str, np.ndarray]:
    try:
        return archive.read(path)[0]
    except archive.DamagedArchive as error:
        raise ValueError(f"{error}; if its arrays were changed on purpose, leave out the array header") from None


def _ends(path: Path, arrays: dict[str, np.ndarray], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The last step `[E]` of each episode, and whether each step `[N]` terminated its episode."""
    for name, array in arrays.items():
        if name != "final_observations" and (array.ndim == 0 or len(array) != steps):
            raise ValueError(f"episodes: {path}: {name} has shape {list(array.shape)}, expected {steps} rows")
    flags = [np.zeros(steps, np.bool_), np.zeros(steps, np.bool_)]
    for i, name in enumerate(("terminated", "truncated")):
        if name in arrays:
            flags[i] = arrays[name].reshape(steps).astype(np.bool_)
    ends = np.flatnonzero(flags[0] | flags[1])
    if not len(ends):
        raise ValueError(f"episodes: {path}: no step is terminated or truncated, expected flags where episodes end")
    if ends[-1] != steps - 1:
        raise ValueError(
            f"episodes: {path}: the last of {steps} steps is neither terminated nor truncated, so that the last episode"
            f" is cut; expected {ends[-1] + 1} rows, or truncated set there"
        )
    return ends, flags[0]


def _is_missing(observation: np.ndarray) -> bool:
    return observation.dtype.kind == "f" and bool(np.isnan(observation).all())


def load_minari(dataset: Any) -> list[Episode]:
    """The episodes of a Minari dataset, or of the one with that id among those on this machine.

    Observations are flattened as `gymnasium.spaces.flatten` does it; actions have to be Discrete from 0. A dataset has
    no recurrent states: measures compute those that the network has now.

    Raises:
        ValueError: where Minari is not installed, or for actions of another space.
    """
    if isinstance(dataset, str):
        try:
            import minari  # an extra
        except ImportError:
            raise ValueError("minari: Minari is not installed; pip install 'r2d2-burnin[minari]'") from None
        dataset = minari.load_dataset(dataset)
    from gymnasium import spaces

    space, actions = dataset.observation_space, dataset.action_space
    if not isinstance(actions, spaces.Discrete) or actions.start != 0:
        raise ValueError(f"minari: got action space {actions}, expected a Discrete one that starts at 0")
    episodes: list[Episode] = []
    for recorded in dataset.iterate_episodes():
        steps = len(recorded.actions)
        seen = recorded.observations
        if not isinstance(space, spaces.Box):
            seen = np.stack([np.asarray(spaces.flatten(space, _at(seen, t))) for t in range(steps + 1)])
        episodes.append(
            Episode.from_arrays(
                seen[:steps],
                recorded.actions,
                recorded.rewards,
                terminated=bool(recorded.terminations[-1]),
                final_observation=seen[steps],
                environment=len(episodes),
            )
        )
    return episodes


def _at(observations: Any, step: int) -> Any:
    """The observation at a step of what Minari returns for composite spaces: a nest of arrays `[L + 1, ...]`."""
    return nests.pack(observations, [leaf[step] for leaf in nests.flatten(observations)])
