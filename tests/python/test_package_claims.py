"""Custom claims, audiences and times of tokens, and claims of accounts, from Python."""

import json
import math
import time
from collections import OrderedDict

import jwt
import pytest

import sealgate
from doors import load

SECRET = load("tokens.json")["jwt_secret_key"]
PASSWORD = "a long enough secret"
CLAIMS = {
    "department": "ops",
    "manager": None,
    "level": 3,
    "share": 0.1,
    "on": True,
    "more": {"list": [1, "ä\0\"", {"deep": []}], "sub": "inner"},
}


@pytest.fixture
def gate():
    with sealgate.Gate(keys="ephemeral") as gate:
        yield gate


def test_claims_come_back_as_they_were(gate):
    claims = gate.verify_token(gate.issue_token("alice", claims=CLAIMS))
    for name, value in CLAIMS.items():
        assert claims[name] == value and type(claims[name]) is type(value)
    assert claims["sub"] == claims.subject == "alice"
    assert list(CLAIMS) == [name for name in claims if name in CLAIMS]
    for number in (2**63, 2**64 - 1, -(2**63), 1e308, 5e-324, 122.416294033786585, 1 / 3, 0.1 + 0.2):
        assert gate.verify_token(gate.issue_token("a", claims={"n": number}))["n"] == number
    ordered = OrderedDict(b=1, a=2)
    assert gate.verify_token(gate.issue_token("a", claims=ordered))["a"] == 2
    none = gate.verify_token(gate.issue_token("a", claims={}))
    assert set(none) == {"iss", "sub", "jti", "iat", "exp", "username", "scope"}


def test_pyjwt_reads_them():
    with sealgate.Gate(jwt_secret_key=SECRET, aes_key=b"x" * 32) as gate:
        start = int(time.time()) - 60
        token = gate.issue_token("alice", claims=CLAIMS, audience="billing", not_before=start)
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token, SECRET, algorithms=["HS256"])
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="billing")
    assert {name: claims[name] for name in CLAIMS} == CLAIMS
    assert (claims["aud"], claims["nbf"], claims["sub"]) == ("billing", start, "alice")


def nested(depth):
    value = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "root"},
        {"SUB": "root"},
        {"Scope": "admin"},
        {"client-id": "x"},
        {"clientId": "x"},
        {"active": True},
        {" exp": 1},
        {"exp\0": 1},
        {"\uff53\uff55\uff42": 1},
        {"\u017fub": 1},
        {"s\u00adub": 1},
        {"größe": 1},
        {"": 1},
        {"n" * 129: 1},
        {1: "a", "1": "b"},
        {"n": 2**64},
        {"n": [-(2**63) - 1]},
        {"a": "x" * 4089},
        nested(65),
    ],
    ids=lambda claims: repr(claims)[:30],
)
def test_claims_that_no_token_can_have_are_refused(gate, claims):
    gate.add_user("alice", PASSWORD)
    for attempt in (
        lambda: gate.issue_token("alice", claims=claims),
        lambda: gate.set_user_claims("alice", claims),
        lambda: gate.add_user("bob", PASSWORD, claims=claims),
    ):
        with pytest.raises(sealgate.InvalidArgumentError) as refused:
            attempt()
        assert "root" not in str(refused.value)
    assert gate.user_claims("alice") == {}
    with pytest.raises(sealgate.NotFoundError):
        gate.user_claims("bob")


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ([("a", 1)], TypeError),
        ("{}", TypeError),
        (7, TypeError),
        ({"a": b""}, TypeError),
        ({"a": {1, 2}}, TypeError),
        ({"a": math.nan}, ValueError),
        ({"a": -math.inf}, ValueError),
        ({"a": "\ud800"}, ValueError),
    ],
    ids=repr,
)
def test_what_is_not_json_is_pythons_error(gate, claims, error):
    gate.add_user("alice", PASSWORD)
    with pytest.raises(error):
        gate.issue_token("alice", claims=claims)
    with pytest.raises(error):
        gate.set_user_claims("alice", claims)


