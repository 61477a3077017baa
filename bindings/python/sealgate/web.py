"""What the integrations for web frameworks share: a request's token and ids, its limit, and problems as the server's.

No framework is imported here: :mod:`sealgate.flask`, :mod:`sealgate.fastapi`, :mod:`sealgate.wsgi` and :mod:`sealgate.asgi`
find the header fields, and :class:`RequestContext` does the rest.
"""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Optional, Union

from .accounts import scope_text
from .claims import Claims
from .errors import (
    InsufficientScopeError,
    InvalidArgumentError,
    RateLimitedError,
    SealgateError,
    SettingError,
    TokenMissingError,
    WrongStateError,
)
from .gate import Gate
from .http import Response
from .limits import Admission, Policies, costs_of
from .original import default_gate
from .problems import HTTPError, answer_to, fault

__all__ = ["Policy", "RequestContext"]

#: The exceptions that the integrations turn into responses.
ANSWERED = (SealgateError, HTTPError)

Scope = Union[str, Iterable[str]]

_logger = logging.getLogger("sealgate")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_API_KEY = re.compile(r"sg_[A-Za-z0-9]{61}")  # it would be logged
_TRACE_PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.DOTALL)
_SCOPE_NAME = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749, appendix A.4
# No name of a user has a control character, so a key that begins with one is nobody's name.
_NO_USER = "\x1f"


