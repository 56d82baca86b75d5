"""Settings of a training run: frozen dataclasses that check themselves, and import nothing heavy.

Some defaults depend on the objective: `OBJECTIVES` has those of Q-learning. They take the place of values that
were not given as soon as the objective is known: at once in `TrainingSettings(objective="q-learning")`, and when a
trainer has looked at the environment where the objective is `auto`.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from r2d2_burnin.runtime.errors import did_you_mean

CELLS = {
    "lstm": "r2d2_burnin.networks.cells.lstm:LSTMCell",
    "gru": "r2d2_burnin.networks.cells.gru:GRUCell",
    "lru": "r2d2_burnin.networks.cells.lru:LRU",
    "mingru": "r2d2_burnin.networks.cells.mingru:MinGRU",
}
"""Recurrent cells by name."""

MOST_CONSTANT_ACTIONS = 64
"""Constant actions that are tried as a baseline, at most: each takes an evaluation."""

VECTORIZATION_NAMES = ("auto", "native", "sync", "async")


class _DefaultInt(int):
    """A whole number that was not given, and which an objective or another setting may replace."""


class _DefaultFloat(float):
    """A number that was not given, and which an objective may replace."""


@dataclasses.dataclass(frozen=True)
class ObjectiveEntry:
    """Where an objective of ours is, and its own defaults."""

    reference: str
    """`module:Class`."""
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Settings of a run that differ from those of a regression where they are not given."""


OBJECTIVES = {
    "regression": ObjectiveEntry("r2d2_burnin.learning.objectives.regression:Regression"),
    "classification": ObjectiveEntry("r2d2_burnin.learning.objectives.classification:Classification"),
    "q-learning": ObjectiveEntry(
        "r2d2_burnin.learning.objectives.control:QLearning",
        {
            "learning_rate": 1e-3,
            "final_learning_rate": 1e-4,
            "updates": 3000,
            "num_envs": 64,
            "initial_steps": 10_240,
            "new_steps": 2560,
            "updates_between": 20,
            "priority_exponent": 0.9,
            "importance_exponent": 0.6,
            "evaluation_episodes": 64,
            "measure_every": 200,
        },
    ),
}
"""Objectives by name."""


