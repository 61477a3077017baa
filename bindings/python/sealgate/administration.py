"""Accounts and logins as an administrator sees them: lists, unlocking, ending logins; and the change of one's own password."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ctypes import byref, c_uint64
from typing import Any, NamedTuple, Optional

from ._load import LIBRARY
from ._memory import bytes_of, opened, pages, take_buffer, text, text_of
from .accounts import Accounts, waited
from .errors import NotFoundError, check

__all__ = ["Administration", "User", "UserSession"]


class User(NamedTuple):
    """An account, without its password."""

    #: The username.
    name: str
    #: All that the account's tokens may be used for.
    scopes: tuple[str, ...]
    #: The custom claims that its logins get.
    claims: dict[str, Any]
    #: Whether it cannot log in.
    disabled: bool
    #: When it was added, in seconds since 1970-01-01 UTC.
    created: int


class UserSession(NamedTuple):
    """A login that can be refreshed. Times are in seconds since 1970-01-01 UTC."""

    #: Its id: the claim ``sid`` of its tokens.
    id: str
    #: When the user logged in; None if an earlier version did not record it.
    started: Optional[int]
    #: When its refresh token was last used; None if it never was.
    refreshed: Optional[int]
    #: When it ends unless it is refreshed before.
    expires: int


class Administration(Accounts):
    """Lists and changes accounts and logins.

        >>> from sealgate import Gate
        >>> gate = Gate(keys="ephemeral")
        >>> gate.add_user("alice", "a long enough secret", scope="decrypt")
        >>> tokens = gate.log_in("alice", "a long enough secret")
        >>> [user.name for user in gate.list_users()], len(gate.list_sessions("alice"))
        (['alice'], 1)
        >>> gate.end_session(gate.list_sessions("alice")[0].id)
        'alice'
        >>> gate.introspect(tokens.token)
        {'active': False}
    """

    def list_users(self) -> Iterator[User]:
        """All accounts, in the order of their names (as UTF-8). They are read page by page, so there may be any number.

        :raises StoreError: if the store cannot be used.
        """
        opened(self._handle, "gate")  # the first page is read later

        def read(after: bytes, most: int, out: Any) -> int:
            status: int = LIBRARY.sealgate_list_users(opened(self._handle, "gate"), after, len(after), most, out)
            return status

        return map(_user, pages(read, "name"))

    def find_user(self, name: str) -> Optional[User]:
        """The account with this name; None if there is none.

        :raises StoreError: if the store cannot be used.
        """
        handle, place, encoded = opened(self._handle, "gate"), take_buffer(), text(name, "name")
        try:
            found = bytes_of(LIBRARY.sealgate_find_user(handle, encoded, len(encoded), place[1]), place)
        except NotFoundError:
            return None
        return _user(json.loads(found))

    def unlock_user(self, name: str) -> None:
        """Forgets the wrong passwords for an account, so that they no longer delay its logins, in any process that uses the
        same data directory.

        :raises NotFoundError: if there is no such account.
        """
        self._call(LIBRARY.sealgate_unlock_user, text(name, "name"))

    def change_password(self, name: str, current_password: str, new_password: str, source: str = "") -> None:
        """Changes an account's password for its user, who knows the current one. All tokens of the account are revoked, and
        every login ends. :meth:`set_user_password` is for administrators, who do not know it.

        :param source: the client's address, as for :meth:`check_password`: a wrong current password counts as a wrong login.
        :raises LoginFailedError: for an unknown name, a wrong password and a disabled account alike.
        :raises RateLimitedError: with ``retry_after``, while further attempts have to wait.
        :raises WeakPasswordError: if the new password is not acceptable.
        """
        handle, wait = opened(self._handle, "gate"), c_uint64()
        user, current = text(name, "name"), text(current_password, "current_password")
        new, origin = text(new_password, "new_password"), text(source, "source")
        status = LIBRARY.sealgate_change_password(
            handle, user, len(user), current, len(current), new, len(new), origin, len(origin), byref(wait)
        )
        waited(lambda: check(status), wait)

    def list_sessions(self, user: str) -> tuple[UserSession, ...]:
        """The logins of an account that can be refreshed, oldest first; at most 100.

        :raises NotFoundError: if there is no such account.
        """
        handle, place, name = opened(self._handle, "gate"), take_buffer(), text(user, "user")
        found = bytes_of(LIBRARY.sealgate_list_sessions(handle, name, len(name), place[1]), place)
        return tuple(
            UserSession(one["id"], one["started"], one["refreshed"], one["expires"]) for one in json.loads(found)
        )

    def end_session(self, id: str) -> str:
        """Ends a login by its id and revokes its tokens. Returns its user. :meth:`revoke_user` ends all logins of a user.

        :raises NotFoundError: if there is no such login that can be refreshed.
        """
        handle, place, encoded = opened(self._handle, "gate"), take_buffer(), text(id, "id")
        return text_of(LIBRARY.sealgate_end_session(handle, encoded, len(encoded), place[1]), place)

    def introspect(self, token: str) -> dict[str, Any]:
        """Whether an access or refresh token is valid, and its claims, in the form of POST ``/introspect`` (RFC 7662). For an
        invalid one only ``{"active": False}``.

        :raises StoreError: if the store cannot be used.
        :raises TokenUncheckedError: if whether it has been revoked is unknown.
        """
        handle, place, encoded = opened(self._handle, "gate"), take_buffer(), text(token, "token")
        said = bytes_of(LIBRARY.sealgate_introspect(handle, encoded, len(encoded), place[1]), place)
        claims: dict[str, Any] = json.loads(said)
        return claims

    def check_store(self) -> bool:
        """Checks all of the store of accounts, sessions and revocations for damage. False: there is no store yet.

        :raises StoreError: if it is damaged; the text says how to restore it.
        """
        try:
            check(LIBRARY.sealgate_check_store(opened(self._handle, "gate")))
        except NotFoundError:
            return False
        return True


def _user(described: dict[str, Any]) -> User:
    return User(
        described["name"],
        tuple(described["scope"].split()),
        described["claims"],
        described["disabled"],
        described["created"],
    )
