"""Requests and responses of route functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ctypes import byref, c_void_p
from typing import Any, NoReturn, Optional, Union
from urllib.parse import parse_qs, unquote

from ._fork import give_lock
from ._load import HELD
from ._memory import Data, lent_bytes
from .claims import Claims, read
from .errors import InvalidArgumentError, WrongStateError, check

__all__ = ["Answer", "Headers", "Request", "Response"]


def _has_more_values(text: str, most: int) -> bool:
    """Whether JSON has more values than this, without building them. The count of malformed JSON is arbitrary."""
    values, strings, at = 1, 0, 0
    while values <= most and strings <= 2 * most:
        quote = text.find('"', at)
        end = len(text) if quote < 0 else quote
        values += sum(text.count(mark, at, end) for mark in ",[{")
        if quote < 0:
            break
        strings += 1
        at = _end_of_string(text, quote)
    return values > most or strings > 2 * most


def _end_of_string(text: str, quote: int) -> int:
    at = quote
    while True:
        at = text.find('"', at + 1)
        if at < 0:
            return len(text)
        before = at
        while text[before - 1] == "\\":
            before -= 1
        # Pairs of backslashes are escaped backslashes.
        if (at - before) % 2 == 0:
            return at + 1


class Headers:
    """The header fields of a request, by name in any case. Of several fields with one name it has only the first."""

    __slots__ = ("_request",)

    def __init__(self, request: Request) -> None:
        self._request = request

    def get(self, name: str, default: Optional[str] = None) -> Optional[str]:
        """The value of a field; bytes in it that are not UTF-8 become surrogates, as in file names."""
        field = name.encode()
        value = self._request._lent(HELD.sealgate_request_header, field, len(field))
        return default if value is None else value.decode("utf-8", "surrogateescape")

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None


class Request:
    """A request, valid during a route function: once that has returned, reading anything more raises an exception."""

    _lock: Any

    def __init__(self, handle: int) -> None:
        """For internal use."""
        self._handle: Optional[int] = handle
        give_lock(self)  # the request ends with the call, and other threads may be reading it then

    def _end(self) -> None:
        with self._lock:
            self._handle = None
        # Before Python 3.11, an exception from another thread may come when a `with` is about to unlock, which it then never
        # does. All that this thread has locked is unlocked here.
        try:
            while True:
                self._lock.release()
        except RuntimeError:
            pass

    def __reduce__(self) -> NoReturn:
        # copy.copy uses this too, and a copy would not notice that the request has been answered.
        raise TypeError("a Request can be neither copied nor pickled: take what you need of it")

    def _lent(self, function: Any, *arguments: Any) -> Optional[bytes]:
        self._open()  # once it has been answered, nobody waits
        with self._lock:
            return lent_bytes(function, self._open(), *arguments)

    def _open(self) -> int:
        if self._handle is None:
            raise WrongStateError("The request has been answered.")
        return self._handle

    @property
    def method(self) -> str:
        """``GET``, ``POST``, ... A ``HEAD`` request is answered like ``GET``: the library omits the body."""
        return (self._lent(HELD.sealgate_request_method) or b"").decode()

    @property
    def path(self) -> str:
        """The path as received, percent-encoded if the client encoded it, without the query."""
        return (self._lent(HELD.sealgate_request_path) or b"").decode()

    @property
    def query(self) -> str:
        """The part of the target after the question mark, as received."""
        return (self._lent(HELD.sealgate_request_query) or b"").decode()

    @property
    def arguments(self) -> dict[str, list[str]]:
        """The parsed query: ``?tag=a&tag=b`` is ``{"tag": ["a", "b"]}``."""
        return parse_qs(self.query, keep_blank_values=True)

    def parameter(self, name: str) -> str:
        """The part of the path that matches ``{name}``, decoded. KeyError if the route has no such parameter."""
        wanted = name.encode()
        value = self._lent(HELD.sealgate_request_parameter, wanted, len(wanted))
        if value is None:
            raise KeyError(name)
        return unquote(value.decode())

    @property
    def headers(self) -> Headers:
        """The header fields: ``request.headers["Content-Type"]``, ``request.headers.get("Accept")``."""
        return Headers(self)

    @property
    def body(self) -> bytes:
        """The whole body."""
        return self._lent(HELD.sealgate_request_body) or b""

    def json(self, max_values: int = 10_000) -> Any:
        """The body as JSON in UTF-8.

        :param max_values: how many values it may have in total; each takes far more memory in Python than in the body.
        :raises InvalidArgumentError: if it is not JSON, has more values, is nested too deeply for Python, or has a number
            with too many digits for it. This is a ValueError. Unless the route catches it, the client gets 400.
        """
        try:
            body = self.body.decode()
        except UnicodeDecodeError:
            raise InvalidArgumentError("The body is not UTF-8.") from None
        if _has_more_values(body, max_values):
            raise InvalidArgumentError(f"The body has more than {max_values} JSON values.")
        try:
            return json.loads(body)
        except RecursionError:
            raise InvalidArgumentError("The body's JSON is nested too deeply.") from None
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise InvalidArgumentError(f"The body is not valid JSON: the error is at {where}.") from None
        except ValueError:  # sys.set_int_max_str_digits
            raise InvalidArgumentError("The body's JSON has a number with too many digits.") from None

    @property
    def peer(self) -> str:
        """The other end of the connection: an IP address, or ``unix``. Behind a proxy it is the proxy."""
        return (self._lent(HELD.sealgate_request_peer) or b"").decode()

    @property
    def remote_addr(self) -> str:
        """The client that limits apply to: :attr:`peer` or, if that is one of the setting ``trusted_proxies``, the client
        that the proxy names. An IP address, or ``unix``. Pass it to ``Gate.log_in(source=...)``.
        """
        return (self._lent(HELD.sealgate_request_client) or b"").decode()

    @property
    def id(self) -> str:
        """The request's id, as in the response's ``X-Request-Id`` and in the log line."""
        return (self._lent(HELD.sealgate_request_id) or b"").decode()

    @property
    def trace_id(self) -> Optional[str]:
        """The id of the trace that the request belongs to, 32 hexadecimal digits, from its header ``traceparent`` (W3C Trace
        Context), as in the log line; None if there is no such header or it is not valid.
        """
        found = self._lent(HELD.sealgate_request_trace_id)
        return None if found is None else found.decode()

    @property
    def span_id(self) -> Optional[str]:
        """The id of the caller's span in that trace, 16 hexadecimal digits; None without a trace."""
        found = self._lent(HELD.sealgate_request_span_id)
        return None if found is None else found.decode()

    @property
    def claims(self) -> Optional[Claims]:
        """The verified claims of the request's token; None if the route requires none."""
        claims = c_void_p()
        self._open()
        with self._lock:
            check(HELD.sealgate_request_claims(self._open(), byref(claims)))
            return Claims(read(claims)) if claims.value else None

    @property
    def user(self) -> str:
        """The user of the request's token. WrongStateError if the route requires no token."""
        claims = self.claims
        if claims is None:
            raise WrongStateError("The route requires no token, so the user is unknown: add token=True.")
        return claims.subject


