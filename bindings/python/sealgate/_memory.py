"""Passes bytes between Python and the library: inputs without copies, outputs with one copy or none.

Nothing here is per thread: a signal handler, a destructor or a log callback may call the library in the middle of another
call on the same thread, and must not see that call's outputs. So each call takes its outputs from a list and puts them back
after reading them; taking from a list and adding to it are atomic in Python.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from ctypes import (
    POINTER,
    Structure,
    addressof,
    byref,
    c_char_p,
    c_int,
    c_size_t,
    c_ssize_t,
    c_void_p,
    py_object,
    pythonapi,
)
from typing import Any, Callable, ClassVar, NoReturn, Optional, Union

from . import _signatures
from ._load import HELD, LIBRARY
from .errors import WrongStateError, check, fail

#: Below this many bytes a call is shorter than releasing and retaking the interpreter's lock, so the lock is kept. Threads
#: that pass it back and forth every microsecond are slower together than one alone.
SMALL = 16 * 1024

#: Any bytes-like object (bytes, bytearray, memoryview, mmap, array.array, a numpy array, ...) or text, encoded as UTF-8.
Data = Union[str, bytes, bytearray, memoryview, Any]


class View(Structure):
    """``Py_buffer``: memory whose owner must neither move nor free it until it is released."""

    _fields_ = [
        ("address", c_void_p),
        ("owner", c_void_p),
        ("size", c_ssize_t),
        ("itemsize", c_ssize_t),
        ("readonly", c_int),
        ("ndim", c_int),
        ("format", c_char_p),
        ("shape", c_void_p),
        ("strides", c_void_p),
        ("suboffsets", c_void_p),
        ("internal", c_void_p),
    ]

    def release(self) -> None:
        """May be called twice: it forgets the owner."""
        if self.owner is not None:
            _release_buffer(byref(self))

    def __del__(self) -> None:
        # If the structure could not be allocated, its address is 0, and reading it would crash the process.
        if addressof(self):
            self.release()


_get_buffer = pythonapi.PyObject_GetBuffer
_get_buffer.restype, _get_buffer.argtypes = c_int, (py_object, POINTER(View), c_int)
_release_buffer = pythonapi.PyBuffer_Release
_release_buffer.restype, _release_buffer.argtypes = None, (POINTER(View),)
_WRITABLE = 1  # PyBUF_WRITABLE; 0, PyBUF_SIMPLE, is contiguous bytes

#: ``new_bytes(None, size)`` creates uninitialised bytes: nothing else may see them before they are filled.
new_bytes: Callable[[Any, int], bytes] = pythonapi.PyBytes_FromStringAndSize
new_bytes.restype, new_bytes.argtypes = py_object, (c_void_p, c_ssize_t)  # type: ignore[attr-defined]
_new_text: Callable[[Any, int], str] = pythonapi.PyUnicode_FromStringAndSize
_new_text.restype, _new_text.argtypes = py_object, (c_void_p, c_ssize_t)  # type: ignore[attr-defined]


def lend(data: Data, writable: bool = False) -> tuple[Any, int, Optional[View]]:
    """Returns address and size of data for a call, and what to release after it, if anything.

    Raises TypeError for data that is neither bytes-like nor text, BufferError for memory that is not contiguous or not
    writable.
    """
    # Not for subclasses: they can have another __len__.
    if type(data) is bytes and not writable:
        return data, len(data), None
    if isinstance(data, str):
        if writable:
            raise TypeError("a writable bytes-like object is needed, such as a bytearray, not str")
        encoded = str.encode(data)
        return encoded, len(encoded), None
    view = View()
    _get_buffer(data, byref(view), _WRITABLE if writable else 0)
    return view.address, view.size, view


def call_lending(function: Any, handle: Any, arguments: Iterable[Union[Data, int]], *outputs: Any) -> int:
    """Calls a function with data, each as its address and size, and with numbers; returns its status."""
    values: list[Any] = []
    views = []
    try:
        for argument in arguments:
            if isinstance(argument, int):
                values.append(argument)
                continue
            address, size, view = lend(argument)
            values += [address, size]
            views.append(view)
        status: int = function(handle, *values, *outputs)
        return status
    finally:
        for view in views:
            if view is not None:
                view.release()


def text(value: Union[str, bytes], what: str) -> bytes:
    """A text as UTF-8. Bytes are passed on unchanged, for the library to check."""
    if isinstance(value, str):
        return str.encode(value)
    if isinstance(value, bytes):
        return bytes(value)
    raise TypeError(f"{what} must be str or bytes, not {type(value).__name__}")


def number(value: int, what: str, largest: int) -> int:
    """Checks that an integer fits the library's type: ctypes would truncate it silently."""
    if not isinstance(value, int):
        raise TypeError(f"{what} must be an int, not {type(value).__name__}")
    if not 0 <= value <= largest:
        raise ValueError(f"{what} must be from 0 to {largest}")
    return value


