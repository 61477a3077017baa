"""The original program's functions, by their names, over one gate that the environment configures.

A Flask program that had them can import them instead. What fails raises a :class:`~sealgate.SealgateError`, whose
``http_status`` is what a web program answers.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Optional

from .claims import Claims
from .errors import RateLimitedError, TokenMissingError
from .gate import Admission, Gate, mask_data

__all__ = ["decrypt_data", "default_gate", "encrypt_data", "enforce_rate_limit", "mask_data", "verify_token"]

_gate: Optional[Gate] = None
_choosing = threading.Lock()


def default_gate() -> Gate:
    """The gate behind the functions of this module, made at its first use: the environment configures it, and it shares
    keys with ``sealgate serve`` on the same machine. Where that fails, the next call tries again.

    :raises SettingError: where the environment's settings are wrong.
    :raises KeyRingError: where the key ring is not usable.
    """
    global _gate
    if _gate is None:
        # Made before the lock is taken: a function that takes its log lines may call this too.
        made = Gate()
        with _choosing:
            if _gate is None:
                _gate = made
    return _gate


def _after_fork() -> None:
    # Another thread of the parent may have held it, and is not here to let it go.
    global _choosing
    _choosing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


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
