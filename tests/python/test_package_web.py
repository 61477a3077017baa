"""Every integration for web frameworks, behind a real server, answers as the package's own server does."""

import json
import logging
import re
import time

import jwt
import pytest

import reference
import web_sites
from web_sites import CANARY, KINDS, PIECES, SECRET, Elsewhere

#: Header fields that a refusal has on every door, with the same values.
SAME = ("WWW-Authenticate", "Retry-After", "RateLimit-Policy", "Content-Type", "Cache-Control", "X-Content-Type-Options")


@pytest.fixture(scope="module")
def gate():
    with web_sites.new_gate() as gate:
        yield gate


@pytest.fixture(scope="module")
def ours(gate):
    with web_sites.own_server(gate) as server:
        yield Elsewhere(server.port)


@pytest.fixture(scope="module", params=KINDS)
def site(request, gate):
    with web_sites.serving(request.param, gate) as site:
        yield site


def bearer(token, scheme="Bearer"):
    return "Authorization", f"{scheme} {token}"


def revoked(gate):
    token = gate.issue_token("revoked", scope="orders")
    gate.revoke_token(token)
    return token


def signed(user="a", **claims):
    """A token as the gate issues them, but with these claims."""
    names = {"sub": user, "username": user, "scope": "orders", "iss": "sealgate", "iat": 1577836000, "jti": "x"}
    header = {"typ": "at+jwt", "kid": reference.token_key_id(SECRET.encode())}
    return jwt.encode(names | claims, SECRET, algorithm="HS256", headers=header)


