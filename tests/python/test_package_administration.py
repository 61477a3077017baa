"""Keys, accounts and logins as an administrator changes them from Python, and backups."""

import os
import subprocess
import time

import pytest

import sealgate

PASSWORD = "a long enough secret"
PASSPHRASE = "correct horse battery"


@pytest.fixture
def settings(tmp_path):
    return {"data_dir": tmp_path / "state", "password_memory": 1024, "password_passes": 1, "token_cache": 0}


@pytest.fixture
def gate(settings):
    with sealgate.Gate(settings) as gate:
        yield gate


def kinds(keys, *, newest):
    return [key.kind for key in keys if key.newest is newest]


def test_keys_are_listed_and_replaced(gate):
    token, sealed = gate.issue_token("alice"), gate.encrypt("data")
    before = gate.list_keys()
    assert kinds(before, newest=True) == ["token", "data"]
    assert [key.messages for key in before] == [None, 1] and before[0].algorithm == "HS256"
    assert all(abs(key.created - time.time()) < 60 and key.accepted and key.accepted_until is None for key in before)
    new = gate.rotate_keys()
    assert [key.kind for key in new.added] == ["token", "data"]
    assert new.ring.endswith("keys.json") and new.backup == new.ring + ".bak"
    after = gate.list_keys()
    assert [key.id for key in after if key.newest] == [key.id for key in new.added]
    assert gate.verify_token(token).subject == "alice" and gate.decrypt(sealed) == b"data"
    # The tokens of the old key expire; its data does not.
    assert [key.accepted_until is not None for key in after if not key.newest] == [True, False]

    assert gate.retire_keys(before[0].id, before[1].id).changed == (before[0].id, before[1].id)
    with pytest.raises(sealgate.TokenKeyRetiredError):
        gate.verify_token(token)
    with pytest.raises(sealgate.KeyRetiredError):
        gate.decrypt(sealed)
    gate.accept_keys(before[1].id, seconds=3600)
    [listed] = [key for key in gate.list_keys() if key.id == before[1].id]
    assert listed.accepted and abs(listed.accepted_until - time.time() - 3600) < 60
    assert gate.decrypt(sealed) == b"data"
    assert gate.rotate_old_keys() == () and gate.key_trouble() is None
    gate.reload_keys()


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (ValueError, lambda gate: gate.rotate_keys(token=False, data=False)),
        (ValueError, lambda gate: gate.rotate_keys(grace=-1)),
        (ValueError, lambda gate: gate.rotate_keys(grace=2**32 - 1)),
        (TypeError, lambda gate: gate.rotate_keys(grace="1")),
        (ValueError, lambda gate: gate.accept_keys("x", seconds=0)),
        (sealgate.InvalidArgumentError, lambda gate: gate.accept_keys("x")),
        (sealgate.InvalidArgumentError, lambda gate: gate.retire_keys()),
        (sealgate.InvalidArgumentError, lambda gate: gate.retire_keys(gate.list_keys()[0].id)),
        (sealgate.InvalidArgumentError, lambda gate: gate.export_keys("too short")),
        (sealgate.InvalidArgumentError, lambda gate: gate.import_keys(b"{}", PASSPHRASE)),
        (sealgate.SettingError, lambda gate: gate.seal_keys()),
        (TypeError, lambda gate: gate.export_keys(None)),
    ],
)
def test_what_cannot_be_done_with_keys_changes_nothing(gate, error, call):
    before = gate.list_keys()
    with pytest.raises(error):
        call(gate)
    assert gate.list_keys() == before


def test_an_ephemeral_gate_lists_its_keys_and_has_no_ring():
    with sealgate.Gate(keys="ephemeral") as gate:
        assert kinds(gate.list_keys(), newest=True) == ["token", "data"]
        for change in (gate.generate_keys, gate.rotate_keys, gate.unseal_keys, lambda: gate.export_keys(PASSPHRASE)):
            with pytest.raises(sealgate.SettingError):
                change()


