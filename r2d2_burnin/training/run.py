"""One training run, round by round: act, update, measure; it can be saved after any round and resumed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from r2d2_burnin.data import Episode, Measurement, TrainingResult
from r2d2_burnin.diagnostics.evaluator import Evaluator, fresh_loss
from r2d2_burnin.faults import TrainingDiverged
from r2d2_burnin.initialization import Initialization
from r2d2_burnin.learning.learner import Learner, Updates
from r2d2_burnin.learning.reward_scale import RewardScale
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.replay.references import ReferenceSample
from r2d2_burnin.runtime import archive, nests
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.training.collector import Collector
from r2d2_burnin.training.costs import Costs
from r2d2_burnin.training.parts import Parts


class TrainingRun:
    """A run of a task, with an initialization.

    Args:
        parts: what runs of the same settings share: network, compiled programs.
        initialization: what fragments start from.
        sampling_seed: of the fragments drawn.
        collector: where episodes come from.
        evaluator: evaluates the network.
        references: chooses the fragments that ΔQ is measured on, with a generator of its own.
    """

    def __init__(
        self,
        parts: Parts,
        initialization: Initialization,
        *,
        sampling_seed: int,
        collector: Collector,
        evaluator: Evaluator,
        references: ReferenceSample,
    ) -> None:
        task = parts.task
        self.update = 0
        self.measurements: list[Measurement] = []
        self.learner = parts.learner(initialization)
        self.replay = Replay(task.settings.replay, initialization, task.objective, task.inputs, references=references)
        self.collector = collector
        self._parts = parts
        self._initialization = initialization
        self._settings = task.settings
        self._measure_discrepancies = parts.measure(initialization)
        self._generator = np.random.default_rng(sampling_seed)
        self._evaluator = evaluator
        self._costs = Costs()
        self._reward_scale = RewardScale(enabled=task.objective.scales_rewards)
        task.inputs.reward_scale = self._reward_scale.value
        self._loss = float("nan")

    @property
    def finished(self) -> bool:
        """Whether all updates are made."""
        return self.update >= self._settings.updates

    @property
    def status(self) -> str:
        """How the run goes, for a progress bar."""
        evaluation = self._evaluator.last
        return f"loss {self._loss:.3g}" + ("" if evaluation is None else f", {evaluation.status}")

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
        updates = self._make_updates(rows)
        before, self.update = self.update, self.update + count
        if updates.trained.any():  # a batch may have no step with a target
            self._loss = float(updates.losses[updates.trained > 0].mean())
            self._note("train_loss", self._loss)
        self._note("staleness", staleness)
        for metric, value in self.collector.measures().items():
            self._note(metric, value)

        period = settings.measure_every
        measures = self.finished or self.update // period > before // period
        if measures:
            self._measure()
        return measures

    def result(self) -> TrainingResult:
        """What was measured; `seconds` is left to the caller."""
        outcomes, baselines = self._evaluator.outcomes()
        return TrainingResult(
            self.measurements,
            seconds=0.0,
            replay_bytes=self.replay.nbytes - self.replay.reference_bytes,
            longest_start=self.replay.longest_start,
            outcomes=outcomes,
            baselines=baselines,
            **self._costs.results,
        )

    def get_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Everything that decides how the run goes on, as arrays and as what JSON has."""
        arrays = {
            **archive.with_prefix("replay", self.replay.get_state()),
            **archive.with_prefix("learner", self.learner.get_state()),
            **archive.with_prefix("acting", self.collector.get_state()),
        }
        header = {
            "update": self.update,
            "generator": self._generator.bit_generator.state,
            "measurements": [[m.update, m.metric, m.value, m.step] for m in self.measurements],
            "costs": self._costs.get_state(),
            "reward_scale": self._reward_scale.get_state(),
        }
        return arrays, header

    def set_state(self, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
        """Go on from what `get_state` of a run with the same settings, initialization and seed returned."""
        self.replay.set_state(archive.part("replay", arrays), self._parts.network.initial_state(1))
        self.learner.set_state(archive.part("learner", arrays))
        self.collector.set_state(archive.part("acting", arrays))
        self.update = header["update"]
        self._generator.bit_generator.state = header["generator"]
        self.measurements = [Measurement(*row) for row in header["measurements"]]
        self._costs.set_state(header["costs"])
        self._reward_scale.set_state(header["reward_scale"])
        self._parts.task.inputs.reward_scale = self._reward_scale.value

    def _note(self, metric: str, value: float, step: int | None = None) -> None:
        self.measurements.append(Measurement(self.update, metric, value, step))

    def _collect(self, steps: int) -> None:
        """Act for `steps` steps, and on until replay holds an episode; rate new fragments where priorities count."""
        self.collector.prepare(self.update)
        acted: Iterable[list[Episode]] = act(self.collector, self.replay, steps)
        if not self._reward_scale.is_known:
            acted = self._acted_in_scale(list(acted), steps)
        added = [self.replay.add(*self._costs.count(episodes)) for episodes in acted]
        if self._settings.replay.priority_exponent > 0 and added:
            rows = np.intersect1d(np.concatenate(added), self.replay.all_rows())
            rate_fragments(self.replay, self.learner, rows, size=self._settings.batch_size, update=self.update)

    def _acted_in_scale(self, acted: list[list[Episode]], steps: int) -> Iterable[list[Episode]]:
        """What was acted, or the first round acted again where it has rewards and the network is shown them.

        Its states were computed from rewards shown as zeros: with the scale, no parameters would compute them. A later
        round with the first rewards is kept: acted from a new reset, its environments would not come to them.
        """
        for episodes in acted:
            self._reward_scale.add(episodes)
        if not self._reward_scale.end_round():
            return acted
        inputs = self._parts.task.inputs
        inputs.reward_scale = self._reward_scale.value
        self._note("reward_scale", self._reward_scale.value)
        if self.update or not inputs.previous_reward:
            return acted
        self.collector.begin_again()
        self.collector.prepare(self.update)
        return act(self.collector, self.replay, steps)

    def _make_updates(self, rows: np.ndarray) -> Updates:
        """An update for each row of fragments `[U, B]`, in one compiled call, or in two where acting asks for it."""
        batches = self.replay.batch(rows)
        began = time.perf_counter()
        parts: list[Updates] = []
        stops = [stop for stop in self.collector.stops(self.update, len(rows)) if 0 < stop < len(rows)]
        leaves = nests.flatten(batches)
        for first, end in zip([0, *stops], [*stops, len(rows)], strict=True):
            parts.append(self.learner.update(nests.pack(batches, [leaf[first:end] for leaf in leaves])))
            if not np.isfinite(parts[-1].losses).all():
                bad = int(np.flatnonzero(~np.isfinite(parts[-1].losses))[0])
                raise TrainingDiverged(
                    f"the loss of update {self.update + first + bad + 1} is {parts[-1].losses[bad]}, expected a finite"
                    " number; a smaller --learning-rate or --gradient-clip may help"
                )
            self.collector.note_parameters(self.update + end)
        self._costs.add_updates(batches, time.perf_counter() - began)
        updates = parts[0]
        if len(parts) > 1:
            updates = tf.nest.map_structure(lambda *leaves: np.concatenate(leaves), *parts)
        self.replay.set_priorities(rows.ravel(), updates.priorities.ravel())
        self.replay.refresh(rows, updates.states, self.update)
        return updates

    def _measure(self) -> None:
        count = self._settings.measured_fragments
        # Not used: measured fragments were drawn by this generator once, and training's draws are to stay the same.
        self._generator.choice(self.replay.all_rows(), count)
        # At random, whatever training draws by: the fragments measured are those of every initialization.
        rows = self.replay.draw_measured(count)
        self._costs.note_measured(rows)
        discrepancies, _ = self._measure_discrepancies(
            self.replay.batch(rows), self.replay.references(rows), self.learner.learned_state
        )
        for metric, values in discrepancies._asdict().items():
            if self._settings.cut_episodes is None or not metric.endswith("_exact"):  # which takes whole episodes
                self._note(metric, float(values.mean()))
        # The last evaluation's episodes are measured further, from their states.
        evaluation = self._evaluator.evaluate(with_states=self.finished)
        if evaluation.error is not None:
            self._note("eval_error", evaluation.error)
        self._note("episode_return", evaluation.episode_return)
        if self.finished:
            self._measure_last(evaluation.episodes)

    def _measure_last(self, episodes: list[Episode]) -> None:
        for metric, value in fresh_losses(self._parts, self._initialization, self.learner, episodes):
            self._note(metric, value)
        for metric, value, step in self._evaluator.profiles():
            self._note(metric, value, step)


def act(collector: Collector, replay: Replay, steps: int) -> Iterator[list[Episode]]:
    """Episodes that end within `steps` steps of acting, and where replay is empty, within more until one does."""
    has_any = len(replay) > 0
    for episodes in collector.collect(steps):
        has_any = True
        yield episodes
    while not has_any:
        for episodes in collector.collect(1):
            has_any = True
            yield episodes


def fresh_losses(
    parts: Parts, initialization: Initialization, learner: Learner, episodes: list[Episode]
) -> Iterator[tuple[str, float]]:
    """The loss on fragments of fresh episodes, and its standard error, by metric, where the objective has targets."""
    task = parts.task
    if not task.objective.reads_targets:
        return
    loss = fresh_loss(
        episodes,
        task.settings.replay,
        initialization,
        task.objective,
        task.inputs,
        parts.measure(initialization),
        learner.learned_state,
        task.settings.measured_fragments,
    )
    if loss is not None:
        mean, standard_error = loss
        yield "fresh_loss", mean
        if standard_error is not None:
            yield "fresh_loss_standard_error", standard_error


def rate_fragments(replay: Replay, learner: Learner, rows: np.ndarray, *, size: int, update: int) -> None:
    """Set the priorities of new fragments `[n]`, in batches of `size`, by today's parameters.

    Raises:
        TrainingDiverged: when a priority is not finite.
    """
    for chunk in np.resize(rows, (-(-len(rows) // size), size)):  # whole chunks: one program to compile
        priorities = learner.priorities(replay.batch(chunk))
        if not np.isfinite(priorities).all():
            raise TrainingDiverged(
                f"the errors of new fragments after update {update} are not finite, expected finite numbers;"
                " a smaller --learning-rate or --gradient-clip may help"
            )
        replay.set_priorities(chunk, priorities)
