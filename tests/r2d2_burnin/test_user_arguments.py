"""What users hand to their environments and wrappers, and environments that lack what Gymnasium's have."""

from __future__ import annotations

import re
import sys
import threading
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.classic_control import CartPoleEnv
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from gymnasium.envs.registration import WrapperSpec
from gymnasium.vector import SyncVectorEnv

from experiments import burnin_compare
from experiments.atlas import settings as atlas
from r2d2_burnin.acting.actor import Actor
from r2d2_burnin.data import Episode
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.environments.spaces import declared_range
from r2d2_burnin.environments.targets import NAME, TargetRange, UnfitTarget
from r2d2_burnin.environments.vector import GuardedVectorEnv
from r2d2_burnin.environments.wrapper_calls import WrapperCall
from r2d2_burnin.learning.objectives import Classification, choose_objective
from r2d2_burnin.replay.sum_tree import SumTree
from r2d2_burnin.runtime.command_line import from_command_line, parse_pairs
from r2d2_burnin.settings import EnvironmentSettings, TrainingSettings
from tests.common.networks import actor_step, make_network
from tests.common.odd_environments import Noise

MODULE = "tests.r2d2_burnin.test_user_arguments"


class Taking(Noise):
    """Takes its size out of a setting, and keeps the rest of it."""

    def __init__(self, cfg: Any = None, sizes: Any = ()) -> None:
        self.rest: Any = cfg if cfg is not None else {}
        self.size = self.rest.pop("size", 6) + sum(sizes)
        super().__init__(lambda t: np.zeros(self.size, np.float32), spaces.Box(-1, 1, (self.size,), np.float32))


class TakingVector(SyncVectorEnv):
    """The vectorised version of `Taking`, which changes its settings too."""

    def __init__(self, num_envs: int, cfg: Any = None) -> None:
        size = cfg.pop("size")
        super().__init__([lambda: Taking({"size": size})] * num_envs)


class Growing(Noise):
    """A mutable default, shared by all environments: each is larger than the last one."""

    def __init__(self, seen: list[int] = []) -> None:  # noqa: B006
        seen.append(0)
        super().__init__(space=spaces.Box(-1, 1, (len(seen),), np.float32))


class Appending(gym.Wrapper[Any, Any, Any, Any]):
    """Changes its argument."""

    def __init__(self, env: gym.Env[Any, Any], values: list[int]) -> None:
        super().__init__(env)
        values.append(len(values))
        self.values = values


class Scale(gym.Wrapper[Any, Any, Any, Any]):
    def __init__(self, env: gym.Env[Any, Any], factor: Any = 1, mode: str = "") -> None:
        super().__init__(env)
        self.factor, self.mode = factor, mode


class WithSpaces(Noise):
    """Has the given attributes as spaces; without one that is deleted."""

    def __init__(self, observation: Any = "keep", action: Any = "keep") -> None:
        super().__init__()
        for name, value in (("observation_space", observation), ("action_space", action)):
            if value == "delete":
                delattr(self, name)
            elif value != "keep":
                setattr(self, name, value)


class BrokenProperty(Noise):
    action_space = property(lambda self: self.missing, lambda self, value: None)  # type: ignore[assignment]


class WithoutLimit(CartPoleVectorEnv):
    """Takes no limit of steps."""

    def __init__(self, num_envs: int = 1) -> None:
        super().__init__(num_envs)


class RaisingVector(CartPoleVectorEnv):
    def __init__(self, num_envs: int = 1) -> None:
        raise RuntimeError("no display")


class OtherSpaces(SyncVectorEnv):
    def __init__(self, num_envs: int = 1) -> None:
        super().__init__([Noise] * num_envs)


gym.register("Arguments/Taking-v0", Taking, vector_entry_point=TakingVector)
gym.register("Arguments/Growing-v0", Growing)
gym.register("Arguments/WithSpaces-v0", WithSpaces)
gym.register("Arguments/BrokenProperty-v0", BrokenProperty)
gym.register("Arguments/Limited-v0", CartPoleEnv, vector_entry_point=WithoutLimit, max_episode_steps=40)
gym.register("Arguments/LimitTaken-v0", CartPoleEnv, vector_entry_point=CartPoleVectorEnv, max_episode_steps=40)
gym.register("Arguments/Raising-v0", CartPoleEnv, vector_entry_point=RaisingVector)
gym.register("Arguments/OtherSpaces-v0", CartPoleEnv, vector_entry_point=OtherSpaces)
gym.register("Arguments/Missing-v0", CartPoleEnv, vector_entry_point="nowhere:Nothing")
gym.register(
    "Arguments/Wrapped-v0", CartPoleEnv, vector_entry_point=WithoutLimit,
    additional_wrappers=(WrapperSpec("Scale", f"{MODULE}:Scale", {"factor": 2}),),
)  # fmt: skip


