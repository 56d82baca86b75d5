"""How much memory does a trained agent use? Its outcome when its recurrent state is cut to the last k steps.

With memory k an output is that of the network unrolled from its initial state over the last k steps and the current
one; the agent acts by it (Kapturowski et al., ICLR 2019, figure 5). The answer is the smallest k from which on every
larger one is shown to lose less than a margin, by paired tests over the same episodes. burnin_compare measures this at
the end of each run; this command measures networks that it has left in runs/, in more episodes if asked to, and finds
the exact k however long that takes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.common.results import DamagedFile, from_json, read_json
from experiments.common.settings import RunSettings
from r2d2_burnin.data import FEWEST_MEMORY_EPISODES
from r2d2_burnin.initialization import parse
from r2d2_burnin.runtime.command_line import from_command_line
from r2d2_burnin.settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    checkpoint: Path
    """The directory of a comparison (burnin_compare --out), or one network of it: runs/NAME_seedN.npz."""
    episodes: int = 256
    """Episodes to evaluate in with each memory, the same ones for all."""
    runs: RunSettings = dataclasses.field(default_factory=lambda: RunSettings(seeds=1000))

    def __post_init__(self) -> None:
        if self.episodes < FEWEST_MEMORY_EPISODES:
            raise ValueError(
                f"episodes: got {self.episodes}, expected at least {FEWEST_MEMORY_EPISODES}: fewer cannot be tested"
            )


@dataclasses.dataclass(frozen=True)
class Trained:
    """A network that a comparison has trained."""

    path: Path
    strategy: str
    seed: int


@dataclasses.dataclass(frozen=True)
class RunSpecification:
    """What a worker needs to know of a measurement."""

    training: TrainingSettings
    network: Trained
    episodes: int
    path: Path  # of the result


def read_settings(arguments: Sequence[str]) -> Settings:
    """Settings from the command line."""
    return from_command_line(Settings, "experiments.memory_use", __doc__ or "", arguments)


def trained_networks(settings: Settings) -> tuple[TrainingSettings, list[Trained]]:
    """The networks that the settings name, by initialization and seed, and how they were trained.

    Raises:
        ValueError: where there are none, or nothing says how they were trained.
    """
    given = settings.checkpoint
    if not given.exists():
        raise ValueError(f"checkpoint: there is no {given}, expected the --out of a comparison, or a file of its runs/")
    paths = sorted(given.glob("runs/*_seed*.npz")) if given.is_dir() else [given]
    if not paths:
        raise ValueError(
            f"checkpoint: {given} has no runs/NAME_seedN.npz, expected the --out of a comparison with a finished run"
        )
    networks = [_trained(path) for path in paths]
    chosen = [network for network in networks if network.seed < settings.runs.seeds]
    if not chosen:
        seeds = ", ".join(str(seed) for seed in sorted({network.seed for network in networks}))
        raise ValueError(f"seeds: got {settings.runs.seeds}, but {given} has seeds {seeds} alone")
    config, training = _config(paths[0].parent.parent / "config.json")
    order = list(config.get("strategies", ()))
    place = {name: order.index(name) if name in order else len(order) for name in {n.strategy for n in chosen}}
    return training, sorted(chosen, key=lambda network: (place[network.strategy], network.seed))


def _trained(path: Path) -> Trained:
    name, _, seed = path.stem.rpartition("_seed")
    if path.suffix != ".npz" or not name or not seed.isdecimal():
        raise ValueError(f"checkpoint: got {path}, expected runs/NAME_seedN.npz, as burnin_compare wrote it")
    parse(name)
    return Trained(path, name, int(seed))


def _config(path: Path) -> tuple[dict[str, Any], TrainingSettings]:
    """The content of the `config.json` of a comparison, and the settings that it was trained with."""
    content = read_json(path)
    if content is None:
        raise ValueError(f"checkpoint: there is no {path}, expected the config.json that burnin_compare wrote there")
    if not isinstance(content, dict) or content.get("experiment") != "burnin_compare":
        raise ValueError(f"checkpoint: {path} is not the config.json of a comparison (burnin_compare)")
    try:
        return content, from_json(TrainingSettings, content.get("settings"))
    except DamagedFile as error:
        raise ValueError(f"checkpoint: {path} has no settings of this version: {error}") from None
