"""A limit on how long a call may take, by SIGALRM.

Most environments run in the learner's own process (single, native and `SyncVectorEnv`): nothing but a signal interrupts
one of those that hangs. The timeouts of `AsyncVectorEnv` are for its worker processes alone; the signal ends the wait
for those too, with the same message, so that there is one mechanism for both.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def time_limit(seconds: float | None, what: str) -> Iterator[None]:
    """Raise a TimeoutError naming `what` inside the block when it takes longer than `seconds`; None: no limit.

    It interrupts Python code that hangs or waits, in the main thread of a process and where the system has interval
    timers; elsewhere, and inside compiled code that never returns to Python, there is no limit.
    """
    usable = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    if seconds is None or not usable:
        yield
        return

    def expire(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"{what} took longer than {seconds:g} s")

    previous = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again and again: code that hangs may catch exceptions
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
