"""The HTTP server in this process, with the program's own routes."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Mapping
from ctypes import byref, c_uint16
from typing import Any, Callable, NoReturn, Optional, Protocol, TypeVar, Union

from . import _callbacks, log
from ._callbacks import Verdict
from ._callbacks import logger as _logger
from ._functions import check_function, with_address
from ._load import LIBRARY
from ._memory import Data, Handle, bytes_of, number, opened, take_buffer, text
from .config import Config, Value, config_of
from .errors import ForkedError, SealgateError, TimedOutError, check
from .gate import Gate
from .http import Answer, Request
from .limits import Policies, costs_of

__all__ = ["Server"]

_TOKEN, _LIMITED, _BLOCKING = 1, 2, 4
_LONGEST_DRAIN = 2**32 - 1  # milliseconds

RouteFunction = TypeVar("RouteFunction", bound=Callable[[Request], Answer])


class _WithAddress(Protocol):
    def __call__(self, __username: str, __password: str, *, address: str) -> Verdict: ...


AuthenticateFunction = TypeVar("AuthenticateFunction", bound=Union[Callable[[str, str], Verdict], _WithAddress])
SecureDataFunction = TypeVar("SecureDataFunction", bound=Callable[[], Data])


def _free(address: int) -> None:
    """Frees a server that nothing refers to any more; a running one is stopped."""
    if LIBRARY.sealgate_server_free(address):
        # The last reference was dropped in one of the server's own functions, for which the call would have to wait.
        threading.Thread(target=_free_drained, args=(address,), name="sealgate-free").start()


def _free_drained(address: int) -> None:
    LIBRARY.sealgate_server_stop(address, _DRAIN_AT_EXIT)  # the function that is running still needs its response sent
    LIBRARY.sealgate_server_free(address)


class _ServerHandle(Handle):
    __slots__ = ()
    free = staticmethod(_free)


class Server:
    """Serves the HTTP API, and your own routes, on threads of the library.

        >>> import urllib.request
        >>> from sealgate import Gate, Server
        >>> server = Server(Gate(keys="ephemeral"), listen="127.0.0.1:0")
        >>> @server.route("GET", "/hello/{name}")
        ... def hello(request):
        ...     return {"hello": request.parameter("name")}
        >>> with server:
        ...     urllib.request.urlopen(server.url + "/hello/world").read()
        b'{"hello": "world"}'

    The server's settings are passed as those of a :class:`~sealgate.Gate` are; the gate keeps its own. Without any, they
    come from the environment. ``with`` starts the server, and stops and frees it at the end; :meth:`serve_forever` serves
    until Ctrl-C. Route functions run on the library's threads, several at a time. An exception in one is logged with its
    traceback under the logger ``sealgate``, and the client gets 500; a login is denied.

    A server raises :class:`~sealgate.ForkedError` in a child forked after it was created: create a new one there.

    :param listen: where to listen: ``HOST:PORT`` or ``unix:/PATH``, separated by commas; port 0 uses a free one.
    :raises SettingError: if a setting is unknown, missing or invalid.
    """

    _handle: Optional[Handle] = None

    def __init__(
        self,
        gate: Gate,
        config: Union[Config, Mapping[str, Value], None] = None,
        *,
        listen: Optional[str] = None,
        **settings: Value,
    ) -> None:
        if listen is not None:
            settings["listen"] = listen
        handle = _ServerHandle()
        check(
            LIBRARY.sealgate_server_new(
                opened(gate._handle, "gate"), config_of(config, settings)._handle(), byref(handle)
            )
        )
        self._handle = handle
        #: The gate that it serves.
        self.gate = gate
        self._started = False
        # A lock that is held until the end: unlike an Event it may be released in a signal handler.
        self._until = threading.Lock()
        self._until.acquire()

    # Before the start

    def route(
        self,
        method: str,
        path: str,
        *,
        token: bool = False,
        scope: Optional[str] = None,
        limited: bool = False,
        policies: Policies = None,
        blocking: bool = True,
    ) -> Callable[[RouteFunction], RouteFunction]:
        """Decorates a function to add it as a route. It gets a :class:`~sealgate.Request` and returns text, bytes, a dict
        or a list (JSON), one of these with a status as a tuple, or a :class:`~sealgate.Response`.

        An exception is logged and the client gets 500, unless the exception stands for a response:
        :class:`~sealgate.HTTPError`, this package's own (``RateLimitedError`` is 429 with Retry-After, ``TokenError`` 401
        with WWW-Authenticate), werkzeug's and Starlette's.

        :param method: ``GET`` (which also answers HEAD), ``POST`` or another one, in any case.
        :param path: begins with a slash; a segment in braces, as in ``/orders/{id}``, matches any text.
        :param token: requests need a token, whose verified claims are in ``request.claims``.
        :param scope: the one scope name that the token needs; implies ``token=True``. With an empty one any valid token is
            accepted; None requires nothing.
        :param limited: the gate's rate limit applies, shared with the user's other requests. Needs a token.
        :param policies: policies of the gate's setting ``limits`` that apply as well: a name, several, or a mapping of names
            to what a request costs. All of them have to admit a request. Needs a token, unless they count addresses.
        :param blocking: whether it runs on a thread where it delays no connection. Without it the function runs on the
            thread that serves the connections, which is faster for a function that neither waits nor computes; it waits for
            Python's lock in any case.
        :raises InvalidArgumentError: if the path is malformed or already in use, or a limit comes without a token.
        :raises TypeError: if the function cannot be called or is ``async``: routes run on threads.
        :raises WrongStateError: if the server has been started.
        """
        verb, place, costs = text(method, "method").upper(), text(path, "path"), costs_of(policies)
        wanted = b"" if scope is None else text(scope, "scope")
        flags = (_TOKEN if token or scope is not None else 0) | (_LIMITED if limited else 0) | (_BLOCKING if blocking else 0)

        def add(function: RouteFunction) -> RouteFunction:
            check_function(function)
            handle = opened(self._handle, "server")
            registered = _callbacks.register(function, f"The function for the route {method} {path}")
            check(
                LIBRARY.sealgate_server_route(
                    handle,
                    *(verb, len(verb), place, len(place), flags, wanted, len(wanted)),
                    *(_callbacks.route, registered, _callbacks.drop),
                )
            )
            for name, cost in costs:
                check(
                    LIBRARY.sealgate_server_limit_route(
                        handle, verb, len(verb), place, len(place), name, len(name), cost
                    )
                )
            return function

        return add

    def authenticate(self, function: AuthenticateFunction) -> AuthenticateFunction:
        """Decorates a function to decide logins: ``POST /login`` then takes a username and a password. The function gets
        both as text, and returns the scopes of the user's tokens (a list of names, or text with spaces between; True for
        ``secure-data encrypt decrypt``). Anything false denies the login, and so does an exception. A function with a
        parameter named ``address`` gets the client's address, as in ``request.remote_addr``, to slow down guessing.

        It may be slow, as password hashes are. Every client that reaches the server can then log in.

        :raises TypeError: if the function cannot be called or is ``async``.
        :raises WrongStateError: if the server has been started.
        """
        check_function(function)
        decide = with_address(function)
        self._set(LIBRARY.sealgate_server_set_authenticate, _callbacks.authenticate, decide, "authenticate")
        return function

    def secure_data(self, function: SecureDataFunction) -> SecureDataFunction:
        """Decorates a function to supply the data of ``/secure-data``, as text or bytes for each request; it is sent
        encrypted.

        :raises TypeError: if the function cannot be called or is ``async``.
        :raises WrongStateError: if the server has been started.
        """
        check_function(function)
        self._set(LIBRARY.sealgate_server_set_secure_data, _callbacks.secure_data, function, "secure_data")
        return function

    def _set(self, setter: Any, callback: Any, function: Callable[..., Any], name: str) -> None:
        handle = opened(self._handle, "server")
        registered = _callbacks.register(function, f"The {name} function")
        check(setter(handle, callback, registered, _callbacks.drop))

    # While it serves

    def start(self) -> Server:
        """Binds the addresses and starts serving; returns once clients can connect. After a failure, close the server.

        :raises SettingError: if an address is unavailable or a file is unusable.
        :raises InvalidArgumentError: if the gate has no policy that a route names, or the policy cannot count its requests.
        :raises WrongStateError: if it has already been started.
        """
        handle = opened(self._handle, "server")
        # Before the start: an exception may come right after it. Stopping a server that is not running does nothing.
        _serving[handle.value or 0] = handle
        check(LIBRARY.sealgate_server_start(handle))
        self._started = True
        return self

    @property
    def port(self) -> int:
        """The port of the first TCP address; 0 if it serves only Unix sockets."""
        port = c_uint16()
        check(LIBRARY.sealgate_server_port(opened(self._handle, "server"), byref(port)))
        return port.value

    @property
    def addresses(self) -> list[str]:
        """All addresses that are served: ``http://127.0.0.1:5000``, ``https://...``, ``unix:/path``."""
        handle = opened(self._handle, "server")
        found: list[str] = []
        while True:
            place = take_buffer()
            status = LIBRARY.sealgate_server_address(handle, len(found), place[1])
            address = bytes_of(status, place).decode()
            if not address:
                return found
            found.append(address)

    @property
    def url(self) -> str:
        """The first address."""
        return self.addresses[0]

    def metrics(self) -> str:
        """The metrics of the running server, its gate and the process in the Prometheus text format, as ``GET /metrics``
        returns them at the address of the setting ``metrics_listen``. This needs no such address.
        """
        handle = opened(self._handle, "server")
        place = take_buffer()
        return bytes_of(LIBRARY.sealgate_server_metrics(handle, place[1]), place).decode()

    def reload(self) -> None:
        """Reads the TLS certificate, its key and the client CA again, and reopens the files of the audit trail, for a program
        that rotates it. The server detects changed TLS files on its own within 5 seconds; this is for a program that wants to
        know whether they can be used.

        :raises SettingError: if the files cannot be used, or the certificate has expired; the previous ones stay in use.
        :raises WrongStateError: if it has not been started.
        """
        check(LIBRARY.sealgate_server_reload(opened(self._handle, "server")))

    def serve_forever(self, drain: float = 10.0) -> None:
        """Starts the server unless it is running, and serves until :meth:`shutdown` is called or Ctrl-C is pressed; then
        stops it and returns. Running requests have ``drain`` seconds to finish; a second Ctrl-C ends them at once.
        """
        handle = opened(self._handle, "server")
        try:
            if self._started:
                _ = self.port  # ForkedError if it runs in another process
            else:
                self.start()
            self._until.acquire()
        except KeyboardInterrupt:
            pass
        self.shutdown()  # so that a second call returns at once
        _stop_interruptibly(handle, drain)

    def shutdown(self) -> None:
        """Makes :meth:`serve_forever` return. It may be called on any thread and in a signal handler, and does not wait."""
        try:
            self._until.release()
        except RuntimeError:  # a second time
            pass

    def stop(self, drain: float = 10.0) -> None:
        """Stops serving: it accepts no new requests, and running ones have ``drain`` seconds to finish. It may be called
        more than once. On one of the server's own threads call :meth:`shutdown` instead.

        :raises TimedOutError: if requests were still running; they get no response.
        :raises WouldDeadlockError: from one of the server's own functions.
        """
        _stop(opened(self._handle, "server"), drain)

    def close(self, drain: float = 10.0) -> None:
        """Stops the server if it is running, and frees it. May be called twice; other calls then raise.

        :raises WouldDeadlockError: from one of the server's own functions; it is then not closed.
        """
        if self._handle is None:
            return
        try:
            if self._started:
                self.stop(drain)
        except TimedOutError:
            _logger.warning("requests were still running after %s s and got no response", drain)
        except ForkedError:
            pass  # it runs in the parent; freeing it here touches nothing there
        self.shutdown()
        self._handle = None

    def __enter__(self) -> Server:
        opened(self._handle, "server")
        return self if self._started else self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._handle is None:
            return "<sealgate.Server, closed>"
        if not self._started:
            return "<sealgate.Server, not started>"
        try:
            return f"<sealgate.Server at {self.url}>"
        except SealgateError as error:
            return f"<sealgate.Server, {error.code}>"  # forked

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Server cannot be pickled: create one in each process")


