"""TorchRL's LSTMModule with a replay and a SliceSampler: the states of its slices audited, as TorchRL gives them.

The observation is a random bit, an episode LENGTH steps long. A policy with a random LSTM acts; TorchRL stores the
recurrent state before each step beside the step itself. Slices of SEQUENCE steps are drawn, most of them from within an
episode. The audit is given each slice with the state at its first step, which is what the LSTMModule starts from in
its recurrent mode, when it is trained on slices.

The sampler sets `is_init` at the first step of every slice, also within an episode, and the LSTMModule in its recurrent
mode splits slices there and does not reset. An audit's `is_first` is another thing: an episode begins. It is the step
counter's 0 here; an audit refuses `is_init` beside `first_step`, as they disagree.

    python -m experiments.examples.torchrl_slices
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from tensordict.nn import TensorDictModule, TensorDictSequential
from torch import nn
from torchrl.data import LazyTensorStorage, SliceSampler, TensorDictReplayBuffer
from torchrl.envs import GymWrapper, InitTracker, StepCounter, TransformedEnv
from torchrl.modules import LSTMModule, QValueModule

from r2d2_burnin import audit_replay

DELAY, LENGTH, SEQUENCE, UNITS, EPISODES, SLICES = 3, 60, 15, 32, 16, 128
ENV = "envs:BitStream/Recall-v0"

State = tuple[torch.Tensor, torch.Tensor]
"""h and c, `[layers, B, H]` each."""


class Agent(nn.Module):  # type: ignore[misc]
    """The LSTM and the head of a TorchRL policy, as a function of observations and state."""

    def __init__(self, memory: LSTMModule, head: nn.Module) -> None:
        super().__init__()
        self.memory, self.head = memory, head

    def initial_state(self, batch_size: int) -> State:
        """Zeros: what LSTMModule sets its state to where an episode begins as it acts."""
        return torch.zeros(1, batch_size, UNITS), torch.zeros(1, batch_size, UNITS)

    def forward(self, observations: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Q-values `[B, T, A]` and the state after the last step, from observations `[B, T, F]`."""
        hidden, state = self.memory.lstm(observations, state)
        return self.head(hidden), state


def act(episodes: int = EPISODES, seed: int = 0) -> tuple[Agent, TensorDictReplayBuffer]:
    """The agent, and a replay of its steps."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    memory = LSTMModule(input_size=1, hidden_size=UNITS, in_key="observation", out_key="embedding")
    head = nn.Linear(UNITS, 2)
    policy = TensorDictSequential(
        memory, TensorDictModule(head, ["embedding"], ["action_value"]), QValueModule(action_space="one-hot")
    )
    env = TransformedEnv(GymWrapper(gym.make(ENV, delay=DELAY, length=LENGTH)), InitTracker())
    env.append_transform(StepCounter())
    env.append_transform(memory.make_tensordict_primer())
    env.set_seed(seed)
    replay = TensorDictReplayBuffer(
        storage=LazyTensorStorage(episodes * LENGTH),
        sampler=SliceSampler(slice_len=SEQUENCE, traj_key="episode"),
        batch_size=SLICES * SEQUENCE,
    )
    with torch.no_grad():
        for number in range(episodes):
            steps = env.rollout(LENGTH, policy)
            steps["episode"] = torch.full(steps.shape, number)
            replay.extend(steps)
    return Agent(memory, head), replay


def slices(replay: TensorDictReplayBuffer) -> dict[str, Any]:
    """A sample of slices as the arrays that an audit takes; none is padded, as no episode is shorter than a slice."""
    sample = replay.sample().reshape(SLICES, SEQUENCE)
    print(f"is_init is set at the first step of {int(sample['is_init'][:, 0].sum())} of {SLICES} slices")
    keys = {"observations": "observation", "outputs": "action_value", "episode": "episode"}
    return {
        **{name: sample[key].numpy() for name, key in keys.items()},
        **{f"state/{i}": sample[f"recurrent_state_{leaf}"][:, 0].numpy() for i, leaf in enumerate("hc")},
        "is_first": (sample["step_count"][..., 0] == 0).numpy(),
        # The sampler marks the last step of each slice as truncated: an episode ends at its last step number.
        "is_last": (sample["step_count"][..., 0] == LENGTH - 1).numpy(),
        "mask": torch.ones(SLICES, SEQUENCE, dtype=torch.bool).numpy(),
        "first_step": sample["step_count"][:, 0, 0].numpy(),
    }


def main() -> None:
    """Act, draw slices, and say what the audit says of them."""
    agent, replay = act()
    arrays = slices(replay)
    begin = int(arrays["is_first"][:, 0].sum())
    print(f"replay: {len(replay)} steps, {SLICES} slices of {SEQUENCE} steps, {begin} of them begin an episode")
    print("audit:", *audit_replay(agent, arrays).sentences, sep="\n- ")


if __name__ == "__main__":
    main()
