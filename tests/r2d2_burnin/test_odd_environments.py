"""Nothing odd that an environment returns goes through silently, and nothing that is not read ends a run."""

from __future__ import annotations

import itertools
import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st

from envs.vector import BitStreamVectorEnv
from experiments import burnin_compare
from r2d2_burnin.acting.actor import Actor
from r2d2_burnin.data import Episode
from r2d2_burnin.diagnostics.evaluation import evaluate
from r2d2_burnin.environments import guard as environment_guard
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments.guard import EnvironmentFault, EnvironmentGuard
from r2d2_burnin.environments.inputs import InputSpace, image_layout
from r2d2_burnin.environments.returned_values import Unfit, observation_check
from r2d2_burnin.environments.spaces import describe_inputs, input_space
from r2d2_burnin.environments.targets import TargetRange
from r2d2_burnin.initialization import parse
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.learning.objectives import Classification, Regression, choose_objective, objective_class
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.runtime.command_line import parse_pairs
from r2d2_burnin.runtime.literals import read_value, written
from r2d2_burnin.settings import EnvironmentSettings, LearnerSettings, NetworkSettings, ReplaySettings, TrainingSettings
from r2d2_burnin.training.trainer import Trainer
from tests.common.networks import actor_step, make_network
from tests.common.odd_environments import Counted, Noise, OldReset, OldStep, WithoutSeed, is_missing

MODULE = "tests.common.odd_environments"


def guarded(**odd: Any) -> EnvironmentGuard:
    return EnvironmentGuard(Noise(**odd), "Noise")


def play(env: gym.Env[Any, Any], steps: int = 6) -> list[Any]:
    """What reset and steps of the action 0 return."""
    return [env.reset(seed=0), *(env.step(0) for _ in range(steps))]


def actor_of(env: Any, **more: Any) -> Actor:
    return Actor(env, actor_step(make_network("gru", 1, features=2)), Regression(2).act, seed=0, **more)


# Targets


def assert_targets(episodes: list[Episode], missing: str) -> None:
    seen: dict[int, int] = {}
    for episode in episodes:
        number = seen[episode.environment] = seen.get(episode.environment, -1) + 1
        length = number % 4 + 3
        expected = [np.nan if is_missing(missing, number, t) else 10.0 * number + t for t in range(length)]
        result = np.full(length, np.nan) if episode.targets is None else episode.targets
        np.testing.assert_array_equal(result, expected)
        assert (episode.targets is None) == bool(np.isnan(expected).all())


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("missing", ["odd", "all", "first", "odd episodes"])
def test_steps_without_a_target_are_nan(mode: AutoresetMode, missing: str) -> None:
    env = SyncVectorEnv([lambda: EnvironmentGuard(Counted(missing), "Counted")] * 3, autoreset_mode=mode)
    assert_targets(list(itertools.islice(actor_of(env).episodes(), 20)), missing)


def test_steps_without_a_target_are_nan_in_processes_too() -> None:
    env = environments.make_vector(EnvironmentSettings(f"{MODULE}:Odd/Counted-v0", vectorization="async"), 2)
    try:
        assert_targets(list(itertools.islice(actor_of(env).episodes(), 10)), "odd")
    finally:
        env.close()


class Masked(BitStreamVectorEnv):
    """Targets are given at even positions alone, and are nonsense elsewhere."""

    peek = property()  # type: ignore[assignment]

    def _infos(self, mask: np.ndarray | None = None) -> dict[str, Any]:
        infos = super()._infos(mask)
        infos["_target"] &= self._streams.position % 2 == 0
        infos["target"] = np.where(infos["_target"], infos["target"], -(10**6))
        return infos


def test_a_native_environments_mask_counts() -> None:
    env = Masked(2, "Count", 7)
    actor = Actor(env, actor_step(make_network("gru", 1)), Regression(8).act, seed=0, targets=TargetRange(0, 7))
    for episode in itertools.islice(actor.episodes(), 4):
        assert episode.targets is not None
        counts = np.cumsum(episode.observations[:, 0])
        np.testing.assert_array_equal(episode.targets, np.where(np.arange(7) % 2 == 0, counts, np.nan))


def test_an_actor_goes_on_with_missing_targets_where_it_was() -> None:
    def make() -> Actor:
        env = SyncVectorEnv([lambda: EnvironmentGuard(Counted("odd"), "Counted")] * 3)
        return actor_of(env, keeps_actions=True)

    whole = make()
    for steps in (7, 33):  # within an episode
        begun, resumed = make(), make()
        list(begun.collect(steps))
        resumed.set_state(begun.get_state())
        list(whole.collect(steps))
        for by_whole, by_resumed in zip(whole.collect(60), resumed.collect(60), strict=True):
            for a, b in zip(by_whole, by_resumed, strict=True):
                np.testing.assert_array_equal(a.targets, b.targets)
                np.testing.assert_array_equal(a.observations, b.observations)
        whole = make()


