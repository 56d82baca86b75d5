"""The environments against Gymnasium's own checker and vector classes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import batch_space
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.tasks import TASKS
from envs.vector import BitStreamVectorEnv

IDS = [f"BitStream/{task}-v0" for task in ("Count", "WindowCount", "Parity", "Recall")]
SETTINGS = {
    "BitStream/Count-v0": {"modulo": 3},
    "BitStream/WindowCount-v0": {"window": 3},
    "BitStream/Parity-v0": {"p": 0.3},
    "BitStream/Recall-v0": {"delay": 2},
}


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("kwargs", [{}, {"length": 1}, {"length": 7, "p": 1.0}])
@pytest.mark.filterwarnings("error::UserWarning")
def test_gymnasiums_checker_passes(env_id: str, kwargs: dict) -> None:
    check_env(gym.make(env_id, render_mode="ansi", **kwargs).unwrapped, skip_render_check=False)


def test_gymnasium_finds_the_ids_by_the_package_or_after_its_import(tmp_path: Path) -> None:
    """Here a folder of the user's own, which also has the name envs, comes before ours once ours is imported."""
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "__init__.py").write_text("")
    program = """
import gymnasium, sys
try:
    gymnasium.make("BitStream/Count-v0")
except gymnasium.error.NamespaceNotFound:
    gymnasium.make("envs:BitStream/Count-v0")
    gymnasium.make_vec("envs:BitStream/Recall-v0", num_envs=2)
    sys.path.insert(0, sys.argv[1])
    for name in [name for name in sys.modules if name.split(".")[0] == "envs"]:
        del sys.modules[name]
    import envs
    assert envs.__file__.startswith(sys.argv[1])
    gymnasium.make("BitStream/Parity-v0")
    gymnasium.make_vec("BitStream/WindowCount-v0", num_envs=2)
    assert "tensorflow" not in sys.modules
    print("all found")
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd="/", stdout=subprocess.PIPE)
    assert done.stdout == b"all found\n"


def test_the_registered_ids_are_those_of_the_documentation() -> None:
    assert [f"BitStream/{name}-v0" for name in TASKS] == IDS


@pytest.mark.parametrize("env_id", IDS)
def test_an_episode(env_id: str) -> None:
    env = gym.make(env_id, length=12, **SETTINGS[env_id])
    target = env.unwrapped.target
    observation, info = env.reset(seed=3)
    bits, targets = [int(observation[0])], [info["target"]]
    for guess in range(12):
        right = guess % 3 != 0
        action = targets[-1] if right else (targets[-1] + 1) % env.action_space.n
        observation, reward, terminated, truncated, info = env.step(action)
        assert reward == (1.0 if right else 0.0)
        assert (terminated, truncated) == (guess == 11, False)
        bits.append(int(observation[0]))
        targets.append(info["target"])
    assert bits[-1] == 0
    assert targets == target.values(np.array(bits)).tolist()
    with pytest.raises(gym.error.ResetNeeded):
        env.unwrapped.step(0)


def test_p_decides_the_share_of_ones() -> None:
    for p in (0.0, 0.2, 1.0):
        env = gym.make("BitStream/Count-v0", length=4000, p=p).unwrapped
        env.reset(seed=0)
        for _ in range(3999):
            _, _, _, _, info = env.step(0)
        assert info["target"] / 4000 == pytest.approx(p, abs=0.03)


def test_ansi_shows_the_stream_so_far() -> None:
    env = gym.make("BitStream/Count-v0", length=5, render_mode="ansi")
    observation, _ = env.reset(seed=1)
    bits = str(int(observation[0]))
    assert f"step 0/5  {bits}  target {bits}  last guess -" in env.render()
    observation, *_, info = env.step(2)
    assert f"step 1/5  {bits}{int(observation[0])}  target {info['target']}  last guess 2" in env.render()
    vector = gym.make_vec("BitStream/Count-v0", num_envs=2, length=5, render_mode="ansi")
    vector.reset(seed=1)
    lines = vector.render()
    assert len(lines) == 2
    assert f"step 0/5  {bits}  target {bits}" in lines[0]


@pytest.mark.parametrize(
    ("kwargs", "named"),
    [
        ({"length": 0}, "length: got 0, expected an integer of at least 1"),
        ({"length": "80"}, "length: got '80'"),
        ({"p": 1.5}, "p: got 1.5"),
        ({"modulo": 1}, "modulo: got 1"),
        ({"delay": 3}, "delay: Count has no such setting"),
        ({"render_mode": "human"}, "render_mode: got 'human'"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_wrong_settings_are_value_errors_that_name_them(kwargs: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        gym.make("BitStream/Count-v0", **kwargs)
    with pytest.raises(ValueError, match=named):
        gym.make_vec("BitStream/Count-v0", num_envs=2, **kwargs)


def test_wrong_vector_settings_and_actions_are_named() -> None:
    with pytest.raises(ValueError, match="num_envs: got 0"):
        gym.make_vec("BitStream/Count-v0", num_envs=0)
    with pytest.raises(ValueError, match="autoreset_mode: got 'Later', expected one of 'NextStep'"):
        gym.make_vec("BitStream/Count-v0", num_envs=2, autoreset_mode="Later")
    env = gym.make_vec("BitStream/Parity-v0", num_envs=2)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(np.zeros(2, int))
    env.reset(seed=0)
    with pytest.raises(ValueError, match="actions: got"):
        env.step(np.array([0, 2]))
    with pytest.raises(ValueError, match="seed: got 3 seeds"):
        env.reset(seed=[1, 2, 3])
    with pytest.raises(ValueError, match="reset_mask: got"):
        env.reset(options={"reset_mask": np.array([True])})


def assert_same(ours: object, theirs: object) -> None:
    """Compare what two vector environments return, infos and object arrays included."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_same(ours[key], theirs[key])
    elif isinstance(ours, np.ndarray) and ours.dtype == object:
        for a, b in zip(ours, theirs, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert_same(a, b)
    else:
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_native_vectorisation_equals_gymnasiums_own(env_id: str, mode: AutoresetMode) -> None:
    """Observations, rewards, ends and infos of the native version are those of Gymnasium's SyncVectorEnv."""
    kwargs = {"length": 5, **SETTINGS[env_id]}
    ours = gym.make_vec(env_id, num_envs=3, autoreset_mode=mode, **kwargs)
    theirs = SyncVectorEnv([lambda: gym.make(env_id, **kwargs)] * 3, autoreset_mode=mode)
    assert ours.metadata["autoreset_mode"] is mode
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.observation_space == theirs.observation_space == batch_space(ours.single_observation_space, 3)
    assert ours.single_action_space == theirs.single_action_space
    assert ours.action_space == theirs.action_space
    for a, b in zip(ours.reset(seed=7), theirs.reset(seed=7), strict=True):
        assert_same(a, b)
    ours.action_space.seed(0)
    for _ in range(23):
        actions = ours.action_space.sample()
        mine, reference = ours.step(actions), theirs.step(actions)
        assert mine[0] in ours.observation_space
        assert [part.dtype for part in mine[:4]] == [part.dtype for part in reference[:4]]
        for a, b in zip(mine, reference, strict=True):
            assert_same(a, b)


def test_disabled_autoreset_and_masked_resets() -> None:
    ours = gym.make_vec("BitStream/Count-v0", num_envs=3, length=2, autoreset_mode=AutoresetMode.DISABLED)
    theirs = SyncVectorEnv(
        [lambda: gym.make("BitStream/Count-v0", length=2)] * 3, autoreset_mode=AutoresetMode.DISABLED
    )
    mask = np.array([True, False, True])
    for env in (ours, theirs):
        env.reset(seed=1)
        env.step(np.zeros(3, int))
    for a, b in zip(
        ours.reset(seed=9, options={"reset_mask": mask}),
        theirs.reset(seed=9, options={"reset_mask": mask}),
        strict=True,
    ):
        assert_same(a, b)
    for a, b in zip(ours.step(np.ones(3, int)), theirs.step(np.ones(3, int)), strict=True):
        assert_same(a, b)
    with pytest.raises(gym.error.ResetNeeded):
        ours.step(np.zeros(3, int))


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(1, 9),
    count=st.integers(1, 4),
    mode=st.sampled_from([AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]),
    most=st.lists(st.integers(1, 6), min_size=1, max_size=12),
    seed=st.integers(0, 100),
)
def test_a_block_of_steps_is_that_many_steps(
    length: int, count: int, mode: AutoresetMode, most: list[int], seed: int
) -> None:
    in_blocks, step_by_step = (BitStreamVectorEnv(count, "Count", length, autoreset_mode=mode) for _ in range(2))
    observation, info = in_blocks.reset(seed=seed)
    step_by_step.reset(seed=seed)
    generator = np.random.default_rng(seed)
    for size in most:
        bits, targets = in_blocks.peek()
        steps = min(size, len(bits))
        actions = generator.integers(0, length + 1, (max(steps, 1), count))
        if steps == 0:  # a stream is over: the next step resets it
            returned = in_blocks.step(actions[0])
            expected = step_by_step.step(actions[0])
            rewards, expected_rewards = returned[1], expected[1]
        else:
            expected_rewards = []
            for t in range(steps):
                np.testing.assert_array_equal(bits[t], observation)
                np.testing.assert_array_equal(targets[t], info["target"])
                expected = step_by_step.step(actions[t])
                expected_rewards.append(expected[1])
                observation, info = expected[0], expected[4]
            returned = in_blocks.step_block(actions[:steps])
            rewards = returned[1]
        np.testing.assert_array_equal(rewards, expected_rewards)
        for got, wanted in zip((returned[0], *returned[2:4]), (expected[0], *expected[2:4]), strict=True):
            np.testing.assert_array_equal(got, wanted)
        np.testing.assert_equal(returned[4], expected[4])
        observation, info = expected[0], expected[4]


def test_a_block_does_not_reach_past_an_episode() -> None:
    env = BitStreamVectorEnv(2, "Count", 5)
    assert len(env.peek()[0]) == 0
    env.reset(seed=0)
    env.step(np.zeros(2, int))
    assert len(env.peek()[0]) == 4
    with pytest.raises(ValueError, match="actions: got 5 steps, expected 1 to 4"):
        env.step_block(np.zeros((5, 2), int))
    with pytest.raises(ValueError, match="expected guesses"):
        env.step_block(np.full((2, 2), 6))


@pytest.mark.parametrize("steps", [0, 3, 5, 6, 1200])
def test_a_vector_environment_goes_on_from_a_saved_state(steps: int) -> None:
    env, other = BitStreamVectorEnv(3, "WindowCount", 5, window=2), BitStreamVectorEnv(3, "WindowCount", 5, window=2)
    env.reset(seed=4)
    for _ in range(steps):
        env.step(np.ones(3, int))
    other.set_state(env.get_state())
    for _ in range(2000):
        np.testing.assert_equal(other.step(np.ones(3, int)), env.step(np.ones(3, int)))
