"""Data of any size, sealed and opened piece by piece in constant memory."""

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
    """A stream that is being sealed or opened: :meth:`push` the pieces, then :meth:`finish`.

    Made by ``Gate.seal_stream`` and ``Gate.open_stream``. Whoever opens has to wait for :meth:`finish` before the end of the
    data is believed: a stream that was cut fails there. Threads wait for one another, but whose piece comes first nobody knows.
    """

    _lock: Any

    def __init__(self, begin: Any, gate: Optional[Handle], context: Data) -> None:
        """For this package's own use."""
        handle, stream = opened(gate, "gate"), _StreamHandle()
        about, size, view = lend(context)
        try:
            check(begin(handle, about, size, byref(stream)))
        finally:
            if view is not None:
                view.release()
        self._handle: Optional[Handle] = stream
        give_lock(self)  # the library wants one thread at a time

    def push(self, data: Data) -> bytes:
        """Takes a piece in, of any size, and gives what is done.

        :raises DecryptFailedError: where what is opened does not open, whatever the cause is.
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
        """Ends the stream and gives what is left.

        :raises DecryptFailedError: where the stream that was opened is not whole.
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

    What was written is whole only after :meth:`close`. Where the ``with`` block is left by an exception the end is not
    written, so that nobody takes a part for the whole. The other file is left open. If it fails, or cannot take something
    because it does not block, all is over: what is missing cannot be written later.

    A file around this one (``io.TextIOWrapper``, ``io.BufferedWriter``) closes it also after an exception, and so writes an
    end: give it no ``with`` of its own, but ``detach`` it when all is written.
    """

    def __init__(self, stream: Stream, file: BinaryIO) -> None:
        """For this package's own use."""
        self._stream: Optional[Stream] = stream
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Seals a piece, of any size."""
        # Text is none: what is written in a file and what is counted would be two things.
        size = memoryview(data).nbytes
        stream = self._stream
        if stream is None:
            raise ValueError("the file is closed, or an earlier write failed")
        sealed = stream.push(data)
        # Back in its place only when all has been written: after a gap there is nothing to go on with.
        self._stream = None
        self._put(sealed)
        self._stream = stream
        return size

    def _put(self, sealed: bytes) -> None:
        """Writes all of it, to files without a buffer too, which may take less than they are given."""
        rest: Any = sealed
        while rest:
            written = self._file.write(rest)
            if written is None and not isinstance(self._file, io.RawIOBase):
                # What is no file of Python's own often says nothing, and has taken all.
                return
            if not written:
                raise BlockingIOError(errno.EAGAIN, "the other file does not take more now")
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
        # The end is written on purpose or not at all.
        self._stream = None


class OpeningReader(io.RawIOBase):
    """A file to read from, which opens what another one holds. See :class:`SealingWriter`.

    Each piece is authenticated before it is given out; that nothing is missing at the end is known when reading has come to
    the end without an exception. The other file is left open.
    """

    def __init__(self, stream: Stream, file: BinaryIO) -> None:
        """For this package's own use."""
        self._stream: Optional[Stream] = stream
        self._file = file
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        """Fills a buffer as far as one piece goes; 0 at the end, None where the other file has nothing yet.

        :raises DecryptFailedError: where the data does not open or is not whole.
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
        """Forgets what has not been read. May be called twice."""
        self._stream, self._rest = None, memoryview(b"")
        super().close()
