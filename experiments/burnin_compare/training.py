"""One run of a comparison, in a worker process."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

from experiments.burnin_compare.settings import RunSpecification
from experiments.common.jobs import Report, Stopped, Worker, checkpoints_of
from experiments.common.results import DamagedFile, fingerprint, from_json, read_sealed, to_json, write_sealed
from r2d2_burnin.data import FEWEST_MEMORY_EPISODES, MemoryUse
from r2d2_burnin.diagnostics.memory_use import MOST_EPISODES
from r2d2_burnin.environments.guard import EnvironmentFault
from r2d2_burnin.faults import TrainingDiverged
from r2d2_burnin.initialization import parse
from r2d2_burnin.runtime.tensorflow import use_one_thread
from r2d2_burnin.training import checkpoint
from r2d2_burnin.training.trainer import Trainer


@dataclasses.dataclass(frozen=True)
class ConstantReturns:
    """Returns of the best constant action in the last evaluation's episodes."""

    returns: list[float]


def train(run: RunSpecification, report: Report, worker: Worker) -> None:
    """Train a network, and write its `TrainingResult` to `run.path`, its parameters beside it."""
    settings, strategy, seed, path = run.training, run.strategy, run.seed, run.path
    neutral = dataclasses.replace(settings, environment=dataclasses.replace(settings.environment, env_timeout=1.0))
    checkpoints = checkpoint.Checkpoints(
        checkpoints_of(path),
        every=run.checkpoint_every,
        identity={"settings": fingerprint(neutral), "strategy": strategy, "seed": seed},
        warn=lambda message: print(f"{strategy} seed {seed}: {message}", file=sys.stderr),
    )
    use_one_thread()
    trainer = worker.shared(Trainer, settings)
    result = trainer.run(
        parse(strategy),
        seed,
        report,
        checkpoints=checkpoints,
        on_measurements=lambda new: report.measured([(m.update, m.name, m.value) for m in new]),
    )
    checkpoint.save(path.with_suffix(".npz"), trainer.network, inputs=trainer.inputs)

    def say(status: str) -> None:
        # A run that is asked to stop here ends instead, if there is time: its last updates are in no checkpoint.
        with contextlib.suppress(Stopped):
            report(settings.updates, status)

    if not trainer.objective.reads_targets:
        say("evaluating constant actions")
        returns = constant_returns(
            lambda: trainer.constant_returns(seed), path.parent / f"constant-returns-{seed}.json"
        )
        if returns:
            result = dataclasses.replace(result, baselines={**result.baselines, "best constant action": returns})
    result = dataclasses.replace(result, memory=memory_use(trainer, seed, say))
    write_sealed(path, to_json(result))
    checkpoints.remove()


MEMORY_SHARE = 0.1
"""Part of a run's steps that the measure of its memory may take."""


def memory_use(trainer: Trainer, seed: int, say: Callable[[str], None]) -> MemoryUse | None:
    """How much memory the trained agent uses; None where too few episodes can be tested.

    Nothing where the environment fails, which costs the run nothing. What is measured is said to `say`.
    """
    episodes = min(trainer.settings.evaluation_episodes, MOST_EPISODES)
    if episodes < FEWEST_MEMORY_EPISODES:
        return None
    try:
        memory = trainer.memory_use(
            seed,
            episodes=episodes,
            share=MEMORY_SHARE,
            progress=lambda memory: say(f"measuring with {memory} steps of memory"),
        )
    except (EnvironmentFault, TrainingDiverged) as error:
        print(f"memory use was not measured: {error}", file=sys.stderr)
        return None
    return memory if memory.episodes >= FEWEST_MEMORY_EPISODES else None


def constant_returns(measure: Callable[[], list[float]], path: Path) -> list[float]:
    """What the best constant action earns, the same for all strategies of a seed: measured once, then kept at `path`.

    Nothing where the environment fails, which costs the run nothing.
    """
    with contextlib.suppress(DamagedFile):
        if (content := read_sealed(path)) is not None:
            return from_json(ConstantReturns, content).returns
    try:
        returns = measure()
    except EnvironmentFault as error:
        print(f"constant actions were not evaluated: {error}", file=sys.stderr)
        return []
    write_sealed(path, to_json(ConstantReturns(returns)))
    return returns
