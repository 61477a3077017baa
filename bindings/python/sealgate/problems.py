"""Exceptions that stand for a response: a route raises them instead of returning it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, Optional

from .errors import (
    AuditFailedError,
    DecryptFailedError,
    InsufficientScopeError,
    InvalidArgumentError,
    InvalidNameError,
    KeyRetiredError,
    LoginFailedError,
    NotFreshError,
    RateLimitedError,
    SealgateError,
    SignatureInvalidError,
    TokenError,
    TokenExpiredError,
    TokenInvalidError,
    TokenKeyRetiredError,
    TokenMalformedError,
    TokenMissingError,
    TokenNotYetValidError,
    TokenRevokedError,
    TokenUncheckedError,
    UserExistsError,
    WeakPasswordError,
)
from .http import Response

__all__ = ["HTTPError", "answer_to"]


class HTTPError(Exception):
    """Raised in a route, it becomes a response with this status.

        >>> raise HTTPError(404, "There is no order 17.")
        Traceback (most recent call last):
        sealgate.problems.HTTPError: 404 Not Found: There is no order 17.

    :param status: from 400 to 599.
    :param detail: a sentence for the client.
    :param headers: more header fields.
    """

    def __init__(self, status: int, detail: str = "", headers: Optional[Mapping[str, str]] = None) -> None:
        if not isinstance(status, int) or not 400 <= status <= 599:
            raise ValueError("status must be an int from 400 to 599")
        if not isinstance(detail, str):
            raise TypeError(f"detail must be str, not {type(detail).__name__}")
        super().__init__(status, detail, headers)
        self.status = int(status)
        self.detail = detail
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return f"{self.status} {_title(self.status)}" + (f": {self.detail}" if self.detail else "")


class _Text(NamedTuple):
    """How the server words a problem; what is empty is the exception's own sentence or code."""

    detail: str = ""
    title: str = ""
    code: str = ""


_TEXTS = {
    TokenMissingError: _Text("Send the header: Authorization: Bearer <token>."),
    TokenMalformedError: _Text("It is not in this server's token format."),
    TokenInvalidError: _Text("It was not signed by this server, or not for it."),
    TokenExpiredError: _Text("Log in again for a new one."),
    TokenKeyRetiredError: _Text("Log in again for a new one."),
    TokenRevokedError: _Text("Log in again for a new one."),
    TokenNotYetValidError: _Text("Its validity has not started; check the clocks."),
    TokenUncheckedError: _Text(
        "The store of revoked tokens cannot be used; the server's log has the reason.",
        "The server cannot answer now.",
        "unavailable",
    ),
    AuditFailedError: _Text(
        "Nothing was changed, because it would not be recorded. The server's log has the reason.",
        "The audit trail cannot be written.",
    ),
    LoginFailedError: _Text("Tokens are for users with an account."),
    DecryptFailedError: _Text("It was not encrypted by this server, or with another context, or it is damaged."),
    KeyRetiredError: _Text("The administrator can accept it again, or rewrap the data: sealgate keys accept."),
    NotFreshError: _Text("It is too old, dated in the future, or without a time.", "The data is not recent enough."),
    SignatureInvalidError: _Text("It was not made by this server, or with another context, or the data is damaged."),
    InvalidArgumentError: _Text(title="The data is not acceptable.", code="bad_member"),
    InvalidNameError: _Text(title="The name is not acceptable."),
    WeakPasswordError: _Text(title="The new password is not acceptable."),
    UserExistsError: _Text(title="The name is taken."),
}


def answer_to(error: BaseException, request_id: str) -> Optional[Response]:
    """The response that an exception stands for; None if it is a fault.

    These are an :class:`HTTPError`, an exception of this package whose ``http_status`` is not 500, one with ``status_code``
    and optionally ``detail`` and ``headers`` (Starlette's, FastAPI's), or one with ``code`` and ``get_response``, and
    optionally ``get_headers`` (werkzeug's, Flask's ``abort``). A detail that is not text becomes JSON text. The exception of
    a failed request to another server (urllib's HTTPError, whose ``code`` is that server's) is a fault.
    """
    if isinstance(error, HTTPError):
        return _http_problem(error.status, error.detail, error.headers, request_id)
    if isinstance(error, SealgateError):
        return None if error.http_status == 500 else _problem_of(error, request_id)
    if not isinstance(error, Exception):
        return None
    headers: dict[str, str] = {}
    status, detail = getattr(error, "status_code", None), getattr(error, "detail", "")
    if status is not None:
        given = getattr(error, "headers", None)
        headers = dict(given) if isinstance(given, Mapping) else {}
    elif hasattr(error, "get_response"):
        status, detail = getattr(error, "code", None), getattr(error, "description", "")
        # Allow, Retry-After, WWW-Authenticate, ... The content type is that of its own HTML page, which is not sent.
        fields: list[tuple[str, str]] = getattr(error, "get_headers", list)()
        headers = {name: value for name, value in fields if name.lower() != "content-type"}
    if not isinstance(status, int) or not 400 <= status <= 599:
        return None
    return _http_problem(int(status), _sentence(detail), headers, request_id)


def _sentence(detail: object) -> str:
    """A detail as text, in JSON if it is something else; empty if there is none or JSON cannot represent it."""
    if detail is None or isinstance(detail, str):
        return detail or ""
    try:
        return json.dumps(detail, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return ""


def fault(request_id: str) -> Response:
    """The response to a request that the program failed to answer. It reveals nothing of the reason."""
    detail = "Find the reason in the server's log by the request id."
    return _problem(500, "internal", "The server failed.", detail, {}, request_id)


def _problem_of(error: SealgateError, request_id: str) -> Response:
    """The problem with which the server would refuse for the same reason."""
    sentence = str(error) or _title(error.http_status)
    text = next((_TEXTS[kind] for kind in type(error).__mro__ if kind in _TEXTS), _Text())
    title, detail = text.title or sentence, text.detail or sentence
    headers: dict[str, str] = {}
    if isinstance(error, InsufficientScopeError):
        detail = f"It needs the scope {error.scope}."
        headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{error.scope}"'
    elif isinstance(error, RateLimitedError):
        seconds = max(1, math.ceil(error.retry_after))
        detail = f"The next request is admitted in {seconds} s."
        headers["Retry-After"] = str(seconds)
    elif error.http_status == 503:
        headers["Retry-After"] = "1"
    elif isinstance(error, TokenError) and not isinstance(error, TokenMissingError):
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' + _description(title)
    elif isinstance(error, (TokenError, LoginFailedError)):
        headers["WWW-Authenticate"] = "Bearer"
    return _problem(error.http_status, text.code or error.code, title, detail, headers, request_id)


def _description(sentence: str) -> str:
    """A sentence as a parameter of WWW-Authenticate, if it has only the characters that RFC 6750 permits there."""
    text = sentence.rstrip(".")
    return f', error_description="{text}"' if re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", text) else ""


def _http_problem(status: int, detail: str, headers: Mapping[str, str], request_id: str) -> Response:
    title = _title(status)
    return _problem(status, "", title, detail or title, headers, request_id, detail or title)


def _problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    headers: Mapping[str, str],
    request_id: str,
    error: str = "",
) -> Response:
    """In the form of the API's problems (RFC 9457). ``error`` is the sentence that the original's clients read."""
    members: dict[str, Any] = {
        "type": f"urn:sealgate:problem:{code}" if code else "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id,
        "error": error or title,
    }
    return Response(json.dumps(members), status, headers, "application/problem+json")


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