class _Buffer(_signatures.Buffer):
    """Frees its contents even if a KeyboardInterrupt comes between."""

    def __del__(self) -> None:
        if addressof(self) and self.data:  # see View.__del__
            _free_buffer(byref(self))


#: Objects of a list that are read at a time.
_PAGE = 500

_free_buffer = LIBRARY.sealgate_buffer_free
_free_small_buffer = HELD.sealgate_buffer_free
_buffers: list[tuple[_Buffer, Any]] = []
_sizes: list[tuple[c_size_t, Any]] = []
_lent: list[tuple[c_void_p, c_size_t, Any, Any]] = []


def take_size() -> tuple[c_size_t, Any]:
    """A size output and its address as an argument. Put it back with :func:`put_size`."""
    try:
        return _sizes.pop()
    except IndexError:
        place = c_size_t()
        return place, byref(place)


put_size = _sizes.append


def take_buffer() -> tuple[_Buffer, Any]:
    """A ``sealgate_buffer`` output and its address as an argument, for :func:`bytes_of` or :func:`text_of`."""
    try:
        return _buffers.pop()
    except IndexError:
        buffer = _Buffer()
        return buffer, byref(buffer)


def bytes_of(status: int, place: tuple[_Buffer, Any]) -> bytes:
    """Returns what a call wrote to a buffer, which is freed and put back; raises if its status is a failure."""
    buffer, reference = place
    result = b""
    if not status:
        size = buffer.size
        result = new_bytes(buffer.data, size)
        (_free_small_buffer if size < SMALL else _free_buffer)(reference)  # which sets it to empty
    _buffers.append(place)
    if status:
        fail(status)
    return result


def text_of(status: int, place: tuple[_Buffer, Any]) -> str:
    """The same for text."""
    buffer, reference = place
    result = ""
    if not status:
        size = buffer.size
        result = _new_text(buffer.data, size)
        (_free_small_buffer if size < SMALL else _free_buffer)(reference)
    _buffers.append(place)
    if status:
        fail(status)
    return result


def pages(read: Callable[[bytes, int, Any], int], key: str) -> Iterator[dict[str, Any]]:
    """Every object of a JSON list that is read page by page, so that there may be any number of them.

    :param read: calls the function for the page after this key, of at most so many objects, with this buffer.
    :param key: the member by which the list is ordered.
    """
    after = b""
    while True:
        place = take_buffer()
        page = json.loads(bytes_of(read(after, _PAGE, place[1]), place))
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1][key].encode()


def lent_bytes(function: Any, *arguments: Any) -> Optional[bytes]:
    """Calls a function whose last two arguments receive a borrowed address and size; returns a copy, or None."""
    try:
        place = _lent.pop()
    except IndexError:
        address, size = c_void_p(), c_size_t()
        place = address, size, byref(address), byref(size)
    address, size, to_address, to_size = place
    check(function(*arguments, to_address, to_size))
    result = None if address.value is None else new_bytes(address, size.value)
    _lent.append(place)
    return result


class Handle(c_void_p):
    """The address of a library object, which is freed when nothing refers to this handle any more.

    The library writes the address into the handle (``byref(handle)``), so the object has an owner before Python code runs
    again: an exception can come after any bytecode (RecursionError, MemoryError, KeyboardInterrupt), and then frees it,
    once. Borrowed objects never get a Handle.

    A caller holds a reference during a call, so another thread's ``close()`` frees nothing in use.
    """

    __slots__ = ()

    #: The library function that frees the object.
    free: ClassVar[Any]

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        address = self.value
        # Not while the interpreter exits: daemon threads may be in a call.
        if address is not None and not finalizing():
            # First: of a cycle, destructors that use this handle may run after this one.
            self.value = None
            self.free(address)

    def __reduce__(self) -> NoReturn:
        # copy.copy uses this too, and a copy would free the object a second time.
        raise TypeError("a library handle can be neither copied nor pickled")


def opened(handle: Optional[Handle], what: str) -> Handle:
    """The handle, unless it has been closed."""
    if handle is None:
        raise WrongStateError(f"The {what} is closed.")
    return handle


class Holder:
    """What has a handle, until it is closed."""

    _handle: Optional[Handle] = None
