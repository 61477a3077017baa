"""The library's log lines as records of Python's ``logging``."""

from __future__ import annotations

import logging
from typing import Callable, Optional

from . import _callbacks
from ._load import LIBRARY
from ._signatures import Drop, LogCallback
from .errors import check

__all__ = ["start_logging", "stop_logging"]

LogFunction = Callable[[int, str, str], None]

_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG}


def start_logging(level: int = logging.INFO, function: Optional[LogFunction] = None) -> None:
    """Passes the library's log lines to ``logging``, or to a function. Without this call only exceptions from Python
    functions are logged.

    Each request is one line of the logger ``sealgate.access``, with the client, the status and the duration; user names in it
    are masked, control characters are escaped, and it contains no secrets. The call applies to the whole process and
    replaces an earlier one.

    :param level: the lowest level to pass on, as in ``logging``: ``logging.INFO`` includes the requests.
    :param function: receives the level, the name of a logger and the line. It runs on whichever thread logs, on several at
        a time, and requests wait for it: it must be fast. Its exceptions are printed and go no further.
    """
    theirs = max((number for number, ours in _LEVELS.items() if ours >= level), default=0)
    target = function or _to_logging

    def hand_over(number: int, name: str, line: str) -> None:
        target(_LEVELS.get(number, logging.DEBUG), name.replace("::", "."), line)

    registered = _callbacks.register(hand_over, "The function for log lines")
    check(LIBRARY.sealgate_set_log(theirs, _callbacks.log_line, registered, _callbacks.drop))


def stop_logging() -> None:
    """Stops passing log lines on. May be called twice."""
    check(LIBRARY.sealgate_set_log(0, LogCallback(), None, Drop()))


def _to_logging(level: int, name: str, line: str) -> None:
    logging.getLogger(name).log(level, "%s", line)
