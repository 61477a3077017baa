"""Accounts, tokens that are taken back, rewrapping and streams, from Python."""

import io
import os
import subprocess
import threading
import time

import pytest

import sealgate

PASSWORD = "a long enough secret"


@pytest.fixture
def gate():
    with sealgate.Gate(keys="ephemeral", token_cache=0) as gate:
        yield gate


def test_guesses_from_many_addresses_slow_a_name_down_but_not_where_it_is_known(gate):
    gate.add_user("alice", PASSWORD)
    gate.check_password("alice", PASSWORD, source="2001:db8:0:ffff::1")
    failed = waits = 0
    for n in range(40):
        try:
            gate.check_password("alice", "wrong password", source=f"2001:db8:0:{n:x}::1")
        except sealgate.LoginFailedError:
            failed += 1
        except sealgate.RateLimitedError as error:
            assert 0 < error.retry_after <= 60
            waits += 1
    assert 10 <= failed <= 15 and failed + waits == 40
    gate.check_password("alice", PASSWORD, source="2001:db8:0:ffff::2")
    gate.log_in("alice", PASSWORD, source="192.0.2.1")


def test_who_knows_the_password_gets_tokens_and_nobody_else(gate):
    gate.add_user("alice", PASSWORD, scope=["encrypt", "decrypt"])
    assert gate.check_password("alice", PASSWORD) == ("encrypt", "decrypt")
    tokens = gate.log_in("alice", PASSWORD, scope="decrypt")
    claims = gate.verify_token(tokens.token)
    assert (claims.subject, claims.scopes) == ("alice", ("decrypt",))
    assert abs(claims.issued_at - time.time()) < 60
    for name, password in [("alice", "another secret"), ("bob", PASSWORD)]:
        with pytest.raises(sealgate.LoginFailedError) as failed:
            gate.log_in(name, password)
        assert isinstance(failed.value, PermissionError) and PASSWORD not in str(failed.value)
    with pytest.raises(sealgate.InvalidArgumentError):
        gate.log_in("alice", PASSWORD, scope="admin")


def test_what_keeps_an_account_from_being_made_is_told_apart(gate):
    gate.add_user("alice", PASSWORD)
    assert gate.check_password("alice", PASSWORD) == tuple(sealgate.OPEN_LOGIN_SCOPE.split())
    for error, code, http_status, arguments in [
        (sealgate.UserExistsError, "user_exists", 409, ("alice", PASSWORD)),
        (sealgate.WeakPasswordError, "weak_password", 400, ("carol", "password")),
        (sealgate.WeakPasswordError, "weak_password", 400, ("carol", "short")),
        (sealgate.WeakPasswordError, "weak_password", 400, ("carol at length", "carol at length")),
        (sealgate.InvalidNameError, "invalid_name", 400, ("", PASSWORD)),
        (sealgate.InvalidNameError, "invalid_name", 400, ("a\0b", PASSWORD)),
        (sealgate.InvalidNameError, "invalid_name", 400, ("a" * 257, PASSWORD)),
        (sealgate.InvalidArgumentError, "invalid_argument", 400, ("carol", PASSWORD, "a  b")),
    ]:
        with pytest.raises(ValueError) as failed:
            gate.add_user(*arguments)
        assert type(failed.value) is error and (failed.value.code, failed.value.http_status) == (code, http_status)
        assert isinstance(failed.value, sealgate.InvalidArgumentError)
    with pytest.raises(sealgate.WeakPasswordError):
        gate.set_user_password("alice", "password")


def test_a_token_has_the_scopes_of_its_account_unless_others_are_asked_for(gate):
    def scopes(*arguments):
        return gate.verify_token(gate.issue_token(*arguments)).scopes

    everything = tuple(sealgate.OPEN_LOGIN_SCOPE.split())
    assert scopes("alice") == everything
    gate.add_user("alice", PASSWORD, scope=["decrypt", "orders"])
    gate.add_user("bob", PASSWORD, scope="")
    assert scopes("alice") == ("decrypt", "orders")
    assert scopes("bob") == ()
    assert scopes("alice", "encrypt") == ("encrypt",)
    assert scopes("alice", "") == ()


def test_wrong_passwords_put_further_tries_off(gate):
    gate.add_user("alice", PASSWORD)
    for _ in range(100):
        try:
            gate.check_password("alice", "wrong password", source="192.0.2.1")
        except sealgate.RateLimitedError as error:
            assert error.retry_after > 0
            break
        except sealgate.LoginFailedError:
            pass
    else:
        pytest.fail("never put off")
    assert " ".join(gate.check_password("alice", PASSWORD, source="192.0.2.2")) == sealgate.OPEN_LOGIN_SCOPE


