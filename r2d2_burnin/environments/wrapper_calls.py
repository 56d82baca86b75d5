"""Wrappers as the command line has them: `module:Wrapper`, or with arguments, `module:Wrapper(stack_size=4)`."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import gymnasium as gym

from r2d2_burnin.runtime.literals import read_value


@dataclasses.dataclass(frozen=True)
class WrapperCall:
    """A wrapper, and what it is called with after the environment."""

    text: str
    name: str  # module:attribute
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> WrapperCall:
        """Read `module:Wrapper` or `module:Wrapper(arguments)`; arguments are values as `literals.read_value` has them.

        Raises:
            ValueError: naming the setting, for anything else.
        """
        name, bracket, rest = text.strip().partition("(")
        if not bracket:
            return cls(text, name)
        example = "for example 'gymnasium.wrappers:FrameStackObservation(stack_size=4)'"
        try:
            call = ast.parse(f"wrapper({rest}", mode="eval").body
        except (SyntaxError, ValueError):
            raise ValueError(f"wrappers: got {text!r}, expected module:Wrapper(arguments), {example}") from None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError(f"wrappers: got {text!r}, expected module:Wrapper(arguments), {example}")
        try:
            arguments = tuple(read_value(ast.unparse(node)) for node in call.args)
            keywords = {str(keyword.arg): read_value(ast.unparse(keyword.value)) for keyword in call.keywords}
        except ValueError as error:
            raise ValueError(f"wrappers: an argument of {text!r}: {error}") from None
        return cls(text, name.strip(), arguments, keywords)

    def apply(self, wrapper: Callable[..., Any], env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
        """The environment in the wrapper.

        Raises:
            ValueError: naming the setting, for arguments that are missing or that the wrapper does not take, and where
                it raises or returns no environment.
        """
        self._check_arguments(wrapper, env)
        try:
            wrapped = wrapper(env, *self.arguments, **self.keywords)
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
