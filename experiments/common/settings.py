"""Settings that commands share, and presets: values for flags that the command line does not give, by objective."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from experiments.common.engine import default_workers
from r2d2_burnin.console import COMMANDS
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments import spaces
from r2d2_burnin.environments.action_dependence import action_dependence
from r2d2_burnin.learning.objectives import choose_objective, objective_class, objective_defaults
from r2d2_burnin.networks.factory import check_trainable
from r2d2_burnin.networks.user_factory import load_factory
from r2d2_burnin.runtime.command_line import HELP, by_console, from_command_line
from r2d2_burnin.runtime.literals import written
from r2d2_burnin.settings import CELLS, EnvironmentSettings, TrainingSettings


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """Which runs are made, where, and what becomes of them."""

    seeds: int = 5
    """Number of seeds."""
    workers: int = dataclasses.field(default_factory=default_workers)
    """Worker processes; by default one a core."""
    out: Path | None = None
    """Directory of the results; by default one named after the settings, under results/."""
    fresh: bool = False
    """Throw away what an earlier run with this --out has left, instead of taking it up."""
    resume: bool = False
    """Take up what an earlier run with this --out has left without asking; without a terminal nobody is asked."""
    engine: Literal["local", "ray"] = "local"
    """Where runs are made: in processes of this machine, or on a Ray cluster (pip install -e '.[ray]')."""
    ray_address: str = "local"
    """Address of the Ray cluster: local begins one on this machine, auto looks for a running one."""

    def __post_init__(self) -> None:
        for name in ("seeds", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected at least 1")
        if self.fresh and self.resume:
            raise ValueError("resume: got it together with fresh, expected one of them at most")


def command_line(module: str, arguments: Sequence[str]) -> str:
    """The command line of one of our commands, by the name that the user starts our commands by.

    Flags that say what becomes of earlier results are left out: it makes the same results anywhere.
    """
    by_name = {target: ["r2d2-burnin", name] for name, (target, _) in COMMANDS.items()}
    start = by_name[module] if by_console() and module in by_name else ["python", "-m", module]
    return shlex.join([*start, *(argument for argument in arguments if argument not in ("--fresh", "--resume"))])


def environment_flags(environment: EnvironmentSettings) -> tuple[str, ...]:
    """The flags that name an environment as these settings do."""
    flags = ["--env", environment.env]
    if environment.env_kwargs:
        flags += ["--env-kwargs", *(f"{name}={written(value)}" for name, value in environment.env_kwargs.items())]
    if environment.wrappers:
        flags += ["--wrappers", *environment.wrappers]
    if environment.max_episode_steps is not None:
        flags += ["--max-episode-steps", str(environment.max_episode_steps)]
    return tuple(flags)


AUTO, SMALL, GUESS_NAME = "auto", "small", "guess"

PRESET_NAMES = (AUTO, SMALL, GUESS_NAME, "r2d2")

GUESS: dict[str, Any] = {**objective_defaults("q-learning")} | {
    "learning_rate": 3e-3,
    "final_learning_rate": 2e-4,
    "updates": 4000,
    "units": 64,
    "discount": 0.0,
    "value_rescaling": False,
    "previous_action": False,
    "previous_reward": False,
    "priority_exponent": 0.0,
    "importance_exponent": 0.0,
}
"""A reward that only the last action earns: what comes later is noise to it, and easy fragments teach the hard ones."""

LONG_EPISODE = 10
"""Sequence lengths from which on an episode is long: its first fragments, in which it has to be learned what is to be
remembered, are then less than a tenth of all."""

LONG_GUESS: dict[str, Any] = {"start_exponent": 1.0}
"""What `auto` adds to `guess` for long episodes."""

R2D2: dict[str, Any] = {
    "sequence_length": 80,
    "period": 40,
    "strategies": ("zero", "stored", "zero+40", "stored+40", "full"),
    "units": 512,
    "batch_size": 64,
    "learning_rate": 1e-4,
    "final_learning_rate": 1e-4,
    "adam_epsilon": 1e-3,
    "gradient_clip": 40.0,
    "replay_capacity": 4_000_000,
    "num_envs": 64,
    "initial_steps": 50_000,
    "new_steps": 6400,
    "updates_between": 20,
    "updates": 50_000,
    "target_update_period": 2500,
    "priority_exponent": 0.9,
    "importance_exponent": 0.6,
    "measure_every": 500,
    "evaluation_episodes": 256,
}
"""Kapturowski et al., ICLR 2019, table 2 (appendix), with fewer actors and an end."""

QUICK: dict[str, Any] = {"updates": 400, "seeds": 1, "measure_every": 50, "evaluation_episodes": 128}


PRESETS = {GUESS_NAME: GUESS, "r2d2": R2D2}


class PresetChoice(NamedTuple):
    """Which preset gives what the command line does not, and why."""

    name: str
    reason: str = ""
    more: Mapping[str, Any] = {}
    """Values beside the preset's."""


