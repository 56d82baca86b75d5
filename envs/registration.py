"""Registration of the bit streams with Gymnasium, which importing `envs` does."""

from __future__ import annotations

from typing import Any

from gymnasium.envs.registration import register, registry

from envs.bit_stream import BitStreamEnv
from envs.vector import BitStreamVectorEnv

# Classes, not their names: Gymnasium would look a name up when an environment is made, in whatever module has it then.
ENVIRONMENTS: dict[str, dict[str, Any]] = {
    f"BitStream/{task}-v0": {
        "entry_point": BitStreamEnv,
        "vector_entry_point": BitStreamVectorEnv,
        "kwargs": {"task": task},
    }
    for task in ("Count", "WindowCount", "Parity", "Recall")
}


def register_envs() -> None:
    """Register the ids of `ENVIRONMENTS`; what is registered already stays."""
    for environment_id, arguments in ENVIRONMENTS.items():
        if environment_id not in registry:
            register(environment_id, **arguments)
