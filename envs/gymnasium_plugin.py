"""Registration of the bit streams with Gymnasium in programs that do not import `envs`.

Gymnasium 1.x has no plug-in entry point any more (0.26 to 0.29 had one), so an installed project has to bring its own:
the wheel carries this module at its top level, under the name `r2d2_burnin_gymnasium_plugin`, and a `.pth` file that
imports it when Python starts. It costs next to nothing there (neither Gymnasium nor NumPy is imported), waits for the
program's own `import gymnasium`, and then registers the ids. It imports nothing of `envs`, since a program may well
have a folder of that name; therefore the ids stand here once more, and a test compares them.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

ENVIRONMENTS: dict[str, dict[str, Any]] = {
    f"BitStream/{task}-v0": {
        "entry_point": "envs.bit_stream:BitStreamEnv",
        "vector_entry_point": "envs.vector:BitStreamVectorEnv",
        "kwargs": {"task": task},
    }
    for task in ("Count", "WindowCount", "Parity", "Recall")
}


def register_once_gymnasium_is_imported() -> None:
    """Register the ids now if Gymnasium is imported already, else as soon as it is."""
    if "gymnasium" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _GymnasiumWatcher())


def _register() -> None:
    from gymnasium.envs.registration import register, registry

    for environment_id, arguments in ENVIRONMENTS.items():
        if environment_id not in registry:
            register(environment_id, **arguments)


class _GymnasiumWatcher(MetaPathFinder):
    """Finds nothing itself; adds the registration to the end of Gymnasium's own import, then is gone."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != "gymnasium":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: ModuleType) -> None:
                execute(module)
                _register()

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec
