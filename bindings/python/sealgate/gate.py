"""The gate: all operations on data and limits; those on tokens and accounts are its bases."""

from __future__ import annotations

from collections.abc import Mapping
from ctypes import byref
from typing import Any, BinaryIO, NoReturn, Optional, Union

from ._load import HELD, LIBRARY
from ._memory import (
    SMALL,
    Data,
    Handle,
    bytes_of,
    lend,
    new_bytes,
    number,
    opened,
    put_size,
    take_buffer,
    take_size,
    text,
    text_of,
)
from .accounts import OPEN_LOGIN_SCOPE
from .administration import Administration
from .api_keys import ApiKeys
from .clients import Clients
from .config import Config, Value, config_of
from .errors import BufferTooSmallError, check, fail
from .keys import KeyRing
from .limits import Admission, Limits
from .signed import Signer
from .stream import OpeningReader, SealingWriter, Stream
from .tokens import TokenIssuer

__all__ = ["OPEN_LOGIN_SCOPE", "OVERHEAD", "Admission", "Gate", "mask_data"]

#: How many bytes longer sealed data is than the plaintext.
OVERHEAD: int = LIBRARY.sealgate_sealed_size(0)

_encrypt, _encrypt_small = LIBRARY.sealgate_encrypt_data, HELD.sealgate_encrypt_data
_decrypt, _decrypt_small = LIBRARY.sealgate_decrypt_data, HELD.sealgate_decrypt_data
_seal, _seal_small = LIBRARY.sealgate_seal_bytes, HELD.sealgate_seal_bytes
_open, _open_small = LIBRARY.sealgate_open_bytes, HELD.sealgate_open_bytes
_rewrap, _rewrap_small = LIBRARY.sealgate_rewrap_data, HELD.sealgate_rewrap_data
_BUFFER_TOO_SMALL = BufferTooSmallError.status
_UINT32_MAX = 2**32 - 1
_SIZE_MAX = 2**31 - 1  # enough for any number of characters


class _GateHandle(Handle):
    __slots__ = ()
    free = LIBRARY.sealgate_free


