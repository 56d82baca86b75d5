"""Agents of other frameworks, checked and recorded without TensorFlow: those of PyTorch by hand, and of NumPy."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from r2d2_burnin import check
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.networks import user_factory
from r2d2_burnin.networks.adapters import FaultyNetwork, UnfitNetwork
from r2d2_burnin.networks.factory import make_any_network, make_network
from r2d2_burnin.settings import NetworkSettings
from r2d2_burnin.testing import StateEquivalenceError, check_state_equivalence, record_episodes
from tests.r2d2_burnin.test_adapters import Leaky, lstm_by_hand

MODULE = "tests.r2d2_burnin.torch_networks"
SEQUENCES = [np.random.default_rng(i).normal(size=(length, 4)).astype(np.float32) for i, length in ((0, 9), (1, 1))]


@pytest.fixture
def torch_networks() -> Any:
    pytest.importorskip("torch", reason="PyTorch is not installed (pip install -e '.[torch]')")
    from tests.r2d2_burnin import torch_networks

    return torch_networks


@pytest.mark.long
def test_a_torch_agent_passes_and_its_recorded_states_are_those_of_the_equations(torch_networks: Any) -> None:
    agent = torch_networks.Agent(4, 2)
    episodes = record_episodes(agent, "CartPole-v1", count=3)
    check_state_equivalence(agent, [*episodes, *SEQUENCES])
    for episode in episodes:
        for t in (1, len(episode) - 1):
            outputs, h, c = lstm_by_hand(agent, episode.observations[None, :t])
            for recorded, expected in zip(episode.states, (h, c), strict=True):
                np.testing.assert_allclose(recorded[t, 0], expected[0], rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(episode.outputs[t - 1], outputs[0, -1], rtol=1e-4, atol=1e-6)
        assert (episode.actions == episode.outputs.argmax(-1)).all()
        assert not episode.states[0][0].any()


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("BatchNormalized", "batch normalization in training mode"),
        ("NormalizesBatchesAnew", "batch normalization in training mode, which PyTorch refuses for observations"),
        ("BatchMean", "batch: .* or a mean over the batch"),
        ("OwnMemory", "repeat: .* keeps a state of its own"),
        ("Drops", "repeat: .* dropout"),
        ("RestartsInChunks", "chunks: "),
        ("StepsOtherwise", "step against unroll: "),
        ("LosesState", "finite: state/1 after 9 steps of finite inputs are not finite"),
        ("SwapsState", "step against unroll: "),
        ("ReturnsOutputsAlone", r"returned a Tensor, expected a pair \(outputs, state\)"),
    ],
)
def test_every_planted_fault_of_a_torch_agent_is_named(torch_networks: Any, kind: str, fault: str) -> None:
    with pytest.raises(StateEquivalenceError, match=fault):
        check_state_equivalence(getattr(torch_networks, kind)(4, 2), SEQUENCES)


@pytest.mark.long
def test_an_agent_whose_state_is_lost_while_it_acts_is_refused_without_talk_of_training(torch_networks: Any) -> None:
    with pytest.raises(FaultyNetwork, match="finite: outputs are not finite"):
        record_episodes(torch_networks.LosesState(4, 2), "CartPole-v1", count=1)


@pytest.mark.long
def test_the_command_takes_networks_of_any_framework(torch_networks: Any, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--env", "CartPole-v1", "--network"]
    assert check.main([*flags, f"{MODULE}:make_agent"]) == 0
    assert "state equivalence holds: 4 episodes of CartPole-v1" in capsys.readouterr().out
    for factory in ("make_batch_normalized", "make_normalizing_anew"):
        assert check.main([*flags, f"{MODULE}:{factory}"]) == 1
        printed = capsys.readouterr()
        assert printed.out.startswith("FAULTS\nnetwork: ")
        assert "batch normalization in training mode" in printed.out
        assert (len(printed.out.splitlines()), printed.err) == (2, "")


@pytest.mark.long
def test_previous_action_and_reward_are_fed_only_if_asked_for(torch_networks: Any) -> None:
    seen: list[int] = []
    make = torch_networks.make_agent

    def noted(observation_space: Any, action_space: Any) -> Any:
        seen.append(observation_space.shape[0])
        return make(observation_space, action_space)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_networks, "make_agent", noted)
        flags = ["--env", "CartPole-v1", "--network", f"{MODULE}:make_agent", "--episodes", "1"]
        assert check.main(flags) == 0
        assert check.main([*flags, "--previous-action", "--previous-reward"]) == 0
    assert seen == [4, 7]


def test_a_numpy_agent_is_recorded_in_blocks_too() -> None:
    """Bit streams are acted in blocks of steps; the states are those of the equations at every step."""

    class Single(Leaky):
        def initial_state(self, batch_size: int) -> Any:
            return {"steps": np.zeros(batch_size, np.int64), "memory": np.zeros((2, batch_size, 1), np.float32)}

    for episode in record_episodes(Single(), "BitStream/Count-v0", count=3):
        assert episode.states["steps"].tolist() == list(range(80))
        for t in (0, 1, 40, 79):
            expected = (0.9 ** np.arange(t - 1, -1, -1) * episode.observations[:t, 0]).sum()
            np.testing.assert_allclose(episode.states["memory"][t, :, 0], expected, rtol=1e-5)


def test_a_factory_with_other_arguments_gets_a_module_that_works(tmp_path: Any, monkeypatch: Any) -> None:
    inputs = InputSpace((4,), 2)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "wrong_factories.py").write_text("def three(a, b, c): ...\ndef none(): return 5\n")
    with pytest.raises(UnfitNetwork, match=r":three takes \(a, b, c\), expected a factory that is called"):
        user_factory.call_factory("wrong_factories:three", inputs, 2, seed=0)
    assert user_factory.call_factory("wrong_factories:none", inputs, 2, seed=0) == 5
    with pytest.raises(UnfitNetwork, match=r"network: got a int, expected a torch\.nn\.Module"):
        make_any_network(NetworkSettings(network="wrong_factories:none"), inputs, 2, seed=0)
    (tmp_path / "keras_example.py").write_text(user_factory.KERAS_EXAMPLE)
    trained = make_network(NetworkSettings(network="keras_example:make_network"), inputs, 2, seed=0)
    assert len(trained.trainable_variables) == 9


@pytest.mark.long
def test_the_example_in_torch_is_checked_and_refused_for_training(
    torch_networks: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    inputs = InputSpace((4,), 2)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "torch_example.py").write_text(user_factory.TORCH_EXAMPLE)
    settings = NetworkSettings(network="torch_example:make_network")
    check_state_equivalence(make_any_network(settings, inputs, 2, seed=0), SEQUENCES)
    with pytest.raises(UnfitNetwork, match=r"but not trained here.*With it work python -m r2d2_burnin\."):
        make_network(settings, inputs, 2, seed=0)


WITHOUT_TENSORFLOW = """
import sys
from r2d2_burnin import check

assert check.main(["--env", "CartPole-v1", "--network", "tests.r2d2_burnin.torch_networks:make_agent"]) == 0
assert not {"tensorflow", "keras"} & set(sys.modules)
"""


@pytest.mark.long
def test_a_torch_agent_is_checked_without_tensorflow(torch_networks: Any) -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_TENSORFLOW], check=True, stdout=subprocess.DEVNULL)
