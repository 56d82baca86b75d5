"""Result files: what a comparison leaves behind, and how a later one takes up where it stopped."""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import io
import json
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from r2d2_burnin.runtime.archive import whole_file

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


class DamagedFile(ValueError):
    """A file is not what this project wrote."""


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    with whole_file(path) as file:
        file.write(text.encode())


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; None if there is none.

    Raises:
        DamagedFile: if it is not JSON.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content is None:
            raise ValueError("it holds null")
        return content
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError, OSError) as error:
        raise DamagedFile(f"{path} is damaged: {type(error).__name__}: {str(error)[:200]}") from None


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file with a checksum of its content."""
    plain = json.loads(json.dumps(content, allow_nan=False))
    write_json(path, {SEAL: _checksum(plain), **plain})


def read_sealed(path: Path) -> dict[str, Any] | None:
    """Read a JSON file with a checksum; None if there is none.

    Raises:
        DamagedFile: if its content is not what was written.
    """
    content = read_json(path)
    if content is None:
        return None
    if not isinstance(content, dict) or content.pop(SEAL, None) != _checksum(content):
        raise DamagedFile(f"{path} is damaged: its content does not fit its checksum")
    return content


SEAL = "sha256"


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a CSV file whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def check_same_config(out: Path, config: dict[str, Any], *, anything_to_keep: bool = True) -> None:
    """Raise a ValueError if `out` holds results of other settings than `config`'s, or settings of something else."""
    found = read_json(out / "config.json")
    if found is None:
        return
    if not isinstance(found, dict) or not isinstance(found.get("settings"), dict):
        raise DamagedFile(f"out: {out / 'config.json'} is no settings of an experiment; choose another --out")
    if not anything_to_keep:
        return
    there, here = _flat(found["settings"]), _flat(config["settings"])
    differing = [
        f"{name} is {there.get(name)!r} there and {value!r} here"
        for name, value in here.items()
        if name not in WITHOUT_EFFECT and there.get(name) != value
    ]
    if differing:
        raise ValueError(
            f"out: {out} holds results of other settings ({'; '.join(differing)}), expected the same settings or an"
            " empty directory; choose another --out, or give --fresh to replace what is there"
        )


WITHOUT_EFFECT = ("env_timeout",)
"""Settings that no result depends on."""


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without their groups; `env_kwargs` is a setting, not a group."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value) if isinstance(value, dict) and name != "env_kwargs" else {name: value}
    return flat