def choose_preset(preset: str, objective: str, training: TrainingSettings) -> PresetChoice:
    """The preset of that name, or for `auto` the one that fits the task.

    Where actions decide nothing but their own step's reward, that is `guess`; in doubt, and for objectives on targets,
    `small`: the objective's own settings.

    Raises:
        ValueError: for an unknown name, and for an environment that cannot be made.
    """
    if preset not in PRESET_NAMES:
        raise ValueError(f"preset: got {preset!r}, expected one of {', '.join(PRESET_NAMES)}")
    if preset != AUTO:
        return PresetChoice(preset)
    if objective_class(objective).reads_targets:
        return PresetChoice(SMALL)
    dependence, limit = action_dependence(training.environment), LONG_EPISODE * training.replay.sequence_length
    if not dependence.independent:
        return PresetChoice(SMALL, dependence.reason)
    if dependence.steps <= limit:
        return PresetChoice(GUESS_NAME, dependence.reason)
    more = " ".join(f"--{name.replace('_', '-')} {value:g}" for name, value in LONG_GUESS.items())
    long = f"episodes of {dependence.steps} steps are longer than {LONG_EPISODE} --sequence-length, hence {more}"
    return PresetChoice(GUESS_NAME, f"{dependence.reason}; {long}", LONG_GUESS)


class _WithTraining(Protocol):
    """Settings of an experiment that trains."""

    @property
    def training(self) -> TrainingSettings:
        """Of every run."""

    @property
    def preset(self) -> str:
        """The name of one of `PRESET_NAMES`."""

    @property
    def preset_reason(self) -> str:
        """Why `auto` took the preset."""


Settings = TypeVar("Settings", bound=_WithTraining)


def read_with_preset(
    settings: type[Settings], module: str, description: str, arguments: Sequence[str], *, trains: bool = True
) -> Settings:
    """Settings from the command line; the preset gives what it does not, and the environment the objective.

    A network that cannot be trained here is refused, unless the command gets along without training (`trains`).

    Raises:
        ValueError: for settings that cannot work, an unknown environment, wrapper or network among them.
    """
    without_help = [argument for argument in arguments if argument not in HELP]
    if not without_help and len(arguments):
        from_command_line(settings, module, description, arguments)  # answers at once
    first = from_command_line(settings, module, description, without_help)
    objective = _objective(first.training, trains=trains)
    preset = choose_preset(first.preset, objective, first.training)
    known = {field.name for field in dataclasses.fields(settings)}  # type: ignore[arg-type]
    flags = preset_flags(preset, objective, quick=getattr(first, "quick", False), known=known)
    read = from_command_line(settings, module, description, without_help, preset=flags)
    if len(without_help) < len(arguments):  # help shows the defaults that hold with the other flags
        from_command_line(settings, module, description, ["--help"], default=read)
    if preset.reason:
        print(f"preset: auto takes {preset.name}: {preset.reason}", file=sys.stderr)
    training = dataclasses.replace(read.training, objective=objective)
    chosen = {"preset": preset.name, "preset_reason": preset.reason}
    return dataclasses.replace(read, training=training, **chosen)  # type: ignore[type-var]


def check_whole_episodes(training: TrainingSettings) -> None:
    """Raise a ValueError where episodes are cut, for what compares with exact states."""
    if training.cut_episodes is not None:
        raise ValueError(
            f"cut_episodes: got {training.cut_episodes}, expected none here: exact states need whole episodes; shorter"
            " ones (--max-episode-steps) do"
        )


def _objective(training: TrainingSettings, *, trains: bool) -> str:
    """The objective that the environment's targets ask for, after a look at environment and network."""
    env = environments.make(training.environment)
    try:
        objective = choose_objective(training.objective, env)
        inputs = spaces.input_space(env.observation_space, env.action_space)
    finally:
        env.close()
    if training.network.network is not None and trains:
        check_trainable(training.network.network, inputs, inputs.actions)
    elif training.network.network is not None:
        load_factory(training.network.network)
    if training.network.cell not in CELLS:
        environments.import_object("cell", training.network.cell)
    return objective


def inputs_of(training: TrainingSettings) -> dict[str, str | None]:
    """What the network is shown, and how images are read, for `config.json`."""
    env = environments.make(training.environment)
    try:
        return spaces.describe_inputs(env)
    finally:
        env.close()


EXPERIMENTS_OWN = ("strategies",)
"""Flags of a preset that not every experiment has."""


def preset_flags(preset: PresetChoice, objective: str, *, quick: bool, known: set[str]) -> list[str]:
    """Command-line flags of a preset, as far as an experiment with the `known` flags of its own has them."""
    values: dict[str, Any] = {}
    values |= PRESETS.get(preset.name, objective_defaults(objective))
    values |= preset.more
    if quick:
        values |= QUICK
    flags = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if name in EXPERIMENTS_OWN and name not in known:
            continue
        if isinstance(value, bool):
            flags.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            flags += [f"--{flag}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]
    return flags
