"""Limits with a name and a cost, of a gate and of a server's routes."""

import copy
import json
import os
import pickle
import urllib.error
import urllib.request

import pytest

import sealgate
from doors import clean_environment

LIMITS = {"keys": "ephemeral", "limits": "exports: 10 per 3600; near: 4 per 60, per address", "max_requests": 3}


def test_a_cost_is_admitted_as_a_whole_or_not_at_all():
    with sealgate.Gate(LIMITS) as gate:
        first = gate.admit("alice", policy="exports", cost=4)
        assert first == (True, 6, 0.0)
        assert (first.policy, first.limit, first.window) == ("exports", 10, 3600.0)
        assert 0 < first.reset <= 3600
        refused = gate.admit("alice", "exports", 7)
        assert not refused and refused.remaining == 6
        assert 0 < refused.retry_after == refused.reset <= 3600
        assert gate.peek("alice", "exports", 6) and not gate.peek("alice", "exports", 7)
        assert gate.admit("alice", "exports", 0) == (True, 6, 0.0)
        assert gate.admit("alice", "exports", 6) == (True, 0, 0.0)
        assert not gate.admit("alice", "exports")
        assert gate.admit("alice").remaining == 2 and gate.admit("bob", "exports", 10)


def test_a_reset_leaves_the_whole_limit():
    with sealgate.Gate(LIMITS) as gate:
        assert gate.admit("alice", "exports", 10) and not gate.peek("alice", "exports")
        assert gate.reset_limit("alice", "exports") is True
        assert gate.reset_limit("alice", "exports") is False
        assert gate.peek("alice", "exports", 10)
        gate.admit("alice")
        assert gate.reset_limit("alice") and gate.peek("alice").remaining == 3


def test_a_decision_survives_copies():
    with sealgate.Gate(LIMITS) as gate:
        decision = gate.admit("alice", "exports", 4)
    for again in (pickle.loads(pickle.dumps(decision)), copy.copy(decision), copy.deepcopy(decision)):
        assert again == decision and type(again) is sealgate.Admission
        assert vars(again) == vars(decision) and again.limit == 10
    allowed, remaining, retry_after = decision
    assert (allowed, remaining, retry_after) == (True, 6, 0.0)


def test_a_disabled_limit_admits_everything():
    with sealgate.Gate(LIMITS, max_requests=0) as gate:
        for decision in (gate.admit("alice", cost=2**32 - 1), gate.peek("alice")):
            assert decision == (True, None, 0.0)
            assert (decision.policy, decision.limit, decision.window, decision.reset) == ("default", None, None, 0.0)
        assert gate.reset_limit("alice") is False


@pytest.mark.parametrize(
    ("name", "policy", "cost"),
    [
        ("alice", "other", 1),
        ("alice", "", 1),
        ("alice", "Exports", 1),
        ("alice", "exports", 11),
        ("alice", "default", 4),
        ("alice", "near", 1),
    ],
)
def test_what_cannot_be_counted_is_an_error(name, policy, cost):
    with sealgate.Gate(LIMITS) as gate:
        for ask in (gate.admit, gate.peek):
            with pytest.raises(sealgate.InvalidArgumentError):
                ask(name, policy, cost)
        assert gate.peek("alice", "exports", 10) and gate.peek("alice").remaining == 3


def test_arguments_of_the_wrong_type_are_refused():
    with sealgate.Gate(LIMITS) as gate:
        for cost, error in ((-1, ValueError), (2**32, ValueError), (1.5, TypeError), ("1", TypeError), (None, TypeError)):
            with pytest.raises(error):
                gate.admit("alice", "exports", cost)
        for ask in (lambda: gate.admit("alice", None), lambda: gate.admit(None, "exports"), lambda: gate.reset_limit("a", 1)):
            with pytest.raises(TypeError):
                ask()
        assert gate.peek("alice", "exports", 10)
    with pytest.raises(sealgate.WrongStateError, match="closed"):
        gate.peek("alice")
    with pytest.raises(sealgate.WrongStateError, match="closed"):
        gate.reset_limit("alice")


def test_the_originals_function_takes_a_policy_and_a_cost(monkeypatch, tmp_path):
    monkeypatch.setattr(sealgate.original, "_gates", {})
    wanted = clean_environment(tmp_path, {"SEALGATE_KEYS": "ephemeral", "SEALGATE_LIMITS": "exports: 10 per 3600"})
    for name in set(os.environ) - set(wanted):
        monkeypatch.delenv(name)
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)
    assert sealgate.enforce_rate_limit("alice", policy="exports", cost=8).remaining == 2
    with pytest.raises(sealgate.RateLimitedError) as refused:
        sealgate.enforce_rate_limit("alice", policy="exports", cost=3)
    assert 0 < refused.value.retry_after <= 3600
    with pytest.raises(sealgate.InvalidArgumentError):
        sealgate.enforce_rate_limit("alice", policy="exports", cost=11)
    assert sealgate.enforce_rate_limit("alice").remaining == 4


def asked(url, token=None):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, json.load(error)


def names(headers):
    """The policies that counted, and what is left."""
    items = headers["RateLimit"].split(", ")
    return {item.split('"')[1]: int(item.split(";r=")[1].split(";")[0]) for item in items}


def test_routes_name_policies():
    gate = sealgate.Gate(LIMITS)
    server = sealgate.Server(gate, listen="127.0.0.1:0")

    @server.route("GET", "/export", token=True, limited=True, policies={"exports": 4})
    def export(request):
        return {"user": request.user}

    @server.route("GET", "/near", policies="near")
    def near(request):
        return {}

    with server:
        token = gate.issue_token("alice", scope="")
        for status, left in ((200, {"default": 2, "exports": 6}), (200, {"default": 1, "exports": 2})):
            answer = asked(f"{server.url}/export", token)
            assert (answer[0], names(answer[1])) == (status, left)
        status, headers, _ = asked(f"{server.url}/export", token)
        assert (status, names(headers)) == (429, {"default": 1, "exports": 2})
        assert int(headers["Retry-After"]) > 60
        assert gate.reset_limit("alice", "exports")
        assert asked(f"{server.url}/export", token)[0] == 200
        assert [asked(f"{server.url}/near")[0] for _ in range(5)] == [200, 200, 200, 200, 429]
        assert gate.peek("127.0.0.1", "near").remaining == 0


@pytest.mark.parametrize(
    ("policies", "token"), [("other", True), (["exports", "other"], True), ({"exports": 11}, True), ("exports", False)]
)
def test_a_server_whose_routes_cannot_be_limited_does_not_start(policies, token):
    server = sealgate.Server(sealgate.Gate(LIMITS), listen="127.0.0.1:0")
    server.route("GET", "/export", token=token, policies=policies)(lambda request: {})
    with pytest.raises(sealgate.InvalidArgumentError):
        server.start()
    server.close()


def test_a_cost_of_nothing_adds_no_route():
    server = sealgate.Server(sealgate.Gate(LIMITS), listen="127.0.0.1:0")
    with pytest.raises(ValueError, match="at least 1"):
        server.route("GET", "/export", token=True, policies={"exports": 0})
    server.route("GET", "/export", token=True)(lambda request: {})
    server.close()
