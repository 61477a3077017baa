"""Accounts, logins and revocation: the part of a gate that lives in the data directory's store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from ctypes import byref, c_uint64
from typing import Any, NamedTuple, Optional, Union

from ._load import LIBRARY
from ._memory import Holder, bytes_of, call_lending, number, opened, take_buffer, text, text_of
from .claims import claims_text
from .errors import RateLimitedError, check, fail

__all__ = ["OPEN_LOGIN_SCOPE", "Accounts", "Tokens", "scope_text", "waited"]

#: The scope of tokens from open login, and the default scope of accounts.
OPEN_LOGIN_SCOPE = "secure-data encrypt decrypt"

_UINT64_MAX = 2**64 - 1


class Tokens(NamedTuple):
    """The tokens from a login."""

    #: The access token.
    token: str
    #: The token for :meth:`Accounts.refresh`, which accepts it once; empty if the setting ``refresh_ttl`` is 0.
    refresh_token: str


def scope_text(scope: Union[str, Iterable[str]]) -> str:
    """Scope names separated by single spaces."""
    return scope if isinstance(scope, str) else " ".join(scope)


class Accounts(Holder):
    """Accounts, logins and revocation, shared by every gate, server and command with the same data directory. Changes take
    effect everywhere within a second.

        >>> from sealgate import Gate
        >>> gate = Gate(keys="ephemeral")
        >>> gate.add_user("alice", "a long enough secret", scope=["encrypt", "decrypt"])
        >>> gate.check_password("alice", "a long enough secret")
        ('encrypt', 'decrypt')
        >>> tokens = gate.log_in("alice", "a long enough secret", scope="decrypt")
        >>> gate.revoke_token(tokens.token)
        'alice'

    Checking a password takes as long as its hash, some tens of milliseconds; the interpreter's lock is released meanwhile.
    """

    def _default_scope(self, user: bytes) -> bytes:
        handle, place = self._handle or opened(None, "gate"), take_buffer()
        return bytes_of(LIBRARY.sealgate_default_scope(handle, user, len(user), place[1]), place)

    def _call(self, function: Any, *arguments: Any) -> None:
        check(call_lending(function, opened(self._handle, "gate"), arguments))

    def add_user(
        self,
        name: str,
        password: str,
        scope: Union[str, Iterable[str]] = OPEN_LOGIN_SCOPE,
        claims: Optional[Mapping[str, Any]] = None,
    ) -> None:
        """Creates an account. Once one has been created, tokens of users without an account are rejected.

        :param password: 8 to 128 characters, not a common password.
        :param scope: all that the account's tokens may be used for.
        :param claims: custom claims that the account's logins get: see :meth:`set_user_claims`.
        :raises UserExistsError: if there is already an account with this name; like the next two, it is an
            InvalidArgumentError.
        :raises InvalidNameError: if the name is empty, longer than 256 characters, or has control characters.
        :raises WeakPasswordError: if the password is not acceptable.
        :raises InvalidArgumentError: if the scope is malformed, or the claims are not acceptable.
        :raises StoreError: if the store cannot be used.
        """
        user, secret, names = text(name, "name"), text(password, "password"), scope_text(scope)
        if claims is None:
            self._call(LIBRARY.sealgate_add_user, user, secret, names)
        else:
            self._call(LIBRARY.sealgate_add_user_with_claims, user, secret, names, claims_text(claims))

    def set_user_password(self, name: str, password: str) -> None:
        """Changes an account's password and revokes all its tokens.

        :raises NotFoundError: if there is no such account.
        :raises WeakPasswordError: if the password is not acceptable.
        """
        self._call(LIBRARY.sealgate_set_user_password, text(name, "name"), text(password, "password"))

    def set_user_scope(self, name: str, scope: Union[str, Iterable[str]]) -> None:
        """Changes an account's scopes. Removing one revokes all its tokens.

        :raises NotFoundError: if there is no such account.
        """
        self._call(LIBRARY.sealgate_set_user_scope, text(name, "name"), scope_text(scope))

    def set_user_claims(self, name: str, claims: Mapping[str, Any]) -> None:
        """Changes the custom claims that an account's logins get from now on, refreshed ones included. Removing or changing one
        revokes all the account's tokens. An empty mapping removes all.

            >>> from sealgate import Gate
            >>> gate = Gate(keys="ephemeral")
            >>> gate.add_user("alice", "a long enough secret", claims={"department": "ops"})
            >>> gate.set_user_claims("alice", {**gate.user_claims("alice"), "level": 3})
            >>> gate.verify_token(gate.log_in("alice", "a long enough secret").token)["level"]
            3

        :param claims: what JSON can represent, at most 4 KiB of it. Names that have a meaning in tokens, such as ``sub``, are
            refused in every spelling.
        :raises NotFoundError: if there is no such account.
        :raises InvalidArgumentError: if the claims are not acceptable, or too large for a token with the account's name and
            scopes.
        """
        self._call(LIBRARY.sealgate_set_user_claims, text(name, "name"), claims_text(claims))

    def user_claims(self, name: str) -> dict[str, Any]:
        """The custom claims of an account. They are for its logins: tokens from ``issue_token`` do not get them.

        :raises NotFoundError: if there is no such account.
        """
        handle, place, user = opened(self._handle, "gate"), take_buffer(), text(name, "name")
        claims: dict[str, Any] = json.loads(
            bytes_of(LIBRARY.sealgate_user_claims(handle, user, len(user), place[1]), place)
        )
        return claims

    def disable_user(self, name: str) -> None:
        """Disables an account, which revokes all its tokens permanently.

        :raises NotFoundError: if there is no such account.
        """
        self._call(LIBRARY.sealgate_set_user_disabled, text(name, "name"), 1)

    def enable_user(self, name: str) -> None:
        """Enables an account again.

        :raises NotFoundError: if there is no such account.
        """
        self._call(LIBRARY.sealgate_set_user_disabled, text(name, "name"), 0)

    def remove_user(self, name: str) -> None:
        """Removes an account and revokes all its tokens.

        :raises NotFoundError: if there is no such account.
        """
        self._call(LIBRARY.sealgate_remove_user, text(name, "name"))

    def check_password(self, name: str, password: str, source: str = "") -> tuple[str, ...]:
        """Checks a password and returns the scopes of the account.

        :param source: the client's address (``request.remote_addr``), or anything else that identifies its location: wrong
            passwords for one name from one source make further attempts wait, longer each time. Pass it: without it all
            clients share one source, so an attacker who guesses makes everybody wait.
        :raises LoginFailedError: for an unknown name, a wrong password and a disabled account alike.
        :raises RateLimitedError: with ``retry_after``, while further attempts have to wait.
        """
        handle, wait, place = opened(self._handle, "gate"), c_uint64(), take_buffer()
        user, secret, origin = text(name, "name"), text(password, "password"), text(source, "source")
        status = LIBRARY.sealgate_check_password(
            handle, user, len(user), secret, len(secret), origin, len(origin), place[1], byref(wait)
        )
        return tuple(waited(lambda: text_of(status, place), wait).split())

    def log_in(self, name: str, password: str, scope: Union[str, Iterable[str]] = "", source: str = "") -> Tokens:
        """Checks a password as :meth:`check_password` does, and returns tokens.

        :param scope: restricts what the tokens may be used for; an empty one keeps all scopes of the account.
        :raises InvalidArgumentError: if that is more than the account has.
        """
        handle, wait = opened(self._handle, "gate"), c_uint64()
        token, again = take_buffer(), take_buffer()
        user, secret, origin = text(name, "name"), text(password, "password"), text(source, "source")
        names = text(scope_text(scope), "scope")
        status = LIBRARY.sealgate_log_in(
            handle, user, len(user), secret, len(secret), origin, len(origin), names, len(names),
            token[1], again[1], byref(wait),
        )  # fmt: skip
        tokens: Tokens = waited(lambda: _both(status, token, again), wait)
        return tokens

    def refresh(self, refresh_token: str, scope: Union[str, Iterable[str]] = "") -> Tokens:
        """Exchanges a refresh token for new tokens; it can be used only once. A second use revokes all tokens of its login.

        :raises TokenError: if it is rejected; the subclass gives the reason.
        """
        handle, token, again = opened(self._handle, "gate"), take_buffer(), take_buffer()
        used, names = text(refresh_token, "refresh_token"), text(scope_text(scope), "scope")
        status = LIBRARY.sealgate_refresh(handle, used, len(used), names, len(names), token[1], again[1])
        return _both(status, token, again)

    def revoke_token(self, token: str) -> str:
        """Revokes a token, an access token together with its login. Returns the user that it was issued to.

        :raises TokenError: if it is not a token that could be used.
        """
        handle, place, encoded = opened(self._handle, "gate"), take_buffer(), text(token, "token")
        status = LIBRARY.sealgate_revoke_token(handle, encoded, len(encoded), place[1])
        return text_of(status, place)

    def revoke_token_id(self, id: str, expires_at: int = 0) -> None:
        """Revokes a token by its id, ``Claims.id``.

        :param expires_at: when the token expires, in seconds since 1970-01-01 UTC; the revocation is kept until then. 0 if
            that is not known.
        """
        self._call(
            LIBRARY.sealgate_revoke_token_id, text(id, "id"), number(expires_at, "expires_at", _UINT64_MAX)
        )

    def revoke_user(self, user: str) -> None:
        """Revokes all tokens issued to a user until now, and ends all the user's logins."""
        self._call(LIBRARY.sealgate_revoke_user, text(user, "user"))


def _both(status: int, token: Any, again: Any) -> Tokens:
    if status:  # neither of them holds anything
        fail(status)
    return Tokens(text_of(0, token), text_of(0, again))


def waited(result: Any, wait: c_uint64) -> Any:
    """Calls ``result``, and adds how long to wait to its RateLimitedError."""
    try:
        return result()
    except RateLimitedError as error:
        error.retry_after = wait.value / 1000
        raise
