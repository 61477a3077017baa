"""Exceptions that stand for a response: a route raises them instead of returning it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Optional

from .errors import LoginFailedError, RateLimitedError, SealgateError, TokenError, TokenMissingError
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
        super().__init__(status, detail, headers)
        self.status = int(status)
        self.detail = detail
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return f"{self.status} {_title(self.status)}" + (f": {self.detail}" if self.detail else "")


def answer_to(error: BaseException, request_id: str) -> Optional[Response]:
    """The response that an exception stands for; None if it is a fault.

    These are an :class:`HTTPError`, an exception of this package whose ``http_status`` is not 500, one with ``status_code``
    and optionally ``detail`` and ``headers`` (Starlette's, FastAPI's), or one with ``code`` and ``get_response``, and
    optionally ``get_headers`` (werkzeug's, Flask's ``abort``). The exception of a failed request to another server
    (urllib's HTTPError, whose ``code`` is that server's) is a fault.
    """
    if isinstance(error, HTTPError):
        return _problem(error.status, "http_error", error.detail, error.headers, request_id)
    if isinstance(error, SealgateError):
        if error.http_status == 500:
            return None
        return _problem(error.http_status, error.code, str(error), _headers_of(error), request_id)
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
    return _problem(int(status), "http_error", detail if isinstance(detail, str) else "", headers, request_id)


def _headers_of(error: SealgateError) -> dict[str, str]:
    if isinstance(error, RateLimitedError):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
    if isinstance(error, TokenError) and error.http_status == 401 and not isinstance(error, TokenMissingError):
        return {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    if isinstance(error, (TokenError, LoginFailedError)) and error.http_status == 401:
        return {"WWW-Authenticate": "Bearer"}
    return {}


def _problem(status: int, code: str, detail: str, headers: Mapping[str, str], request_id: str) -> Response:
    """In the form of the API's problems (RFC 9457)."""
    title = _title(status)
    members: dict[str, Any] = {
        "type": "about:blank" if code == "http_error" else f"urn:sealgate:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail or title,
        "request_id": request_id,
        "error": detail or title,
    }
    return Response(json.dumps(members), status, headers, "application/problem+json")


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
