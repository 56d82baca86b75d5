"""Published tasks: what is reachable, computed again, and how results are reported beside published figures."""

from __future__ import annotations

import functools
import io
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

from experiments import atlas
from experiments.atlas.aggregate import interquartile_mean
from experiments.atlas.experiment import comparison_settings, summary
from experiments.atlas.report import report
from experiments.atlas.results import AtlasResults, Cell, in_one_report
from experiments.atlas.settings import PUBLISHED_STRATEGIES, read_settings
from experiments.atlas.tasks import GROUPS, TASKS
from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.verdict import verdict
from r2d2_burnin.data import Measurement, MemoryUse, TrainingResult
from r2d2_burnin.settings import EnvironmentSettings, TrainingSettings

Policy = Callable[[list[Any]], int]
"""An action, from all observations of an episode so far."""


def made(name: str) -> gym.Env[Any, Any]:
    return gym.make(TASKS[name].flags[1], disable_env_checker=True)


def mean_return(env: gym.Env[Any, Any], policy: Policy, episodes: int) -> tuple[float, float]:
    """Mean return of a policy and its standard error."""
    env.reset(seed=0)
    returns = []
    for _ in range(episodes):
        observation, _ = env.reset()
        seen, total, over = [observation], 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(policy(seen))
            seen.append(observation)
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    return float(np.mean(returns)), float(np.std(returns) / math.sqrt(episodes))


def count_recall(seen: list[Any]) -> int:
    return sum(int(dealt == seen[-1][1]) for dealt, _ in seen)


def autoencode(seen: list[Any]) -> int:
    """The suits of the first 52 observations backwards: the first action that counts comes after the 52nd."""
    return int(seen[103 - len(seen)][1]) if len(seen) >= 52 else 0


def higher_lower(seen: list[Any]) -> int:
    """0 (higher) if more of the cards that were not seen are higher."""
    left = {rank: 4 - count for rank, count in Counter(range(13)).items()}
    left = {rank: 4 - seen.count(rank) for rank in left}
    return int(sum(left[rank] * np.sign(rank - seen[-1]) for rank in left) < 0)


@pytest.mark.parametrize(
    ("name", "policy", "episodes"),
    [
        ("repeat-first-easy", lambda seen: int(seen[0]), 3),
        ("repeat-first-medium", lambda seen: int(seen[0]), 1),
        ("repeat-previous-easy", lambda seen: int(seen[max(len(seen) - 4, 0)]), 3),
        ("count-recall-easy", count_recall, 3),
        ("autoencode-easy", autoencode, 3),
        ("higher-lower-easy", higher_lower, 400),
    ],
)
def test_a_policy_with_perfect_memory_earns_the_best_return(name: str, policy: Policy, episodes: int) -> None:
    mean, error = mean_return(made(name), policy, episodes)
    benchmark = TASKS[name].benchmark
    assert benchmark is not None
    assert mean == pytest.approx(benchmark.best_return, abs=4 * error + 1e-9)


@pytest.mark.parametrize(
    ("name", "episodes"),
    [
        ("repeat-first-easy", 60),
        ("repeat-previous-easy", 60),
        ("count-recall-easy", 60),
        ("autoencode-easy", 40),
        ("higher-lower-easy", 60),
        ("noisy-position-only-cart-pole-easy", 200),
    ],
)
def test_random_actions_earn_what_is_stated(name: str, episodes: int) -> None:
    env, generator = made(name), np.random.default_rng(1)
    actions = int(env.action_space.n)  # type: ignore[attr-defined]
    mean, error = mean_return(env, lambda seen: int(generator.integers(actions)), episodes)
    benchmark = TASKS[name].benchmark
    assert benchmark is not None
    assert mean == pytest.approx(benchmark.random_return, abs=4 * error)


