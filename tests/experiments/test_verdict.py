"""What a report says: only what its figures carry, and first what they do not carry."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from scipy import stats

import envs
from envs.bit_stream import BitStreamEnv
from experiments.atlas.aggregate import RESAMPLES, interquartile_mean, probability_of_improvement, scores
from experiments.atlas.plots import sweep_finding
from experiments.atlas.sweep import Sweep
from experiments.burnin_compare.comparison import Comparison, default_reference
from experiments.burnin_compare.equal_cost import at_equal_cost
from experiments.burnin_compare.floors import error_floors
from experiments.burnin_compare.summary import summary
from experiments.burnin_compare.tables import cost_table, how_to_read
from experiments.burnin_compare.verdict import finding, leaks, verdict
from r2d2_burnin.data import Measurement, TrainingResult
from r2d2_burnin.settings import EnvironmentSettings, QLearningSettings, TrainingSettings
from tests.common.comparisons import CONTROL, EPISODES, REGRESSION, control_comparison, regression_comparison, run


def test_a_loss_below_its_floor_is_called_a_leak() -> None:
    errors = {"zero": [104.0] * 3, "zero+20": [39.0] * 3, "stored": [0.0] * 3}
    result = leaks(regression_comparison(errors, fresh={"zero": 104.0, "zero+20": 39.0, "stored": 0.0}))
    assert list(result) == ["zero"]
    assert "LEAK: zero reached a loss of 104" in result["zero"]
    at_floor = {"learned": 70.0, "learned+20": 21.4, "refreshed": 0.1}
    assert leaks(regression_comparison({name: [1.0] * 3 for name in at_floor}, fresh=at_floor)) == {}
    below = regression_comparison({"zero": [1.0] * 3, "full": [1.0] * 3}, fresh={"zero": 90.0, "full": 1.0})
    assert verdict(below)[0].startswith("LEAK")
    assert not any("at its error floor" in text or "below its error floor:" in text for text in verdict(below))


@pytest.mark.parametrize(("episodes", "said"), [(1, "1 evaluation episode"), (7, "7 evaluation episodes")])
def test_few_episodes_show_no_leak_and_that_is_said(episodes: int, said: str) -> None:
    few = regression_comparison(
        {"zero": [50.0] * 3, "full": [1.0] * 3}, fresh={"zero": 50.0, "full": 1.0}, episodes=EPISODES[:episodes]
    )
    if episodes == 1:  # which has no standard error
        for result in few.runs.values():
            result.measurements.pop()
    assert leaks(few) == {}
    (sentence,) = [text for text in verdict(few) if "a leak in our code" in text]
    assert sentence.startswith("Whether the loss of zero is below its error floor")
    assert f"cannot be tested with {said}: 8 at least are needed" in sentence
    enough = regression_comparison({"zero": [50.0] * 3}, fresh={"zero": 50.0}, episodes=EPISODES[:8])
    assert list(leaks(enough)) == ["zero"]
    assert not any("cannot be tested with" in text and "leak" in text for text in verdict(enough))


@pytest.mark.parametrize("where", ["flag", "env_kwargs", "registration"])
def test_a_floor_is_that_of_episodes_as_long_as_they_are_played(where: str) -> None:
    """Count for 40 steps, T 20, period 10: fragments start after 0, 10 or 20 bits that `zero` does not see.

    The variance of their count: 2.5 within the three starts, 50 / 3 between their means.
    """
    environment = {
        "flag": EnvironmentSettings("BitStream/Count-v0", max_episode_steps=40),
        "env_kwargs": EnvironmentSettings("BitStream/Count-v0", {"max_episode_steps": 40}),
        "registration": EnvironmentSettings("Test/Count40-v0"),
    }[where]
    if "Test/Count40-v0" not in gym.registry:
        gym.register("Test/Count40-v0", "envs.bit_stream:BitStreamEnv", max_episode_steps=40)
    settings = dataclasses.replace(REGRESSION, environment=environment)
    floors = error_floors(settings, ["zero", "zero+20", "stored", "full"])
    short = BitStreamEnv("Count", length=40)
    expected = [short.error_floor("zero", k, sequence_length=20, period=10) for k in (0, 20)]
    assert floors == {"zero": pytest.approx(2.5 + 50 / 3), "zero+20": expected[1], "stored": 0.0, "full": 0.0}
    bits = np.random.default_rng(0).integers(0, 2, (100_000, 20)).cumsum(1)
    unseen = np.stack([np.zeros(len(bits)), bits[:, 9], bits[:, 19]])
    assert floors["zero"] == pytest.approx(unseen.var(), rel=0.01)
    longer = dataclasses.replace(environment, max_episode_steps=500) if where == "flag" else None
    if longer is not None:  # a limit beyond the stream's end changes nothing
        assert error_floors(dataclasses.replace(REGRESSION, environment=longer), ["zero"])["zero"] == pytest.approx(
            107.5
        )


class Noisy(gym.ObservationWrapper[Any, Any, Any]):
    """Shows something else than the environment whose floor it hides."""

    def observation(self, observation: Any) -> Any:
        return observation


class OwnFloor(BitStreamEnv):
    """An environment that knows the floor of whole episodes only."""

    def error_floor(self, *, burn_in: int, sequence_length: int, period: int, **known: Any) -> float:  # type: ignore[override]
        return 3.0


class NamedStarts(BitStreamEnv):
    """An environment whose floors go by the name of the start state, as those of earlier versions did."""

    def error_floor(self, start: str, burn_in: int, *, sequence_length: int, period: int, loss: str) -> float:  # type: ignore[override]
        return {"zero": 3.0, "learned": 2.0, "stored": 1.0}[start]


def test_floors_may_go_by_the_name_of_the_start_state() -> None:
    if "Test/NamedStarts-v0" not in gym.registry:
        gym.register("Test/NamedStarts-v0", NamedStarts)
    settings = dataclasses.replace(REGRESSION, environment=EnvironmentSettings("Test/NamedStarts-v0"))
    floors = error_floors(settings, ["zero+5", "learned", "stored", "refreshed", "full"])
    assert floors == {"zero+5": 3.0, "learned": 2.0, "stored": 1.0, "refreshed": 1.0, "full": 1.0}


def test_the_floor_of_anything_else_is_unknown() -> None:
    assert envs is not None
    for name, entry in (
        ("Test/Wrapped-v0", lambda: Noisy(BitStreamEnv())),
        ("Test/OwnFloor-v0", OwnFloor),
        ("Test/Additional-v0", BitStreamEnv),
    ):
        if name not in gym.registry:
            wrappers = (gym.wrappers.TransformReward.wrapper_spec(func=float),) if "Additional" in name else ()
            gym.register(name, entry, additional_wrappers=wrappers)

    def floor(**environment: Any) -> float | None:
        settings = dataclasses.replace(REGRESSION, environment=EnvironmentSettings(**environment))
        return error_floors(settings, ["zero"])["zero"]

    assert floor(env="Test/Wrapped-v0") is None
    assert floor(env="Test/Additional-v0") is None
    assert floor(env="BitStream/Count-v0", wrappers=("gymnasium.wrappers:FlattenObservation",)) is None
    assert floor(env="Test/OwnFloor-v0") == 3.0
    assert floor(env="Test/OwnFloor-v0", max_episode_steps=40) is None
    assert floor(env="CartPole-v1") is None
    parity = dataclasses.replace(REGRESSION, environment=EnvironmentSettings("BitStream/Parity-v0"))
    assert error_floors(parity, ["zero"])["zero"] is None  # trained on another loss than it knows a floor for


def test_contrasts_are_with_full_then_stored_then_the_first_and_no_sentence_is_there_twice() -> None:
    assert default_reference(("zero", "stored", "full")) == "full"
    assert default_reference(("zero+10", "zero", "stored")) == "stored"
    assert default_reference(("zero+10", "zero")) == "zero+10"
    errors = {"zero+10": [40.0, 42.0, 39.0], "stored": [0.7, 0.8, 0.6], "zero": [110.0, 120.0, 118.0]}
    sentences = verdict(regression_comparison(errors))
    assert len(set(sentences)) == len(sentences)
    assert sum("zero+10 against stored" in sentence for sentence in sentences) == 1
    chosen = Comparison(REGRESSION, ("zero", "full"), (0,), reference="zero")
    assert chosen.reference == "zero"


def test_directions_are_those_of_tests_and_no_difference_is_not_equal() -> None:
    errors = {
        "full": [1.0, 1.1, 0.9, 1.05, 0.95],
        "stored": [1.4, 0.8, 1.2, 0.9, 1.1],
        "stored+20": [1.01, 1.09, 0.91, 1.05, 0.94],
        "zero": [90.0, 110.0, 100.0, 95.0, 105.0],
    }
    comparison = regression_comparison(errors)
    sentences = {text.split(" against")[0]: text for text in verdict(comparison) if " against full: " in text}
    test = stats.ttest_1samp(np.log(errors["zero"]) - np.log(errors["full"]), 0)
    assert test.pvalue < 0.001
    assert sentences["zero"].startswith("zero against full: worse, 100 times the error [")
    assert "(p below 0.001)" in sentences["zero"]
    assert "no difference seen" in sentences["stored"]
    assert "equal" not in sentences["stored"]
    assert "no difference seen" in sentences["stored+20"]
    assert sentences["stored+20"].endswith(
        "; equal within a factor of 1.25 (failures in up to 45% of seeds are not ruled out)."
    )
    assert finding(comparison) == (
        "BitStream/Count-v0: zero (100 times the error) is worse than full; no difference from full is seen for stored"
        " and stored+20"
    )


def test_where_nothing_was_learned_nothing_is_compared() -> None:
    """RepeatFirstEasy as it was reported: all near what random actions earn, and ranked all the same."""
    returns = {"zero": [-0.45, -0.4, -0.42], "zero+20": [-0.41, -0.4, -0.43], "full": [-0.44, -0.46, -0.41]}
    comparison = control_comparison(returns, random=-0.5, constant=-0.4)
    assert comparison.nothing_learned
    sentences = verdict(comparison)
    assert sentences[0] == (
        "NOTHING LEARNED: no run is shown to be better than random actions -0.5 and best constant action -0.4 (episode"
        " return)."
    )
    assert not any("against" in text for text in sentences)
    assert "so nothing is compared" in finding(comparison)

    returns["full"] = [0.9, 0.95, 0.97]
    partly = control_comparison(returns, random=-0.5, constant=-0.4)
    assert partly.learned()["full"] == dict.fromkeys(range(3), True)
    assert not any(partly.learned()["zero"].values())
    sentences = verdict(partly)
    assert sentences[0].startswith("NOT LEARNED: zero in 3 of 3 seeds, zero+20 in 3 of 3 seeds, not shown to be better")
    assert any("zero against full: worse, return -1.3" in text for text in sentences)
    # Without the constant action, which earns more than random ones, more would count as having learned.
    assert all(control_comparison(returns, random=-0.5).learned()["zero+20"].values())

    constant = regression_comparison({"zero": [500.0, 505.0, 510.0], "full": [500.0, 520.0, 500.0]})
    assert constant.nothing_learned
    assert "best constant answer 500 (mean squared error)" in verdict(constant)[0]
    unknown = regression_comparison({"zero": [490.0, 505.0], "full": [1.0, 2.0]}, constant=None)
    assert unknown.learned() == {"zero": {}, "full": {}}
    assert any("not known: no baseline was measured" in text for text in verdict(unknown))


@pytest.mark.parametrize("episodes", [1, 2, 8])
def test_what_too_few_episodes_cannot_test_is_said_and_compared_all_the_same(episodes: int) -> None:
    """15 runs take 9 episodes: 15 / 2^9 is below 5 %, 15 / 2^8 above."""
    errors = {
        name: [value * factor**seed for seed in range(5)]
        for name, value, factor in (("zero", 100.0, 1.1), ("full", 1.0, 1.0))
    }
    errors["stored"] = errors["full"]
    few = regression_comparison(errors, episodes=EPISODES[:episodes])
    assert not few.nothing_learned
    sentences = verdict(few)
    assert not any("NOTHING LEARNED" in text or "NOT LEARNED" in text for text in sentences)
    word = "episode" if episodes == 1 else "episodes"
    assert (
        f"Whether zero, full, stored learned anything cannot be tested with {episodes} evaluation {word}: 9 at least"
        " are needed for a report of 15 runs (--evaluation-episodes)."
    ) in sentences
    assert any(text.startswith("zero against full: worse, 121 times the error") for text in sentences)
    assert summary(few)["strategies"]["zero"]["learned_seeds"] is None
    enough = regression_comparison(errors, episodes=EPISODES[:9])
    assert all(enough.learned()["full"].values())
    assert not any("cannot be tested" in text for text in verdict(enough))


def test_two_that_learned_nothing_are_not_compared() -> None:
    """`stored` and `full` are at random returns; `stored` is a little better than `full` in every seed."""
    returns = {"zero": [0.9, 0.95, 0.97], "stored": [-0.52, -0.526, -0.516], "full": [-0.6, -0.601, -0.599]}
    comparison = control_comparison(returns, random=-0.5)
    assert [contrast.strategy for contrast in comparison.contrasts()] == ["zero"]
    assert [contrast["strategy"] for contrast in summary(comparison)["contrasts"]] == ["zero"]
    sentences = verdict(comparison)
    assert "stored and full are not compared: neither is shown to have learned anything." in sentences
    assert not any(text.startswith("stored against") for text in sentences)
    assert finding(comparison).endswith(
        "zero (return +1.54) is better than full; not compared with full, as neither learned: stored"
    )
    # The correction is still over both comparisons.
    both = [stats.ttest_rel(returns[name], returns["full"]).pvalue for name in ("zero", "stored")]
    (contrast,) = comparison.contrasts()
    assert both[0] < both[1] < 0.05
    assert contrast.p == pytest.approx(2 * both[0])
    assert any("2 in all" in text for text in sentences)

    nothing = control_comparison({"zero": [-0.6, -0.61, -0.62], "full": [-0.7, -0.71, -0.72]}, random=-0.5)
    assert summary(nothing)["contrasts"] == []
    learned = control_comparison({"zero": [-0.6, -0.61, -0.62], "full": [0.7, 0.71, 0.72]}, random=-0.5)
    sweep = Sweep("control", {1e-3: nothing, 1e-2: learned})
    assert any("of 2 single rates worse at 1." in text for text in sweep.sentences())
    assert sweep_finding({"control": sweep}) == (
        "Shown to be worse than full, each at its own best learning rate: zero on control"
    )


def test_a_task_that_every_run_solves_is_learned_with_any_number_of_seeds() -> None:
    for seeds in (1, 2, 3, 5):
        solved = Comparison(CONTROL, ("zero", "stored", "full"), tuple(range(seeds)))
        for name, seed in itertools.product(solved.strategies, solved.seeds):
            baselines = {"random actions": [0.0] * 20}
            solved.runs[name, seed] = run({"episode_return": 1.0}, outcomes=[1.0] * 20, baselines=baselines)
        assert not solved.nothing_learned
        assert not any("LEARNED" in text for text in verdict(solved))


def test_findings_name_the_reason_where_nothing_is_tested() -> None:
    uneven = regression_comparison({"full": [0.1, 0.2, 0.15], "zero": [100.0]})
    assert finding(uneven).endswith("not tested for lack of seeds: full 0.15; zero 100")
    del uneven.runs["full", 0], uneven.runs["full", 1], uneven.runs["full", 2]
    assert finding(uneven).endswith("full, the reference, has no finished run")
    alone = regression_comparison({"zero": [100.0, 101.0, 99.0]})
    assert finding(alone).endswith("zero 100")
    assert not any("no finished run" in text for text in verdict(alone))


def test_sentences_about_floors_are_carried_by_their_intervals() -> None:
    comparison = regression_comparison(
        {"zero": [100.0, 101.0, 99.0], "zero+20": [50.0, 51.0, 49.0], "full": [0.1, 0.2, 0.15]}
    )
    losses = {"zero": [106.5, 107.5, 108.0], "zero+20": [15.0, 39.5, 64.0], "full": [0.1, 0.1, 0.1]}
    for (name, seed), result in comparison.runs.items():
        more = {"fresh_loss": losses[name][seed], "fresh_loss_standard_error": 5.0}
        result.measurements.extend(Measurement(2000, metric, value) for metric, value in more.items())
    sentences = verdict(comparison)
    assert any(text.startswith("zero is at its error floor, within 5%: loss 107.3 ± 1.9") for text in sentences)
    # Its mean is at the floor too, but the interval is [-21, 100].
    (wide,) = [text for text in sentences if text.startswith("zero+20 is")]
    assert wide.startswith("zero+20 is not shown to differ from its error floor by more than 5%: loss 40 ± 61")
    assert not any("zero+20" in text and "No training" in text for text in sentences)


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([120.0, 121.0, 122.0], "stays above its error floor by more than 5%"),
        ([110.0, 110.1, 110.2], "is at its error floor, within 5%"),  # wholly above the floor, but within the margin
        ([111.0, 113.0, 115.0], "is not shown to differ"),
        ([90.0, 90.1, 90.2], "is below its error floor, but by less than a test for leaks needs"),
        ([107.5], ": loss 108 on fresh fragments, floor 107.5; one seed has no interval"),
    ],
)
def test_a_loss_against_its_floor(losses: list[float], said: str) -> None:
    """107.5, with a margin of 5.375."""

    def compared(error: float) -> list[str]:
        comparison = regression_comparison({"zero": [error] * len(losses), "full": [1.0] * len(losses)})
        for seed, loss in enumerate(losses):
            more = {"fresh_loss": loss, "fresh_loss_standard_error": 20.0}
            comparison.runs["zero", seed].measurements.extend(Measurement(2000, *item) for item in more.items())
        return [text for text in verdict(comparison) if "floor" in text]

    (sentence,) = compared(100.0)
    assert said in sentence
    assert compared(600.0) == []  # worse than the best constant answer: it has not learned


def test_what_cannot_differ_from_full_is_said() -> None:
    errors = {name: [1.0, 1.1, 0.9] for name in ("zero", "zero+59", "zero+60", "stored+80", "full")}
    comparison = regression_comparison(errors)
    assert comparison.cannot_differ() == ["zero+60", "stored+80"]
    (sentence,) = [text for text in verdict(comparison) if "cannot differ" in text]
    assert "the last fragment starts at step 60" in sentence
    one_fragment = regression_comparison(errors, longest_start=0)
    assert one_fragment.cannot_differ() == ["zero", "zero+59", "zero+60", "stored+80"]
    assert any("every episode fits in one fragment" in text for text in verdict(one_fragment))
    assert regression_comparison(errors, longest_start=None).cannot_differ() == []


def test_different_streams_are_said() -> None:
    differing = control_comparison({"zero": [5.0, 6.0], "full": [7.0, 8.0]})
    assert differing.streams_differ() is True
    assert any("saw different streams" in text for text in verdict(differing))
    same = regression_comparison({"zero": [5.0, 6.0], "full": [7.0, 8.0]})
    assert same.streams_differ() is False
    assert not any("streams" in text for text in verdict(same))
    assert regression_comparison({"zero": [5.0]}).streams_differ() is None
    assert regression_comparison({"zero": [5.0], "full": [5.0]}, streams=None).streams_differ() is None


def test_in_control_the_outcome_is_the_mean_over_the_last_evaluations() -> None:
    comparison = Comparison(CONTROL, ("zero",), (0,))
    values = [0.0, 0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
    measurements = [Measurement(200 * (i + 1), "episode_return", value) for i, value in enumerate(values)]
    comparison.runs["zero", 0] = TrainingResult(measurements, 1.0)
    assert comparison.final("zero", "episode_return") == {0: 30.0}
    assert comparison.final("zero", "episode_return", {0: 1000.0}) == {0: 12.0}
    assert comparison.final("zero", "episode_return", {0: 30.0}) == {}  # before the first


def test_outcomes_at_equal_cost() -> None:
    """full takes twice the steps and four times the seconds of zero: half and a quarter of its updates are left."""
    comparison = Comparison(REGRESSION, ("zero", "full"), (0, 1))
    for name, seed in itertools.product(comparison.strategies, comparison.seeds):
        measurements = [Measurement(update, "eval_error", 2000.0 - update + seed) for update in range(100, 2001, 100)]
        factor = 1 if name == "zero" else 2
        comparison.runs[name, seed] = TrainingResult(
            measurements, 9.0, update_seconds=1e-3 * factor**2, processed_steps=1000 * factor
        )
    zero, full = at_equal_cost(comparison, "zero"), at_equal_cost(comparison, "full")
    assert (zero["processed_steps"].updates, full["processed_steps"].updates) == (2000, 1000)
    assert full["update_seconds"].updates == pytest.approx(500)
    assert full["processed_steps"].outcome.per_seed == (1000.0, 1001.0)  # the last tenth of 1000 updates
    assert full["update_seconds"].outcome.per_seed == (1500.0, 1501.0)
    assert zero["update_seconds"].cost == pytest.approx(2.0)


def test_at_equal_cost_the_update_that_was_measured_is_named() -> None:
    """15 times the steps leave 133 of 2000 updates, of which 120 was measured; 40 times leave 50, before the first."""
    comparison = Comparison(REGRESSION, ("zero", "zero+20", "full"), (0,))
    for name, factor in (("zero", 1), ("zero+20", 15), ("full", 40)):
        measurements = [Measurement(update, "eval_error", 2000.0 - update) for update in range(60, 2001, 60)]
        comparison.runs[name, 0] = TrainingResult(measurements, 9.0, processed_steps=100 * factor)
    (of_burn_in,) = at_equal_cost(comparison, "zero+20").values()
    assert (of_burn_in.measured_update, of_burn_in.outcome.mean) == (120, 1880.0)
    assert of_burn_in.updates == pytest.approx(2000 / 15)
    assert summary(comparison)["strategies"]["zero+20"]["at_equal_processed_steps"]["measured_update"] == 120
    assert at_equal_cost(comparison, "full") == {}
    _, burn_in, full = cost_table(comparison).rows
    assert burn_in[-2:] == ["1,880 (update 120)", "-"]
    assert full[-2:] == ["-", "-"]


def test_how_to_read_a_page_says_what_was_measured() -> None:
    plain = how_to_read(regression_comparison({"zero": [1.0]}, measured_fragments=256))
    assert any("carried state and without exploration" in text for text in plain)
    assert not any("distinct" in text or "constant action" in text for text in plain)
    exploring = dataclasses.replace(CONTROL, q_learning=QLearningSettings(evaluation_epsilon=0.05))
    comparison = Comparison(exploring, ("zero",), (0, 1))
    for seed, distinct in enumerate((50, 60)):
        comparison.runs["zero", seed] = run({"episode_return": 1.0}, measured_fragments=distinct)
    texts = how_to_read(comparison)
    assert any("carried state and with 0.05 of the actions at random, the same" in text for text in texts)
    assert any("Of more than 64 actions, 64 at even distances are tried" in text for text in texts)
    assert any("distinct fragments than the 256 asked for (--measured-fragments): 50 in" in text for text in texts)


def test_a_summary_has_null_where_nothing_was_measured() -> None:
    comparison = regression_comparison({"zero": [110.0, 110.0], "stored": [1.0, 1.0]})
    del comparison.runs["stored", 0], comparison.runs["stored", 1]
    entries = summary(comparison)["strategies"]
    assert entries["stored"]["eval_error"] is None
    assert entries["zero"]["staleness"] is None
    assert entries["zero"]["floor"] == pytest.approx(107.5)
    assert entries["zero"]["eval_error"]["per_seed"] == [110.0, 110.0]
    nothing = Comparison(REGRESSION, ("zero", "full"), (0, 1))
    assert verdict(nothing) == ["No run has finished, so there is nothing to say."]
    assert summary(nothing)["contrasts"] == []


def test_each_initialization_is_judged_at_its_own_best_rate() -> None:
    by_rate = {
        1e-3: regression_comparison({"stored": [9.0, 9.5, 8.5], "full": [8.0, 8.2, 7.9]}),
        6e-3: regression_comparison({"stored": [1.0, 1.1, 0.9], "full": [20.0, 21.0, 19.0]}),
        1e-2: regression_comparison({"stored": [4.0, 0.5, 4.1], "full": [1.0, 1.2, 0.8]}),
    }
    sweep = Sweep("count", by_rate)
    assert (sweep.best_rate("stored"), sweep.best_rate("full")) == (6e-3, 1e-2)
    best = sweep.at_best()
    assert best["full"] == {0: 1.0, 1: 1.2, 2: 0.8}
    assert best["stored"] == {0: 1.0, 1: 1.1, 2: 0.9}
    (contrast,) = sweep.contrasts()
    assert contrast.direction is None
    sentence, chosen, edge = sweep.sentences()
    assert "chosen by the same outcomes that are compared here" in chosen
    assert edge == "The best rate of full is at the edge of those tried: others may be better."
    assert sentence.startswith("Each at its own best rate, stored against full: no difference seen")
    assert sentence.endswith("of 3 single rates worse at 1 and better at 1.")
    table = sweep.table(("stored", "full"))
    assert table.headers == ["initialization", "0.001", "0.006", "0.01", "own best", "its rate"]
    assert table.rows[0][-1] == "0.006"
    del by_rate[1e-2].runs["full", 0], by_rate[1e-2].runs["full", 1]
    assert Sweep("count", by_rate).best_rate("full") == 1e-3  # a rate whose runs failed is not the best one
    failed = {
        rate: regression_comparison({"stored": [600.0] * 3, "full": [700.0, 710.0, 690.0]}) for rate in (1e-3, 1e-2)
    }
    assert Sweep("count", failed).contrasts() == ()
    assert Sweep("count", failed).sentences()[0].startswith("NOTHING LEARNED")


def test_aggregates_over_tasks() -> None:
    mine = {"a": np.array([0.1, 0.9]), "b": np.array([0.5, 0.6])}
    result = interquartile_mean(mine)
    assert result.value == pytest.approx(0.55)  # the middle two of 0.1, 0.5, 0.6, 0.9
    assert result.low <= result.value <= result.high
    better = {"a": np.array([1.0, 1.0]), "b": np.array([0.5, 0.5])}
    assert probability_of_improvement(better, mine).value == pytest.approx((1.0 + 0.25) / 2)
    assert probability_of_improvement(mine, mine).value == pytest.approx(0.5)

    generator, means = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        values = sorted(float(v) for scores in mine.values() for v in scores[generator.integers(2, size=2)])
        means.append((values[1] + values[2]) / 2)
    assert (result.low, result.high) == pytest.approx(np.percentile(means, [2.5, 97.5]))

    errors = regression_comparison({"zero": [250.0, 125.0], "full": [5.0, 0.0]})
    assert scores(errors) == {"zero": {0: 0.5, 1: 0.75}, "full": {0: 0.99, 1: 1.0}}
    assert scores(regression_comparison({"zero": [250.0], "full": [5.0]}, constant=None)) is None
    assert scores(regression_comparison({"zero": [900.0], "full": [800.0]})) is None  # nothing learned
    returns = control_comparison({"zero": [10.0, 20.0, 15.0], "full": [40.0, 40.0, 42.0]}, constant=2.0)
    scores_of = scores(returns)
    assert scores_of is not None
    above = math.fsum([38.0, 38.0, 40.0]) / 3
    assert scores_of["full"][2] == pytest.approx(40.0 / above)
    assert scores_of["zero"][1] == pytest.approx(18.0 / above)
    assert scores(control_comparison({"zero": [0.0, 1.0], "full": [1.0, 0.0]}, constant=2.0)) is None  # nothing learned


def test_a_task_whose_rewards_are_all_zero_is_said_to_be_so() -> None:
    comparison = Comparison(TrainingSettings(objective="q-learning"), ("zero", "stored"), (0, 1))
    for name, seed in itertools.product(("zero", "stored"), (0, 1)):
        nothing = [0.0] * 16
        comparison.runs[name, seed] = TrainingResult(
            [Measurement(100, "episode_return", 0.0)], 1.0, outcomes=nothing, baselines={"random actions": nothing}
        )
    assert "All rewards were zero" in verdict(comparison)[0]
    comparison.runs["zero", 0].measurements.append(Measurement(0, "reward_scale", 1.0))
    assert "All rewards were zero" not in verdict(comparison)[0]
