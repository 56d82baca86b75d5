"""A recurrent DQN in plain PyTorch, with its own replay of stored states, on a task whose memory is known.

The observation is a random bit, the reward 1 for repeating the bit of DELAY steps ago. Nothing of this project is used
to train. Then it is asked whether the agent's states are the same however they are reached, how long its burn-in must
be (DELAY steps, if it has learned the task), and what the replay's stored states are worth.

    python -m experiments.examples.torch_dqn
    python -m r2d2_burnin.check --env BitStream/Recall-v0 --env-kwargs delay=3 --objective q-learning \
        --network experiments.examples.torch_dqn:make_network
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import nn

DELAY, LENGTH, SEQUENCE, UNITS, DISCOUNT, ROUNDS = 3, 40, 10, 32, 0.0, 40
ENV = "envs:BitStream/Recall-v0"
SETTINGS: dict[str, Any] = {"delay": DELAY, "length": LENGTH}

State = tuple[torch.Tensor, torch.Tensor]
"""h and c of `torch.nn.LSTM`, `[layers, B, H]` each."""


class Agent(nn.Module):  # type: ignore[misc]
    """An LSTM and Q-values `[B, T, A]`."""

    def __init__(self, features: int, actions: int) -> None:
        super().__init__()
        self.memory = nn.LSTM(features, UNITS, batch_first=True)
        self.head = nn.Linear(UNITS, actions)

    def initial_state(self, batch_size: int) -> State:
        """Zeros: what an episode starts with."""
        return torch.zeros(1, batch_size, UNITS), torch.zeros(1, batch_size, UNITS)

    def forward(self, observations: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Q-values `[B, T, A]` and the state after the last step, from observations `[B, T, F]`."""
        hidden, state = self.memory(observations, state)
        return self.head(hidden), state


def make_network(observation_space: Any, action_space: Any) -> Agent:
    """An untrained agent, for the commands of this project."""
    return Agent(observation_space.shape[0], int(action_space.n))


class Replay:
    """The newest sequences of SEQUENCE steps, each with the state that the actor had before its first step."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.rows: list[dict[str, np.ndarray]] = []
        self.episodes = 0

    def add(self, episodes: dict[str, np.ndarray], update: int) -> None:
        """Cut episodes `[B, LENGTH, ...]` into sequences that do not overlap."""
        for number in range(len(episodes["actions"])):
            for start in range(0, LENGTH, SEQUENCE):
                steps = slice(start, start + SEQUENCE)
                row = {
                    name: episodes[name][number, steps] for name in ("observations", "actions", "rewards", "outputs")
                }
                row |= {f"state/{i}": episodes[f"state/{i}"][number, start] for i in range(2)}
                numbers = {"episode": self.episodes + number, "first_step": start, "update": update}
                self.rows.append(row | {name: np.array(value) for name, value in numbers.items()})
        self.episodes += len(episodes["actions"])
        self.rows = self.rows[-self.capacity :]

    def take(self, chosen: Any) -> dict[str, np.ndarray]:
        """The arrays `[B, ...]` of some sequences."""
        rows = [self.rows[i] for i in chosen]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def audited(replay: Replay, updates: int) -> dict[str, np.ndarray]:
    """What the audit of a replay asks for, of all its sequences: each lies within an episode, and none is padded."""
    arrays = replay.take(range(len(replay.rows)))
    is_first, is_last = np.zeros((2, *arrays["actions"].shape), np.bool_)
    is_first[:, 0] = arrays["first_step"] == 0
    is_last[:, -1] = arrays["first_step"] == LENGTH - SEQUENCE
    return {
        **{name: arrays[name] for name in ("observations", "outputs", "episode", "first_step")},
        # As torch.nn.LSTM has them, [N, layers, H] with the batch in front.
        **{f"state/{i}": arrays[f"state/{i}"][:, None] for i in range(2)},
        "is_first": is_first,
        "is_last": is_last,
        "mask": np.ones_like(is_first),
        "burn_in": np.array(0),
        "loss_mask": np.arange(SEQUENCE) < np.full((len(is_first), 1), SEQUENCE - 1),
        "age": updates - arrays["update"],
    }


@torch.no_grad()  # type: ignore[untyped-decorator]
def act(agent: Agent, env: Any, epsilon: float, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """One episode in each environment, `[B, LENGTH, ...]`, with the state before each step."""
    observations, _ = env.reset(seed=int(generator.integers(2**31)))
    state, steps = agent.initial_state(env.num_envs), []
    for _ in range(LENGTH):
        before = [leaf[0].numpy() for leaf in state]
        values, state = agent(torch.tensor(observations, dtype=torch.float32)[:, None], state)
        outputs = values[:, 0].numpy()
        random = generator.integers(0, outputs.shape[1], env.num_envs)
        actions = np.where(generator.random(env.num_envs) < epsilon, random, outputs.argmax(1))
        after, rewards, *_ = env.step(actions)
        steps.append((observations, actions, rewards, outputs, *before))
        observations = after
    names = ("observations", "actions", "rewards", "outputs", "state/0", "state/1")
    return {name: np.stack(column, 1) for name, column in zip(names, zip(*steps, strict=True), strict=True)}


def update(agent: Agent, optimizer: torch.optim.Optimizer, batch: dict[str, np.ndarray]) -> float:
    """One step of Q-learning on sequences that start from their stored states; returns the loss."""
    tensors = {name: torch.tensor(array) for name, array in batch.items()}
    state = tensors["state/0"][None], tensors["state/1"][None]
    values, _ = agent(tensors["observations"].float(), state)
    chosen = values.gather(2, tensors["actions"][..., None])[..., 0]
    following = values.detach().max(2).values[:, 1:]  # a target network would come here; the discount is 0
    targets = tensors["rewards"].float()[:, :-1] + DISCOUNT * following
    loss = nn.functional.mse_loss(chosen[:, :-1], targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def train(rounds: int = ROUNDS, seed: int = 0) -> tuple[Agent, Replay, float]:
    """A trained agent, its replay, and the share of right answers in the last round, after DELAY steps."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    generator = np.random.default_rng(seed)
    env = gym.make_vec(ENV, num_envs=16, **SETTINGS)
    agent, replay = Agent(1, 2), Replay(1024)
    optimizer = torch.optim.Adam(agent.parameters(), 1e-2)
    for number in range(rounds):
        episodes = act(agent, env, 0.3 * (number < rounds - 1), generator)
        replay.add(episodes, 10 * number)
        for _ in range(10):
            update(agent, optimizer, replay.take(generator.integers(len(replay.rows), size=32)))
    env.close()
    return agent, replay, float(episodes["rewards"][:, DELAY:].mean())


def main() -> None:
    """Train, then check the states, give advice, and audit the replay."""
    from r2d2_burnin import EnvironmentSettings, advise, audit_replay, check_state_equivalence, record_episodes

    agent, replay, right = train()
    print(f"trained: {100 * right:.0f} % of the answers are right, {len(replay.rows)} sequences in replay")
    env = EnvironmentSettings(ENV, env_kwargs=SETTINGS)
    episodes = record_episodes(agent, env, count=64, num_envs=16)
    check_state_equivalence(agent, episodes)
    print("check: state equivalence holds")
    print(f"advice: {advise(agent, episodes, sequence_length=SEQUENCE, period=5, tolerance=0.1).sentence}")
    print("audit:", *audit_replay(agent, audited(replay, 10 * ROUNDS)).sentences, sep="\n- ")


if __name__ == "__main__":
    main()
