"""The package's server: routes, accounts, callbacks that fail, and its log."""

import logging
import threading
import time

import jwt
import pytest

import sealgate
from doors import PATIENCE, eventually
from served import SECRET, gate, server, started


def test_a_route_sees_the_request(server):
    seen = {}

    @server.route("POST", "/things/{kind}/{id}")
    def thing(request):
        seen.update(
            method=request.method,
            path=request.path,
            query=request.query,
            arguments=request.arguments,
            kind=request.parameter("kind"),
            id=request.parameter("id"),
            header=(request.headers["x-one"], request.headers.get("X-TWO"), "x-two" in request.headers),
            raw=request.headers["X-Raw"].encode("utf-8", "surrogateescape"),
            body=request.body,
            peer=request.peer,
            claims=request.claims,
        )
        for missing in (lambda: request.headers["x-two"], lambda: request.parameter("x")):
            with pytest.raises(KeyError):
                missing()
        with pytest.raises(sealgate.WrongStateError, match="token=True"):
            request.user  # noqa: B018
        return "seen"

    reply = started(server).request(
        "POST",
        "/things/a%2Fb/gr%C3%BC%20zi?tag=a&tag=b&empty=",
        send={"x": "ü"},
        headers={"X-One": "1", "X-Raw": b"\xe9"},
    )
    assert (reply.status, reply.body, reply.headers["Content-Type"]) == (200, b"seen", "text/plain; charset=utf-8")
    assert seen == {
        "method": "POST",
        "path": "/things/a%2Fb/gr%C3%BC%20zi",
        "query": "tag=a&tag=b&empty=",
        "arguments": {"tag": ["a", "b"], "empty": [""]},
        "kind": "a/b",
        "id": "grü zi",
        "header": ("1", None, False),
        "raw": b"\xe9",
        "body": b'{"x": "\\u00fc"}',
        "peer": "127.0.0.1",
        "claims": None,
    }


ANSWERS = {
    "text": ("grüezi", 200, "text/plain; charset=utf-8", "grüezi".encode()),
    "no text": ("", 200, "text/plain; charset=utf-8", b""),
    "bytes": (b"\xff", 200, "application/octet-stream", b"\xff"),
    "bytearray": (bytearray(b"abc"), 200, "application/octet-stream", b"abc"),
    "dict": ({"a": "ü"}, 200, "application/json", '{"a": "ü"}'.encode()),
    "list": ([1, None], 200, "application/json", b"[1, null]"),
    "with a status": (({"a": 1}, 201), 201, "application/json", b'{"a": 1}'),
    "response": (sealgate.Response("<p>", content_type="text/html"), 200, "text/html", b"<p>"),
    "its header": (sealgate.Response(b"x", 404, {"content-type": "a/b"}), 404, "a/b", b"x"),
    "nothing": (sealgate.Response(), 200, None, b""),
}


