"""What importing the library, the environments and the experiments leaves in the process: nothing."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import pytest

from r2d2_burnin.runtime.tensorflow import keras, tf

PROGRAM = """
import gc, importlib, os, pkgutil, signal, sys

def state_of_the_process():
    descriptors = {}
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        try:
            descriptors[number] = os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # the listing's own
            pass
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    # As it is stored: `rcParams` itself chooses a backend where there is none.
    backend = dict.__getitem__(sys.modules["matplotlib"].rcParams, "backend") if "matplotlib" in sys.modules else None
    collector = gc.isenabled(), gc.get_freeze_count(), gc.get_threshold()
    return dict(os.environ), descriptors, handlers, collector, backend

def check(before, place):
    for name, old, new in zip(("environment", "files", "signals", "gc", "backend"), before, state_of_the_process()):
        assert old == new, f"{place}: {name} changed from {old} to {new}"

untouched = state_of_the_process()
import r2d2_burnin.runtime.tensorflow
assert not {"tensorflow", "keras"} & set(sys.modules)
check(untouched, "r2d2_burnin.runtime.tensorflow")

import gymnasium, keras, matplotlib, tensorflow
before = state_of_the_process()
names = []
for package in ("envs", "r2d2_burnin", "experiments"):
    path = importlib.import_module(package).__path__
    names += [package, *(module.name for module in pkgutil.walk_packages(path, f"{package}."))]
# Neither commands nor examples, which import frameworks of others.
names = [name for name in names if not name.endswith(".__main__") and ".examples." not in name]
for name in names:
    importlib.import_module(name)
    check(before, name)
print(len(names))

r2d2_burnin.runtime.tensorflow.set_up()
assert "xla_backend_optimization_level" in os.environ["XLA_FLAGS"]
"""


def test_importing_changes_nothing_in_the_process() -> None:
    set_by_set_up = ("XLA_FLAGS", "TF_XLA_FLAGS", "TF_CPP_MIN_LOG_LEVEL")
    environment = {name: value for name, value in os.environ.items() if name not in set_by_set_up}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 150


def test_the_lazy_modules_are_those_that_they_stand_for() -> None:
    import keras as real_keras
    import tensorflow as real

    assert set(dir(real)) <= set(dir(tf))
    assert tf.constant is real.constant
    assert keras.layers.LSTM is real_keras.layers.LSTM
    assert pickle.loads(pickle.dumps(tf)) is real
    with pytest.raises(AttributeError, match="no_such_name"):
        tf.no_such_name  # noqa: B018
