"""The key ring of a gate: listing, replacing, retiring, sealing, exporting and importing keys."""

from __future__ import annotations

import json
from ctypes import byref, c_uint64
from typing import Any, NamedTuple, Optional, Union

from ._load import LIBRARY
from ._memory import Data, Holder, bytes_of, call_lending, number, opened, take_buffer, text, text_of
from .errors import check

__all__ = ["ChangedKeys", "Key", "KeyRing", "NewKeys"]

_TOKEN, _DATA, _NOW = 1, 2, 4
_GRACE_DEFAULT = _UINT32_MAX = 2**32 - 1


class Key(NamedTuple):
    """A key, without its secret. Times are in seconds since 1970-01-01 UTC."""

    #: What it is for: ``token``, ``data`` or ``AES-CBC``.
    kind: str
    #: The id by which tokens or data name it; None for AES-CBC, which names none.
    id: Optional[str]
    #: The algorithm of a token key.
    algorithm: Optional[str]
    #: When it was created, if known.
    created: Optional[int]
    #: Whether it is used for new tokens or data.
    newest: bool
    #: When a token key that was published in advance starts to sign.
    signs_from: Optional[int]
    #: Whether its tokens or data are accepted.
    accepted: bool
    #: Until when they are; None if no limit is set.
    accepted_until: Optional[int]
    #: Where it comes from.
    source: str
    #: How many messages it has sealed; None for keys that are not counted.
    messages: Optional[int]


class NewKeys(NamedTuple):
    """Keys that were added to the ring."""

    #: The path of the ring's file.
    ring: str
    #: The path of the previous ring; None if there was none.
    backup: Optional[str]
    #: The new keys.
    added: tuple[Key, ...]


class ChangedKeys(NamedTuple):
    """Keys of the ring whose state has changed."""

    #: The path of the ring's file.
    ring: str
    #: Their ids.
    changed: tuple[str, ...]
    #: The ids of token keys that had not signed anything and were removed.
    withdrawn: tuple[str, ...]


