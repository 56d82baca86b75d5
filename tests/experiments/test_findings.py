"""What comparisons find with default settings, and what the advisor says of the agents that they leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from experiments import burnin_advisor, burnin_compare

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("compiled_as_for_users")]


def compare(out: Path, *flags: str) -> Path:
    assert burnin_compare.main([*flags, "--out", str(out)]) == 0
    assert "LEAK:" not in (out / "report.html").read_text()
    return out


@pytest.fixture(scope="module")
def on_count(compiled_as_for_users: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default comparison."""
    return compare(tmp_path_factory.mktemp("count") / "out", "--seeds", "3")


@pytest.fixture(scope="module")
def on_window_count(compiled_as_for_users: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison where the past that counts is short; the errors of its initializations differ by factors."""
    flags = ["--env", "BitStream/WindowCount-v0", "--strategies", "zero", "stored", "zero+20", "--seeds", "2"]
    return compare(tmp_path_factory.mktemp("window_count") / "out", *flags)


def strategies_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "summary.json").read_text())["strategies"]


def test_the_finding_on_count(on_count: Path) -> None:
    """`zero` is at its floor, `zero+20` at or above its own, the others are below 1.0 in the mean."""
    strategies = strategies_of(on_count)
    assert strategies["zero"]["train_loss"]["mean"] == pytest.approx(107.5, rel=0.05)
    assert strategies["zero+20"]["train_loss"]["mean"] >= strategies["zero+20"]["floor"]
    for name in ("stored", "stored+20", "full"):
        assert strategies[name]["eval_error"]["mean"] < 1.0
    # Single seeds of `stored` come near 1.0, so what holds for every seed is stated against burn-in from zeros.
    worst_with_state = max(max(strategies[name]["eval_error"]["per_seed"]) for name in ("stored", "stored+20", "full"))
    assert worst_with_state < 0.1 * min(strategies["zero+20"]["eval_error"]["per_seed"])


def test_the_finding_on_window_count(on_window_count: Path) -> None:
    """Burn-in alone does as well as a stored state where the past that counts is short."""
    strategies = strategies_of(on_window_count)
    assert strategies["zero+20"]["eval_error"]["mean"] <= strategies["stored"]["eval_error"]["mean"]
    assert strategies["zero"]["eval_error"]["mean"] > 2.0
    assert strategies["zero+20"]["memory_steps"]["mean"] == pytest.approx(14, abs=1)


def advise(out: Path, *flags: str) -> dict[str, Any]:
    assert burnin_advisor.main([*flags, "--seeds", "1", "--out", str(out)]) == 0
    content: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return content


def test_no_burn_in_suffices_where_the_memory_is_endless(on_count: Path, tmp_path: Path) -> None:
    """Advice on the parameters that a comparison leaves, with stored states that others computed."""
    today, stored = (str(on_count / "runs" / f"{name}_seed0.npz") for name in ("full", "stored"))
    content = advise(tmp_path, "--checkpoint", today, "--stored-checkpoint", stored)
    assert content["verdict"].startswith("none up to ")
    assert "Store states" in content["seeds"]["0"]["sentence"]
    measured = [m for m in content["seeds"]["0"]["measures"] if m["start"] == "stored"]
    assert measured[0]["delta_q_first"] > 0


@pytest.mark.parametrize(
    ("flags", "least", "most"),
    [
        (["--env", "BitStream/WindowCount-v0", "--env-kwargs", "length=80", "window=5"], 3, 6),
        (["--env", "BitStream/Recall-v0", "--env-kwargs", "length=80", "delay=5"], 5, 7),
    ],
    ids=["WindowCount", "Recall"],
)
def test_an_agent_that_the_advisor_trains_needs_as_much_burn_in_as_its_tasks_memory_is_long(
    flags: list[str], least: int, most: int, tmp_path: Path
) -> None:
    # Of longer burn-ins the costs would be measured too: two programs for each.
    assert least <= advise(tmp_path, *flags, "--longest", "16")["burn_in"] <= most