def test_a_refresh_token_is_good_for_one_use(gate):
    gate.add_user("alice", PASSWORD, scope="encrypt")
    first = gate.log_in("alice", PASSWORD)
    second = gate.refresh(first.refresh_token)
    assert gate.verify_token(second.token).subject == "alice"
    with pytest.raises(sealgate.TokenError):
        gate.refresh(first.refresh_token)
    with pytest.raises(sealgate.TokenRevokedError):
        gate.refresh(second.refresh_token)


def test_tokens_are_taken_back_one_by_one_and_all_of_a_user(gate):
    gate.add_user("alice", PASSWORD, scope="encrypt")
    tokens = [gate.log_in("alice", PASSWORD).token for _ in range(3)]
    assert gate.revoke_token(tokens[0]) == "alice"
    claims = gate.verify_token(tokens[1])
    gate.revoke_token_id(claims.id, claims.expires_at)
    for token in tokens[:2]:
        with pytest.raises(sealgate.TokenRevokedError):
            gate.verify_token(token)
    assert gate.verify_token(tokens[2]).subject == "alice"
    gate.revoke_user("alice")
    with pytest.raises(sealgate.TokenRevokedError):
        gate.verify_token(tokens[2])


def test_accounts_are_changed_and_unknown_ones_named(gate):
    gate.add_user("alice", PASSWORD, scope="encrypt")
    gate.set_user_scope("alice", "decrypt")
    gate.set_user_password("alice", "another long secret")
    assert gate.check_password("alice", "another long secret") == ("decrypt",)
    gate.disable_user("alice")
    with pytest.raises(sealgate.LoginFailedError):
        gate.check_password("alice", "another long secret")
    gate.enable_user("alice")
    assert gate.check_password("alice", "another long secret") == ("decrypt",)
    gate.remove_user("alice")
    for change in (gate.disable_user, gate.enable_user, gate.remove_user):
        with pytest.raises(sealgate.NotFoundError):
            change("alice")


def test_the_command_and_a_gate_share_their_accounts(tmp_path):
    settings = {"data_dir": str(tmp_path / "data")}
    environment = {"HOME": str(tmp_path), "SEALGATE_DATA_DIR": settings["data_dir"], "PATH": os.environ["PATH"]}
    command = [os.environ["SEALGATE_BIN"], "user"]
    with sealgate.Gate(**settings) as gate:
        gate.add_user("alice", PASSWORD, scope="encrypt")
        token = gate.log_in("alice", PASSWORD).token
        subprocess.run([*command, "disable", "alice"], env=environment, check=True, timeout=60, capture_output=True)
        deadline = time.monotonic() + 60
        while True:
            try:
                gate.verify_token(token)
            except sealgate.TokenRevokedError:
                break
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_data_is_sealed_anew_with_its_context(gate):
    sealed = gate.encrypt("data", context="a")
    again = gate.rewrap(sealed, context="a")
    assert again != sealed and gate.decrypt(again, context="a") == b"data"
    with pytest.raises(sealgate.DecryptFailedError):
        gate.rewrap(sealed, context="b")


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3_000_000])
def test_streams_open_as_they_were_sealed(gate, size):
    data = os.urandom(size)
    sealed = io.BytesIO()
    with gate.sealing(sealed, context="c") as file:
        for at in range(0, size, 70_000):
            assert file.write(data[at : at + 70_000]) == len(data[at : at + 70_000])
    stream = sealed.getvalue()
    assert gate.opening(io.BytesIO(stream), context="c").read() == data
    opener = gate.open_stream("c")
    assert opener.push(stream) + opener.finish() == data
    for wrong in (stream[:-1], stream + b"x", stream[:-16] + bytes(16)):
        with pytest.raises(sealgate.DecryptFailedError):
            gate.opening(io.BytesIO(wrong), context="c").read()
    with pytest.raises(sealgate.DecryptFailedError):
        gate.opening(io.BytesIO(stream), context="d").read()


def test_a_stream_that_an_exception_ends_is_no_stream(gate):
    sealed = io.BytesIO()
    with pytest.raises(KeyError):
        with gate.sealing(sealed) as file:
            file.write(b"a part")
            raise KeyError
    with pytest.raises(sealgate.DecryptFailedError):
        gate.opening(io.BytesIO(sealed.getvalue())).read()
    with pytest.raises(ValueError):
        file.write(b"more")
    finished = gate.seal_stream()
    finished.finish()
    with pytest.raises(sealgate.WrongStateError):
        finished.push(b"more")


class Narrow(io.RawIOBase):
    """A file without a buffer, which takes a little at a time, and None when it would have to wait."""

    def __init__(self, limit=10**9):
        self.taken = bytearray()
        self.limit = limit

    def writable(self):
        return True

    def write(self, data):
        some = bytes(data)[: min(1000, self.limit - len(self.taken))]
        self.taken += some
        return len(some) or None


