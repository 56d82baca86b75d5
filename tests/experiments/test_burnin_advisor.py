"""The advisor as its users meet it, and the answers that are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments import burnin_advisor, burnin_compare

TINY = [
    *("--sequence-length", "5", "--period", "3", "--updates", "20", "--units", "4", "--batch-size", "8"),
    *("--num-envs", "8", "--initial-steps", "96", "--new-steps", "48", "--updates-between", "10"),
    *("--measure-every", "10", "--evaluation-episodes", "8", "--seeds", "1"),
]


def test_it_trains_an_agent_and_advises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [*TINY, "--env-kwargs", "length=24", "--episodes", "16", "--out", str(tmp_path)]
    assert burnin_advisor.main(flags) == 0
    printed = capsys.readouterr().out
    assert "Stored states were computed by parameters of" in printed
    content = json.loads((tmp_path / "summary.json").read_text())
    one = content["seeds"]["0"]
    assert content["verdict"] == one["verdict"]
    assert {m["start"] for m in one["measures"]} == {"zero", "stored"}
    assert [cost["burn_in"] for cost in one["costs"]] == [0, 1, 2, 4, 8, 10]
    assert one["costs"][0]["burn_in_bytes"] == 0
    assert one["costs"][3]["burn_in_bytes"] == 4 * (4 + 1)  # a float32 and a flag a step
    assert one["costs"][0]["state_bytes"] == 2 * 4 * 4
    assert all(cost["update_seconds"] > 0 for cost in one["costs"])
    for name in ("advice.png", "report.html", "config.json"):
        assert (tmp_path / name).stat().st_size > 0
    assert burnin_advisor.main(flags) == 0
    assert "runs are finished" in capsys.readouterr().out


def test_it_advises_on_a_checkpoint_with_older_stored_states(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [*TINY, "--env", "CartPole-v1", "--max-episode-steps", "30"]
    assert burnin_compare.main([*flags, "--strategies", "stored", "zero", "--out", str(tmp_path / "compared")]) == 0
    runs = tmp_path / "compared" / "runs"
    out = tmp_path / "advice"
    pair = ["--checkpoint", str(runs / "stored_seed0.npz"), "--stored-checkpoint", str(runs / "zero_seed0.npz")]
    more = ["--episodes", "24", "--sequence-length", "2", "--period", "2", "--longest", "3", "--out", str(out)]
    assert burnin_advisor.main([*flags, *pair, *more]) == 0
    one = json.loads((out / "summary.json").read_text())["seeds"]["0"]
    stored = [m for m in one["measures"] if m["start"] == "stored"]
    assert stored[0]["delta_q_first"] > 0  # other parameters computed them
    capsys.readouterr()
    assert burnin_advisor.main([*flags, *pair[:2], "--units", "6", "--out", str(tmp_path / "wrong")]) == 1
    assert "has parameters of shapes [(7, 4)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tolerance", "0"], "tolerance: got 0.0, expected a number above 0"),
        (["--checkpoint", "nowhere.npz"], "checkpoint: there is no file nowhere.npz"),
        (["--trained-with", "stord"], "did you mean 'stored'"),
        (["--episodes", "0"], "episodes: got 0"),
        (["--longest", "-1"], "longest: got -1"),
    ],
)
def test_bad_input_is_explained(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        burnin_advisor.main(flags)
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.long
@pytest.mark.parametrize(
    ("flags", "least", "most"),
    [
        (["--env", "BitStream/WindowCount-v0", "--env-kwargs", "length=80", "window=5"], 3, 6),
        (["--env", "BitStream/Recall-v0", "--env-kwargs", "length=80", "delay=5"], 5, 7),
        (["--env", "BitStream/Count-v0"], None, None),
        (["--env", "BitStream/Parity-v0"], None, None),
    ],
    ids=lambda value: value[1] if isinstance(value, list) else "",
)
def test_known_answers(flags: list[str], least: int | None, most: int | None, tmp_path: Path) -> None:
    """Trained networks need as much burn-in as their task's memory is long, and none suffices where it is endless."""
    assert burnin_advisor.main([*flags, "--seeds", "1", "--out", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "summary.json").read_text())
    if least is None or most is None:
        assert content["verdict"] == "no burn-in suffices: store states"
    else:
        assert least <= content["burn_in"] <= most
