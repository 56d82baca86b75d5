"""What the main functions of experiments have in common."""

from __future__ import annotations

import contextlib
import importlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from r2d2_burnin.environments.guard import EnvironmentFault
from r2d2_burnin.runtime.command_line import fail
from r2d2_burnin.runtime.tensorflow import set_up

Settings = TypeVar("Settings")


def run_experiment(
    read: Callable[[Sequence[str]], Settings],
    module: str,
    arguments: Sequence[str] | None,
) -> int:
    """Read settings, make what is not finished, write the results; returns the exit status.

    `module` is imported after the command line was read, so that this answers at once. It has `make_runs`,
    `write_results` and, where results can be rejected, `accept`.

    It is 0, or 1 if something failed, was stopped, could not be written or is not accepted; settings that cannot work
    end the program with 2 before anything is done. SIGTERM, as batch systems send it, stops the runs as `Ctrl-C` does,
    and what is finished is reported.
    """
    set_up()
    try:
        settings = read(sys.argv[1:] if arguments is None else arguments)
        with _interrupted_by_sigterm():
            work = importlib.import_module(module)
            found, errors, out = work.make_runs(settings)
    except (ValueError, EnvironmentFault) as error:  # a first look at the environment may find the fault
        fail(str(error))
    except OSError as error:
        fail(f"out: the results cannot be written ({error}); finished runs stay where they are")
    try:
        page = work.write_results(found, errors, settings, out)
    except OSError as error:
        print(f"error: out: {out} cannot be written ({error}); finished runs stay in {out / 'runs'}", file=sys.stderr)
        return 1
    print(f"\nreport: {page}")
    return 0 if not errors and getattr(work, "accept", lambda found: True)(found) else 1


@contextlib.contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt inside, once; a second one ends the process."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
