"""Single environments as one vector environment: the same as Gymnasium's, with the messages of the guards."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st

from r2d2_burnin.environments import guard as environment_guard
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments.batches import join_flags, join_rewards, joint
from r2d2_burnin.environments.guard import EnvironmentFault, EnvironmentGuard
from r2d2_burnin.environments.returned_values import Unfit, flag, number, observation_check
from r2d2_burnin.environments.vector import GuardedVectorEnv
from r2d2_burnin.settings import EnvironmentSettings
from tests.common.odd_environments import Counted, Noise

USERS = "tests.common.user_environments"


class Reusing(gym.Env[Any, Any]):
    """Returns the same array each time, and another kind of number as reward at each step; infos have odd targets."""

    observation_space = spaces.Box(-9, 9, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, dtype: Any = np.float32) -> None:
        self._memory = np.zeros(2, dtype)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._memory[:] = self._t = 0
        return self._memory, {}

    def step(self, action: Any) -> tuple[Any, Any, Any, bool, dict[str, Any]]:
        self._t += 1
        self._memory[:] = self.np_random.normal(size=2)
        rewards = [1, True, np.float32(0.1), np.float64(0.1), [0.25], np.array([[3]]), 0.5]
        infos: list[dict[str, Any]] = [{}, {"target": 1}, {"target": "left"}, {"other": {}}]
        ended = bool(self.np_random.random() < 0.2)
        return self._memory, rewards[self._t % 7], np.bool_(ended), self._t == 9, infos[self._t % 4]


def guarded(make: Callable[[], gym.Env[Any, Any]]) -> EnvironmentGuard:
    return EnvironmentGuard(make(), "It")


@pytest.mark.parametrize(
    "make",
    [
        *(
            functools.partial(environments.make, EnvironmentSettings(env_id))
            for env_id in (
                "popgym:popgym-RepeatFirstEasy-v0",
                "popgym:popgym-CountRecallEasy-v0",
                "CartPole-v1",
                f"{USERS}:Test/Moody-v0",
                f"{USERS}:Test/Images-v0",
            )
        ),
        functools.partial(guarded, functools.partial(Counted, "odd episodes")),
        functools.partial(guarded, Reusing),
        functools.partial(guarded, functools.partial(Reusing, np.float64)),
    ],
)
def test_it_is_the_same_as_gymnasiums(make: Callable[[], gym.Env[Any, Any]]) -> None:
    """Observations, rewards, ends, infos and dtypes of Gymnasium's SyncVectorEnv, with the same seeds and actions."""
    ours, theirs = GuardedVectorEnv(make, 5), SyncVectorEnv([make] * 5)
    generator = np.random.default_rng(0)

    def compare(method: str, *arguments: Any, **keywords: Any) -> None:
        result, expected = (getattr(env, method)(*arguments, **keywords) for env in (ours, theirs))
        *arrays, infos = result
        *expected_arrays, expected_infos = expected
        for array, other in zip(arrays, expected_arrays, strict=True):
            np.testing.assert_array_equal(array, other)
            assert (array.dtype, array.shape) == (other.dtype, other.shape)
        assert infos.keys() == expected_infos.keys()
        for name, values in infos.items():
            np.testing.assert_array_equal(values, expected_infos[name])
            assert values.dtype == expected_infos[name].dtype

    compare("reset", seed=3)
    for steps in range(150):
        compare("step", generator.integers(ours.single_action_space.n, size=5))  # type: ignore[attr-defined]
        if steps == 60:
            compare("reset", seed=[1, 1, None, 7, 8])
        if steps == 90:
            mask = np.array([True, False, False, True, False])
            for env in (ours, theirs):  # which Gymnasium takes out of the options
                env.reset(seed=[5] * 5, options={"reset_mask": mask})
    assert ours.call("render_mode") == theirs.call("render_mode")
    with pytest.raises(ValueError, match="actions: got 3, expected one for each of 5 environments"):
        ours.step(np.zeros(3, np.int64))


