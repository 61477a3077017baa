"""Middleware for any ASGI program (Starlette, FastAPI, Quart, ...): request ids, tokens, limits, and problems instead of
exceptions.

    >>> from sealgate import Gate
    >>> from sealgate.asgi import TokenMiddleware, context_of
    >>> async def program(scope, receive, send):
    ...     user = context_of(scope).claims.subject
    ...     await send({"type": "http.response.start", "status": 200, "headers": []})
    ...     await send({"type": "http.response.body", "body": user.encode()})
    >>> program = TokenMiddleware(program, Gate(keys="ephemeral"), scope="orders", limited=True, public=["/healthz"])

Bodies are passed on in both directions as they come, piece by piece. WebSockets and lifespan events pass untouched: a
WebSocket's function checks the token itself, with ``context_of(scope).authenticate(gate)``.

Verifying a token and counting a request are done on the event loop: both take microseconds. A gate with a data directory
reads its store there for each token that it has not seen before, and otherwise a few times a second.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, MutableMapping
from typing import Any, Callable, Optional

from .gate import Gate
from .http import Response
from .limits import Policies
from .web import ANSWERED, Policy, RequestContext, Scope, body_of

__all__ = ["RequestIdMiddleware", "TokenMiddleware", "context_of"]

Message = MutableMapping[str, Any]
Connection = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Connection, Receive, Send], Awaitable[None]]

_KEY = "sealgate.context"


def context_of(scope: Connection) -> RequestContext:
    """What is known of the request, or of the WebSocket, with this scope."""
    known = scope.get(_KEY)
    if isinstance(known, RequestContext):
        return known
    fields: dict[bytes, list[str]] = {b"authorization": [], b"x-request-id": [], b"traceparent": []}
    for name, value in scope.get("headers", ()):
        found = fields.get(bytes(name).lower())
        if found is not None:
            found.append(bytes(value).decode("latin-1"))
    context = RequestContext(*fields.values())
    scope[_KEY] = context
    return context


class RequestIdMiddleware:
    """Gives each response the header ``X-Request-Id``, and answers the exceptions of this package with a problem (RFC 9457)
    like the server's. Other exceptions are passed on, and so are those of a response that has begun.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = context_of(scope)
        started = False

        async def send_with_fields(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": _with_fields(list(message.get("headers", ())), context)}
            await send(message)

        try:
            self._check(context, scope)
            await self._app(scope, receive, send_with_fields)
        except ANSWERED as error:
            if started:
                raise
            await _send(context.refusal(error), scope, send)

    def _check(self, context: RequestContext, scope: Connection) -> None:
        """Raises an exception for a request that must not reach the program."""


class TokenMiddleware(RequestIdMiddleware):
    """Lets only requests with a valid token reach the program, whose ``context_of(scope)`` then has the claims. It does what
    :class:`RequestIdMiddleware` does, too. WebSockets pass without a token.

    :param gate: verifies the tokens and counts; by default the gate of the environment, from the first request on.
    :param scope: the names that each token needs, all of them.
    :param limited: whether the gate's limit applies to each user.
    :param policies: policies of the setting ``limits`` that apply to each user: one, several, or a mapping to the cost.
    :param required: whether each request needs a token. Otherwise a request without one passes, with no claims; one with a
        bad token is refused all the same.
    :param public: paths, without ``root_path``, of which nothing is required. Any other spelling of a path needs a token.
    """

    def __init__(
        self,
        app: Application,
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

    def _check(self, context: RequestContext, scope: Connection) -> None:
        path, root = scope["path"], scope.get("root_path", "")
        self._policy.check(context, path[len(root) :] if root and path.startswith(root + "/") else path)


def _with_fields(fields: list[Any], context: RequestContext) -> list[Any]:
    names = {bytes(name).lower() for name, _ in fields}
    return fields + [field for field in _encoded(context.headers.items()) if field[0] not in names]


def _encoded(fields: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in fields]


async def _send(answer: Response, scope: Connection, send: Send) -> None:
    body = body_of(answer)
    fields = _encoded([*answer.headers.items(), ("Content-Length", str(len(body)))])
    await send({"type": "http.response.start", "status": answer.status, "headers": fields})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
