"""Checks the functions that a program registers with a server, so that one that cannot work is refused at once."""

from __future__ import annotations

import functools
import inspect
import types
from typing import Any, Callable

from ._callbacks import Verdict


def check_function(function: Callable[..., Any]) -> None:
    """TypeError if the function cannot be called, or if calling it only returns something to await."""
    if not callable(function):
        raise TypeError(f"the function must be callable, not {type(function).__name__}")
    inner = _innermost(function)
    call = _innermost(getattr(inner, "__call__", None))  # noqa: B004 - an object may have an async one
    if any(inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one) for one in (inner, call)):
        raise TypeError(
            "the function must not be async: the server calls it on a thread and waits for what it returns. Define it with "
            "def; it may run a coroutine with asyncio.run, or hand it to a loop with asyncio.run_coroutine_threadsafe"
        )


def _innermost(function: Any) -> Any:
    """The function whose result calling this one returns. It does not follow ``__wrapped__`` of Python functions, which may
    run the async function that they wrap.
    """
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, functools._lru_cache_wrapper):
            function = function.__wrapped__
        elif isinstance(function, (types.MethodType, staticmethod)):
            function = function.__func__
        else:
            return function


def with_address(function: Callable[..., Verdict]) -> Callable[[str, str, str], Verdict]:
    """Wraps the function to take the client's address, which it gets if it has a parameter for it."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a function in C
        parameters = []
    place, kind = next(((at, one.kind) for at, one in enumerate(parameters) if one.name == "address"), (-1, None))

    def decide(username: str, password: str, address: str) -> Verdict:
        if kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY):
            return function(username, password, address=address)
        if kind is inspect.Parameter.POSITIONAL_ONLY and place == 2:
            return function(username, password, address)
        return function(username, password)

    return decide
