"""Archives of named arrays: written whole or not at all, checked when read, and free of pickle.

An archive is a NumPy `.npz` file. Its entry `header` is a text in JSON: format, version, what the writer adds, and a
SHA-256 of all arrays. Nothing in a file is ever executed. Arrays of dtypes that NumPy's files do not know (bfloat16)
are written as float32, which holds them exactly, with their dtype in the header; `read` returns them as they were.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

FORMAT = "r2d2_burnin archive"
VERSION = 1


class DamagedArchive(ValueError):
    """A file is not a whole archive of this project."""


def write(path: Path, arrays: dict[str, np.ndarray], header: dict[str, Any] | None = None) -> None:
    """Write arrays and a header (anything JSON has) to `path`, beside it first; an older file stays until then.

    Raises:
        OSError: when the disk is full or the directory cannot be written; nothing is left behind then.
    """
    named = {name: np.asarray(array) for name, array in arrays.items()}
    foreign = {name: array.dtype.name for name, array in named.items() if array.dtype.isbuiltin == 2}
    named |= {name: named[name].astype(np.float32) for name in foreign}
    header = {**(header or {}), **({"foreign_dtypes": foreign} if foreign else {})}
    content = {"format": FORMAT, "version": VERSION, **header}
    content["sha256"] = _digest(named, content)
    with whole_file(path) as file:
        np.savez(file, allow_pickle=False, header=np.array(json.dumps(content)), **named)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that appears at `path` when it is whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the header of an archive.

    Raises:
        DamagedArchive: for a file that is truncated, changed, of another version, or something else altogether.
        FileNotFoundError: if there is none.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DamagedArchive(f"{path}: expected an archive of this project, got a lone array")
            arrays = {name: file[name] for name in file.files}
        text = arrays.pop("header")
        header = json.loads(str(text))
        checksum = header.pop("sha256")
        header_format, version = header["format"], header["version"]
    except FileNotFoundError:
        raise
    except DamagedArchive:
        raise
    except Exception as error:  # zipfile, zlib, NumPy and its tokenizer raise nearly anything for broken files
        raise DamagedArchive(
            f"{path}: expected an archive of this project, got {type(error).__name__}: {str(error)[:200]}"
        ) from None
    if header_format != FORMAT or version != VERSION:
        raise DamagedArchive(
            f"{path}: expected {FORMAT!r} version {VERSION}, got {str(header_format)[:50]!r} {version!r}"
        )
    if checksum != _digest(arrays, header):
        raise DamagedArchive(f"{path}: its content does not fit its checksum in header, so the file has changed since")
    for name, dtype in header.pop("foreign_dtypes", {}).items():
        arrays[name] = arrays[name].astype(_foreign_dtype(dtype))
    return arrays, header


def _foreign_dtype(name: str) -> np.dtype[Any]:
    importlib.import_module("ml_dtypes")  # registers them with NumPy; TensorFlow brings it along
    return np.dtype(name)


def write_numbered(directory: Path, number: int, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
    """Write the archive of a step, and keep the last two; earlier ones go once this one is there."""
    write(directory / f"{number:012d}.npz", arrays, header)
    remove_old(directory)


def remove_old(directory: Path) -> None:
    """Delete all but the last two numbered archives."""
    for path in numbered(directory)[:-2]:
        path.unlink(missing_ok=True)


def read_newest(directory: Path) -> tuple[tuple[dict[str, np.ndarray], dict[str, Any]] | None, list[str]]:
    """The newest whole archive that `write_numbered` left, or None; and what was wrong with newer ones."""
    problems: list[str] = []
    for path in reversed(numbered(directory)):
        try:
            return read(path), problems
        except (DamagedArchive, OSError) as error:
            problems.append(str(error))
    return None, problems


def numbered(directory: Path) -> list[Path]:
    """Archives that `write_numbered` left, the newest last."""
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if re.fullmatch(r"\d{12}\.npz", path.name))


def with_prefix(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a part, named as the part's."""
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def part(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays that `with_prefix` named."""
    start = f"{prefix}/"
    return {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}


def _digest(arrays: dict[str, np.ndarray], header: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes() if array.dtype.kind in "USV" else array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
