"""Values in text, as people write them on a command line: JSON, Python, or a plain word."""

from __future__ import annotations

import ast
import copy
import json
import math
import re
import warnings
from typing import Any

CONSTANTS = {"true": True, "false": False, "null": None}
"""JSON's names, which Python has not."""

SWITCHES = (
    dict.fromkeys(("true", "yes", "on"), "true")
    | dict.fromkeys(("false", "no", "off"), "false")
    | dict.fromkeys(("none", "null", "nil", "undefined"), "null")
    | dict.fromkeys(("nan", "inf", "infinity"), "a finite number")
)
"""Words, in small letters, that somebody who means no text would write, and what is read instead."""

_PLAIN = re.compile(r"[^\s\[\]{}()'\",;]+( [^\s\[\]{}()'\",;]+)*")

_SECOND_SETTING = re.compile(r" .*=|= | --[A-Za-z]")
"""A space and an equals sign, or a flag: more than one setting in one argument."""


def read_value(text: str) -> Any:
    """The value that a text stands for.

    Numbers, lists, dictionaries, tuples, quoted text, `true`, `false`, `null`, `True`, `False` and `None` are read as
    JSON or Python. Anything else is text where that cannot be a mistake: plain words, such as `8x8` or `human`.

    Raises:
        ValueError: for what may be a mistake: a switch in other words (`yes`, `off`, `TRUE`), a number written as no
            language has it (`007`), brackets or quotes that do not close, nothing at all, numbers without end, and
            what looks like two settings (`1 b=2`).
    """
    try:
        value = _json_or_python(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return _plain_text(text)
    return _checked(value, text)


def read_literal(node: ast.expr) -> Any:
    """The value of an expression in Python's syntax: a literal, JSON's names among Python's; text has to be quoted.

    Raises:
        ValueError: for anything else.
    """
    try:
        value = ast.literal_eval(_Constants().visit(copy.deepcopy(node)))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        value = object()
    return _checked(value, ast.unparse(node))


def _checked(value: Any, text: str) -> Any:
    """A value that JSON can hold; `text` is where it was read from."""
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        kinds = "a finite number, text, true, false, null, or lists and dictionaries of these"
        raise ValueError(f"got {text!r}, expected {kinds}; text has to be quoted: {quoted(text)}") from None
    return value


def _json_or_python(text: str) -> Any:
    """The value of a literal, JSON's names among Python's too; escapes in quoted text differ, JSON's come first."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        with warnings.catch_warnings(action="ignore"):  # of escapes in quoted text
            tree = ast.parse(text.strip(), mode="eval")
        return ast.literal_eval(_Constants().visit(tree))


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no finite number")


def written(value: Any) -> str:
    """A text that `read_value` reads as `value`."""
    if isinstance(value, str):
        try:
            if read_value(value) == value:
                return value
        except ValueError:
            pass
    return repr(value)


class _Constants(ast.NodeTransformer):
    """JSON's names become what they stand for."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """A constant in place of its name."""
        return ast.Constant(CONSTANTS[node.id]) if node.id in CONSTANTS else node


def _plain_text(text: str) -> str:
    if _PLAIN.fullmatch(text) is None:
        kinds = "a JSON or Python value, or a plain word"
        raise ValueError(f"got {text!r}, expected {kinds}; other text has to be quoted: {quoted(text)}")
    if _SECOND_SETTING.search(text):
        raise ValueError(
            f"got {text!r}, expected one value; a further setting is an argument of its own, outside these quotes, and"
            f" text has to be quoted: {quoted(text)}"
        )
    word = text.lower().lstrip("+-")
    meant = SWITCHES.get(word, f"{float(text):.15g}" if _is_number(text) else None)
    if meant is not None:
        raise ValueError(f"got {text!r}, expected {meant}, or quotes if it is text: {quoted(text)}")
    return text


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def quoted(text: str) -> str:
    """A text as it has to stand on a shell's command line to be read as text."""
    return "'" + json.dumps(text, ensure_ascii=False) + "'"
