"""Reading settings from the command line, with errors that name the setting and what would work."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

import tyro

Settings = TypeVar("Settings")


def from_command_line(
    settings: type[Settings], experiment: str, description: str, arguments: Sequence[str]
) -> Settings:
    """Build a settings dataclass from the command-line flags of `python -m experiments.<experiment>`."""
    return tyro.cli(settings, args=arguments, prog=f"python -m experiments.{experiment}", description=description)


def fail(message: str) -> NoReturn:
    """End the program with an error message."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


def parse_env_kwargs(pairs: Sequence[str]) -> dict[str, Any]:
    """Read `KEY=VALUE` pairs; values are Python literals, and anything else is text.

    Raises:
        ValueError: for a pair without a key or an equals sign.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not key.isidentifier() or not equals:
            raise ValueError(f"env_kwargs: got {pair!r}, expected KEY=VALUE, for example length=80")
        try:
            values[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            values[key] = text
    return values
