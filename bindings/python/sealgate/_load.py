"""Finds the shared library and rejects one that does not fit.

:func:`_candidates` has the places that are searched. Every failure is an ImportError that says what to do.
"""

from __future__ import annotations

import os
import sys
from ctypes import CDLL, PyDLL, c_char_p, c_uint32
from pathlib import Path
from typing import Any

from . import _signatures
from ._version import ABI_VERSION, VERSION

#: The environment variable with the path of another library file than the package's own.
VARIABLE = "SEALGATE_LIBRARY"

_HOW = (
    f"Reinstall the package with its library (pip install --force-reinstall sealgate), or set the environment variable "
    f"{VARIABLE} to the path of another one. In the source tree, `make lib` builds one."
)


def file_name() -> str:
    """The library's file name in the package on this system."""
    return {"darwin": "libsealgate.dylib", "win32": "sealgate.dll"}.get(sys.platform, "libsealgate.so")


def _candidates() -> list[str]:
    """Only the one that the environment names; else the package's own, the source tree's, the system's."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return [chosen]
    here, name = Path(__file__).resolve().parent, file_name()
    places = [here / name]
    root = here.parents[2] if len(here.parents) > 2 else here
    # Only if this file is in a source tree: files three directories above an installation are not ours.
    if (root / "Cargo.toml").is_file() and root / "bindings" / "python" / "sealgate" == here:
        places += [root / "target" / profile / name for profile in ("release", "debug")]
    found = [str(place) for place in places if place.is_file()]
    if sys.platform.startswith("linux"):
        major, minor, _ = VERSION.split(".")
        name += "." + (f"0.{minor}" if major == "0" else major)
    return found or [name]


def _open() -> tuple[CDLL, str]:
    failures = []
    for candidate in _candidates():
        try:
            return CDLL(candidate), candidate
        except OSError as error:
            failures.append(str(error))
    raise ImportError(f"The shared library of sealgate cannot be loaded: {'; '.join(failures)}. {_HOW}")


def _check_version(library: CDLL, path: str) -> None:
    try:
        library.sealgate_version_string.restype = c_char_p
        library.sealgate_abi_version.restype = c_uint32
        theirs = library.sealgate_version_string().decode()
        interface = library.sealgate_abi_version()
    except AttributeError:
        raise ImportError(f"{path} is not a sealgate library. {_HOW}", path=path) from None
    if interface != ABI_VERSION:
        raise ImportError(
            f"{path} is sealgate {theirs} with interface {interface}; this package is {VERSION} and needs interface "
            f"{ABI_VERSION}. {_HOW}",
            path=path,
        )


def _declared(library: CDLL, path: str) -> CDLL:
    try:
        return _signatures.declare(library)
    except AttributeError as error:
        theirs = library.sealgate_version_string().decode()
        raise ImportError(
            f"{path} is sealgate {theirs} and lacks what this package, {VERSION}, needs ({error}). {_HOW}", path=path
        ) from None


_library, PATH = _open()
_check_version(_library, PATH)

#: The library. The interpreter's lock is released during each call, so that other threads can run.
LIBRARY: Any = _declared(_library, PATH)

#: The same library with the lock held, for calls shorter than releasing and retaking it. A call may wait for a thread that
#: is reading the key ring; that thread does not need the lock, because it logs only when no thread waits any more.
HELD: Any = _declared(PyDLL(PATH, handle=_library._handle), PATH)
