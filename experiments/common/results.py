"""Result files: what a comparison leaves behind, and how a later one takes up where it stopped."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PACKAGES = ("r2d2-burnin", "tensorflow", "keras", "numpy", "gymnasium", "scipy", "matplotlib")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; None if there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a CSV file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    partial.replace(path)


def check_same_config(out: Path, config: dict[str, Any]) -> None:
    """Raise a ValueError if `out` holds results of other settings than `config`'s."""
    found = read_json(out / "config.json")
    if found is None:
        return
    there, here = _flat(found["settings"]), _flat(config["settings"])
    differing = [
        f"{name} is {there.get(name)!r} there and {value!r} here"
        for name, value in here.items()
        if there.get(name) != value
    ]
    if differing:
        raise ValueError(
            f"out: {out} holds results of other settings ({'; '.join(differing)}), expected the same settings or an"
            " empty directory; choose another --out, or give --fresh to replace what is there"
        )


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without their groups; `env_kwargs` is a setting, not a group."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value) if isinstance(value, dict) and name != "env_kwargs" else {name: value}
    return flat
