"""The article's three studies as their users meet them."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from scipy.stats import t as student

from experiments import counting
from experiments.common import plots
from experiments.common.results import from_json, to_json
from experiments.counting import plots as counting_plots
from experiments.counting.article_errors import (
    KNOWN_ERRORS,
    AgainstArticle,
    SeedRange,
    agreement,
    exceedance_probability,
    known_errors,
)
from experiments.counting.records import Curves, SeedStudies, TrainedStudy
from experiments.counting.results import StudyResults
from experiments.counting.studies import FEEDS, STUDIES, StudySettings, best_constant_error
from experiments.counting.training import Trained, draw_sequences, make_studies, mean_over_steps
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.settings import NetworkSettings

TINY = [
    "--length",
    "6",
    "--sequences",
    "40",
    "--validation",
    "10",
    "--batch-size",
    "8",
    "--epochs",
    "3",
    "--units",
    "4",
]


def test_the_feeds_count_on_from_where_their_state_comes_from() -> None:
    reached = {"initial": 0}
    for feed in FEEDS:
        assert list(feed.counts) == (reached[feed.start] + np.cumsum(feed.bits)).tolist()
        reached[feed.end] = feed.counts[-1]
        if feed.published is not None:
            assert np.rint(feed.published).tolist() == list(feed.counts)


def test_sequences_are_bits_and_their_running_counts() -> None:
    bits, counts = draw_sequences(50, 9, seed=1)
    assert bits.shape == (50, 9, 1)
    assert set(np.unique(bits)) == {0.0, 1.0}
    np.testing.assert_array_equal(counts, bits[..., 0].cumsum(1))


SMALL = StudySettings(length=5, sequences=24, validation=6, batch_size=7, epochs=30)


@pytest.fixture(scope="module")
def studies() -> SeedStudies:
    """The studies of a seed."""
    reported: list[int] = []
    studies = make_studies(SMALL, STUDIES, 0, lambda done, status: reported.append(done))
    assert reported == list(range(4, 241, 4))
    return studies


def test_studies_of_one_seed(studies: SeedStudies) -> None:
    result = studies
    assert SMALL.updates_an_epoch == 4  # 7, 7, 7 and 3 sequences
    assert result.last_step is not None
    assert result.every_step is not None
    assert result.carried_state is not None
    assert len(result.last_step.error_at_length) == 10
    # The article's quantity is the error at the last step for the one, and the mean over the steps for the other.
    assert result.last_step.error_at_length == result.last_step.error_at_last_step
    at_step = np.array(result.every_step.error_at_last_step)
    expected = [at_step[:n].mean() for n in range(1, 11)]
    np.testing.assert_allclose(result.every_step.error_at_length, expected, rtol=1e-12)
    # Learning: the last step alone for the one, all steps for the other.
    for study in (result.last_step, result.every_step):
        assert study.curves.train[-1] < 0.5 * study.curves.train[0]
    carried = result.carried_state
    assert carried.split == [1, 2, 3, 4]
    assert carried.carried_difference < 1e-5
    errors = carried.split_errors()
    assert list(errors) == ["unsplit", "carried", "zero", *(f"stored, {age} updates old" for age in (100, 10, 1))]
    np.testing.assert_allclose(errors["carried"], errors["unsplit"], rtol=1e-4)
    assert errors["stored, 100 updates old"] != errors["carried"]
    assert from_json(SeedStudies, json.loads(json.dumps(to_json(result)))) == result


def _ignore(done: int, status: str) -> None:
    """Progress that nobody watches."""


@pytest.mark.long
def test_the_same_seed_gives_the_same_figures(studies: SeedStudies) -> None:
    assert make_studies(SMALL, STUDIES, 0, _ignore) == studies
    alone = make_studies(SMALL, ("carried-state",), 0, _ignore)
    assert alone == SeedStudies(carried_state=studies.carried_state)


def test_the_error_at_a_length_is_that_of_separate_sequences_of_this_length() -> None:
    short = StudySettings(length=6, sequences=200, validation=10, batch_size=20, epochs=10)
    trained = Trained(short, seed=1, every_step=True, report=_ignore)
    result = trained.outcome().error_at_length
    assert max(result) > 3 * min(result)  # lengths differ by far more than what is allowed below
    for length in (1, 5, 9):  # each needs a compiled program of its own
        bits, counts = draw_sequences(4000, length, seed=100 + length)
        errors = ((trained.predict(bits) - counts) ** 2).mean(1)  # of each sequence, over its steps
        standard_error = errors.std() * np.sqrt(1 / 4000 + 1 / 1000)  # `result` is measured on 1000
        assert abs(errors.mean() - result[length - 1]) < 4.5 * standard_error, length


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_mean_over_steps_is_that_of_the_cut_sequences(count: int, length: int, seed: int) -> None:
    squares = np.random.default_rng(seed).exponential(size=(count, length))
    expected = [squares[:, :n].mean() for n in range(1, length + 1)]
    np.testing.assert_allclose(mean_over_steps(squares.mean(0)), expected, rtol=1e-10)


@pytest.mark.parametrize("length", [2, 7])
def test_the_best_constant_answer_on_all_sequences_there_are(length: int) -> None:
    counts = np.array(list(itertools.product([0, 1], repeat=length))).cumsum(1)
    assert best_constant_error("last-step", length) == pytest.approx(counts[:, -1].var())
    assert best_constant_error("every-step", length) == pytest.approx(counts.var())


def test_every_epoch_trains_all_training_sequences_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bytes, ...]] = []
    update = Learner.update

    def recorded(self: Learner, batches: Any) -> Any:
        rows = batches.processed[batches.mask[..., -1]]
        seen.append(tuple(sorted(row.tobytes() for row in rows)))
        return update(self, batches)

    monkeypatch.setattr(Learner, "update", recorded)
    make_studies(
        StudySettings(length=12, sequences=30, validation=9, batch_size=8, epochs=3), ("last-step",), 0, _ignore
    )
    assert [len(rows) for rows in seen] == [30, 30, 30]
    assert len(set(seen)) == 1


@pytest.mark.long
def test_validation_sequences_are_others() -> None:
    small = StudySettings(length=10, sequences=4, validation=50, batch_size=4, epochs=400, learning_rate=3e-3)
    curves = Trained(small, seed=0, every_step=False, report=_ignore).curves
    assert curves.validation[-1] > 10 * curves.train[-1]  # four sequences are learned by heart
    other = dataclasses.replace(small, validation=7, epochs=5)
    # How many there are changes nothing in training.
    assert Trained(other, seed=0, every_step=False, report=_ignore).curves.train == curves.train[:5]


def test_known_errors_are_those_of_the_articles_settings() -> None:
    article = StudySettings()
    assert known_errors("every-step", article) == KNOWN_ERRORS["every-step"]
    assert known_errors("every-step", dataclasses.replace(article, validation=7)) == KNOWN_ERRORS["every-step"]
    for change in (
        {"length": 10},
        {"sequences": 900},
        {"epochs": 99},
        {"learning_rate": 2e-3},
        {"network": NetworkSettings(cell="gru")},
    ):
        assert known_errors("last-step", dataclasses.replace(article, **change)) == {}


@pytest.mark.parametrize(("ours", "theirs"), [(1, 1), (1, 5), (5, 5), (4, 3)])
def test_exceedances_against_all_orders(ours: int, theirs: int) -> None:
    places = range(ours + theirs)
    exceeding = np.array(
        [sum(place > max(ranks) for place in places) for ranks in itertools.combinations(places, theirs)]
    )
    for outside in range(ours + 1):
        assert exceedance_probability(outside, ours, theirs) == pytest.approx(np.mean(exceeding >= outside))


@pytest.mark.parametrize(("ours", "theirs"), [(1, 5), (5, 5), (6, 3), (10, 3)])
def test_the_p_value_holds_its_level_and_can_reach_the_smallest(ours: int, theirs: int) -> None:
    everyone = set(range(ours + theirs))
    values = []
    for chosen in itertools.combinations(everyone, theirs):
        article = SeedRange(min(chosen), max(chosen), theirs)
        values.append(AgainstArticle("every-step", 20, article, tuple(sorted(everyone - set(chosen)))).p_value)
    for level in (0.01, 0.05, 0.2, 0.5):
        assert np.mean(np.array(values) <= level) <= level
    best = AgainstArticle("every-step", 20, SeedRange(0, 1, theirs), (2.0,) * ours)
    assert min(values) == best.p_value == best.smallest_p_value


def test_agreement_in_words() -> None:
    article = SeedRange(1.0, 2.0, 5)
    none = agreement([AgainstArticle("every-step", 20, article, (1.5, 0.5, 2.5, 1.0, 2.0))])
    assert (
        "3 at length 20 (1 to 2; 1 below, 1 above). A seed of the same distribution is within with probability 0.67"
        in none[0]
    )
    assert "No higher or lower errors" in none[1]
    higher = AgainstArticle("every-step", 20, article, (3.0,) * 5)
    assert "every-step at length 20 is higher (p 0.0079)" in agreement([higher])[1]
    lower = dataclasses.replace(higher, length=30, errors=(0.5,) * 5)
    assert "is higher (p 0.016); every-step at length 30 is lower (p 0.016)" in agreement([higher, lower])[1]
    # Of one seed, or with too many comparisons, nothing could be shown.
    assert "So few seeds cannot show a difference" in agreement([dataclasses.replace(higher, errors=(9.0,))])[1]
    assert "So few seeds cannot show a difference" in agreement([higher] * 7)[1]
    assert agreement([]) == []


def test_the_picture_shows_the_articles_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    article = StudySettings()
    curve = np.geomspace(1, 0.01, article.epochs).tolist()
    study = TrainedStudy(
        Curves(curve, curve), np.geomspace(0.001, 10, 40).tolist(), np.geomspace(0.001, 50, 40).tolist(), []
    )
    figures: dict[str, Figure] = {}
    monkeypatch.setattr(plots, "save", lambda figure, path, *texts: figures.update({path.name: figure}))
    counting_plots.draw(StudyResults(article, {0: SeedStudies(study, study)}), tmp_path)
    axes = figures["error_at_length.png"].axes[0]
    bars = [
        (int(x), SeedRange(round(float(low), 9), round(float(high), 9), 0))
        for lines in axes.collections
        if isinstance(lines, LineCollection)
        for (x, low), (_, high) in lines.get_segments()
    ]
    known = [(n, dataclasses.replace(seeds, seeds=0)) for study in KNOWN_ERRORS.values() for n, seeds in study.items()]
    assert bars == known


@pytest.mark.usefixtures("jobs_in_process")  # the studies of the article's settings run in worker processes
def test_all_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = counting.main([*TINY, "--seeds", "2", "--workers", "2", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert status == 1  # after 12 updates the counts are wrong, and it says so
    assert "carried-state: NOT ACCEPTED, every count rounds right for 0 of 2 seeds" in printed
    assert "NO (0 of 2 seeds)" in printed
    for name in ("config.json", "report.html", "learning_curves.png", "error_at_length.png", "carried_state.png"):
        assert (tmp_path / name).stat().st_size > 0
    content = json.loads((tmp_path / "summary.json").read_text())
    assert content["seeds"] == [0, 1]
    assert list(content["studies"]) == list(STUDIES)
    assert content["studies"]["carried-state"]["accepted"] is False
    assert len(content["studies"]["last-step"]["validation_error"]["per_seed"]) == 2
    assert content["studies"]["last-step"]["known_error_at_length"] == {}  # the article's settings are others
    assert np.shape(content["studies"]["every-step"]["error_at_last_step"]) == (2, 12)
    assert content["studies"]["every-step"]["error_at_length_measure"] == "mean over all steps"
    assert json.loads((tmp_path / "config.json").read_text())["settings"]["training_sequences"] == 40
    assert "every-step: NOT LEARNED by" in printed
    assert (tmp_path / "report.html").read_text().count("data:image/png;base64,") == 2 * 3  # wide and narrow


@pytest.mark.usefixtures("jobs_in_process")
@pytest.mark.parametrize("study", ["last-step", pytest.param("every-step", marks=pytest.mark.long)])
def test_a_study_alone_with_another_cell(study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert counting.main([*TINY, "--study", study, "--cell", "gru", "--out", str(tmp_path)]) == 0
    assert list(json.loads((tmp_path / "summary.json").read_text())["studies"]) == [study]
    assert f"{study}:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--epochs", "0"], "epochs: got 0, expected at least 1"),
        (["--length", "1"], "length: got 1, expected at least 2"),
        (["--sequences", "0"], "sequences: got 0, expected at least 1"),
        (["--validation", "0"], "validation: got 0, expected at least 1"),
        (["--batch-size", "-1"], "batch_size: got -1, expected at least 1"),
        (["--cell", "rnn"], "cell: got 'rnn', expected one of lstm, gru"),
        (["--units", "0"], "units: got 0"),
        (["--seeds", "0"], "seeds: got 0"),
        (["--learning-rate", "0"], "learning_rate: got 0.0"),
    ],
)
def test_bad_values_are_explained(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        counting.main([*TINY, *flags, "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_results_of_the_earlier_measure_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    earlier = {
        "experiment": "counting",
        "settings": {**json.loads(json.dumps(dataclasses.asdict(StudySettings()))), "studies": list(STUDIES)},
    }
    (tmp_path / "config.json").write_text(json.dumps(earlier))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "seed0.json").write_text("{}")  # something to keep
    with pytest.raises(SystemExit) as ended:
        counting.main(["--out", str(tmp_path)])
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert "training_sequences is None there and 1000 here" in message
    assert "every-step is None there and 'mean over all steps' here" in message


@pytest.mark.usefixtures("jobs_in_process")
def test_a_learning_rate_that_diverges_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert counting.main([*TINY, "--learning-rate", "1e30", "--out", str(tmp_path)]) == 1
    message = capsys.readouterr().out
    assert "learning_rate: got 1e+30, with which the error is no longer finite after" in message
    assert "expected a smaller one" in message


SEEDS = 3


@pytest.fixture(scope="module")
def article(compiled_as_for_users: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The studies of the article's settings."""
    out = tmp_path_factory.mktemp("article")
    assert counting.main(["--out", str(out), "--seeds", str(SEEDS)]) == 0
    return json.loads((out / "summary.json").read_text())["studies"]


