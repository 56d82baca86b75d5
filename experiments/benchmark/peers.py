"""Peers in processes of their own: some of them cannot share one with TensorFlow."""

from __future__ import annotations

import contextlib
import importlib.util
import multiprocessing
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

ANSWER_SECONDS = 300.0
"""Seconds that a peer may take for a round of calls."""


class PeerFailed(RuntimeError):
    """A peer cannot be timed."""


class PeerProcess:
    """A process that makes something to call, and times calls of it when asked to.

    Args:
        build: a module's function that returns what is called.
        arguments: of `build`.

    Raises:
        PeerFailed: when the process dies, raises, or does not answer.
    """

    def __init__(self, build: Callable[..., Callable[[], Any]], **arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._name = build.__name__
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, build, arguments), daemon=True)
        self._process.start()
        theirs.close()

    def seconds(self, calls: int) -> float:
        """Seconds that so many calls take, one after another."""
        try:
            with contextlib.suppress(OSError):  # it may have ended, and said before why
                self._connection.send(calls)
            if not self._connection.poll(ANSWER_SECONDS):
                raise PeerFailed(f"{self._name}: no answer within {ANSWER_SECONDS:.0f} seconds")
            answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join(10)
            raise PeerFailed(f"{self._name}: its process died, exit code {self._process.exitcode}") from None
        if isinstance(answer, str):
            raise PeerFailed(f"{self._name}: {answer}")
        return float(answer)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()


def peers(module: str, builds: Mapping[str, Callable[..., Callable[[], Any]]], **arguments: Any) -> dict[str, Any]:
    """A process for each function in `builds`, by name; none where the peer's module is not installed."""
    if importlib.util.find_spec(module) is None:
        print(f"{module} is not installed and left out: pip install -e '.[bench]'")
        return {}
    return {name: PeerProcess(build, **arguments) for name, build in builds.items()}


def _serve(connection: Connection, build: Callable[..., Callable[[], Any]], arguments: dict[str, Any]) -> None:
    """The main loop of a peer's process."""
    try:
        candidate = build(**arguments)
        while True:
            calls = connection.recv()
            began = time.perf_counter()
            for _ in range(calls):
                candidate()
            connection.send(time.perf_counter() - began)
    except (EOFError, OSError):
        return
    except Exception as error:  # whatever a peer raises is the answer
        connection.send(f"{type(error).__name__}: {error}")


def torch_train_step(*, units: int, batch: int, steps: int, threads: int) -> Callable[[], Any]:
    """An update of Dense, LSTM and Dense in PyTorch, with Adam and clipped gradients."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(threads)
    dense, output = torch.nn.Linear(1, units), torch.nn.Linear(units, 1)
    lstm = torch.nn.LSTM(units, units, batch_first=True)
    parameters = [*dense.parameters(), *lstm.parameters(), *output.parameters()]
    optimizer = torch.optim.Adam(parameters, 1e-3)
    x, y = (torch.from_numpy(values) for values in counted_bits((batch, steps)))

    def step() -> float:
        optimizer.zero_grad()
        hidden, _ = lstm(torch.relu(dense(x)))
        loss = ((output(hidden)[..., 0] - y) ** 2).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 10.0)
        optimizer.step()
        return float(loss.detach())

    return step


def cpprb_draw(*, processed: int, features: int, units: int, fragments: int, batch: int) -> Callable[[], Any]:
    """A draw of whole fragments with two states from a buffer of cpprb."""
    cpprb = importlib.import_module("cpprb")
    shapes = {"steps": (processed, features), "h": units, "c": units}
    columns = {name: {"shape": shape, "dtype": np.float32} for name, shape in shapes.items()}
    buffer = cpprb.ReplayBuffer(fragments, columns)
    generator = np.random.default_rng(0)
    for _ in range(fragments):
        values = generator.random((processed, features), np.float32)
        buffer.add(steps=values, h=values[0, :1].repeat(units), c=values[0, :1].repeat(units))
    return lambda: buffer.sample(batch)


def cpprb_priorities(*, count: int, batch: int) -> Callable[[], Any]:
    """A draw by priority, and a change of the drawn priorities, in a buffer of cpprb."""
    cpprb = importlib.import_module("cpprb")
    generator = np.random.default_rng(0)
    buffer = cpprb.PrioritizedReplayBuffer(count, {"step": {"shape": 1}})
    buffer.add(step=np.zeros((count, 1)), priorities=generator.random(count))

    def draw_and_change() -> None:
        drawn = buffer.sample(batch)
        buffer.update_priorities(drawn["indexes"], generator.random(batch))

    return draw_and_change


def counted_bits(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Random bits `[*shape, 1]` and the running counts of their ones `[*shape]`, float32."""
    bits = np.random.default_rng(0).integers(0, 2, (*shape, 1)).astype(np.float32)
    return bits, bits[..., 0].cumsum(-1)
