"""Middleware for any WSGI program: request ids, tokens, limits, and problems instead of exceptions.

    >>> from sealgate import Gate
    >>> from sealgate.wsgi import TokenMiddleware, context_of
    >>> def program(environ, start_response):
    ...     start_response("200 OK", [("Content-Type", "text/plain")])
    ...     return [context_of(environ).claims.subject.encode()]
    >>> gate = Gate(keys="ephemeral")
    >>> program = TokenMiddleware(program, gate, scope="orders", limited=True, public=["/healthz"])

A response is passed on as the program returns it, piece by piece.
"""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Optional

from .gate import Gate
from .http import Response
from .limits import Policies
from .web import ANSWERED, Policy, RequestContext, Scope, body_of, with_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["RequestIdMiddleware", "TokenMiddleware", "context_of"]

_KEY = "sealgate.context"


def context_of(environ: WSGIEnvironment) -> RequestContext:
    """What is known of the request with this environment."""
    known = environ.get(_KEY)
    if isinstance(known, RequestContext):
        return known

    def field(name: str) -> list[str]:
        # The server has joined several of one name with commas, which no token and no id has.
        value = environ.get(name)
        return [] if value is None else [value]

    context = RequestContext(field("HTTP_AUTHORIZATION"), field("HTTP_X_REQUEST_ID"), field("HTTP_TRACEPARENT"))
    environ[_KEY] = context
    return context


class RequestIdMiddleware:
    """Gives each response the header ``X-Request-Id``, and answers the exceptions of this package with a problem (RFC 9457)
    like the server's. Other exceptions are passed on, and so are those of a response that has begun.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        context = context_of(environ)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
            return start_response(status, with_fields(headers, context.headers), exc_info)

        try:
            self._check(context, environ)
            return self._app(environ, start)
        except ANSWERED as error:
            return _send(context.refusal(error), environ, start_response)

    def _check(self, context: RequestContext, environ: WSGIEnvironment) -> None:
        """Raises an exception for a request that must not reach the program."""


class TokenMiddleware(RequestIdMiddleware):
    """Lets only requests with a valid token reach the program, whose ``context_of(environ)`` then has the claims. It does
    what :class:`RequestIdMiddleware` does, too.

    :param gate: verifies the tokens and counts; by default the gate of the environment, from the first request on.
    :param scope: the names that each token needs, all of them.
    :param limited: whether the gate's limit applies to each user.
    :param policies: policies of the setting ``limits`` that apply to each user: one, several, or a mapping to the cost.
    :param required: whether each request needs a token. Otherwise a request without one passes, with no claims; one with a
        bad token is refused all the same.
    :param public: paths, as in ``PATH_INFO``, of which nothing is required. Any other spelling of a path needs a token.
    """

    def __init__(
        self,
        app: WSGIApplication,
        gate: Optional[Gate] = None,
        *,
        scope: Scope = (),
        limited: bool = False,
        policies: Policies = None,
        required: bool = True,
        public: Iterable[str] = (),
    ) -> None:
        super().__init__(app)
        self._policy = Policy(gate, scope=scope, limited=limited, policies=policies, required=required, public=public)

    def _check(self, context: RequestContext, environ: WSGIEnvironment) -> None:
        # WSGI has the bytes of a path as the characters of Latin-1.
        path: str = environ.get("PATH_INFO", "")
        self._policy.check(context, path.encode("latin-1", "replace").decode("utf-8", "replace"))


def _send(answer: Response, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    body = body_of(answer)
    fields = [*answer.headers.items(), ("Content-Length", str(len(body)))]
    # The server raises the exception again if it has already sent another head.
    start_response(f"{answer.status} {_phrase(answer.status)}", fields, sys.exc_info())
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