def test_all_is_written_to_a_file_that_takes_a_little_at_a_time(gate):
    data = os.urandom(200_000)
    narrow = Narrow()
    with gate.sealing(narrow) as file:
        file.write(data)
    assert gate.opening(io.BytesIO(narrow.taken)).read() == data
    full = gate.sealing(Narrow(limit=100_000))
    with pytest.raises(BlockingIOError):
        full.write(data)
    with pytest.raises(ValueError, match="an earlier write failed"):
        full.write(b"more")
    full.close()
    assert full.closed
    # Where the end cannot be written, it is closed all the same.
    last = gate.sealing(Narrow(limit=0))
    with pytest.raises(BlockingIOError):
        last.close()
    assert last.closed


def test_a_file_that_has_nothing_yet_is_waited_for_and_a_closed_one_gives_nothing(gate):
    sealed = io.BytesIO()
    with gate.sealing(sealed) as file:
        file.write(b"data" * 50_000)
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    with open(ours, "rb", buffering=0) as slow, open(theirs, "wb") as writer, gate.opening(slow) as file:
        assert file.read(10) is None

        def send():
            writer.write(sealed.getvalue())
            writer.close()

        sender = threading.Thread(target=send)
        sender.start()
        came = b""
        while (some := file.read(40_000)) != b"":
            came += some or b""
        sender.join()
    assert came == b"data" * 50_000
    closed = gate.opening(io.BytesIO(sealed.getvalue()))
    assert closed.read(4) == b"data"
    closed.close()
    with pytest.raises(ValueError):
        closed.read(4)


def test_threads_may_share_a_stream(python):
    # In a process of its own: what goes wrong there takes the whole interpreter with it.
    script = """
import sealgate, threading
gate = sealgate.Gate(keys="ephemeral")
stream = gate.seal_stream()
def push():
    for size in range(70_000, 71_000):
        stream.push(bytes(size))
threads = [threading.Thread(target=push) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
stream.finish()
print("whole")
"""
    assert python(script).succeeded() == b"whole\n"


def test_files_that_do_not_say_how_much_they_took_have_taken_all(gate):
    class Silent:
        taken = b""

        def write(self, data):
            self.taken += data

    silent = Silent()
    with gate.sealing(silent) as file:
        file.write(b"data")
    assert gate.opening(io.BytesIO(silent.taken)).read() == b"data"


def test_what_cannot_be_written_leaves_the_stream_as_it_was(gate):
    sealed = io.BytesIO()
    with gate.sealing(sealed) as file:
        for wrong in ("text", memoryview(b"abcdef")[::2]):
            with pytest.raises((TypeError, BufferError)):
                file.write(wrong)
        file.write(b"bytes")
    assert gate.opening(io.BytesIO(sealed.getvalue())).read() == b"bytes"


def test_the_command_and_python_open_each_others_files(tmp_path):
    environment = {"HOME": str(tmp_path), "SEALGATE_DATA_DIR": str(tmp_path / "data"), "PATH": os.environ["PATH"]}
    plain, sealed, again = (tmp_path / name for name in ("plain", "sealed", "again"))
    plain.write_bytes(os.urandom(300_000))

    def run(*arguments):
        command = [os.environ["SEALGATE_BIN"], *map(str, arguments)]
        subprocess.run(command, env=environment, check=True, timeout=60, capture_output=True)

    run("encrypt", "--in", plain, "--out", sealed)
    with sealgate.Gate(data_dir=environment["SEALGATE_DATA_DIR"]) as gate:
        with sealed.open("rb") as file:
            assert gate.opening(file).read() == plain.read_bytes()
        with (tmp_path / "ours").open("wb") as file, gate.sealing(file) as writer:
            writer.write(plain.read_bytes())
    run("decrypt", "--in", tmp_path / "ours", "--out", again)
    assert again.read_bytes() == plain.read_bytes()


def test_passwords_are_checked_in_a_forked_process_whatever_the_parent_was_doing(tmp_path, python):
    # The one place where a hash is made is nearly always taken when the fork happens.
    script = """
import os, signal, threading, time, warnings
import sealgate
warnings.simplefilter("ignore")
gate = sealgate.Gate(data_dir=os.environ["STATE"], password_memory=8192, password_hashes=1, lockout_after=0)
gate.add_user("alice", "a long enough secret")
done = threading.Event()
def check():
    while not done.is_set():
        gate.check_password("alice", "a long enough secret")
threads = [threading.Thread(target=check) for _ in range(2)]
for thread in threads:
    thread.start()
ends = []
for _ in range(3):
    time.sleep(0.05)
    child = os.fork()
    if not child:
        signal.alarm(60)
        gate.check_password("alice", "a long enough secret")
        os._exit(7)
    ends.append(os.waitpid(child, 0)[1])
done.set()
for thread in threads:
    thread.join()
print([os.waitstatus_to_exitcode(end) for end in ends])
"""
    ran = python(script, STATE=str(tmp_path / "state"))
    assert ran.out.decode().strip() == "[7, 7, 7]", ran
