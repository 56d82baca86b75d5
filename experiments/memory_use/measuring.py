"""One measurement of a trained network, in a worker process."""

from __future__ import annotations

from experiments.common.jobs import Report, Worker
from experiments.common.results import to_json, without_nan, write_sealed
from experiments.memory_use.settings import RunSpecification
from r2d2_burnin.runtime.tensorflow import use_one_thread
from r2d2_burnin.training import checkpoint
from r2d2_burnin.training.trainer import Trainer


def measure(run: RunSpecification, report: Report, worker: Worker) -> None:
    """Measure how much memory a network uses, and write the `MemoryUse` to `run.path`."""
    use_one_thread()
    trainer = worker.shared(Trainer, run.training)
    checkpoint.load(run.network.path, trainer.network, inputs=trainer.inputs)
    use = trainer.memory_use(
        run.network.seed,
        episodes=run.episodes,
        progress=lambda memory: report(0, f"measuring with {memory} steps of memory"),
    )
    write_sealed(run.path, without_nan(to_json(use)))
    report(1, "measured")