def episode_of(targets: np.ndarray, outputs: int) -> Episode:
    generator = np.random.default_rng(len(targets))
    length = len(targets)
    return Episode(
        observations=generator.normal(size=(length, 2)).astype(np.float32),
        actions=np.zeros(length, np.int64),
        rewards=np.zeros(length, np.float32),
        targets=targets,
        outputs=np.zeros((length, outputs), np.float32),
        states=((np.zeros((length, 5), np.float32),),),
        updates=np.zeros(length, np.int64),
        terminated=True,
        final_observation=np.zeros(2, np.float32),
        environment=0,
    )


@pytest.mark.parametrize("name", ["regression", "classification"])
def test_steps_without_a_target_enter_no_loss_gradient_or_priority(name: str) -> None:
    """Against the same batch in which the mask, and not the target, says that these steps do not count."""
    generator = np.random.default_rng(0)
    objective = {"classification": Classification, "regression": Regression}[name](3)
    network = make_network("gru", 1, features=2, outputs=objective.outputs)
    replay = Replay(ReplaySettings(6, 3, 1000), parse("zero"), objective)
    for length in (5, 9, 14):
        targets = generator.integers(0, 3, length).astype(np.float64)
        targets[generator.random(length) < 0.5] = np.nan
        replay.add(episode_of(targets, objective.outputs))
    replay.add(episode_of(np.full(6, np.nan), objective.outputs))
    batch = replay.batch(replay.all_rows())
    known = ~np.isnan(batch.labels["target"]) & batch.mask
    assert (known != batch.mask).any()
    plain = batch._replace(mask=known, labels={"target": np.nan_to_num(batch.labels["target"])})
    learner = Learner(network, objective, LearnerSettings(), updates=2)
    result, expected = learner.gradients(batch), learner.gradients(plain)
    np.testing.assert_allclose(result.loss, expected.loss, rtol=1e-6)
    assert float(result.loss) > 0
    for a, b in zip(result.gradients, expected.gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    outputs = np.asarray(network.unroll(batch.observations, network.initial_state(len(known)))[0], np.float64)
    if name == "regression":
        errors = np.abs(outputs[..., 0] - batch.labels["target"])
    else:
        chances = np.exp(outputs) / np.exp(outputs).sum(-1, keepdims=True)
        right = np.nan_to_num(batch.labels["target"]).astype(int)[..., None]
        errors = 1 - np.take_along_axis(chances, right, -1)[..., 0]
    errors = np.where(known, errors, 0)
    priorities = 0.9 * errors.max(1) + 0.1 * errors.sum(1) / np.maximum(known.sum(1), 1)
    np.testing.assert_allclose(learner.priorities(batch), priorities, rtol=1e-4, atol=1e-6)


def test_a_batch_without_any_target_changes_nothing() -> None:
    network = DenseRecurrentNetwork(2, 1, NetworkSettings(5, "gru"))
    replay = Replay(ReplaySettings(6, 3, 1000), parse("zero"), Regression(2))
    replay.add(episode_of(np.full(9, np.nan), 1))
    before = [variable.numpy() for variable in network.trainable_variables]
    updates = Learner(network, Regression(2), LearnerSettings(), updates=2).update(
        replay.batch(replay.all_rows()[None])
    )
    assert updates.losses.tolist() == [0.0]
    assert updates.trained.tolist() == [0]
    for variable, value in zip(network.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_evaluations_count_steps_with_a_target() -> None:
    env = SyncVectorEnv([lambda: EnvironmentGuard(Counted("odd"), "Counted")] * 3)
    env.reset(seed=0)
    env.envs[0].unwrapped._episode = 2  # its next episode has 6 steps, the others 4
    result = evaluate(actor_of(env), Regression(2).error)
    errors = [(e.outputs[:, 0] - e.targets) ** 2 for e in result.episodes if e.targets is not None]
    assert [len(errors_of_episode) for errors_of_episode in errors] == [6, 4, 4]
    assert result.error == pytest.approx(np.nanmean(np.concatenate(errors)))
    padded = np.stack(
        [
            np.pad(errors_of_episode, (0, 6 - len(errors_of_episode)), constant_values=np.nan)
            for errors_of_episode in errors
        ]
    )
    assert result.error_by_position is not None
    np.testing.assert_allclose(result.error_by_position[::2], np.nanmean(padded[:, ::2], 0), rtol=1e-6)
    assert np.isnan(result.error_by_position[1::2]).all()
    none = evaluate(actor_of(SyncVectorEnv([lambda: EnvironmentGuard(Counted("all"), "")] * 2)), Regression(2).error)
    assert none.error is None
    assert none.error_by_position is None


def test_a_constant_target_that_is_missing_now_and_then_is_learned() -> None:
    """Trained as 0 where it is missing, the loss of the best constant is 0.21."""
    settings = TrainingSettings(
        environment=EnvironmentSettings(f"{MODULE}:Odd/Constant-v0"),
        network=NetworkSettings(8),
        replay=ReplaySettings(6, 3),
        updates=120,
        num_envs=8,
        initial_steps=512,
        new_steps=128,
        evaluation_episodes=8,
        measure_every=120,
        measured_fragments=16,
    )
    trainer = Trainer(settings)
    assert isinstance(trainer.objective, Regression)
    result = trainer.run(parse("zero"), 0)
    for metric in ("train_loss", "fresh_loss", "eval_error"):
        value = result.final(metric)
        assert value is not None
        assert value < 0.05


def test_the_objective_is_asked_for_by_numbers_alone() -> None:
    place = np.array([0.1, 0.2, 0.3], np.float32)
    for info, target_space, expected in (
        (lambda t: {"target": 1.0}, None, "regression"),
        (lambda t: {"target": np.array([[2]])}, None, "regression"),
        (lambda t: {"target": True}, spaces.Discrete(2), "classification"),
        (lambda t: {"target": 4}, spaces.Discrete(3, start=2), "classification"),
        (lambda t: {"target": 0.5}, spaces.Box(0, 1, (1,)), "regression"),
        (lambda t: {} if t < 5 else {"target": 1.0}, None, "regression"),
        (lambda t: {"target": None} if t < 1 else {"target": 1.0}, None, "regression"),
        (lambda t: {}, None, "q-learning"),
        (lambda t: {"target": place}, None, "q-learning"),
        (lambda t: {"target": "left"}, None, "q-learning"),
        (lambda t: {"target": {"x": 1.0}}, None, "q-learning"),
        (lambda t: {"target": 1.0}, spaces.Box(0, 1, (3,)), "q-learning"),
        (lambda t: {"target": 1}, spaces.MultiDiscrete([2, 2]), "q-learning"),
    ):
        for env in (Noise(info=info, targets=target_space), guarded(info=info, targets=target_space)):
            assert choose_objective("auto", env) == expected
            assert choose_objective("q-learning", env) == "q-learning"
            if expected != "q-learning":
                assert choose_objective(expected, env) == expected
    with pytest.raises(
        ValueError, match=r"got 'regression', .* step 0 .*shape \(3,\), expected one number.*q-learning"
    ):
        choose_objective("regression", guarded(info=lambda t: {"target": place}))
    with pytest.raises(ValueError, match=r"step 3 .*info\[\"target\"\] is 'left', a str, expected one number"):
        choose_objective("classification", guarded(info=lambda t: {"target": "left"} if t == 3 else {}))
    with pytest.raises(ValueError, match=r"target_space is Box\(.*\(3,\).*expected Discrete, or a Box of one number"):
        choose_objective("regression", guarded(info=lambda t: {"target": 1.0}, targets=spaces.Box(0, 1, (3,))))
    with pytest.raises(ValueError, match=r'gives no info\["target"\] in reset or in the 6 steps'):
        choose_objective("regression", guarded())
    with pytest.raises(ValueError, match=r"in the 6 steps after it but with an episode's last observation, which no"):
        choose_objective("regression", guarded(info=lambda t: {"target": 1.0} if t == 6 else {}))


@pytest.mark.parametrize(
    ("objective", "target_space", "target", "message"),
    [
        ("regression", None, float("nan"), "nan, expected a number that is finite in float32"),
        ("regression", None, 1e39, r"1e\+39, expected a number that is finite in float32"),
        ("regression", None, 10**400, "inf, expected a number that is finite in float32"),
        ("regression", spaces.Box(-1, 1, ()), 1.5, "1.5, expected a number from -1 to 1"),
        ("regression", None, np.zeros(2), r"has shape \(2,\), expected one number"),
        ("regression", None, "one", "'one', a str, expected one number"),
        ("classification", spaces.Discrete(2), -1, "-1, expected a class, a whole number from 0 to 1"),
        ("classification", spaces.Discrete(3, start=-1), 2, "2, expected a class, a whole number from -1 to 1"),
        ("classification", spaces.Discrete(2), 0.5, "0.5, expected a class"),
        ("classification", None, 2, "2, expected a class, a whole number from 0 to 1"),
    ],
)
def test_targets_are_checked_when_they_are_recorded(
    objective: str, target_space: Any, target: Any, message: str
) -> None:
    env = guarded(info=lambda t: {"target": target if t == 4 else 0}, targets=target_space)
    vector = SyncVectorEnv([lambda: guarded(info=lambda t: {"target": 0}), lambda: _SecondTime(env)])
    actor = actor_of(vector, targets=objective_class(objective).target_range(env))
    with pytest.raises(EnvironmentFault, match=rf'episode 1, step 4: info\["target"\] .*{message}'):
        list(actor.collect(100))


class _SecondTime(gym.Wrapper[Any, Any, Any, Any]):
    """The first episode has targets of 0."""

    episodes = 0

    def reset(self, **arguments: Any) -> Any:
        self.episodes += 1
        return super().reset(**arguments)

    def step(self, action: Any) -> Any:
        *returned, info = super().step(action)
        return *returned, {"target": 0.0} if self.episodes == 1 else info


def test_targets_that_are_not_read_may_be_anything() -> None:
    for target in (np.zeros(3), "left", {"x": 1}, float("nan"), None):
        vector = SyncVectorEnv([lambda target=target: guarded(info=lambda t: {"target": target})] * 2)
        episodes = list(itertools.islice(actor_of(vector, targets=None).episodes(), 4))
        assert all(episode.targets is None for episode in episodes)


def test_targets_of_blocks_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    def peek(self: BitStreamVectorEnv) -> tuple[np.ndarray, np.ndarray]:
        bits, targets = original(self)
        targets[3:, 1] = 9
        return bits, targets

    original = BitStreamVectorEnv.peek
    monkeypatch.setattr(BitStreamVectorEnv, "peek", peek)
    env = BitStreamVectorEnv(2, "Parity", 8)
    actor = Actor(env, actor_step(make_network("gru", 1)), Regression(2).act, seed=0, targets=TargetRange(0, 1, True))
    with pytest.raises(EnvironmentFault, match=r"episode 0, step 3: info\[\"target\"\] is 9, expected a class"):
        list(actor.collect(16))


def test_classes_from_another_start_and_more_than_actions() -> None:
    objective = Classification(2, classes=4, first=-1)
    assert isinstance(objective, Classification)
    assert objective.outputs == 4
    assert objective.labels(episode_of(np.array([-1.0, 2.0, np.nan]), 4))["target"].tolist()[:2] == [0.0, 3.0]
    outputs = np.eye(4)
    assert objective.act(outputs).tolist() == [0, 1, 1, 1]
    assert objective.error(outputs, np.array([-1, 0, 0, np.nan])).tolist()[:3] == [0.0, 0.0, 1.0]


# Infos, rewards, ends


@pytest.mark.parametrize("way", ["sync", "async"])
def test_infos_that_nothing_reads_end_no_run(way: str) -> None:
    env = environments.make_vector(EnvironmentSettings(f"{MODULE}:Odd/OddInfos-v0", vectorization=way), 2)
    try:
        assert [len(e) for e in itertools.islice(actor_of(env).episodes(), 8)] == [6] * 8
    finally:
        env.close()


@pytest.mark.parametrize(
    "reward", [[1.0], np.array(1.0), [[1.0]], np.float16(1), True, 1, np.uint8(1), np.ones((1, 1))]
)
def test_one_element_is_a_reward(reward: Any) -> None:
    for _, result, *_ in play(guarded(reward=reward))[1:]:
        assert type(result) is float
        assert result == 1.0


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (np.ones(2), r"the reward has shape \(2,\), expected one number; its value is array\(\[1., 1.\]\)"),
        ([], r"the reward has shape \(0,\)"),
        ("much", "the reward is 'much', a str, expected one number"),
        (None, "the reward is None, a NoneType, expected one number"),
        ({"a": 1}, "the reward is {'a': 1}, a dict"),
        ([[1], [1, 2]], r"the reward is \[\[1\], \[1, 2\]\] .*expected one number"),
        (1j, "the reward is 1j, a complex"),
        (1e39, r"the reward has the value 1e\+39, infinite in float32, .*3.4e\+38; .*ClipReward"),
        (10**400, "the reward has the value 1000.*expected a finite number"),
        (np.array([-np.inf]), r"the reward has the value array\(\[-inf\]\), expected a finite number"),
    ],
)
def test_other_rewards_are_refused_by_name(reward: Any, message: str) -> None:
    with pytest.raises(EnvironmentFault, match=rf"env: Noise, episode 0, step 1: {message}"):
        play(guarded(reward=reward))


