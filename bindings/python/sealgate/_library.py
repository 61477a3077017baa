"""Finds the shared library and declares its functions as ctypes sees them."""

from __future__ import annotations

import os
from ctypes import CDLL, POINTER, Structure, c_char_p, c_int32, c_size_t, c_uint32, c_void_p, create_string_buffer
from pathlib import Path
from typing import Any, List


class SealgateError(Exception):
    """A call failed. ``code`` is the stable name of the status, the text is for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Buffer(Structure):
    """struct sealgate_buffer"""

    _fields_ = [("data", c_void_p), ("size", c_size_t), ("secret", c_int32)]


def _load() -> CDLL:
    here = Path(__file__).resolve().parent
    name = "libsealgate.so"
    chosen = os.environ.get("SEALGATE_LIBRARY")
    candidates: List[str] = [chosen] if chosen else []
    if not chosen:
        built = [here / name] + [here.parents[2] / "target" / profile / name for profile in ("release", "debug")]
        candidates = [str(path) for path in built if path.is_file()] + [name]
    failures = []
    for candidate in candidates:
        try:
            return CDLL(candidate)
        except OSError as error:
            failures.append(str(error))
    raise ImportError(
        "The shared library of sealgate is not there. Build it with `make lib` in the source tree, or name it in "
        "SEALGATE_LIBRARY. Tried: " + "; ".join(failures)
    )


def _declare(library: CDLL) -> CDLL:
    text = [c_char_p, c_size_t]
    declarations: "dict[str, tuple[Any, list[Any]]]" = {
        "sealgate_version_string": (c_char_p, []),
        "sealgate_status_name": (c_char_p, [c_int32]),
        "sealgate_last_error": (c_size_t, [c_char_p, c_size_t]),
        "sealgate_config_new": (c_int32, [POINTER(c_void_p)]),
        "sealgate_config_set": (c_int32, [c_void_p, *text, *text]),
        "sealgate_config_free": (None, [c_void_p]),
        "sealgate_new": (c_int32, [c_void_p, POINTER(c_void_p)]),
        "sealgate_free": (None, [c_void_p]),
        "sealgate_issue_token": (c_int32, [c_void_p, *text, *text, c_uint32, POINTER(Buffer)]),
        "sealgate_verify_token": (c_int32, [c_void_p, *text, POINTER(c_void_p)]),
        "sealgate_claims_json": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(c_size_t)]),
        "sealgate_claims_free": (None, [c_void_p]),
        "sealgate_encrypt_data": (c_int32, [c_void_p, *text, *text, POINTER(Buffer)]),
        "sealgate_decrypt_data": (c_int32, [c_void_p, *text, *text, POINTER(Buffer)]),
        "sealgate_mask_data": (c_int32, [*text, c_size_t, POINTER(Buffer)]),
        "sealgate_buffer_free": (None, [POINTER(Buffer)]),
    }
    for name, (result, arguments) in declarations.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


LIBRARY: Any = _declare(_load())


def check(status: int) -> None:
    """Raises what a status other than 0 stands for."""
    if status == 0:
        return
    sentence = create_string_buffer(LIBRARY.sealgate_last_error(None, 0))
    LIBRARY.sealgate_last_error(sentence, len(sentence))
    raise SealgateError(LIBRARY.sealgate_status_name(status).decode(), sentence.value.decode())