@dataclasses.dataclass(frozen=True)
class EnvironmentSettings:
    """Which environment, and how it is made and stepped."""

    env: str = "BitStream/Count-v0"
    """Environment id, as gymnasium.make takes it (`module:Id` too)."""
    env_kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Settings of the environment, for example length=80 window=15. Values are read as JSON or Python: numbers, true,
    false, null (or True, False, None), lists, dictionaries, quoted text; other plain words are text, but yes, no, on,
    off and the like have to be quoted."""
    wrappers: tuple[str, ...] = ()
    """Wrappers around it, innermost first: `module:Wrapper`, called with the environment, or with arguments besides:
    'gymnasium.wrappers:FrameStackObservation(stack_size=4)'."""
    max_episode_steps: int | None = None
    """Steps after which an episode is truncated; by default what the environment says itself."""
    vectorization: str = "auto"
    """native (the environment's own), sync (one by one), async (a process each), or auto: native where there is one,
    else async where a step takes more than 2 ms."""

    env_timeout: float = 600.0
    """Seconds that a call of the environment may take before the run is given up."""

    def __post_init__(self) -> None:
        if not isinstance(self.env, str):
            raise ValueError(f"env: got {self.env!r}, expected an environment id, for example 'CartPole-v1'")
        if isinstance(self.wrappers, str):
            raise ValueError(f"wrappers: got {self.wrappers!r}, expected a tuple of texts: ({self.wrappers!r},)")
        if wrong := [wrapper for wrapper in self.wrappers if not isinstance(wrapper, str)]:
            raise ValueError(f"wrappers: got {wrong[0]!r}, expected a text that names it: 'module:Wrapper'")
        object.__setattr__(self, "env_kwargs", copy_of_kwargs(self.env_kwargs))
        _check_above_zero(self, "env_timeout")
        _check_choice("vectorization", self.vectorization, VECTORIZATION_NAMES)
        if self.max_episode_steps is not None:
            _check_least(self, "max_episode_steps", 1)
            among_kwargs = self.env_kwargs.get("max_episode_steps")
            if among_kwargs not in (None, self.max_episode_steps):
                raise ValueError(
                    f"max_episode_steps: got {self.max_episode_steps} and in env_kwargs {among_kwargs!r}, expected one"
                    " of them, or the same number twice"
                )


def copy_of_kwargs(env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy: an environment may change or keep what it is given, and none may share it with another.

    Raises:
        ValueError: for what is no mapping, and for a value that cannot be copied.
    """
    if not isinstance(env_kwargs, Mapping):
        raise ValueError(f"env_kwargs: got {env_kwargs!r}, expected a dictionary, for example {{'length': 80}}")
    copied = {}
    for name, value in env_kwargs.items():
        try:
            copied[name] = copy.deepcopy(value)
        except Exception as error:  # whatever a value's class raises
            raise ValueError(
                f"env_kwargs: {name}: got {value!r}, which cannot be copied ({type(error).__name__}: {error}), expected"
                " a value that every environment can have a copy of, such as a list instead of a generator"
            ) from None
    return copied


@dataclasses.dataclass(frozen=True)
class NetworkSettings:
    """The network: a small convolution for images, a dense layer, recurrent layers, a dense layer."""

    units: int = 32
    """Units of the dense layer and of every recurrent layer."""
    cell: str = "lstm"
    """Recurrent cell: lstm, gru, lru (Orvieto et al., 2023), mingru (Feng et al., 2024), or `module:Class` of your own
    (see r2d2_burnin.networks.cells.protocol)."""
    layers: int = 1
    """Recurrent layers, stacked."""
    dueling: bool = True
    """Q-learning: a value and advantages, each with a dense layer of its own, instead of Q-values at once."""
    network: str | None = None
    """`module:factory` of your own network instead (see r2d2_burnin.networks.RecurrentNetwork); --units, --cell,
    --layers and --dueling are then without effect."""

    def __post_init__(self) -> None:
        _check_least(self, "units", 1)
        _check_least(self, "layers", 1)
        _check_choice("cell", self.cell, tuple(CELLS), own=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnerSettings:
    """The optimizer."""

    learning_rate: float = _DefaultFloat(6e-3)
    """Adam's step size at the first update."""
    final_learning_rate: float = _DefaultFloat(2e-4)
    """Adam's step size at the last update, reached along half a cosine."""
    adam_epsilon: float = 1e-7
    """Adam's epsilon."""
    gradient_clip: float = 10.0
    """Largest norm of the gradient; a longer one is scaled down to it."""
    burn_in_gradient: bool = False
    """Backpropagate through burn-in too, into the parameters that produced the start state. R2D2 does not: its burn-in
    only produces a start state."""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "final_learning_rate", "adam_epsilon", "gradient_clip"):
            _check_above_zero(self, name)


@dataclasses.dataclass(frozen=True)
class ReplaySettings:
    """Fragments, and how they are drawn."""

    sequence_length: int = 20
    """Trained steps of a fragment, T."""
    period: int = _DefaultInt(10)
    """Steps between the starts of fragments; by default half of shorter fragments."""
    replay_capacity: int = 163_840
    """Steps that replay keeps."""
    priority_exponent: float = _DefaultFloat(0.0)
    """Fragments are drawn by priority to this power (R2D2: 0.9); 0 draws uniformly."""
    priority_eta: float = 0.9
    """Priority: this part of the largest error in a fragment, the rest of the mean error."""
    importance_exponent: float = _DefaultFloat(0.0)
    """How far importance weights take back what priorities distort: 0 not at all, 1 wholly (R2D2: 0.6)."""
    start_exponent: float = _DefaultFloat(0.0)
    """Fragments are drawn the more seldom the later they start in their episode: by (1 + start / T) to the power of
    minus this number. 0: all alike. 1: about as often from the steps T to 2 T, 2 T to 4 T, and so on, for tasks in
    which what is seen early has to be remembered for long: it has to be learned in an episode's first fragments
    first. --importance-exponent takes it back, as it does for priorities."""

    def __post_init__(self) -> None:
        for name in ("sequence_length", "period", "replay_capacity"):
            _check_least(self, name, 1)
        if _is_default(self.period) and self.period > self.sequence_length:
            object.__setattr__(self, "period", max(self.sequence_length // 2, 1))
        check_fragment_settings(self.sequence_length, self.period)
        for name in ("priority_exponent", "priority_eta", "importance_exponent"):
            _check_share(self, name)
        if not 0 <= self.start_exponent < math.inf:
            raise ValueError(f"start_exponent: got {self.start_exponent}, expected a finite number, at least 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class QLearningSettings:
    """The agent of `--objective q-learning`, named as in R2D2; without effect on the other objectives."""

    discount: float = 0.997
    """Discount of a reward one step later."""
    n_step: int = 5
    """Rewards in a target before it bootstraps."""
    target_update_period: int = 100
    """Learner updates between two copies of the network to the target network (R2D2: 2500)."""
    value_rescaling: bool = True
    """Learn h(Q) = sign(Q) (sqrt(|Q| + 1) - 1) + 1e-3 Q instead of Q."""
    reward_scaling: bool = True
    """Divide rewards by the root mean square of those that are not zero, of the first round of acting that has any, so
    that rewards in another unit train the same agent. Returns are reported as the environment gives them."""
    epsilon: float = 0.4
    """Exploration of actor i of N: epsilon^(1 + alpha i / (N - 1))."""
    alpha: float = 7.0
    """How much less the last actor explores than the first."""
    evaluation_epsilon: float = 0.0
    """Random actions in an evaluation; a few (0.05) free greedy policies that walk in circles."""
    previous_action: bool = True
    """The network sees its previous action. On a guessing task it can read the target from its own last guess, which
    hides what an initialization costs: compare with --no-previous-action --no-previous-reward there."""
    previous_reward: bool = True
    """The network sees the previous reward; see --previous-action."""

    def __post_init__(self) -> None:
        for name in ("discount", "epsilon", "evaluation_epsilon"):
            _check_share(self, name)
        _check_least(self, "n_step", 1)
        _check_least(self, "target_update_period", 1)
        if not 0 <= self.alpha < math.inf:
            raise ValueError(
                f"alpha: got {self.alpha}, expected a finite number, at least 0 (all actors explore alike)"
            )


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """Everything that decides a run except its seed and its initialization."""

    environment: EnvironmentSettings = dataclasses.field(default_factory=EnvironmentSettings)
    network: NetworkSettings = dataclasses.field(default_factory=NetworkSettings)
    learner: LearnerSettings = dataclasses.field(default_factory=LearnerSettings)
    replay: ReplaySettings = dataclasses.field(default_factory=ReplaySettings)
    q_learning: QLearningSettings = dataclasses.field(default_factory=QLearningSettings)
    objective: str = "auto"
    """regression or classification on info["target"], q-learning, `module:Class` of your own, or auto: what the
    environment's targets ask for, and q-learning where it has none."""
    updates: int = _DefaultInt(2000)
    """Learner updates."""
    batch_size: int = 64
    """Fragments in an update."""
    num_envs: int = _DefaultInt(128)
    """Environments that the actor acts in at once."""
    initial_steps: int = _DefaultInt(20_480)
    """Steps that the actor takes before the first update."""
    new_steps: int = _DefaultInt(10_240)
    """Steps that the actor takes after every --updates-between updates."""
    updates_between: int = _DefaultInt(40)
    """Updates between two rounds of acting, compiled as one program."""
    cut_episodes: int | None = None
    """Steps after which what there is of an episode goes to replay, as a part of it, without waiting for its end: for
    episodes that are very long. Each part begins with the state that the actor had there. Not with full, which needs
    whole episodes; evaluations need episodes that end."""
    parameter_lag: int = 0
    """Updates by which the actor's parameters are behind the learner's, as those of distributed actors are."""
    actors: int = 0
    """Ray actors that step the environments, each a share of --num-envs, while the learner updates; they act with
    parameters that are as old as they happen to be, which is measured. 0: the learner's process acts, in turns."""
    actors_address: str = "local"
    """Address of the Ray cluster of --actors: local begins one on this machine, auto looks for a running one."""
    measure_every: int = _DefaultInt(100)
    """Updates between two measurements of ΔQ and evaluations."""
    measured_fragments: int = 256
    """Fragments in a measurement of ΔQ."""
    evaluation_episodes: int = _DefaultInt(256)
    """Fresh whole episodes in an evaluation."""

    def __post_init__(self) -> None:
        _check_choice("objective", self.objective, ("auto", *OBJECTIVES), own=True)
        if self.objective in OBJECTIVES:
            fill_defaults(self, OBJECTIVES[self.objective].defaults)
        for field in dataclasses.fields(self):
            if isinstance(field.default, int):
                _check_least(self, field.name, 0 if field.name in ("parameter_lag", "actors") else 1)
        if self.cut_episodes is not None:
            _check_least(self, "cut_episodes", self.replay.sequence_length)
            if self.cut_episodes > self.replay.replay_capacity:
                raise ValueError(
                    f"cut_episodes: got {self.cut_episodes}, expected at most replay_capacity"
                    f" ({self.replay.replay_capacity} steps)"
                )
        if self.actors and self.parameter_lag:
            raise ValueError(
                "parameter_lag: got it together with actors, whose lag is what it is; expected one of them"
            )
        if self.actors > self.num_envs:
            raise ValueError(
                f"actors: got {self.actors}, expected at most one for each of {self.num_envs} environments (num_envs)"
            )


def environment_steps(settings: TrainingSettings, update: int) -> int:
    """Environment steps acted before `update` (from 1) of a run.

    A first round that is acted again, since only its rewards say in which unit to show them, counts once.
    """
    rounds = -(-update // settings.updates_between)
    return settings.initial_steps + (rounds - 1) * settings.new_steps


def check_fragment_settings(sequence_length: int, period: int) -> None:
    """Raise a ValueError unless fragments of these settings cover every step of an episode."""
    if sequence_length < 1:
        raise ValueError(f"sequence_length: got {sequence_length}, expected at least 1 step")
    if not 1 <= period <= sequence_length:
        raise ValueError(
            f"period: got {period}, expected 1 to sequence_length ({sequence_length}), or steps between fragments would"
            f" never be trained; the nearest is {min(max(period, 1), sequence_length)}"
        )


def fill_defaults(settings: Any, values: Mapping[str, Any]) -> None:
    """Set fields of a settings dataclass, and of those inside it, that were not given to these values by name."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            own = {inner.name: values[inner.name] for inner in dataclasses.fields(value) if inner.name in values}
            given = {name: new for name, new in own.items() if _is_default(getattr(value, name))}
            object.__setattr__(settings, field.name, dataclasses.replace(value, **given) if given else value)
        elif field.name in values and _is_default(value):
            object.__setattr__(settings, field.name, values[field.name])


def _is_default(value: Any) -> bool:
    return isinstance(value, _DefaultInt | _DefaultFloat)


def _check_least(settings: Any, name: str, least: int) -> None:
    value = getattr(settings, name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name}: got {value!r}, expected a whole number, at least {least}")
    if value < least:
        raise ValueError(f"{name}: got {value}, expected at least {least}")


def _check_above_zero(settings: Any, name: str) -> None:
    value = getattr(settings, name)
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name}: got {value}, expected a finite number above 0")


def _check_share(settings: Any, name: str) -> None:
    value = getattr(settings, name)
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: got {value}, expected 0 to 1; the nearest is {min(max(value, 0), 1)}")


def _check_choice(name: str, value: str, known: tuple[str, ...], *, own: bool = False) -> None:
    if value not in known and not (own and ":" in value):
        more = ", or module:Class of your own" if own else ""
        hint = did_you_mean(value, known) if isinstance(value, str) else ""
        raise ValueError(f"{name}: got {value!r}, expected one of {', '.join(known)}{more}{hint}")
