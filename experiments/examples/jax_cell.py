"""A recurrent cell in plain JAX, trained by gradient descent on a task whose memory is known, then judged here.

The observation is a random bit, the target the bit of DELAY steps ago. The network is a pure function of parameters,
observations and state; with its parameters and its initial state it is all that this project asks for.

    python -m experiments.examples.jax_cell
    python -m r2d2_burnin.check --env BitStream/Recall-v0 --env-kwargs delay=2 --objective q-learning \
        --network experiments.examples.jax_cell:make_network
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

DELAY, LENGTH, UNITS = 2, 40, 24
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


def train(updates: int = 200, seed: int = 0) -> tuple[Parameters, float]:
    """Trained parameters, and the last loss in nats (log 2 is chance)."""
    generator = np.random.default_rng(seed)
    parameters = make_parameters(1, 2, seed)
    moments = jax.tree.map(jnp.zeros_like, parameters)
    for update in range(updates):
        bits = generator.integers(0, 2, (32, LENGTH)).astype(np.float32)
        parameters, moments, loss = learn(parameters, moments, bits, 1e-2 * (1 - update / updates))
    return parameters, float(loss)


def main() -> None:
    """Train, then check the states and give advice."""
    from r2d2_burnin import EnvironmentSettings, advise, check_state_equivalence, record_episodes

    parameters, loss = train()
    network = (apply, parameters, initial_state)
    env = EnvironmentSettings(ENV, env_kwargs={"delay": DELAY, "length": LENGTH})
    episodes = record_episodes(network, env, count=64, num_envs=16)
    right = np.mean([episode.rewards[DELAY:] for episode in episodes])
    print(f"trained: a loss of {loss:.2g} nats, {100 * right:.0f} % of the answers are right")
    check_state_equivalence(network, episodes)
    print("check: state equivalence holds")
    print(f"advice: {advise(network, episodes, sequence_length=10, period=5, tolerance=0.1).sentence}")


if __name__ == "__main__":
    main()
