"""The original program's functions, under their names, on one gate that the environment configures.

A Flask program that defined them can import them instead. Failures raise a :class:`~sealgate.SealgateError`, whose
``http_status`` is the status to respond with.
"""

from __future__ import annotations

from typing import Any

from .claims import Claims
from .errors import RateLimitedError, TokenMissingError
from .gate import Admission, Gate, mask_data

__all__ = ["decrypt_data", "default_gate", "encrypt_data", "enforce_rate_limit", "mask_data", "verify_token"]

#: The one gate, once it has been created.
_gates: dict[str, Gate] = {}


def default_gate() -> Gate:
    """The gate behind the functions of this module, created at first use: the environment configures it, and it shares keys
    with ``sealgate serve`` on the same machine. If that fails, the next call tries again.

    :raises SettingError: if the environment's settings are wrong.
    :raises KeyRingError: if the key ring is not usable.
    """
    # Without a lock: a function that receives log lines may call this too. The first gate stored is kept.
    return _gates.get("default") or _gates.setdefault("default", Gate())


def encrypt_data(data: str) -> str:
    """Encrypts a text and returns it as base64."""
    return default_gate().encrypt(data)


def decrypt_data(encrypted_data: str) -> str:
    """Decrypts a text from :func:`encrypt_data`, or from the server, the command or a C program with the same keys.

    :raises ValueError: if it cannot be decrypted (:class:`~sealgate.DecryptFailedError`) or is not text.
    """
    return default_gate().decrypt(encrypted_data).decode()


def enforce_rate_limit(username: str, policy: str = "default", cost: int = 1) -> Admission:
    """Counts a user's request, as :meth:`sealgate.Gate.admit` does.

    :param policy: ``default``, or a policy of the setting ``limits``.
    :param cost: how much the request costs.
    :raises RateLimitedError: if the limit is reached; its ``retry_after`` is in seconds.
    :raises InvalidArgumentError: if there is no such policy, or the cost is above its limit.
    """
    admission = default_gate().admit(username, policy, cost)
    if not admission:
        error = RateLimitedError("Rate limit exceeded. Please try again later.")
        error.retry_after = admission.retry_after
        raise error
    return admission


def verify_token(request: Any) -> Claims:
    """Verifies the token of a request and returns its claims; ``claims["username"]`` is the user.

    :param request: the token itself, or an object whose ``headers`` has ``get("Authorization")``, as Flask's, Django's and
        this package's requests have.
    :raises TokenError: if there is none (:class:`~sealgate.TokenMissingError`) or it is rejected.
    """
    if isinstance(request, (str, bytes)):
        return default_gate().verify_token(request)
    scheme, _, token = (request.headers.get("Authorization") or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenMissingError("Token is missing.")
    return default_gate().verify_token(token.strip())
