"""Tokens: issuing and verifying them, with claims of one's own, for an audience and from a certain time on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ctypes import byref
from typing import Any, Optional, Union

from ._load import LIBRARY
from ._memory import number, opened, take_buffer, text, text_of
from .accounts import Accounts, scope_text
from .claims import Claims, ClaimsHandle, claims_text
from .errors import fail

__all__ = ["TokenIssuer"]

_issue, _verify = LIBRARY.sealgate_issue_token, LIBRARY.sealgate_verify_token
_issue_with, _verify_for = LIBRARY.sealgate_issue_token_with, LIBRARY.sealgate_verify_token_for
_UINT32_MAX = 2**32 - 1
_UINT64_MAX = 2**64 - 1


class TokenIssuer(Accounts):
    """Issues and verifies tokens. A :class:`~sealgate.Gate` is one."""

    def issue_token(
        self,
        subject: str,
        scope: Union[str, Iterable[str], None] = None,
        ttl: Optional[int] = None,
        *,
        claims: Optional[Mapping[str, Any]] = None,
        audience: Optional[str] = None,
        not_before: Optional[int] = None,
    ) -> str:
        """Issues a signed token.

        :param subject: the user, 1 to 256 characters without control characters.
        :param scope: what the token may be used for: names in a list, or separated by single spaces. None uses the scope of
            the subject's account, or ``OPEN_LOGIN_SCOPE`` if there is none.
        :param ttl: its lifetime in seconds, at most 315,576,000 (ten years); None uses the setting ``token_ttl``.
        :param claims: custom claims: what JSON can represent, at most 4 KiB of it. Names that have a meaning in tokens, such as
            ``sub``, are refused in every spelling. The claims of the subject's account are for its logins, and are not added.
        :param audience: whom the token is for (``aud``); None uses the setting ``audience``. A token for another audience than
            the setting's is accepted only by :meth:`verify_token` with this audience.
        :param not_before: the time before which it is not valid (``nbf``), in seconds since 1970-01-01 UTC. The lifetime still
            counts from now.

            >>> from sealgate import Gate
            >>> gate = Gate(keys="ephemeral")
            >>> gate.verify_token(gate.issue_token("alice", scope=["orders"], ttl=60)).scopes
            ('orders',)
            >>> gate.verify_token(gate.issue_token("alice", claims={"department": "ops"}))["department"]
            'ops'

        :raises InvalidArgumentError: if an argument is not acceptable, or the token would be longer than 8 KiB.
        :raises StoreError: if the store cannot be used.
        """
        user = text(subject, "subject")
        names = self._default_scope(user) if scope is None else text(scope_text(scope), "scope")
        seconds = 0 if ttl is None else number(ttl, "ttl", _UINT32_MAX)
        if ttl is not None and not seconds:
            raise ValueError("ttl must be at least 1 second")
        if claims is None and audience is None and not_before is None:
            handle, place = self._handle or opened(None, "gate"), take_buffer()
            status = _issue(handle, user, len(user), names, len(names), seconds, place[1])
            return text_of(status, place)
        more = b"" if claims is None else claims_text(claims)
        recipient = b"" if audience is None else _audience(audience)
        start = 0 if not_before is None else number(not_before, "not_before", _UINT64_MAX)
        handle, place = self._handle or opened(None, "gate"), take_buffer()
        status = _issue_with(
            handle, user, len(user), names, len(names), seconds, more, len(more), recipient, len(recipient), start, place[1]
        )
        return text_of(status, place)

    def verify_token(self, token: Union[str, bytes], audience: Optional[str] = None) -> Claims:
        """Verifies a token and returns its claims.

        :param audience: the token must be for this audience, whatever the setting is. None requires the setting's.

            >>> from sealgate import Gate
            >>> gate = Gate(keys="ephemeral")
            >>> token = gate.issue_token("alice", scope="", audience="confirm-address")
            >>> gate.verify_token(token, audience="confirm-address").subject
            'alice'
            >>> gate.verify_token(token)
            Traceback (most recent call last):
            sealgate.errors.TokenInvalidError: Token is invalid.

        :raises TokenError: if it is rejected; the subclass gives the reason.
        """
        encoded = str.encode(token) if type(token) is str else text(token, "token")
        handle, claims = self._handle or opened(None, "gate"), ClaimsHandle()
        if audience is None:  # without a further call: most callers pass none
            status = _verify(handle, encoded, len(encoded), byref(claims))
        else:
            recipient = _audience(audience)
            status = _verify_for(handle, encoded, len(encoded), recipient, len(recipient), byref(claims))
        if status:
            fail(status)
        return Claims(claims)


def _audience(audience: str) -> bytes:
    encoded = text(audience, "audience")
    if not encoded:
        raise ValueError("audience must not be empty")
    return encoded