@pytest.mark.long
def test_the_articles_table_is_reproduced(article: dict[str, Any]) -> None:
    studies = article
    for measured, feed in zip(studies["carried-state"]["table"], FEEDS, strict=True):
        for values in measured["measured"]:
            assert np.rint(values).tolist() == list(feed.counts)
    for errors in studies["last-step"]["error_at_length"]:
        assert errors[19] < 0.1
        assert errors[6] > 10
    for errors in studies["every-step"]["error_at_last_step"]:
        assert max(errors[:20]) < 0.1
    every = studies["every-step"]
    assert every["known_error_at_length"]["30"] == {"low": 0.35, "high": 0.49, "seeds": 5}
    for n in (30, 40):
        known = every["known_error_at_length"][str(n)]
        for errors in every["error_at_length"]:
            assert known["low"] / 1.5 < errors[n - 1] < known["high"] * 1.5
        counts = every["against_known"][str(n)]
        assert counts["below"] + counts["within"] + counts["above"] == SEEDS


def _errors_with_keras(seeds: Sequence[int], lengths: Sequence[int]) -> list[list[float]]:
    """The every-step study written in plain Keras: mean squared error over all steps, `[seeds][lengths]`."""
    import keras

    def build() -> Any:
        return keras.Sequential(
            [
                keras.Input((None, 1)),
                keras.layers.Dense(32, activation="relu"),
                keras.layers.LSTM(32, return_sequences=True),
                keras.layers.Dense(1),
            ]
        )

    network, adam = build(), keras.optimizers.Adam(1e-3)
    # An epoch in one call, which Keras lets XLA compile: the same computation in half the time. Once for all seeds.
    network.compile(adam, "mse", steps_per_execution=32, jit_compile=True)
    adam.build(network.trainable_variables)
    begun = [variable.numpy() for variable in adam.variables]

    def errors(seed: int) -> list[float]:
        keras.utils.set_random_seed(seed)
        generator = np.random.default_rng(seed)

        def sequences(length: int) -> tuple[np.ndarray, np.ndarray]:
            bits = generator.integers(0, 2, (1000, length, 1)).astype(np.float32)
            return bits, bits.cumsum(1)

        network.set_weights(build().get_weights())
        for variable, value in zip(adam.variables, begun, strict=True):
            variable.assign(value)
        assert int(adam.iterations) == 0
        network.fit(*sequences(20), batch_size=32, epochs=100, verbose=0)
        return [float(network.evaluate(*sequences(length), batch_size=1000, verbose=0)) for length in lengths]

    return [errors(seed) for seed in seeds]


@pytest.mark.long
def test_every_step_forgets_as_a_plain_keras_network_does(article: dict[str, Any]) -> None:
    lengths, seeds = (30, 40), SEEDS
    # In a process that compiles as for users, which this one does not: faster by half.
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        theirs = np.log(process.submit(_errors_with_keras, range(seeds), lengths).result())
    ours = article["every-step"]
    measured = [np.log(errors)[[n - 1 for n in lengths]] for errors in ours["error_at_length"]]
    at_last_step = [np.log(errors)[[n - 1 for n in lengths]] for errors in ours["error_at_last_step"]]
    spread = np.sqrt((theirs.var(0, ddof=1) + np.var(measured, 0, ddof=1)) / seeds)
    allowed = student.ppf(0.995, 2 * seeds - 2) * spread
    difference = np.mean(measured, 0) - theirs.mean(0)
    assert (np.abs(difference) < allowed).all()
    assert (np.abs(difference) < np.log(1.5)).all()
    # The error at the last step is another quantity, and would not have passed.
    assert (np.mean(at_last_step, 0) - theirs.mean(0) > np.log(5)).all()
