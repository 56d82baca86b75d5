"""The advice on a network that is only called, in a worker process: without TensorFlow where the network is."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.burnin_advisor.results import SeedAdvice
from experiments.burnin_advisor.settings import RunSpecification, Task
from experiments.common.jobs import Report, Worker
from experiments.common.results import to_json, without_nan, write_sealed
from r2d2_burnin.acting.episode_files import load_episodes, load_minari
from r2d2_burnin.data import Episode
from r2d2_burnin.diagnostics.burn_in_advice import advise
from r2d2_burnin.diagnostics.burn_in_measures import FEWEST_FRAGMENTS
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.learning.task import make_task, make_task_network
from r2d2_burnin.networks.adapters import AnyNetwork, is_recurrent_network
from r2d2_burnin.networks.factory import make_any_network
from r2d2_burnin.runtime import nests
from r2d2_burnin.testing import record_episodes
from r2d2_burnin.training import checkpoint

MINARI = "minari:"
"""What the id of a Minari dataset begins with, among files."""


def advise_called_seed(run: RunSpecification, progress: Report, worker: Worker) -> None:
    """Measure, and write the `SeedAdvice` to `run.path`; episodes are recorded here, or read from files."""
    task, replay = run.task, run.task.training.replay
    if isinstance(task.episodes, int):
        network, inputs, episodes, age = _acted(task, run.seed)
    else:
        episodes = read_files(task.episodes)
        network, inputs, age = _recorded(task, episodes)
    advice = advise(
        network,
        episodes,
        inputs=inputs,
        sequence_length=replay.sequence_length,
        period=replay.period,
        longest=task.longest,
        tolerance=task.tolerance,
    )
    write_sealed(run.path, without_nan(to_json(SeedAdvice(advice, age, None, []))))


def _acted(task: Task, seed: int) -> tuple[AnyNetwork, InputSpace, list[Episode], int | None]:
    """Network, inputs, episodes that it acts now, and the age of their states in updates, 0."""
    decided = make_task(task.training)
    network = make_task_network(decided, seed=seed, trained=False)
    _use_one_thread()
    assert isinstance(task.episodes, int)
    episodes = record_episodes(
        network,
        task.training.environment,
        count=task.episodes,
        num_envs=task.training.num_envs,
        inputs=decided.inputs,
        seed=seed,
        longest=task.training.replay.replay_capacity,
    )
    return network, decided.inputs, episodes, 0


def _recorded(task: Task, episodes: Sequence[Episode]) -> tuple[AnyNetwork, InputSpace, int | None]:
    """Network and inputs for recorded episodes, and the age of their states in updates: 0 for none, else None."""
    agent = task.training.q_learning
    outputs = episodes[0].outputs.shape[1] or 1 + max(int(episode.actions.max()) for episode in episodes)
    inputs = InputSpace(
        (episodes[0].observations.shape[1],),
        outputs,
        previous_action=agent.previous_action,
        previous_reward=agent.previous_reward,
    )
    network: AnyNetwork = make_any_network(task.training.network, inputs, outputs, seed=0)
    if task.checkpoint is not None:
        if not is_recurrent_network(network):
            raise ValueError(
                f"checkpoint: got {task.checkpoint} with a network that is not trained here, expected none: its factory"
                " returns it with its parameters"
            )
        checkpoint.load(task.checkpoint, network, inputs=inputs)
    _use_one_thread()
    return network, inputs, None if nests.flatten(episodes[0].states) else 0


def read_files(files: Sequence[str]) -> list[Episode]:
    """The episodes of NumPy archives, and of Minari datasets `minari:ID`, one after another.

    Raises:
        ValueError: for files that cannot be read, and for episodes that do not belong together.
    """
    episodes: list[Episode] = []
    for file in files:
        try:
            episodes += load_minari(file.removeprefix(MINARI)) if file.startswith(MINARI) else load_episodes(file)
        except FileNotFoundError:
            raise ValueError(f"episodes: there is no file {file}, expected a NumPy archive of episodes") from None
    sizes = {episode.observations.shape[1] for episode in episodes}
    if len(sizes) > 1:
        raise ValueError(f"episodes: got observations of {sorted(sizes)} numbers, expected all of one size")
    return episodes


def check_recorded(task: Task) -> tuple[dict[str, str | None], dict[str, str]]:
    """Look at the files and the network before a worker is started.

    Returns:
        What the network sees, and the hashes of the files, for `config.json`.

    Raises:
        ValueError: for files that cannot be read or hold too few episodes, and for a network that cannot be used.
    """
    assert not isinstance(task.episodes, int)
    episodes = read_files(task.episodes)
    _check_length(episodes, task.training.replay.sequence_length)
    _, inputs, _ = _recorded(task, episodes)
    digests = {
        file: hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]
        for file in task.episodes
        if not file.startswith(MINARI)
    }
    return {"observation": f"{inputs.observation_size} numbers", "image": None}, digests


def _check_length(episodes: Sequence[Episode], sequence_length: int) -> None:
    """Raise ValueError where too few recorded episodes are longer than a fragment to judge any burn-in."""
    if len(episodes) < FEWEST_FRAGMENTS:
        raise ValueError(
            f"episodes: got {len(episodes)}, expected at least {FEWEST_FRAGMENTS}: fewer cannot judge any burn-in"
        )
    lengths = sorted((len(episode) for episode in episodes), reverse=True)
    if lengths[FEWEST_FRAGMENTS - 1] <= sequence_length:
        longer = sum(length > sequence_length for length in lengths)
        nearest = lengths[FEWEST_FRAGMENTS - 1] // 2
        hint = f"give --sequence-length {nearest}, or record longer ones" if nearest else "record longer ones"
        raise ValueError(
            f"sequence_length: got {sequence_length}, but {longer} of {len(episodes)} recorded episodes are longer,"
            f" expected at least {FEWEST_FRAGMENTS}: a fragment that begins an episode needs no burn-in; {hint}"
        )


def _use_one_thread() -> None:
    """Let PyTorch run on one thread, as TensorFlow does here: one process a core uses the machine best."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
