"""TensorFlow, imported without its start-up noise and with XLA set for small recurrent networks.

Every module of this project imports it from here: `from r2d2_burnin.quiet_tensorflow import tf`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

# LLVM's highest level spends its effort on unrolling loops that the recurrent kernels do not gain from: updates are
# slower at it, and take longer to compile.
_XLA_FLAG = "--xla_backend_optimization_level=2"


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


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_XLA_FLAG}".strip()

if "tensorflow" in sys.modules:
    import keras
    import tensorflow as tf
else:
    with _silent_standard_error():
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