# Arguments are copies


@pytest.mark.parametrize("way", ["sync", "native"])
def test_environments_share_no_argument_and_change_no_settings(way: str) -> None:
    given = {"cfg": {"size": 3, "deep": [1]}}
    settings = EnvironmentSettings("Arguments/Taking-v0", given, vectorization=way)
    for _ in range(2):
        assert environments.make(settings).observation_space.shape == (3,)
        vector = environments.make_vector(settings, 3)
        assert vector.single_observation_space.shape == (3,)
        vector.close()
    single = [environments.make(settings).unwrapped for _ in range(2)]
    single[0].rest["deep"].append(2)
    assert single[1].rest == {"deep": [1]}
    given["cfg"]["size"] = 5
    assert settings.env_kwargs == {"cfg": {"size": 3, "deep": [1]}}


def test_an_iterator_among_the_arguments_is_not_used_up() -> None:
    settings = EnvironmentSettings("Arguments/Taking-v0", {"sizes": iter([1, 2])}, vectorization="sync")
    for _ in range(2):
        assert environments.make_vector(settings, 2).single_observation_space.shape == (9,)


@pytest.mark.parametrize("value", [(i for i in range(3)), {"deep": [(i for i in range(3))]}, threading.Lock(), sys])
def test_what_cannot_be_copied_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"env_kwargs: cfg: got .*, which cannot be copied .*expected a value that"):
        EnvironmentSettings("Arguments/Taking-v0", {"cfg": value})


def test_wrappers_share_no_argument() -> None:
    call = WrapperCall.parse(f"{MODULE}:Appending([5])")
    assert [call.apply(Appending, Noise()).values for _ in range(2)] == [[5, 1], [5, 1]]  # type: ignore[attr-defined]
    settings = EnvironmentSettings("CartPole-v1", wrappers=(f"{MODULE}:Appending([5])",) * 2)
    env = environments.make(settings)
    assert env.get_wrapper_attr("values") == [5, 1]


def test_environments_that_differ_by_themselves_are_named() -> None:
    with pytest.raises(ValueError, match=r"env: 'Arguments/Growing-v0' could not be made 3 times, expected .*same sp"):
        environments.make_vector(EnvironmentSettings("Arguments/Growing-v0"), 3)


def test_environments_that_differ_from_what_the_network_was_made_for_are_named() -> None:
    settings = EnvironmentSettings("Arguments/Growing-v0", vectorization="sync")
    vector = environments.make_vector(settings, 1)
    network = make_network("gru", 1, features=2)
    inputs = InputSpace((vector.single_observation_space.shape[0] - 1,), 2)
    with pytest.raises(
        ValueError, match=r"env: got observation space Box.*, expected \d+ numbers and 2 actions, as the"
    ):
        Actor(vector, actor_step(network), inputs=inputs)
    with pytest.raises(ValueError, match=r"env: got .* and action space Discrete\(2\), expected \d+ numbers and 3 act"):
        Actor(vector, actor_step(network), inputs=InputSpace(vector.single_observation_space.shape, 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"env": None}, "env: got None, expected an environment id"),
        ({"env_kwargs": None}, "env_kwargs: got None, expected a dictionary"),
        ({"wrappers": "a:B"}, r"wrappers: got 'a:B', expected a tuple of texts: \('a:B',\)"),
        ({"wrappers": (Scale,)}, r"wrappers: got <class '.*Scale'>, expected a text that names it: 'module:Wrapper'"),
        (
            {"env_kwargs": {"max_episode_steps": 30}, "max_episode_steps": 40},
            "max_episode_steps: got 40 and in env_kwargs 30, expected one of them",
        ),
    ],
)
def test_settings_of_an_environment_that_cannot_be_meant(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EnvironmentSettings(**arguments)


def test_the_same_limit_twice_is_one_limit() -> None:
    settings = EnvironmentSettings("CartPole-v1", {"max_episode_steps": 7}, max_episode_steps=7)
    env = environments.make(settings)
    assert env.spec is not None
    assert env.spec.max_episode_steps == 7


@pytest.mark.parametrize(
    "env_id", ["", " ", "CartPole-v1 ", "Cart Pole-v1", "a b:CartPole-v1", ":CartPole-v1", "gymnasium:", "/x-v0"]
)
def test_ids_that_gymnasium_does_not_know(env_id: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(env_id))):
        environments.make(EnvironmentSettings(env_id))


