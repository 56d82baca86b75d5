"""Advice on networks of other frameworks: where the answer is known, against the compiled measures, and for PyTorch."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from r2d2_burnin.data import Episode
from r2d2_burnin.diagnostics.burn_in_advice import advise
from r2d2_burnin.networks.adapters import adapt
from tests.common.known_networks import Known, record

SETTINGS = {"sequence_length": 10, "period": 5}


class Window:
    """The sum of the last `width` observations, in plain NumPy; the batch comes second in its state."""

    def __init__(self, width: int) -> None:
        self.width = width

    def initial_state(self, batch_size: int) -> Any:
        return np.zeros((self.width, batch_size), np.float32)

    def unroll(self, observations: np.ndarray, state: Any) -> Any:
        outputs = []
        for t in range(observations.shape[1]):
            state = np.concatenate([state[1:], observations[None, :, t, 0]])
            outputs.append(state.sum(0)[:, None])
        return np.stack(outputs, 1), state


def window_episodes(width: int) -> list[Episode]:
    """Episodes of random bits of 41 to 64 steps, with the window before each step, built without the network."""
    generator = np.random.default_rng(0)
    episodes = []
    for i, length in enumerate(range(41, 65)):
        bits = generator.integers(0, 2, length).astype(np.float32)
        padded = np.concatenate([np.zeros(width, np.float32), bits])
        states = np.stack([padded[t : t + width] for t in range(length)])
        episodes.append(
            Episode(
                observations=bits[:, None],
                actions=np.zeros(length, np.int64),
                rewards=np.zeros(length, np.float32),
                targets=None,
                outputs=np.zeros((length, 1), np.float32),
                states=(states,),
                updates=np.zeros(length, np.int64),
                terminated=True,
                final_observation=np.zeros(1, np.float32),
                environment=i,
            )
        )
    return episodes


@pytest.mark.parametrize("width", [1, 6, 14])
def test_a_window_in_numpy_is_advised_to_the_step(width: int) -> None:
    advice = advise(Window(width), window_episodes(width), tolerance=0.02, **SETTINGS)
    assert advice.burn_in == width - 1  # the first trained step brings the last observation
    for m in advice.measures:
        if m.start == "stored" or m.burn_in >= width - 1:
            assert (m.worst, m.state_error if m.start == "stored" else 0.0) == (0.0, 0.0)


def test_fragments_of_short_episodes_are_shorter_if_it_is_not_said_how_long() -> None:
    width, steps = 3, 12
    short = [
        Episode.from_arrays(
            e.observations[:steps], e.actions[:steps], e.rewards[:steps], terminated=True, states=(e.states[0][:steps],)
        )
        for e in window_episodes(width)
    ]
    by_default = advise(Window(width), short, tolerance=0.02)
    assert by_default.burn_in == width - 1
    said = advise(Window(width), short, tolerance=0.02, sequence_length=6, period=3)
    assert by_default.sentence == said.sentence
    long = window_episodes(width)
    assert advise(Window(width), long).sentence == advise(Window(width), long, sequence_length=20, period=10).sentence


def test_the_measures_are_those_of_the_compiled_program() -> None:
    network = Known("leaky")
    episodes = record(network, state_error=0.5)
    episodes = [
        dataclasses.replace(
            e,
            observations=e.observations[: 60 - i],
            targets=None,
            states=(e.states[0][: 60 - i],),
            updates=e.updates[: 60 - i],
            actions=e.actions[: 60 - i],
            rewards=e.rewards[: 60 - i],
        )
        for i, e in enumerate(episodes)
    ]  # of different lengths, so that burn-ins and fragments are padded
    ours, compiled = (advise(either, episodes, **SETTINGS) for either in (adapt(network), network))
    assert (ours.verdict, ours.burn_in, ours.judged_from) == (compiled.verdict, compiled.burn_in, compiled.judged_from)
    np.testing.assert_allclose(ours.forgetting.errors, compiled.forgetting.errors, rtol=1e-4)
    for a, b in zip(ours.measures, compiled.measures, strict=True):
        for name, value in dataclasses.asdict(a).items():
            if isinstance(value, float):
                np.testing.assert_allclose(value, getattr(b, name), rtol=1e-3, atol=2e-6, err_msg=name)


def test_states_that_were_not_recorded_are_computed_and_wrong_ones_are_named() -> None:
    network, episodes = Window(6), window_episodes(6)
    without = [dataclasses.replace(e, states=(), outputs=np.zeros((len(e), 0))) for e in episodes]
    given, computed = (advise(network, either, tolerance=0.02, **SETTINGS) for either in (episodes, without))
    assert repr(given.measures) == repr(computed.measures)  # NaN where there is no loss
    with pytest.raises(ValueError, match="got 23 without states and 1 with them"):
        advise(network, [episodes[0], *without[1:]], **SETTINGS)
    cut = dataclasses.replace(episodes[2], states=(episodes[2].states[0][:, :5],))
    with pytest.raises(ValueError, match=r"state/0 of episode 2 has shape \[43, 5\], expected \[43, 6\]"):
        advise(network, [*episodes[:2], cut, *episodes[3:]], **SETTINGS)


WITHOUT_TENSORFLOW = """
import sys
import torch
from r2d2_burnin import advise, record_episodes
from tests.r2d2_burnin.torch_networks import Agent

agent = Agent(4, 2)
with torch.no_grad():
    agent.head.bias[:] = torch.tensor([0.1, 0.0])
episodes = record_episodes(agent, "CartPole-v1", count=64)
print(advise(agent, episodes, sequence_length=4, period=2).sentence)
assert not {"tensorflow", "keras"} & set(sys.modules)
"""


@pytest.mark.long
def test_advice_on_a_torch_agent_without_tensorflow() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (pip install -e '.[torch]')")
    done = subprocess.run([sys.executable, "-c", WITHOUT_TENSORFLOW], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ΔQ is " in done.stdout
