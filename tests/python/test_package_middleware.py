"""The middleware for WSGI and ASGI beside what a real server shows in test_package_web.py: what they leave alone."""

import asyncio
import io
import wsgiref.util
import wsgiref.validate

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient

import sealgate
from sealgate import asgi, wsgi


@pytest.fixture
def gate():
    with sealgate.Gate(keys="ephemeral", max_requests=2) as gate:
        yield gate


# WSGI


def environ(path="/", token=None, method="GET", **more):
    made = {"PATH_INFO": path, "REQUEST_METHOD": method, "wsgi.input": io.BytesIO(), "QUERY_STRING": "", "SCRIPT_NAME": ""}
    if token is not None:
        made["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    wsgiref.util.setup_testing_defaults(made)
    return made | more


class Asked:
    """A WSGI program's response. The validator of the standard library watches both sides of the middleware."""

    def __init__(self, program, made, check=True):
        self.calls = []
        if check:
            program = wsgiref.validate.validator(program)
        self.result = program(made, self.start)

    def start(self, status, headers, exc_info=None):
        if exc_info and self.calls and self.body_begun:
            raise exc_info[1]
        self.calls.append((status, dict(headers)))
        return lambda data: None

    body_begun = False

    def read(self):
        try:
            return b"".join(self.result)
        finally:
            if hasattr(self.result, "close"):
                self.result.close()

    @property
    def status(self):
        return int(self.calls[-1][0].split()[0])

    @property
    def headers(self):
        return self.calls[-1][1]


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Own", "kept")])
    return [b"hello"]


def test_the_middleware_is_good_wsgi_on_both_sides(gate):
    program = wsgi.TokenMiddleware(wsgiref.validate.validator(hello), gate)
    for method in ("GET", "HEAD", "POST"):
        asked = Asked(program, environ(token=gate.issue_token(method), method=method))
        assert asked.read() == b"hello" and asked.headers["X-Own"] == "kept"
    for method, size in (("GET", None), ("HEAD", 0)):
        asked = Asked(program, environ(method=method))
        body = asked.read()
        assert asked.status == 401 and len(body) == (int(asked.headers["Content-Length"]) if size is None else 0)


def test_the_programs_own_fields_are_kept():
    def program(environ, start_response):
        start_response("200 OK", [("x-request-id", "mine"), ("Content-Type", "text/plain")])
        return [b""]

    asked = Asked(wsgi.RequestIdMiddleware(program), environ())
    assert asked.read() == b"" and asked.headers == {"x-request-id": "mine", "Content-Type": "text/plain"}


def test_the_result_is_the_programs_own_object_and_is_closed_by_the_server_only(gate):
    class Body:
        closed = False

        def __iter__(self):
            return iter([b"a", b"b"])

        def close(self):
            self.closed = True

    body = Body()

    def program(environ, start_response):
        start_response("200 OK", [])
        return body

    asked = Asked(wsgi.TokenMiddleware(program, gate, required=False), environ(), check=False)
    assert asked.result is body and not body.closed


def test_a_generator_is_not_run_before_the_server_asks():
    ran = []

    def program(environ, start_response):
        ran.append(1)
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"piece"
        ran.append(2)
        yield b""

    asked = Asked(wsgi.RequestIdMiddleware(program), environ())
    pieces = iter(asked.result)
    assert ran == []
    assert next(pieces) == b"piece" and ran == [1] and asked.headers["X-Request-Id"]
    asked.read()


def test_an_exception_after_the_head_replaces_it_unless_it_was_sent(gate):
    def program(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Own", "lost")])
        raise sealgate.DecryptFailedError("No.")

    asked = Asked(wsgi.RequestIdMiddleware(program), environ())
    assert b"decrypt_failed" in asked.read() and asked.status == 400 and "X-Own" not in asked.headers

    class Sent(Asked):
        body_begun = True

    with pytest.raises(sealgate.DecryptFailedError):
        Sent(wsgi.RequestIdMiddleware(program), environ(), check=False)


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(1)])
def test_other_exceptions_are_passed_on(error):
    def program(environ, start_response):
        raise error

    with pytest.raises(type(error)):
        Asked(wsgi.RequestIdMiddleware(program), environ())