# Spaces


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"observation": "delete"}, "has no attribute observation_space, expected a space of gymnasium.spaces"),
        ({"action": "delete"}, "has no attribute action_space, expected a space of gymnasium.spaces"),
        ({"observation": None}, "has as observation_space None, a NoneType, expected a space of gymnasium.spaces"),
        ({"action": None}, "has as action_space None, a NoneType, expected"),
        ({"action": 4}, "has as action_space 4, a int, expected"),
        ({"action": spaces.Discrete}, "has as action_space <class .*Discrete'>, a type, expected"),
        ({"observation": (2, 3)}, r"has as observation_space \(2, 3\), a tuple, expected"),
        ({"action": type("Discrete", (), {"__module__": "gym.spaces"})()}, ".*gymnasium.spaces takes the place of gym"),
    ],
)
def test_environments_without_spaces_are_named(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"env: 'Arguments/WithSpaces-v0' {message}"):
        environments.make_vector(EnvironmentSettings("Arguments/WithSpaces-v0", kwargs), 2)


def test_a_space_that_raises_is_named() -> None:
    with pytest.raises(ValueError, match=r"BrokenProperty-v0': action_space raised AttributeError: .*'missing'"):
        environments.make(EnvironmentSettings("Arguments/BrokenProperty-v0"))


@pytest.mark.parametrize("count", [2**16 + 1, 2**40, 2**62])
def test_more_classes_than_a_network_can_have(count: int) -> None:
    env = Noise(info=lambda t: {"target": 1}, targets=spaces.Discrete(count))
    for objective in ("auto", "classification"):
        with pytest.raises(ValueError, match=rf"env: got target_space .*{count} classes, expected at most 65536"):
            choose_objective(objective, env)
    with pytest.raises(ValueError, match="expected at most 65536"):
        Classification.make(env, TrainingSettings())
    assert choose_objective("regression", env) == "regression"
    assert choose_objective("auto", Noise(info=lambda t: {"target": 1}, targets=spaces.Discrete(2**16)))


def test_classes_far_from_zero_stay_apart() -> None:
    first = 2**40
    env = Noise(info=lambda t: {"target": first + t % 3}, targets=spaces.Discrete(3, start=first))
    objective = Classification.make(env, TrainingSettings())
    zeros = np.zeros(4, np.float32)
    episode = Episode(
        zeros[:, None], zeros.astype(np.int64), zeros, np.array([first, first + 1, first + 2, np.nan]),
        zeros[:, None], (), zeros.astype(np.int64), True, zeros[:1], 0,
    )  # fmt: skip
    assert objective.labels(episode)["target"].tolist()[:3] == [0.0, 1.0, 2.0]
    assert np.isnan(objective.labels(episode)["target"][3])


