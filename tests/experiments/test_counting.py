"""The article's three studies as their users meet them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from experiments import counting
from experiments.common.counting_studies import FEEDS, STUDIES, StudySettings, draw_sequences, run

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


def test_studies_of_one_seed() -> None:
    settings = StudySettings(length=5, sequences=30, validation=6, batch_size=7, epochs=30)
    assert settings.updates_an_epoch == 4  # 24 sequences: 7, 7, 7 and 3
    told: list[int] = []
    found = run(settings, STUDIES, 0, lambda done, words: told.append(done))
    assert told == list(range(4, 241, 4))
    assert len(found["last-step"]["error_at_length"]) == 10
    # Learning: the last step alone for the one, all steps for the other.
    last, every = (found[name]["curves"] for name in STUDIES[:2])
    assert last["train"][-1] < 0.5 * last["train"][0]
    assert every["train"][-1] < 0.5 * every["train"][0]
    carried = found["carried-state"]
    assert carried["split"] == [1, 2, 3, 4]
    assert carried["carried_difference"] < 1e-5
    errors = carried["split_errors"]
    assert list(errors) == ["unsplit", "carried", "zero", *(f"stored, {age} updates old" for age in (100, 10, 1))]
    np.testing.assert_allclose(errors["carried"], errors["unsplit"], rtol=1e-4)
    assert errors["stored, 100 updates old"] != errors["carried"]
    assert found == run(settings, STUDIES, 0, lambda done, words: None)  # the same seed, the same figures
    alone = run(settings, ("carried-state",), 0, lambda done, words: None)
    assert alone == {"carried-state": carried}


def test_all_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = counting.main([*TINY, "--seeds", "3", "--workers", "2", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert status == 1  # after 12 updates the counts are wrong, and it says so
    assert "carried-state: NOT ACCEPTED, every count rounds right for 0 of 3 seeds" in printed
    assert "NO (0 of 3 seeds)" in printed
    for name in ("config.json", "report.html", "learning_curves.png", "error_at_length.png", "carried_state.png"):
        assert (tmp_path / name).stat().st_size > 0
    content = json.loads((tmp_path / "summary.json").read_text())
    assert content["seeds"] == [0, 1, 2]
    assert list(content["studies"]) == list(STUDIES)
    assert content["studies"]["carried-state"]["accepted"] is False
    assert len(content["studies"]["last-step"]["validation_error"]["per_seed"]) == 3
    assert (tmp_path / "report.html").read_text().count("data:image/png;base64,") == 3


@pytest.mark.parametrize("study", ["last-step", "every-step"])
def test_a_study_alone_with_another_cell(study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert counting.main([*TINY, "--study", study, "--cell", "gru", "--out", str(tmp_path)]) == 0
    assert list(json.loads((tmp_path / "summary.json").read_text())["studies"]) == [study]
    assert f"{study}:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--epochs", "0"], "epochs: got 0, expected at least 1"),
        (["--length", "1"], "length: got 1, expected at least 2"),
        (["--validation", "40"], "validation: got 40, expected fewer than sequences (40); the nearest is 39"),
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


@pytest.mark.long
def test_the_articles_table_is_reproduced(tmp_path: Path) -> None:
    assert counting.main(["--out", str(tmp_path), "--seeds", "2"]) == 0
    studies = json.loads((tmp_path / "summary.json").read_text())["studies"]
    for measured, feed in zip(studies["carried-state"]["table"], FEEDS, strict=True):
        for values in measured["measured"]:
            assert np.rint(values).tolist() == list(feed.counts)
    for errors in studies["last-step"]["error_at_length"]:
        assert errors[19] < 0.1
        assert errors[6] > 10
    for errors in studies["every-step"]["error_at_length"]:
        assert max(errors[:20]) < 0.1
