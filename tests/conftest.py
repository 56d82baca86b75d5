"""What all tests share: Hypothesis' settings, and one directory of compiled programs for the processes of a session."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings

from r2d2_burnin.runtime.tensorflow import set_up

# Compiling and tracing make the first example of a property slow, whatever the property.
settings.register_profile("default", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("default")


QUICK_COMPILATION = " ".join(
    [
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
        "--xla_cpu_parallel_codegen_split_count=1",
        "--xla_cpu_use_fusion_emitters=false",
    ]
)
"""Flags of XLA with which programs compile in a third of the time. They compute the same, but not as fast."""


def pytest_configure(config: pytest.Config) -> None:
    """Let XLA compile quickly, and each program once a session instead of once in every process.

    The variables reach all processes, which this one starts; TensorFlow reads them when it is imported. PyTorch takes
    one thread: others wait for the next of its small operations in a loop, which takes more time than the operations.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("XLA_FLAGS", QUICK_COMPILATION)
    if not os.environ.get("R2D2_BURNIN_CACHE"):
        directory = os.environ["R2D2_BURNIN_CACHE"] = tempfile.mkdtemp(prefix="r2d2-burnin-programs-")
        config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))
    set_up()
    # A process of tests keeps a million objects of TensorFlow's. By default, looking for garbage among them takes 4 %
    # of its time; like this 2 %, with as much memory.
    gc.set_threshold(20_000, 20, 20)


@functools.lru_cache
def _read_flags() -> None:
    """Let XLA read its flags, which it does for the first program of a process."""
    from r2d2_burnin.runtime.tensorflow import tf  # after the variables above are set

    tf.function(tf.negative, jit_compile=True)(tf.constant(1.0))


@pytest.fixture(scope="module")
def compiled_as_for_users() -> Iterator[None]:
    """Let processes that tests of this module start, such as the workers of a study, compile as they do for users.

    For studies, which compute for longer than they compile. `set_up` gives the processes the flags and a directory of
    compiled programs anew.
    """
    with pytest.MonkeyPatch.context() as patch:
        if os.environ["XLA_FLAGS"] == QUICK_COMPILATION:
            _read_flags()
            patch.delenv("XLA_FLAGS", raising=False)
            patch.delenv("TF_XLA_FLAGS", raising=False)
        yield


@pytest.fixture(scope="module")
def ray_at_our_priority() -> Iterator[None]:
    """Ray, and its workers at the priority of the test: at a lower one they get next to nothing beside other tests.

    Skips the test where Ray is not installed.
    """
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
        yield


@pytest.fixture
def jobs_in_process() -> Iterator[None]:
    """Do an experiment's jobs in this process, where they share compiled programs with those of other tests."""
    from tests.common import in_process  # after the variables above are set

    with in_process.jobs_in_process():
        yield