class Late(gym.Wrapper[Any, Any, Any, Any]):
    """The third environment of a vector environment does something odd at the third step of its second episode."""

    def __init__(self, env: gym.Env[Any, Any], number: int, odd: Callable[..., Any]) -> None:
        super().__init__(env)
        self._odd, self._episode, self._is_odd = odd, -1, number == 2

    def reset(self, **arguments: Any) -> Any:
        self._episode, self._t = self._episode + 1, 0
        return super().reset(**arguments)

    def step(self, action: Any) -> Any:
        self._t += 1
        returned = super().step(action)
        return self._odd(*returned) if self._is_odd and (self._episode, self._t) == (1, 3) else returned


def fault(vector: Callable[[Any, int], gym.vector.VectorEnv[Any, Any, Any]], odd: Callable[..., Any]) -> str:
    numbers = itertools.count()

    def make() -> gym.Env[Any, Any]:
        return guarded(lambda: Late(Noise(), next(numbers), odd))

    env = vector(make, 3)
    env.reset(seed=0)
    for _ in range(9):
        env.step(np.array([0, 1, 1]))
    with pytest.raises(EnvironmentFault) as raised:
        env.step(np.array([0, 1, 1]))
    return str(raised.value)


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (lambda o, *rest: 1 / 0, r"step with action np.int64\(1\) raised ZeroDivisionError"),
        (lambda o, *rest: rest, "step returned 4 values"),
        (lambda *returned: None, "step returned None"),
        (lambda o, *rest: (o * np.nan, *rest), r"the observation has the value nan at index \(0,\)"),
        (lambda o, *rest: (o + 30, *rest), "the observation has the value .*outside its space"),
        (lambda o, *rest: (o[:1], *rest), r"shape \(1,\)"),
        (lambda o, *rest: (o > 0, *rest[:-1], []), "step returned as info .*a list"),
        (lambda o, r, *rest: (o, np.ones(2), *rest), "the reward has shape"),
        (lambda o, r, *rest: (o, -1e39, *rest), "the reward has the value -1e.39, infinite in float32"),
        (lambda o, r, *rest: (o, 10**400, *rest), "the reward has the value 1"),
        (lambda o, r, *rest: (o, "much", *rest), "the reward is 'much'"),
        (lambda o, r, terminated, *rest: (o, r, None, *rest), "terminated is None"),
        (lambda o, r, terminated, truncated, info: (o, r, False, 2, info), "truncated is 2"),
    ],
)
def test_a_fault_of_the_last_environment_is_named_as_its_guard_names_it(odd: Callable[..., Any], message: str) -> None:
    result = fault(GuardedVectorEnv, odd)
    assert result == fault(lambda make, count: SyncVectorEnv([make] * count), odd)
    assert re.match(f"env: It, episode 1, step 3: .*{message}", result)


def test_of_two_faults_the_first_environments_is_named() -> None:
    def make(kinds: Any = itertools.cycle([{"reward": "much"}, {"step_returns": lambda *values: 1 / 0}])) -> Any:  # noqa: B008
        return guarded(lambda: Noise(**next(kinds)))

    env = GuardedVectorEnv(make, 2)
    env.reset(seed=0)
    with pytest.raises(EnvironmentFault, match="episode 0, step 1: the reward is 'much'"):
        env.step(np.zeros(2, np.int64))


