"""Timing in turns, with peers in processes of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from experiments.common.peers import PeerProcess, peers
from experiments.common.timing import measure, rows
from tests.experiments.work import peer_that_dies, peer_that_raises, peer_that_sleeps


def test_a_peer_is_timed_in_its_own_process_and_one_that_fails_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    candidates: dict[str, Any] = {
        "ours": lambda: time.sleep(0.01),
        "slow": PeerProcess(peer_that_sleeps, seconds=0.03),
        "dying": PeerProcess(peer_that_dies, code=3),
        "raising": PeerProcess(peer_that_raises),
    }
    found = measure(candidates, 3, calls=2)
    assert list(found) == ["ours", "slow"]
    (row,) = rows("sleep", found, "ms", {"slow": 1.0})
    assert row.cost >= 10.0
    assert row.other_cost >= 30.0
    printed = capsys.readouterr().out
    assert "dying is left out: peer_that_dies: its process died, exit code 3" in printed
    assert "raising is left out: peer_that_raises: ValueError: expected trouble" in printed


def test_a_peer_that_is_not_installed_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    builds: dict[str, Callable[..., Callable[[], Any]]] = {"never": peer_that_sleeps}
    assert peers("no_such_package", builds, seconds=1.0) == {}
    assert "no_such_package is not installed and left out" in capsys.readouterr().out
