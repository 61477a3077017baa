"""Settings for gates and servers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ctypes import byref
from typing import Optional, Union

from ._load import HELD, LIBRARY
from ._memory import Data, Handle, lend, text
from .errors import check

__all__ = ["Config"]

Value = Union[str, bytes, bytearray, int, "os.PathLike[str]"]


class _ConfigHandle(Handle):
    __slots__ = ()
    free = LIBRARY.sealgate_config_free


class Config:
    """Settings by their names in the settings file (``token_ttl``) or in the environment (``SEALGATE_TOKEN_TTL``).

    ``settings`` and keyword arguments take precedence over the environment, and the environment over the file.

    :param environment: also load the process environment (JWT_SECRET_KEY, AES_KEY, SEALGATE_..., the file that
        SEALGATE_CONFIG names) and, if no data directory is set, use the one of ``sealgate serve``: programs on one machine
        then share keys. Otherwise the environment is not read.
    :param file: a settings file (TOML).

    Values are text, numbers, paths or, for keys, bytes. They are checked when a gate or a server is created.

        >>> Config({"token_ttl": 300}, keys="ephemeral", aes_key=b"a key that no repr may ever show")
        Config(token_ttl, keys, aes_key)
    """

    def __init__(
        self,
        settings: Optional[Mapping[str, Value]] = None,
        *,
        environment: bool = False,
        file: Union[str, os.PathLike[str], None] = None,
        **more: Value,
    ) -> None:
        self._settings = {**(settings or {}), **more}
        self._environment = environment
        self._file = None if file is None else os.fsencode(file)
        if self._file is not None and b"\0" in self._file:
            raise ValueError("file has a NUL in its name")

    def __repr__(self) -> str:
        names = list(self._settings)
        names += ["environment"] * self._environment + ["file"] * (self._file is not None)
        return f"Config({', '.join(names)})"

    def _handle(self) -> Handle:
        """The same settings as a library object."""
        config = _ConfigHandle()
        check(LIBRARY.sealgate_config_new(byref(config)))
        if self._file is not None:
            check(LIBRARY.sealgate_config_load_file(config, self._file))
        if self._environment:
            # With Python's lock held: otherwise another thread could change the environment during the call.
            check(HELD.sealgate_config_load_env(config))
        for name, value in self._settings.items():
            key = text(name, "the name of a setting")
            data, size, view = lend(_value(name, value))
            try:
                check(LIBRARY.sealgate_config_set(config, key, len(key), data, size))
            finally:
                if view is not None:
                    view.release()
        return config


def config_of(config: Union[Config, Mapping[str, Value], None], settings: Mapping[str, Value]) -> Config:
    """A constructor's arguments as one configuration; without any it is the environment's."""
    if config is None:
        return Config(settings, environment=not settings)
    if isinstance(config, Config):
        if settings:
            raise TypeError("pass settings in the Config or as keyword arguments, not both")
        return config
    return Config({**config, **settings})


def _value(name: str, value: Value) -> Data:
    if isinstance(value, os.PathLike):
        return os.fsencode(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        return value
    raise TypeError(f"the setting {name} must be str, bytes, int or a path, not {type(value).__name__}")

