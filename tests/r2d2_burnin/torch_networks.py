"""PyTorch agents that users bring, good ones and ones with a planted fault; the tests of them need PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from torch import nn


class Agent(nn.Module):
    """An LSTM by hand; its state is torch's own pair of arrays `[layers, B, H]`."""

    def __init__(self, features: int, actions: int, units: int = 8, layers: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.units, self.layers = units, layers
        self.encoder = nn.Linear(features, units)
        self.memory = nn.LSTM(units, units, layers, batch_first=True)
        self.head = nn.Linear(units, actions)

    def initial_state(self, batch_size: int) -> Any:
        weight = self.head.weight
        zeros = torch.zeros(self.layers, batch_size, self.units, dtype=weight.dtype, device=weight.device)
        return zeros, zeros.clone()

    def enter(self, observations: Any) -> Any:
        return torch.tanh(self.encoder(observations))

    def forward(self, observations: Any, state: Any) -> Any:
        hidden, state = self.memory(self.enter(observations), state)
        return self.head(hidden), state


def make_agent(observation_space: Any, action_space: spaces.Discrete) -> Agent:
    return Agent(observation_space.shape[0], int(action_space.n))


class BatchNormalized(Agent):
    """Fault: batch normalization in training mode."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.normalization = nn.BatchNorm1d(self.units)

    def enter(self, observations: Any) -> Any:
        hidden = super().enter(observations)
        return self.normalization(hidden.flatten(0, 1)).view(hidden.shape)


def make_batch_normalized(observation_space: Any, action_space: spaces.Discrete) -> Agent:
    return BatchNormalized(observation_space.shape[0], int(action_space.n))


class BatchMean(Agent):
    """Fault: a mean over the batch, without any layer of batch normalization."""

    def enter(self, observations: Any) -> Any:
        hidden = super().enter(observations)
        return hidden - hidden.mean(0, keepdim=True)


class NormalizesBatchesAnew(Agent):
    """Fault: batch normalization as a function, which PyTorch refuses for a batch of one and a single step."""

    def enter(self, observations: Any) -> Any:
        hidden = super().enter(observations)
        flat = nn.functional.batch_norm(hidden.flatten(0, 1), None, None, training=True)
        return flat.view(hidden.shape)


def make_normalizing_anew(observation_space: Any, action_space: spaces.Discrete) -> Agent:
    return NormalizesBatchesAnew(observation_space.shape[0], int(action_space.n))


class OwnMemory(Agent):
    """Fault: the state is kept between calls, and what is passed in is ignored."""

    kept: Any = None

    def forward(self, observations: Any, state: Any) -> Any:
        if self.kept is not None and self.kept[0].shape == state[0].shape:
            state = self.kept
        outputs, self.kept = super().forward(observations, state)
        return outputs, self.kept


class Drops(Agent):
    """Fault: dropout left on."""

    def enter(self, observations: Any) -> Any:
        return nn.functional.dropout(super().enter(observations), 0.5)


class RestartsInChunks(Agent):
    """Fault: an unroll ignores the state that it is given."""

    def forward(self, observations: Any, state: Any) -> Any:
        return super().forward(observations, self.initial_state(len(observations)))


class StepsOtherwise(Agent):
    """Fault: a single step is not what an unroll does at that step."""

    def forward(self, observations: Any, state: Any) -> Any:
        outputs, state = super().forward(observations, state)
        return outputs * (1 + 0.01 * (observations.shape[1] > 1)), state


class SwapsState(Agent):
    """Fault: h and c are returned in the other order."""

    def forward(self, observations: Any, state: Any) -> Any:
        outputs, (h, c) = super().forward(observations, state)
        return outputs, (c, h)


class LosesState(Agent):
    """Fault: the state is NaN after a step."""

    def forward(self, observations: Any, state: Any) -> Any:
        outputs, (h, c) = super().forward(observations, state)
        return outputs, (h, c * float("nan"))


class ReturnsOutputsAlone(Agent):
    """Fault: no state is returned."""

    def forward(self, observations: Any, state: Any) -> Any:
        return super().forward(observations, state)[0]
