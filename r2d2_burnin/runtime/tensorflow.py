"""TensorFlow, imported without its start-up noise and with XLA set for small recurrent networks.

Every module of this project imports it from here: `from r2d2_burnin.runtime.tensorflow import tf`. Where the variable
R2D2_BURNIN_CACHE names a directory, XLA keeps what it has compiled there, so that no worker and no later run compiles
the same program again.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib.metadata
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# LLVM's highest level spends its effort on unrolling loops that the recurrent kernels do not gain from: updates are
# slower at it, and take longer to compile.
_XLA_FLAG = "--xla_backend_optimization_level=2"


_CACHE_NEEDS = 2**30
"""Free bytes on the disk below which nothing is cached: a program that cannot be written would end the run."""

_CACHE_KEEPS = 2**29
"""Bytes of compiled programs from which on those of the days before are deleted; younger ones may be in use."""


def _cache_directory() -> Path | None:
    """Where compiled programs are kept, for this version of TensorFlow, its flags and this processor; None: nowhere."""
    named = os.environ.get("R2D2_BURNIN_CACHE")
    if not named:
        return None
    try:
        processor = platform.processor() + platform.machine()
        if (info := Path("/proc/cpuinfo")).exists():
            processor += next((line for line in info.read_text().splitlines() if line.startswith("flags")), "")
        key = f"{importlib.metadata.version('tensorflow')} {os.environ['XLA_FLAGS']} {processor}"
        directory = Path(named) / f"xla-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
        directory.mkdir(parents=True, exist_ok=True)
        ages = {file: (file.stat().st_size, time.time() - file.stat().st_mtime) for file in directory.iterdir()}
        if sum(size for size, _ in ages.values()) > _CACHE_KEEPS:
            for file, (_, age) in ages.items():
                if age > 24 * 3600:
                    file.unlink(missing_ok=True)
        usable = os.access(directory, os.W_OK) and shutil.disk_usage(directory).free > _CACHE_NEEDS
    except (OSError, importlib.metadata.PackageNotFoundError):  # read-only, or a race of two
        return None
    return directory if usable else None


@contextlib.contextmanager
def _silent_standard_error() -> Iterator[None]:
    """Discard what C++ writes to standard error: TensorFlow 2.21 logs on import whatever TF_CPP_MIN_LOG_LEVEL says."""
    number = 2  # C++ writes there, whatever sys.stderr has been replaced by
    sys.stderr.flush()
    saved = os.dup(number)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), number)
        yield
    finally:
        os.dup2(saved, number)
        os.close(saved)


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Import without it: of the many objects made none is garbage, and looking takes a fifth of the import's time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_XLA_FLAG}".strip()

if "TF_XLA_FLAGS" not in os.environ and (_cache := _cache_directory()) is not None:
    os.environ["TF_XLA_FLAGS"] = f"--tf_xla_persistent_cache_directory={_cache}"

if "tensorflow" in sys.modules:
    import keras
    import tensorflow as tf
else:
    with _silent_standard_error(), _no_garbage_collection():
        import keras
        import tensorflow as tf

__all__ = ["keras", "tf", "use_one_thread"]


def use_one_thread() -> None:
    """Run every operation on one thread: small networks are faster so, and one process a core uses the machine best.

    Raises:
        RuntimeError: if TensorFlow has run an operation already.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
