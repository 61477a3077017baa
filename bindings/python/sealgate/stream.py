"""Seals and opens data of any size, piece by piece in constant memory."""

from __future__ import annotations

import errno
import io
from ctypes import byref, c_size_t
from typing import Any, BinaryIO, NoReturn, Optional

from ._fork import give_lock
from ._load import LIBRARY
from ._memory import Data, Handle, lend, new_bytes, opened
from .errors import check

__all__ = ["OpeningReader", "SealingWriter", "Stream"]

_PIECE = 1 << 20


class _StreamHandle(Handle):
    __slots__ = ()
    free = LIBRARY.sealgate_stream_free


class Stream:
    """A stream being sealed or opened: :meth:`push` the pieces, then :meth:`finish`.

    Created by ``Gate.seal_stream`` and ``Gate.open_stream``. When opening, only :meth:`finish` proves that the data is
    complete: a truncated stream fails there. Calls from several threads run one after another, in no particular order.
    """

    _lock: Any

    def __init__(self, begin: Any, gate: Optional[Handle], context: Data) -> None:
        """For internal use."""
        handle, stream = opened(gate, "gate"), _StreamHandle()
        about, size, view = lend(context)
        try:
            check(begin(handle, about, size, byref(stream)))
        finally:
            if view is not None:
                view.release()
        self._handle: Optional[Handle] = stream
        give_lock(self)  # the library allows one thread at a time

    def push(self, data: Data) -> bytes:
        """Seals or opens the next piece, of any size, and returns what is complete.

        :raises DecryptFailedError: if decryption fails, whatever the cause.
        """
        source, size, view = lend(data)
        try:
            with self._lock:
                handle = opened(self._handle, "stream")
                room = LIBRARY.sealgate_stream_push_size(handle, size)
                out, written = new_bytes(None, room), c_size_t()
                check(LIBRARY.sealgate_stream_push(handle, source, size, out, room, byref(written)))
        finally:
            if view is not None:
                view.release()
        return out if written.value == room else out[: written.value]

    def finish(self) -> bytes:
        """Ends the stream and returns the rest.

        :raises DecryptFailedError: if the opened stream is incomplete.
        """
        with self._lock:
            handle = opened(self._handle, "stream")
            room = LIBRARY.sealgate_stream_finish_size(handle)
            out, written = new_bytes(None, room), c_size_t()
            check(LIBRARY.sealgate_stream_finish(handle, out, room, byref(written)))
            self._handle = None
        return out if written.value == room else out[: written.value]

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Stream cannot be pickled")


class SealingWriter(io.RawIOBase):
    """A file to write to, which seals into another one.

        >>> import io
        >>> from sealgate import Gate
        >>> gate, sealed = Gate(keys="ephemeral"), io.BytesIO()
        >>> with gate.sealing(sealed, context="backup") as file:
        ...     _ = file.write(b"meet me at noon")
        >>> _ = sealed.seek(0)
        >>> gate.opening(sealed, context="backup").read()
        b'meet me at noon'

    The output is complete only after :meth:`close`. If an exception leaves the ``with`` block, the end is not written, so
    that a part cannot pass for the whole. The other file is left open. After it fails, or cannot accept data because it is
    non-blocking, nothing more can be written.

    A file that wraps this one (``io.TextIOWrapper``, ``io.BufferedWriter``) also closes it after an exception, and so
    writes an end: do not use it in a ``with`` statement, but ``detach`` it once everything is written.
    """

    def __init__(self, stream: Stream, file: BinaryIO) -> None:
        """For internal use."""
        self._stream: Optional[Stream] = stream
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Seals a piece, of any size."""
        # Raises for text: the number of characters would differ from the number of bytes written.
        size = memoryview(data).nbytes
        stream = self._stream
        if stream is None:
            raise ValueError("the file is closed, or an earlier write failed")
        sealed = stream.push(data)
        # Restored only when everything has been written: after a gap the stream cannot continue.
        self._stream = None
        self._put(sealed)
        self._stream = stream
        return size

    def _put(self, sealed: bytes) -> None:
        """Writes everything, also to unbuffered files, which may accept less than they are given."""
        rest: Any = sealed
        while rest:
            written = self._file.write(rest)
            if written is None and not isinstance(self._file, io.RawIOBase):
                # Other file-like objects often return nothing and have accepted everything.
                return
            if not written:
                raise BlockingIOError(errno.EAGAIN, "the other file cannot accept more data now")
            rest = memoryview(rest)[written:]

    def close(self) -> None:
        """Writes the end. May be called twice."""
        stream, self._stream = self._stream, None
        try:
            if stream is not None:
                self._put(stream.finish())
        finally:
            super().close()

    def __exit__(self, kind: Any, *others: Any) -> None:
        if kind is not None:
            self._stream = None
        super().__exit__(kind, *others)

    def __del__(self) -> None:
        # The end is written only by an explicit close.
        self._stream = None


class OpeningReader(io.RawIOBase):
    """A file to read from, which opens the contents of another one. See :class:`SealingWriter`.

    Each piece is authenticated before it is returned; only reading to the end without an exception proves that nothing is
    missing. The other file is left open.
    """

    def __init__(self, stream: Stream, file: BinaryIO) -> None:
        """For internal use."""
        self._stream: Optional[Stream] = stream
        self._file = file
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        """Fills a buffer from at most one piece; returns 0 at the end, None if the other file has no data yet.

        :raises DecryptFailedError: if decryption fails or the data is incomplete.
        """
        if self.closed:
            raise ValueError("the file is closed")
        while not self._rest and self._stream is not None:
            piece = self._file.read(_PIECE)
            if piece is None:
                return None
            if piece:
                self._rest = memoryview(self._stream.push(piece))
            else:
                self._rest = memoryview(self._stream.finish())
                self._stream = None
        view = memoryview(buffer).cast("B")
        size = min(len(view), len(self._rest))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def close(self) -> None:
        """Discards what has not been read. May be called twice."""
        self._stream, self._rest = None, memoryview(b"")
        super().close()
