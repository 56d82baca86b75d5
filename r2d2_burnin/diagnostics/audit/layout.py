"""Where the real steps of each sequence lie, where episodes begin, and what the values of its arrays must be.

Steps are counted without padding: step 0 of a sequence is its first one that is no padding. As the state passes through
padding untouched, that is all a network has to see.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from r2d2_burnin.diagnostics.audit.sequences import ReplaySequences, UnfitSequences

HOW_EPISODES_BEGIN = "TorchRL's samplers set is_init at the first step of every slice: give step_count == 0 instead"
"""What to give as `is_first`."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """Facts of N sequences: a few bytes each."""

    left: np.ndarray  # [N] slots of padding before the first step
    count: np.ndarray  # [N] steps
    begins: np.ndarray  # [N] bool: an episode begins with the first step
    until: np.ndarray  # [N] steps up to the next one that begins an episode, all where there is none
    gaps: np.ndarray  # [N] bool: padding between steps


def first_episodes(sequences: ReplaySequences, layout: Layout) -> np.ndarray:
    """The number `[N]` of the episode that each sequence's first step belongs to."""
    numbers = sequences.episode
    if np.ndim(numbers) == 2:
        numbers = numbers[np.arange(len(sequences)), layout.left]
    _, places = np.unique(np.asarray(numbers), return_inverse=True)
    return places.reshape(-1)


def slots(mask: np.ndarray) -> np.ndarray:
    """Slots `[n, L]` of the steps of masks `[n, L]`, in order, those of padding last."""
    return np.argsort(~np.asarray(mask, np.bool_), 1, kind="stable")


def firsts(mask: np.ndarray, is_first: np.ndarray) -> np.ndarray:
    """Whether an episode begins with each step `[n, L]`, padding left out; a flag on padding counts for what follows.

    Args:
        mask: `[n, L]`.
        is_first: `[n, L]`.
    """
    mask, flags = np.asarray(mask, np.bool_), np.asarray(is_first, np.bool_).copy()
    length = mask.shape[1]
    for row in np.flatnonzero((flags & ~mask).any(1)):
        for slot in np.flatnonzero(flags[row] & ~mask[row]):
            following = slot + int(np.argmax(mask[row, slot:]))
            flags[row, following] |= mask[row, following]
    compact = np.take_along_axis(flags, slots(mask), 1)
    compact &= np.arange(length) < mask.sum(1)[:, None]
    return compact


def read_layout(sequences: ReplaySequences) -> Layout:
    """The layout of all sequences, with their values checked.

    Raises:
        UnfitSequences: naming the array and the sequence, for NaN, infinity, sequences without any step, and for flags
            that disagree.
    """
    parts: list[tuple[np.ndarray, ...]] = []
    for rows in sequences.rows_in_pieces(sequences.observations):
        mask = _flags("mask", sequences.mask[rows], rows)
        empty = np.flatnonzero(~mask.any(1))
        if empty.size:
            raise UnfitSequences(f"mask: sequence {rows.start + empty[0]} has no step that is no padding")
        first = firsts(mask, _flags("is_first", sequences.is_first[rows], rows))
        count, left = mask.sum(1), np.argmax(mask, 1)
        last = mask.shape[1] - 1 - np.argmax(mask[:, ::-1], 1)
        later = first.copy()
        later[:, 0] = False
        until = np.where(later.any(1), np.argmax(later, 1), count)
        parts.append((left, count, first[:, 0], until, last - left + 1 > count))
        _check_finite("observations", sequences.observations[rows], rows, mask)
        if sequences.outputs is not None:
            _check_finite("outputs", sequences.outputs[rows], rows, mask)
    layout = Layout(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    for i, leaf in enumerate(sequences.state):
        for rows in sequences.rows_in_pieces(leaf):
            _check_finite(f"state/{i}", leaf[rows], rows)
    _check_first_steps(sequences, layout)
    _check_beginnings(sequences, layout)
    return layout


def _flags(name: str, given: Any, rows: slice) -> np.ndarray:
    values: np.ndarray = np.asarray(given)
    if values.dtype != np.bool_:
        wrong = np.argwhere((values != 0) & (values != 1))
        if wrong.size:
            row, step = wrong[0][:2]
            raise UnfitSequences(
                f"{name}: sequence {rows.start + row} has {values[row, step]!r} at step {step}, expected True or False"
            )
    return values.astype(np.bool_)


def _check_finite(name: str, values: Any, rows: slice, mask: np.ndarray | None = None) -> None:
    """Raise an error for NaN or infinity in `[n, ...]`, or, with a mask `[n, L]`, at steps that are no padding."""
    values = np.asarray(values)
    if values.dtype.kind not in "biufc" and values.dtype.name != "bfloat16":
        raise UnfitSequences(f"{name}: got dtype {values.dtype}, expected numbers; save bfloat16 as float32")
    if values.dtype.kind in "biu" or np.isfinite(values).all():
        return
    finite = np.isfinite(values).reshape(*values.shape[: 1 if mask is None else 2], -1).all(-1)
    wrong = np.argwhere(~finite if mask is None else ~finite & mask)
    if wrong.size:
        place = f" at step {wrong[0][1]}" if mask is not None else ""
        raise UnfitSequences(
            f"{name}: sequence {rows.start + wrong[0][0]} has a number that is not finite{place} (NaN or infinity),"
            f" as {len(np.unique(wrong[:, 0]))} of {len(values)} sequences have"
        )


def _check_first_steps(sequences: ReplaySequences, layout: Layout) -> None:
    if sequences.first_step is None:
        return
    steps = np.asarray(sequences.first_step)
    if (steps < 0).any():
        row = int(np.argmax(steps < 0))
        raise UnfitSequences(f"first_step: sequence {row} has {steps[row]}, expected 0 or more")
    wrong = np.flatnonzero((steps == 0) != layout.begins)
    if wrong.size:
        row = wrong[0]
        flag = "is" if layout.begins[row] else "is not"
        raise UnfitSequences(
            f"first_step: sequence {row} has {steps[row]}, but is_first says that its first step {flag} the first of"
            f" an episode; {wrong.size} of {len(steps)} sequences disagree so"
        )


def _check_beginnings(sequences: ReplaySequences, layout: Layout) -> None:
    """Refuse flags by which an episode begins twice, which mark the first steps of slices and not of episodes."""
    if sequences.episode is None:
        return
    numbers = first_episodes(sequences, layout)
    rows = np.flatnonzero(layout.begins)
    rows = rows[np.argsort(numbers[rows], kind="stable")]
    same = np.flatnonzero(numbers[rows[1:]] == numbers[rows[:-1]])
    one, two = rows[same], rows[same + 1]
    if not len(same):
        return
    # The same sequence may have been replayed twice.
    seen = [np.asarray(sequences.observations[each, layout.left[each]]).reshape(len(each), -1) for each in (one, two)]
    wrong = np.flatnonzero((seen[0] != seen[1]).any(1))
    if wrong.size:
        raise UnfitSequences(
            f"is_first: sequences {one[wrong[0]]} and {two[wrong[0]]} both begin the episode of the same number, with"
            f" different observations; expected True where an episode begins ({HOW_EPISODES_BEGIN}), and numbers that"
            " no two episodes share"
        )
