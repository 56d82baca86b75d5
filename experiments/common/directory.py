"""One command at a time in a directory of results."""

from __future__ import annotations

import datetime
import json
import os
import socket
from pathlib import Path

from filelock import FileLock, Timeout

_held: dict[Path, FileLock] = {}


def hold(out: Path) -> None:
    """Keep other commands out of `out` until this process ends, however it ends.

    Raises:
        ValueError: if another process holds it; the message names it and says since when.
    """
    place = out.resolve()
    if place in _held:
        return
    lock = FileLock(place / ".lock")
    holder = place / ".lock.json"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        try:
            found = json.loads(holder.read_text(encoding="utf-8"))
            who = f"process {found['process']} on {found['host']} since {found['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            who = "another process"
        raise ValueError(
            f"out: {out} is in use by {who}, expected a directory of its own for each command; wait, or choose another"
            " --out"
        ) from None
    _held[place] = lock
    since = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    found = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
    holder.write_text(json.dumps(found), encoding="utf-8")