def test_the_best_return_of_higher_lower_by_enumeration() -> None:
    """Cards are exchangeable: those not seen are a random subset of the 51 others, of any size m from 1 to 51."""

    def expected(rank: int, unseen: int) -> float:
        above, below = 4 * (12 - rank), 4 * rank
        ways = {
            (a, b): math.comb(above, a) * math.comb(below, b) * math.comb(51 - above - below, unseen - a - b)
            for a in range(min(above, unseen) + 1)
            for b in range(min(below, unseen - a) + 1)
        }
        return sum(abs(a - b) * count for (a, b), count in ways.items()) / math.comb(51, unseen) / unseen

    exact = sum(expected(rank, unseen) for rank in range(13) for unseen in range(1, 52)) / 13 / 52
    benchmark = TASKS["higher-lower-easy"].benchmark
    assert benchmark is not None
    assert benchmark.best_return == pytest.approx(exact, abs=5e-5)
    without_memory = sum(abs(12 - 2 * rank) * 4 / 51 for rank in range(13)) / 13 * 51 / 52
    assert f"without memory {without_memory:.3f}" in benchmark.reachable


def test_the_best_return_of_count_recall_with_26_answers() -> None:
    # A colour is complete if all m cards not yet dealt, 1 to 26, are of the other; it is asked for half of the time.
    missed = sum(math.comb(26, m) / math.comb(52, m) for m in range(1, 27))
    benchmark = TASKS["count-recall-easy"].benchmark
    assert benchmark is not None
    assert f"best return was {1 - 2 * missed / 51:.3f}" in benchmark.version
    assert made("count-recall-easy").action_space.n == 27  # type: ignore[attr-defined]


def test_the_best_return_of_the_memory_maze_by_search() -> None:
    """Expectimax over what the agent may know: sets of worlds that look the same after the same actions."""
    env: Any = made("minigrid-memory-s7").unwrapped
    worlds: dict[tuple[str, str], int] = {}
    for seed in range(40):
        env.reset(seed=seed)
        worlds.setdefault((env.grid.get(1, 2).type, env.grid.get(5, 1).type), seed)
    assert len(worlds) == 4

    def place(world: tuple[str, str], pose: tuple[int, int, int]) -> None:
        env.reset(seed=worlds[world])
        env.agent_pos, env.agent_dir = np.array(pose[:2]), pose[2]

    @functools.cache
    def after(world: tuple[str, str], pose: tuple[int, int, int], action: int) -> tuple[Any, bool, bool, bytes]:
        place(world, pose)
        observation, reward, terminated, _, _ = env.step(action)
        pose = (int(env.agent_pos[0]), int(env.agent_pos[1]), int(env.agent_dir))
        return pose, terminated, reward > 0, observation["image"].tobytes()

    @functools.cache
    def value(known: frozenset[Any], step: int) -> float:
        if step == 10 or not known:  # the longest of the best ways has 7 steps
            return 0.0
        best = 0.0
        for action in (0, 1, 2):  # left, right, forward
            groups: dict[bytes, set[Any]] = {}
            total = 0.0
            for world, pose in known:
                new, terminated, pays, seen = after(world, pose, action)
                total += pays * (1 - 0.9 * (step + 1) / 245)
                if not terminated:
                    groups.setdefault(seen, set()).add((world, new))
            best = max(best, total + sum(value(frozenset(group), step + 1) for group in groups.values()))
        return best

    starts: dict[bytes, set[Any]] = {}
    for x in (1, 2, 3, 4):
        for world in worlds:
            place(world, (x, 3, 0))
            starts.setdefault(env.gen_obs()["image"].tobytes(), set()).add((world, (x, 3, 0)))
    benchmark = TASKS["minigrid-memory-s7"].benchmark
    assert benchmark is not None
    assert env.max_steps == 245
    assert sum(value(frozenset(known), 0) for known in starts.values()) / 16 == pytest.approx(benchmark.best_return)


def test_a_group_stands_for_its_tasks_and_published_tasks_have_defaults_of_their_own(tmp_path: Path) -> None:
    published = read_settings(["--tasks", "popgym", "--out", str(tmp_path)])
    assert (published.tasks, published.strategies) == (GROUPS["popgym"], PUBLISHED_STRATEGIES)
    assert read_settings(["--tasks", "popgym", "passive-t-maze", "--seeds", "2"]).runs.seeds == 2
    assert read_settings([]).tasks == read_settings(["--tasks", "bit-streams"]).tasks
    assert len(read_settings(["--tasks", "popgym", "count"]).strategies) == len(read_settings([]).strategies) == 9
    seeds = {name: comparison_settings(Cell(name), published).runs.seeds for name in published.tasks}
    assert seeds == {name: 5 if TASKS[name].is_slow else 10 for name in GROUPS["popgym"]}


