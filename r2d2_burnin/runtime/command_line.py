"""Reading settings from the command line, with errors that name the setting and what would work."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from r2d2_burnin.runtime.literals import read_value, written

Settings = TypeVar("Settings")

_registry = ConstructorRegistry()


@_registry.primitive_rule
def _key_value_pairs(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[dict[str, Any]] | None:
    """Dictionaries are given as KEY=VALUE pairs."""
    if info.type_origin is not dict:
        return None
    return PrimitiveConstructorSpec(
        nargs="*",
        metavar="KEY=VALUE ...",
        instance_from_str=parse_pairs,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda values: [f"{key}={written(value)}" for key, value in values.items()],
    )


def from_command_line(
    settings: type[Settings],
    module: str,
    description: str,
    arguments: Sequence[str],
    *,
    default: Settings | None = None,
) -> Settings:
    """Build a settings dataclass from the command-line flags of a module's command.

    A dataclass inside another is a group in `--help`; its flags have no prefix. Settings that refuse their values end
    the program with their message.
    """
    try:
        return tyro.cli(  # type: ignore[return-value]  # never None: there are settings, by default or by flags
            settings,
            args=arguments,
            default=default,
            prog=program(module),
            description=description,
            config=(tyro.conf.OmitArgPrefixes,),
            registry=_registry,
        )
    except ValueError as error:
        fail(str(error))


def program(module: str) -> str:
    """The command line that starts a module's command, as the user has started it."""
    console = sys.argv[0].startswith("r2d2-burnin ")  # set by r2d2_burnin.console
    return sys.argv[0] if console else f"python -m {module}"


def fail(message: str) -> NoReturn:
    """End the program with an error message."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


def parse_pairs(pairs: Sequence[str]) -> dict[str, Any]:
    """Read `KEY=VALUE` pairs, with values as `literals.read_value` reads them.

    Raises:
        ValueError: for a pair without a key or an equals sign, a key that comes twice, and a value that may be a
            mistake.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not key.isidentifier() or not equals:
            raise ValueError(f"env_kwargs: got {pair!r}, expected KEY=VALUE, for example length=80")
        if key in values:
            raise ValueError(f"env_kwargs: got {key} twice, expected each key once")
        try:
            values[key] = read_value(text)
        except ValueError as error:
            raise ValueError(f"env_kwargs: {key}: {error}") from None
    return values
