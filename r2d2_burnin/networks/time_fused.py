"""The time-fused recurrent unroll: everything that can be one large matrix product is one.

A recurrent cell's pre-activations are a projection of the input plus a projection of the previous hidden state. The
input projections of all steps are one product, made by the caller. What is left for the loop over time is the recurrent
product and the cell's elementwise part. The custom gradient does the same backwards: its loop propagates only the
gradient of the state, and the gradients of the weights are single products over all steps after the loop.
"""

from __future__ import annotations

from typing import Any

from r2d2_burnin.networks.cells.protocol import Cell, CellState
from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import tf


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
    has_bias = recurrent_bias is not None
    rest = [tf.convert_to_tensor(value) for value in ([recurrent_bias, *state] if has_bias else state)]
    loops = _Loops(cell, projected, recurrent_kernel.shape[0], mask)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def fused(projected: Tensor, kernel: Tensor, *rest: Tensor) -> tuple[Any, Any]:
        bias = rest[0] if has_bias else None
        first = tuple(rest[1:] if has_bias else rest)
        last, after, residuals = loops.forward(projected, kernel, bias, first)

        def gradient(outputs_gradient: Tensor, *last_gradient: Tensor) -> list[Tensor]:
            before = tuple(tf.concat([part[None], history[:-1]], 0) for part, history in zip(first, after, strict=True))
            state_gradient, projected_gradient, recurrent_gradient = loops.backward(
                kernel, residuals, before, after, outputs_gradient, last_gradient
            )
            rows = tf.shape(projected)[1] * loops.steps
            recurrent_gradient = tf.reshape(recurrent_gradient, [rows, loops.width])
            hidden_before = tf.reshape(before[0], [rows, loops.hidden])
            of_kernel = tf.matmul(hidden_before, recurrent_gradient, transpose_a=True)
            of_bias = [tf.reduce_sum(recurrent_gradient, 0)] if has_bias else []
            return [projected_gradient, of_kernel, *of_bias, *state_gradient]

        return (after[0], *last), gradient

    outputs, *last = fused(projected, recurrent_kernel, *rest)
    return outputs, tuple(last)


class _Loops:
    """The two loops over time of one unroll: forward, and back through it.

    Args:
        cell: the elementwise part.
        projected: input projections `[T, B, G]`, for their shape and dtype.
        hidden: units, H.
        mask: `[T, B]` bool, or None.
    """

    def __init__(self, cell: Cell, projected: Tensor, hidden: int, mask: Tensor | None) -> None:
        # Static where known: XLA asks for it, and loops of a known length compile to less.
        self.steps = projected.shape[0] if projected.shape[0] is not None else tf.shape(projected)[0]
        self.hidden = hidden
        self.width = cell.gates * hidden
        self._cell = cell
        self._mask = mask
        self._batch = projected.shape[1]
        self._dtype = projected.dtype

    def forward(
        self, projected: Tensor, kernel: Tensor, bias: Tensor | None, first: CellState
    ) -> tuple[CellState, CellState, Tensor]:
        """The last state, the states after all steps (each part `[T, B, H]`), and the residuals `[T, B, R]`."""

        def step(t: Tensor, state: CellState, histories: Any, residuals: Any) -> tuple[Any, ...]:
            product = tf.matmul(state[0], kernel)
            recurrent = product if bias is None else product + bias
            new, of_step = self._cell.forward(projected[t], recurrent, state)
            if self._mask is not None:
                new = _where(self._mask[t], new, state)
            histories = tuple(history.write(t, part) for history, part in zip(histories, new, strict=True))
            return t + 1, new, histories, residuals.write(t, of_step)

        _, last, histories, residuals = tf.while_loop(
            lambda t, *_: t < self.steps,
            step,
            (
                tf.constant(0),
                first,
                tuple(self._history(self.hidden) for _ in first),
                self._history(self._cell.residuals * self.hidden),
            ),
            maximum_iterations=self.steps,
        )
        return last, tuple(history.stack() for history in histories), residuals.stack()

    def backward(
        self,
        kernel: Tensor,
        residuals: Tensor,
        before: CellState,
        after: CellState,
        outputs_gradient: Tensor,
        last_gradient: CellState,
    ) -> tuple[CellState, Tensor, Tensor]:
        """Gradients of the first state, and of the input and recurrent projections (both `[T, B, G]`)."""
        cell, mask, transposed = self._cell, self._mask, tf.transpose(kernel)

        def step_back(n: Tensor, state: CellState, projections: Any, recurrents: Any) -> tuple[Any, ...]:
            t = self.steps - 1 - n
            state = (state[0] + outputs_gradient[t], *state[1:])
            through = tuple(tf.zeros_like(part) for part in state)
            if mask is not None:
                state, through = _where(mask[t], state, through), _where(mask[t], through, state)
            of_projected, of_recurrent, of_state = cell.backward(
                residuals[t], tuple(part[t] for part in before), tuple(part[t] for part in after), state
            )
            of_hidden = of_state[0] + tf.matmul(of_projected if of_recurrent is None else of_recurrent, transposed)
            state = tuple(a + b for a, b in zip((of_hidden, *of_state[1:]), through, strict=True))
            recurrents = tuple(history.write(t, of_recurrent) for history in recurrents)
            return n + 1, state, projections.write(t, of_projected), recurrents

        _, state_gradient, projections, recurrents = tf.while_loop(
            lambda n, *_: n < self.steps,
            step_back,
            (
                tf.constant(0),
                tuple(last_gradient),
                self._history(self.width),
                tuple(self._history(self.width) for _ in range(cell.has_recurrent_gradient)),
            ),
            maximum_iterations=self.steps,
        )
        of_projected = projections.stack()
        return state_gradient, of_projected, recurrents[0].stack() if recurrents else of_projected

    def _history(self, width: int) -> Any:
        return tf.TensorArray(self._dtype, self.steps, element_shape=[self._batch, width])


def step(
    cell: Cell, projected: Tensor, recurrent_kernel: Tensor, recurrent_bias: Tensor | None, state: CellState
) -> CellState:
    """Run a cell for one step from projections `[B, G]`; returns the new state, each part `[B, H]`."""
    recurrent = tf.matmul(state[0], recurrent_kernel)
    if recurrent_bias is not None:
        recurrent += recurrent_bias
    return cell.forward(projected, recurrent, state)[0]


def _where(mask: Tensor, chosen: CellState, otherwise: CellState) -> CellState:
    """Per example: `chosen` where `mask` [B] is set, else `otherwise`."""
    return tuple(tf.where(mask[:, None], a, b) for a, b in zip(chosen, otherwise, strict=True))