def test_the_largest_claims_fit(gate):
    claims = {"a": "x" * 4088}
    assert len(json.dumps(claims, separators=(",", ":"))) == 4096
    assert gate.verify_token(gate.issue_token("alice", claims=claims))["a"] == claims["a"]
    assert gate.verify_token(gate.issue_token("alice", claims=nested(64)))["a"] == nested(63)
    with pytest.raises(sealgate.InvalidArgumentError, match="8 KiB"):
        gate.issue_token("\U0001f600" * 256, scope="s" * 1024, claims=claims)


def test_a_token_for_another_audience_is_accepted_only_by_name(gate):
    token = gate.issue_token("alice", audience="confirm-address")
    for _ in range(2):
        with pytest.raises(sealgate.TokenInvalidError):
            gate.verify_token(token)
        assert gate.verify_token(token, audience="confirm-address")["aud"] == "confirm-address"
        with pytest.raises(sealgate.TokenInvalidError):
            gate.verify_token(token, "reset-password")
    with pytest.raises(sealgate.TokenInvalidError):
        gate.verify_token(gate.issue_token("alice"), "confirm-address")
    for audience in ("", b""):
        with pytest.raises(ValueError):
            gate.verify_token(token, audience)
        with pytest.raises(ValueError):
            gate.issue_token("alice", audience=audience)
    with pytest.raises(sealgate.InvalidArgumentError):
        gate.issue_token("alice", audience="a\n")
    with pytest.raises(TypeError):
        gate.verify_token(token, 7)
    assert gate.revoke_token(token) == "alice"
    with pytest.raises(sealgate.TokenRevokedError):
        gate.verify_token(token, "confirm-address")


def test_a_token_for_later_is_not_valid_yet(gate):
    later = int(time.time()) + 600
    with pytest.raises(sealgate.TokenNotYetValidError):
        gate.verify_token(gate.issue_token("alice", ttl=3600, not_before=later))
    assert gate.verify_token(gate.issue_token("alice", not_before=1))["nbf"] == 1
    with pytest.raises(sealgate.InvalidArgumentError, match="before it becomes valid"):
        gate.issue_token("alice", ttl=60, not_before=later)
    for wrong, error in ((-1, ValueError), (2**64, ValueError), (1.5, TypeError), ("1", TypeError)):
        with pytest.raises(error):
            gate.issue_token("alice", not_before=wrong)


def test_logins_and_refreshes_get_the_claims_of_their_account(gate):
    gate.add_user("alice", PASSWORD, scope="encrypt", claims={"level": 3})
    gate.add_user("bob", PASSWORD)
    assert (gate.user_claims("alice"), gate.user_claims("bob")) == ({"level": 3}, {})
    tokens = gate.log_in("alice", PASSWORD)
    assert gate.verify_token(tokens.token)["level"] == 3
    assert "level" not in gate.verify_token(gate.log_in("bob", PASSWORD).token)
    gate.set_user_claims("alice", {**gate.user_claims("alice"), "department": "ops"})
    tokens = gate.refresh(tokens.refresh_token)
    assert gate.verify_token(tokens.token)["department"] == "ops"
    # They are for logins.
    assert "level" not in gate.verify_token(gate.issue_token("alice"))
    assert gate.verify_token(gate.issue_token("alice", claims={"level": 4}))["level"] == 4
    gate.set_user_claims("alice", {"department": "sales"})
    with pytest.raises(sealgate.TokenRevokedError):
        gate.verify_token(tokens.token)
    with pytest.raises(sealgate.TokenRevokedError):
        gate.refresh(tokens.refresh_token)
    gate.set_user_claims("alice", {})
    assert gate.user_claims("alice") == {}
    for attempt in (lambda: gate.set_user_claims("carol", {}), lambda: gate.user_claims("carol")):
        with pytest.raises(sealgate.NotFoundError):
            attempt()


def test_a_route_sees_them(gate):
    import urllib.request

    server = sealgate.Server(gate, listen="127.0.0.1:0")

    @server.route("GET", "/department", scope="orders")
    def department(request):
        return request.claims["department"]

    with server as running:
        token = gate.issue_token("alice", scope="orders", claims={"department": "ops"})
        asked = urllib.request.Request(
            f"http://127.0.0.1:{running.port}/department", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert answer.read() == b"ops"
