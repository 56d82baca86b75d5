"""TensorFlow and Keras, imported when they are first asked for, and the flags that this project runs them with.

Every module of this project imports them from here: `from r2d2_burnin.runtime.tensorflow import keras, tf`. That alone
changes nothing in the process beyond what TensorFlow does itself; `set_up`, called before it, makes small recurrent
networks faster and TensorFlow quiet.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def set_up() -> None:
    """Set TensorFlow's flags in this process and the ones it starts, for small recurrent networks and for quiet.

    To be called before TensorFlow is imported: our commands, their workers and tests do so first. Without it everything
    works, but TensorFlow logs on import and updates are slower. It does not import TensorFlow.

    - XLA optimizes for these networks (`XLA_FLAGS`), TensorFlow logs errors only (`TF_CPP_MIN_LOG_LEVEL`); what the
      environment sets already stays.
    - Where the variable R2D2_BURNIN_CACHE names a directory, XLA keeps what it has compiled there (`TF_XLA_FLAGS`), so
      that no worker and no later run compiles the same program again.

    At log level 3 the import of TensorFlow from here also discards what C++ writes to standard error meanwhile.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_XLA_FLAG}".strip()
    if "TF_XLA_FLAGS" not in os.environ and (cache := _cache_directory()) is not None:
        os.environ["TF_XLA_FLAGS"] = f"--tf_xla_persistent_cache_directory={cache}"


_LOADING = threading.Lock()


@functools.cache
def load() -> None:
    """Import TensorFlow and Keras now; without it, that is done when an attribute of `tf` or `keras` is first used."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_LOADING)  # of two threads, one would save what the other has silenced
        if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "3" and "tensorflow" not in sys.modules:
            stack.enter_context(_silent_standard_error())
            stack.enter_context(_no_garbage_collection())
        for name in ("keras", "tensorflow"):
            importlib.import_module(name)


class _LazyModule(types.ModuleType):
    """A module that is imported when an attribute of it is first used; attributes used once are kept, for speed."""

    def __getattr__(self, name: str) -> Any:
        load()
        value = getattr(sys.modules[self.__name__], name)
        self.__dict__[name] = value
        return value

    def __dir__(self) -> list[str]:
        load()
        return dir(sys.modules[self.__name__])

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, (self.__name__,)


tf: Any = _LazyModule("tensorflow")
keras: Any = _LazyModule("keras")


def use_one_thread() -> None:
    """Run every operation on one thread: small networks are faster so, and one process a core uses the machine best.

    Raises:
        RuntimeError: if TensorFlow has run an operation already.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
