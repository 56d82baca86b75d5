"""The smallest comparison that goes all the way from episodes to a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiments import burnin_compare

TINY = [
    *("--sequence-length", "5", "--period", "3", "--updates", "20", "--units", "4", "--batch-size", "8"),
    *("--num-envs", "4", "--initial-steps", "60", "--new-steps", "30", "--updates-between", "10"),
    *("--measure-every", "10", "--evaluation-episodes", "4", "--measured-fragments", "16", "--seeds", "1"),
]


def compare(out: Path, *flags: str) -> dict[str, Any]:
    """The summary of a tiny comparison that has ended well, with the report that belongs to it."""
    assert burnin_compare.main([*TINY, "--out", str(out), *flags]) == 0
    assert (out / "report.html").stat().st_size > 10_000
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    assert summary["status"] == "complete"
    return summary
