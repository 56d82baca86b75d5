"""The text of `--help`: common flags first, all others under headings, wrapped to the terminal.

tyro, which reads the command line, prints its own; it keeps the line ends of docstrings, and begins with rare flags.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro

from r2d2_burnin.runtime.literals import written

COMMON = (
    *("env", "env_kwargs", "tasks", "study", "checkpoint", "episodes", "objective", "network", "strategies"),
    *("learning_rates", "updates", "seeds", "quick", "preset", "out", "workers", "resume", "fresh"),
)
"""Flags that many users need, in the order of the help; the first ten that a command has are shown first."""

COUNT_OF_COMMON = 10

WIDEST = 110
"""Columns beyond which a text is hard to read."""

COLUMN = 26
"""Where the explanations of flags begin."""


(HIDDEN,), (POSITIONAL,) = (get_args(mark[int])[1:] for mark in (tyro.conf.Suppress, tyro.conf.Positional))
"""What tyro's marks add to the type of a setting."""


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag as the help shows it."""

    name: str  # of the setting
    usage: str  # with its value
    meaning: str
    default: str
    group: str  # heading


def help_text(settings: type, program: str, description: str, default: Any = None) -> str:
    """The text of `--help`.

    Args:
        settings: the dataclass of the command's settings.
        program: what starts the command.
        description: of the command; its paragraphs are filled to the terminal's width.
        default: settings whose values are shown as defaults; without them, those of the dataclass.
    """
    width = max(min(shutil.get_terminal_size().columns, WIDEST), 40)
    flags = list(_flags(settings, default, "Other flags of this command"))
    positional = " ".join(flag.usage for flag in flags if not flag.usage.startswith("-"))
    by_name = {flag.name: flag for flag in flags}
    common = [by_name[name] for name in COMMON if name in by_name][:COUNT_OF_COMMON]
    lines = [f"usage: {' '.join(filter(None, (program, positional, '[FLAGS]')))}", ""]
    for paragraph in inspect.cleandoc(description).split("\n\n"):
        lines += [*_wrap(paragraph, width), ""]
    groups: dict[str, list[Flag]] = {"Common flags": common}
    for flag in flags:
        if flag not in common:
            groups.setdefault(flag.group, []).append(flag)
    for title, members in groups.items():
        lines += [*_wrap(f"{title}:", width), *(line for flag in members for line in _lines(flag, width)), ""]
    return "\n".join(lines)


def _lines(flag: Flag, width: int) -> list[str]:
    """A flag and its explanation: beside it, or below it where it is long."""
    start = f"  {flag.usage}"
    indent = " " * COLUMN if width >= 2 * COLUMN else "    "
    text = f"{flag.meaning} {f'(default: {flag.default})' if flag.default else ''}".strip()
    wrapped = _wrap(text, width, indent)
    if len(start) + 2 <= len(indent) and wrapped:
        return [start + wrapped[0][len(start) :], *wrapped[1:]]
    return [start, *wrapped]


def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of a text; flags, which have hyphens, stay whole."""
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _flags(settings: type, default: Any, group: str) -> Iterator[Flag]:
    """The flags of a dataclass and of those inside it."""
    hints, meanings = get_type_hints(settings, include_extras=True), _meanings(settings)
    inner = []
    for field in dataclasses.fields(settings):
        hint = hints[field.name]
        value = _default(field) if default is None else getattr(default, field.name)
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            inner.append((hint, value))
        elif HIDDEN not in get_args(hint)[1:]:
            yield Flag(field.name, _usage(field.name, hint), meanings.get(field.name, ""), _written(value), group)
    for kind, value in inner:
        heading = inspect.cleandoc(kind.__doc__ or kind.__name__).split("\n\n")[0].replace("\n", " ").rstrip(".")
        yield from _flags(kind, value, heading)


@functools.cache
def _meanings(settings: type) -> dict[str, str]:
    """The docstrings of a dataclass's fields, each in one line."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    assert isinstance(definition, ast.ClassDef)
    meanings = {}
    for before, node in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(node, ast.Expr):
            meanings[before.target.id] = " ".join(str(ast.literal_eval(node.value)).split())
    return meanings


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _usage(name: str, hint: Any) -> str:
    """A flag with the kind of its value."""
    flag, annotations = f"--{name.replace('_', '-')}", get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    kind = get_args(hint)[0] if annotations else hint
    if POSITIONAL in annotations:
        return f"[{name.upper()} ...]"
    if kind is bool:
        return f"{flag}, --no-{flag[2:]}"
    given = [metavar for note in annotations if (metavar := getattr(note, "metavar", None))]
    return f"{flag} {given[0] if given else _metavar(kind)}"


def _metavar(kind: Any) -> str:
    """What stands for a value of a type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return "{" + ",".join(map(str, arguments)) + "}"
    if origin is dict:
        return "KEY=VALUE ..."
    if origin is tuple:
        return f"{_metavar(arguments[0])} ..."
    if arguments and (origin is Union or type(kind).__name__ == "UnionType"):
        return "|".join(dict.fromkeys(_metavar(part) for part in arguments if part is not type(None)))
    return {int: "INT", float: "NUMBER", str: "TEXT", Path: "PATH"}.get(kind, "VALUE")


def _written(value: Any) -> str:
    """A default as it would be typed; nothing for none."""
    if value is None or value is dataclasses.MISSING:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        return " ".join(f"{key}={written(item)}" for key, item in value.items())
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