def test_the_wrapper_that_a_message_names_helps() -> None:
    clip = environments.WrapperCall.parse("gymnasium.wrappers:ClipReward(min_reward=-1, max_reward=1)")
    env = clip.apply(environments.import_object("wrappers", clip.name), Noise(reward=1e39))
    assert play(EnvironmentGuard(env, ""))[1][1] == 1.0


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_reset_without_info_says_what_is_expected(size: int) -> None:
    expected = "reset returned .*expected 2: observation, info"
    with pytest.raises(EnvironmentFault, match=expected):
        EnvironmentGuard(OldReset(size), "Old").reset()
    unpacking = gym.wrappers.TransformObservation(OldReset(size), lambda o: o, None)
    with pytest.raises(
        EnvironmentFault, match=r"reset (raised|returned) .*since Gym 0.26 reset returns observation, info"
    ):
        EnvironmentGuard(unpacking, "Old").reset()


def test_what_reset_and_step_have_to_return() -> None:
    with pytest.raises(
        EnvironmentFault, match=r"step 1: step returned 4 values, expected 5: observation, reward, term"
    ):
        play(EnvironmentGuard(OldStep(), "Old"))
    without_seed = EnvironmentGuard(gym.wrappers.OrderEnforcing(WithoutSeed()), "Old")
    with pytest.raises(
        EnvironmentFault, match=r"step 0: reset raised TypeError.*reset takes the keywords seed and opt"
    ):
        without_seed.reset(seed=3)
    limited = gym.wrappers.TimeLimit(OldStep(), 3)
    with pytest.raises(
        EnvironmentFault, match=r"raised ValueError: not enough values .*step observation, reward, term"
    ):
        play(EnvironmentGuard(limited, "Old"))
    for value in (None, [], 3, "none"):
        with pytest.raises(EnvironmentFault, match=r"step 0: reset returned as info .*, expected a dictionary"):
            play(guarded(reset_returns=lambda observation, _, value=value: (observation, value)))
        with pytest.raises(EnvironmentFault, match=r"step 1: step returned as info .*, expected a dictionary"):
            play(guarded(step_returns=lambda *values, value=value: (*values[:4], value)))
    for value in (1, np.True_, np.int64(1), np.array([True])):
        assert play(guarded(step_returns=lambda *v, value=value: (*v[:2], value, *v[3:])))[1][2] is True
    for value in (None, np.array([True, False]), 2, "yes", 0.5):
        with pytest.raises(EnvironmentFault, match=r"step 1: truncated is .*, expected True or False"):
            play(guarded(step_returns=lambda *v, value=value: (*v[:3], value, v[4])))