class Response:
    """A response with status, header fields and body.

    :param body: text or bytes.
    :param status: from 200 to 599.
    :param headers: more header fields. The library sets those that determine the end of the response and the use of the
        connection.
    :param content_type: of the body; by default text is ``text/plain`` and bytes are ``application/octet-stream``.
    """

    def __init__(
        self,
        body: Data = b"",
        status: int = 200,
        headers: Optional[Mapping[str, str]] = None,
        content_type: Optional[str] = None,
    ) -> None:
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise ValueError("status must be an int from 200 to 599")
        self.body = body
        self.status = status
        self.headers: dict[str, str] = dict(headers or {})
        if content_type is not None:
            self.headers["Content-Type"] = content_type
        elif isinstance(body, str) or len(body):
            if not any(name.lower() == "content-type" for name in self.headers):
                text = isinstance(body, str)
                self.headers["Content-Type"] = "text/plain; charset=utf-8" if text else "application/octet-stream"


#: The return value of a route function: text, bytes, a dict or a list (as JSON), one of these with a status, or a Response.
Answer = Union[
    Response,
    str,
    bytes,
    bytearray,
    memoryview,
    Mapping[str, Any],
    list[Any],
    tuple[Union[str, bytes, bytearray, memoryview, Mapping[str, Any], list[Any]], int],
]


def response_of(answer: Answer) -> Response:
    """Converts a route's return value to a Response. TypeError for anything else: a forgotten ``return`` is not an empty
    response.

    >>> answer = response_of(({"id": 17}, 201))
    >>> answer.body, answer.status, answer.headers
    ('{"id": 17}', 201, {'Content-Type': 'application/json'})
    """
    if isinstance(answer, Response):
        return answer
    status = 200
    if isinstance(answer, tuple):
        answer, status = answer
    if isinstance(answer, (str, bytes, bytearray, memoryview)):
        return Response(answer, status)
    if isinstance(answer, (Mapping, list)):
        encoded = json.dumps(answer if isinstance(answer, list) else dict(answer), ensure_ascii=False, allow_nan=False)
        return Response(encoded, status, content_type="application/json")
    raise TypeError(f"a route must return str, bytes, a dict, a list or a Response, not {type(answer).__name__}")
