"""What a route's function may raise, how it is registered, and how it learns who is asking."""

import asyncio
import functools
import http.client
import json
import logging
import socket
import sys
import urllib.error

import pytest
import werkzeug.exceptions

import sealgate
from doors import PATIENCE, Reply
from sealgate import HTTPError
from served import HERE, gate, server, started


class Foreign(Exception):
    def __init__(self, **attributes):
        super().__init__("not for the client")
        self.__dict__.update(attributes)


class Werkzeugs(Foreign):
    def get_response(self):
        raise NotImplementedError


NOT_ALLOWED = werkzeug.exceptions.MethodNotAllowed(["GET", "PUT"], "Not that.")
TOO_MANY_REQUESTS = werkzeug.exceptions.TooManyRequests("Slow.", retry_after=7)

UNSCOPED = sealgate.InsufficientScopeError("Not with this.")
UNSCOPED.scope = "a b"

LIMITED = sealgate.RateLimitedError("Slow down.")
LIMITED.retry_after = 1.2

INVALID_TOKEN = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
EXPIRED = {"WWW-Authenticate": 'Bearer error="invalid_token", error_description="Old"'}
SCOPES_NEEDED = {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="a b"'}

CYCLE = []
CYCLE.append(CYCLE)
DEEP = functools.reduce(lambda inner, _: [inner], range(200_000), [])

#: Each with its status, the sentence in the member `error`, and header fields.
ANSWERS = {
    "ours": (HTTPError(404, "There is no order 17."), 404, "There is no order 17.", {}),
    "headers": (HTTPError(503, "Soon.", {"Retry-After": "5"}), 503, "Soon.", {"Retry-After": "5"}),
    "no detail": (HTTPError(418), 418, "I'm a Teapot", {}),
    "limit": (LIMITED, 429, "Slow down.", {"Retry-After": "2"}),
    "limit without a time": (sealgate.RateLimitedError("x"), 429, "x", {"Retry-After": "1"}),
    "token": (sealgate.TokenExpiredError("Old."), 401, "Old.", EXPIRED),
    "no token": (sealgate.TokenMissingError("None."), 401, "None.", {"WWW-Authenticate": "Bearer"}),
    "login": (sealgate.LoginFailedError("No."), 401, "No.", {"WWW-Authenticate": "Bearer"}),
    "scope": (UNSCOPED, 403, "Not with this.", SCOPES_NEEDED),
    "taken": (sealgate.UserExistsError("Taken."), 409, "The name is taken.", {}),
    "data": (sealgate.DecryptFailedError("Bad."), 400, "Bad.", {}),
    "unchecked": (sealgate.TokenUncheckedError("Later."), 503, "The server cannot answer now.", {"Retry-After": "1"}),
    "forged": (sealgate.TokenInvalidError('a"\r\nX-C: d'), 401, 'a"\r\nX-C: d', INVALID_TOKEN),
    "starlette": (Foreign(status_code=403, detail="Not you.", headers={"X-A": "b"}), 403, "Not you.", {"X-A": "b"}),
    "starlette's object": (Foreign(status_code=422, detail={"a": ["ä", 1]}), 422, '{"a":["ä",1]}', {}),
    "starlette's list": (Foreign(status_code=422, detail=[{"loc": "x"}]), 422, '[{"loc":"x"}]', {}),
    "no detail of starlette's": (Foreign(status_code=404, detail=None), 404, "Not Found", {}),
    "no JSON": (Foreign(status_code=422, detail={"a": {1}}), 422, http.HTTPStatus(422).phrase, {}),
    "no number of JSON": (Foreign(status_code=409, detail=[float("nan")]), 409, "Conflict", {}),
    "a cycle": (Foreign(status_code=409, detail=CYCLE), 409, "Conflict", {}),
    "deep": (Foreign(status_code=409, detail=DEEP), 409, "Conflict", {}),
    "really werkzeug's": (NOT_ALLOWED, 405, "Not that.", {"Allow": "GET, PUT"}),
    "werkzeug's with a time": (TOO_MANY_REQUESTS, 429, "Slow.", {"Retry-After": "7"}),
    "werkzeug": (Werkzeugs(code=410, description="Gone."), 410, "Gone.", {}),
}

FAULTS = {
    "any": ValueError("secret"),
    "setting": sealgate.SettingError("secret"),
    "another server's": urllib.error.HTTPError("http://x", 404, "secret", {}, None),
    "a code alone": Foreign(code=404),
    "no status": Foreign(status_code="404"),
    "no error's status": Foreign(status_code=200),
    "beyond": Foreign(status_code=999),
    "exit": SystemExit(404),
    "bad headers": HTTPError(404, "secret", {"Content-Length": "3"}),
    "forged headers": HTTPError(404, "secret", {"X-A": "b\r\nX-C: d"}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_exception_with_a_status_is_that_answer(server, caplog, name):
    error, status, sentence, headers = ANSWERS[name]

    @server.route("GET", "/x")
    def route(request):
        raise error

    with caplog.at_level(logging.ERROR, "sealgate"):
        reply = started(server).get("/x")
    assert reply.status == status
    assert reply.headers["Content-Type"] == "application/problem+json"
    answer = json.loads(reply.body)
    assert (answer["status"], answer["error"]) == (status, sentence)
    assert answer["request_id"] == reply.headers["X-Request-Id"]
    assert {field: reply.headers[field] for field in headers} == headers
    assert len(caplog.records) == (status >= 500)


@pytest.mark.parametrize("name", FAULTS)
def test_every_other_exception_is_logged_and_answered_with_500(server, caplog, name):
    @server.route("GET", "/x")
    def route(request):
        raise FAULTS[name]

    reply = started(server).get("/x")
    assert reply.status == 500 and b"secret" not in reply.body and "X-C" not in reply.headers
    (record,) = caplog.records
    assert record.exc_info[1] is FAULTS[name]


def test_an_error_has_a_status_that_is_one():
    for status in (200, 399, 600, "404", True):
        with pytest.raises(ValueError):
            HTTPError(status)


@pytest.mark.parametrize("detail", [b"x", None, {"a": 1}, 7])
def test_an_error_has_a_detail_that_is_text(detail):
    with pytest.raises(TypeError, match="detail"):
        HTTPError(404, detail)


def test_a_method_may_be_written_in_any_case(server):
    server.route("get", "/x")(lambda request: request.method)
    server.route("Post", "/x")(lambda request: request.method)
    site = started(server)
    assert site.get("/x").body == b"GET"
    assert site.request("POST", "/x", send={}).body == b"POST"


async def coroutine(*_):
    return "x"


async def generator(*_):
    yield "x"


class Callable:
    async def __call__(self, *_):
        return "x"

    @functools.lru_cache
    async def method(self, *_):
        return "x"


ASYNC = {
    "function": coroutine,
    "generator": generator,
    "object": Callable(),
    "partial": functools.partial(coroutine, 1),
    "partial of an object": functools.partial(Callable(), 1),
    "cached object": functools.lru_cache(Callable()),
    "cached": functools.lru_cache(coroutine),
    "cached without a limit": functools.lru_cache(maxsize=None)(coroutine),
    "cached method": Callable().method,
    "cached partial": functools.lru_cache(functools.partial(coroutine, 1)),
    "partial of a cached one": functools.partial(functools.lru_cache(coroutine), 1),
}


@pytest.mark.parametrize("function", ASYNC.values(), ids=ASYNC)
def test_an_async_function_is_refused_when_it_is_registered(server, function):
    for register in (server.route("GET", "/x"), server.authenticate, server.secure_data):
        with pytest.raises(TypeError, match="must not be async"):
            register(function)
    server.route("GET", "/x")(lambda request: asyncio.run(coroutine()))
    assert started(server).get("/x").body == b"x"


def test_a_function_that_runs_an_async_one_is_accepted(server):
    """It may claim to be that one, as what functools.wraps returns does."""

    @server.route("GET", "/x")
    @functools.wraps(coroutine)
    def run(*arguments):
        return asyncio.run(coroutine(*arguments))

    assert started(server).get("/x").body == b"x"


@pytest.mark.parametrize("function", [None, "hello", b"", 7, ["x"]])
def test_what_cannot_be_called_is_refused_when_it_is_registered(server, function):
    for register in (server.route("GET", "/x"), server.authenticate, server.secure_data):
        with pytest.raises(TypeError, match="callable"):
            register(function)


def test_a_route_knows_who_is_asking_and_the_requests_id(gate):
    seen = []
    server = sealgate.Server(gate, {**HERE, "trusted_proxies": "127.0.0.1"})

    @server.route("GET", "/x")
    def route(request):
        return {"addr": request.remote_addr, "peer": request.peer, "id": request.id}

    @server.authenticate
    def check(username, password, *, address):
        seen.append((username, address))
        return True

    site = started(server)
    try:
        for forwarded, addr in [
            (None, "127.0.0.1"),
            ("203.0.113.9", "203.0.113.9"),
            ("10.9.9.9, 203.0.113.9", "203.0.113.9"),
            ("2001:db8::1", "2001:db8::1"),
            ("nonsense", "127.0.0.1"),
        ]:
            headers = {"X-Request-Id": "mine-1"} | ({"X-Forwarded-For": forwarded} if forwarded else {})
            reply = site.request("GET", "/x", headers=headers)
            assert json.loads(reply.body) == {"addr": addr, "peer": "127.0.0.1", "id": "mine-1"}
            body = {"username": "alice", "password": "p"}
            assert site.request("POST", "/login", send=body, headers=headers).status == 200
            assert seen.pop() == ("alice", addr)
        reply = site.get("/x")
        assert json.loads(reply.body)["id"] == reply.headers["X-Request-Id"]
    finally:
        server.close()


PROXY_HEADERS = {
    "v1": b"PROXY TCP4 203.0.113.9 198.51.100.1 40000 443\r\n",
    "v2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([203, 0, 113, 9, 198, 51, 100, 1, 156, 64, 1, 187]),
}


@pytest.mark.parametrize("header", PROXY_HEADERS.values(), ids=PROXY_HEADERS)
def test_a_route_knows_the_client_that_the_connection_names(gate, header):
    settings = {**HERE, "trusted_proxies": "127.0.0.1", "proxy_protocol": "require"}
    server = sealgate.Server(gate, settings)
    server.route("GET", "/x")(lambda request: {"addr": request.remote_addr, "peer": request.peer})
    with server:
        for first, status in [(header, 200), (b"", 400), (header[:-3], 400)]:
            with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
                connection.sendall(first + b"GET /x HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
                reply = http.client.HTTPResponse(connection)
                reply.begin()
                assert reply.status == status
                body = json.loads(reply.read())
                assert status != 200 or body == {"addr": "203.0.113.9", "peer": "127.0.0.1"}


def test_the_proxy_protocol_needs_proxies(gate):
    with pytest.raises(sealgate.SettingError, match="trusted_proxies|SEALGATE_TRUSTED_PROXIES"):
        sealgate.Server(gate, {**HERE, "proxy_protocol": "accept"}).start()


def test_nobody_names_another_address_without_a_trusted_proxy(server):
    server.route("GET", "/x")(lambda request: request.remote_addr)
    site = started(server)
    assert site.request("GET", "/x", headers={"X-Forwarded-For": "203.0.113.9"}).body == b"127.0.0.1"


def by_position(name, password, address, /):
    return address == "127.0.0.1"


def by_position_or_without(name, password, address="127.0.0.1", /, *_):
    return address == "127.0.0.1"


def by_name(name, password, *, address):
    return address == "127.0.0.1"


def by_either(name, password, address):
    return address == "127.0.0.1"


class Method:
    def check(self, name, password, address, /):
        return address == "127.0.0.1"


@pytest.mark.parametrize("check", [by_position, by_position_or_without, by_name, by_either, Method().check])
def test_a_function_takes_the_address_by_position_or_by_name(server, check):
    server.authenticate(check)
    assert started(server).request("POST", "/login", send={"username": "a", "password": "b"}).status == 200


@pytest.mark.parametrize(
    "check",
    [lambda name, password: True, lambda name, password, limit=3: limit == 3, functools.partial(lambda a, n, p: a, True), lambda name, password, *address: not address],
)
def test_a_function_without_that_parameter_is_not_given_the_address(server, check):
    server.authenticate(check)
    assert started(server).request("POST", "/login", send={"username": "a", "password": "b"}).status == 200


def test_a_server_shows_its_url(gate):
    server = sealgate.Server(gate, HERE)
    assert repr(server) == "<sealgate.Server, not started>"
    server.start()
    assert repr(server) == f"<sealgate.Server at http://127.0.0.1:{server.port}>"
    server.stop()
    assert "127.0.0.1" in repr(server)
    server.close()
    assert repr(server) == "<sealgate.Server, closed>"


VALUES = {
    "an array": "[" + "0," * 9_998 + "0]",
    "texts with marks": json.dumps({"a": '[,{"\\' * 20_000, "b\\": ["\\", '"', '\\"']}),
}
TOO_MANY = {
    "nested": '{"a":' * 10_001 + "0" + "}" * 10_001,
    "an array": "[" + "0," * 10_000 + "0]",
    "empty objects": "[" + "{}," * 300_000 + "0]",
    "empty texts": "[" + '"",' * 300_000 + "0]",
    "no separators": '""' * 500_000,
    "escaped quotes": "[" + '"\\\\","\\"",' * 100_000 + "0]",
}


@pytest.mark.parametrize("name", VALUES)
def test_json_of_a_body_is_read(server, name):
    assert asked_for_json(server, VALUES[name]).status == 200


@pytest.mark.parametrize("name", TOO_MANY)
def test_json_of_too_many_values_is_refused_before_anything_is_built(server, name):
    reply = asked_for_json(server, TOO_MANY[name])
    assert reply.status == 400 and "JSON" in json.loads(reply.body)["detail"]


def test_json_that_is_nested_too_deeply_for_python_is_no_fault_of_the_route(server):
    """How deeply that is depends on the Python: 3.13 reads it."""
    assert asked_for_json(server, '{"a":' * 9_000 + "0" + "}" * 9_000).status in (200, 400)


MALFORMED = {
    "cut off": b'{"a":',
    "empty": b"",
    "two values": b"1 2",
    "not UTF-8": b'"\xff"',
    "UTF-16": '"a"'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_body_that_is_not_json_is_the_clients_fault(server, caplog, name):
    reply = asked_for_json(server, MALFORMED[name])
    assert reply.status == 400 and "The body is not" in json.loads(reply.body)["detail"]
    assert not caplog.records


def test_a_number_of_too_many_digits_for_python_is_no_fault_of_the_route(server, caplog):
    reply = asked_for_json(server, b"1" * 5_000)
    # Old Pythons have no limit.
    assert reply.status == (400 if hasattr(sys, "get_int_max_str_digits") else 200)
    assert not caplog.records and b"sys." not in reply.body


def test_a_route_may_answer_malformed_json_itself(server):
    @server.route("POST", "/json")
    def route(request):
        try:
            return {"read": request.json()}
        except ValueError as error:
            assert isinstance(error, sealgate.InvalidArgumentError)
            return str(error), 422

    reply = posted(server, b'{\n"a":')
    assert (reply.status, reply.body) == (422, b"The body is not valid JSON: the error is at line 2, column 5.")


def asked_for_json(server, body):
    server.route("POST", "/json")(lambda request: {"read": bool(request.json())})
    return posted(server, body)


def posted(server, body):
    connection = http.client.HTTPConnection("127.0.0.1", started(server).port, timeout=PATIENCE)
    connection.request("POST", "/json", body if isinstance(body, bytes) else body.encode())
    response = connection.getresponse()
    reply = Reply(response.status, response.headers, response.read())
    connection.close()
    return reply
