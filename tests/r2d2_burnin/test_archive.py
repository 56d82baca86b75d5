"""Archives: whole or not at all, whatever happens to the file or to its writer."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from r2d2_burnin.runtime import archive
from r2d2_burnin.runtime.archive import DamagedArchive
from tests.common.disk import small_disk

ARRAYS = {
    "a/b": np.arange(2000, dtype=np.float32).reshape(4, -1),
    "text": np.array("x" * 50),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 3)),
}


def assert_same(arrays: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert arrays.keys() == other.keys()
    for name, array in arrays.items():
        assert array.dtype == other[name].dtype
        np.testing.assert_array_equal(array, other[name])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrays=st.dictionaries(
        st.text("abc/_ü", min_size=1, max_size=8).filter(lambda name: not name.startswith("/")),
        arrays_of.arrays(
            st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_, np.dtype("U3")]),
            arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0),
        ),
        max_size=4,
    ),
    header=st.dictionaries(st.text(max_size=3), st.integers() | st.text() | st.booleans(), max_size=3),
)
def test_what_is_written_is_read(arrays: dict[str, np.ndarray], header: dict[str, Any], tmp_path: Path) -> None:
    archive.write(tmp_path / "a.npz", arrays, header)
    result, about = archive.read(tmp_path / "a.npz")
    assert_same(result, arrays)
    assert about | header == about
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    archive.write(tmp_path / "whole.npz", ARRAYS)
    whole = (tmp_path / "whole.npz").read_bytes()
    for length in [*range(0, 200), *range(200, len(whole), 37)]:
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        with pytest.raises(DamagedArchive):
            archive.read(tmp_path / "cut.npz")


def test_a_flipped_bit_is_noticed_or_without_effect(tmp_path: Path) -> None:
    archive.write(tmp_path / "whole.npz", ARRAYS)
    whole = bytearray((tmp_path / "whole.npz").read_bytes())
    generator = np.random.default_rng(0)
    noticed = 0
    for place in generator.integers(0, len(whole) * 8, 1500):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << (place % 8)
        (tmp_path / "flipped.npz").write_bytes(flipped)
        try:
            result, _ = archive.read(tmp_path / "flipped.npz")
        except DamagedArchive:
            noticed += 1
        else:  # in what a ZIP file notes beside its content, a date for instance
            assert_same(result, ARRAYS)
    assert noticed > 1200


@given(
    content=st.binary(max_size=300),
    start=st.sampled_from([b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x80\x04"]),
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_foreign_bytes_are_a_clear_error(content: bytes, start: bytes, tmp_path: Path) -> None:
    (tmp_path / "foreign.npz").write_bytes(start + content)
    with pytest.raises(DamagedArchive, match=r"foreign\.npz: expected an archive of this project"):
        archive.read(tmp_path / "foreign.npz")


class Bomb:
    """Its unpickling leaves a file behind."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return (open, (self.path, "w"))


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    exploded = tmp_path / "exploded"
    bomb = np.array([Bomb(str(exploded))], dtype=object)
    np.savez(tmp_path / "a.npz", header=bomb)
    np.savez(tmp_path / "b.npz", a=bomb, header=np.array(json.dumps({"format": archive.FORMAT, "version": 1})))
    np.save(tmp_path / "c.npy", bomb)
    (tmp_path / "d.npz").write_bytes(pickle.dumps(Bomb(str(exploded))))
    for name in ("a.npz", "b.npz", "c.npy", "d.npz"):
        with pytest.raises(DamagedArchive):
            archive.read(tmp_path / name)
    assert not exploded.exists()


def test_another_version_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "VERSION", 7)
    archive.write(tmp_path / "a.npz", ARRAYS)
    monkeypatch.undo()
    with pytest.raises(DamagedArchive, match=r"version 1, got .* 7"):
        archive.read(tmp_path / "a.npz")


def test_the_last_two_are_kept_and_the_newest_whole_one_is_read(tmp_path: Path) -> None:
    assert archive.read_newest(tmp_path / "none") == (None, [])
    for number in (5, 40, 200):
        archive.write_numbered(tmp_path, number, {"a": np.array(number)}, {"number": number})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000000040.npz", "000000000200.npz"]
    (tmp_path / "000000000200.npz").write_bytes(b"PK")
    result, problems = archive.read_newest(tmp_path)
    assert result is not None
    assert result[1]["number"] == 40
    assert len(problems) == 1


WRITERS = """
import os, signal, sys, time
import numpy as np
from pathlib import Path
from r2d2_burnin.runtime import archive

generator = np.random.default_rng(0)
for attempt in range(int(sys.argv[2])):
    directory = Path(sys.argv[1]) / str(attempt)
    readable, writable = os.pipe()
    writer = os.fork()
    if writer == 0:
        os.close(readable)
        for number in range(1, 1_000_000):
            archive.write_numbered(directory, number, {"a": np.full(50_000, number)}, {"number": number})
            os.write(writable, b"%d\\n" % number)
    os.close(writable)
    written = os.read(readable, 100)  # the first archive is whole
    time.sleep(float(generator.random()) * 0.05)
    os.kill(writer, signal.SIGKILL)
    while more := os.read(readable, 4096):
        written += more
    os.waitpid(writer, 0)
    os.close(readable)
    print(written.split()[-1].decode())
"""
"""Begins writers of archives, each in a process of its own, and kills each after a random time."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which Windows does not have")
def test_a_writer_killed_at_any_moment_leaves_a_whole_archive(tmp_path: Path) -> None:
    attempts = 25
    program = subprocess.run(
        [sys.executable, "-c", WRITERS, str(tmp_path), str(attempts)], capture_output=True, text=True, check=True
    )
    last_confirmed = [int(line) for line in program.stdout.split()]
    assert len(last_confirmed) == attempts
    killed_inside_a_write = 0
    for attempt, confirmed in enumerate(last_confirmed):
        directory = tmp_path / str(attempt)
        killed_inside_a_write += bool(list(directory.glob("*.partial")))
        result, problems = archive.read_newest(directory)
        assert result is not None
        assert result[1]["number"] >= confirmed
        assert (result[0]["a"] == result[1]["number"]).all()
        assert problems == []
    assert killed_inside_a_write > 5


def test_a_full_disk_leaves_the_last_archive(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "200k") as disk:
        archive.write(disk / "a.npz", {"a": np.zeros(10_000)})
        with pytest.raises(OSError, match="No space left"):
            archive.write(disk / "a.npz", {"a": np.ones(100_000)})
        assert [path.name for path in disk.iterdir()] == ["a.npz"]
        assert archive.read(disk / "a.npz")[0]["a"].sum() == 0