class Gate(TokenIssuer, Administration, ApiKeys, Clients, KeyRing, Limits, Signer):
    """Issues and verifies tokens, encrypts and decrypts data, counts requests.

        >>> from sealgate import Gate
        >>> with Gate(keys="ephemeral") as gate:
        ...     sealed = gate.encrypt("meet me at noon", context="notes/1")
        ...     gate.decrypt(sealed, context="notes/1")
        b'meet me at noon'

    Without arguments the environment configures it, with the command's data directory, so that it shares keys with
    ``sealgate serve`` on the same machine. With a :class:`~sealgate.Config`, a mapping or keyword settings, only those
    count: the environment is not read, and no directory is touched unless a setting asks for it.

    Any number of threads may use one gate at the same time; the interpreter's lock is released meanwhile. It also works in
    a forked child. :meth:`close`, or the end of the last reference, wipes its keys.

    :raises SettingError: if a setting is unknown, missing or invalid.
    :raises KeyRingError: if the key ring cannot be read, trusted or written.
    """

    _handle: Optional[Handle] = None

    def __init__(self, config: Union[Config, Mapping[str, Value], None] = None, **settings: Value) -> None:
        handle = _GateHandle()
        check(LIBRARY.sealgate_new(config_of(config, settings)._handle(), byref(handle)))
        self._handle = handle

    def close(self) -> None:
        """Frees the gate, once no other thread is in a call of it. May be called twice; other calls then raise."""
        self._handle = None

    def __enter__(self) -> Gate:
        opened(self._handle, "gate")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<sealgate.Gate{'' if self._handle else ', closed'}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Gate cannot be pickled: create one in each process, from the same settings")

    # Data

    def encrypt(self, data: Data, context: Data = b"", *, url_safe: bool = False) -> str:
        """Encrypts text or bytes and returns base64, which the server, the command and C programs decrypt with the same
        keys.

        :param data: text (as UTF-8) or any bytes-like object, at most 1 GiB.
        :param context: what the data belongs to, such as ``"orders/17/card"``. It is authenticated and not stored:
            decrypting needs the same one.
        :param url_safe: returns text for a URL or a cookie, base64url without padding. It records the time, for ``max_age``.
        :raises InvalidArgumentError: if the data is too large, or there is a context while AES-CBC is in use.
        """
        if url_safe:
            return self._encrypt_url_safe(data, context)
        status, place = self._filled(_encrypt_small, _encrypt, data, context)
        return text_of(status, place)

    def decrypt(
        self, encrypted_data: Union[str, bytes], context: Data = b"", *, max_age: Optional[int] = None
    ) -> bytes:
        """Decrypts text from :meth:`encrypt`, the server, the command or a C program. ``.decode()`` turns it into text.

        :param max_age: how many seconds ago it may have been encrypted, with ``url_safe=True``. None permits any data.
        :raises DecryptFailedError: if decryption fails, whatever the cause.
        :raises NotFreshError: if the data is authentic, but older, dated in the future, or without a time.
        """
        encoded = text(encrypted_data, "encrypted_data")
        if max_age is not None:
            return self._decrypt_fresh(encoded, context, max_age)
        status, place = self._filled(_decrypt_small, _decrypt, encoded, context)
        return bytes_of(status, place)

    def rewrap(self, encrypted_data: Union[str, bytes], context: Data = b"") -> str:
        """Seals encrypted data again, under the newest key and with the same context: data from :meth:`encrypt`, and the
        original program's AES-CBC if the setting ``cbc`` is ``open``.

        :raises DecryptFailedError: if decryption fails, whatever the cause.
        """
        encoded = text(encrypted_data, "encrypted_data")
        status, place = self._filled(_rewrap_small, _rewrap, encoded, context)
        return text_of(status, place)

    def seal_stream(self, context: Data = b"") -> Stream:
        """Starts sealing data of any size, piece by piece.

        :param context: as for :meth:`encrypt`, at most 64 KiB.
        """
        return Stream(LIBRARY.sealgate_stream_seal, self._handle, context)

    def open_stream(self, context: Data = b"") -> Stream:
        """Starts opening data from :meth:`seal_stream`, :meth:`sealing`, ``sealgate encrypt --out`` or a C program."""
        return Stream(LIBRARY.sealgate_stream_open, self._handle, context)

    def sealing(self, file: BinaryIO, context: Data = b"") -> SealingWriter:
        """Returns a file to write to, which seals into ``file``."""
        return SealingWriter(self.seal_stream(context), file)

    def opening(self, file: BinaryIO, context: Data = b"") -> OpeningReader:
        """Returns a file to read from, which opens the contents of ``file``."""
        return OpeningReader(self.open_stream(context), file)

    def _filled(self, small: Any, large: Any, data: Data, context: Data) -> tuple[int, Any]:
        handle = self._handle or opened(None, "gate")
        if type(data) is bytes and type(context) is bytes and len(data) < SMALL:  # the fast path of most calls
            place = take_buffer()
            return small(handle, data, len(data), context, len(context), place[1]), place
        source, size, view = lend(data)
        about, about_size, about_view = lend(context)
        place = take_buffer()
        try:
            function = small if size < SMALL else large
            return function(handle, source, size, about, about_size, place[1]), place
        finally:
            if view is not None:
                view.release()
            if about_view is not None:
                about_view.release()

    def seal(self, data: Data, context: Data = b"") -> bytes:
        """Like :meth:`encrypt`, but returns bytes: :data:`OVERHEAD` more than the data has, always in the sealed format.

        A bytes-like object is not copied; no other thread may change it during the call.

            >>> gate = Gate(keys="ephemeral")
            >>> gate.open(gate.seal(bytearray(3), context="a"), context="a")
            b'\\x00\\x00\\x00'
        """
        handle = self._handle or opened(None, "gate")
        if type(data) is bytes and type(context) is bytes and len(data) < SMALL:  # the fast path of most calls
            size = len(data)
            sealed, written = new_bytes(None, size + OVERHEAD), take_size()
            status = _seal_small(handle, data, size, context, len(context), sealed, size + OVERHEAD, written[1])
            put_size(written)
            if status:
                fail(status)
            return sealed
        source, size, view = lend(data)
        about, about_size, about_view = lend(context)
        written = take_size()
        try:
            room = size + OVERHEAD
            sealed = new_bytes(None, room)
            function = _seal_small if size < SMALL else _seal
            status = function(handle, source, size, about, about_size, sealed, room, written[1])
        finally:
            put_size(written)
            if view is not None:
                view.release()
            if about_view is not None:
                about_view.release()
        if status:
            fail(status)
        return sealed

    def open(self, sealed: Data, context: Data = b"") -> bytes:
        """Opens bytes from :meth:`seal`.

        :raises DecryptFailedError: if decryption fails, whatever the cause.
        """
        handle = self._handle or opened(None, "gate")
        if type(sealed) is bytes and type(context) is bytes and OVERHEAD <= len(sealed) < SMALL:  # as above
            size = len(sealed)
            room = size - OVERHEAD
            data, written = new_bytes(None, room), take_size()
            status = _open_small(handle, sealed, size, context, len(context), data, room, written[1])
            size = written[0].value
            put_size(written)
            if status == 0:
                return data if size == room else data[:size]
            if status != _BUFFER_TOO_SMALL:
                fail(status)
        source, size, view = lend(sealed)
        about, about_size, about_view = lend(context)
        written = take_size()
        try:
            function = _open_small if size < SMALL else _open
            room = max(size - OVERHEAD, 0)
            data = new_bytes(None, room)
            status = function(handle, source, size, about, about_size, data, room, written[1])
            if status == _BUFFER_TOO_SMALL:  # the original's AES-CBC has less overhead
                room = written[0].value
                data = new_bytes(None, room)
                status = function(handle, source, size, about, about_size, data, room, written[1])
            size = written[0].value
        finally:
            put_size(written)
            if view is not None:
                view.release()
            if about_view is not None:
                about_view.release()
        if status:
            fail(status)
        return data if size == room else data[:size]

    def seal_into(self, data: Data, out: Any, context: Data = b"") -> int:
        """Seals into the beginning of ``out`` and returns the number of bytes: :data:`OVERHEAD` more than the data has.

        :param out: a writable bytes-like object, such as a bytearray, which must not overlap the data.
        :raises BufferTooSmallError: if ``out`` is too small.
        """
        return self._into(_seal, data, out, context)

    def open_into(self, sealed: Data, out: Any, context: Data = b"") -> int:
        """Opens into the beginning of ``out`` and returns the number of bytes.

        Unlike the bytes from :meth:`open`, a bytearray can be overwritten once its secret is no longer needed.

        :raises BufferTooSmallError: if ``out`` is too small.
        :raises DecryptFailedError: if decryption fails, whatever the cause.
        """
        return self._into(_open, sealed, out, context)

    def _into(self, function: Any, data: Data, out: Any, context: Data) -> int:
        handle = opened(self._handle, "gate")
        views = []
        written = take_size()
        try:
            source, size, view = lend(data)
            views.append(view)
            about, about_size, view = lend(context)
            views.append(view)
            target, room, view = lend(out, writable=True)
            views.append(view)
            check(function(handle, source, size, about, about_size, target, room, written[1]))
            return written[0].value
        finally:
            put_size(written)
            for view in views:
                if view is not None:
                    view.release()

    # Names

    def mask(self, data: str, visible_chars: int = 3) -> str:
        """Replaces all but the first ``visible_chars`` characters with ``*``."""
        return mask_data(data, visible_chars)


def mask_data(data: str, visible_chars: int = 3) -> str:
    """Replaces all but the first ``visible_chars`` characters with ``*``. The original program's function of this name.

    >>> mask_data("my_password")
    'my_********'
    """
    encoded = text(data, "data")
    count = number(visible_chars, "visible_chars", _SIZE_MAX)
    place = take_buffer()
    return text_of(LIBRARY.sealgate_mask_data(encoded, len(encoded), count, place[1]), place)
