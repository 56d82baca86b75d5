"""The console command `r2d2-burnin`: starts the commands of this project from any directory.

It starts them by name and imports none of them: the library depends on no experiment. It is here, and not among the
experiments, because a user's own package `experiments` may be what Python finds first; the path is put in order before
anything of ours but this module is imported.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

COMMANDS = {
    "compare": ("experiments.burnin_compare", "Compare initializations on an environment, with tests and a report."),
    "counting": ("experiments.counting", "Three counting studies whose right answers are known."),
    "advise": ("experiments.burnin_advisor", "Measure how long burn-in must be for your environment and network."),
    "staleness": ("experiments.staleness", "Measure how stored states go wrong as they age in replay."),
    "memory": ("experiments.memory_use", "Measure how many steps of memory the agents of a comparison use."),
    "atlas": ("experiments.atlas", "Compare initializations on several tasks and learning rates, on one page."),
    "claims": ("experiments.claims", "Settle what R2D2's paper and others claim of initializations, with tests."),
    "benchmark": ("experiments.benchmark", "Time this project against its peers and the machine's limits."),
    "check": (
        "r2d2_burnin.check",
        "Check the recurrent state of your own network: resets, padding, batches, unrolling.",
    ),
    "audit": (
        "r2d2_burnin.audit",
        "Audit your own replay buffer: stored states that are wrong, and how stale the others are.",
    ),
}
"""Module and purpose of each command; a module has `main(arguments)`, which returns the exit status."""

PACKAGES = ("r2d2_burnin", "envs", "experiments")

HELP = """usage: r2d2-burnin COMMAND [FLAGS]

From which recurrent state should replayed experience start?

commands:
{commands}

r2d2-burnin COMMAND --help lists a command's flags. An environment of your own is named by its module, which may lie
in the directory you are in:

  r2d2-burnin compare --quick
  r2d2-burnin compare --env my_module:MyEnvironment-v0 --strategies zero stored stored+20 full
  r2d2-burnin advise --env my_module:MyEnvironment-v0
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status, 2 where there is no such command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        lines = "\n".join(f"  {name:<11}{purpose}" for name, (_, purpose) in COMMANDS.items())
        print(HELP.format(commands=lines), end="", file=sys.stdout if given else sys.stderr)
        return 0 if given else 2
    name, *flags = given
    if name not in COMMANDS:
        nearest = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        print(f"error: command: got {name!r}, expected one of {', '.join(COMMANDS)}{hint}", file=sys.stderr)
        return 2
    root = Path(__file__).resolve().parents[1]
    sys.path[:], shadowed = ordered_path(sys.path, root, _working_directory())
    for place in shadowed:
        print(
            f"note: {place} is not used: this project has a package of that name. Environments and networks of your"
            " own in it are found once it is renamed.",
            file=sys.stderr,
        )
    sys.argv = [f"r2d2-burnin {name}", *flags]
    status: int = importlib.import_module(COMMANDS[name][0]).main(flags)
    return status


def ordered_path(path: Sequence[str], root: Path, here: Path | None) -> tuple[list[str], list[Path]]:
    """The module search path with the user's own directories last, and the packages there that ours shadow.

    Worker processes are given the same path. Directories that have no package of one of our names keep their places.

    Args:
        path: the module search path.
        root: the directory of our packages.
        here: the working directory, if it exists.
    """
    first: list[str] = []
    last: list[str] = []
    shadowed: list[Path] = []
    for entry in path:
        place = Path(entry or os.curdir).resolve()
        own = [] if place == root else _packages_named_as_ours(place)
        shadowed += [found for found in own if found not in shadowed]
        (last if own or (place == here and place != root) else first).append(entry)
    if here is not None and here not in {Path(entry or os.curdir).resolve() for entry in path}:
        last.append(str(here))
        shadowed += _packages_named_as_ours(here)
    return first + last, shadowed


def _working_directory() -> Path | None:
    try:
        return Path.cwd().resolve()
    except OSError:  # it has been deleted
        return None


def _packages_named_as_ours(place: Path) -> list[Path]:
    """Packages and modules in a directory with one of our names; a folder without Python code is none."""
    found = [place / name for name in PACKAGES if _is_package(place / name)]
    return found + [place / f"{name}.py" for name in PACKAGES if (place / f"{name}.py").is_file()]


def _is_package(folder: Path) -> bool:
    """Whether Python would import modules from a folder, with or without an `__init__.py`."""
    return any(any(folder.glob(pattern)) for pattern in ("*.py", "*/__init__.py"))


if __name__ == "__main__":
    raise SystemExit(main())