#: The fields of a request that has no right to the orders, by what is wrong with it.
REFUSED = {
    "no token": lambda gate: [],
    "an empty token": lambda gate: [bearer("")],
    "another scheme": lambda gate: [bearer("YWxpY2U6eA==", "Basic")],
    "a scheme that only begins so": lambda gate: [bearer(gate.issue_token("a", scope="orders"), "Bearers")],
    "a scheme without a space": lambda gate: [("Authorization", "Bearer" + gate.issue_token("a", scope="orders"))],
    "malformed": lambda gate: [bearer("x")],
    "not ASCII": lambda gate: [bearer("\xe4\xff.\xe4.\xe4")],
    "a changed signature": lambda gate: [bearer(gate.issue_token("a", scope="orders") + "x")],
    "no signature": lambda gate: [bearer(jwt.encode({"username": "a", "exp": 2**32}, None, algorithm="none"))],
    "expired": lambda gate: [bearer(signed(exp=1577836800))],
    "not yet valid": lambda gate: [bearer(signed(exp=2**33, nbf=2**32))],
    "of another key": lambda gate: [bearer(jwt.encode({"username": "a", "exp": 2**32}, "x" * 32, algorithm="HS256"))],
    "revoked": lambda gate: [bearer(revoked(gate))],
    "another scope": lambda gate: [bearer(gate.issue_token("a", scope="order orders2 ORDERS"))],
    "no scope": lambda gate: [bearer(gate.issue_token("a", scope=""))],
    "too long": lambda gate: [bearer("x" * 9000)],
    "two tokens": lambda gate: [bearer(gate.issue_token("a", scope="orders"))] * 2,
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_token_gets_the_servers_own_answer(site, ours, gate, name):
    fields = REFUSED[name](gate)
    expected, reply = ours.fetch("/orders", *fields), site.fetch("/orders", *fields)
    if name == "two tokens":  # WSGI has joined them by then, which makes one malformed token
        assert expected.status == 400 and reply.status in (400, 401)
        return
    assert reply.status == expected.status in (401, 403)
    assert {field: reply.headers[field] for field in SAME} == {field: expected.headers[field] for field in SAME}
    problem, model = reply.json(), expected.json()
    assert problem.pop("request_id") == reply.headers["X-Request-Id"]
    model.pop("request_id")
    if model["type"].endswith(("token_missing", "token_revoked")):  # its sentences there name routes of the server
        assert problem.pop("detail") and model.pop("detail")
    assert problem == model


def test_a_good_token_is_answered_and_its_requests_are_counted_with_the_servers(site, ours, gate, request):
    user = request.node.name
    token = bearer(gate.issue_token(user, scope="other orders"), "bEARER")
    assert ours.fetch("/orders", token).json() == {"of": user}
    for left in (1, 0):
        reply = site.fetch("/orders", token)
        assert reply.ok() == {"of": user}
        assert re.fullmatch(rf'"default";r={left};t=\d+', reply.headers["RateLimit"])
        assert reply.headers["RateLimit-Policy"] == '"default";q=3;w=60'
        assert re.fullmatch(r"[0-9a-f]{16}", reply.headers["X-Request-Id"])
    expected, refused = ours.fetch("/orders", token), site.fetch("/orders", token)
    assert refused.status == expected.status == 429
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 60 and refused.headers["RateLimit"] == f'"default";r=0;t={wait}'
    assert {field: refused.headers[field] for field in SAME if field != "Retry-After"} == {
        field: expected.headers[field] for field in SAME if field != "Retry-After"
    }
    problem, model = refused.json(), expected.json()
    assert problem["detail"] == f"The next request is admitted in {wait} s."
    for one in (problem, model):
        assert one.pop("request_id") and one.pop("detail")
    assert problem == model
    assert site.fetch("/orders", bearer(gate.issue_token(user + "2", scope="orders"))).status == 200


def test_a_request_that_is_refused_is_not_counted(site, gate, request):
    user = request.node.name
    for _ in range(5):
        assert site.fetch("/orders", bearer(gate.issue_token(user, scope="other"))).status == 403
    token = bearer(gate.issue_token(user, scope="orders"))
    assert [site.fetch("/orders", token).status for _ in range(4)] == [200, 200, 200, 429]


def test_a_token_revoked_between_two_requests(site, gate, request):
    token = gate.issue_token(request.node.name, scope="orders")
    assert site.fetch("/orders", bearer(token)).status == 200
    gate.revoke_token(token)
    reply = site.fetch("/orders", bearer(token))
    assert reply.status == 401 and reply.json()["type"] == "urn:sealgate:problem:token_revoked"


def test_a_token_that_expires_between_two_requests(site, request):
    # Clocks may differ by five seconds (SEALGATE_LEEWAY).
    token = bearer(signed(request.node.name, exp=int(time.time()) - 3))
    seen = set()
    end = time.monotonic() + 60
    while 401 not in seen and time.monotonic() < end:
        reply = site.fetch("/orders", token)
        seen.add(reply.status)
        time.sleep(0.2)
    assert 401 in seen and reply.json()["type"] == "urn:sealgate:problem:token_expired"


def test_what_needs_no_token_ignores_one(site, gate):
    for fields in ([], [bearer("x")], [bearer(gate.issue_token("a", scope="orders"))]):
        reply = site.fetch("/public", *fields)
        assert reply.ok() == {"claims": None}
        assert "RateLimit" not in reply.headers and reply.headers["X-Request-Id"]


@pytest.mark.parametrize("path", ["/PUBLIC", "/public/", "/public/../orders", "/%70ublic/x", "/x"])
def test_another_spelling_of_a_public_path_opens_nothing(site, path):
    assert site.fetch(path).status in (401, 404, 307, 308)


def test_a_head_request_is_refused_without_a_body(site):
    reply = site.fetch("/orders", method="HEAD")
    # FastAPI has no HEAD for a GET route.
    assert reply.status in (401, 405) and reply.body == b""


def test_exceptions_of_the_package_become_problems(site, ours, gate, request):
    sealed = gate.encrypt("meet me at noon")
    assert site.fetch("/decrypt", method="POST", body=sealed.encode()).ok() == {"data": "meet me at noon"}
    refused = site.fetch("/decrypt", method="POST", body=b"AAAA")
    token = gate.issue_token(request.node.name, scope="decrypt")
    model = ours.post("/decrypt", {"encrypted_data": "AAAA"}, token=token)
    assert refused.status == model.status == 400
    problem = refused.json()
    assert problem | {"request_id": model.json()["request_id"]} == model.json()
    gone = site.fetch("/gone")
    assert (gone.status, gone.json()["detail"], gone.headers["X-Reason"]) == (410, "There is no order 17.", "sold")


def test_a_fault_is_logged_and_reveals_nothing(site, caplog):
    with caplog.at_level(logging.ERROR):
        reply = site.fetch("/fault", ("X-Request-Id", "find-me"))
    assert reply.status == 500 and CANARY.encode() not in reply.body
    assert reply.json()["type"] == "urn:sealgate:problem:internal" and reply.json()["request_id"] == "find-me"
    [record] = [record for record in caplog.records if record.name == "sealgate"]
    assert "find-me" in record.getMessage() and CANARY in str(record.exc_info[1])


def test_a_response_in_pieces_is_passed_on(site):
    reply = site.fetch("/stream")
    assert reply.status == 200 and reply.body.decode() == "".join(PIECES) and reply.headers["X-Request-Id"]


IDS = {
    "theirs": ([("X-Request-Id", "a-Z_09")], "a-Z_09"),
    "the longest": ([("X-Request-Id", "x" * 64)], "x" * 64),
    "too long": ([("X-Request-Id", "x" * 65)], None),
    "empty": ([("X-Request-Id", "")], None),
    "a token": ([("X-Request-Id", "e30.e30.e30")], None),
    "not ASCII": ([("X-Request-Id", "\xe4")], None),
    "markup": ([("X-Request-Id", '"><script>')], None),
    "two": ([("X-Request-Id", "a"), ("X-Request-Id", "b")], None),
}


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("path", ["/public", "/orders"])
def test_the_request_id_is_the_clients_only_if_it_is_a_plain_one(site, path, name):
    fields, expected = IDS[name]
    reply = site.fetch(path, *fields)
    [found] = reply.headers.get_all("X-Request-Id")
    assert found == expected if expected else re.fullmatch("[0-9a-f]{16}", found)
    if path == "/orders":
        assert json.loads(reply.body)["request_id"] == found
