"""What a replay returned: the arrays of N sequences of L steps, checked, and read in pieces where they lie in files."""

from __future__ import annotations

import dataclasses
import difflib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from r2d2_burnin.runtime import nests

PIECE = 1 << 24
"""Bytes of an array that are read at once."""

REQUIRED = ("observations", "is_first", "mask")
BY_STEP = ("is_first", "mask", "is_last", "loss_mask")
BY_SEQUENCE = ("first_step", "age")
OPTIONAL = ("episode", "first_step", "outputs", "age", "burn_in", "loss_mask", "is_last")

HINTS = {
    "is_first": "flags [N, L], True where an episode begins (of TorchRL's slices: step_count == 0, not is_init)",
    "mask": "flags [N, L], False for padding; all True where there is none",
    "observations": "numbers [N, L, F]",
}


class UnfitSequences(ValueError):
    """Arrays of a replay that disagree, are missing, or contain NaN; the message names the array or the sequence."""


@dataclasses.dataclass(frozen=True)
class ReplaySequences:
    """N sequences of L steps as a replay returned them, padding included.

    Raises:
        UnfitSequences: for arrays whose shapes disagree.
    """

    observations: Any  # [N, L, ...] the network's inputs
    state: tuple[Any, ...]  # [N, ...] each: the arrays of the stored state, before the first step that is no padding
    is_first: Any  # [N, L] bool: an episode begins with this step; in TorchRL's slices step_count == 0, not is_init
    mask: Any  # [N, L] bool: False for padding
    episode: Any = None  # [N] or [N, L]: the episode's number
    first_step: Any = None  # [N] step of its episode that the first step is which is no padding, from 0
    outputs: Any = None  # [N, L, A] the network's outputs when it acted
    age: Any = None  # [N] learner updates between acting and replaying
    burn_in: int | None = None  # steps of burn-in that each sequence begins with
    loss_mask: Any = None  # [N, L] steps that the loss counts, or their weights
    is_last: Any = None  # [N, L] bool: the episode ends with this step

    def __post_init__(self) -> None:
        shape = np.shape(self.observations)
        if len(shape) < 3:
            raise UnfitSequences(f"observations: got an array {list(shape)}, expected [N, L, F]")
        count, length = shape[:2]
        if not count or not length:
            raise UnfitSequences(f"observations: got {count} sequences of {length} steps, expected at least one of one")
        for name in BY_STEP:
            _check_shape(name, getattr(self, name), [(count, length)], "[N, L]", shape)
        for name in BY_SEQUENCE:
            _check_shape(name, getattr(self, name), [(count,)], "[N]", shape)
        _check_shape("episode", self.episode, [(count,), (count, length)], "[N] or [N, L]", shape)
        if self.outputs is not None and (len(np.shape(self.outputs)) != 3 or np.shape(self.outputs)[:2] != shape[:2]):
            raise UnfitSequences(
                f"outputs: got an array {list(np.shape(self.outputs))}, expected [{count}, {length}, A] as observations"
                f" are {list(shape)}"
            )
        if not self.state:
            raise UnfitSequences("state/0: missing, expected the stored state of each sequence, [N, ...]")
        if self.burn_in is not None and not 0 <= self.burn_in <= length:
            raise UnfitSequences(f"burn_in: got {self.burn_in}, expected 0 to {length} steps")

    def __len__(self) -> int:
        return int(np.shape(self.observations)[0])

    @property
    def length(self) -> int:
        """Steps of each sequence, L, padding included."""
        return int(np.shape(self.observations)[1])

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> ReplaySequences:
        """Sequences from named arrays: the fields of this class, the state as a nest `state` or as `state/0`, ..

        Raises:
            UnfitSequences: for a missing, an unknown or an ill-shaped array.
        """
        given = {name.removesuffix(".npy"): array for name, array in arrays.items() if array is not None}
        state = given.pop("state", None)
        leaves = [] if state is None else nests.flatten(state)
        numbered = {name: given.pop(name) for name in list(given) if name.startswith("state/")}
        for i in range(len(numbered)):
            if f"state/{i}" not in numbered:
                raise UnfitSequences(f"state/{i}: missing, got {', '.join(sorted(numbered))}")
            leaves.append(numbered[f"state/{i}"])
        for name in REQUIRED:
            if name not in given:
                near = difflib.get_close_matches(name, given, 1)
                hint = f"; did you mean {near[0]} to be it?" if near else ""
                raise UnfitSequences(f"{name}: missing, expected {HINTS[name]}{hint}")
        for name in given:
            if name not in (*REQUIRED, *OPTIONAL):
                known = ", ".join((*REQUIRED, "state/0", *OPTIONAL))
                raise UnfitSequences(f"{name}: not an array of replayed sequences, expected some of {known}")
        if "burn_in" in given:
            given["burn_in"] = _burn_in(given["burn_in"])
        return cls(state=tuple(leaves), **given)

    @classmethod
    def read(cls, path: Path) -> ReplaySequences:
        """Sequences from a NumPy archive (.npz), or from a folder of `.npy` files; neither is read as a whole.

        Compressed archives are the exception: their arrays are read as a whole.

        Raises:
            UnfitSequences: for what is neither, and for a missing, an unknown or an ill-shaped array.
        """
        if path.is_dir():
            files = {file.relative_to(path).with_suffix("").as_posix(): file for file in sorted(path.rglob("*.npy"))}
            if not files:
                raise UnfitSequences(f"sequences: {path} has no .npy files, expected observations.npy, state/0.npy, ..")
            return cls.from_arrays({name: _load(name, file) for name, file in files.items()})
        if not path.is_file():
            raise UnfitSequences(f"sequences: got {path}, which does not exist; expected a .npz file or a folder")
        if not zipfile.is_zipfile(path):
            raise UnfitSequences(f"sequences: {path} is no NumPy archive (.npz), nor a folder of .npy files")
        return cls.from_arrays(dict(_members(path)))

    def rows_in_pieces(self, array: Any) -> Iterator[slice]:
        """Slices of the first axis of an array `[N, ...]`, of about 16 MB each."""
        shape = np.shape(array)
        row = max(int(np.prod(shape[1:])) * np.dtype(array.dtype).itemsize, 1)
        size = max(PIECE // row, 1)
        for begin in range(0, shape[0], size):
            yield slice(begin, min(begin + size, shape[0]))


def _burn_in(value: Any) -> int:
    numbers = np.unique(np.asarray(value))
    if numbers.size != 1 or numbers[0] != int(numbers[0]):
        raise UnfitSequences(f"burn_in: got {numbers[:5].tolist()}, expected one whole number of steps")
    return int(numbers[0])


def _check_shape(
    name: str, array: Any, expected: list[tuple[int, ...]], axes: str, observations: tuple[int, ...]
) -> None:
    if array is not None and np.shape(array) not in expected:
        raise UnfitSequences(
            f"{name}: got an array {list(np.shape(array))}, expected {axes} as observations are {list(observations)}:"
            f" {' or '.join(str(list(shape)) for shape in expected)}"
        )


def _load(name: str, file: Path) -> Any:
    try:
        return np.load(file, mmap_mode="r" if file.stat().st_size > 4096 else None, allow_pickle=False)
    except ValueError as error:
        raise UnfitSequences(f"{name}: {file} cannot be read ({str(error)[:100]}); save it without pickle") from None


def _members(path: Path) -> Iterator[tuple[str, Any]]:
    """The arrays of an archive, those that are not compressed mapped into memory."""
    with zipfile.ZipFile(path) as archive, np.load(path, allow_pickle=False) as whole:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            try:
                mapped = _mapped(path, info)
                yield name, whole[name] if mapped is None else mapped
            except (ValueError, KeyError) as error:
                reason = str(error)[:100]
                raise UnfitSequences(f"{name}: of {path} cannot be read ({reason}); save it without pickle") from None


def _mapped(path: Path, info: zipfile.ZipInfo) -> Any:
    """A member of an archive as an array in memory-mapped file, None where it is compressed or too small to map."""
    if info.compress_type != zipfile.ZIP_STORED or info.file_size < 4096:
        return None
    with path.open("rb") as file:
        file.seek(info.header_offset + 26)  # lengths of name and extra field of the local header (PKWARE, 4.3.7)
        name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
        file.seek(name + extra, 1)
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
        if dtype.hasobject:
            return None
        return np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")
