"""Recurrences that are linear in their state, h_t = a_t h_(t-1) + b_t, unit by unit, real or complex.

A number is a tuple of real arrays: `(x,)` for a real one, `(real part, imaginary part)` for a complex one. So states
are stored, copied and compared as those of all other cells are, and bfloat16, which has no complex numbers, works.

There are two ways to unroll one. The *loop* goes step by step, as the time-fused unroll does, without its matrix
product. The *scan* joins neighbouring steps in pairs, (a, b) and (a', b') to (a' a, a' b + b'), solves the recurrence
of half as many steps, and fills in the others: about 2 log2 T operations in a row, each on many steps at once
(Blelloch, 1990, "Prefix Sums and Their Applications"; Martin and Cundy, 2018, for recurrent networks). Gradients are
the same recurrence backwards, by the same way: with g_t the gradient of h_t through all that it acts on,
g_t = (of the output)_t + conj(a_(t+1)) g_(t+1), that of b_t is g_t, and that of a_t is conj(h_(t-1)) g_t.

`auto` takes the loop on a CPU: no length or size was seen at which the scan is faster by more than the noise. It does
less at once there, and passes over all steps several times. By `python -m experiments.benchmark linear-cells`, for
gradients of a whole network, batch 32, one thread: the scan's time over the loop's, medians of 7 rounds (for T 10 to
48, where they differ least, of 25):

    T                   10 to 48        80              320             1000
    LRU                 0.91 to 1.25    1.03 to 1.30    1.59 to 1.99    1.76 to 2.36
    minGRU              0.88 to 1.09    1.05 to 1.19    0.95 to 1.14    1.09 to 1.18

with 32 to 512 units (up to 128 from T 320 on); from T 80 on the LSTM takes 0.9 to 1.2 times what an LRU takes by the
loop, and 1.3 to 1.9 times what a minGRU takes. Where TensorFlow sees a GPU, `auto` takes the scan, as T kernels in a
row are what costs there: that was not measured.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import tf

Numbers = tuple[Tensor, ...]
"""Real numbers `(x,)`, or complex ones `(real, imaginary)`: arrays of one shape."""

Way = Literal["auto", "loop", "scan"]
"""How a recurrence is unrolled."""


def unroll(
    decay: Numbers, drive: Numbers, state: Numbers, mask: Tensor | None = None, way: Way = "auto"
) -> tuple[Numbers, Numbers]:
    """Run h_t = decay_t h_(t-1) + drive_t over time.

    float16 and bfloat16 are computed in float32, and rounded at the end.

    Args:
        decay: a, `[N]` where it is the same at all steps, else `[T, B, N]`.
        drive: b, `[T, B, N]`; T is known.
        state: h before the first step, `[B, N]`.
        mask: `[T, B]` bool; where it is False the state passes through untouched. None: every step counts.
        way: `loop`, `scan`, or `auto`, which takes the faster one.

    Returns:
        The states after each step, `[T, B, N]`, and the state after the last one.

    Raises:
        ValueError: for an unknown `way`, for arrays that are no floats, and for T = 0.
    """
    dtype = drive[0].dtype
    if way not in get_args(Way):
        raise ValueError(f"way: got {way!r}, expected one of {', '.join(get_args(Way))}")
    if not dtype.is_floating:
        raise ValueError(f"drive: got {dtype.name}, expected float32, float64, float16 or bfloat16")
    if not drive[0].shape[0]:
        raise ValueError(f"drive: got {drive[0].shape[0]} steps, expected a known number, at least 1")
    decay, drive, state = (tuple(_wide(part) for part in numbers) for numbers in (decay, drive, state))
    if mask is not None:
        counts = tf.convert_to_tensor(mask)[..., None]
        one = (tf.ones_like(decay[0]), *(tf.zeros_like(part) for part in decay[1:]))
        decay = tuple(tf.where(counts, a, b) for a, b in zip(decay, one, strict=True))
        drive = tuple(tf.where(counts, part, tf.zeros_like(part)) for part in drive)
    states = _recurrence(decay, drive, state, _scan if _scans(way) else _loop)
    states = tuple(tf.cast(part, dtype) for part in states)
    return states, _at(states, -1)


def step(decay: Numbers, drive: Numbers, state: Numbers) -> Numbers:
    """One step, decay h + drive, of arrays `[B, N]`, decay `[N]` too."""
    wide = (tuple(_wide(part) for part in numbers) for numbers in (decay, state, drive))
    a, h, b = wide
    return tuple(tf.cast(part, drive[0].dtype) for part in _sum(product(a, h), b))


def product(a: Numbers, b: Numbers) -> Numbers:
    """The product, element by element, of real or of complex numbers."""
    if len(a) == 1:
        return (a[0] * b[0],)
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def _recurrence(decay: Numbers, drive: Numbers, state: Numbers, solve: Any) -> Numbers:
    """States `[T, B, N]`, with the gradient that is the same recurrence backwards."""
    parts = len(drive)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def solved(*numbers: Tensor) -> tuple[Any, Any]:
        a, b, h = numbers[:parts], numbers[parts : 2 * parts], numbers[2 * parts :]
        states = solve(a, b, h)

        def gradient(*of_states: Tensor) -> list[Tensor]:
            constant = len(a[0].shape) == 1
            conjugate = _conjugate(a)
            # Backwards, the first step has nothing after it: it starts from its own gradient.
            following = conjugate if constant else _backwards(tuple(tf.roll(part, -1, 0) for part in conjugate))
            zero = tuple(tf.zeros_like(part) for part in h)
            of_drive = _backwards(solve(following, _backwards(of_states), zero))
            before = tuple(tf.concat([first[None], part[:-1]], 0) for first, part in zip(h, states, strict=True))
            of_decay = product(_conjugate(before), of_drive)
            if constant:
                of_decay = tuple(tf.reduce_sum(part, [0, 1]) for part in of_decay)
            of_state = product(conjugate if constant else _at(conjugate, 0), _at(of_drive, 0))
            return [*of_decay, *of_drive, *of_state]

        return states, gradient

    # As tensors: a custom gradient would read variables at backward time.
    states = solved(*(tf.convert_to_tensor(part) for part in (*decay, *drive, *state)))
    return tuple(states) if isinstance(states, list | tuple) else (states,)


def _loop(decay: Numbers, drive: Numbers, state: Numbers) -> Numbers:
    """Step by step."""
    steps, constant = drive[0].shape[0], len(decay[0].shape) == 1

    def advance(t: Tensor, state: Numbers, histories: Any) -> tuple[Any, ...]:
        state = _sum(product(decay if constant else _at(decay, t), state), _at(drive, t))
        return t + 1, state, tuple(history.write(t, part) for history, part in zip(histories, state, strict=True))

    histories = tuple(tf.TensorArray(part.dtype, steps, element_shape=drive[0].shape[1:]) for part in drive)
    _, _, histories = tf.while_loop(
        lambda t, *_: t < steps, advance, (tf.constant(0), state, histories), maximum_iterations=steps
    )
    return tuple(history.stack() for history in histories)


def _scan(decay: Numbers, drive: Numbers, state: Numbers) -> Numbers:
    """All steps at once, in about 2 log2 T operations."""
    constant = len(decay[0].shape) == 1
    first = _sum(product(decay if constant else _at(decay, 0), state), _at(drive, 0))
    return _from_zero(decay, tuple(tf.concat([a[None], b[1:]], 0) for a, b in zip(first, drive, strict=True)))


def _from_zero(decay: Numbers, drive: Numbers) -> Numbers:
    """States `[T, B, N]` of the recurrence that starts from zeros; the first decay is without effect."""
    steps, constant = drive[0].shape[0], len(decay[0].shape) == 1
    if steps == 1:
        return drive

    def every_other(numbers: Numbers, begin: int, end: int | None = None) -> Numbers:
        return numbers if constant and numbers is decay else tuple(part[begin:end:2] for part in numbers)

    even = 2 * (steps // 2)
    late = every_other(decay, 1)
    pairs = product(late, every_other(decay, 0, even))
    odd = _from_zero(pairs, _sum(product(late, every_other(drive, 0, even)), every_other(drive, 1)))
    count = (steps - 1) // 2
    rest = product(every_other(decay, 2), tuple(part[:count] for part in odd))
    rest = _sum(rest, every_other(drive, 2))
    return tuple(
        _interleaved(tf.concat([start[:1], part], 0), other)
        for start, part, other in zip(drive, rest, odd, strict=True)
    )


def _interleaved(even: Tensor, odd: Tensor) -> Tensor:
    """`even` at the steps 0, 2, .. and `odd` at 1, 3, .., of which there are as many, or one less."""
    missing = even.shape[0] - odd.shape[0]
    filled = tf.pad(odd, [[0, missing], *[[0, 0]] * (len(odd.shape) - 1)]) if missing else odd
    both = tf.reshape(tf.stack([even, filled], 1), [2 * even.shape[0], *tf.unstack(tf.shape(even))[1:]])
    return both[: even.shape[0] + odd.shape[0]]


def _scans(way: Way) -> bool:
    return way == "scan" or (way == "auto" and bool(tf.config.list_physical_devices("GPU")))


def _wide(part: Tensor) -> Tensor:
    part = tf.convert_to_tensor(part)
    return tf.cast(part, tf.float32) if part.dtype.size < tf.float32.size else part


def _at(numbers: Numbers, t: int | Tensor) -> Numbers:
    return tuple(part[t] for part in numbers)


def _backwards(numbers: Numbers) -> Numbers:
    return tuple(tf.reverse(part, [0]) for part in numbers)


def _sum(a: Numbers, b: Numbers) -> Numbers:
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _conjugate(a: Numbers) -> Numbers:
    return (a[0], *(-part for part in a[1:]))
