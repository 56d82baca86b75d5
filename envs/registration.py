"""Registration of the bit streams with Gymnasium; `envs/gymnasium_plugin.py` does it where nobody imports `envs`."""

from __future__ import annotations

from typing import Any

from gymnasium.envs.registration import register, registry

ENVIRONMENTS: dict[str, dict[str, Any]] = {
    f"BitStream/{task}-v0": {
        "entry_point": "envs.bit_stream:BitStreamEnv",
        "vector_entry_point": "envs.vector:BitStreamVectorEnv",
        "kwargs": {"task": task},
    }
    for task in ("Count", "WindowCount", "Parity", "Recall")
}


def register_envs() -> None:
    """Register the ids of `ENVIRONMENTS`; what is registered already stays."""
    for environment_id, arguments in ENVIRONMENTS.items():
        if environment_id not in registry:
            register(environment_id, **arguments)
