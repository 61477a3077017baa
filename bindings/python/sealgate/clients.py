"""OAuth 2.0 clients: programs that get tokens for themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Union

from ._load import LIBRARY
from ._memory import opened, pages, take_buffer, text, text_of
from .accounts import OPEN_LOGIN_SCOPE, Accounts, scope_text

__all__ = ["Client", "Clients"]


class Client(NamedTuple):
    """A client, without its secret."""

    #: The id, ``client_id``.
    id: str
    #: All that its tokens may be used for.
    scopes: tuple[str, ...]
    #: Whether it gets no tokens.
    disabled: bool
    #: When it was created, in seconds since 1970-01-01 UTC.
    created: int


class Clients(Accounts):
    """Accounts of programs, with a generated secret in place of a password.

        >>> from sealgate import Gate
        >>> gate = Gate(keys="ephemeral")
        >>> secret = gate.add_client("shop", scope=["encrypt", "decrypt"])
        >>> token = gate.client_token("shop", secret, scope="encrypt")
        >>> gate.verify_token(token).scopes
        ('encrypt',)
        >>> [client.id for client in gate.clients()]
        ['shop']
    """

    def add_client(self, id: str, scope: Union[str, Iterable[str]] = OPEN_LOGIN_SCOPE) -> str:
        """Creates a client and returns its secret. Only a hash of it is stored, so it cannot be shown again.

        :param id: 1 to 256 printable ASCII characters. Users and clients share one set of names.
        :param scope: all that the client's tokens may be used for.
        :raises UserExistsError: if there is already a user or a client with this name; like the next, it is an
            InvalidArgumentError.
        :raises InvalidNameError: if the id is not acceptable.
        :raises InvalidArgumentError: if the scope is malformed.
        :raises StoreError: if the store cannot be used.
        """
        handle, place = opened(self._handle, "gate"), take_buffer()
        name, names = text(id, "id"), text(scope_text(scope), "scope")
        status = LIBRARY.sealgate_add_client(handle, name, len(name), names, len(names), place[1])
        return text_of(status, place)

    def renew_client_secret(self, id: str) -> str:
        """Replaces a client's secret, revokes all its tokens, and returns the new secret.

        :raises NotFoundError: if there is no such client.
        """
        handle, place, name = opened(self._handle, "gate"), take_buffer(), text(id, "id")
        return text_of(LIBRARY.sealgate_renew_client_secret(handle, name, len(name), place[1]), place)

    def clients(self) -> Iterator[Client]:
        """All clients, ordered by id. They are read a page at a time.

        :raises StoreError: if the store cannot be used.
        """
        opened(self._handle, "gate")  # the first page is read later

        def read(after: bytes, most: int, out: Any) -> int:
            status: int = LIBRARY.sealgate_list_clients(opened(self._handle, "gate"), after, len(after), most, out)
            return status

        return map(_client, pages(read, "id"))

    def set_client_scope(self, id: str, scope: Union[str, Iterable[str]]) -> None:
        """Changes a client's scopes. Removing one revokes all its tokens.

        :raises NotFoundError: if there is no such client.
        """
        self._call(LIBRARY.sealgate_set_client_scope, text(id, "id"), scope_text(scope))

    def disable_client(self, id: str) -> None:
        """Disables a client, which revokes all its tokens permanently.

        :raises NotFoundError: if there is no such client.
        """
        self._call(LIBRARY.sealgate_set_client_disabled, text(id, "id"), 1)

    def enable_client(self, id: str) -> None:
        """Enables a client again.

        :raises NotFoundError: if there is no such client.
        """
        self._call(LIBRARY.sealgate_set_client_disabled, text(id, "id"), 0)

    def remove_client(self, id: str) -> None:
        """Removes a client and revokes all its tokens.

        :raises NotFoundError: if there is no such client.
        """
        self._call(LIBRARY.sealgate_remove_client, text(id, "id"))

    def client_token(self, id: str, secret: str, scope: Union[str, Iterable[str]] = "") -> str:
        """Issues an access token to a client, as POST ``/token`` does with the grant ``client_credentials``.

        :param scope: restricts what the token may be used for; an empty one keeps all scopes of the client.
        :raises LoginFailedError: for an unknown client, a wrong secret and a disabled client alike.
        :raises InvalidArgumentError: if the scope is more than the client has.
        """
        handle, place = opened(self._handle, "gate"), take_buffer()
        name, password, names = text(id, "id"), text(secret, "secret"), text(scope_text(scope), "scope")
        status = LIBRARY.sealgate_client_token(
            handle, name, len(name), password, len(password), names, len(names), place[1]
        )
        return text_of(status, place)


def _client(found: dict[str, Any]) -> Client:
    return Client(found["id"], tuple(found["scope"].split()), found["disabled"], found["created"])