def test_a_ring_is_sealed_and_moved(tmp_path, settings):
    secret = "a secret for the ring"
    with sealgate.Gate(settings, ring_key=secret) as gate:
        ring = tmp_path / "state" / "keys.json"
        assert gate.unseal_keys() == str(ring) and "token_keys" in ring.read_text()
        assert gate.seal_keys() == str(ring) and "token_keys" not in ring.read_text()
        exported, sealed = gate.export_keys(PASSPHRASE), gate.encrypt("data")
    with sealgate.Gate(data_dir=tmp_path / "other") as other:
        with pytest.raises(sealgate.InvalidArgumentError):
            other.import_keys(exported, "another passphrase")
        imported = other.import_keys(bytearray(exported), PASSPHRASE)
        assert [key.kind for key in imported.added] == ["token", "data"]
        assert other.import_keys(exported, PASSPHRASE).added == ()
        assert other.decrypt(sealed) == b"data"


def test_public_keys_are_a_json_web_key_set(settings):
    with sealgate.Gate(settings, token_algorithm="EdDSA") as gate:
        gate.rotate_keys(data=False)
        keys = gate.public_keys()["keys"]
        assert [key["kid"] for key in keys] == [key.id for key in gate.list_keys() if key.kind == "token"]
        assert not any("d" in key for key in keys)


def test_any_number_of_accounts_is_listed(gate):
    names = sorted(f"user {number}" for number in range(503))
    for name in names:
        gate.add_user(name, PASSWORD, scope=["encrypt", "decrypt"])
    gate.disable_user(names[7])
    users = list(gate.list_users())
    assert [user.name for user in users] == names
    assert [user.name for user in users if user.disabled] == [names[7]]
    assert gate.find_user(names[7]) == users[7] and users[7].scopes == ("encrypt", "decrypt")
    assert abs(users[7].created - time.time()) < 600
    assert gate.find_user("nobody") is None


def test_a_list_is_read_only_when_it_is_iterated_over(gate, monkeypatch):
    read = []
    real = sealgate._memory.json.loads
    monkeypatch.setattr(sealgate._memory.json, "loads", lambda page: read.append(page) or real(page))
    lists = [gate.list_users(), gate.clients(), gate.api_keys(), gate.api_keys("alice")]
    assert read == []
    assert [list(one) for one in lists] == [[]] * 4 and read == [b"[]"] * 4
    later = [gate.list_users(), gate.clients(), gate.api_keys()]
    gate.close()
    for one in later:
        with pytest.raises(sealgate.WrongStateError):
            next(one)


def test_logins_are_listed_and_ended(gate):
    with pytest.raises(sealgate.NotFoundError):
        gate.list_sessions("alice")
    gate.add_user("alice", PASSWORD, scope="decrypt")
    assert gate.list_sessions("alice") == ()
    tokens = gate.log_in("alice", PASSWORD)
    [session] = gate.list_sessions("alice")
    assert session.id == gate.verify_token(tokens.token)["sid"] and session.refreshed is None
    assert abs(session.started - time.time()) < 60 and session.expires > session.started
    tokens = gate.refresh(tokens.refresh_token)
    assert gate.list_sessions("alice")[0].refreshed >= session.started
    assert gate.introspect(tokens.refresh_token)["token_type"] == "refresh_token"
    assert gate.end_session(session.id) == "alice"
    assert gate.introspect(tokens.token) == gate.introspect(tokens.refresh_token) == {"active": False}
    for id in (session.id, "", "nothing"):
        with pytest.raises(sealgate.NotFoundError):
            gate.end_session(id)
    assert gate.list_sessions("alice") == ()


def test_users_change_their_own_password_and_are_unlocked(settings):
    with sealgate.Gate(settings, lockout_after=1) as gate:
        gate.add_user("alice", PASSWORD, scope="decrypt")
        token = gate.log_in("alice", PASSWORD).token
        with pytest.raises(sealgate.WeakPasswordError):
            gate.change_password("alice", PASSWORD, "password")
        with pytest.raises(sealgate.LoginFailedError):
            gate.change_password("alice", "a guess of mine", "another long secret", source="192.0.2.1")
        for _ in range(60):  # on a slow machine a delay may be over
            try:
                gate.change_password("alice", "a guess of mine", "another long secret", source="192.0.2.1")
            except sealgate.RateLimitedError as error:
                assert error.retry_after > 0
                break
            except sealgate.LoginFailedError:
                pass
        else:
            pytest.fail("never delayed")
        with pytest.raises(sealgate.NotFoundError):
            gate.unlock_user("bob")
        gate.unlock_user("alice")
        assert gate.verify_token(token).subject == "alice"
        gate.change_password("alice", PASSWORD, "another long secret", source="192.0.2.1")
        with pytest.raises(sealgate.TokenRevokedError):
            gate.verify_token(token)
        assert gate.check_password("alice", "another long secret") == ("decrypt",)


