"""Sealgate: tokens, encryption, rate limits and masking, and a whole HTTP server, on top of one shared library.

    >>> import sealgate
    >>> gate = sealgate.Gate(keys="ephemeral")
    >>> gate.decrypt(gate.encrypt("meet me at noon")).decode()
    'meet me at noon'
    >>> gate.verify_token(gate.issue_token("alice")).subject
    'alice'

:class:`Gate` is the core, :class:`Server` serves it over HTTP, and the functions of :mod:`sealgate.original` have the names
of the original program's. The server, the command and C programs with the same keys accept what any of them creates.
"""

from __future__ import annotations

from . import errors
from ._callbacks import Verdict
from ._load import LIBRARY as _LIBRARY
from ._version import VERSION as __version__
from .accounts import Tokens
from .administration import User, UserSession
from .api_keys import ApiKey, NewApiKey
from .backup import BackupContents, Restored, back_up, restore
from .claims import Claims
from .clients import Client
from .config import Config
from .errors import *  # noqa: F403 - all its names are public
from .gate import OPEN_LOGIN_SCOPE, OVERHEAD, Admission, Gate
from .http import Answer, Headers, Request, Response
from .keys import ChangedKeys, Key, NewKeys
from .log import start_logging, stop_logging
from .original import decrypt_data, default_gate, encrypt_data, enforce_rate_limit, mask_data, verify_token
from .problems import HTTPError
from .server import Server
from .stream import OpeningReader, SealingWriter, Stream

__all__ = [
    "OPEN_LOGIN_SCOPE",
    "OVERHEAD",
    "Admission",
    "Answer",
    "ApiKey",
    "BackupContents",
    "ChangedKeys",
    "Claims",
    "Client",
    "Config",
    "Gate",
    "HTTPError",
    "Headers",
    "NewApiKey",
    "Key",
    "NewKeys",
    "OpeningReader",
    "Request",
    "Response",
    "Restored",
    "SealingWriter",
    "Server",
    "Stream",
    "Tokens",
    "User",
    "UserSession",
    "Verdict",
    "__version__",
    "back_up",
    "decrypt_data",
    "default_gate",
    "encrypt_data",
    "enforce_rate_limit",
    "has_feature",
    "mask_data",
    "restore",
    "start_logging",
    "stop_logging",
    "verify_token",
    "version",
]
__all__ += errors.__all__


def version() -> str:
    """The version of the shared library; ``__version__`` is the version of this package."""
    result: str = _LIBRARY.sealgate_version_string().decode()
    return result


def has_feature(name: str) -> bool:
    """Whether the library has a feature: ``server``, ``store``, ``tls``, ``unix-sockets``, ``vendored-openssl``, ..."""
    encoded = name.encode()
    return bool(_LIBRARY.sealgate_has_feature(encoded, len(encoded)))