@pytest.mark.parametrize(("answer", "status", "content_type", "body"), ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize("blocking", [True, False])
def test_what_a_route_may_answer(server, blocking, answer, status, content_type, body):
    server.route("GET", "/x", blocking=blocking)(lambda request: answer)
    reply = started(server).get("/x")
    assert (reply.status, reply.headers["Content-Type"], reply.body) == (status, content_type, body)


def raising(error):
    def function(*_):
        raise error

    return function


class Rude(BaseException):
    pass


WRONG = {
    "raises": raising(ValueError("the canary")),
    "refuses": raising(sealgate.SettingError("the canary")),
    "exits": raising(SystemExit(3)),
    "is interrupted": raising(KeyboardInterrupt()),
    "raises no Exception": raising(Rude("the canary")),
    "recurses": lambda request: WRONG["recurses"](request),
    "returns nothing": lambda request: None,
    "returns a number": lambda request: 7,
    "returns a wrong pair": lambda request: ("x", 20),
    "returns a tuple of three": lambda request: ("x", 200, {}),
    "returns no JSON": lambda request: {"x": object()},
    "returns a number that JSON has not": lambda request: {"x": float("nan")},
    "returns text that is none": lambda request: "\ud800",
    "returns a wrong header": lambda request: sealgate.Response("x", headers={"X": "a\r\nSet-Cookie: b"}),
    "returns a header of the library's": lambda request: sealgate.Response("x", headers={"Content-Length": "1"}),
    "returns what is no body": lambda request: sealgate.Response([1]),
    "takes no request": lambda: "x",
}


@pytest.mark.parametrize("function", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("blocking", [True, False])
def test_what_goes_wrong_in_a_route_is_500_and_logged_with_its_traceback(server, caplog, blocking, function):
    server.route("GET", "/wrong/{id}", blocking=blocking)(function)
    server.route("GET", "/right")(lambda request: "right")
    site = started(server)
    reply = site.get("/wrong/7")
    assert reply.status == 500 and b"canary" not in reply.body and b"Traceback" not in reply.body
    [record] = caplog.records
    assert record.name == "sealgate" and record.levelno == logging.ERROR
    assert "GET /wrong/{id}" in record.getMessage() and "500" in record.getMessage()
    assert "Traceback" in caplog.text and record.exc_info[1] is not None
    assert site.get("/right").body == b"right"


def test_a_broken_log_does_not_turn_a_failure_into_an_answer(server, capsys):
    class Broken(logging.Handler):
        def handle(self, record):
            raise SystemExit("the log is broken")

    logger, handler = logging.getLogger("sealgate"), Broken()
    server.route("GET", "/wrong")(raising(ValueError("the canary")))
    server.authenticate(raising(ValueError("another reason")))
    logger.addHandler(handler)
    try:
        site = started(server)
        assert site.get("/wrong").status == 500
        assert site.post("/login", {"username": "alice", "password": "x"}).status == 401
    finally:
        logger.removeHandler(handler)
    assert "ValueError: the canary" in capsys.readouterr().err


def test_a_route_for_holders_of_a_token(server, gate):
    server.route("GET", "/mine", token=True)(lambda request: {"user": request.user, "id": request.claims.id})
    server.route("GET", "/orders", scope="orders")(lambda request: dict(request.claims))
    site = started(server)
    assert site.get("/mine").status == site.get("/orders").status == 401
    token = gate.issue_token("alice")
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert site.get("/mine", token=token).ok() == {"user": "alice", "id": claims["jti"]}
    assert site.get("/orders", token=token).status == 403
    token = gate.issue_token("alice", "orders")
    assert site.get("/orders", token=token).ok() == jwt.decode(token, SECRET, algorithms=["HS256"])
    token = jwt.encode({"username": "alice", "exp": time.time() + 60}, SECRET, algorithm="HS256")
    assert site.get("/mine", token=token).ok() == {"user": "alice", "id": None}


def test_a_route_with_any_scope_needs_a_token(server, gate):
    server.route("GET", "/any", scope="")(lambda request: request.user)
    server.route("GET", "/orders", scope="orders")(lambda request: request.user)
    server.route("GET", "/public", scope=None)(lambda request: "x")
    site = started(server)
    unscoped, scoped = gate.issue_token("alice", scope=""), gate.issue_token("alice", scope="orders")
    statuses = {path: [site.get(path, token=one).status for one in (None, unscoped, scoped)] for path in ("/any", "/orders")}
    assert statuses == {"/any": [401, 200, 200], "/orders": [401, 403, 200]}
    assert site.get("/public").status == 200
    with pytest.raises(TypeError):
        server.route("GET", "/several", scope=[])


def test_a_limited_route_counts_with_the_gate(server, gate):
    server.route("GET", "/limited", token=True, limited=True)(lambda request: "yes")
    site = started(server)
    token = gate.issue_token("counted")
    assert gate.admit("counted").remaining == 2
    assert [site.get("/limited", token=token).status for _ in range(4)] == [200, 200, 429, 429]
    assert not gate.admit("counted")


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("GET", "no-slash"), {}),
        (("GET", "/healthz"), {}),
        (("HEAD", "/x"), {}),
        (("G T", "/x"), {}),
        (("GET", "/x"), {"limited": True}),
        (("GET", "/x"), {"scope": "two names"}),
    ],
)
def test_a_route_that_cannot_be_is_refused(server, arguments, options):
    from sealgate import _callbacks

    before = len(_callbacks._registered)
    with pytest.raises(sealgate.InvalidArgumentError):
        server.route(*arguments, **options)(lambda request: "x")
    assert len(_callbacks._registered) == before


def log_in(site, username, password):
    reply = site.post("/login", {"username": username, "password": password})
    return jwt.decode(reply.ok()["token"], SECRET, algorithms=["HS256"]) if reply.status == 200 else reply.status


def test_accounts(server):
    asked = []
    verdicts = {
        "true": True,
        "text": "orders decrypt",
        "names": ["orders", "decrypt"],
        "none": None,
        "false": False,
        "empty": "",
        "no names": [],
    }

    @server.authenticate
    def check(username, password):
        asked.append((username, password))
        return verdicts[username]

    site = started(server)
    assert log_in(site, "true", "påss wörd")["scope"] == sealgate.OPEN_LOGIN_SCOPE
    assert log_in(site, "text", "")["scope"] == log_in(site, "names", "")["scope"] == "orders decrypt"
    for denied in ("none", "false", "empty", "no names"):
        assert log_in(site, denied, "x") == 401
    assert asked[0] == ("true", "påss wörd") and len(asked) == 7


@pytest.mark.parametrize(
    "verdict", [raising(ValueError("x")), raising(SystemExit(0)), lambda *_: 7, lambda *_: "two  spaces", lambda: True]
)
def test_a_login_is_denied_where_the_function_fails(server, caplog, verdict):
    server.authenticate(verdict)
    assert log_in(started(server), "alice", "canary") == 401
    assert "the login is denied" in caplog.text and "Traceback" in caplog.text and "canary" not in caplog.text


