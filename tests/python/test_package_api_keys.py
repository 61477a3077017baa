"""API keys, from Python."""

import pickle
import time

import pytest

import sealgate


@pytest.fixture
def gate():
    with sealgate.Gate(keys="ephemeral", max_requests=1) as gate:
        yield gate


def test_a_key_is_verified_like_a_token(gate):
    key, id = gate.add_api_key("nightly", scope=["encrypt", "decrypt"])
    assert len(key) == 64 and key.startswith("sg_" + id)
    claims = gate.verify_token(key)
    assert (claims.subject, claims.scopes, claims.id, claims.api_key) == ("nightly", ("encrypt", "decrypt"), id, id)
    assert claims.expires_at == 253402300799 and abs(claims.issued_at - time.time()) < 60
    assert (claims["username"], claims["jti"], "exp" in claims) == ("nightly", id, False)
    assert pickle.loads(pickle.dumps(claims)).api_key == id
    assert gate.verify_token(gate.issue_token("nightly")).api_key is None
    with pytest.raises(sealgate.TokenMalformedError):
        gate.verify_token(key[:-1])
    with pytest.raises(sealgate.TokenMalformedError):
        gate.refresh(key)
    with pytest.raises(sealgate.InvalidArgumentError) as refused:
        gate.revoke_token(key)
    assert key not in str(refused.value)


def test_the_scope_is_the_accounts_and_never_more(gate):
    gate.add_user("alice", "a long enough secret", scope="encrypt decrypt")
    key, _ = gate.add_api_key("alice")
    assert gate.verify_token(key).scopes == ("encrypt", "decrypt")
    with pytest.raises(sealgate.InvalidArgumentError):
        gate.add_api_key("alice", scope="admin")
    gate.set_user_scope("alice", "decrypt admin")
    assert gate.verify_token(key).scopes == ("decrypt",)
    gate.disable_user("alice")
    gate.enable_user("alice")
    with pytest.raises(sealgate.TokenRevokedError):
        gate.verify_token(key)


def test_keys_are_listed_and_revoked(gate):
    expires = int(time.time()) + 3600
    key, id = gate.add_api_key("nightly", "a", expires_at=expires, limit=(5, 60))
    other = gate.add_api_key("other", "")
    assert {listed.id for listed in gate.api_keys()} == {id, other.id}
    (mine,) = gate.api_keys("nightly")
    assert mine == (id, "nightly", ("a",), mine.created, expires, (5, 60), None, None)
    assert list(gate.api_keys("")) == list(gate.api_keys("nobody")) == []
    gate.verify_token(key)
    gate.revoke_api_key(id)
    (mine,) = gate.api_keys("nightly")
    assert mine.last_used % 3600 == 0 and abs(mine.revoked_at - time.time()) < 60
    with pytest.raises(sealgate.TokenRevokedError):
        gate.verify_token(key)
    with pytest.raises(sealgate.NotFoundError):
        gate.revoke_api_key("unknown")
    assert gate.revoke_api_keys_of("other") == 1
    assert gate.revoke_api_keys_of("other") == 0


def test_long_lists_are_read_to_their_end(gate):
    added = {gate.add_api_key("nightly").id for _ in range(501)}
    assert [key.id for key in gate.api_keys()] == sorted(added)


def test_requests_are_counted(gate):
    _, id = gate.add_api_key("nightly", limit=(2, 3600))
    assert [gate.admit_api_key(id).remaining for _ in range(2)] == [1, 0]
    refused = gate.admit_api_key(id)
    assert not refused and 0 < refused.retry_after <= 3600
    # Without a limit of its own it counts as its owner.
    _, plain = gate.add_api_key("nightly")
    assert gate.admit("nightly") and not gate.admit_api_key(plain)
    gate.revoke_api_key(id)
    with pytest.raises(sealgate.NotFoundError):
        gate.admit_api_key(id)


@pytest.mark.parametrize(
    "arguments",
    [
        {"owner": ""},
        {"owner": "a\n"},
        {"scope": "a  b"},
        {"expires_at": 1},
        {"expires_at": 2**64 - 1},
        {"limit": (2**32 - 1, 60)},
        {"limit": (5, 2**32 - 1)},
    ],
)
def test_what_makes_no_sense_is_refused(gate, arguments):
    with pytest.raises(sealgate.InvalidArgumentError):
        gate.add_api_key(**{"owner": "nightly", **arguments})


@pytest.mark.parametrize("arguments", [{"expires_at": 0}, {"expires_at": -1}, {"limit": (0, 60)}, {"limit": (5, -1)}])
def test_numbers_that_do_not_fit_are_refused(gate, arguments):
    with pytest.raises(ValueError):
        gate.add_api_key("nightly", **arguments)
    assert list(gate.api_keys()) == []


def test_a_closed_gate_has_no_keys():
    gate = sealgate.Gate(keys="ephemeral")
    gate.close()
    for call in [
        lambda: gate.add_api_key("a"),
        lambda: list(gate.api_keys()),
        lambda: gate.revoke_api_key("a"),
        lambda: gate.revoke_api_keys_of("a"),
        lambda: gate.admit_api_key("a"),
    ]:
        with pytest.raises(sealgate.WrongStateError):
            call()
