"""Sealgate from Python: tokens, encryption and masking over the shared library, with ctypes alone.

    >>> import sealgate
    >>> gate = sealgate.Gate(keys="ephemeral")
    >>> gate.decrypt(gate.encrypt("meet me at noon")).decode()
    'meet me at noon'
    >>> gate.verify_token(gate.issue_token("alice"))["sub"]
    'alice'

The shared library is taken from the environment variable SEALGATE_LIBRARY, else from beside this file, else from the
build folder of the source tree, else from where the system looks for libraries.
"""

from __future__ import annotations

import json
from ctypes import byref, c_size_t, c_void_p, string_at
from typing import Any, Dict, Optional, Union

from ._library import LIBRARY, Buffer, SealgateError, check

__all__ = ["Gate", "SealgateError", "mask_data", "version"]

Data = Union[str, bytes, bytearray]

OPEN_LOGIN_SCOPE = "secure-data encrypt decrypt"


def version() -> str:
    """The version of the shared library."""
    return LIBRARY.sealgate_version_string().decode()


def mask_data(data: str, visible_chars: int = 3) -> str:
    """Replaces all but the first ``visible_chars`` characters by ``*``.

    >>> mask_data("my_password")
    'my_********'
    """
    text = data.encode()
    return _filled(LIBRARY.sealgate_mask_data, text, len(text), visible_chars).decode()


class Gate:
    """Issues and checks tokens, encrypts and decrypts data.

    Without arguments the environment configures it, with the command's data directory, so that it shares keys with
    ``sealgate serve`` on the same machine. With keyword arguments, settings by their names in the settings table, the
    environment is not read. May be used from any number of threads.
    """

    def __init__(self, **settings: Any) -> None:
        self._handle = c_void_p()
        if not settings:
            check(LIBRARY.sealgate_new(None, byref(self._handle)))
            return
        config = c_void_p()
        check(LIBRARY.sealgate_config_new(byref(config)))
        try:
            for name, value in settings.items():
                key, text = name.encode(), _bytes(value if isinstance(value, (str, bytes)) else str(value))
                check(LIBRARY.sealgate_config_set(config, key, len(key), text, len(text)))
            check(LIBRARY.sealgate_new(config, byref(self._handle)))
        finally:
            LIBRARY.sealgate_config_free(config)

    def close(self) -> None:
        """Frees the gate; its keys are wiped. May be called twice."""
        handle, self._handle = self._handle, c_void_p()
        LIBRARY.sealgate_free(handle)

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self.close()

    def issue_token(self, subject: str, scope: str = OPEN_LOGIN_SCOPE, ttl: Optional[int] = None) -> str:
        """Issues a token for the user ``subject`` that lives ``ttl`` seconds (the setting token_ttl if not given)."""
        user, names = subject.encode(), scope.encode()
        return _filled(
            LIBRARY.sealgate_issue_token, self._handle, user, len(user), names, len(names), ttl or 0
        ).decode()

    def verify_token(self, token: str) -> Dict[str, Any]:
        """Checks a token and gives its claims. Raises SealgateError, whose ``code`` tells why it is refused."""
        text = token.encode()
        claims, data, size = c_void_p(), c_void_p(), c_size_t()
        check(LIBRARY.sealgate_verify_token(self._handle, text, len(text), byref(claims)))
        try:
            check(LIBRARY.sealgate_claims_json(claims, byref(data), byref(size)))
            result: Dict[str, Any] = json.loads(string_at(data.value, size.value))
            return result
        finally:
            LIBRARY.sealgate_claims_free(claims)

    def encrypt(self, data: Data, context: Data = b"") -> str:
        """Encrypts text or bytes and gives base64. The same ``context`` is needed to decrypt."""
        message, place = _bytes(data), _bytes(context)
        return _filled(
            LIBRARY.sealgate_encrypt_data, self._handle, message, len(message), place, len(place)
        ).decode()

    def decrypt(self, encrypted_data: str, context: Data = b"") -> bytes:
        """Decrypts what any door encrypted with the same keys. Raises SealgateError, one code for every cause."""
        text, place = encrypted_data.encode(), _bytes(context)
        return _filled(LIBRARY.sealgate_decrypt_data, self._handle, text, len(text), place, len(place))


def _bytes(data: Data) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)


def _filled(function: Any, *arguments: Any) -> bytes:
    """Calls a function whose last argument is a buffer, and takes the bytes out of it."""
    buffer = Buffer()
    check(function(*arguments, byref(buffer)))
    try:
        return string_at(buffer.data, buffer.size)
    finally:
        LIBRARY.sealgate_buffer_free(byref(buffer))
