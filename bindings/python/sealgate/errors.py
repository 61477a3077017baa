"""What calls raise: :class:`SealgateError`, one subclass for each status of the library.

Each subclass is also one of Python's own exceptions that fits, so that code which catches ``ValueError`` around a decryption or
a token check goes on working.

    >>> issubclass(DecryptFailedError, ValueError), TokenExpiredError.code, TokenExpiredError.http_status
    (True, 'token_expired', 401)
"""

from __future__ import annotations

from ctypes import create_string_buffer
from typing import ClassVar, NoReturn

from ._load import HELD

__all__ = [
    "BufferTooSmallError",
    "CryptoError",
    "DecryptFailedError",
    "ForkedError",
    "InvalidArgumentError",
    "InvalidNameError",
    "InvalidUtf8Error",
    "IoError",
    "KeyRetiredError",
    "KeyRingError",
    "LoginFailedError",
    "NotFoundError",
    "NullPointerError",
    "PanicError",
    "RateLimitedError",
    "SealgateError",
    "SettingError",
    "StoreError",
    "TimedOutError",
    "TokenError",
    "TokenExpiredError",
    "TokenInvalidError",
    "TokenKeyRetiredError",
    "TokenMalformedError",
    "TokenMissingError",
    "TokenNotYetValidError",
    "TokenRevokedError",
    "TokenUncheckedError",
    "UserExistsError",
    "WeakPasswordError",
    "WouldDeadlockError",
    "WrongStateError",
]


class SealgateError(Exception):
    """A call failed. Decide by the class or by ``code``; the text is for people and logs, and never holds a secret."""

    #: The stable number of the status; 0 where it is one that this package does not know.
    status: ClassVar[int] = 0
    #: Its stable name.
    code: str = "unknown"
    #: What the HTTP API answers in such a case; a web program can answer the same.
    http_status: ClassVar[int] = 500


class NullPointerError(SealgateError, TypeError):
    """The library was given nothing where it needs something."""

    status, code = 1, "null_pointer"


class InvalidArgumentError(SealgateError, ValueError):
    """An argument is not acceptable."""

    status, code, http_status = 2, "invalid_argument", 400


class InvalidUtf8Error(SealgateError, UnicodeError):
    """A text is not UTF-8."""

    status, code, http_status = 3, "invalid_utf8", 400


class SettingError(SealgateError, ValueError):
    """A setting is unknown, missing or wrong."""

    status, code = 4, "setting"


class KeyRingError(SealgateError, OSError):
    """The key ring cannot be read, trusted or written."""

    status, code = 5, "key_ring"


class BufferTooSmallError(SealgateError, BufferError):
    """There is not enough room for the result."""

    status, code = 6, "buffer_too_small"


class StoreError(SealgateError, OSError):
    """The store of accounts and of what was taken back cannot be read, trusted or written."""

    status, code = 7, "store"


class TokenError(SealgateError, ValueError):
    """A token is refused. The subclass tells why; answer them all alike, with 401."""

    http_status = 401


class TokenMissingError(TokenError):
    """No token was given."""

    status, code = 10, "token_missing"


class TokenMalformedError(TokenError):
    """Not a token of ours by its form."""

    status, code = 11, "token_malformed"


class TokenInvalidError(TokenError):
    """Signed by somebody else, or for somebody else."""

    status, code = 12, "token_invalid"


class TokenExpiredError(TokenError):
    """Its time is over."""

    status, code = 13, "token_expired"


class TokenNotYetValidError(TokenError):
    """Its time has not begun."""

    status, code = 14, "token_not_yet_valid"


class TokenKeyRetiredError(TokenError):
    """It names a key of ours that is not accepted any more."""

    status, code = 15, "token_key_retired"


class TokenRevokedError(TokenError):
    """It was taken back, or its user's account is gone or switched off."""

    status, code = 16, "token_revoked"


class TokenUncheckedError(TokenError):
    """It cannot be known whether it was taken back, because the store cannot be read. Answer it with 503."""

    status, code, http_status = 17, "token_unchecked", 503


class DecryptFailedError(SealgateError, ValueError):
    """The data does not open: wrong key, wrong context, damaged, or not encrypted data. One class for every cause."""

    status, code, http_status = 20, "decrypt_failed", 400


class KeyRetiredError(SealgateError, ValueError):
    """The data was sealed under a key of ours that is not accepted any more."""

    status, code, http_status = 21, "key_retired", 400


class RateLimitedError(SealgateError, PermissionError):
    """The caller has used up its requests."""

    status, code, http_status = 30, "rate_limited", 429
    #: Seconds until a request will be admitted again.
    retry_after: float = 0.0


class LoginFailedError(SealgateError, PermissionError):
    """No such account, another password, or an account that is switched off. One class for every cause."""

    status, code, http_status = 31, "login_failed", 401


class NotFoundError(SealgateError, LookupError):
    """There is no account of this name."""

    status, code, http_status = 32, "not_found", 404


class UserExistsError(InvalidArgumentError):
    """There is an account of this name already."""

    status, code, http_status = 33, "user_exists", 409


class WeakPasswordError(InvalidArgumentError):
    """A new password is too short, too long or too well known."""

    status, code = 34, "weak_password"


class InvalidNameError(InvalidArgumentError):
    """An account cannot have this name."""

    status, code = 35, "invalid_name"


class WouldDeadlockError(SealgateError, RuntimeError):
    """From a callback, or a thread, that the call would have to wait for."""

    status, code = 40, "would_deadlock"


class ForkedError(SealgateError, RuntimeError):
    """A server in a process that was forked off after the server was made."""

    status, code = 41, "forked"


class WrongStateError(SealgateError, RuntimeError):
    """The object is not in the state for this call: it is closed, or a server already runs."""

    status, code = 42, "wrong_state"


class TimedOutError(SealgateError, TimeoutError):
    """The time was over before everything had ended."""

    status, code = 43, "timed_out"


class IoError(SealgateError, OSError):
    """The operating system refused something."""

    status, code = 50, "io"


class CryptoError(SealgateError, RuntimeError):
    """OpenSSL or the system's random generator failed."""

    status, code = 51, "crypto"


class PanicError(SealgateError, RuntimeError):
    """A fault inside the library. The object of the call refuses further use."""

    status, code = 60, "panic"


def _subclasses(cls: type[SealgateError]) -> list[type[SealgateError]]:
    found = [cls]
    for subclass in cls.__subclasses__():
        found += _subclasses(subclass)
    return found


_BY_STATUS = {cls.status: cls for cls in _subclasses(SealgateError) if cls.status}


def fail(status: int) -> NoReturn:
    """Raises what a status other than 0 stands for, with this thread's last sentence of the library."""
    sentence = create_string_buffer(HELD.sealgate_last_error(None, 0))
    HELD.sealgate_last_error(sentence, len(sentence))
    text = sentence.value.decode("utf-8", "replace")
    cls = _BY_STATUS.get(status)
    if cls is not None:
        raise cls(text)
    # A later library of the same interface may have more statuses.
    error = SealgateError(text)
    error.code = HELD.sealgate_status_name(status).decode()
    raise error


def check(status: int) -> None:
    """Raises what a status stands for, unless it is 0."""
    if status:
        fail(status)
