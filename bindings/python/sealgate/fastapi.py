"""FastAPI: tokens, scopes and limits as dependencies, request ids, and problems like the server's.

    >>> from typing import Annotated
    >>> from fastapi import FastAPI, Security
    >>> from fastapi.testclient import TestClient
    >>> from sealgate import Claims, Gate
    >>> from sealgate.fastapi import Bearer, install
    >>> app, gate = FastAPI(), Gate(keys="ephemeral")
    >>> install(app)
    >>> bearer = Bearer(gate, limited=True)
    >>> @app.get("/orders")
    ... async def orders(claims: Annotated[Claims, Security(bearer, scopes=["orders"])]):
    ...     return {"of": claims.subject}
    >>> with TestClient(app) as client:
    ...     client.get("/orders").status_code
    ...     token = gate.issue_token("alice", scope="orders")
    ...     client.get("/orders", headers={"Authorization": f"Bearer {token}"}).json()
    401
    {'of': 'alice'}

Verifying a token and counting a request are done on the event loop: both take microseconds. A gate with a data directory
reads its store there for each token that it has not seen before, and otherwise a few times a second. Run everything that
waits for a password hash or writes to the store in a thread: ``await asyncio.to_thread(gate.log_in, name, password)``.
"""

# Without `from __future__ import annotations`: FastAPI reads the annotations of the dependencies.

from typing import Callable, Optional

from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import Response

from .asgi import RequestIdMiddleware, context_of
from .claims import Claims
from .gate import Gate
from .limits import Policies
from .original import default_gate
from .web import ANSWERED, Scope, body_of, names_of, user_costs

__all__ = ["Bearer", "Limit", "install"]


def install(app: Starlette) -> None:
    """Prepares an app, before it has answered any request: each response gets the header ``X-Request-Id``, limits are stated
    in ``RateLimit``, and the exceptions of this package (a refused token, data that does not decrypt,
    :class:`~sealgate.HTTPError`) become a problem (RFC 9457) like the server's. It works for a Starlette app too.
    """
    app.add_middleware(RequestIdMiddleware)
    for kind in ANSWERED:
        app.add_exception_handler(kind, _answer)


class Bearer(SecurityBase):
    """A dependency that verifies the token of a request, or of a WebSocket, and returns its claims. The app's OpenAPI
    document has it as a security scheme, so ``/docs`` asks for a token. It is awaited on the event loop.

    Use it as ``Annotated[Claims, Depends(bearer)]`` or, for scopes of one route, ``Annotated[Claims, Security(bearer,
    scopes=["orders"])]``. Scopes of the dependencies around it are needed as well.

    :param gate: verifies the tokens and counts; by default the gate of the environment, from its first use on.
    :param scope: names that each token needs, all of them.
    :param limited: whether the gate's limit applies, shared with the user's other requests.
    :param policies: policies of the setting ``limits`` that apply as well: one, several, or a mapping to the cost.
    :param scheme_name: its name in the OpenAPI document.
    """

    def __init__(
        self,
        gate: Optional[Gate] = None,
        *,
        scope: Scope = (),
        limited: bool = False,
        policies: Policies = None,
        scheme_name: str = "Sealgate",
        description: Optional[str] = None,
    ) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description=description)
        self.scheme_name = scheme_name
        self._gate, self._scope, self._costs = gate, names_of(scope), user_costs(limited, policies)

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> Claims:
        """The claims of the connection's token, for FastAPI to call."""
        gate, context = self._gate or default_gate(), context_of(connection.scope)
        claims = context.authenticate(gate, [*self._scope, *security_scopes.scopes])
        context.count_user(gate, self._costs)
        return claims


class Limit:
    """A dependency that applies a limit of the gate, with a token or without: ``dependencies=[Depends(Limit(gate, ...))]``.

    :param by: returns what a request is counted under, such as ``lambda request: request.client.host``, and needs no token.
        Without it, requests need a valid token and are counted by its user.
    :param policy: ``default``, or a policy of the setting ``limits``.
    :param cost: how much a request costs.
    """

    def __init__(
        self,
        gate: Optional[Gate] = None,
        *,
        by: Optional[Callable[[HTTPConnection], str]] = None,
        policy: str = "default",
        cost: int = 1,
    ) -> None:
        self._gate, self._by, self._policy, self._cost = gate, by, policy, cost

    async def __call__(self, connection: HTTPConnection) -> None:
        """Counts the request, for FastAPI to call."""
        gate, context = self._gate or default_gate(), context_of(connection.scope)
        if self._by is None:
            context.authenticate(gate)
        context.count(gate, None if self._by is None else self._by(connection), self._policy, self._cost)


async def _answer(connection: HTTPConnection, error: Exception) -> Response:
    answer = context_of(connection.scope).refusal(error)
    return Response(body_of(answer), answer.status, answer.headers)
