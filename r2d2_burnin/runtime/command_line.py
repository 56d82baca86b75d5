"""Reading settings from the command line, with errors that name the setting and what would work."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TypeVar, get_args, get_origin, get_type_hints

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from r2d2_burnin.runtime.help import help_text
from r2d2_burnin.runtime.literals import read_value, written

Settings = TypeVar("Settings")

HELP = frozenset({"-h", "--help"})
"""What asks for the help."""

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
    preset: Sequence[str] = (),
) -> Settings:
    """Build a settings dataclass from the command-line flags of a module's command.

    A dataclass inside another is a group in `--help`; its flags have no prefix. Settings that refuse their values end
    the program with their message, and so does a flag of several values that is given twice: one of both would be lost.
    Of a flag of one value the last one counts, as is usual.

    Args:
        settings: the dataclass.
        module: of the command.
        description: of the command, for `--help`.
        arguments: the command line.
        default: settings that hold where no flag is given.
        preset: flags that give way to those of `arguments`.
    """
    if HELP & set(arguments):
        _show(help_text(settings, program(module), description, default))
        raise SystemExit(0)
    try:
        _check_given_once(arguments, set(_flags_of_several_values(settings)))
        return tyro.cli(  # type: ignore[return-value]  # never None: there are settings, by default or by flags
            settings,
            args=[*preset, *arguments],
            default=default,
            prog=program(module),
            description=description,
            config=(tyro.conf.OmitArgPrefixes,),
            registry=_registry,
        )
    except ValueError as error:
        fail(str(error))


def _show(text: str) -> None:
    """Print a text, as far as it is read: `| head` closes its end early."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what Python flushes at its end


def _flags_of_several_values(settings: Any) -> Iterator[str]:
    """Flags of the fields of a dataclass, and of those inside it, that are tuples or dictionaries."""
    for name, hint in get_type_hints(settings).items():
        if dataclasses.is_dataclass(hint):
            yield from _flags_of_several_values(hint)
        elif {get_origin(part) for part in (hint, *get_args(hint))} & {tuple, dict}:
            yield f"--{name.replace('_', '-')}"


def _check_given_once(arguments: Sequence[str], flags: set[str]) -> None:
    """Raise a ValueError for one of `flags` that is given twice, with the command line that has all values."""
    values: dict[str, list[list[str]]] = {}
    for argument in arguments:
        if argument.startswith("--"):
            flag, equals, value = argument.partition("=")
            flag = flag.replace("_", "-")
            values.setdefault(flag, []).append([value] if equals else [])
        elif values:
            values[flag][-1].append(argument)
    for flag, given in values.items():
        if flag in flags and len(given) > 1:
            together = shlex.join([flag, *itertools.chain(*given)])
            name = flag.removeprefix("--").replace("-", "_")
            raise ValueError(
                f"{name}: got {flag} {len(given)} times, expected it once, with all its values: {together}"
            )


def program(module: str) -> str:
    """The command line that starts a module's command, as the user has started it."""
    return sys.argv[0] if by_console() else f"python -m {module}"


def by_console() -> bool:
    """Whether the user has started the console command, and not a module."""
    return sys.argv[0].startswith("r2d2-burnin ")  # set by r2d2_burnin.console


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
