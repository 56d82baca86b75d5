"""The study of claims: what a test says of each, and one claim of a test's own from runs to report."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import claims
from experiments.claims import declarations, plots, results
from experiments.claims.declarations import Claim, Comparand, Side, pair
from experiments.claims.results import ClaimResults
from tests.common.comparisons import regression_comparison
from tests.common.in_process import jobs_in_process

TINY = {
    "env-kwargs": "length=12",
    "sequence-length": 5,
    "period": 3,
    "updates": 20,
    "units": 4,
    "batch-size": 8,
    "num-envs": 8,
    "initial-steps": 96,
    "new-steps": 48,
    "updates-between": 5,
    "measure-every": 5,
    "evaluation-episodes": 8,
}
MINE = Claim(
    "9",
    "mine",
    "Training burn-in steps is no better.",
    "training burn-in steps is no better",
    "this test",
    (
        *(pair(measure, "count", "zero@8", "zero+3", "larger") for measure in ("error", "error at equal seconds")),
        pair("time of an update", "count", "zero@8", "zero+3"),
    ),
    "Nothing is learned in 20 updates.",
)
"""A claim is one entry: nothing else of the study is changed for it."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("claims")
    with pytest.MonkeyPatch.context() as patch, jobs_in_process():
        patch.setattr(declarations, "CLAIMS", (*declarations.CLAIMS, MINE))
        flags = [f"{name}={value}" for name, value in TINY.items()]
        assert claims.main(["--claims", "mine", "--seeds", "2", "--out", str(out), "--flags", *flags]) == 0
        assert claims.main(["--claims", "9", "--seeds", "3", "--out", str(out), "--flags", *flags]) == 0  # one more
    return out


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.long
def test_a_claim_goes_from_its_declaration_to_the_page(study: Path) -> None:
    content = read(study / "claims.json")
    assert list(content["claims"]) == ["9"]
    assert content["errors"] == []
    errors, _, seconds = content["claims"]["9"]["comparisons"]
    by_name = read(study / "summary.json")["settings"]["count"]["strategies"]
    per_seed = [by_name[name]["eval_error"]["per_seed"] for name in ("zero@8", "zero+3")]
    assert errors["ratio"] == pytest.approx(math.exp(np.mean(np.log(per_seed[0]) - np.log(per_seed[1]))))
    assert errors["seeds"] == 3
    assert errors["verdict"] == "not tested"  # 20 updates teach nothing
    assert "neither is shown to have learned" in errors["sentence"]
    assert seconds["ratio"] > 0
    assert seconds["verdict"] == "measured alone"
    assert (study / "claims.png").stat().st_size > 0
    assert (study / "count" / "report.html").stat().st_size > 0
    assert MINE.text in (study / "report.html").read_text()


@pytest.mark.long
def test_an_initialization_with_trained_steps_of_its_own_processes_the_same_steps(study: Path) -> None:
    """Of T + 3 steps: 8 trained ones, or 3 of burn-in and 5 trained ones, of the same fragments."""
    comparison = read(study / "count" / "summary.json")
    both = [comparison["strategies"][name] for name in ("zero@8", "zero+3")]
    assert [entry["trained_steps"] for entry in both] == [8, 5]
    assert [entry["burn_in"] for entry in both] == [0, 3]
    assert both[0]["processed_steps"] == both[1]["processed_steps"]
    assert both[0]["at_equal_processed_steps"]["updates"] == 20
    assert both[0]["floor"] > both[1]["floor"] > 0
    assert both[0]["fresh_loss"]["mean"] > both[0]["floor"]
    runs = [read(study / "count" / "runs" / f"{name}_seed0.json") for name in ("zero@8", "zero+3")]
    assert runs[0]["streams"] == runs[1]["streams"]
    errors, *_ = read(study / "claims.json")["claims"]["9"]["comparisons"]
    assert errors["processed_steps"] == [entry["processed_steps"]["mean"] for entry in both]


def comparand(side: str, other: str, expected: Any = "smaller", measure: str = "error") -> Comparand:
    return Comparand(measure, Side("count", side), Side("count", other), expected)


def test_what_a_test_says_of_a_claim(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    means = {"zero": 100.0, "stored": 10.0, "refreshed": 10.0, "learned": 14.0, "zero+20": 600.0, "full": 700.0}
    scatter = {"learned": 0.6}
    errors = {
        name: (mean * np.exp(scatter.get(name, 0.03) * generator.normal(size=5))).tolist()
        for name, mean in means.items()
    }
    errors["stored+20"] = [9.0]
    cases = {
        comparand("stored", "zero"): "as claimed",
        comparand("zero", "stored"): "the opposite",
        comparand("stored", "zero", None): "smaller",
        comparand("zero", "stored", None): "larger",
        comparand("refreshed", "stored"): "equal within the margin",
        comparand("learned", "stored"): "no difference seen",
        comparand("stored+20", "stored"): "not tested",  # one seed
        comparand("zero+20", "full"): "not tested",  # neither is better than the best constant answer
        comparand("refreshed", "stored", measure="memory"): "not tested",  # which was not measured
    }
    claim = Claim("1", "mine", "Everything.", "everything", "this test", tuple(cases), "")
    found = ClaimResults((claim,), {"count": regression_comparison(errors)})
    assert [finding.verdict for finding in found.findings] == list(cases.values())
    assert found.findings[0].contrast.low < math.log(0.1) < found.findings[0].contrast.high
    assert "neither is shown to have learned" in found.findings[-2].sentence
    assert "in part" in found.conclusion(claim)
    caption = plots.draw(found, tmp_path / "claims.png").caption
    assert "up to 5 paired seeds" in caption
    assert len(results.table(found.findings).rows) == len(cases)


def test_claims_are_declared_of_what_exists_and_chosen_by_number_or_name(capsys: pytest.CaptureFixture[str]) -> None:
    for claim in declarations.CLAIMS:
        assert declarations.chosen([claim.name]) == declarations.chosen([claim.number]) == (claim,)
    needed = declarations.strategies_of(declarations.CLAIMS)
    assert set(needed) == set(declarations.SETTINGS)
    assert "refreshed" in needed["count-long-lag"]
    for wrong, message in (
        (["6"], "claims: got '6', expected some of 1"),
        (["lag", "4"], "claims: got lag 4, expected"),
    ):
        with pytest.raises(SystemExit):
            claims.main(["--claims", *wrong])
        assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
