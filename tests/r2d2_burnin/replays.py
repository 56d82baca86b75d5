"""Replays of a small LSTM in NumPy, correct ones and ones with a fault planted, for tests of the audit."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

State = tuple[np.ndarray, ...]


@dataclasses.dataclass(frozen=True)
class Lstm:
    """An LSTM of one or more layers and a linear head; its state is (h, c), `[B, layers, H]` or `[B, H]` each."""

    weights: tuple[tuple[np.ndarray, np.ndarray], ...]  # a layer: [inputs + H, 4H], [4H]
    head: np.ndarray  # [H, A]

    @property
    def units(self) -> int:
        return len(self.head)

    def initial_state(self, batch_size: int) -> State:
        layers = len(self.weights)
        shape = (batch_size, self.units) if layers == 1 else (batch_size, layers, self.units)
        return np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def unroll(self, observations: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        shape = state[0].shape
        h, c = (np.array(leaf, np.float32).reshape(shape[0], -1, self.units) for leaf in state)
        outputs = []
        for t in range(observations.shape[1]):
            x = np.asarray(observations[:, t], np.float32)
            for layer, (kernel, bias) in enumerate(self.weights):
                i, f, g, o = np.split(np.concatenate([x, h[:, layer]], 1) @ kernel + bias, 4, 1)
                i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
                c[:, layer] = f * c[:, layer] + i * np.tanh(g)
                h[:, layer] = x = o * np.tanh(c[:, layer])
            outputs.append(x @ self.head)
        return np.stack(outputs, 1), (h.reshape(shape), c.reshape(shape))

    def moved(self, rng: np.random.Generator, size: float) -> Lstm:
        """The same with other parameters, as far off as `size` in standard deviations."""

        def other(array: np.ndarray) -> np.ndarray:
            noise = rng.normal(size=array.shape) * max(float(array.std()), 0.1) * size
            return (array + noise).astype(np.float32)

        return Lstm(tuple((other(k), other(b)) for k, b in self.weights), other(self.head))


def make_lstm(
    rng: np.random.Generator, *, features: int = 4, units: int = 12, actions: int = 3, layers: int = 1
) -> Lstm:
    weights = []
    for layer in range(layers):
        inputs = (features if layer == 0 else units) + units
        bias = rng.normal(size=4 * units) * 0.5
        bias[units : 2 * units] += 1.0
        kernel = rng.normal(size=(inputs, 4 * units)) * 1.5 / np.sqrt(inputs)
        weights.append((kernel.astype(np.float32), bias.astype(np.float32)))
    return Lstm(tuple(weights), rng.normal(size=(units, actions)).astype(np.float32))


@dataclasses.dataclass(frozen=True)
class World:
    """What was acted: episodes with every state, by networks of several ages."""

    network: Lstm  # today's
    observations: list[np.ndarray]  # [T, F] of each episode
    states: list[State]  # [T + 1, ...] before each step
    outputs: list[np.ndarray]  # [T, A]
    ages: np.ndarray  # [E]


def make_world(
    seed: int,
    *,
    episodes: int = 24,
    drift: float = 0.0,
    oldest: int = 0,
    layers: int = 1,
    units: int = 12,
    actions: int = 3,
) -> World:
    """Episodes of 50 to 90 steps; networks drift by `drift` standard deviations over the `oldest` updates."""
    rng = np.random.default_rng(seed)
    network = make_lstm(rng, layers=layers, units=units, actions=actions)
    old = network.moved(rng, drift)

    def between(part: float) -> Lstm:
        def mixed(new: np.ndarray, aged: np.ndarray) -> np.ndarray:
            return ((1 - part) * new + part * aged).astype(np.float32)

        pairs = zip(network.weights, old.weights, strict=True)
        weights = tuple((mixed(k, j), mixed(b, c)) for (k, b), (j, c) in pairs)
        return Lstm(weights, mixed(network.head, old.head))

    ages = rng.integers(0, oldest + 1, episodes) if oldest else np.zeros(episodes, np.int64)
    world = World(network, [], [], [], ages)
    for age in ages:
        acted = between(age / oldest) if oldest else network
        x = rng.normal(size=(int(rng.integers(50, 91)), 4)).astype(np.float32)
        x[:, 0] = np.cumsum(x[:, 0]) / 4  # something that goes on from step to step
        state = acted.initial_state(1)
        states, outputs = [state], []
        for t in range(len(x)):
            given, state = acted.unroll(x[None, t : t + 1], state)
            states.append(state)
            outputs.append(given[0, 0])
        world.observations.append(x)
        world.states.append(tuple(np.concatenate(leaves) for leaves in zip(*states, strict=True)))
        world.outputs.append(np.stack(outputs))
    return world


def replay(world: World, *, length: int = 20, period: int = 10, left: int = 0) -> dict[str, Any]:
    """Correct sequences: starts every `period` steps, padded after the end, by `left` steps before the beginning."""
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            "observations",
            "is_first",
            "mask",
            "episode",
            "first_step",
            "outputs",
            "age",
            "state/0",
            "state/1",
        )
    }
    for number, x in enumerate(world.observations):
        for start in range(-left, len(x) - 1, period):
            places = np.arange(start, start + length)
            mask = (places >= 0) & (places < len(x))
            inside = np.clip(places, 0, len(x) - 1)
            begin = max(start, 0)
            columns["observations"].append(np.where(mask[:, None], x[inside], 0))
            columns["outputs"].append(np.where(mask[:, None], world.outputs[number][inside], 0))
            columns["is_first"].append(places == 0)
            columns["mask"].append(mask)
            columns["episode"].append(number)
            columns["first_step"].append(begin)
            columns["age"].append(world.ages[number])
            for i in range(2):
                columns[f"state/{i}"].append(world.states[number][i][begin])
    arrays = {name: np.stack(column) for name, column in columns.items()}
    return arrays


def with_states(arrays: dict[str, Any], states: State, rows: np.ndarray) -> dict[str, Any]:
    """The arrays with other stored states `[n, ...]` in some sequences."""
    changed = dict(arrays)
    for i, leaf in enumerate(states):
        changed[f"state/{i}"] = arrays[f"state/{i}"].copy()
        changed[f"state/{i}"][rows] = leaf
    return changed


def true_states(world: World, arrays: dict[str, Any], rows: np.ndarray, shift: int = 0) -> State:
    """The states `[n, ...]` that the actor had `shift` steps after the first steps of sequences."""
    places = [(int(arrays["episode"][row]), max(int(arrays["first_step"][row]) + shift, 0)) for row in rows]
    return tuple(np.stack([world.states[e][i][s] for e, s in places]) for i in range(2))


def stream(world: World, *, length: int = 30, period: int = 30) -> dict[str, Any]:
    """Correct sequences that go on over the ends of episodes, with flags where the next ones begin."""
    numbers = np.concatenate([np.full(len(x), i) for i, x in enumerate(world.observations)])
    steps = np.concatenate([np.arange(len(x)) for x in world.observations])
    observations, outputs = np.concatenate(world.observations), np.concatenate(world.outputs)
    states = [np.concatenate([leaves[i][:-1] for leaves in world.states]) for i in range(2)]
    starts = np.arange(0, len(numbers) - length + 1, period)
    places = starts[:, None] + np.arange(length)
    return {
        "observations": observations[places],
        "outputs": outputs[places],
        "is_first": steps[places] == 0,
        "mask": np.ones(places.shape, np.bool_),
        "age": world.ages[numbers[starts]],
        "episodes": numbers[places],
        "state/0": states[0][starts],
        "state/1": states[1][starts],
    }