def test_a_float_beside_its_box_costs_one_look_at_the_environments(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    original = EnvironmentGuard.checked_step
    monkeypatch.setattr(environment_guard, "_warned", set())
    monkeypatch.setattr(EnvironmentGuard, "checked_step", lambda self, r: looks.append(self) or original(self, r))
    values = [0.0, 0.5, 1.5, -1.5, 1.2, 2.9, 0.0]
    env = GuardedVectorEnv(lambda: guarded(lambda: Noise(lambda t: np.array([0, values[t]], np.float32))), 2)
    env.reset(seed=0)
    seen = [env.step(np.zeros(2, np.int64))[0][1, 1] for _ in range(6)]
    assert seen == np.array(values[1:], np.float32).tolist()
    assert len(looks) == 2  # at the second step
    (line,) = capsys.readouterr().err.splitlines()
    assert "episode 0, step 2: the observation has the value 1.5 at index (1,), outside" in line


PARTS = st.one_of(
    st.builds(spaces.Discrete, st.integers(1, 5), start=st.integers(-3, 3)),
    st.builds(spaces.MultiBinary, st.integers(1, 3)),
    st.builds(lambda n, start: spaces.MultiDiscrete(n, start=[start] * len(n)), st.lists(st.integers(1, 4), min_size=1),
              st.integers(-2, 2)),
    st.builds(lambda shape, dtype: spaces.Box(0, 9, shape, dtype), st.lists(st.integers(1, 3), max_size=3).map(tuple),
              st.sampled_from([np.uint8, np.int32, np.float32, np.float64])),
)  # fmt: skip
SPACES: Any = st.recursive(
    PARTS,
    lambda part: (
        st.lists(part, min_size=1, max_size=3).map(spaces.Tuple)
        | st.dictionaries(st.sampled_from("abc"), part, min_size=1).map(spaces.Dict)
    ),
    max_leaves=4,
)
ODDITIES: list[Callable[[Any], Any]] = [
    lambda value: value,
    lambda value: None,
    lambda value: [value],
    lambda value: np.asarray(value, np.float64),
    lambda value: np.asarray(value) + 1,
    lambda value: np.asarray(value)[None],
    lambda value: np.asarray(value).tolist(),
    lambda value: np.asarray(value, np.int64),
    lambda value: np.asarray(value) * np.nan,
    lambda value: {**value, "d": 0} if isinstance(value, dict) else dict(enumerate(np.ravel(value))),
]


@given(space=SPACES, seed=st.integers(0, 10**6), odd=st.sampled_from(range(len(ODDITIES))), flat=st.booleans())
def test_joined_observations_are_checked_and_flattened_as_each_would_be(
    space: spaces.Space[Any], seed: int, odd: int, flat: bool
) -> None:
    """Samples are joined; where one is odd, either nothing is joined, or what a guard accepts of each."""
    space.seed(seed)
    flat = flat or not isinstance(space, spaces.Box)
    values = [space.sample() for _ in range(3)]
    check = observation_check(space, "it", lambda name, message: None)

    def expected(values: list[Any]) -> np.ndarray:
        checked = [check(value) for value in values]
        return np.stack([spaces.flatten(space, value) if flat else value for value in checked])

    result = joint(space, flat=flat).join(values)
    assert result is not None
    np.testing.assert_array_equal(result, expected(values))
    assert result.dtype == (spaces.flatten_space(space) if flat else space).dtype
    try:
        values[1] = ODDITIES[odd](values[1])
    except (TypeError, ValueError):  # of values that are no array
        return
    result = joint(space, flat=flat).join(values)
    if result is not None:
        np.testing.assert_array_equal(result, expected(values))  # which raises where the check refuses one


@given(st.lists(st.one_of(st.floats(), st.integers(), st.booleans(), st.floats(width=32).map(np.float32),
                          st.sampled_from([None, "1", np.ones(1), np.True_, 10**400, 2**70])), min_size=1))  # fmt: skip
def test_joined_rewards_and_flags_are_what_the_guards_make_of_each(values: list[Any]) -> None:
    rewards, flags = join_rewards(values), join_flags(values)
    if rewards is not None:
        assert rewards.tolist() == [number("it", value) for value in values]
    elif all(type(value) is float for value in values):
        with pytest.raises(Unfit):
            [number("it", value) for value in values]
    if flags is not None:
        assert flags.tolist() == [flag("it", value) for value in values]
