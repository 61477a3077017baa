"""People with passwords, and tokens that are taken back: the part of a gate that lives in the data directory's store."""

from __future__ import annotations

from collections.abc import Iterable
from ctypes import byref, c_uint64
from typing import Any, NamedTuple, Optional, Union

from ._load import LIBRARY
from ._memory import Handle, lend, number, opened, take_buffer, text, text_of
from .errors import RateLimitedError, check, fail

__all__ = ["OPEN_LOGIN_SCOPE", "Accounts", "Tokens", "scope_text"]

#: What tokens may be used for that anybody can log in for, and those of accounts that are made without other scopes.
OPEN_LOGIN_SCOPE = "secure-data encrypt decrypt"

_UINT64_MAX = 2**64 - 1


class Tokens(NamedTuple):
    """What a login gives."""

    #: The access token.
    token: str
    #: What :meth:`Accounts.refresh` takes once; empty where the setting ``refresh_ttl`` is 0.
    refresh_token: str


def scope_text(scope: Union[str, Iterable[str]]) -> str:
    """Scope names with single spaces between."""
    return scope if isinstance(scope, str) else " ".join(scope)


class Accounts:
    """Accounts, logins and revocation. Every gate, server and command with the same data directory shares them, and what
    changes is in effect everywhere within a second.

        >>> from sealgate import Gate
        >>> gate = Gate(keys="ephemeral")
        >>> gate.add_user("alice", "a long enough secret", scope=["encrypt", "decrypt"])
        >>> gate.check_password("alice", "a long enough secret")
        ('encrypt', 'decrypt')
        >>> tokens = gate.log_in("alice", "a long enough secret", scope="decrypt")
        >>> gate.revoke_token(tokens.token)
        'alice'

    Passwords take as long as their hash, some tens of milliseconds; the interpreter's lock is given up meanwhile.
    """

    _handle: Optional[Handle] = None

    def _call(self, function: Any, *arguments: Any) -> None:
        handle = opened(self._handle, "gate")
        values: list[Any] = []
        views = []
        try:
            for argument in arguments:
                if isinstance(argument, int):
                    values.append(argument)
                    continue
                address, size, view = lend(argument)
                values += [address, size]
                views.append(view)
            check(function(handle, *values))
        finally:
            for view in views:
                if view is not None:
                    view.release()

    def add_user(self, name: str, password: str, scope: Union[str, Iterable[str]] = OPEN_LOGIN_SCOPE) -> None:
        """Makes an account. As soon as there has been one, tokens of users without an account are refused.

        :param password: 8 to 128 characters, none of those that everybody tries first.
        :param scope: all that tokens of the account may have.
        :raises UserExistsError: where there is an account of this name; as the next two an InvalidArgumentError.
        :raises InvalidNameError: where the name is empty, longer than 256 characters, or has control characters.
        :raises WeakPasswordError: where the password will not do.
        :raises InvalidArgumentError: where the scope is malformed.
        :raises StoreError: where the store cannot be used.
        """
        self._call(LIBRARY.sealgate_add_user, text(name, "name"), text(password, "password"), scope_text(scope))

    def set_user_password(self, name: str, password: str) -> None:
        """Gives an account another password, and takes all its tokens back.

        :raises NotFoundError: where there is no such account.
        :raises WeakPasswordError: where the password will not do.
        """
        self._call(LIBRARY.sealgate_set_user_password, text(name, "name"), text(password, "password"))

    def set_user_scope(self, name: str, scope: Union[str, Iterable[str]]) -> None:
        """Gives an account other scopes. Where one is taken away, so are all its tokens.

        :raises NotFoundError: where there is no such account.
        """
        self._call(LIBRARY.sealgate_set_user_scope, text(name, "name"), scope_text(scope))

    def disable_user(self, name: str) -> None:
        """Switches an account off, which takes all its tokens back for good.

        :raises NotFoundError: where there is no such account.
        """
        self._call(LIBRARY.sealgate_set_user_disabled, text(name, "name"), 1)

    def enable_user(self, name: str) -> None:
        """Switches an account on again.

        :raises NotFoundError: where there is no such account.
        """
        self._call(LIBRARY.sealgate_set_user_disabled, text(name, "name"), 0)

    def remove_user(self, name: str) -> None:
        """Removes an account, and takes all its tokens back.

        :raises NotFoundError: where there is no such account.
        """
        self._call(LIBRARY.sealgate_remove_user, text(name, "name"))

    def check_password(self, name: str, password: str, source: str = "") -> tuple[str, ...]:
        """Checks a password and gives the scopes of the account.

        :param source: the client's address (``request.remote_addr``), or anything else that stands for where it is: wrong
            passwords for one name from one source make further tries wait, longer and longer. Pass it: without, everybody
            is one source, and whoever guesses makes all others wait.
        :raises LoginFailedError: for an unknown name, a wrong password and an account that is switched off alike.
        :raises RateLimitedError: with ``retry_after``, while further tries have to wait.
        """
        handle, wait, place = opened(self._handle, "gate"), c_uint64(), take_buffer()
        user, secret, origin = text(name, "name"), text(password, "password"), text(source, "source")
        status = LIBRARY.sealgate_check_password(
            handle, user, len(user), secret, len(secret), origin, len(origin), place[1], byref(wait)
        )
        return tuple(_waited(lambda: text_of(status, place), wait).split())

    def log_in(self, name: str, password: str, scope: Union[str, Iterable[str]] = "", source: str = "") -> Tokens:
        """Checks a password as :meth:`check_password` does, and gives tokens.

        :param scope: narrows what the tokens may do; an empty one leaves all that the account has.
        :raises InvalidArgumentError: where that is more than the account has.
        """
        handle, wait = opened(self._handle, "gate"), c_uint64()
        token, again = take_buffer(), take_buffer()
        user, secret, origin = text(name, "name"), text(password, "password"), text(source, "source")
        names = text(scope_text(scope), "scope")
        status = LIBRARY.sealgate_log_in(
            handle, user, len(user), secret, len(secret), origin, len(origin), names, len(names),
            token[1], again[1], byref(wait),
        )  # fmt: skip
        tokens: Tokens = _waited(lambda: _both(status, token, again), wait)
        return tokens

    def refresh(self, refresh_token: str, scope: Union[str, Iterable[str]] = "") -> Tokens:
        """Gives new tokens for a refresh token, which is used up by that. A second use takes all tokens of its login back.

        :raises TokenError: where it is refused; the subclass tells why.
        """
        handle, token, again = opened(self._handle, "gate"), take_buffer(), take_buffer()
        used, names = text(refresh_token, "refresh_token"), text(scope_text(scope), "scope")
        status = LIBRARY.sealgate_refresh(handle, used, len(used), names, len(names), token[1], again[1])
        return _both(status, token, again)

    def revoke_token(self, token: str) -> str:
        """Takes a token back, an access token with the login that it comes from. Gives the user that it was for.

        :raises TokenError: where it is none that could be used.
        """
        handle, place, encoded = opened(self._handle, "gate"), take_buffer(), text(token, "token")
        status = LIBRARY.sealgate_revoke_token(handle, encoded, len(encoded), place[1])
        return text_of(status, place)

    def revoke_token_id(self, id: str, expires_at: int = 0) -> None:
        """Takes a token back by its own id, ``Claims.id``.

        :param expires_at: when it ends by itself, in seconds since 1970-01-01 UTC, until when this is remembered; 0 where
            that is not known.
        """
        self._call(
            LIBRARY.sealgate_revoke_token_id, text(id, "id"), number(expires_at, "expires_at", _UINT64_MAX)
        )

    def revoke_user(self, user: str) -> None:
        """Takes back all tokens of a user that were issued until now, and ends all logins."""
        self._call(LIBRARY.sealgate_revoke_user, text(user, "user"))


def _both(status: int, token: Any, again: Any) -> Tokens:
    if status:  # neither of them holds anything
        fail(status)
    return Tokens(text_of(0, token), text_of(0, again))


def _waited(result: Any, wait: c_uint64) -> Any:
    try:
        return result()
    except RateLimitedError as error:
        error.retry_after = wait.value / 1000
        raise