def test_every_task_counts_as_much_with_fewer_seeds() -> None:
    scores = {"slow": np.array([0.0, 0.2]), "fast": np.array([0.5, 0.6, 0.7, 0.8])}
    repeated = sorted([0.0, 0.0, 0.2, 0.2, 0.5, 0.6, 0.7, 0.8])
    assert interquartile_mean(scores).value == pytest.approx(np.mean(repeated[2:-2]))
    assert interquartile_mean({"a": np.array([0.5]), "b": np.array([0.25])}).low is None


EPISODES = np.linspace(-0.02, 0.02, 20)
"""How the returns of episodes scatter around their mean."""


def memory_of(steps: int) -> MemoryUse:
    """`steps` cost little in the mean, and a step more is shown to be enough."""
    tried, outcomes, p_values = [0, steps, steps + 1, 60], [-0.9, 0.79, 0.8, 0.8], [1.0, 0.2, 0.0, 0.0]
    return MemoryUse(tried, outcomes, p_values, steps + 1, steps, steps + 1, None, True, -0.9, 0.1, 20)


def reached(returns: dict[str, list[float]], random: float) -> Comparison:
    """A comparison in which strategies reached these returns, seed by seed, after one better evaluation early on."""
    settings = TrainingSettings(EnvironmentSettings("CartPole-v1"), objective="q-learning", updates=100)
    comparison = Comparison(settings, tuple(returns), tuple(range(len(returns["full"]))))
    for name, values in returns.items():
        for seed, value in enumerate(values):
            evaluations = {10: value + 0.05, **dict.fromkeys((60, 70, 80, 90, 100), value)}
            comparison.runs[name, seed] = TrainingResult(
                [Measurement(update, "episode_return", mean) for update, mean in evaluations.items()],
                seconds=2.0,
                outcomes=(value + EPISODES).tolist(),
                baselines={"random actions": (random - EPISODES).tolist()},
                memory=memory_of(50 - seed),
            )
    return comparison


@pytest.fixture(scope="module")
def results() -> AtlasResults:
    count_recall = {"zero": [-0.6, -0.64, -0.62, -0.6], "full": [0.8, 0.79, 0.78, 0.8]}
    nothing = {"zero": [-0.5, -0.51, -0.5, -0.5], "full": [-0.52, -0.5, -0.5, -0.5]}
    return AtlasResults(
        ("zero", "full"),
        {
            Cell("count-recall-easy"): reached(count_recall, 2 / 27 - 1),
            Cell("autoencode-easy"): reached(nothing, -0.5),
        },
    )


def test_results_are_reported_as_shares_beside_published_figures(results: AtlasResults, tmp_path: Path) -> None:
    page = report(results, tmp_path)
    assert page.table is not None
    assert page.table.title == "Published tasks"
    rows = {(row[0], row[1]): row for row in page.table.rows}
    share = (np.mean([0.8, 0.79, 0.78, 0.8]) - (2 / 27 - 1)) / (1 - (2 / 27 - 1))
    end, shown, best, learned = rows["count-recall-easy", "full"][2:6]
    assert end.startswith("0.792 ± ")
    assert float(shown.split(" ± ")[0]) == pytest.approx(share, abs=1e-4)
    assert best.startswith("0.843 ± ")
    assert learned == "4 of 4"
    assert rows["count-recall-easy", "full"][6] == "48.5"  # the estimate, mean over seeds
    assert rows["autoencode-easy", "full"][6] == "-"  # nothing learned, nothing to remember
    assert rows["count-recall-easy", "published: LSTM, PPO"][3:6] == ["0.745", "0.509 (not checked)", "3 trials"]
    assert rows["autoencode-easy", "zero"][5] == "0 of 4"
    assert page.picture is not None
    for png in (page.picture.wide, page.picture.narrow):
        image = plt.imread(io.BytesIO(png))
        assert min(image.shape[:2]) > 200
        assert (
            len(np.unique(image.reshape(-1, image.shape[-1]), axis=0)) > 50
        )  # more than an empty frame with ticks has
    content = summary(results, [])
    assert content["published"]["count-recall-easy"]["strategies"]["full"]["share"]["mean"] == pytest.approx(share)
    assert content["published"]["count-recall-easy"]["published"][0]["is_checked"] is False
    steps = content["published"]["count-recall-easy"]["strategies"]["full"]
    assert (steps["memory_steps"]["mean"], steps["memory_steps_estimate"]["mean"]) == (49.5, 48.5)


