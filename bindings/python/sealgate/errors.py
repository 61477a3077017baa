"""The exceptions that calls raise: :class:`SealgateError`, with one subclass for each status of the library.

Each subclass also inherits from a fitting built-in exception, so that code which catches ``ValueError`` around a decryption
or a token check keeps working.

    >>> issubclass(DecryptFailedError, ValueError), TokenExpiredError.code, TokenExpiredError.http_status
    (True, 'token_expired', 401)
"""

from __future__ import annotations

from ctypes import create_string_buffer
from typing import ClassVar, NoReturn

from ._load import HELD

__all__ = [
    "AuditFailedError",
    "BufferTooSmallError",
    "CryptoError",
    "DecryptFailedError",
    "ForkedError",
    "InsufficientScopeError",
    "InvalidArgumentError",
    "InvalidNameError",
    "InvalidUtf8Error",
    "IoError",
    "KeyRetiredError",
    "KeyRingError",
    "LoginFailedError",
    "NotFoundError",
    "NotFreshError",
    "NullPointerError",
    "PanicError",
    "RateLimitedError",
    "SealgateError",
    "SettingError",
    "SignatureInvalidError",
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
    """A call failed. Use the class or ``code`` to decide; the text is for people and logs, and never contains a secret."""

    #: The stable number of the status; 0 if this package does not know it.
    status: ClassVar[int] = 0
    #: Its stable name.
    code: str = "unknown"
    #: The status code of the HTTP API in this case; a web program can use the same one.
    http_status: ClassVar[int] = 500


class NullPointerError(SealgateError, TypeError):
    """A required argument is missing."""

    status, code = 1, "null_pointer"


class InvalidArgumentError(SealgateError, ValueError):
    """An argument is invalid."""

    status, code, http_status = 2, "invalid_argument", 400


class InvalidUtf8Error(SealgateError, UnicodeError):
    """A text is not UTF-8."""

    status, code, http_status = 3, "invalid_utf8", 400


class SettingError(SealgateError, ValueError):
    """A setting is unknown, missing or invalid."""

    status, code = 4, "setting"


class KeyRingError(SealgateError, OSError):
    """The key ring cannot be read, trusted or written."""

    status, code = 5, "key_ring"


class BufferTooSmallError(SealgateError, BufferError):
    """The buffer is too small for the result."""

    status, code = 6, "buffer_too_small"


class StoreError(SealgateError, OSError):
    """The store of accounts and revocations cannot be read, trusted or written."""

    status, code = 7, "store"


class AuditFailedError(SealgateError, OSError):
    """The audit trail cannot be written, and the setting audit_fail is ``closed``: nothing was changed. Answer with 503."""

    status, code, http_status = 8, "audit_failed", 503


class TokenError(SealgateError, ValueError):
    """A token is rejected. The subclass gives the reason; give clients the same response for all of them, 401."""

    http_status = 401


class TokenMissingError(TokenError):
    """No token was given."""

    status, code = 10, "token_missing"


class TokenMalformedError(TokenError):
    """It does not have the form of a Sealgate token."""

    status, code = 11, "token_malformed"


class TokenInvalidError(TokenError):
    """The signature is not from these keys, or the token is meant for another recipient."""

    status, code = 12, "token_invalid"


class TokenExpiredError(TokenError):
    """It has expired."""

    status, code = 13, "token_expired"


class TokenNotYetValidError(TokenError):
    """It is not valid yet."""

    status, code = 14, "token_not_yet_valid"


class TokenKeyRetiredError(TokenError):
    """It names one of our keys that is no longer accepted."""

    status, code = 15, "token_key_retired"


class TokenRevokedError(TokenError):
    """It has been revoked, or its user's account has been removed or disabled."""

    status, code = 16, "token_revoked"


class TokenUncheckedError(TokenError):
    """Whether it has been revoked is unknown, because the store cannot be read. Answer with 503."""

    status, code, http_status = 17, "token_unchecked", 503


class InsufficientScopeError(SealgateError, PermissionError):
    """The token is valid, but lacks a scope. The integrations for web frameworks raise it; no call of the library does."""

    code, http_status = "insufficient_scope", 403
    #: The scopes that are needed, separated by spaces.
    scope: str = ""


class DecryptFailedError(SealgateError, ValueError):
    """The data cannot be decrypted: wrong key, wrong context, damaged, or not encrypted data. One class for every cause."""

    status, code, http_status = 20, "decrypt_failed", 400


class KeyRetiredError(SealgateError, ValueError):
    """The data was sealed under one of our keys that is no longer accepted."""

    status, code, http_status = 21, "key_retired", 400


class NotFreshError(SealgateError, ValueError):
    """The data is authentic, but older than the call permits, dated in the future, or without a time."""

    status, code, http_status = 22, "not_fresh", 400


class SignatureInvalidError(SealgateError, ValueError):
    """The signature is not valid: wrong key, wrong context, damaged, or not signed data. One class for every cause."""

    status, code, http_status = 23, "signature_invalid", 400


class RateLimitedError(SealgateError, PermissionError):
    """The user or client has used up its requests."""

    status, code, http_status = 30, "rate_limited", 429
    #: Seconds until a request will be admitted again.
    retry_after: float = 0.0


class LoginFailedError(SealgateError, PermissionError):
    """Unknown account, wrong password or disabled account. One class for every cause."""

    status, code, http_status = 31, "login_failed", 401


class NotFoundError(SealgateError, LookupError):
    """There is no account or claim with this name, or no such API key, client, login, store or key ring: what the call is
    about.
    """

    status, code, http_status = 32, "not_found", 404


class UserExistsError(InvalidArgumentError):
    """There is already an account with this name."""

    status, code, http_status = 33, "user_exists", 409


class WeakPasswordError(InvalidArgumentError):
    """A new password is too short, too long or too common."""

    status, code = 34, "weak_password"


class InvalidNameError(InvalidArgumentError):
    """The name is not valid for an account."""

    status, code = 35, "invalid_name"


class WouldDeadlockError(SealgateError, RuntimeError):
    """The call was made from a callback or a thread that it would have to wait for."""

    status, code = 40, "would_deadlock"


class ForkedError(SealgateError, RuntimeError):
    """The server is used in a process forked after the server was created."""

    status, code = 41, "forked"


class WrongStateError(SealgateError, RuntimeError):
    """The object is in the wrong state for this call: it is closed, or a server is already running."""

    status, code = 42, "wrong_state"


class TimedOutError(SealgateError, TimeoutError):
    """The time was up before everything had finished."""

    status, code = 43, "timed_out"


class IoError(SealgateError, OSError):
    """The operating system reported an error."""

    status, code = 50, "io"


class CryptoError(SealgateError, RuntimeError):
    """OpenSSL or the system's random generator failed."""

    status, code = 51, "crypto"


class PanicError(SealgateError, RuntimeError):
    """An internal fault of the library. The object of the call refuses further use."""

    status, code = 60, "panic"


def _subclasses(cls: type[SealgateError]) -> list[type[SealgateError]]:
    found = [cls]
    for subclass in cls.__subclasses__():
        found += _subclasses(subclass)
    return found


_BY_STATUS = {cls.status: cls for cls in _subclasses(SealgateError) if cls.status}


def fail(status: int) -> NoReturn:
    """Raises the exception for a status other than 0, with the error sentence of this thread's last failed call."""
    sentence = create_string_buffer(HELD.sealgate_last_error(None, 0))
    HELD.sealgate_last_error(sentence, len(sentence))
    text = sentence.value.decode("utf-8", "replace")
    cls = _BY_STATUS.get(status)
    if cls is not None:
        raise cls(text)
    # A later library with the same interface may have more statuses.
    error = SealgateError(text)
    error.code = HELD.sealgate_status_name(status).decode()
    raise error


def check(status: int) -> None:
    """Raises the exception for a status, unless it is 0."""
    if status:
        fail(status)
