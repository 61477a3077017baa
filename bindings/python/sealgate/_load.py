"""Finds the shared library and refuses one that does not fit.

Where it is looked for stands in :func:`_candidates`. Everything that can go wrong is an ImportError that says what to do.
"""

from __future__ import annotations

import os
import sys
from ctypes import CDLL, PyDLL, c_char_p, c_uint32
from pathlib import Path
from typing import Any

from . import _signatures
from ._version import ABI_VERSION, VERSION

#: Names another library file than the one that came with the package.
VARIABLE = "SEALGATE_LIBRARY"

_HOW = (
    f"Install the package anew (pip install --force-reinstall sealgate), which brings its library along, or name another "
    f"file in the environment variable {VARIABLE}. In the source tree, `make lib` builds one."
)


def file_name() -> str:
    """What the library is called on this system where the package carries it."""
    return {"darwin": "libsealgate.dylib", "win32": "sealgate.dll"}.get(sys.platform, "libsealgate.so")


def _candidates() -> list[str]:
    """The one that the environment names, and no other; else the package's own, the source tree's, the system's."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return [chosen]
    here, name = Path(__file__).resolve().parent, file_name()
    places = [here / name]
    root = here.parents[2] if len(here.parents) > 2 else here
    # Only where this file is part of a source tree: what happens to lie three folders up of an installation is not ours.
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
        raise ImportError(f"{path} is no library of sealgate. {_HOW}", path=path) from None
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

#: The library. The interpreter's lock is given up during each call, so that other threads run meanwhile.
LIBRARY: Any = _declared(_library, PATH)

#: The same library with the lock held, for calls that are over sooner than the lock would change hands. Where one has to wait,
#: for a thread that is reading the key ring, that thread needs this lock for nothing: it logs only when nobody waits any more.
HELD: Any = _declared(PyDLL(PATH, handle=_library._handle), PATH)