# Observations

NESTED = spaces.Dict(
    place=spaces.Tuple([spaces.Discrete(3, start=1), spaces.MultiBinary(2)]),
    kind=spaces.MultiDiscrete([2, 3], start=[0, 5]),
    pixels=spaces.Box(0, 9, (2,), np.int64),
    x=spaces.Box(-1, 1, (2, 2), np.float32),
)


def nested(**changed: Any) -> dict[str, Any]:
    plain = {"place": (1, [0, 1]), "kind": [1, 7], "pixels": [0, 9], "x": [[0.5, 1], [-1, 0]]}
    return {name: value for name, value in {**plain, **changed}.items() if value is not ...}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": ...}, "the observation lacks 'x', expected the entries 'place', 'kind', 'pixels', 'x'"),
        ({"y": 1}, "the observation has 'y', which its space has not"),
        ({"place": (1,)}, r"the observation\['place'\] has 1 entries, expected 2"),
        ({"place": 3}, r"the observation\['place'\] is 3, expected a tuple of 2 entries"),
        (
            {"place": (0, [0, 1])},
            r"\['place'\]\[0\] has the value 0, outside its space Discrete\(3, start=1\), .*1 to 3",
        ),
        ({"place": (4, [0, 1])}, r"\['place'\]\[0\] has the value 4, outside"),
        ({"place": (1.0, [0, 1])}, r"\['place'\]\[0\] is 1.0, expected a whole number"),
        ({"place": (1, [0, 2])}, r"\['place'\]\[1\] has the value 2 at index \(1,\), outside .*MultiBinary.*0 or 1"),
        (
            {"place": (1, [0, 1, 1])},
            r"\['place'\]\[1\] has dtype int64 and shape \(3,\), expected dtype int8 and shape",
        ),
        (
            {"kind": [2, 5]},
            r"\['kind'\] has the value 2 at index \(0,\), outside its space MultiDiscrete.*expected 0 to 1",
        ),
        ({"kind": [0, 4]}, r"\['kind'\] has the value 4 at index \(1,\), outside .*expected 5 to 7"),
        ({"pixels": [0, 10]}, r"\['pixels'\] has the value 10 at index \(1,\), outside its space Box.*expected 0"),
        ({"pixels": [0.0, 1.0]}, r"\['pixels'\] has dtype float64 .*expected dtype int64"),
        ({"x": [0.5, 1]}, r"\['x'\] has dtype float64 and shape \(2,\), expected dtype float32 and shape \(2, 2\)"),
        ({"x": [[0.5, 1], [np.nan, 0]]}, r"\['x'\] has the value nan at index \(1, 0\), expected finite numbers"),
        ({"x": [[0.5, 1e300], [0, 0]]}, r"\['x'\] has the value 1e\+300 at index \(0, 1\), infinite in float32"),
        ({"x": [[0.5, -255], [0, 0]]}, r"\['x'\] has the value -255.0 at index \(0, 1\), outside .*-1.0 to 1.0"),
        ({"x": [["a", "b"], ["c", "d"]]}, r"\['x'\] is \[\['a'.*, expected numbers"),
        ({"x": [[1], [1, 2]]}, r"\['x'\] is \[\[1\], \[1, 2\]\] .*expected numbers"),
        ({"x": None}, r"\['x'\] is None, a NoneType, expected numbers"),
    ],
)
def test_observations_outside_their_space_are_refused(changed: dict[str, Any], message: str) -> None:
    env = guarded(space=NESTED, observations=lambda t: nested(**(changed if t == 3 else {})))
    with pytest.raises(EnvironmentFault, match=rf"env: Noise, episode 0, step 3: .*{message}"):
        play(env)