def test_middleware_of_both_kinds_shares_one_context(gate):
    def program(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [wsgi.context_of(environ).claims.subject.encode()]

    inner = wsgi.TokenMiddleware(wsgi.TokenMiddleware(program, gate, limited=True), gate, limited=True)
    token = gate.issue_token("alice")
    for status, left in ((200, 1), (200, 0), (429, 0)):
        asked = Asked(inner, environ(token=token))
        asked.read()
        assert asked.status == status and asked.headers["RateLimit"].startswith(f'"default";r={left}')


def test_paths_that_are_public_are_compared_as_text(gate):
    program = wsgi.TokenMiddleware(hello, gate, public=["/grüße", "/a"])
    as_wsgi_has_it = "/grüße".encode().decode("latin-1")
    for path, status in ((as_wsgi_has_it, 200), ("/a", 200), ("/grüße", 401), ("/A", 401), ("/a/", 401), ("", 401), ("/a\0", 401)):
        asked = Asked(program, environ(path), check=False)
        assert asked.status == status, path
    with pytest.raises(TypeError):
        wsgi.TokenMiddleware(hello, gate, public="/a")


def test_a_token_may_be_optional_but_a_bad_one_is_refused(gate):
    def program(environ, start_response):
        claims = wsgi.context_of(environ).claims
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [claims.subject.encode() if claims else b"nobody"]

    optional = wsgi.TokenMiddleware(program, gate, required=False, limited=True)
    assert Asked(optional, environ()).read() == b"nobody"
    assert Asked(optional, environ(HTTP_AUTHORIZATION="Basic YTpi")).read() == b"nobody"
    assert Asked(optional, environ(token=gate.issue_token("alice"))).read() == b"alice"
    asked = Asked(optional, environ(token="x"))
    assert b"token_malformed" in asked.read() and asked.status == 401


# ASGI


def run(app, scope, messages=()):
    """Runs a program on one connection. Returns what it was given and what it sent."""
    received, sent = list(messages), []

    async def receive():
        return received.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def http(path="/", token=None, **more):
    headers = [] if token is None else [(b"authorization", b"Bearer " + token.encode())]
    return {"type": "http", "method": "GET", "path": path, "headers": headers} | more


@pytest.mark.parametrize("kind", ["lifespan", "websocket", "something new"])
def test_what_is_no_request_passes_untouched(gate, kind):
    seen = []

    async def program(scope, receive, send):
        seen.extend((scope, receive, send))

    async def receive():
        raise AssertionError

    async def send(message):
        raise AssertionError

    scope = {"type": kind, "headers": [(b"x-request-id", b"a")], "path": "/"}
    before = dict(scope)
    asyncio.run(asgi.TokenMiddleware(program, gate)(scope, receive, send))
    assert seen[0] is scope and scope == before and seen[1] is receive and seen[2] is send


def test_every_message_but_the_head_is_passed_on_as_it_is(gate):
    messages = [
        {"type": "http.response.debug", "info": {}},
        {"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"kept\xff")], "trailers": True},
        {"type": "http.response.body", "body": b"a", "more_body": True},
        {"type": "http.response.body", "body": b"b"},
        {"type": "http.response.trailers", "headers": []},
    ]
    given = []

    async def program(scope, receive, send):
        given.append(await receive())
        for message in messages:
            await send(message)

    request = {"type": "http.request", "body": b"x", "more_body": True}
    sent = run(asgi.TokenMiddleware(program, gate), http(token=gate.issue_token("alice")), [request])
    assert given[0] is request
    head = sent.pop(1)
    expected = messages.pop(1)
    assert all(one is other for one, other in zip(sent, messages)) and len(sent) == len(messages)
    assert head["headers"][0] == (b"x-own", b"kept\xff") and head["trailers"] is True
    assert [name for name, _ in head["headers"]] == [b"x-own", b"x-request-id"]
    assert expected["headers"] == [(b"x-own", b"kept\xff")]


def test_an_exception_after_the_head_is_passed_on(gate):
    async def program(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise sealgate.DecryptFailedError("No.")

    with pytest.raises(sealgate.DecryptFailedError):
        run(asgi.RequestIdMiddleware(program), http())


def test_two_authorization_fields_are_refused(gate):
    token = gate.issue_token("alice")
    scope = http(token=token)
    scope["headers"] = scope["headers"] + [(b"Authorization", b"Bearer " + token.encode())]

    async def program(scope, receive, send):
        raise AssertionError("reached")

    for required in (True, False):
        sent = run(asgi.TokenMiddleware(program, gate, required=required), dict(scope))
        assert sent[0]["status"] == 400


def test_starlette_mounts_and_websockets(gate):
    async def live(socket):
        claims = asgi.context_of(socket.scope).authenticate(gate, "orders")
        await socket.accept()
        await socket.send_text(claims.subject)
        await socket.close()

    async def me(request):
        return JSONResponse(asgi.context_of(request.scope).claims.subject)

    routes = [Mount("/inner", routes=[Route("/me", me), Route("/free", lambda request: JSONResponse("free"))])]
    middleware = [Middleware(asgi.TokenMiddleware, gate, public=["/inner/free"])]
    app = Starlette(routes=[*routes, WebSocketRoute("/live", live)], middleware=middleware)
    client = TestClient(app)
    token = {"Authorization": f"Bearer {gate.issue_token('alice', scope='orders')}"}
    assert client.get("/inner/me", headers=token).json() == "alice"
    assert client.get("/inner/me").status_code == 401
    assert client.get("/inner/free").json() == "free"
    with client.websocket_connect("/live", headers=token) as socket:
        assert socket.receive_text() == "alice"
    with pytest.raises(sealgate.TokenMissingError), client.websocket_connect("/live"):
        raise AssertionError("accepted")


def test_the_root_path_is_no_part_of_a_public_path(gate):
    async def program(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    app = asgi.TokenMiddleware(program, gate, public=["/free"])
    cases = [("/app/free", "/app", 200), ("/free", "/app", 200), ("/appfree", "/app", 401), ("/app/app/free", "/app", 401)]
    for path, root, status in cases:
        assert run(app, http(path, root_path=root))[0]["status"] == status, path


def test_a_closed_gate_is_a_fault_and_lets_nothing_through(gate, caplog):
    token = gate.issue_token("alice")
    gate.close()

    async def program(scope, receive, send):
        raise AssertionError("reached")

    sent = run(asgi.TokenMiddleware(program, gate), http(token=token))
    assert sent[0]["status"] == 500 and len(caplog.records) == 1
