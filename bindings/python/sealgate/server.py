"""The HTTP server in this process, with routes of the program's own."""

from __future__ import annotations

import atexit
import functools
import inspect
import threading
import weakref
from collections.abc import Mapping
from ctypes import byref, c_uint16
from typing import Any, Callable, NoReturn, Optional, Protocol, TypeVar, Union

from . import _callbacks, log
from ._callbacks import Verdict
from ._callbacks import logger as _logger
from ._load import LIBRARY
from ._memory import Data, Handle, bytes_of, number, opened, take_buffer, text
from .config import Config, Value, config_of
from .errors import ForkedError, SealgateError, TimedOutError, check
from .gate import Gate
from .http import Answer, Request

__all__ = ["Server"]

_TOKEN, _LIMITED, _BLOCKING = 1, 2, 4
_LONGEST_DRAIN = 2**32 - 1  # milliseconds

RouteFunction = TypeVar("RouteFunction", bound=Callable[[Request], Answer])


class _WithAddress(Protocol):
    def __call__(self, __username: str, __password: str, *, address: str) -> Verdict: ...


AuthenticateFunction = TypeVar("AuthenticateFunction", bound=Union[Callable[[str, str], Verdict], _WithAddress])
SecureDataFunction = TypeVar("SecureDataFunction", bound=Callable[[], Data])


def _free(address: int) -> None:
    """Frees a server that nothing refers to any more; one that runs is stopped."""
    if LIBRARY.sealgate_server_free(address):
        # The last reference went in one of the server's own functions, which it would have to wait for.
        threading.Thread(target=_free_drained, args=(address,), name="sealgate-free").start()


def _free_drained(address: int) -> None:
    LIBRARY.sealgate_server_stop(address, _DRAIN_AT_EXIT)  # the function that is running is still to be answered
    LIBRARY.sealgate_server_free(address)


class _ServerHandle(Handle):
    __slots__ = ()
    free = staticmethod(_free)


class Server:
    """Serves the HTTP API, and routes of your own beside it, on threads of the library.

        >>> import urllib.request
        >>> from sealgate import Gate, Server
        >>> server = Server(Gate(keys="ephemeral"), listen="127.0.0.1:0")
        >>> @server.route("GET", "/hello/{name}")
        ... def hello(request):
        ...     return {"hello": request.parameter("name")}
        >>> with server:
        ...     urllib.request.urlopen(server.url + "/hello/world").read()
        b'{"hello": "world"}'

    Settings of the server are given as those of a :class:`~sealgate.Gate` are; those of the gate are the gate's. Without any
    the environment's are taken. ``with`` starts it, and stops and frees it at its end; :meth:`serve_forever` serves until
    Ctrl-C. Functions of routes run on the library's threads, several at a time. An exception in one is logged with its
    traceback under the logger ``sealgate``, and answered with 500; a login is denied.

    In a process that was forked off after it was made, a server raises :class:`~sealgate.ForkedError`: make it there.

    :param listen: where to listen: ``HOST:PORT`` or ``unix:/PATH``, several with commas between; port 0 takes a free one.
    :raises SettingError: where a setting is unknown, missing or wrong.
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
        # A lock that is held until the end: unlike an Event it may be let go in a signal handler.
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
        blocking: bool = True,
    ) -> Callable[[RouteFunction], RouteFunction]:
        """Adds the function that follows as a route. It gets a :class:`~sealgate.Request` and returns text, bytes, a dict or
        a list (JSON), one of these with a status as a tuple, or a :class:`~sealgate.Response`.

        An exception is logged and answered with 500, unless it stands for an answer: :class:`~sealgate.HTTPError`, this
        package's own (``RateLimitedError`` is 429 with Retry-After, ``TokenError`` 401 with WWW-Authenticate), werkzeug's and
        Starlette's.

        :param method: ``GET`` (which answers HEAD too), ``POST`` or another one, in any case.
        :param path: begins with a slash; a segment in braces, as in ``/orders/{id}``, takes any text.
        :param token: only for holders of a token, whose checked claims are in ``request.claims``.
        :param scope: the one scope name that the token needs; says ``token=True`` too.
        :param limited: only as often as the gate's limit admits, counted with the user's other requests. Needs a token.
        :param blocking: whether it runs where it holds nobody else up. Without it the function runs where the connections
            are served, which is quicker for one that neither waits nor computes; for Python's lock it waits in any case.
        :raises InvalidArgumentError: where the path is malformed or taken, or a limit comes without a token.
        :raises TypeError: where the function is ``async``: routes run on threads.
        :raises WrongStateError: where the server has been started.
        """
        verb, place, wanted = text(method, "method").upper(), text(path, "path"), text(scope or "", "scope")
        flags = (_TOKEN if token or wanted else 0) | (_LIMITED if limited else 0) | (_BLOCKING if blocking else 0)

        def add(function: RouteFunction) -> RouteFunction:
            _refuse_async(function)
            handle = opened(self._handle, "server")
            registered = _callbacks.register(function, f"The function of the route {method} {path}")
            check(
                LIBRARY.sealgate_server_route(
                    handle,
                    *(verb, len(verb), place, len(place), flags, wanted, len(wanted)),
                    *(_callbacks.route, registered, _callbacks.drop),
                )
            )
            return function

        return add

    def authenticate(self, function: AuthenticateFunction) -> AuthenticateFunction:
        """Gives the server accounts: ``POST /login`` then takes a username and a password, and the function that follows
        decides. It gets both as text, and returns the scopes of the user's tokens (a list of names, or text with spaces
        between; True for ``secure-data encrypt decrypt``). Anything false denies, an exception too. A function with a parameter
        named ``address`` gets the client's there, as ``request.remote_addr`` has it, to slow down those who guess.

        It may take its time, as password hashes do. Logging in is then offered to everybody who reaches the server.

        :raises WrongStateError: where the server has been started.
        """
        _refuse_async(function)
        decide = _with_address(function)
        self._set(LIBRARY.sealgate_server_set_authenticate, _callbacks.authenticate, decide, "authenticates")
        return function

    def secure_data(self, function: SecureDataFunction) -> SecureDataFunction:
        """Lets the function that follows supply what ``/secure-data`` shows, encrypted: text or bytes at each request.

        :raises WrongStateError: where the server has been started.
        """
        _refuse_async(function)
        self._set(LIBRARY.sealgate_server_set_secure_data, _callbacks.secure_data, function, "supplies the data")
        return function

    def _set(self, setter: Any, callback: Any, function: Callable[..., Any], does: str) -> None:
        handle = opened(self._handle, "server")
        registered = _callbacks.register(function, f"The function that {does}")
        check(setter(handle, callback, registered, _callbacks.drop))

    # While it serves

    def start(self) -> Server:
        """Binds the addresses and starts to serve; returns once clients can connect. After a failure, close the server.

        :raises SettingError: where an address cannot be had or a file is not fit for use.
        :raises WrongStateError: where it was started before.
        """
        handle = opened(self._handle, "server")
        # Before it runs: an exception may come just after. To stop one that does not run is nothing.
        _serving[handle.value or 0] = handle
        check(LIBRARY.sealgate_server_start(handle))
        self._started = True
        return self

    @property
    def port(self) -> int:
        """The port of the first TCP address; 0 where it serves Unix sockets only."""
        port = c_uint16()
        check(LIBRARY.sealgate_server_port(opened(self._handle, "server"), byref(port)))
        return port.value

    @property
    def addresses(self) -> list[str]:
        """All that is served: ``http://127.0.0.1:5000``, ``https://...``, ``unix:/path``."""
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

    def serve_forever(self, drain: float = 10.0) -> None:
        """Starts the server unless it runs, and serves until :meth:`shutdown` is called or Ctrl-C is pressed; then stops it
        and returns. Running requests may take ``drain`` seconds to end; a second Ctrl-C cuts them short.
        """
        handle = opened(self._handle, "server")
        try:
            if self._started:
                _ = self.port  # ForkedError where it runs in another process
            else:
                self.start()
            self._until.acquire()
        except KeyboardInterrupt:
            pass
        self.shutdown()  # so that a second call does not wait for what has been
        _stop_interruptibly(handle, drain)

    def shutdown(self) -> None:
        """Makes :meth:`serve_forever` end, from any thread, a route's function or a signal handler. It waits for nothing."""
        try:
            self._until.release()
        except RuntimeError:  # a second time
            pass

    def stop(self, drain: float = 10.0) -> None:
        """Stops serving: no new requests are taken, running ones may take ``drain`` seconds to end. May be called more than
        once. From a thread of the server's own call :meth:`shutdown`.

        :raises TimedOutError: where requests were still running; they get no answer.
        :raises WouldDeadlockError: from a function of the server's own.
        """
        _stop(opened(self._handle, "server"), drain)

    def close(self, drain: float = 10.0) -> None:
        """Stops the server where it runs, and frees it. May be called twice; other calls then raise.

        :raises WouldDeadlockError: from a function of the server's own; it is not closed then.
        """
        if self._handle is None:
            return
        try:
            if self._started:
                self.stop(drain)
        except TimedOutError:
            _logger.warning("requests were still running after %s s and got no answer", drain)
        except ForkedError:
            pass  # it serves in the parent; freeing it here touches nothing there
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
        raise TypeError("a Server cannot be pickled: make one in each process")


