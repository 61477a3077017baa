"""Limits on requests: of users, and those that the setting ``limits`` names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ctypes import byref, c_int32
from typing import Any, NamedTuple, Optional, Union

from . import _signatures
from ._load import LIBRARY
from ._memory import Handle, number, opened, text
from .errors import check

__all__ = ["Admission", "Limits", "Policies", "admission_of", "costs_of"]

_UINT32_MAX = 2**32 - 1

#: Policies by name: one, several, or a mapping to what a request costs under each.
Policies = Union[str, Iterable[str], Mapping[str, int], None]


class _Decision(NamedTuple):
    #: Whether the request was admitted, which counts it.
    allowed: bool
    #: How many requests the user has left now; None if the limit is disabled.
    remaining: Optional[int]
    #: Seconds until this request will be admitted; 0.0 if it was.
    retry_after: float


class Admission(_Decision):
    """Whether a request is admitted. It can be tested directly: ``if gate.admit(user): ...``. As a tuple it consists of
    ``allowed``, ``remaining`` and ``retry_after``.
    """

    #: The name of the policy that counted the request.
    policy: str = "default"
    #: What requests may cost together in any window; None if the limit is disabled.
    limit: Optional[int] = None
    #: The window's length in seconds; None if the limit is disabled.
    window: Optional[float] = None
    #: Seconds until the oldest counted request leaves the window; if the request was not admitted, ``retry_after``.
    reset: float = 0.0

    def __bool__(self) -> bool:
        return self.allowed


class Limits:
    """Counts requests. Each gate counts separately."""

    _handle: Optional[Handle] = None

    def admit(self, user: str, policy: str = "default", cost: int = 1) -> Admission:
        """Counts a user's request and returns whether it is admitted: at most ``max_requests`` in any ``rate_limit_window``
        seconds, or as many as a policy of the setting ``limits`` admits. Each gate counts separately.

            >>> from sealgate import Gate
            >>> gate = Gate(keys="ephemeral", max_requests=1, limits="exports: 10 per 3600")
            >>> gate.admit("alice").allowed, gate.admit("alice").allowed
            (True, False)
            >>> export = gate.admit("alice", policy="exports", cost=4)
            >>> export.allowed, export.limit, export.remaining
            (True, 10, 6)

        :param user: who is counted. For a policy per API key, the key's id; for one per address, an IP address, or ``unix``.
        :param cost: how much the request costs, at most the policy's limit. It is admitted as a whole or not at all; 0
            counts nothing.
        :raises InvalidArgumentError: if there is no such policy, the cost is above its limit, or ``user`` is not an address
            although the policy counts addresses.
        """
        return self._decide(LIBRARY.sealgate_enforce_limit, user, policy, cost)

    def peek(self, user: str, policy: str = "default", cost: int = 1) -> Admission:
        """Returns whether :meth:`admit` would admit a request now, and how much is left. Counts nothing.

        :raises InvalidArgumentError: as for :meth:`admit`.
        """
        return self._decide(LIBRARY.sealgate_peek_limit, user, policy, cost)

    def reset_limit(self, user: str, policy: str = "default") -> bool:
        """Forgets a user's requests that a policy has counted, so that the whole limit is left. Returns whether there were
        any. The audit trail gets the event ``limit.reset``.

        :raises InvalidArgumentError: if there is no such policy, or as for :meth:`admit`.
        """
        name, kind = text(user, "user"), text(policy, "policy")
        handle, counted = opened(self._handle, "gate"), c_int32()
        check(LIBRARY.sealgate_reset_limit(handle, name, len(name), kind, len(kind), byref(counted)))
        return bool(counted.value)

    def _decide(self, function: Any, user: str, policy: str, cost: int) -> Admission:
        name, kind, units = text(user, "user"), text(policy, "policy"), number(cost, "cost", _UINT32_MAX)
        handle, found = opened(self._handle, "gate"), _signatures.Admission()
        check(function(handle, name, len(name), kind, len(kind), units, byref(found)))
        return admission_of(found, policy)


def admission_of(found: _signatures.Admission, policy: str) -> Admission:
    """What the library has decided under this policy."""
    is_limited, allowed, reset = found.limit > 0, bool(found.allowed), found.reset_ms / 1000
    admission = Admission(allowed, found.remaining if is_limited else None, 0.0 if allowed else reset)
    admission.policy, admission.reset = policy, reset
    if is_limited:
        admission.limit, admission.window = found.limit, found.window_ms / 1000
    return admission


def costs_of(policies: Policies) -> list[tuple[bytes, int]]:
    """The names of policies, and what a request costs under each."""
    if policies is None:
        return []
    names = [policies] if isinstance(policies, str) else list(policies)
    costs = policies if isinstance(policies, Mapping) else dict.fromkeys(names, 1)
    found = [(text(name, "policies"), number(costs[name], "cost", _UINT32_MAX)) for name in names]
    if not all(cost for _, cost in found):
        raise ValueError("cost must be at least 1")
    return found
