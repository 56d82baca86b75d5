"""The counting studies of one seed, in a worker process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from experiments.common.jobs import Report, Worker
from experiments.common.results import to_json, write_sealed
from experiments.counting.records import CarriedState, Curves, Example, SeedStudies, StoredErrors, TrainedStudy
from experiments.counting.studies import AGES, FEEDS, RunSpecification, StudySettings
from r2d2_burnin.data import FragmentBatch
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.learning.objectives import Regression
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.networks.weights import get_weights, set_weights
from r2d2_burnin.runtime.compiled import Compiled
from r2d2_burnin.runtime.tensorflow import tf, use_one_thread
from r2d2_burnin.settings import LearnerSettings


def study(run: RunSpecification, progress: Report, worker: Worker) -> None:
    """Make the studies of one seed, and write their `SeedStudies` to `run.path`."""
    use_one_thread()
    write_sealed(run.path, to_json(make_studies(run.settings, run.studies, run.seed, progress)))


def make_studies(
    settings: StudySettings, studies: tuple[str, ...], seed: int, progress: Callable[[int, str], None]
) -> SeedStudies:
    """The studies named, for one seed.

    The networks of both trainings begin alike and see the same sequences in the same order.
    """
    last_step = every_step = carried_state = None
    before = 0

    def report(done: int, status: str) -> None:
        progress(before + done, status)

    if "last-step" in studies:
        last_step = Trained(settings, seed, every_step=False, report=report).outcome()
        before += settings.epochs * settings.updates_an_epoch
    if "every-step" in studies or "carried-state" in studies:
        trained = Trained(settings, seed, every_step=True, report=report)
        every_step = trained.outcome() if "every-step" in studies else None
        carried_state = trained.carried_state() if "carried-state" in studies else None
    return SeedStudies(last_step, every_step, carried_state)


class Trained:
    """A network trained on running or last counts, with what its training left behind."""

    def __init__(
        self, settings: StudySettings, seed: int, *, every_step: bool, report: Callable[[int, str], None]
    ) -> None:
        seeds = np.random.SeedSequence(seed).generate_state(5) >> 1
        self._settings = settings
        self._every_step = every_step
        self._bits, self._counts = draw_sequences(settings.sequences, settings.length, int(seeds[0]))
        self._held_out = draw_sequences(settings.validation, settings.length, int(seeds[4]))
        self._test_bits, self._test_counts = draw_sequences(1000, 2 * settings.length, int(seeds[1]))
        self._generator = np.random.default_rng(seeds[2])
        self.network = DenseRecurrentNetwork(1, 1, settings.network, seed=int(seeds[3]))
        rate = settings.learning_rate
        no_clipping = 1e9
        updates = settings.epochs * settings.updates_an_epoch
        self._learner = Learner(
            self.network,
            Regression(settings.length + 1),
            LearnerSettings(learning_rate=rate, final_learning_rate=rate, gradient_clip=no_clipping),
            updates=updates,
        )
        self._compiled_unroll = Compiled(self.network.unroll)
        self.old_parameters: dict[int, list[np.ndarray]] = {}
        self.curves = self._train(updates, report)

    def _train(self, updates: int, report: Callable[[int, str], None]) -> Curves:
        settings, done = self._settings, 0
        keep = {updates - age: age for age in AGES if age <= updates and self._every_step}
        train, validation = [], []
        for _ in range(settings.epochs):
            batches = self._epoch()
            count = settings.updates_an_epoch
            # An epoch in which an old state will be wanted goes update by update, all others in one program.
            single = any(done <= update < done + count for update in keep)
            losses = []
            for begin in range(0, count, 1 if single else count):
                if done + begin in keep:
                    self.old_parameters[keep[done + begin]] = get_weights(self.network)
                end = begin + (1 if single else count)
                losses += self._learner.update(_slice(batches, begin, end)).losses.tolist()
            done += count
            train.append(float(np.mean(losses)))
            validation.append(self._validation_error())
            if not np.isfinite([train[-1], validation[-1]]).all():
                raise ValueError(
                    f"learning_rate: got {settings.learning_rate:g}, with which the error is no longer finite after"
                    f" {done} updates, expected a smaller one; the article's is 0.001"
                )
            report(done, f"validation error {validation[-1]:.3g}")
        return Curves(train, validation)

    def _epoch(self) -> Any:
        """All training sequences in a new order, as batches `[U, B, ...]`; the last one is filled up and masked."""
        settings = self._settings
        shape = (settings.updates_an_epoch, settings.batch_size)
        order = np.resize(self._generator.permutation(settings.sequences), shape)
        real = (np.arange(order.size) < settings.sequences).reshape(shape)
        mask = np.repeat(real[..., None], settings.length, -1)
        if not self._every_step:
            mask[..., :-1] = False
        return FragmentBatch(
            processed=self._bits[order],
            labels={"target": self._counts[order]},
            mask=mask,
            weights=np.ones(shape, np.float32),
            burn_in_mask=np.zeros((*shape, 0), bool),
            start_state=tf.nest.map_structure(
                lambda leaf: np.broadcast_to(leaf.numpy(), (shape[0], *leaf.shape)),
                self.network.initial_state(shape[1]),
            ),
            from_initial_state=np.ones(shape, bool),
        )

    def _validation_error(self) -> float:
        bits, counts = self._held_out
        errors = (self.predict(bits) - counts) ** 2
        return float(errors.mean() if self._every_step else errors[:, -1].mean())

    def predict(self, bits: np.ndarray, state: Any = None) -> np.ndarray:
        """Counts `[B, T]` said after each bit of `[B, T, 1]`."""
        return np.asarray(self._unroll(bits, state)[0])

    def _unroll(self, bits: np.ndarray, state: Any = None, begin: int = 0, end: int | None = None) -> tuple[Any, Any]:
        """Outputs `[B, end - begin]` and last state from the steps `begin` to `end` alone of `[B, T, 1]`.

        The other steps are masked, so that one program does for every such part.
        """
        steps = np.arange(bits.shape[1])
        end = len(steps) if end is None else end
        mask = np.broadcast_to((steps >= begin) & (steps < end), bits.shape[:2])
        state = self.network.initial_state(len(bits)) if state is None else state
        outputs, last = self._compiled_unroll(bits, state, mask)
        return np.asarray(outputs)[:, begin:end, 0], last

    def outcome(self) -> TrainedStudy:
        """Curves, errors at every sequence length (see `MEASURES`), and a few predictions."""
        predictions = self.predict(self._test_bits)
        last_step = ((predictions - self._test_counts) ** 2).mean(0, dtype=np.float64)
        examples = []
        for row in range(6):
            length = self._settings.length
            bits = self._test_bits[row, :length, 0].astype(int)
            examples.append(
                Example(
                    bits="".join(map(str, bits)),
                    count=int(bits.sum()),
                    predicted=float(predictions[row, length - 1]),
                    count_halfway=int(bits[: length // 2].sum()),
                    predicted_halfway=float(predictions[row, length // 2 - 1]),
                )
            )
        return TrainedStudy(
            curves=self.curves,
            error_at_length=(mean_over_steps(last_step) if self._every_step else last_step).tolist(),
            error_at_last_step=last_step.tolist(),
            examples=examples,
        )

    def carried_state(self) -> CarriedState:
        """The article's table, and what becomes of a sequence that is split and carried on from some state."""
        states: dict[str, Any] = {"initial": None}
        table = []
        for feed in FEEDS:
            bits = np.array(feed.bits, np.float32)[None, :, None]
            measured, states[feed.end] = self._unroll(bits, states[feed.start])
            table.append([float(value) for value in measured[0]])
        return self._split(table)

    def _split(self, table: list[list[float]]) -> CarriedState:
        length = self._settings.length
        bits, counts = self._test_bits[:, :length], self._test_counts[:, :length]
        whole = self.predict(bits)
        splits = range(1, length)
        today = get_weights(self.network)
        unsplit, carried, zero = [], [], []
        stored: dict[int, list[float]] = {age: [] for age in self.old_parameters}
        difference = 0.0

        def error(outputs: np.ndarray, split: int) -> float:
            return float(((outputs - counts[:, split:]) ** 2).mean())

        for split in splits:
            outputs = self._rest(bits, split, today, today)
            difference = max(difference, float(np.abs(outputs - whole[:, split:]).max()))
            unsplit.append(error(whole[:, split:], split))
            carried.append(error(outputs, split))
            zero.append(error(self._unroll(bits, None, split)[0], split))
            for age, parameters in self.old_parameters.items():
                stored[age].append(error(self._rest(bits, split, parameters, today), split))
        return CarriedState(
            table=table,
            split=list(splits),
            unsplit=unsplit,
            carried=carried,
            zero=zero,
            stored=[StoredErrors(age, errors) for age, errors in stored.items()],
            carried_difference=difference,
        )

    def _rest(self, bits: np.ndarray, split: int, before: list[np.ndarray], after: list[np.ndarray]) -> np.ndarray:
        """Outputs after the split, from the state that the parameters `before` reach at it, with those `after`."""
        set_weights(self.network, before)
        _, state = self._unroll(bits, None, 0, split)
        set_weights(self.network, after)
        return np.asarray(self._unroll(bits, state, split)[0])


def mean_over_steps(error_at_step: np.ndarray) -> np.ndarray:
    """Mean error over all steps of sequences of every length 1 to L, `[L]`, from the errors at each step, `[L]`.

    Neither a count nor its prediction depends on later bits, so the first n steps of longer sequences are sequences of
    length n.
    """
    return error_at_step.cumsum() / np.arange(1, len(error_at_step) + 1)


def draw_sequences(count: int, length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bits `[N, L, 1]` and running counts `[N, L]` of `count` episodes of `BitStream/Count-v0`, float32."""
    env = gym.make_vec("envs:BitStream/Count-v0", num_envs=count, length=length)
    observation, info = env.reset(seed=seed)
    bits, counts = [observation], [info["target"]]
    for _ in range(length - 1):
        observation, _, _, _, info = env.step(np.zeros(count, np.int64))
        bits.append(observation)
        counts.append(info["target"])
    env.close()
    return np.stack(bits, 1), np.stack(counts, 1).astype(np.float32)


def _slice(batches: Any, begin: int, end: int) -> Any:
    return tf.nest.map_structure(lambda array: array[begin:end], batches)
