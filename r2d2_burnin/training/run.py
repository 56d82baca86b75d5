"""One training run, round by round: act, update, measure; it can be put away after any round and taken up again."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from r2d2_burnin.acting.actor import Act, Actor
from r2d2_burnin.data import Episode, Measurement, TrainingResult
from r2d2_burnin.diagnostics.evaluation import Evaluation, evaluate
from r2d2_burnin.faults import TrainingDiverged
from r2d2_burnin.initialization.names import Initialization
from r2d2_burnin.learning.learner import Updates
from r2d2_burnin.learning.objectives import EpsilonGreedy, QLearning, trained_steps
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.replay.references import ReferenceSample
from r2d2_burnin.runtime import archive, nests
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.training.collector import Acting

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv

    from r2d2_burnin.training.trainer import Trainer

LONGEST_PROFILE = 1000
"""Steps of an episode whose errors or rewards are reported one by one."""


class TrainingRun:
    """A run of a trainer's settings.

    Args:
        trainer: what runs of the same settings share: network, compiled programs.
        initialization: what fragments start from.
        sampling_seed: of the fragments drawn.
        acting: where episodes come from.
        evaluation_env: for evaluations.
        evaluation_seed: of all evaluations: they are over the same episodes.
        evaluation_exploration_seed: of the random actions in them.
        references: chooses the fragments that ΔQ is measured on, with a generator of its own.
    """

    def __init__(
        self,
        trainer: Trainer,
        initialization: Initialization,
        *,
        sampling_seed: int,
        acting: Acting,
        evaluation_env: VectorEnv[Any, Any, Any],
        evaluation_seed: int,
        evaluation_exploration_seed: int,
        references: ReferenceSample,
    ) -> None:
        self.update = 0
        self.measurements: list[Measurement] = []
        self.learner = trainer.learner(initialization)
        self.replay = Replay(
            trainer.settings.replay,
            initialization,
            trainer.objective,
            trainer.inputs,
            references=references,
        )
        self._trainer = trainer
        self._initialization = initialization
        self._settings = trainer.settings
        self._objective = trainer.objective
        self._generator = np.random.default_rng(sampling_seed)
        self.acting = acting
        self._evaluation_env = evaluation_env
        self._evaluation_seed = evaluation_seed
        self._evaluation_exploration_seed = evaluation_exploration_seed
        self._evaluation: Evaluation | None = None
        self._random: Evaluation | None = None
        self._seconds: list[float] = []
        self._batch_bytes = 0
        self._processed_steps = 0
        self._streams = 0
        self._loss = float("nan")

    @property
    def finished(self) -> bool:
        """Whether all updates are made."""
        return self.update >= self._settings.updates

    @property
    def words(self) -> str:
        """How it goes, in a few words."""
        words = f"loss {self._loss:.3g}"
        if self._evaluation is None:
            return words
        if self._evaluation.error is None:
            return f"{words}, return {self._evaluation.episode_return:.3g}"
        return f"{words}, evaluation error {self._evaluation.error:.3g}"

    def advance(self) -> bool:
        """Act, and make the updates up to the next round of acting; returns whether it was time to measure.

        Raises:
            TrainingDiverged: when a loss is not finite.
        """
        settings = self._settings
        self._collect(settings.new_steps if self.update else settings.initial_steps)
        count = min(settings.updates_between, settings.updates - self.update)
        rows = self.replay.sample(self._generator, count, settings.batch_size)
        staleness = float(np.mean([self.replay.staleness(rows[i], self.update + i) for i in range(count)]))
        made = self._make_updates(rows)
        before, self.update = self.update, self.update + count
        if made.trained.any():  # a batch may have no step with a target
            self._loss = float(made.losses[made.trained > 0].mean())
            self._note("train_loss", self._loss)
        self._note("staleness", staleness)
        for metric, value in self.acting.measures().items():
            self._note(metric, value)

        period = settings.measure_every
        measures = self.finished or self.update // period > before // period
        if measures:
            self._measure()
        if self.finished:
            self._measure_last()
        return measures

    def result(self) -> TrainingResult:
        """What was measured; `seconds` is left to the caller."""
        update_seconds = float(np.median(self._seconds[1:] or self._seconds))  # the first call may compile
        outcomes, baselines = self._outcomes()
        return TrainingResult(
            self.measurements,
            seconds=0.0,
            update_seconds=update_seconds,
            replay_bytes=self.replay.nbytes - self.replay.reference_bytes,
            batch_bytes=self._batch_bytes,
            processed_steps=self._processed_steps,
            longest_start=self.replay.longest_start,
            streams=f"{self._streams:08x}",
            outcomes=outcomes,
            baselines=baselines,
        )

    def _outcomes(self) -> tuple[list[float], dict[str, list[float]]]:
        """Error or return of each episode of the last evaluation, and of what learns nothing in the same episodes."""
        if self._evaluation is None:
            return [], {}
        if isinstance(self._objective, QLearning):
            random = {} if self._random is None else {"random actions": self._random.returns}
            return self._evaluation.returns, random
        errors, constant = self._evaluation.errors(self._objective.error, self._objective.constant_errors)
        return errors, {"best constant answer": constant}

    def get_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Everything that decides how the run goes on, as arrays and as what JSON has."""
        arrays = {
            **archive.with_prefix("replay", self.replay.get_state()),
            **archive.with_prefix("learner", self.learner.get_state()),
            **archive.with_prefix("acting", self.acting.get_state()),
            "seconds": np.array(self._seconds),
        }
        header = {
            "update": self.update,
            "generator": self._generator.bit_generator.state,
            "measurements": [[m.update, m.metric, m.value] for m in self.measurements],
            "batch_bytes": self._batch_bytes,
            "processed_steps": self._processed_steps,
            "streams": self._streams,
        }
        return arrays, header

    def set_state(self, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
        """Go on from what `get_state` of a run with the same settings, initialization and seed returned."""
        self.replay.set_state(archive.part("replay", arrays), self._trainer.network.initial_state(1))
        self.learner.set_state(archive.part("learner", arrays))
        self.acting.set_state(archive.part("acting", arrays))
        self._seconds = arrays["seconds"].tolist()
        self.update = header["update"]
        self._generator.bit_generator.state = header["generator"]
        self.measurements = [Measurement(*row) for row in header["measurements"]]
        self._batch_bytes = header["batch_bytes"]
        self._processed_steps, self._streams = header["processed_steps"], header["streams"]

    def _note(self, metric: str, value: float) -> None:
        self.measurements.append(Measurement(self.update, metric, value))

    def _collect(self, steps: int) -> None:
        """Act for `steps` steps, and on until replay holds an episode; rate new fragments where priorities count."""
        self.acting.prepare(self.update)
        added = [self._add(episodes) for episodes in self.acting.collect(steps)]
        while not len(self.replay):
            added += [self._add(episodes) for episodes in self.acting.collect(1)]
        if self._settings.replay.priority_exponent == 0 or not added:
            return
        rows = np.intersect1d(np.concatenate(added), self.replay.all_rows())
        size = self._settings.batch_size
        for chunk in np.resize(rows, (-(-len(rows) // size), size)):  # whole chunks: one program to compile
            priorities = self.learner.priorities(self.replay.batch(chunk))
            if not np.isfinite(priorities).all():
                raise TrainingDiverged(
                    f"the errors of new fragments after update {self.update} are not finite, expected finite numbers;"
                    " a smaller --learning-rate or --gradient-clip may help"
                )
            self.replay.set_priorities(chunk, priorities)

    def _add(self, episodes: Sequence[Episode]) -> np.ndarray:
        for episode in episodes:
            length = len(episode).to_bytes(8, "little")
            self._streams = zlib.crc32(
                np.ascontiguousarray(episode.observations).data, zlib.crc32(length, self._streams)
            )
        return self.replay.add(*episodes)

    def _make_updates(self, rows: np.ndarray) -> Updates:
        """An update for each row of fragments `[U, B]`, in one compiled call, or in two where acting asks for it."""
        batches = self.replay.batch(rows)
        self._processed_steps += int(np.count_nonzero(batches.burn_in_mask) + np.count_nonzero(batches.mask))
        began = time.perf_counter()
        made: list[Updates] = []
        stops = [stop for stop in self.acting.stops(self.update, len(rows)) if 0 < stop < len(rows)]
        leaves = nests.flatten(batches)
        for first, end in zip([0, *stops], [*stops, len(rows)], strict=True):
            made.append(self.learner.update(nests.pack(batches, [leaf[first:end] for leaf in leaves])))
            if not np.isfinite(made[-1].losses).all():
                bad = int(np.flatnonzero(~np.isfinite(made[-1].losses))[0])
                raise TrainingDiverged(
                    f"the loss of update {self.update + first + bad + 1} is {made[-1].losses[bad]}, expected a finite"
                    " number; a smaller --learning-rate or --gradient-clip may help"
                )
            self.acting.note_parameters(self.update + end)
        self._seconds.append((time.perf_counter() - began) / len(rows))
        self._batch_bytes = sum(np.asarray(leaf).nbytes for leaf in leaves) // len(rows)
        whole = made[0]
        if len(made) > 1:
            whole = tf.nest.map_structure(lambda *parts: np.concatenate(parts), *made)
        self.replay.set_priorities(rows.ravel(), whole.priorities.ravel())
        self.replay.refresh(rows, whole.states, self.update)
        return whole

    def _measure(self) -> None:
        count = self._settings.measured_fragments
        # Not used: measured fragments were drawn by this generator once, and training's draws are to stay the same.
        self._generator.choice(self.replay.all_rows(), count)
        # At random, whatever training draws by: the fragments measured are those of every initialization.
        rows = self.replay.draw_measured(count)
        discrepancies, _ = self._trainer.measure(
            self.replay.batch(rows), self.replay.references(rows), self.learner.learned_state
        )
        for metric, values in discrepancies._asdict().items():
            self._note(metric, float(values.mean()))
        self._evaluation = self._evaluate(self._settings.q_learning.evaluation_epsilon)
        if self._evaluation.error is not None:
            self._note("eval_error", self._evaluation.error)
        self._note("episode_return", self._evaluation.episode_return)

    def _evaluate(self, epsilon: float) -> Evaluation:
        """Evaluate with a part `epsilon` of actions at random (Q-learning only)."""
        objective, env, seed = self._objective, self._evaluation_env, self._evaluation_seed
        act: Act = objective.act
        if isinstance(objective, QLearning) and epsilon > 0:
            epsilons = np.full(env.num_envs, epsilon)
            act = EpsilonGreedy(objective, self._trainer.actions, epsilons, seed=self._evaluation_exploration_seed)
        actor = Actor(
            env,
            self._trainer.actor_step,
            act,
            seed=seed,
            inputs=self._trainer.inputs,
            longest=self._settings.replay.replay_capacity,
            step_timeout=self._settings.environment.env_timeout,
            keeps_states=self.finished,  # the last evaluation's episodes are measured further
            targets=self._trainer.targets,
        )
        return evaluate(actor, None if isinstance(objective, QLearning) else objective.error)

    def _measure_last(self) -> None:
        evaluation = self._evaluation
        assert evaluation is not None  # the last update is always measured
        if not isinstance(self._objective, QLearning):
            fresh = self._fresh_loss(evaluation.episodes)
            if fresh is not None:
                self._note("fresh_loss", fresh[0])
                self._note("fresh_loss_standard_error", fresh[1])
        for name, profile in (("eval_error", evaluation.error_by_position), ("reward", evaluation.reward_by_position)):
            if profile is not None:
                for position, value in enumerate(profile[:LONGEST_PROFILE].tolist()):
                    if np.isfinite(value):  # no target at this step of any episode
                        self._note(f"{name}_at_step_{position}", value)
        if isinstance(self._objective, QLearning):
            self._random = self._evaluate(epsilon=1.0)
            self._note("random_return", self._random.episode_return)

    def _fresh_loss(self, episodes: list[Episode]) -> tuple[float, float] | None:
        """Mean loss on fragments that were never trained, and its standard error over episodes; None without targets.

        An error floor holds for these. The loss on replayed fragments can sink a little below it, since the network
        fits the noise of what replay holds.
        """
        replay = Replay(self._settings.replay, self._initialization, self._objective, self._trainer.inputs)
        replay.add(*episodes)
        rows = replay.all_rows()
        size = self._settings.measured_fragments
        chunks = np.resize(rows, (-(-len(rows) // size), size))  # whole chunks: no further program to compile
        losses, masks = [], []
        for chunk in chunks:
            batch = replay.batch(chunk)
            _, outputs = self._trainer.measure(batch, replay.references(chunk), self.learner.learned_state)
            found = self._objective.losses(outputs, outputs, batch.labels)
            masks.append(np.asarray(trained_steps(batch.mask, found)))
            losses.append(np.where(masks[-1], found.loss, 0.0))
        of_fragments = np.concatenate(losses).sum(1)[: len(rows)]
        trained = np.concatenate(masks).sum(1)[: len(rows)]
        _, owners = np.unique(replay.episodes_of(rows), return_inverse=True)
        sums, counts = np.bincount(owners, of_fragments), np.bincount(owners, trained)
        if not counts.any():
            return None
        mean = float(sums.sum() / counts.sum())
        deviations = (sums - mean * counts) / counts.mean()
        return mean, float(deviations.std() / np.sqrt(len(counts)))