def test_a_task_that_nothing_has_learned_is_named_first_and_compared_nowhere(
    results: AtlasResults, tmp_path: Path
) -> None:
    page = report(results, tmp_path)
    assert page.alarms[0] == page.conclusions[0]
    assert page.alarms[0].startswith("autoencode-easy: NOTHING LEARNED: at the end of training no initialization")
    assert len(page.alarms) == 1
    (over_tasks,) = [section for section in page.sections if section.title.startswith("Over tasks and seeds")]
    assert over_tasks.title.endswith("(left out: autoencode-easy)")
    assert over_tasks.table is not None
    assert [row[0] for row in over_tasks.table.rows] == ["zero", "full"]
    shares = [(value - (2 / 27 - 1)) / (2 - 2 / 27) for value in (0.8, 0.79, 0.78, 0.8)]
    assert over_tasks.table.rows[1][1].startswith(f"{np.mean(sorted(shares)[1:-1]):.3g} [")
    (sentences,) = [section.sentences for section in page.sections if section.title.startswith("autoencode-easy:")]
    assert not any(" against full" in sentence for sentence in sentences)


@pytest.mark.long
@pytest.mark.usefixtures("jobs_in_process")
def test_a_published_task_runs_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = {"sequence-length": 5, "period": 3, "updates": 20, "units": 4, "batch-size": 8, "num-envs": 8}
    more = {"initial-steps": 96, "new-steps": 48, "updates-between": 10, "measure-every": 10, "evaluation-episodes": 8}
    base = ["--tasks", "passive-t-maze", "repeat-first-easy", "--strategies", "stored", "--seeds", "1"]
    arguments = [*base, "--out", str(tmp_path), "--flags", *(f"{k}={v}" for k, v in {**flags, **more}.items())]
    assert atlas.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "published: GRU, PPO" in printed
    assert (tmp_path / "published.png").stat().st_size > 0
    assert not (tmp_path / "atlas.png").exists()
    assert atlas.main(arguments) == 0
    assert "runs are finished" in capsys.readouterr().out


def test_tests_are_corrected_over_all_tasks_of_the_report() -> None:
    """By Holm's procedure over the p-values of SciPy's paired t-tests."""
    generator = np.random.default_rng(0)
    losses = {"count-recall-easy": 0.3, "autoencode-easy": 0.12, "repeat-first-easy": 0.08, "higher-lower-easy": 0.06}
    returns = {
        name: {"zero": generator.normal(0.5 - loss, 0.06, 6).tolist(), "full": generator.normal(0.5, 0.06, 6).tolist()}
        for name, loss in losses.items()
    }
    alone = {Cell(name): reached(of_task, -1.0) for name, of_task in returns.items()}
    p_values = {Cell(n): stats.ttest_rel(of_task["zero"], of_task["full"]).pvalue for n, of_task in returns.items()}
    together = in_one_report(alone)
    largest = 0.0
    for place, cell in enumerate(sorted(p_values, key=lambda cell: float(p_values[cell]))):
        largest = max(largest, (len(p_values) - place) * p_values[cell])
        (by_itself,), (corrected,) = alone[cell].contrasts(), together[cell].contrasts()
        assert by_itself.p == pytest.approx(p_values[cell])
        assert corrected.p == pytest.approx(min(largest, 1.0))
        assert (corrected.direction == "worse") == (largest <= 0.05)
        assert corrected.estimate == by_itself.estimate
        assert "1 of the 4 of this report" in " ".join(verdict(together[cell]))
        assert "1 in all" in " ".join(verdict(alone[cell]))
    shown = {cell: [part.contrasts()[0].direction for part in (alone[cell], together[cell])] for cell in alone}
    assert ["worse", None] in shown.values()  # one is lost by the correction
    assert ["worse", "worse"] in shown.values()