class RequestContext:
    """What the integrations know of one request. It belongs to that request and to one thread at a time.

    :param authorization: the values of all its ``Authorization`` fields.
    :param request_ids: those of ``X-Request-Id``.
    :param trace_parents: those of ``traceparent``.
    """

    __slots__ = ("_authorization", "_counted", "_gate", "claims", "headers", "request_id", "span_id", "trace_id")

    def __init__(
        self, authorization: Sequence[str] = (), request_ids: Sequence[str] = (), trace_parents: Sequence[str] = ()
    ) -> None:
        self._authorization = authorization
        self._gate: Optional[Gate] = None
        self._counted: dict[tuple[Gate, str, str], Admission] = {}
        #: The verified claims of its token; None if nothing has required the token.
        self.claims: Optional[Claims] = None
        #: Its id, as in the response's ``X-Request-Id``: the client's, if that is a short and plain one, else a new one.
        self.request_id: str = _request_id(request_ids)
        trace = _trace(trace_parents)
        #: The id of the trace that it belongs to (W3C Trace Context), 32 hexadecimal digits; None without a valid one.
        self.trace_id: Optional[str] = trace[0]
        #: The id of the caller's span in that trace, 16 hexadecimal digits; None without a trace.
        self.span_id: Optional[str] = trace[1]
        #: Header fields that its response gets, unless it has them.
        self.headers: dict[str, str] = {"X-Request-Id": self.request_id}

    @property
    def has_token(self) -> bool:
        """Whether it has a token, valid or not."""
        return bool(self._bearer_token())

    def authenticate(self, gate: Gate, scope: Scope = ()) -> Claims:
        """Verifies the request's token, once for each gate, and returns its claims.

        :param scope: the names that the token needs, all of them.
        :raises TokenError: if there is no token or it is rejected.
        :raises InsufficientScopeError: if it lacks a scope.
        :raises HTTPError: 400 if the request has several ``Authorization`` fields.
        """
        claims = self.claims if self._gate is gate else None
        if claims is None:
            self.claims = None
            token = self._bearer_token()
            if not token:
                raise TokenMissingError("Token is missing.")
            claims = gate.verify_token(token)
            self.claims, self._gate = claims, gate
        needed = names_of(scope)
        if not all(claims.has_scope(name) for name in needed):
            error = InsufficientScopeError("The token does not permit this.")
            error.scope = " ".join(needed)
            raise error
        return claims

    def count(self, gate: Gate, by: Optional[str] = None, policy: str = "default", cost: int = 1) -> Admission:
        """Counts the request against a limit of the gate, once for each gate, policy and key.

        :param by: the key that it is counted under; by default the user of its token. Under ``default`` no user has such a
            key; a policy of the setting ``limits`` gets it as it is, such as an address for one per address.
        :param policy: ``default``, or a policy of the setting ``limits``.
        :param cost: how much the request costs.
        :raises RateLimitedError: if the limit is reached.
        :raises SettingError: if there is no such policy, it cannot count this key, or the cost is above its limit.
        """
        own = None
        if by is not None:
            key = _NO_USER + by if policy == "default" else by
        elif self.claims is None:
            raise WrongStateError("The request's user is unknown: authenticate it first.")
        else:
            key = self.claims.subject
            # The limit of its own that an API key may have takes the place of ``default``.
            own = self.claims.api_key if (policy, cost) == ("default", 1) else None
        admission = self._counted.get((gate, policy, key))
        if admission is None:
            try:
                admission = gate.admit(key, policy, cost) if own is None else gate.admit_api_key(own)
            except InvalidArgumentError as error:
                # Not the client's fault.
                raise SettingError(str(error)) from error
            self._counted[gate, policy, key] = admission
            self._report()
        if not admission:
            refused = RateLimitedError("Rate limit exceeded. Please try again later.")
            refused.retry_after = admission.retry_after
            raise refused
        return admission

    def count_user(self, gate: Gate, costs: Iterable[tuple[str, int]]) -> None:
        """Counts the request of its token's user under each of these policies."""
        for policy, cost in costs:
            self.count(gate, None, policy, cost)

    def refusal(self, error: BaseException) -> Response:
        """The response to an exception of :data:`ANSWERED`, with the fields of every refusal. A fault of the program, and
        what a server error stands for, is logged.
        """
        answer = answer_to(error, self.request_id) or fault(self.request_id)
        if answer.status >= 500:
            _logger.error("request %s failed", self.request_id, exc_info=error)
        more = {**self.headers, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        answer.headers = dict(with_fields(answer.headers.items(), more))
        return answer

    def _bearer_token(self) -> str:
        """The token of exactly one ``Authorization: Bearer``, the scheme in any case (RFC 6750, section 2.1)."""
        if len(self._authorization) > 1:
            raise HTTPError(400, "There is more than one Authorization header.")
        value = self._authorization[0] if self._authorization else ""
        scheme, rest = value[:6], value[6:]
        return rest.strip(" \t") if scheme.lower() == "bearer" and rest.startswith(" ") else ""

    def _report(self) -> None:
        """States each policy in the response (draft-ietf-httpapi-ratelimit-headers-11): the tightest of its keys."""
        tightest: dict[str, tuple[int, Admission]] = {}
        for one in self._counted.values():
            if one.remaining is not None:
                found = one.remaining, one
                tightest[one.policy] = min(found, tightest.get(one.policy, found))
        if tightest:
            every = [one for _, one in tightest.values()]
            self.headers["RateLimit-Policy"] = ", ".join(f'"{one.policy}";q={one.limit};w={one.window:.0f}' for one in every)
            states = (f'"{one.policy}";r={one.remaining};t={max(1, math.ceil(one.reset))}' for one in every)
            self.headers["RateLimit"] = ", ".join(states)


class Policy:
    """Which requests a middleware admits.

    :param gate: verifies the tokens and counts; by default the gate of the environment, from the first request on.
    :param scope: the names that each token needs, all of them.
    :param limited: whether the gate's limit applies to each user.
    :param policies: policies of the setting ``limits`` that apply to each user: one, several, or a mapping to the cost.
    :param required: whether each request needs a token. Otherwise a request without one passes, with no claims; one with a
        bad token is refused all the same.
    :param public: paths of which nothing is required. They are compared as a whole and are case-sensitive: any other
        spelling of a path needs a token.
    """

    __slots__ = ("_costs", "_gate", "_public", "_required", "_scope")

    def __init__(
        self,
        gate: Optional[Gate] = None,
        *,
        scope: Scope = (),
        limited: bool = False,
        policies: Policies = None,
        required: bool = True,
        public: Iterable[str] = (),
    ) -> None:
        if isinstance(public, str):
            raise TypeError("public must be several paths, such as a list, not one str")
        self._gate, self._scope, self._costs = gate, names_of(scope), user_costs(limited, policies)
        self._required, self._public = required, frozenset(public)

    def check(self, context: RequestContext, path: str) -> None:
        """Raises an exception for a request that must not pass."""
        if path in self._public or not (self._required or context.has_token):
            return
        gate = self._gate or default_gate()
        context.authenticate(gate, self._scope)
        context.count_user(gate, self._costs)


def names_of(scope: Scope) -> tuple[str, ...]:
    """The names in a scope. ValueError if one is none: it would stand in a header field.

    >>> names_of("orders encrypt"), names_of(["orders"]), names_of(())
    (('orders', 'encrypt'), ('orders',), ())
    """
    text = scope_text(scope)
    names = tuple(text.split(" ")) if text else ()
    if not all(_SCOPE_NAME.fullmatch(name) for name in names):
        raise ValueError("a scope is names separated by single spaces, without quotes and backslashes")
    return names


def user_costs(limited: bool, policies: Policies) -> list[tuple[str, int]]:
    """The policies that apply to a user, and what a request costs under each.

    >>> user_costs(True, {"exports": 3})
    [('default', 1), ('exports', 3)]
    """
    return [("default", 1)] * limited + [(name.decode(), cost) for name, cost in costs_of(policies)]


def body_of(answer: Response) -> bytes:
    """The body of a refusal."""
    return answer.body.encode() if isinstance(answer.body, str) else bytes(answer.body)


def with_fields(fields: Iterable[tuple[str, str]], more: Mapping[str, str]) -> list[tuple[str, str]]:
    """A list of header fields with more of them, unless it has those.

    >>> with_fields([("x-request-id", "a")], {"X-Request-Id": "b", "RateLimit": "c"})
    [('x-request-id', 'a'), ('RateLimit', 'c')]
    """
    listed = list(fields)
    names = {name.lower() for name, _ in listed}
    return listed + [(name, value) for name, value in more.items() if name.lower() not in names]


def _request_id(values: Sequence[str]) -> str:
    theirs = values[0] if len(values) == 1 else ""
    # Of 64 random bits: unique, not secret.
    is_usable = _REQUEST_ID.fullmatch(theirs) and not _API_KEY.fullmatch(theirs)
    return theirs if is_usable else os.urandom(8).hex()


def _trace(values: Sequence[str]) -> tuple[Optional[str], Optional[str]]:
    """The ids in a ``traceparent`` that is as the standard wants it."""
    found = _TRACE_PARENT.fullmatch(values[0]) if len(values) == 1 else None
    if not found or (found[1] == "00" and found[4]) or not found[2].strip("0") or not found[3].strip("0"):
        return None, None
    return found[2], found[3]
