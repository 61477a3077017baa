"""The callbacks that the library calls: one function for each kind, which finds the Python function by its number.

The library keeps a number, not a pointer to a Python object, so no late or wrong call can reach freed memory. When it no
longer needs a number, it calls ``drop``, and the function is forgotten. Each function here reports a failure unless
everything succeeded: an exception is logged with its traceback, and the library denies the login or answers 500.
"""

from __future__ import annotations

import itertools
import logging
import traceback
from collections.abc import Iterable
from ctypes import py_object, pythonapi, string_at
from typing import Any, Callable, Optional, Union

from ._load import HELD
from ._memory import Data, lend, lent_bytes
from ._signatures import AuthenticateCallback, Drop, LogCallback, RouteCallback, SecureDataCallback
from .accounts import scope_text
from .errors import check
from .gate import OPEN_LOGIN_SCOPE
from .http import Request, Response, response_of
from .problems import answer_to

logger = logging.getLogger("sealgate")

#: The result of an authentication function: scopes, or True for those of open login; anything false denies the login.
Verdict = Union[bool, str, Iterable[str], None]

_DONE, _FAILED = 0, 1

_registered: dict[int, tuple[Callable[..., Any], str]] = {}
_numbers = itertools.count(1)


def register(function: Callable[..., Any], what: str) -> int:
    """Returns a number by which the library calls this function. ``what`` names it in the log."""
    number = next(_numbers)
    _registered[number] = function, what
    return number


def _report(what: str, consequence: str) -> None:
    """Logs the exception being handled. It must not raise: ctypes would take that for success."""
    try:
        logger.error("%s raised an exception; %s", what, consequence, exc_info=True)
    except BaseException:  # noqa: B036 - a logging handler of the host fails too
        _last_resort()


def _last_resort() -> None:
    try:
        traceback.print_exc()
    except BaseException:  # noqa: B036 - nothing is left to report it to
        pass


def _drop(number: Optional[int]) -> None:
    _registered.pop(number or 0, None)


def _route(request: int, response: int, number: int) -> int:
    # 500 until the response is complete: an exception from another thread may escape from here, and ctypes takes that for
    # success.
    HELD.sealgate_response_set_status(response, 500)
    what, lent = "A route", Request(request)
    try:
        function, what = _registered[number]
        try:
            answer = function(lent)
        except BaseException as error:  # noqa: B036 - SystemExit too: it would end a library thread
            return _answered(response, error, what, lent)
        _fill(response, response_of(answer))
        return _DONE
    except BaseException:  # noqa: B036 - a response that cannot be sent is a fault
        _report(what, "the response is 500")
        return _FAILED
    finally:
        # The library frees the request after this: an exception at this point must not leave it open to readers.
        while True:
            try:
                lent._end()
                break
            except BaseException:  # noqa: B036
                continue


def _answered(response: int, error: BaseException, what: str, request: Request) -> int:
    """Answers with the response that an exception stands for, and with 500 if it is a fault."""
    try:
        answer = answer_to(error, request.id)
        if answer is not None:
            _fill(response, answer)
            if answer.status >= 500:
                _report(what, f"the response is {answer.status}")
            return _DONE
    except BaseException:  # noqa: B036 - the exception's attributes raise, or its headers are invalid
        pass
    _report(what, "the response is 500")
    return _FAILED


def _fill(handle: int, response: Response) -> None:
    for name, value in response.headers.items():
        field, text = name.encode(), value.encode()
        check(HELD.sealgate_response_set_header(handle, field, len(field), text, len(text)))
    _lend_to(HELD.sealgate_response_set_body, handle, response.body)
    check(HELD.sealgate_response_set_status(handle, response.status))


def _lend_to(function: Any, handle: int, data: Data) -> None:
    address, size, view = lend(data)
    try:
        check(function(handle, address, size))
    finally:
        if view is not None:
            view.release()


def _authenticate(login: int, number: int) -> int:
    what = "The authenticate function"
    try:
        function, what = _registered[number]
        username = (lent_bytes(HELD.sealgate_login_username, login) or b"").decode()
        password = (lent_bytes(HELD.sealgate_login_password, login) or b"").decode()
        address = (lent_bytes(HELD.sealgate_login_client, login) or b"").decode()
        verdict: Verdict = function(username, password, address)
        if verdict:
            scope = scope_text(OPEN_LOGIN_SCOPE if verdict is True else verdict).encode()
            check(HELD.sealgate_login_allow(login, scope, len(scope)))
        return _DONE
    except BaseException:  # noqa: B036
        _report(what, "the login is denied")
        return _FAILED


def _secure_data(place: int, number: int) -> int:
    what = "The secure_data function"
    try:
        function, what = _registered[number]
        data = function()
        if data is None:
            raise TypeError("it must return str or a bytes-like object, not None")
        _lend_to(HELD.sealgate_secure_data_set, place, data)
        return _DONE
    except BaseException:  # noqa: B036
        _report(what, "the response is 500")
        return _FAILED


def _log_line(
    level: int, target: Optional[int], target_size: int, line: Optional[int], line_size: int, number: int
) -> None:
    try:
        function, _ = _registered[number]
        function(level, _text(target, target_size), _text(line, line_size))
    except BaseException:  # noqa: B036 - logging it would call this again
        _last_resort()


def _text(address: Optional[int], size: int) -> str:
    return string_at(address, size).decode("utf-8", "replace") if address else ""


drop = Drop(_drop)
route = RouteCallback(_route)
authenticate = AuthenticateCallback(_authenticate)
secure_data = SecureDataCallback(_secure_data)
log_line = LogCallback(_log_line)

# Never freed, not even when the interpreter exits: a library thread may be about to call them.
for _function in (drop, route, authenticate, secure_data, log_line):
    pythonapi.Py_IncRef(py_object(_function))
