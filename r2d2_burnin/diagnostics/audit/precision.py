"""Whether stored states have been rounded to a coarser format than the network's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from r2d2_burnin.diagnostics.audit.sequences import ReplaySequences
from r2d2_burnin.diagnostics.audit.unrolling import Unroller
from r2d2_burnin.runtime import nests

FEWEST_VALUES = 2
"""Numbers other than zero without which a state's format is not told: one of float32 is one of float16 by chance once
in 8192 times."""

NATURAL = 0.01
"""Where this share of the network's own states fits a coarser format, stored ones that fit it say nothing."""

LEVELS = 256
"""Different numbers that 8 bits have."""


def _fits_float16(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.asarray(values.astype(np.float16).astype(np.float32) == values)


def _fits_bfloat16(values: np.ndarray) -> np.ndarray:
    return np.asarray(values.view(np.uint32) & 0xFFFF == 0)


FORMATS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "float16": (_fits_float16, 2.0**-11),
    "bfloat16": (_fits_bfloat16, 2.0**-8),
}
"""Formats that are coarser than float32: whether float32 numbers fit, and the relative error of rounding."""


@dataclasses.dataclass(frozen=True)
class Precision:
    """The coarsest format that stored states have been rounded to."""

    name: str | None  # None: none coarser than the network's
    spacing: float  # relative error of rounding, at most
    rows: np.ndarray  # sequences concerned
    reason: str


def read_precision(sequences: ReplaySequences, unroller: Unroller, rng: np.random.Generator) -> Precision:
    """Find the arrays of the state that have been rounded, by their dtype or by the numbers in them."""
    like = nests.flatten(unroller.template)
    sample = np.sort(rng.choice(len(sequences), min(len(sequences), 256), replace=False))
    _, own = unroller.unroll(unroller.observations(sample, 0, 1), unroller.stored(sample))
    every = np.arange(len(sequences))
    for i, (leaf, mine) in enumerate(zip(sequences.state, like, strict=True)):
        dtype = np.dtype(leaf.dtype)
        if mine.dtype.kind != "f" or mine.dtype.itemsize < 4:
            continue
        if dtype.kind in "iub":
            reason = f"state/{i} has dtype {dtype}, but the network's is {mine.dtype}: fractions are lost."
            return Precision(dtype.name, 0.0, every, reason)
        if dtype.name in FORMATS:
            reason = f"state/{i} has dtype {dtype}, but the network's is {mine.dtype}"
            return Precision(dtype.name, FORMATS[dtype.name][1], every, reason + _size(FORMATS[dtype.name][1]))
        for name, (fits, spacing) in FORMATS.items():
            if _share(own[i], fits) > NATURAL:
                continue
            rows = _rounded_rows(sequences, unroller, leaf, fits)
            if len(rows):
                reason = f"state/{i} has dtype {dtype}, but all of its numbers there are numbers of {name}"
                return Precision(name, spacing, rows, reason + _size(spacing))
        if levels := _levels(np.asarray(leaf[sample]), own[i]):
            reason = (
                f"state/{i} has only {levels} different numbers, as 8 bits have; the network's own states have more."
            )
            return Precision("8 bits", 1 / levels, every, reason)
    return Precision(None, 0.0, np.empty(0, np.int64), "")


def _size(spacing: float) -> str:
    return f": rounded by up to {spacing:.1g} of each number."


def _fitting(leaf: np.ndarray, fits: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Whether all numbers of each state `[n]` fit a format, and whether there are enough of them to tell."""
    values = np.ascontiguousarray(leaf, np.float32).reshape(len(leaf), -1)
    return (fits(values) | (values == 0)).all(1), (values != 0).sum(1) >= FEWEST_VALUES


def _share(leaf: np.ndarray, fits: Callable[[np.ndarray], np.ndarray]) -> float:
    """Share of the states that fit a format; 1 where none has enough numbers to tell."""
    fitting, telling = _fitting(leaf, fits)
    return float(fitting[telling].mean()) if telling.any() else 1.0


def _rounded_rows(
    sequences: ReplaySequences, unroller: Unroller, leaf: np.ndarray, fits: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    rows = []
    for piece in unroller.pieces(np.arange(len(sequences))):
        fitting, telling = _fitting(np.asarray(leaf[piece]), fits)
        rows.append(piece[fitting & telling])
    return np.concatenate(rows)


def _levels(stored: np.ndarray, own: np.ndarray) -> int:
    """How many different numbers stored states have if these are as few as 8 bits have, 0 if they are not so few."""
    stored, own = (leaf[leaf != 0].reshape(-1) for leaf in (stored, own))
    count = min(len(stored), len(own))
    if count < 8 * LEVELS:
        return 0
    of_stored, of_own = (len(np.unique(leaf[:count])) for leaf in (stored, own))
    return of_stored if of_stored <= LEVELS and of_own > 4 * of_stored else 0