def test_a_backup_is_restored(tmp_path, settings):
    sealed = tmp_path / "backup.sealed"
    with sealgate.Gate(settings) as gate:
        assert gate.check_store() is False
        with pytest.raises(sealgate.InvalidArgumentError):
            sealgate.back_up(sealed, settings, passphrase="short")
        gate.add_user("alice", PASSWORD)
        token = gate.log_in("alice", PASSWORD).token
        assert gate.check_store() is True
        contents = sealgate.back_up(sealed, settings, passphrase=PASSPHRASE)
        assert (contents.accounts, contents.sessions, contents.token_keys, contents.data_keys) == (1, 1, 1, 1)
        assert contents.ring and not contents.ring_sealed and sealed.stat().st_mode & 0o777 == 0o600
        with pytest.raises(sealgate.InvalidArgumentError):
            sealgate.back_up(sealed, settings, passphrase=PASSPHRASE)
        with pytest.raises(sealgate.StoreError):
            sealgate.restore(sealed, settings, passphrase=PASSPHRASE, force=True)
        gate.rotate_keys()
    other = {**settings, "data_dir": tmp_path / "other"}
    with pytest.raises(sealgate.NotFoundError):
        sealgate.back_up(tmp_path / "nothing", other)
    for passphrase in ("", "another passphrase"):
        with pytest.raises(sealgate.InvalidArgumentError):
            sealgate.restore(sealed, other, passphrase=passphrase)
    restored = sealgate.restore(sealed, other, passphrase=PASSPHRASE)
    assert restored.data_dir == str(other["data_dir"]) and restored.kept is None and restored.contents == contents
    with sealgate.Gate(other) as gate:
        assert gate.verify_token(token).subject == "alice"
    with pytest.raises(sealgate.InvalidArgumentError):
        sealgate.restore(sealed, settings, passphrase=PASSPHRASE)
    restored = sealgate.restore(sealed, settings, passphrase=PASSPHRASE, force=True)
    assert restored.kept is not None and len(restored.missing_keys) == 2
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"state", "other", "backup.sealed"}, "nothing unfinished is left"
    with pytest.raises(ValueError):
        sealgate.back_up("a\0b", settings)


def test_the_command_restores_what_python_backed_up(tmp_path, settings):
    with sealgate.Gate(settings) as gate:
        gate.add_user("alice", PASSWORD)
        sealgate.back_up(tmp_path / "backup", settings)
    environment = {"HOME": str(tmp_path), "SEALGATE_DATA_DIR": str(tmp_path / "new"), "PATH": os.environ["PATH"]}
    for arguments in (["restore", tmp_path / "backup"], ["user", "sessions", "alice"]):
        command = [os.environ["SEALGATE_BIN"], *map(str, arguments)]
        subprocess.run(command, env=environment, check=True, timeout=60, capture_output=True)


def test_a_closed_gate_says_so(settings):
    gate = sealgate.Gate(settings)
    gate.close()
    for call in (
        gate.list_keys,
        gate.rotate_keys,
        gate.reload_keys,
        gate.key_trouble,
        gate.public_keys,
        gate.check_store,
        gate.list_users,
        gate.clients,
        gate.api_keys,
        lambda: gate.api_keys("alice"),
        lambda: gate.api_keys(""),
        lambda: gate.list_sessions("alice"),
        lambda: gate.end_session("x"),
        lambda: gate.introspect("x"),
    ):
        with pytest.raises(sealgate.WrongStateError):
            call()