def test_observations_are_handed_on_as_their_space_has_them() -> None:
    observation = play(guarded(space=NESTED, observations=lambda t: nested()))[0][0]
    assert NESTED.contains(observation)


SPACES = st.one_of(
    st.builds(spaces.Discrete, st.integers(1, 5), start=st.integers(-3, 3)),
    st.builds(spaces.MultiBinary, st.integers(1, 4)),
    st.builds(lambda n, start: spaces.MultiDiscrete(n, start=[start] * len(n)), st.lists(st.integers(1, 4), min_size=1),
              st.integers(-2, 2)),
    st.builds(lambda shape, dtype: spaces.Box(0, 9, shape, dtype), st.lists(st.integers(1, 3), max_size=3).map(tuple),
              st.sampled_from([np.uint8, np.int32, np.float32, np.float64])),
)  # fmt: skip


@given(space=SPACES, seed=st.integers(0, 10**6), by=st.integers(-20, 20))
def test_checks_agree_with_gymnasium(space: spaces.Space[Any], seed: int, by: int) -> None:
    """Samples pass unchanged; shifted ones pass where Gymnasium says that they are in the space."""
    space.seed(seed)
    sample: Any = space.sample()
    check = observation_check(space, "it", lambda name, message: None)
    np.testing.assert_array_equal(check(sample), sample)
    shifted = (np.asarray(sample, np.int64) + by).astype(space.dtype) if by else sample
    if isinstance(space, spaces.Box) and space.dtype.kind == "f":
        return
    try:
        check(shifted)
        accepted = True
    except Unfit:
        accepted = False
    assert accepted == space.contains(shifted)


