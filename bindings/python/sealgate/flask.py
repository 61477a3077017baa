"""Flask: tokens, scopes and limits as decorators, request ids, and problems like the server's.

    >>> import flask
    >>> from sealgate import Gate
    >>> from sealgate.flask import Sealgate, current_claims, limit, require_scope
    >>> app, gate = flask.Flask("shop"), Gate(keys="ephemeral")
    >>> extension = Sealgate(app, gate)
    >>> @app.get("/orders")
    ... @require_scope("orders")
    ... @limit()
    ... def orders():
    ...     return {"of": current_claims().subject}
    >>> with app.test_client() as client:
    ...     client.get("/orders").status_code
    ...     token = gate.issue_token("alice", scope="orders")
    ...     client.get("/orders", headers={"Authorization": f"Bearer {token}"}).json
    401
    {'of': 'alice'}
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Optional, TypeVar, cast

from flask import Flask, Response, current_app, request

from .claims import Claims
from .errors import WrongStateError
from .gate import Gate
from .original import default_gate
from .web import ANSWERED, RequestContext, Scope, body_of, names_of
from .wsgi import context_of

__all__ = ["Sealgate", "current_claims", "current_context", "limit", "require_scope", "require_token"]

View = TypeVar("View", bound=Callable[..., Any])


class Sealgate:
    """The extension: it gives each response the header ``X-Request-Id``, states limits in ``RateLimit``, and answers the
    exceptions of this package (a refused token, data that does not decrypt, :class:`~sealgate.HTTPError`) with a problem
    (RFC 9457) like the server's. An error handler of the app's own for one of these classes takes precedence.

    :param app: the app, unless :meth:`init_app` is called later.
    :param gate: verifies the tokens and counts the requests; by default the gate of the environment, from its first use on.
    """

    def __init__(self, app: Optional[Flask] = None, gate: Optional[Gate] = None) -> None:
        self._gate = gate
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Adds the extension to an app. One extension may serve several apps."""
        app.extensions["sealgate"] = self
        app.after_request(_with_fields)
        for kind in ANSWERED:
            app.register_error_handler(kind, _answer)

    @property
    def gate(self) -> Gate:
        """The gate that it uses."""
        return self._gate or default_gate()


def require_token(view: View) -> View:
    """Decorates a view: requests need a valid token, whatever its scopes."""
    return _checked(view, lambda context, gate: context.authenticate(gate))


def require_scope(scope: Scope) -> Callable[[View], View]:
    """Decorates a view: requests need a valid token with this scope. Several names, in a list or separated by single spaces,
    are all needed. Put it below Flask's own decorator, and above :func:`limit`.
    """
    needed = names_of(scope)
    if not needed:
        raise ValueError("require_scope needs the name of a scope; require_token takes any token")

    def decorate(view: View) -> View:
        return _checked(view, lambda context, gate: context.authenticate(gate, needed))

    return decorate


def limit(
    by: Optional[Callable[[], str]] = None, *, policy: str = "default", cost: int = 1
) -> Callable[[View], View]:
    """Decorates a view: a limit of the gate applies, shared with the user's other requests. A refused request gets 429.

    :param by: returns what the request is counted under, such as ``lambda: request.remote_addr``, and needs no token.
        Without it, requests need a valid token and are counted by its user.
    :param policy: ``default``, or a policy of the setting ``limits``.
    :param cost: how much a request costs.
    """

    def count(context: RequestContext, gate: Gate) -> None:
        if by is None:
            context.authenticate(gate)
        context.count(gate, None if by is None else by(), policy, cost)

    return lambda view: _checked(view, count)


def current_context() -> RequestContext:
    """What is known of the current request: its id, its trace and its claims."""
    # Not in flask.g: in tests that hold an app context, one g serves many requests.
    return context_of(request.environ)


def current_claims() -> Claims:
    """The verified claims of the current request's token.

    :raises WrongStateError: if the view requires no token.
    """
    claims = current_context().claims
    if claims is None:
        raise WrongStateError("The view requires no token, so the claims are unknown: add @require_token.")
    return claims


def _checked(view: View, check: Callable[[RequestContext, Gate], Any]) -> View:
    @functools.wraps(view)
    def checked(*arguments: Any, **named: Any) -> Any:
        extension = current_app.extensions.get("sealgate")
        if not isinstance(extension, Sealgate):
            raise WrongStateError("The app lacks the extension: call sealgate.flask.Sealgate(app).")
        check(current_context(), extension.gate)
        # A view may be async.
        return current_app.ensure_sync(view)(*arguments, **named)

    return cast("View", checked)


def _with_fields(response: Response) -> Response:
    for name, value in current_context().headers.items():
        response.headers.setdefault(name, value)
    return response


def _answer(error: Exception) -> Response:
    answer = current_context().refusal(error)
    return Response(body_of(answer), answer.status, list(answer.headers.items()))
