"""A recurrent cell in plain JAX, trained by gradient descent on a task whose memory is known, then judged here.

The observation is a random bit, the target the bit of DELAY steps ago. The network is a pure function of parameters,
observations and state; with its parameters and its initial state it is all that this project asks for. While it is
trained, it acts now and then; these sequences, with the states that it had, are audited at the end.

    python -m experiments.examples.jax_cell
    python -m r2d2_burnin.check --env BitStream/Recall-v0 --env-kwargs delay=2 --objective q-learning \
        --network experiments.examples.jax_cell:make_network
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

DELAY, LENGTH, UNITS, SEQUENCE, PERIOD = 2, 40, 24, 10, 5
ENV = "envs:BitStream/Recall-v0"

Parameters = dict[str, Any]


def make_parameters(features: int, outputs: int, seed: int = 0) -> Parameters:
    """The parameters of a gated recurrent unit and of a linear head."""
    keys = jax.random.split(jax.random.key(seed), 3)
    orthogonal, normal = jax.nn.initializers.orthogonal(), jax.nn.initializers.lecun_normal()
    return {
        "kernel": normal(keys[0], (features, 3 * UNITS)),
        "recurrent": jnp.concatenate([orthogonal(key, (UNITS, UNITS)) for key in jax.random.split(keys[1], 3)], 1),
        "bias": jnp.zeros(3 * UNITS),
        "head": normal(keys[2], (UNITS, outputs)),
    }


def initial_state(batch_size: int) -> Any:
    """Zeros `[B, H]`: what an episode starts with."""
    return jnp.zeros((batch_size, UNITS))


@jax.jit  # type: ignore[untyped-decorator]
def apply(parameters: Parameters, observations: Any, state: Any) -> tuple[Any, Any]:
    """Outputs `[B, T, A]` and the last state from observations `[B, T, F]`: a GRU (Cho et al., 2014)."""

    def step(h: Any, x: Any) -> tuple[Any, Any]:
        of_input = x @ parameters["kernel"] + parameters["bias"]
        of_state = h @ parameters["recurrent"]
        update = jax.nn.sigmoid(of_input[:, :UNITS] + of_state[:, :UNITS])
        reset = jax.nn.sigmoid(of_input[:, UNITS : 2 * UNITS] + of_state[:, UNITS : 2 * UNITS])
        candidate = jnp.tanh(of_input[:, 2 * UNITS :] + reset * of_state[:, 2 * UNITS :])
        h = update * h + (1 - update) * candidate
        return h, h @ parameters["head"]

    last, outputs = jax.lax.scan(step, state, jnp.swapaxes(observations, 0, 1))
    return jnp.swapaxes(outputs, 0, 1), last


def make_network(observation_space: Any, action_space: Any) -> Any:
    """An untrained network, for the commands of this project."""
    return apply, make_parameters(observation_space.shape[0], int(action_space.n)), initial_state


@jax.jit  # type: ignore[untyped-decorator]
def learn(parameters: Parameters, moments: Any, bits: Any, rate: float) -> tuple[Parameters, Any, Any]:
    """One step of RMSProp on the cross-entropy of whole episodes of bits `[B, LENGTH]`; returns the loss too."""

    def loss(parameters: Parameters) -> Any:
        outputs, _ = apply(parameters, bits[..., None], initial_state(bits.shape[0]))
        chosen = jax.nn.log_softmax(outputs[:, DELAY:])
        return -jnp.take_along_axis(chosen, bits[:, :-DELAY, None].astype(int), 2).mean()

    value, gradient = jax.value_and_grad(loss)(parameters)
    moments = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g**2, moments, gradient)
    moved = jax.tree.map(lambda p, g, m: p - rate * g / (jnp.sqrt(m) + 1e-8), parameters, gradient, moments)
    return moved, moments, value


def act(parameters: Parameters, bits: np.ndarray) -> dict[str, np.ndarray]:
    """Sequences of episodes of bits `[B, LENGTH]`, each with the state that the actor had before its first step."""
    state, states, outputs = initial_state(len(bits)), [], []
    for step in range(LENGTH):
        states.append(np.asarray(state))
        values, state = apply(parameters, bits[:, step : step + 1, None], state)
        outputs.append(np.asarray(values[:, 0]))
    starts = np.arange(0, LENGTH - SEQUENCE + 1, PERIOD)
    steps = starts[:, None] + np.arange(SEQUENCE)
    rows = {
        "observations": bits[:, steps, None],
        "outputs": np.stack(outputs, 1)[:, steps],
        "state": np.stack(states, 1)[:, starts],
        "is_first": np.broadcast_to(steps == 0, (len(bits), *steps.shape)),
        "is_last": np.broadcast_to(steps == LENGTH - 1, (len(bits), *steps.shape)),
        "episode": np.broadcast_to(np.arange(len(bits))[:, None], (len(bits), len(starts))),
        "first_step": np.broadcast_to(starts, (len(bits), len(starts))),
    }
    return {name: array.reshape(-1, *array.shape[2:]) for name, array in rows.items()}


def joined(acted: dict[int, dict[str, np.ndarray]], updates: int) -> dict[str, np.ndarray]:
    """What an audit asks for, from what was acted after so many updates: none is padded."""
    parts, before = [], 0
    for update, part in acted.items():
        age = np.full(len(part["episode"]), updates - update)
        parts.append(part | {"episode": part["episode"] + before, "age": age})
        before += int(part["episode"].max()) + 1
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return arrays | {"mask": np.ones_like(arrays["is_first"])}


def train(updates: int = 200, seed: int = 0) -> tuple[Parameters, float, dict[str, np.ndarray]]:
    """Trained parameters, the last loss in nats (log 2 is chance), and a replay of the last quarter of the updates."""
    generator = np.random.default_rng(seed)
    parameters = make_parameters(1, 2, seed)
    moments = jax.tree.map(jnp.zeros_like, parameters)
    acted = {}
    for update in range(updates):
        bits = generator.integers(0, 2, (32, LENGTH)).astype(np.float32)
        if update >= 3 * updates // 4 and update % 10 == 0:
            acted[update] = act(parameters, bits)
        parameters, moments, loss = learn(parameters, moments, bits, 1e-2 * (1 - update / updates))
    return parameters, float(loss), joined(acted, updates)


def main() -> None:
    """Train, then check the states, give advice, and audit the replay."""
    from r2d2_burnin import EnvironmentSettings, advise, audit_replay, check_state_equivalence, record_episodes

    parameters, loss, replay = train()
    network = (apply, parameters, initial_state)
    env = EnvironmentSettings(ENV, env_kwargs={"delay": DELAY, "length": LENGTH})
    episodes = record_episodes(network, env, count=64, num_envs=16)
    right = np.mean([episode.rewards[DELAY:] for episode in episodes])
    print(f"trained: a loss of {loss:.2g} nats, {100 * right:.0f} % of the answers are right")
    check_state_equivalence(network, episodes)
    print("check: state equivalence holds")
    print(f"advice: {advise(network, episodes, sequence_length=SEQUENCE, period=PERIOD, tolerance=0.1).sentence}")
    print("audit:", *audit_replay(network, replay).sentences, sep="\n- ")


if __name__ == "__main__":
    main()