def test_a_float_beside_its_box_costs_one_warning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment_guard, "_warned", set())
    values = [0.0, 1 + 1e-7, 1.5, -1.5, 1.2, 2.9, 0.0]
    env = guarded(observations=lambda t: np.array([0, values[t]], np.float32))
    assert [observation[1] for observation, *_ in play(env)] == np.array(values, np.float32).tolist()
    (line,) = capsys.readouterr().err.splitlines()
    assert "warning: env: Noise, episode 0, step 2: the observation has the value 1.5 at index (1,), outside" in line
    with pytest.raises(EnvironmentFault, match=r"value 3\.5 at index"):
        play(guarded(observations=lambda t: np.array([0, 3.5], np.float32)))


def test_spaces_that_are_too_large_are_refused_before_any_work() -> None:
    with pytest.raises(ValueError, match=f"which has {5**72} actions, expected at most 65536"):
        environments.make(EnvironmentSettings(f"{MODULE}:Odd/ManyActions-v0"))
    with pytest.raises(ValueError, match="flattened 1000000002 numbers a step"):
        environments.make(EnvironmentSettings(f"{MODULE}:Odd/ManyStates-v0"))
    with pytest.raises(ValueError, match="which has 1000000000 actions"):
        environments.check_spaces(spaces.Discrete(2), spaces.Discrete(10**9))
    environments.check_spaces(spaces.Discrete(2), spaces.MultiDiscrete([2] * 16))
    many = environments.FlattenAction(Noise(actions=spaces.MultiDiscrete([1] * 70 + [3, 2], start=[1] * 72)))
    assert many.action_space == spaces.Discrete(6)
    assert many.action(5).tolist() == [1] * 70 + [3, 2]
    assert many.action(2).tolist() == [1] * 70 + [2, 1]


# Images