@pytest.mark.parametrize(
    ("info", "declared", "reason"),
    [
        (lambda t: {}, spaces.Discrete(2), 'gives no info["target"] in reset'),
        (lambda t: {}, spaces.Box(0, 1, ()), 'gives no info["target"] in reset'),
        (lambda t: {"target": 1.0}, spaces.MultiDiscrete([2, 2]), "its target_space is MultiDiscrete([2 2]), expected"),
        (lambda t: {"target": 1.0}, 5, "its target_space is 5, expected Discrete, or a Box of one number, of gymn"),
        (lambda t: {}, None, None),
        (lambda t: {"target": 1.0}, spaces.Box(0, 1, ()), None),
    ],
)
def test_targets_that_are_declared_and_never_given(
    info: Any, declared: Any, reason: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    env = Noise(info=info, targets=declared)
    assert choose_objective("q-learning", env) == "q-learning"
    assert capsys.readouterr().err == ""
    chosen = choose_objective("auto", env)
    lines = capsys.readouterr().err.splitlines()
    if reason is None:
        assert lines == []
    else:
        assert chosen == "q-learning"
        assert len(lines) == 1
        assert lines[0].startswith("warning: objective: auto takes q-learning, although a target_space is declared: ")
        assert reason in lines[0]


@pytest.mark.parametrize(
    ("space", "target", "shown"),
    [
        (spaces.Box(0, 1, ()), 1.5, "1.5, expected a number from 0 to 1"),
        (spaces.Box(0.1, 0.7, (1,), np.float32), -1, "-1, expected a number from 0.1 to 0.7"),
        (spaces.Box(0.1, 1.23456789, (1,), np.float64), 2, "2, expected a number from 0.1 to 1.23456789"),
        (spaces.Box(0, 12345678, ()), -1, "-1, expected a number from 0 to 12345678"),
        (spaces.Box(0, np.inf, ()), -1, "-1, expected a number from 0 that is finite in float32"),
        (spaces.Discrete(1234567, start=-3), -4, "-4, expected a class, a whole number from -3 to 1234563"),
    ],
)
def test_errors_of_targets_outside_name_the_bounds_of_their_space(space: Any, target: float, shown: str) -> None:
    targets = declared_range(Noise(targets=space))
    assert isinstance(targets, TargetRange)
    with pytest.raises(UnfitTarget, match=f"^{re.escape(NAME + ' is ' + shown)}$"):
        targets.of_block(np.array([[target]], np.float64))


def test_targets_may_lie_outside_by_rounding() -> None:
    targets = declared_range(Noise(targets=spaces.Box(0, 1, ())))
    assert targets is not None
    assert targets.of_block(np.array([[-1e-7, 1 + 1e-7]])).shape == (1, 2)
    with pytest.raises(UnfitTarget, match=r"is 1\.00001\d*, expected a number from 0 to 1$"):
        targets.of_block(np.array([[1.00001]]))


# Vectorised versions


@pytest.mark.parametrize(
    ("env_id", "reason", "warns"),
    [
        ("Limited", r"takes its settings max_episode_steps=40 \(got an unexpected keyword", False),
        ("Wrapped", r"takes the wrappers it is registered with \(Scale\)", False),
        ("Raising", r"could not be made \(RuntimeError: no display\)", True),
        (
            "OtherSpaces",
            r"has the spaces Box\(-1.0, 1.0, \(2,\), float32\) and Discrete\(2\), the single one Box",
            True,
        ),
        ("Missing", r"nowhere:Nothing of .* cannot be imported \(ModuleNotFoundError", True),
    ],
)
def test_a_vectorised_version_that_cannot_be_made(
    env_id: str, reason: str, warns: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"Arguments/{env_id}-v0"
    for _ in range(2):
        vector = environments.make_vector(EnvironmentSettings(name), 2)
        assert type(vector) is GuardedVectorEnv
        vector.close()
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == int(warns)
    assert all(re.search(reason, line) and "auto takes single environments" in line for line in warnings)
    with pytest.raises(ValueError, match=rf"vectorization: got 'native', but .*{reason}.*expected sync, async or auto"):
        environments.make_vector(EnvironmentSettings(name, vectorization="native"), 2)


@pytest.mark.parametrize("name", ["num_envs", "wrappers", "vector_kwargs", "vectorization_mode"])
def test_settings_with_the_name_of_an_argument_of_make_vec(name: str) -> None:
    gym.register("Arguments/Named-v0", lambda **kwargs: CartPoleEnv(), vector_entry_point=lambda **kwargs: None)
    settings = EnvironmentSettings("Arguments/Named-v0", {name: 3})
    assert type(environments.make_vector(settings, 2)) is GuardedVectorEnv
    gym.registry.pop("Arguments/Named-v0")


def test_a_vectorised_version_that_takes_the_limit_is_taken() -> None:
    vector = environments.make_vector(EnvironmentSettings("Arguments/LimitTaken-v0"), 2)
    assert isinstance(vector, CartPoleVectorEnv)
    assert vector.max_episode_steps == 40
    vector.close()


# The command line


FLAGS = ["--env-kwargs", "--env_kwargs", "--wrappers", "--strategies"]


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("between", [[], ["--updates", "5"]])
def test_a_flag_of_several_values_that_comes_twice(
    flag: str, between: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = ("a=1", "cfg=2") if "kwargs" in flag else ("zero", "full")
    with pytest.raises(SystemExit) as ended:
        burnin_compare.main([flag, first, *between, flag.replace("_", "-") + "=" + second])
    assert ended.value.code == 2
    name, plain = flag[2:].replace("-", "_"), flag.replace("_", "-")
    assert capsys.readouterr().err == (
        f"error: {name}: got {plain} 2 times, expected it once, with all its values: {plain} {first} {second}\n"
    )


def test_a_presets_flags_give_way() -> None:
    read = burnin_compare.read_settings(["--preset", "r2d2", "--strategies", "zero", "--units", "8"])
    assert read.strategies == ("zero",)
    assert read.training.network.units == 8
    assert burnin_compare.read_settings(["--preset", "r2d2"]).training.network.units == 512


def test_of_a_flag_of_one_value_the_last_one_counts() -> None:
    read = from_command_line(EnvironmentSettings, "test", "", ["--env", "A-v0", "--env", "B-v0"])
    assert read.env == "B-v0"


def test_a_flag_for_all_tasks_that_comes_twice(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        atlas.read_settings(["--tasks", "count", "--flags", "num-envs=5", "num_envs=6"])
    message = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "flags: got num-envs=5 num_envs=6, expected each NAME once" in message


@pytest.mark.parametrize(
    "text", ["1 a=2", "1  a=2", "x cfg={}", "3 b = 4", "1 --units 5", "word other=word", "a =b", "a= b"]
)
def test_two_settings_in_one_argument(text: str) -> None:
    with pytest.raises(ValueError, match=r"env_kwargs: a: got "):
        parse_pairs([f"a={text}"])
    assert parse_pairs([f'a="{text}"']) == {"a": text}


def test_an_equals_sign_without_a_space_is_text() -> None:
    assert parse_pairs(["a=x=y", "b=two words", "c=a-b --"]) == {"a": "x=y", "b": "two words", "c": "a-b --"}


WRAPPER = f"{MODULE}:Scale"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{WRAPPER}(factor=2, factor=3)", "got factor twice, expected each argument once"),
        (f"{WRAPPER}(lambda x: x)", "got 'lambda x: x', expected a finite number, text"),
        (f"{WRAPPER}(mode=human)", "got 'human', expected .*text has to be quoted"),
        (f"{WRAPPER}(factor=1 if True else 2)", "got '1 if True else 2', expected"),
        (f"{WRAPPER}(factor=[i for i in (1, 2)])", "got .*for i in.*, expected"),
        (f"{WRAPPER}(f'{{x}}')", "got .*, expected"),
        (f"{WRAPPER}(math.pi)", "got 'math.pi', expected"),
        (f"{WRAPPER}(not True)", "got 'not True', expected"),
        (f"{WRAPPER}(1 < 2)", "got '1 < 2', expected"),
        (f"{WRAPPER}(1e999)", "got '1e309', expected a finite number"),
        (f"{WRAPPER}(**{{'factor': 2}})", r"got \*\*\{'factor': 2\}, expected name=value for each"),
        (f"{WRAPPER}(*[2])", r"got \*\[2\], expected each argument by itself"),
        ("(x=2)", r"got '\(x=2\)', expected module:name or module"),
        ("", "got '', expected module:name or module"),
        ("b=2)", r"got 'b=2\)', expected module:name or module"),
        (f"{WRAPPER}(factor=", "got '.*', expected module:Wrapper"),
        (f"{WRAPPER} Other", "got '.* Other', expected module:name or module"),
        ("a b:Scale(2)", r"got 'a b:Scale\(2\)', expected module:name or module"),
    ],
)
def test_wrapper_arguments_that_are_no_literals(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"wrappers: .*{message}"):
        environments.make(EnvironmentSettings("CartPole-v1", wrappers=(text,)))


@pytest.mark.parametrize(
    ("text", "factor"),
    [("(2)", 2), ("( factor = 'human' )", "human"), (" ([1, null, true])", [1, None, True]), ("(-1.5)", -1.5),
     ("({'a': (1, 2)},)", {"a": (1, 2)}), ('("lambda x: x = 2")', "lambda x: x = 2"), ("()", 1)],
)  # fmt: skip
def test_wrapper_arguments_that_are_literals(text: str, factor: Any) -> None:
    env = environments.make(EnvironmentSettings("CartPole-v1", wrappers=(WRAPPER + text,)))
    assert env.get_wrapper_attr("factor") == factor


# Priorities


@pytest.mark.parametrize("rows", [[10], [3, 10], [0, 1000], [2], [2, 5], [-1]])
def test_priorities_of_rows_that_are_not_kept_are_refused(rows: list[int]) -> None:
    tree = SumTree()
    tree.append(np.arange(1.0, 11.0))
    tree.drop(3)
    before = tree.total
    with pytest.raises(ValueError, match=r"rows: got .*, expected rows that are kept, 3 to 9"):
        tree.set(np.array(rows), np.ones(len(rows)))
    assert tree.total == before == sum(range(4, 11))
    tree.set(np.array([3, 9]), np.zeros(2))
    assert tree.total == sum(range(5, 10))
    tree.set(np.array([], np.int64), np.array([]))
    with pytest.raises(ValueError, match="count: got 8, expected 0 to 7"):
        tree.drop(8)
    assert tree.total == sum(range(5, 10))