def test_the_data_of_secure_data(server, gate, caplog):
    supplied = ["grüezi", b"\xff bytes", bytearray(b"more"), None, 7]

    @server.secure_data
    def data():
        return supplied[0]

    site = started(server)
    for expected in ("grüezi".encode(), b"\xff bytes", b"more"):
        reply = site.get("/secure-data", token=gate.issue_token(f"for {expected}"))
        assert gate.decrypt(reply.ok()["encrypted_data"]) == expected
        supplied.pop(0)
    for _ in range(2):
        assert site.get("/secure-data", token=gate.issue_token("nobody")).status == 500
        supplied.pop(0)
    assert caplog.text.count("Traceback") == 2


def test_what_one_door_makes_the_server_accepts(server, gate):
    site = started(server)
    token = gate.issue_token("doors")
    reply = site.post("/decrypt", {"encrypted_data": gate.encrypt("grüezi", "a context"), "context": "a context"}, token=token)
    assert reply.ok()["decrypted_data"] == "grüezi"
    sealed = site.post("/encrypt", {"data": "grüezi"}, token=token).ok()["encrypted_data"]
    assert gate.decrypt(sealed).decode() == "grüezi"
    assert gate.verify_token(site.log_in("zoë")).subject == "zoë"


@pytest.mark.parametrize(
    ("username", "password", "kind", "title"),
    [
        ("alice", "short", "weak_password", "The new password is not acceptable."),
        ("a\0b", "a long enough secret", "invalid_name", "The name is not acceptable."),
        ("a" * 257, "a long enough secret", "invalid_name", "The name is not acceptable."),
    ],
)
def test_a_route_that_adds_accounts_answers_with_the_reason(server, caplog, username, password, kind, title):
    with sealgate.Gate(keys="ephemeral") as accounts:
        server.route("POST", "/accounts")(lambda request: accounts.add_user(**request.json()))
        reply = started(server).post("/accounts", {"name": username, "password": password})
    problem = reply.json()
    assert (reply.status, problem["type"], problem["title"]) == (400, f"urn:sealgate:problem:{kind}", title)
    assert problem["detail"] not in ("", title) and not caplog.records


def test_a_request_ends_with_its_call(server):
    kept = []

    @server.route("GET", "/keep")
    def keep(request):
        kept.append(request)
        return "kept"

    assert started(server).get("/keep").status == 200
    for read in (lambda: kept[0].method, lambda: kept[0].headers["host"], lambda: kept[0].claims, lambda: kept[0].body):
        with pytest.raises(sealgate.WrongStateError, match="answered"):
            read()


def test_metrics(server):
    with pytest.raises(sealgate.WrongStateError):
        server.metrics()

    @server.route("GET", "/things/{id}")
    def thing(request):
        return "thing"

    running = started(server)
    assert running.request("GET", "/things/7").status == 200
    line = 'http_server_request_duration_seconds_count{http_request_method="GET",http_route="/things/{id}",'
    assert any(found.startswith(line) and found.endswith(" 1") for found in server.metrics().splitlines())


def test_routes_run_side_by_side(server):
    together = threading.Barrier(4)

    @server.route("GET", "/wait")
    def wait(request):
        together.wait(PATIENCE)  # passes only if four are here at a time
        return "met"

    site = started(server)
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(site.get("/wait").body)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [b"met"] * 4


# Its log


@pytest.fixture
def log(server):
    yield sealgate.start_logging
    sealgate.stop_logging()


def test_requests_are_records_of_logging(server, log, caplog):
    caplog.set_level(logging.DEBUG)
    log(logging.INFO)
    site = started(server)
    site.log_in("alice")
    eventually(lambda: "path=/login" in caplog.text)
    [record] = [record for record in caplog.records if "path=/login" in record.getMessage()]
    assert (record.name, record.levelno) == ("sealgate.access", logging.INFO)
    assert "peer=127.0.0.1" in record.getMessage() and "alice" not in caplog.text
    sealgate.stop_logging()
    seen = len(caplog.records)
    site.get("/healthz")
    assert len(caplog.records) == seen


def test_log_lines_for_a_function(server, log, capsys):
    lines = []

    def take(level, name, line):
        lines.append((level, name))
        raise ValueError("the function is broken")

    log(logging.INFO, take)
    site = started(server)
    assert site.get("/healthz").status == 200
    eventually(lambda: (logging.INFO, "sealgate.access") in lines)
    assert site.get("/healthz").status == 200
    eventually(lambda: "the function is broken" in capsys.readouterr().err)
    eventually(lambda: lines.count((logging.INFO, "sealgate.access")) == 2)
    lines.clear()
    log(logging.CRITICAL, take)
    site.get("/healthz")
    assert lines == []
