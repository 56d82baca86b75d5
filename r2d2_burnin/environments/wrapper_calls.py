"""Wrappers as the command line has them: `module:Wrapper`, or with arguments, `module:Wrapper(stack_size=4)`."""

from __future__ import annotations

import ast
import copy
import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import gymnasium as gym

from r2d2_burnin.runtime.literals import read_literal


@dataclasses.dataclass(frozen=True)
class WrapperCall:
    """A wrapper, and what it is called with after the environment."""

    text: str
    name: str  # module:attribute
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> WrapperCall:
        """Read `module:Wrapper` or `module:Wrapper(arguments)`; arguments are literals, as `read_literal` has them.

        Raises:
            ValueError: naming the setting, for anything else.
        """
        name, bracket, rest = text.strip().partition("(")
        example = "for example 'gymnasium.wrappers:FrameStackObservation(stack_size=4)'"
        expected = f"expected module:Wrapper(arguments), {example}"
        module, _, attribute = name.strip().partition(":")
        if not all(part.isidentifier() for part in (*module.split("."), attribute)):
            raise ValueError(
                f"wrappers: got {text!r}, expected module:name or module:name(arguments), each in quotes of its own,"
                f" {example}"
            )
        if not bracket:
            return cls(text, name)
        try:
            call = ast.parse(f"wrapper({rest}", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ValueError(f"wrappers: got {text!r}, {expected}") from None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError(f"wrappers: got {text!r}, {expected}")
        try:
            return cls(text, name.strip(), *_read_arguments(call))
        except ValueError as error:
            raise ValueError(f"wrappers: an argument of {text!r}: {error}") from None

    def apply(self, wrapper: Callable[..., Any], env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
        """The environment in the wrapper.

        Raises:
            ValueError: naming the setting, for arguments that are missing or that the wrapper does not take, and where
                it raises or returns no environment.
        """
        self._check_arguments(wrapper, env)
        try:
            arguments, keywords = copy.deepcopy((self.arguments, self.keywords))  # a wrapper may change them
            wrapped = wrapper(env, *arguments, **keywords)
        except Exception as error:  # whatever a wrapper raises for the environment or its arguments
            raise ValueError(f"wrappers: {self.text} raised {type(error).__name__}: {error}") from error
        if not isinstance(wrapped, gym.Env):
            raise ValueError(f"wrappers: {self.text} returned {wrapped!r}, expected an environment")
        return wrapped

    def _check_arguments(self, wrapper: Callable[..., Any], env: gym.Env[Any, Any]) -> None:
        try:
            signature = inspect.signature(wrapper)
        except (TypeError, ValueError):  # some that are written in C have none
            return
        try:
            bound = signature.bind_partial(env, *self.arguments, **self.keywords).arguments
        except TypeError as error:
            taken = list(signature.parameters.values())[1:]
            raise ValueError(
                f"wrappers: {self.text}: {error}, expected arguments of {self.name}({', '.join(map(str, taken))})"
            ) from None
        missing = [
            name
            for name, parameter in signature.parameters.items()
            if name not in bound
            and parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
        if missing:
            call_arguments = [repr(value) for value in self.arguments]
            call_arguments += [f"{name}={value!r}" for name, value in self.keywords.items()] + [
                f"{name}=.." for name in missing
            ]
            raise ValueError(
                f"wrappers: {self.text} lacks the argument {', '.join(missing)}, expected it in brackets:"
                f" --wrappers '{self.name}({', '.join(call_arguments)})'"
            )


def _read_arguments(call: ast.Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments of a call.

    Raises:
        ValueError: for one that is no literal, that comes twice, or that is unpacked from another.
    """
    keywords: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise ValueError(f"got **{ast.unparse(keyword.value)}, expected name=value for each")
        if keyword.arg in keywords:
            raise ValueError(f"got {keyword.arg} twice, expected each argument once")
        keywords[keyword.arg] = read_literal(keyword.value)
    for node in call.args:
        if isinstance(node, ast.Starred):
            raise ValueError(f"got {ast.unparse(node)}, expected each argument by itself")
    return tuple(map(read_literal, call.args)), keywords
