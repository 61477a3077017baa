"""The verified claims of a token."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from ctypes import byref, c_uint64, c_void_p
from typing import Any, NamedTuple, Optional, Union

from ._load import HELD
from ._memory import Handle, lent_bytes
from .errors import check

__all__ = ["Claims", "claims_text"]


def claims_text(claims: Mapping[str, Any]) -> bytes:
    """Custom claims as JSON. The library checks what they are."""
    if not isinstance(claims, Mapping):
        raise TypeError(f"claims must be a mapping, not {type(claims).__name__}")
    return str.encode(json.dumps(dict(claims), ensure_ascii=False, allow_nan=False, separators=(",", ":")))


class _Values(NamedTuple):
    """All values that the library returns for claims."""

    subject: str
    scope: str
    id: Optional[str]
    expires_at: int
    issued_at: Optional[int]
    json: bytes
    api_key: Optional[str] = None


class ClaimsHandle(Handle):
    """Claims that the package owns."""

    __slots__ = ()
    free = HELD.sealgate_claims_free


def read(handle: c_void_p) -> _Values:
    """Copies the values of claims, which may be borrowed: they are only read."""
    expires_at, issued_at = c_uint64(), c_uint64()
    check(HELD.sealgate_claims_issued_at(handle, byref(issued_at)))
    check(HELD.sealgate_claims_expires_at(handle, byref(expires_at)))
    id = lent_bytes(HELD.sealgate_claims_id, handle)
    api_key = lent_bytes(HELD.sealgate_claims_api_key, handle)
    return _Values(
        (lent_bytes(HELD.sealgate_claims_subject, handle) or b"").decode(),
        (lent_bytes(HELD.sealgate_claims_scope, handle) or b"").decode(),
        None if id is None else id.decode(),
        expires_at.value,
        issued_at.value or None,
        lent_bytes(HELD.sealgate_claims_json, handle) or b"{}",
        None if api_key is None else api_key.decode(),
    )


class Claims(Mapping[str, Any]):
    """The claims of a verified token: a read-only mapping, as PyJWT's ``decode`` returns, with more.

        >>> import sealgate
        >>> with sealgate.Gate(keys="ephemeral") as gate:
        ...     claims = gate.verify_token(gate.issue_token("alice", scope="orders"))
        >>> claims["username"], claims.subject, claims.scopes, claims.has_scope("decrypt")
        ('alice', 'alice', ('orders',), False)

    Custom claims, of :meth:`Gate.issue_token <sealgate.Gate.issue_token>` or of an account, are members like all others:

        >>> with sealgate.Gate(keys="ephemeral") as gate:
        ...     claims = gate.verify_token(gate.issue_token("alice", claims={"department": "ops", "level": 3}))
        >>> claims["department"], claims["level"], claims.get("manager")
        ('ops', 3, None)

    The properties hold what the library derived from the claims, also for tokens of the original program, which have only
    ``username`` and ``exp``. Claims do not need their gate any more, can be pickled, and may be used on any thread.
    """

    __slots__ = ("_claims", "_source")

    def __init__(self, source: Union[ClaimsHandle, _Values]) -> None:
        """For internal use. Borrowed claims are read first: see :func:`read`."""
        # Read on demand: most callers need one claim, and each claim costs a call.
        self._source = source
        self._claims: Optional[dict[str, Any]] = None

    def _all(self) -> _Values:
        source = self._source
        if isinstance(source, ClaimsHandle):
            source = self._source = read(source)
        return source

    @property
    def subject(self) -> str:
        """The user that the token is for."""
        return self._all().subject

    @property
    def scopes(self) -> tuple[str, ...]:
        """What the token may be used for."""
        return tuple(self._all().scope.split())

    def has_scope(self, name: str) -> bool:
        """Whether the token may be used for this."""
        return name in self._all().scope.split()

    @property
    def expires_at(self) -> int:
        """When the token expires, in seconds since 1970-01-01 UTC; 253402300799, the last second of the year 9999, for an
        API key that does not.
        """
        return self._all().expires_at

    @property
    def issued_at(self) -> Optional[int]:
        """When the token was issued, in seconds since 1970-01-01 UTC; None if it does not record that."""
        return self._all().issued_at

    @property
    def id(self) -> Optional[str]:
        """The token's id; None for tokens of the original program, which have none."""
        return self._all().id

    @property
    def api_key(self) -> Optional[str]:
        """The id of the API key that these are the claims of; None for a token."""
        return self._all().api_key

    def _mapping(self) -> dict[str, Any]:
        claims = self._claims
        if claims is None:
            source = self._source
            if isinstance(source, ClaimsHandle):
                text = lent_bytes(HELD.sealgate_claims_json, source) or b"{}"
            else:
                text = source.json
            members: dict[str, Any] = json.loads(text)
            claims = self._claims = members
        return claims

    def __getitem__(self, name: str) -> Any:
        return self._mapping()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapping())

    def __len__(self) -> int:
        return len(self._mapping())

    def __repr__(self) -> str:
        values = self._all()
        return f"<sealgate.Claims of {values.subject!r}, scope {values.scope!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Claims, (self._all(),)
