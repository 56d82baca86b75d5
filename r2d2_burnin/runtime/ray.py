"""A connection to a Ray cluster, or to one started on this machine."""

from __future__ import annotations

import os
import sys
from typing import Any


def connect(address: str, cpus: int | None = None, *, setting: str, value: object, address_setting: str) -> Any:
    """Ray, connected to a cluster, or to one started on this machine (`local`) with so many CPUs.

    Args:
        address: local, auto, or HOST:PORT.
        cpus: of a cluster started on this machine.
        setting: name of the setting that asks for Ray, for errors.
        value: of that setting.
        address_setting: name of the setting that `address` comes from, for errors.

    Raises:
        ValueError: if Ray is not installed or there is no cluster at the address.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise ValueError(
            f"{setting}: got {value}, but Ray is not installed; expected it (pip install -e '.[ray]'), or no {setting}"
        ) from None
    if ray.is_initialized():
        return ray
    # Whatever Python finds here, workers have to find too: a user's own environments and networks.
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    path = os.pathsep.join(place or os.getcwd() for place in sys.path)
    # Before a worker reads its first task: that may import TensorFlow.
    set_up = "r2d2_burnin.runtime.tensorflow.set_up"
    options["runtime_env"] = {"env_vars": {"PYTHONPATH": path}, "worker_process_setup_hook": set_up}
    try:
        if address == "local":
            ray.init(address="local", num_cpus=cpus, include_dashboard=False, **options)
        else:
            ray.init(address=address, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{address_setting}: no cluster at {address!r} ({str(error)[:200]}), expected local, auto, or HOST:PORT"
        ) from None
    return ray