def _refuse_async(function: Callable[..., Any]) -> None:
    while isinstance(function, functools.partial):
        function = function.func
    call = getattr(function, "__call__", None)  # noqa: B004 - an object may have an async one
    if any(inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one) for one in (function, call)):
        raise TypeError(
            "the function must not be async: the server calls it on a thread and waits for what it returns. Define it with "
            "def; it may run a coroutine with asyncio.run, or hand it to a loop with asyncio.run_coroutine_threadsafe"
        )


def _with_address(function: Callable[..., Verdict]) -> Callable[[str, str, str], Verdict]:
    """The function as one that takes the client's address, which it gets if it has a parameter for it."""
    try:
        wants_it = "address" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # a function in C
        wants_it = False

    def decide(username: str, password: str, address: str) -> Verdict:
        return function(username, password, address=address) if wants_it else function(username, password)

    return decide


#: What has been started and is in use, for the interpreter's end.
_serving: weakref.WeakValueDictionary[int, Handle] = weakref.WeakValueDictionary()
_DRAIN_AT_EXIT = 10_000  # milliseconds


def _stop(handle: Handle, drain: float) -> None:
    milliseconds = number(round(drain * 1000), "drain (in milliseconds)", _LONGEST_DRAIN)
    check(LIBRARY.sealgate_server_stop(handle, milliseconds))


def _stop_interruptibly(handle: Handle, drain: float) -> None:
    # A signal is not seen in a call of the library: the call goes elsewhere, and this thread waits in Python.
    failures: list[Exception] = []

    def stop(seconds: float) -> None:
        try:
            _stop(handle, seconds)
        except TimedOutError:
            _logger.warning("requests were still running after %s s and got no answer", seconds)
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
    # A thread of the library's that came into Python when the interpreter is half gone would take the process down.
    for handle in list(_serving.values()):
        LIBRARY.sealgate_server_stop(handle, _DRAIN_AT_EXIT)
    log.stop_logging()


atexit.register(_stop_all)
