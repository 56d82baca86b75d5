"""The time-fused recurrent unroll: everything that can be one large matrix product is one.

A recurrent cell's pre-activations are a projection of the input plus a projection of the previous hidden state. The
input projections of all steps are one product, made by the caller. What is left for the loop over time is the recurrent
product and the cell's elementwise part. The custom gradient does the same backwards: its loop propagates only the
gradient of the state, and the gradients of the weights are single products over all steps after the loop.
"""

from __future__ import annotations

from typing import Any, Protocol

from r2d2_burnin.runtime.tensorflow import tf

Tensor = Any
CellState = tuple[Tensor, ...]


class Cell(Protocol):
    """The elementwise part of a recurrent cell; its state is a tuple of `[B, H]` of which the first is the output."""

    @property
    def state_parts(self) -> int:
        """Arrays in the state."""

    @property
    def gates(self) -> int:
        """Pre-activations of a unit: G = gates * H."""

    @property
    def has_recurrent_gradient(self) -> bool:
        """Whether the gradient of the recurrent projection differs from that of the input projection."""

    @property
    def kept(self) -> int:
        """Numbers of a unit that `forward` keeps for `backward`: R = kept * H."""

    def forward(self, projected: Tensor, recurrent: Tensor, state: CellState) -> tuple[CellState, Tensor]:
        """New state, and what `backward` needs of this step as one `[B, R]` tensor, from pre-activations `[B, G]`."""

    def backward(
        self, kept: Tensor, previous: CellState, new: CellState, gradient: CellState
    ) -> tuple[Tensor, Tensor | None, CellState]:
        """Gradients, from the `gradient` of the new state, of one step's three inputs.

        Of projected `[B, G]`; of recurrent `[B, G]`, None where `has_recurrent_gradient` is False; and of the previous
        state, not counting what it does through the recurrent product.
        """


def unroll(
    cell: Cell,
    projected: Tensor,
    recurrent_kernel: Tensor,
    recurrent_bias: Tensor | None,
    state: CellState,
    mask: Tensor | None = None,
) -> tuple[Tensor, CellState]:
    """Run a cell over time.

    Args:
        cell: the elementwise part.
        projected: input projections `[T, B, G]`, G = gates * H.
        recurrent_kernel: `[H, G]`.
        recurrent_bias: `[G]`, or None.
        state: the state before the first step, each part `[B, H]`.
        mask: `[T, B]` bool; where it is False the state passes through untouched. None: every step counts.

    Returns:
        The output after each step, `[T, B, H]`, and the state after the last one.
    """
    # A custom gradient would read variables at backward time, when they may have been assigned: their values are taken.
    projected, recurrent_kernel = tf.convert_to_tensor(projected), tf.convert_to_tensor(recurrent_kernel)
    mask = None if mask is None else tf.convert_to_tensor(mask)
    # Static where known: XLA asks for it, and loops of a known length compile to less.
    steps = projected.shape[0] if projected.shape[0] is not None else tf.shape(projected)[0]
    batch = tf.shape(projected)[1]
    dtype = projected.dtype
    hidden = recurrent_kernel.shape[0]
    has_bias = recurrent_bias is not None
    rest = [tf.convert_to_tensor(value) for value in ([recurrent_bias, *state] if has_bias else state)]

    def after_product(hidden_state: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        product = tf.matmul(hidden_state, kernel)
        return product if bias is None else product + bias

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def fused(projected: Tensor, kernel: Tensor, *rest: Tensor) -> tuple[Any, Any]:
        bias = rest[0] if has_bias else None
        first = tuple(rest[1:] if has_bias else rest)

        def step(t: Tensor, state: CellState, histories: Any, kept: Any) -> tuple[Any, ...]:
            new, keep = cell.forward(projected[t], after_product(state[0], kernel, bias), state)
            if mask is not None:
                new = _where(mask[t], new, state)
            histories = tuple(history.write(t, part) for history, part in zip(histories, new, strict=True))
            return t + 1, new, histories, kept.write(t, keep)

        width = cell.gates * hidden
        _, last, histories, kept = tf.while_loop(
            lambda t, *_: t < steps,
            step,
            (
                tf.constant(0),
                first,
                tuple(_history(steps, projected.shape[1], hidden, dtype) for _ in first),
                _history(steps, projected.shape[1], cell.kept * hidden, dtype),
            ),
            maximum_iterations=steps,
        )
        after = tuple(history.stack() for history in histories)
        kept = kept.stack()

        def gradient(outputs_gradient: Tensor, *last_gradient: Tensor) -> list[Tensor]:
            before = tuple(tf.concat([part[None], history[:-1]], 0) for part, history in zip(first, after, strict=True))
            transposed = tf.transpose(kernel)

            def step_back(n: Tensor, state: CellState, projections: Any, recurrents: Any) -> tuple[Any, ...]:
                t = steps - 1 - n
                state = (state[0] + outputs_gradient[t], *state[1:])
                through = tuple(tf.zeros_like(part) for part in state)
                if mask is not None:
                    state, through = _where(mask[t], state, through), _where(mask[t], through, state)
                of_projected, of_recurrent, of_state = cell.backward(
                    kept[t], tuple(part[t] for part in before), tuple(part[t] for part in after), state
                )
                through_product = of_projected if of_recurrent is None else of_recurrent
                of_hidden = of_state[0] + tf.matmul(through_product, transposed)
                state = tuple(a + b for a, b in zip((of_hidden, *of_state[1:]), through, strict=True))
                projections = projections.write(t, of_projected)
                recurrents = tuple(history.write(t, of_recurrent) for history in recurrents)
                return n + 1, state, projections, recurrents

            _, state_gradient, projections, recurrents = tf.while_loop(
                lambda n, *_: n < steps,
                step_back,
                (
                    tf.constant(0),
                    tuple(last_gradient),
                    _history(steps, projected.shape[1], width, dtype),
                    tuple(
                        _history(steps, projected.shape[1], width, dtype) for _ in range(cell.has_recurrent_gradient)
                    ),
                ),
                maximum_iterations=steps,
            )
            projected_gradient = projections.stack()
            stacked = recurrents[0].stack() if recurrents else projected_gradient
            recurrent_gradient = tf.reshape(stacked, [steps * batch, width])
            hidden_before = tf.reshape(before[0], [steps * batch, hidden])
            of_kernel = tf.matmul(hidden_before, recurrent_gradient, transpose_a=True)
            of_bias = [tf.reduce_sum(recurrent_gradient, 0)] if has_bias else []
            return [projected_gradient, of_kernel, *of_bias, *state_gradient]

        return (after[0], *last), gradient

    outputs, *last = fused(projected, recurrent_kernel, *rest)
    return outputs, tuple(last)


def step(
    cell: Cell, projected: Tensor, recurrent_kernel: Tensor, recurrent_bias: Tensor | None, state: CellState
) -> CellState:
    """Run a cell for one step from projections `[B, G]`; returns the new state, each part `[B, H]`."""
    recurrent = tf.matmul(state[0], recurrent_kernel)
    if recurrent_bias is not None:
        recurrent += recurrent_bias
    return cell.forward(projected, recurrent, state)[0]


def _history(steps: Any, batch: int | None, width: int, dtype: Any) -> Any:
    return tf.TensorArray(dtype, steps, element_shape=[batch, width])


def _where(mask: Tensor, chosen: CellState, otherwise: CellState) -> CellState:
    """Per example: `chosen` where `mask` [B] is set, else `otherwise`."""
    return tuple(tf.where(mask[:, None], a, b) for a, b in zip(chosen, otherwise, strict=True))