@pytest.mark.parametrize(
    ("shape", "dtype", "image_shape", "description"),
    [
        ((3, 64, 64), np.uint8, (64, 64, 3), "channels first, [3, 64, 64] read as [64, 64, 3]"),
        ((64, 64, 3), np.uint8, (64, 64, 3), "channels last, [64, 64, 3]"),
        ((4, 84, 84), np.uint8, (84, 84, 4), "channels first, [4, 84, 84] read as [84, 84, 4]"),
        ((3, 210, 160), np.uint8, (210, 160, 3), "channels first, [3, 210, 160] read as [210, 160, 3]"),
        ((210, 160, 3), np.uint8, (210, 160, 3), "channels last, [210, 160, 3]"),
        ((84, 84), np.uint8, (84, 84, 1), "grey image, [84, 84] read as [84, 84, 1]"),
        ((4, 84, 84, 1), np.uint8, (84, 84, 4), "stacked images, [4, 84, 84, 1] read as [84, 84, 4]"),
        ((4, 64, 64, 3), np.uint8, (64, 64, 12), "stacked images, [4, 64, 64, 3] read as [64, 64, 12]"),
        ((4, 3, 64, 64), np.uint8, (64, 64, 12), "stacked images, [4, 3, 64, 64] read as [64, 64, 12]"),
        ((7, 7, 3), np.uint8, (7, 7, 3), "channels last, [7, 7, 3]"),
        ((8, 8, 111), np.float32, (8, 8, 111), "channels last, [8, 8, 111]"),
        ((25, 8, 8), np.float32, (8, 8, 25), "channels first, [25, 8, 8] read as [8, 8, 25]"),
        ((1, 64, 64), np.uint8, (64, 64, 1), "channels first, [1, 64, 64] read as [64, 64, 1]"),
        ((2, 3, 4), np.float32, None, None),
        ((4, 4), np.float32, None, None),
        ((84, 84), np.float32, None, None),
        ((4, 128), np.uint8, None, None),
        ((128,), np.uint8, None, None),
        ((), np.float32, None, None),
    ],
)
def test_image_layouts(shape: tuple[int, ...], dtype: Any, image_shape: Any, description: str | None) -> None:
    layout = image_layout(shape, dtype)
    assert (None if layout is None else layout.image_shape) == image_shape
    space = spaces.Box(0, 1, shape, dtype)
    assert describe_inputs(guarded(space=space))["image"] == description
    inputs = input_space(space, spaces.Discrete(2))
    network = DenseRecurrentNetwork(inputs, 2, NetworkSettings(3))
    kernel = tuple(network.trainable_variables[0].shape)
    assert kernel == ((3, 3, image_shape[2], 16) if image_shape else (inputs.shape[0], 3))
    x = np.random.default_rng(0).integers(0, 2, (2, 1, *inputs.shape)).astype(np.float32)
    outputs, _ = network.unroll(x, network.initial_state(2))
    step, _ = network.step(x[:, 0], network.initial_state(2))
    np.testing.assert_allclose(outputs[:, 0], step, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 12, 9), (4, 12, 12, 2), (4, 2, 12, 12), (16, 20)])
def test_an_image_is_the_same_in_every_layout(shape: tuple[int, ...]) -> None:
    """A network gives the same outputs for an image that NumPy has brought to [H, W, C] before."""
    inputs = InputSpace(shape, 3, previous_action=True, observation_dtype=np.uint8)
    assert inputs.image is not None
    height, width, channels = inputs.image.image_shape
    plain = InputSpace((height, width, channels), 3, previous_action=True, observation_dtype=np.uint8)
    network, plain_network = (DenseRecurrentNetwork(space, 2, NetworkSettings(4), seed=3) for space in (inputs, plain))
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (2, *shape)).astype(np.float32)
    first = 1 + shape.index(height)
    moved = np.moveaxis(images, (first, first + 1), (1, 2)).reshape(2, -1)
    actions = np.eye(3, dtype=np.float32)[:2]
    result, _ = network.step(np.concatenate([images.reshape(2, -1), actions], 1), network.initial_state(2))
    expected, _ = plain_network.step(np.concatenate([moved, actions], 1), plain_network.initial_state(2))
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


# Ids, wrappers, typed values, the terminal


