"""The directory of results: one command at a time, results of the same settings alone, whole files, typed records."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import datetime
import functools
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import math
import os
import platform
import re
import shutil
import socket
import sys
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from filelock import FileLock, Timeout

from r2d2_burnin.runtime.archive import whole_file

Record = TypeVar("Record")

OURS = ("config.json", "metrics.csv", "summary.json", "report.html", "runs", "checkpoints", "*.png", "*.partial")
"""What experiments write to their directory: `--fresh` deletes this, and nothing else."""


def default_directory(experiment: str, name: str, settings: Any) -> Path:
    """results/EXPERIMENT/NAME-HASH: the same settings have the same directory."""
    plain = "".join(c if c.isalnum() or c in "-_+" else "-" for c in name)
    return Path("results") / experiment / f"{plain}-{fingerprint(settings)[:8]}"


def fingerprint(settings: Any) -> str:
    """A hash of a settings dataclass."""
    text = json.dumps(dataclasses.asdict(settings), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def settings_to_json(settings: Any) -> dict[str, Any]:
    """A settings dataclass as it reads back from `config.json`."""
    content: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings), default=str))
    return content


def open_directory(out: Path, config: dict[str, Any], *, fresh: bool) -> contextlib.AbstractContextManager[object]:
    """Make `out` the directory of the results of `config`, emptied first if `fresh`.

    Returns:
        The lock of the directory, as `lock_directory` does.

    Raises:
        ValueError: if it holds results of other settings, is in use, or cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = lock_directory(out)
        if fresh:
            _empty(out)
        config = config | {"code": code_of(config)}
        earlier = check_same_config(out, config, anything_to_keep=_has_results(out))
        # Runs of before that this command does not ask for are results of the code of then.
        write_json(out / "config.json", config | {"code": earlier | config["code"]})
        return lock
    except FileExistsError:
        raise ValueError(f"out: {out} is a file, expected a directory") from None
    except OSError as error:
        raise ValueError(f"out: {out} cannot be written ({error}), expected a directory with room; try --out") from None


def _has_results(out: Path) -> bool:
    """Whether a run has left anything to keep: a command that failed before must not occupy a directory."""
    finished_or_begun = (path for path in out.glob("runs/*") if not path.name.endswith(".failed.json"))
    return any(finished_or_begun) or any(out.glob("checkpoints/*/*"))


def _empty(out: Path) -> None:
    for pattern in OURS:
        for path in out.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def lock_directory(out: Path) -> contextlib.AbstractContextManager[object]:
    """Keep other processes out of `out`.

    Returns:
        The acquired lock, a context manager that releases it. It is also released when this process ends, however it
        ends. A process may lock a directory several times.

    Raises:
        ValueError: if another process has locked it; the message names it and says since when.
    """
    place = out.resolve()
    lock = FileLock(place / ".lock", is_singleton=True)
    holder = place / ".lock.json"
    try:
        acquired = lock.acquire(timeout=0)
    except Timeout:
        try:
            content = json.loads(holder.read_text(encoding="utf-8"))
            who = f"process {content['process']} on {content['host']} since {content['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            who = "another process"
        raise ValueError(
            f"out: {out} is in use by {who}, expected a directory of its own for each command; wait, or choose another"
            " --out"
        ) from None
    since = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    content = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
    holder.write_text(json.dumps(content), encoding="utf-8")
    return acquired


def code_of(config: Any) -> dict[str, str]:
    """Hashes of the files of a user's modules, by module, as far as `config` names things in them as `module:name`."""
    if isinstance(config, dict | list | tuple):
        parts = config.values() if isinstance(config, dict) else config
        return {module: digest for part in parts for module, digest in code_of(part).items()}
    named = re.match(r"([^\W\d][\w.]*):[^\W\d]", config) if isinstance(config, str) else None
    file = _file_of(named[1]) if named else None
    if named is None or file is None:
        return {}
    return {named[1]: hashlib.sha256(file.read_bytes()).hexdigest()[:12]}


