"""What all tests share: Hypothesis' settings, and one directory of compiled programs for the processes of a session."""

from __future__ import annotations

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


QUICK_COMPILATION = (
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_parallel_codegen_split_count=1",
    "--xla_cpu_use_fusion_emitters=false",
)
"""Flags of XLA with which programs compile in a third of the time. They compute the same, but not as fast."""


def pytest_configure(config: pytest.Config) -> None:
    """Let XLA compile each program once a session, and not once in every pytest worker and worker of a command.

    Where long tests run too, which compute for longer than they compile, it compiles as it does for users. The
    variables reach all processes, which this one starts; TensorFlow reads them when it is imported.
    """
    if config.option.markexpr == "not long":
        os.environ.setdefault("XLA_FLAGS", " ".join(QUICK_COMPILATION))
    if not os.environ.get("R2D2_BURNIN_CACHE"):
        directory = os.environ["R2D2_BURNIN_CACHE"] = tempfile.mkdtemp(prefix="r2d2-burnin-programs-")
        config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))
    set_up()


@pytest.fixture
def jobs_in_process() -> Iterator[None]:
    """Do an experiment's jobs in this process, where they share compiled programs with those of other tests."""
    from tests.common import in_process  # after the variables above are set

    with in_process.jobs_in_process():
        yield
