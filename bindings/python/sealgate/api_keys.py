"""API keys: credentials for machines, accepted wherever an access token is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ctypes import byref, c_uint64
from typing import Any, NamedTuple, Optional, Union

from . import _signatures
from ._load import LIBRARY
from ._memory import number, opened, pages, take_buffer, text, text_of
from .accounts import Accounts, scope_text
from .errors import check, fail
from .limits import Admission, admission_of

__all__ = ["ApiKey", "ApiKeys", "NewApiKey"]

_UINT32_MAX, _UINT64_MAX = 2**32 - 1, 2**64 - 1


class NewApiKey(NamedTuple):
    """A key that was just added."""

    #: The key itself, a secret: it is stored nowhere and cannot be read again.
    key: str
    #: Its id, by which it is listed and revoked.
    id: str


class ApiKey(NamedTuple):
    """An API key, without its secret. Times are seconds since 1970-01-01 UTC."""

    #: Identifies the key, in logs as well.
    id: str
    #: The user that it stands for.
    owner: str
    #: Its scopes. If its owner has an account, it permits none beyond those of the account.
    scopes: tuple[str, ...]
    #: When it was added.
    created: int
    #: When it expires; None if it does not.
    expires_at: Optional[int]
    #: Its own limit: so many requests in so many seconds; None if its requests count as those of its owner.
    limit: Optional[tuple[int, int]]
    #: The hour in which it was last used, by its first second; None if it was never used.
    last_used: Optional[int]
    #: When it was revoked; None if it was not.
    revoked_at: Optional[int]


class ApiKeys(Accounts):
    """API keys of the gates, servers and commands with the same data directory. A change takes effect in this gate at once, and
    everywhere else within a second.

        >>> from sealgate import Gate
        >>> gate = Gate(keys="ephemeral")
        >>> key, id = gate.add_api_key("nightly-backup", scope="encrypt")
        >>> claims = gate.verify_token(key)
        >>> claims.subject, claims.scopes, claims.api_key == id
        ('nightly-backup', ('encrypt',), True)
        >>> gate.revoke_api_key(id)
    """

    def add_api_key(
        self,
        owner: str,
        scope: Union[str, Iterable[str], None] = None,
        expires_at: Optional[int] = None,
        limit: Optional[tuple[int, int]] = None,
    ) -> NewApiKey:
        """Adds a key.

        :param owner: the user that it stands for, with an account or without.
        :param scope: what it may be used for: names in a list, or separated by single spaces; at most the scopes of the owner's
            account. None uses those, or ``OPEN_LOGIN_SCOPE`` if there is no account.
        :param expires_at: when it expires, in seconds since 1970-01-01 UTC; None if it does not.
        :param limit: a limit of its own, ``(requests, seconds)``; None counts its requests as those of its owner.
        :raises InvalidArgumentError: if one of these is not acceptable, or the owner has 1000 keys.
        :raises StoreError: if the store cannot be used.
        """
        handle, name = opened(self._handle, "gate"), text(owner, "owner")
        names = self._default_scope(name) if scope is None else text(scope_text(scope), "scope")
        end = 0 if expires_at is None else number(expires_at, "expires_at", _UINT64_MAX)
        if expires_at is not None and not end:
            raise ValueError("expires_at must lie in the future")
        requests, seconds = (0, 0) if limit is None else limit
        number(requests, "the number of requests", _UINT32_MAX)
        number(seconds, "the number of seconds", _UINT32_MAX)
        if limit is not None and not (requests and seconds):
            raise ValueError("a limit needs at least one request and one second")
        key, id = take_buffer(), take_buffer()
        status = LIBRARY.sealgate_add_api_key(
            handle, name, len(name), names, len(names), end, requests, seconds, key[1], id[1]
        )
        if status:  # neither of them holds anything
            fail(status)
        return NewApiKey(text_of(0, key), text_of(0, id))

    def api_keys(self, owner: Optional[str] = None) -> Iterator[ApiKey]:
        """The keys of this user, or all of them, ordered by id. Revoked keys are listed for some time."""
        opened(self._handle, "gate")  # the first page is read later
        name = b"" if owner is None else text(owner, "owner")
        if owner is not None and not name:
            return iter(())

        def read(after: bytes, most: int, out: Any) -> int:
            handle = opened(self._handle, "gate")
            status: int = LIBRARY.sealgate_list_api_keys(handle, name, len(name), after, len(after), most, out)
            return status

        return map(_api_key, pages(read, "id"))

    def admit_api_key(self, id: str) -> Admission:
        """Counts a request with an API key, by its id (``Claims.api_key``), and returns whether it is admitted: against the
        key's own limit or, if it has none, as a request of its owner.

        :raises NotFoundError: if there is no such key, or it is not accepted any more.
        """
        name, handle, found = text(id, "id"), opened(self._handle, "gate"), _signatures.Admission()
        check(LIBRARY.sealgate_admit_api_key(handle, name, len(name), byref(found)))
        return admission_of(found, "default")

    def revoke_api_key(self, id: str) -> None:
        """Revokes a key for good.

        :raises NotFoundError: if there is no such key.
        """
        self._call(LIBRARY.sealgate_revoke_api_key, text(id, "id"))

    def revoke_api_keys_of(self, owner: str) -> int:
        """Revokes all keys of a user for good. Returns how many there were."""
        handle, name, revoked = opened(self._handle, "gate"), text(owner, "owner"), c_uint64()
        check(LIBRARY.sealgate_revoke_api_keys_of(handle, name, len(name), byref(revoked)))
        return revoked.value


def _api_key(key: dict[str, Any]) -> ApiKey:
    limit = None if key["max_requests"] is None else (key["max_requests"], key["window"])
    return ApiKey(
        key["id"],
        key["owner"],
        tuple(key["scope"].split()),
        key["created"],
        key["expires_at"],
        limit,
        key["last_used"],
        key["revoked_at"],
    )
