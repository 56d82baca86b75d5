"""sb3-contrib's RecurrentPPO: its LSTM checked, and the states of its rollout buffer audited, as published.

The observation is a random bit, the reward 1 for repeating the bit of DELAY steps ago. Nothing of this project is used
to train. The critic is audited, as its outputs (values) are in the buffer beside its states. At the end of a rollout,
before the parameters change, the buffer is asked for its sequences in the way that its own training does.

    python -m experiments.examples.sb3_recurrent_ppo
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from torch import nn

from r2d2_burnin import EnvironmentSettings, audit_replay, check_state_equivalence, record_episodes
from r2d2_burnin.diagnostics.audit.result import AuditResult

DELAY, LENGTH, UNITS = 2, 50, 32
ENV = "envs:BitStream/Recall-v0"
ENVIRONMENTS, STEPS, BATCH = 8, 128, 96

State = tuple[torch.Tensor, torch.Tensor]
"""h and c of `torch.nn.LSTM`, `[layers, B, H]` each."""


class Critic(nn.Module):  # type: ignore[misc]
    """The critic of a policy: values `[B, T, 1]` from observations `[B, T, F]` and its LSTM's state."""

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self.policy = policy

    def initial_state(self, batch_size: int) -> State:
        """Zeros: what the policy sets its state to where an episode begins."""
        shape = self.policy.lstm_critic.num_layers, batch_size, self.policy.lstm_critic.hidden_size
        return torch.zeros(shape), torch.zeros(shape)

    def forward(self, observations: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Values and the state after the last step."""
        features = self.policy.vf_features_extractor(observations.flatten(0, 1))
        hidden, state = self.policy.lstm_critic(features.reshape(*observations.shape[:2], -1).transpose(0, 1), state)
        return self.policy.value_net(self.policy.mlp_extractor.forward_critic(hidden.transpose(0, 1))), state


def sequences(buffer: Any) -> dict[str, Any]:
    """All sequences of a rollout buffer, padded to one length, as the arrays that an audit takes."""
    parts = []
    for batch in buffer.get(BATCH):
        h, c = batch.lstm_states.vf
        count = h.shape[1]
        by_step = {
            name: getattr(batch, field).reshape(count, -1, *trailing).numpy()
            for name, field, trailing in (
                ("observations", "observations", (buffer.obs_shape[0],)),
                ("outputs", "old_values", (1,)),
                ("is_first", "episode_starts", ()),
                ("mask", "mask", ()),
            )
        }
        parts.append((by_step, h.transpose(0, 1).numpy(), c.transpose(0, 1).numpy()))
    longest = max(by_step["mask"].shape[1] for by_step, _, _ in parts)

    def padded(array: np.ndarray) -> np.ndarray:
        return np.pad(array, [(0, 0), (0, longest - array.shape[1]), *[(0, 0)] * (array.ndim - 2)])

    arrays = {name: np.concatenate([padded(by_step[name]) for by_step, _, _ in parts]) for name in parts[0][0]}
    arrays |= {f"state/{i}": np.concatenate([part[1 + i] for part in parts]) for i in range(2)}
    arrays |= {name: arrays[name] > 0 for name in ("is_first", "mask")}
    return arrays | {"age": np.zeros(len(arrays["mask"]), np.int64)}


class Audit(BaseCallback):  # type: ignore[misc]
    """Audits the last rollout of a training, with the parameters that have acted."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.result: Any = None

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        if self.num_timesteps >= self.steps:
            self.result = audit_replay(Critic(self.model.policy), sequences(self.model.rollout_buffer))


def train(steps: int = 8_192) -> tuple[RecurrentPPO, AuditResult]:
    """A trained agent, and the audit of its last rollout."""
    torch.set_num_threads(1)
    environments = make_vec_env(lambda: gym.make(ENV, delay=DELAY, length=LENGTH), n_envs=ENVIRONMENTS, seed=0)
    agent = RecurrentPPO(
        "MlpLstmPolicy",
        environments,
        n_steps=STEPS,
        batch_size=BATCH,
        learning_rate=3e-3,
        gamma=0.0,
        seed=0,
        device="cpu",
        policy_kwargs={"lstm_hidden_size": UNITS, "net_arch": []},
    )
    audit = Audit(steps)
    agent.learn(steps, callback=audit)
    return agent, audit.result


def main() -> None:
    """Train, then say what the checks and the audit of the last rollout say."""
    agent, audit = train()
    env = EnvironmentSettings(ENV, env_kwargs={"delay": DELAY, "length": LENGTH})
    critic = Critic(agent.policy)
    check_state_equivalence(critic, record_episodes(critic, env, count=4))
    print("check: state equivalence holds")
    print("\n".join(f"audit: {sentence}" for sentence in audit.sentences))


if __name__ == "__main__":
    main()