#: Started servers that are still in use, for the interpreter's exit.
_serving: weakref.WeakValueDictionary[int, Handle] = weakref.WeakValueDictionary()
_DRAIN_AT_EXIT = 10_000  # milliseconds


def _stop(handle: Handle, drain: float) -> None:
    milliseconds = number(round(drain * 1000), "drain (in milliseconds)", _LONGEST_DRAIN)
    check(LIBRARY.sealgate_server_stop(handle, milliseconds))


def _stop_interruptibly(handle: Handle, drain: float) -> None:
    # Python handles no signals during a call of the library: another thread makes the call, and this one waits in Python.
    failures: list[Exception] = []

    def stop(seconds: float) -> None:
        try:
            _stop(handle, seconds)
        except TimedOutError:
            _logger.warning("requests were still running after %s s and got no response", seconds)
        except Exception as failure:  # raised below
            failures.append(failure)

    stopping = threading.Thread(target=stop, args=(drain,), name="sealgate-stop")
    stopping.start()
    try:
        stopping.join()
    except KeyboardInterrupt:
        stop(0)
        stopping.join()
    if failures:
        raise failures[0]


def _stop_all() -> None:
    # A library thread that entered Python while the interpreter is shutting down would crash the process.
    for handle in list(_serving.values()):
        LIBRARY.sealgate_server_stop(handle, _DRAIN_AT_EXIT)
    log.stop_logging()


atexit.register(_stop_all)
