"""The original program's functions, by their names, over one gate that the environment configures.

A Flask program that had them can import them instead. What fails raises a :class:`~sealgate.SealgateError`, whose
``http_status`` is what a web program answers.
"""

from __future__ import annotations

from typing import Any

from .claims import Claims
from .errors import RateLimitedError, TokenMissingError
from .gate import Admission, Gate, mask_data

__all__ = ["decrypt_data", "default_gate", "encrypt_data", "enforce_rate_limit", "mask_data", "verify_token"]

#: The one gate, once it has been made.
_gates: dict[str, Gate] = {}


def default_gate() -> Gate:
    """The gate behind the functions of this module, made at its first use: the environment configures it, and it shares
    keys with ``sealgate serve`` on the same machine. Where that fails, the next call tries again.

    :raises SettingError: where the environment's settings are wrong.
    :raises KeyRingError: where the key ring is not usable.
    """
    # Without a lock: a function that takes its log lines may call this too. The first one that is there stays.
    return _gates.get("default") or _gates.setdefault("default", Gate())


def encrypt_data(data: str) -> str:
    """Encrypts a text and gives it as base64."""
    return default_gate().encrypt(data)


def decrypt_data(encrypted_data: str) -> str:
    """Decrypts what :func:`encrypt_data`, or any other door with the same keys, made of a text.

    :raises ValueError: where it does not open (:class:`~sealgate.DecryptFailedError`) or is no text.
    """
    return default_gate().decrypt(encrypted_data).decode()


def enforce_rate_limit(username: str) -> Admission:
    """Counts a request of a user.

    :raises RateLimitedError: where the limit is reached; its ``retry_after`` is in seconds.
    """
    admission = default_gate().admit(username)
    if not admission:
        error = RateLimitedError("Rate limit exceeded. Please try again later.")
        error.retry_after = admission.retry_after
        raise error
    return admission


def verify_token(request: Any) -> Claims:
    """Checks the token of a request and gives its claims; ``claims["username"]`` is the user.

    :param request: the token itself, or an object whose ``headers`` can be asked for ``Authorization``, as Flask's,
        Django's and this package's requests can.
    :raises TokenError: where there is none (:class:`~sealgate.TokenMissingError`) or it is refused.
    """
    if isinstance(request, (str, bytes)):
        return default_gate().verify_token(request)
    scheme, _, token = (request.headers.get("Authorization") or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenMissingError("Token is missing.")
    return default_gate().verify_token(token.strip())
