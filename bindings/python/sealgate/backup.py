"""Backups of the data directory: keys and accounts in one file, and back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional, Union

from ._load import LIBRARY
from ._memory import bytes_of, take_buffer, text
from .config import Config, Value, config_of

__all__ = ["BackupContents", "Restored", "back_up", "restore"]

Settings = Union[Config, Mapping[str, Value], None]


class BackupContents(NamedTuple):
    """What a backup contains."""

    #: When it was made, in seconds since 1970-01-01 UTC.
    created: int
    #: How many accounts; None if there is no store.
    accounts: Optional[int]
    #: How many logins that can be refreshed; None if there is no store.
    sessions: Optional[int]
    #: Whether there is a key ring.
    ring: bool
    #: Whether the ring's file is sealed: the backup then does not contain the secret that opens it.
    ring_sealed: bool
    #: How many token keys; None if not known.
    token_keys: Optional[int]
    #: How many data keys; None if not known.
    data_keys: Optional[int]


class Restored(NamedTuple):
    """What a restore did."""

    #: The data directory.
    data_dir: str
    #: What it contains now.
    contents: BackupContents
    #: The directory with the state from before; None if there was none.
    kept: Optional[str]
    #: The ids of keys that were in use before and are missing now; None if the previous keys are not known.
    missing_keys: Optional[tuple[str, ...]]
    #: The ids of keys that are accepted again, although they were not any more; None if not known.
    accepted_again: Optional[tuple[str, ...]]


def back_up(
    path: Union[str, os.PathLike[str]], config: Settings = None, *, passphrase: str = "", **settings: Value
) -> BackupContents:
    """Writes keys, accounts, sessions and revocations to a new file, while gates and servers use them. The file appears once it
    is complete, readable by its owner only.

    :param path: the new file; an existing one is not replaced.
    :param config: names the data directory, as for :class:`~sealgate.Gate`; without arguments the environment does.
    :param passphrase: 12 to 1024 characters that the backup is sealed under. Without one it contains the keys as the ring's
        file does.
    :raises NotFoundError: if there are neither keys nor accounts.
    :raises InvalidArgumentError: if the file exists.
    """
    handle, place = config_of(config, settings)._handle(), take_buffer()
    secret = text(passphrase, "passphrase")
    status = LIBRARY.sealgate_back_up(handle, _file(path), secret, len(secret), place[1])
    return _contents(json.loads(bytes_of(status, place)))


def restore(
    path: Union[str, os.PathLike[str]],
    config: Settings = None,
    *,
    passphrase: str = "",
    force: bool = False,
    **settings: Value,
) -> Restored:
    """Replaces the state of the data directory by that of a backup, completely or not at all. No gate and no server may use
    the directory.

    :param force: replace existing keys and accounts too; they are kept in a directory inside the data directory.
    :raises InvalidArgumentError: if the backup is damaged or sealed under another passphrase, or there are keys or accounts.
    :raises StoreError: if a gate or a server uses the directory.
    """
    handle, place = config_of(config, settings)._handle(), take_buffer()
    secret = text(passphrase, "passphrase")
    status = LIBRARY.sealgate_restore(handle, _file(path), secret, len(secret), 1 if force else 0, place[1])
    done = json.loads(bytes_of(status, place))
    losses = done["losses"]

    def ids(name: str) -> Optional[tuple[str, ...]]:
        return None if losses is None else tuple(key["id"] for key in losses[name])

    return Restored(
        done["data_dir"], _contents(done["contents"]), done["kept"], ids("missing"), ids("accepted_again")
    )


def _contents(described: dict[str, Any]) -> BackupContents:
    return BackupContents(*(described[name] for name in BackupContents._fields))


def _file(path: Union[str, os.PathLike[str]]) -> bytes:
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("path has a NUL in its name")
    return name
