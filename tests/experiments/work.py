"""Jobs for the engine's tests; worker processes import them by name."""

from __future__ import annotations

import os
import time
from typing import Any

from experiments.common.jobs import Report


def do(payload: Any, report: Report) -> Any:
    report(1, "begun")
    if payload == "raise":
        raise ValueError("expected trouble")
    if payload == "die":
        os._exit(3)
    if payload == "sleep":
        for _ in range(600):
            time.sleep(0.05)
            report(1, "sleeping")
    return payload * 2
