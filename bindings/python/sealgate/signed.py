"""Text for URLs and cookies: sealed with a time, and signed."""

from __future__ import annotations

from ctypes import byref, c_uint64
from typing import Any, Optional, Union

from ._load import HELD, LIBRARY
from ._memory import SMALL, Data, Handle, bytes_of, lend, number, opened, take_buffer, text, text_of

__all__ = ["Signer"]

_ANY_AGE = 2**64 - 1


class Signer:
    """Signed text, and URL-safe sealed text: the part of a gate for what leaves the program and comes back from a client.

        >>> from sealgate import Gate
        >>> gate = Gate(keys="ephemeral")
        >>> link = gate.sign("alice", context="unsubscribe")
        >>> gate.unsign(link, context="unsubscribe", max_age=3600)
        b'alice'
        >>> gate.unsign(link, context="reset password")
        Traceback (most recent call last):
        sealgate.errors.SignatureInvalidError: The signature is not valid.
    """

    _handle: Optional[Handle] = None

    def sign(self, payload: Data, context: Data = b"") -> str:
        """Signs text or bytes and returns text for a URL or a cookie, base64url without padding. The payload is **not
        encrypted**: whoever has the text can read it, and the time when it was signed.

        :param payload: text (as UTF-8) or any bytes-like object, at most 1 GiB.
        :param context: what it is for, such as ``"unsubscribe"``. It is authenticated and not stored: :meth:`unsign` needs
            the same one.
        """
        place = take_buffer()
        return text_of(self._with(LIBRARY.sealgate_sign, HELD.sealgate_sign, payload, context, place[1]), place)

    def unsign(self, signed: Union[str, bytes], context: Data = b"", *, max_age: Optional[int] = None) -> bytes:
        """Checks text from :meth:`sign`, ``sealgate sign`` or a C program, made with any accepted key, and returns the
        payload. ``.decode()`` turns it into text.

        :param max_age: how many seconds ago it may have been signed; a time in the future is accepted up to the setting
            ``leeway``. None permits any time.
        :raises SignatureInvalidError: if the signature is not valid, whatever the cause.
        :raises NotFreshError: if it is valid, but older or dated in the future.
        """
        return self.unsign_with_time(signed, context, max_age=max_age)[0]

    def unsign_with_time(
        self, signed: Union[str, bytes], context: Data = b"", *, max_age: Optional[int] = None
    ) -> tuple[bytes, int]:
        """The same, and when it was signed, in seconds since 1970-01-01 UTC."""
        age = _ANY_AGE if max_age is None else number(max_age, "max_age", _ANY_AGE - 1)
        encoded, place, signed_at = text(signed, "signed"), take_buffer(), c_uint64()
        functions = LIBRARY.sealgate_unsign, HELD.sealgate_unsign
        status = self._with(*functions, encoded, context, age, place[1], byref(signed_at))
        return bytes_of(status, place), signed_at.value

    def _encrypt_url_safe(self, data: Data, context: Data) -> str:
        place = take_buffer()
        functions = LIBRARY.sealgate_encrypt_url_safe, HELD.sealgate_encrypt_url_safe
        return text_of(self._with(*functions, data, context, place[1]), place)

    def _decrypt_fresh(self, encoded: bytes, context: Data, max_age: int) -> bytes:
        age, place = number(max_age, "max_age", _ANY_AGE), take_buffer()
        functions = LIBRARY.sealgate_decrypt_fresh, HELD.sealgate_decrypt_fresh
        return bytes_of(self._with(*functions, encoded, context, age, place[1]), place)

    def _with(self, large: Any, small: Any, data: Data, context: Data, *more: Any) -> int:
        handle = opened(self._handle, "gate")
        views = []
        try:
            source, size, view = lend(data)
            views.append(view)
            about, about_size, view = lend(context)
            views.append(view)
            function = small if size < SMALL else large
            status: int = function(handle, source, size, about, about_size, *more)
            return status
        finally:
            for view in views:
                if view is not None:
                    view.release()
