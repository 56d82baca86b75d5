"""Environment ids of installed packages, found by their namespace when one of them is asked for.

Gymnasium registers an id when the module that defines it is imported. A package declares in its metadata which module
that is, by an entry point whose name is the namespace of its ids:

    [project.entry-points."r2d2_burnin.environments"]
    BitStream = "envs"

Then `BitStream/Count-v0` is found in every process, without `envs:` before it. Nothing is imported for other ids.
"""

from __future__ import annotations

from importlib import metadata
from types import ModuleType

from gymnasium.envs.registration import registry

GROUP = "r2d2_burnin.environments"
"""Group of the entry points."""


def register_namespace(env_id: str) -> None:
    """Import the module that an installed package declares for the namespace of an id, if it is not registered yet.

    Raises:
        ValueError: if the module cannot be imported, or registers no such id: another one of that name is in its place.
    """
    namespace, slash, _ = env_id.partition("/")
    if not slash or ":" in namespace or _is_registered(namespace):
        return
    for entry_point in metadata.entry_points(group=GROUP, name=namespace):
        package = entry_point.dist.name if entry_point.dist is not None else "another package"
        try:
            module = entry_point.load()
        except Exception as error:  # whatever a module raises when it is imported
            raise ValueError(
                f"env: got {env_id!r}, but module {entry_point.value!r} of {package}, which registers it, cannot be"
                f" imported ({type(error).__name__}: {error})"
            ) from None
        if not _is_registered(namespace):
            raise ValueError(
                f"env: got {env_id!r}, which module {entry_point.value!r} of {package} registers, but Python finds"
                f" another module of that name at {_place(module)}; rename that one, or work in another directory"
            )


def _is_registered(namespace: str) -> bool:
    return any(spec.namespace == namespace for spec in registry.values())


def _place(module: ModuleType) -> str:
    return module.__file__ or str(list(module.__path__))
