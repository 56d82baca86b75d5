"""Experiments on a Ray cluster of several nodes, which share the directory of results or not, and die."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import burnin_compare, claims
from experiments.common.engine_ray import Mailbox
from experiments.common.jobs import Job, checkpoints_of
from r2d2_burnin.runtime import archive
from tests.common.commands import ROOT, Main

UPDATES = 2000
TINY = {
    "updates": UPDATES,
    "measure-every": 500,
    "units": 4,
    "batch-size": 4,
    "num-envs": 4,
    "initial-steps": 400,
    "new-steps": 80,
    "updates-between": 10,
    "measured-fragments": 8,
    "evaluation-episodes": 4,
    "replay-capacity": 2000,
}
CLAIMS = [
    *("--claims", "1", "--seeds", "1", "--checkpoint-every", "200"),
    *("--flags", *(f"{name}={value}" for name, value in TINY.items())),
]
COMPARISON = [
    *("--strategies", "stored", "zero+3", "--seeds", "1", "--checkpoint-every", "200"),
    *("--sequence-length", "5", "--period", "3"),
    *(part for name, value in TINY.items() for part in (f"--{name}", str(value))),
]
RAY = ("--engine", "ray", "--ray-address")


@pytest.fixture(scope="module")
def cluster(ray_at_our_priority: None) -> Iterator[Any]:
    """A Ray cluster whose head, on this machine, does no jobs, and soon notices that a node is gone."""
    from ray.cluster_utils import Cluster  # not installed everywhere

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_health_check_period_ms", "1000")
        patch.setenv("RAY_health_check_failure_threshold", "3")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        yield cluster
        cluster.shutdown()


@contextlib.contextmanager
def node_elsewhere(address: str, hidden: Path) -> Iterator[Callable[[], None]]:
    """A node that has an empty directory where this machine has `hidden`; its processes die when this ends or earlier.

    Yields:
        A function that kills all of its processes at once, as a power failure does.
    """
    if shutil.which("unshare") is None:
        pytest.skip("needs Linux with unshare, to hide a directory from a node")
    private = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.getuid() != 0:
        private += ["--user", "--map-root-user"]
    if subprocess.run([*private, "mount", "-t", "tmpfs", "tmpfs", str(hidden)], check=False).returncode != 0:
        pytest.skip("needs the right to mount, to hide a directory from a node")
    start = "from ray.scripts.scripts import main; main()"
    begin = f'mount -t tmpfs tmpfs "$0" && exec "$@" start --address={address} --num-cpus=1 --block'
    process = subprocess.Popen(
        [*private, "sh", "-c", begin, str(hidden), sys.executable, "-c", start],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(hidden.parent)},  # what is left of killed processes goes with the test's files
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def kill() -> None:
        process.kill()
        process.wait()

    try:
        yield kill
    finally:
        kill()


class Command:
    """A command that runs, and what it printed until now."""

    def __init__(self, main: Main, *flags: str, out: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", main.__module__, *flags, "--out", str(out)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.lines.extend(iter(self._process.stdout.readline, ""))

    def wait_for_checkpoint(self, out: Path, before: Mapping[str, int]) -> dict[str, int]:
        """Wait for a new checkpoint of a job that has far to go; returns its update, by the job's name."""
        deadline = time.monotonic() + 600
        new: dict[str, int] = {}
        while not new:
            assert self._process.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.02)
            new = {name: at for name, at in checkpoints(out).items() if before.get(name, -1) < at <= UPDATES // 2}
        return new

    def first_update(self, job: str, after: str = "") -> int:
        """The first update of a job that the log says, behind a text."""
        behind = self.printed.partition(after)[2] if after else self.printed
        found = re.search(rf"^{re.escape(job)}: (\d+) of {UPDATES} updates", behind, re.MULTILINE)
        assert found is not None, self.printed
        return int(found[1])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def finish(self) -> None:
        returncode = self._process.wait(timeout=1200)
        self._reader.join()
        assert returncode == 0, self.printed

    @property
    def printed(self) -> str:
        return "".join(self.lines)


def figures(out: Path) -> dict[str, Any]:
    """Everything measured in finished runs: without seconds."""
    paths = sorted(out.rglob("runs/*_seed?.json"))
    return {str(path.relative_to(out)): json.loads(path.read_text())["measurements"] for path in paths}


def checkpoints(out: Path) -> dict[str, int]:
    """The update of the newest checkpoint of each job, by the job's name."""
    newest: dict[str, int] = {}
    for path in sorted(out.rglob("checkpoints/*/*.npz")):
        part = path.relative_to(out).parts[0].replace("checkpoints", "")
        newest[f"{part} {path.parent.name.replace('_seed', ' seed ')}".strip()] = int(path.stem)
    return newest


RESTARTED = ": its worker process or machine died; it is restarted"


@pytest.mark.long
def test_claims_resume_from_checkpoints_at_the_head_where_no_directory_is_shared(cluster: Any, tmp_path: Path) -> None:
    """The head's process is killed first; then, in the same command anew, the only node, and another one begins."""
    local, remote = tmp_path / "local", tmp_path / "remote"
    remote.mkdir()
    flags = (*CLAIMS, *RAY, cluster.address)
    with node_elsewhere(cluster.address, remote) as kill:
        command = Command(claims.main, *flags, out=remote)
        at_first = command.wait_for_checkpoint(remote, {})
        command.kill()
        command = Command(claims.main, *flags, "--resume", out=remote)
        at_second = command.wait_for_checkpoint(remote, at_first)
        kill()
    with node_elsewhere(cluster.address, remote):
        command.finish()
    assert claims.main([*CLAIMS, "--workers", "1", "--out", str(local)]) == 0
    assert figures(remote) == figures(local)
    assert len(figures(remote)) == 4
    (begun,) = at_first
    assert command.first_update(begun) > at_first[begun] > 0
    (restarted,) = re.findall(rf"^(.*){re.escape(RESTARTED)}$", command.printed, re.MULTILINE)
    assert command.first_update(restarted, after=RESTARTED) > at_second[restarted] > 0
    files = [{str(path.relative_to(out)) for path in out.rglob("*")} for out in (local, remote)]
    assert files[0] == files[1]
    for path in local.rglob("runs/*.npz"):
        arrays, parameters = archive.read(path), archive.read(remote / path.relative_to(local))
        assert all(np.array_equal(arrays[0][name], parameters[0][name]) for name in arrays[0])


@pytest.mark.long
def test_a_node_that_dies_changes_no_figure_where_the_directory_is_shared(cluster: Any, tmp_path: Path) -> None:
    local, shared = tmp_path / "local", tmp_path / "shared"
    dies = cluster.add_node(num_cpus=1)
    command = Command(burnin_compare.main, *COMPARISON, *RAY, cluster.address, out=shared)
    there = command.wait_for_checkpoint(shared, {})
    cluster.remove_node(dies, allow_graceful=False)
    other = cluster.add_node(num_cpus=1)
    command.finish()
    cluster.remove_node(other)
    assert burnin_compare.main([*COMPARISON, "--workers", "1", "--out", str(local)]) == 0
    assert figures(shared) == figures(local)
    assert len(figures(shared)) == 2
    (restarted,) = re.findall(rf"^(.*){re.escape(RESTARTED)}$", command.printed, re.MULTILINE)
    assert command.first_update(restarted, after=RESTARTED) > there[restarted] > 0


def test_the_mailbox_holds_the_newest_checkpoint_of_each_job_alone(tmp_path: Path) -> None:
    jobs = [Job(name, 9, Payload(path), path) for name in "ab" for path in [Path("out", "runs", f"{name}.json")]]
    for number in (1, 2, 3):
        archive.write_numbered(tmp_path / checkpoints_of(jobs[0].path), number, {"a": np.zeros(2)}, {})
    mailbox = Mailbox(tmp_path, [job.path for job in jobs])
    there = {f"checkpoints/a/{number:012d}.npz" for number in (2, 3)}
    assert mailbox.begin(0, shared=False).keys() == there
    assert mailbox.begin(1, shared=False) == {}
    assert mailbox.take() == []
    for content in (b"older", b"newer"):
        mailbox.send(0, {"checkpoints/a/000000000004.npz": content})
        mailbox.send(1, {"checkpoints/b/000000000004.npz": content})
    assert mailbox.begin(0, shared=True) == {}
    assert mailbox.begin(0, shared=False).keys() == there | {"checkpoints/a/000000000004.npz"}
    assert mailbox.take() == [(0, "restarted", "its worker process or machine died")] * 2
    assert [mailbox.take_files() for _ in range(3)] == [
        (0, {"checkpoints/a/000000000004.npz": b"newer"}),
        (1, {"checkpoints/b/000000000004.npz": b"newer"}),
        None,
    ]
    moved = jobs[0].moved(tmp_path)
    assert moved.payload.path == moved.path == tmp_path / "runs" / "a.json"
    assert moved.directory == tmp_path
    assert Job("no file", 1, None).directory is None


@dataclasses.dataclass(frozen=True)
class Payload:
    path: Path