@pytest.mark.parametrize(
    ("env_id", "spec_id"),
    [
        ("Acrobot", "Acrobot-v1"),
        ("CartPole-v1", "CartPole-v1"),
        (f"{MODULE}:Odd/Noise", "Odd/Noise-v3"),
        (f"{MODULE}:Odd/Noise-v1", "Odd/Noise-v1"),
        (f"{MODULE}:Odd/Plain", "Odd/Plain"),
        ("BitStream/Count", "BitStream/Count-v0"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*Using the latest versioned environment")
def test_whatever_id_gymnasium_takes_works(env_id: str, spec_id: str) -> None:
    for way in ("auto", "sync"):
        env = environments.make_vector(EnvironmentSettings(env_id, vectorization=way), 1)
        assert env.spec is not None
        assert env.spec.id == spec_id
        env.close()


def test_a_limit_of_steps_is_taken_among_the_settings_too() -> None:
    settings = EnvironmentSettings("BitStream/Count-v0", {"max_episode_steps": 5})
    env = environments.make_vector(settings, 2)
    actor = Actor(env, actor_step(make_network("gru", 1)), Regression(81).act, seed=0)
    assert [len(episode) for episode in itertools.islice(actor.episodes(), 4)] == [5] * 4


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint16, np.float16, np.float64])
def test_observations_of_every_dtype_are_acted_on(dtype: Any) -> None:
    odd = {"space": spaces.Box(0, 1, (2,), dtype), "observations": lambda t: np.array([t % 2, 1], dtype)}
    actor = actor_of(SyncVectorEnv([lambda: guarded(**odd)] * 2))
    for episode in itertools.islice(actor.episodes(), 2):
        assert episode.observations.dtype == np.float32
        assert episode.observations.tolist() == [[t % 2, 1] for t in range(6)]


def test_wrappers_take_arguments() -> None:
    for text in (
        "(2, offset=0.5)",
        "(factor=2.0,offset=0.5)",
        '(2, offset=0.5, unused="(a, b)")',
        "(2,offset=.5,unused=null)",
    ):
        env = environments.make(
            EnvironmentSettings(f"{MODULE}:Odd/Noise-v1", wrappers=(f"{MODULE}:OneMoreEntry{text}",))
        )
        observation, _ = env.reset(seed=1)
        np.testing.assert_allclose(observation, Noise().reset(seed=1)[0] * 2 + 0.5, rtol=1e-6)
    stacked = "gymnasium.wrappers:FrameStackObservation(stack_size=4)"
    assert environments.make(EnvironmentSettings("CartPole-v1", wrappers=(stacked,))).observation_space.shape == (4, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gymnasium.wrappers:FrameStackObservation", r"lacks the argument stack_size, .*'gymn.*stack_size=..\)'"),
        (f"{MODULE}:OneMoreEntry", r"lacks the argument factor, offset, .*OneMoreEntry\(factor=.., offset=..\)'"),
        (f"{MODULE}:OneMoreEntry(2)", r"lacks the argument offset, .*OneMoreEntry\(2, offset=..\)'"),
        (f"{MODULE}:OneMoreEntry(2, ofset=1)", r"unexpected keyword argument 'ofset', expected .*factor: "),
        (f"{MODULE}:OneMoreEntry(1, 2, 3)", "too many positional arguments"),
        (f"{MODULE}:OneMoreEntry(2, offset=", r"got '.*', expected module:Wrapper\(arguments\), for example"),
        (f"{MODULE}:OneMoreEntry(2)(3)", r"got '.*', expected module:Wrapper\(arguments\)"),
        (f"{MODULE}:OneMoreEntry(2, offset=print(1))", "an argument of .*got 'print"),
        ("gymnasium.wrappers:FrameStackObservation(stack_size=-1)", "raised ValueError: .*stack_size"),
        ("gymnasium.wrappers:FrameStackObservation(stack_size='4')", "raised TypeError"),
    ],
)  # fmt: skip
def test_wrappers_that_cannot_be_called_are_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"wrappers: .*{message}"):
        environments.make(EnvironmentSettings("CartPole-v1", wrappers=(text,)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("false", False), ("False", False), ("true", True), ("True", True), ("null", None), ("None", None),
        ("80", 80), ("-1", -1), ("+1.5", 1.5), ("1e-3", 1e-3), ("[1, 2]", [1, 2]), ("5,5", (5, 5)),
        ("[true, None]", [True, None]), ('{"a": [false]}', {"a": [False]}), ("'80'", "80"), ('"false"', "false"),
        ("4x4", "4x4"), ("human", "human"), ("data/maps.txt", "data/maps.txt"), ("two words", "two words"),
        ("module:Thing", "module:Thing"), ("2024-01-31", "2024-01-31"),
    ],
)  # fmt: skip
def test_values_are_read_by_their_type(text: str, value: Any) -> None:
    result = parse_pairs([f"key={text}"])["key"]
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    "text",
    ["TRUE", "FALSE", "yes", "no", "off", "On", "NULL", "none", "nan", "-inf", "Infinity", "1e999", "007", "", " ",
     "[1, 2", "[a, b]", "'open", "{1, 2}", "1+2j", "b'x'", "f(1)", "a,b"],
)  # fmt: skip
def test_values_that_may_be_a_mistake_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"env_kwargs: key: got .*expected .*quote"):
        parse_pairs([f"key={text}"])
    assert parse_pairs([f"key={json.dumps(text)}"]) == {"key": text}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(value=JSON)
def test_values_come_back_from_json_and_from_what_is_written(value: Any) -> None:
    assert read_value(json.dumps(value)) == value
    assert read_value(written(value)) == value
    assert type(read_value(written(value))) is type(value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", f"{MODULE}:Odd/OldReset-v0"], "OldReset-v0, episode 0, step 0: reset returned array"),
        (["--env", f"{MODULE}:Odd/OldStep-v0"], "OldStep-v0, episode 0, step 1: step returned 4 values, expected 5"),
        (["--env", f"{MODULE}:Odd/ManyActions-v0"], f"which has {5**72} actions"),
        (["--wrappers", "gymnasium.wrappers:FrameStackObservation"], "lacks the argument stack_size"),
        (["--env", f"{MODULE}:Odd/OddInfos-v0", "--objective", "regression"], 'gives no info["target"] in reset'),
        (["--env-kwargs", "length=yes"], "length: got 'yes', expected true, or quotes if it is text"),
    ],
)
def test_the_terminal_shows_a_message(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    with pytest.raises(SystemExit) as ended:
        burnin_compare.main([*arguments, "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_a_run_names_the_target_and_not_the_learning_rate() -> None:
    settings = TrainingSettings(
        environment=EnvironmentSettings(f"{MODULE}:Odd/NotANumberLater-v0"),
        network=NetworkSettings(4), num_envs=2, initial_steps=32, evaluation_episodes=2,
    )  # fmt: skip
    with pytest.raises(EnvironmentFault, match=r'episode 0, step 2: info\["target"\] is nan, expected a number'):
        Trainer(settings).run(parse("zero"), 0)