class KeyRing(Holder):
    """Lists and changes the keys of a gate. The gate uses a change at once, other processes within half a second.

        >>> import tempfile
        >>> from sealgate import Gate
        >>> with tempfile.TemporaryDirectory() as folder, Gate(data_dir=folder) as gate:
        ...     sealed = gate.encrypt("meet me at noon")
        ...     new = gate.rotate_keys(token=False)
        ...     [(key.newest, key.messages) for key in gate.list_keys() if key.kind == "data"]
        [(False, 1), (True, 0)]

    With ephemeral keys, or keys from the settings alone, there is no ring: changes then raise
    :class:`~sealgate.SettingError`.
    """

    def list_keys(self) -> tuple[Key, ...]:
        """The keys that the gate uses, oldest first."""
        return tuple(_key(key) for key in self._keys(LIBRARY.sealgate_list_keys)["keys"])

    def generate_keys(self, *, token: bool = True, data: bool = True, now: bool = False) -> NewKeys:
        """Adds random keys as the newest. Existing keys stay, and are accepted indefinitely.

        :param token: add a key that signs tokens.
        :param data: add a key that encrypts data.
        :param now: the token key signs at once, even if it would be published first (the setting ``token_key_lead``).
        :raises SettingError: if there is no key ring, or a key from the settings is always the newest.
        :raises KeyRingError: if the ring cannot be used.
        """
        return _new(self._keys(LIBRARY.sealgate_generate_keys, _flags(token, data, now)))

    def rotate_keys(
        self, *, token: bool = True, data: bool = True, now: bool = False, grace: Optional[int] = None
    ) -> NewKeys:
        """Adds random keys that replace those in use.

        :param grace: how many seconds the replaced keys are still accepted. None: tokens until the last one has expired, data
            indefinitely. With 0 they and all older token keys are retired at once, which logs everybody out.
        :raises SettingError: as :meth:`generate_keys`, which has the other parameters.
        :raises KeyRingError: if the ring cannot be used.
        """
        seconds = _GRACE_DEFAULT if grace is None else number(grace, "grace", _UINT32_MAX - 1)
        return _new(self._keys(LIBRARY.sealgate_rotate_keys, _flags(token, data, now), seconds))

    def rotate_old_keys(self) -> tuple[Key, ...]:
        """Replaces keys that have reached the age limit in the settings, as a server does on its own. Returns the new ones.

        :raises KeyRingError: if the ring cannot be used.
        """
        return tuple(_key(key) for key in self._keys(LIBRARY.sealgate_rotate_old_keys))

    def retire_keys(self, *ids: str) -> ChangedKeys:
        """Stops accepting tokens and data that were made with these keys. The keys stay in the ring: :meth:`accept_keys` undoes
        this. A token key that has not signed anything yet is removed instead.

        :raises InvalidArgumentError: if no key of the ring has such an id, or the key is in use.
        """
        return _changed(self._keys(LIBRARY.sealgate_retire_keys, text(" ".join(ids), "ids")))

    def accept_keys(self, *ids: str, seconds: Optional[int] = None) -> ChangedKeys:
        """Accepts tokens and data that were made with these keys again.

        :param seconds: for how long; None is indefinitely.
        :raises InvalidArgumentError: if no key of the ring has such an id, or the key is in use.
        """
        limit = 0 if seconds is None else number(seconds, "seconds", _UINT32_MAX)
        if seconds is not None and not limit:
            raise ValueError("seconds must be at least 1")
        return _changed(self._keys(LIBRARY.sealgate_accept_keys, text(" ".join(ids), "ids"), limit))

    def seal_keys(self) -> str:
        """Rewrites the ring's file and its backup sealed under the secret that the settings name (``ring_key`` or
        ``ring_key_file``). Returns the path of the ring's file.

        :raises SettingError: if they name none, or there is no key ring.
        """
        return self._said(LIBRARY.sealgate_seal_keys).decode()

    def unseal_keys(self) -> str:
        """Rewrites the ring's file and its backup in the clear, readable by their owner only. Returns the path of the ring's
        file.
        """
        return self._said(LIBRARY.sealgate_unseal_keys).decode()

    def export_keys(self, passphrase: str) -> bytes:
        """Returns the ring sealed under a passphrase, for storing elsewhere or for another machine. Keys from the settings are
        not included.

        :param passphrase: 12 to 1024 characters.
        :raises InvalidArgumentError: if the passphrase is too short or too long.
        """
        return self._said(LIBRARY.sealgate_export_keys, text(passphrase, "passphrase"))

    def import_keys(self, exported: Data, passphrase: str) -> NewKeys:
        """Adds the keys of an exported ring. Existing keys do not change, and the newest stay the newest.

        :param exported: from :meth:`export_keys` or ``sealgate keys export``.
        :raises InvalidArgumentError: if the passphrase is another one, or this is not an exported ring.
        """
        return _new(self._keys(LIBRARY.sealgate_import_keys, exported, text(passphrase, "passphrase")))

    def reload_keys(self) -> None:
        """Reloads the ring, so that changes by other processes take effect at once.

        :raises KeyRingError: if it cannot be used; the previous keys stay in use.
        """
        check(LIBRARY.sealgate_reload_keys(opened(self._handle, "gate")))

    def key_trouble(self) -> Optional[str]:
        """Why the current key ring file is not in use, if so: the gate then uses the previous keys."""
        handle, place = opened(self._handle, "gate"), take_buffer()
        return text_of(LIBRARY.sealgate_key_trouble(handle, place[1]), place) or None

    def public_keys(self) -> dict[str, Any]:
        """The public keys that verify tokens, for other programs: a JSON Web Key Set (RFC 7517), as
        ``/.well-known/jwks.json`` serves it. It has no keys with HS256, whose keys are secret.
        """
        handle, place, max_age = opened(self._handle, "gate"), take_buffer(), c_uint64()
        status = LIBRARY.sealgate_public_keys(handle, place[1], byref(max_age))
        found: dict[str, Any] = json.loads(bytes_of(status, place))
        return found

    def _keys(self, function: Any, *arguments: Union[Data, int]) -> Any:
        return json.loads(self._said(function, *arguments))

    def _said(self, function: Any, *arguments: Union[Data, int]) -> bytes:
        """What a call whose last argument is a buffer puts there."""
        handle, place = opened(self._handle, "gate"), take_buffer()
        return bytes_of(call_lending(function, handle, arguments, place[1]), place)


def _flags(token: bool, data: bool, now: bool) -> int:
    if not token and not data:
        raise ValueError("token and data are both False: there is nothing to add")
    return _TOKEN * bool(token) | _DATA * bool(data) | _NOW * bool(now)


def _key(described: dict[str, Any]) -> Key:
    # Of a new key the number of messages is not listed.
    members: dict[str, Any] = {"messages": None, **described, "source": described["from"]}
    return Key(*(members[name] for name in Key._fields))


def _new(described: dict[str, Any]) -> NewKeys:
    return NewKeys(described["ring"], described["backup"], tuple(_key(key) for key in described["added"]))


def _changed(described: dict[str, Any]) -> ChangedKeys:
    changed = tuple(key["id"] for key in described["changed"])
    return ChangedKeys(described["ring"], changed, tuple(described["withdrawn"]))
