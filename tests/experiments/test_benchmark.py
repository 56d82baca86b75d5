"""The benchmark command, and timing in turns with peers in processes of their own."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.benchmark.command import main
from experiments.benchmark.peers import PeerProcess, peers
from experiments.benchmark.settings import BENCHMARKS, Settings
from experiments.benchmark.timing import measure, ratio_rows
from experiments.benchmark.whole import seconds_until
from tests.common.work import peer_that_dies, peer_that_raises, peer_that_sleeps


def test_a_peer_is_timed_in_its_own_process_and_one_that_fails_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    candidates: dict[str, Any] = {
        "ours": lambda: time.sleep(0.01),
        "slow": PeerProcess(peer_that_sleeps, seconds=0.03),
        "dying": PeerProcess(peer_that_dies, code=3),
        "raising": PeerProcess(peer_that_raises),
    }
    result = measure(candidates, 3, calls=2)
    assert list(result) == ["ours", "slow"]
    (row,) = ratio_rows("sleep", result, "ms", {"slow": 1.0})
    assert row.cost >= 10.0
    assert row.other_cost >= 30.0
    printed = capsys.readouterr().out
    assert "dying is left out: peer_that_dies: its process died, exit code 3" in printed
    assert "raising is left out: peer_that_raises: ValueError: expected trouble" in printed


def test_a_peer_that_is_not_installed_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    builds: dict[str, Callable[..., Callable[[], Any]]] = {"never": peer_that_sleeps}
    assert peers("no_such_package", builds, seconds=1.0) == {}
    assert "no_such_package is not installed and left out" in capsys.readouterr().out


def test_every_benchmark_of_the_table_exists() -> None:
    for benchmark in BENCHMARKS.values():
        module = importlib.import_module(f"experiments.benchmark.{benchmark.module}")
        assert callable(getattr(module, benchmark.function))


def test_without_names_all_benchmarks_run_except_long_ones() -> None:
    long = {"linear-cells", "soak", "solve", "reward-units"}
    assert Settings().selected == tuple(name for name in BENCHMARKS if name not in long)
    assert Settings(("soak", "memory")).selected == ("soak", "memory")


def test_a_benchmark_runs_and_writes_its_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "--out", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "benchmark.json").read_text())["rows"]
    assert [row["other"] for row in rows] == ["distinct steps and states", "every fragment its own steps"]
    assert rows[0]["reached"] is True
    assert "every fragment its own steps" in capsys.readouterr().out


def test_an_unknown_name_is_refused_before_anything_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["memori", "--out", str(tmp_path)])
    assert exit_.value.code == 2
    assert "names: got 'memori', expected some of train-small, " in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_help_needs_no_tensorflow() -> None:
    program = """
import runpy, sys
sys.argv[1:] = ["--help"]
try:
    runpy.run_module("experiments.benchmark", run_name="__main__", alter_sys=True)
except SystemExit as exit_:
    assert not exit_.code
assert "tensorflow" not in sys.modules
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "and soak (whether anything grows" in " ".join(answer.stdout.split())


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs os.openpty, which Windows does not have")
def test_what_a_command_shows_on_its_terminal_is_waited_for() -> None:
    show = "import sys, time; print('| 0/', file=sys.stderr if sys.stderr.isatty() else None, flush=True)"
    seconds_until([sys.executable, "-c", f"{show}; time.sleep(3600)"], b"| 0/")
    with pytest.raises(RuntimeError, match="ended without showing"):
        seconds_until([sys.executable, "-c", show], b"never")