def _file_of(module: str) -> Path | None:
    """The file of a user's module, which need not have been imported; None for what is installed, or is no module."""
    top = module.split(".")[0]
    if top in OUR_PACKAGES or top in sys.stdlib_module_names:
        return None
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # what is before the last dot is no package
        return None
    file = Path(spec.origin) if spec is not None and spec.origin is not None else None
    return None if file is None or "site-packages" in file.parts or not file.is_file() else file


OUR_PACKAGES = ("envs", "experiments", "r2d2_burnin")


def check_same_config(out: Path, config: dict[str, Any], *, anything_to_keep: bool = True) -> dict[str, str]:
    """Raise a ValueError if `out` holds results of other settings or other code than `config`'s, or something else.

    Returns:
        The hashes of all modules that results in `out` were made with.
    """
    content = read_json(out / "config.json")
    if content is None:
        return {}
    if not isinstance(content, dict) or not isinstance(content.get("settings"), dict):
        raise DamagedFile(f"out: {out / 'config.json'} is no settings of an experiment; choose another --out")
    if not anything_to_keep:
        return {}
    earlier = content.get("code", {})
    if not isinstance(earlier, dict):
        raise DamagedFile(f"out: {out / 'config.json'} is no settings of an experiment; choose another --out")
    if edited := [name for name, digest in config.get("code", {}).items() if earlier.get(name, digest) != digest]:
        raise ValueError(
            f"out: {out} holds results of {', '.join(edited)} before it was edited, expected the same code; choose"
            " another --out, or give --fresh to replace what is there"
        )
    there, here = _flat(content["settings"]), _flat(config["settings"])
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
    return earlier


WITHOUT_EFFECT = ("env_timeout",)
"""Settings that no result depends on."""


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without their groups; `env_kwargs` is a setting, not a group."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value) if isinstance(value, dict) and name != "env_kwargs" else {name: value}
    return flat


PACKAGES = ("r2d2-burnin", "tensorflow", "keras", "numpy", "gymnasium", "scipy", "matplotlib")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    by_name = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            by_name[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            by_name[package] = "not installed"
    return by_name


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


def to_json(record: Any) -> Any:
    """A record (a dataclass, of plain values and other records) as JSON has it; `from_json` reads it back."""
    return dataclasses.asdict(record)


def without_nan(content: Any) -> Any:
    """JSON content with null instead of numbers that are not finite, which JSON does not have."""
    if isinstance(content, dict):
        return {key: without_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_nan(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def from_json(kind: type[Record], content: Any) -> Record:
    """A record from its JSON; null where a field is a float is NaN.

    Raises:
        DamagedFile: if the content is not that of such a record.
    """
    try:
        return typing.cast(Record, _read(kind, content))
    except (TypeError, ValueError) as error:
        raise DamagedFile(f"no {kind.__name__} of this version: {str(error)[:200]}") from None


def _read(kind: Any, value: Any) -> Any:
    """A value of an annotated type, from its JSON."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = _field_types(kind)
        if not isinstance(value, dict) or not value.keys() <= hints.keys():
            raise TypeError(f"got {str(value)[:80]!r}, expected the fields {', '.join(hints)}")
        return kind(**{name: _read(hints[name], item) for name, item in value.items()})
    if kind is Any:
        return value
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (typing.Union, types.UnionType):
        (inner,) = [argument for argument in arguments if argument is not types.NoneType]
        return None if value is None else _read(inner, value)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"got {value!r}, expected one of {', '.join(map(repr, arguments))}")
        return value
    if origin is list and isinstance(value, list):
        return [_read(arguments[0], item) for item in value]
    if origin is tuple and arguments[1:] == (...,) and isinstance(value, list):
        return tuple(_read(arguments[0], item) for item in value)
    if origin is dict and isinstance(value, dict):
        return {key: _read(arguments[1], item) for key, item in value.items()}
    if kind is float and not isinstance(value, bool | str):
        return math.nan if value is None else float(value)
    if kind in (int, str, bool) and type(value) is kind:
        return value
    raise TypeError(f"got {str(value)[:80]!r}, expected {kind}")


@functools.cache
def _field_types(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)
