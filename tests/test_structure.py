"""What the guide says of the rooms, made executable: who imports whom, no circle, and how long classes are."""

from __future__ import annotations

import ast
import functools
import graphlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = [
    *(
        "training",
        "check",
        "audit",
        "testing",
        "diagnostics",
        "learning",
        "initialization",
        "replay",
        "acting",
        "networks",
    ),
    *("environments", "settings", "data", "faults", "runtime"),
]
"""Imports run down this list only."""
DOORS = ("r2d2_burnin", "r2d2_burnin.keras_layers", "r2d2_burnin.console")
"""Modules that users import, and that none of ours does: they lead to any room."""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    module_name(path): path for top in ("envs", "r2d2_burnin", "experiments") for path in (ROOT / top).rglob("*.py")
}


@functools.cache
def tree(name: str) -> ast.Module:
    """What a module's source says, parsed only in the process that looks at it."""
    return ast.parse(FILES[name].read_text())


def imports(name: str, *, outermost: bool = False) -> Iterator[str]:
    """Full names of what a module imports; `outermost`: only what is imported together with it."""
    for node in tree(name).body if outermost else ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in FILES else str(node.module)


def room(name: str) -> str:
    return name.split(".")[1]


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("r2d2_burnin.") and name not in DOORS])
def test_imports_of_the_library_run_down_the_list_of_rooms(name: str) -> None:
    for imported in imports(name):
        assert imported.split(".")[0] not in ("envs", "experiments"), imported
        if imported.startswith("r2d2_burnin"):
            assert imported not in DOORS
            assert ROOMS.index(room(imported)) >= ROOMS.index(room(name)), imported


def test_there_is_no_circle() -> None:
    # A package's __init__ may import its own files: these are then imported first.
    graph = {name: {i for i in imports(name) if i in FILES and i != name} for name in FILES}
    graphlib.TopologicalSorter(graph).prepare()


def test_streams_import_nothing_of_ours_and_replay_numpy_alone() -> None:
    for name in FILES:
        tops = {imported.split(".")[0] for imported in imports(name)} - sys.stdlib_module_names
        if name.startswith("envs"):
            assert not tops & {"r2d2_burnin", "experiments"}, name
        if name.startswith("r2d2_burnin.replay"):
            assert tops <= {"numpy", "r2d2_burnin"}, name


def test_types_are_imported_as_everything_else_is() -> None:
    assert not [name for name in FILES if "TYPE_CHECKING" in FILES[name].read_text()]


def test_no_class_has_more_than_200_lines_and_no_function_more_than_60() -> None:
    too_long = [
        (name, node.name)
        for name in FILES
        for node in ast.walk(tree(name))
        if (isinstance(node, ast.ClassDef) and node.end_lineno - node.lineno >= 200)  # type: ignore[operator]
        or (isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60)  # type: ignore[operator]
    ]
    assert too_long == []


def test_experiments_share_few_files() -> None:
    assert len([name for name in FILES if name.startswith("experiments.common")]) <= 12
