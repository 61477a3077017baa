"""The package's gate: settings, tokens, limits, its life, and what processes and threads make of it."""

import copy
import gc
import multiprocessing
import os
import pickle
import shutil
import threading
import time

import jwt
import pytest

import sealgate
from doors import clean_environment, load

FILE = load("tokens.json")
SECRET = FILE["jwt_secret_key"]
AES_KEY = "an AES_KEY of thirty-two bytes.."
KEYS = {"jwt_secret_key": SECRET, "aes_key": AES_KEY}


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """The process's environment without a setting but these: environment(MAX_REQUESTS="2")."""

    def set_to(**settings):
        wanted = clean_environment(tmp_path, settings)
        for name in set(os.environ) - set(wanted):
            monkeypatch.delenv(name)
        for name, value in wanted.items():
            monkeypatch.setenv(name, value)
        return tmp_path

    return set_to


def test_without_arguments_the_environment_counts(environment):
    environment(JWT_SECRET_KEY=SECRET, AES_KEY=AES_KEY, SEALGATE_TOKEN_TTL="77")
    claims = jwt.decode(sealgate.Gate().issue_token("alice"), SECRET, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 77
    claims = jwt.decode(sealgate.Gate(KEYS).issue_token("alice"), SECRET, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 1800  # settings of one's own: the environment's are not read


def test_settings_of_ones_own_win_over_the_environment_and_that_over_a_file(environment):
    folder = environment(SEALGATE_ISSUER="environment", SEALGATE_AUDIENCE="environment")
    (folder / "settings.toml").write_text('issuer = "file"\naudience = "file"\ntoken_ttl = 99\n')
    config = sealgate.Config(KEYS, environment=True, file=folder / "settings.toml", issuer="here")
    token = sealgate.Gate(config).issue_token("alice")
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="environment", issuer="here")
    assert claims["exp"] - claims["iat"] == 99


def test_a_gate_of_the_environment_shares_the_commands_keys(environment, sealgate_command):
    folder = environment()
    gate = sealgate.Gate()
    assert (folder / "state" / "keys.json").exists()
    assert sealgate_command("decrypt", stdin=gate.encrypt("grüezi")).succeeded().decode() == "grüezi"


@pytest.fixture
def sealgate_command(binary, tmp_path):
    from doors import Command

    return Command(binary, tmp_path)


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({}, sealgate.SettingError, "keys"),
        ({"token_tll": 5}, sealgate.SettingError, "token_ttl"),
        ({"token_ttl": "soon"}, sealgate.SettingError, "token_ttl must"),
        ({"jwt_secret_key": "canary"}, sealgate.SettingError, "jwt_secret_key"),
        ({"token_ttl": None}, TypeError, "token_ttl"),
        ({"token_ttl": True}, TypeError, "token_ttl"),
        ({b"\xff": "x"}, sealgate.InvalidUtf8Error, "UTF-8"),
        ({7: "x"}, TypeError, "name"),
    ],
)
def test_wrong_settings_are_named_and_their_values_are_not(settings, error, said):
    with pytest.raises(error) as raised:
        sealgate.Gate(settings)
    assert said in str(raised.value) and "canary" not in str(raised.value)


def test_a_config_does_not_show_its_secrets():
    assert "canary" not in repr(sealgate.Config(aes_key="canary"))
    with pytest.raises(TypeError):
        sealgate.Gate(sealgate.Config(), keys="ephemeral")
    with pytest.raises(ValueError):
        sealgate.Config(file="a\0b")
    with pytest.raises(sealgate.SettingError):
        sealgate.Gate(sealgate.Config(file="/no/such/file"))


def test_an_untrusted_ring_is_an_os_error(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "keys.json").write_text("{}")
    with pytest.raises(sealgate.KeyRingError) as raised:
        sealgate.Gate(data_dir=tmp_path)
    assert isinstance(raised.value, OSError) and raised.value.code == "key_ring"


# Tokens


def test_a_token_of_ours_verifies_in_pyjwt_and_pyjwts_here():
    with sealgate.Gate(KEYS) as gate:
        claims = jwt.decode(gate.issue_token("zoë", scope=["a", "b"], ttl=60), SECRET, algorithms=["HS256"])
        assert (claims["username"], claims["scope"], claims["exp"] - claims["iat"]) == ("zoë", "a b", 60)

        exp = int(time.time()) + 60
        claims = gate.verify_token(jwt.encode({"username": "zoë", "exp": exp}, SECRET, algorithm="HS256"))
        assert dict(claims) == {"username": "zoë", "exp": exp}
        assert (claims.subject, claims.expires_at, claims.id) == ("zoë", exp, None)
        assert claims.scopes == tuple(sealgate.OPEN_LOGIN_SCOPE.split()) and claims.has_scope("decrypt")


@pytest.mark.parametrize("vector", FILE["vectors"], ids=lambda vector: vector["name"])
def test_every_vector_is_judged(vector):
    from token_making import whole

    with sealgate.Gate(KEYS) as gate:
        if vector["expect"] == "ok":
            claims = gate.verify_token(whole(vector))
            assert (claims.subject, " ".join(claims.scopes)) == (vector["user"], vector["scope"])
        else:
            with pytest.raises(sealgate.TokenError) as raised:
                gate.verify_token(whole(vector))
            assert (raised.value.code, raised.value.http_status) == (vector["expect"], 401)
            assert isinstance(raised.value, ValueError) and not isinstance(raised.value, OSError)


def test_claims_are_a_mapping_that_outlives_everything():
    gate = sealgate.Gate(KEYS)
    claims = gate.verify_token(gate.issue_token("alice"))
    gate.close()
    del gate
    for same in (claims, pickle.loads(pickle.dumps(claims)), copy.deepcopy(claims)):
        assert same == claims == dict(claims)
        assert same["sub"] == same.subject == "alice"
        assert same.id == same["jti"] and same.expires_at == same["exp"]
        assert "nothing" not in same and same.get("nothing") is None
    with pytest.raises(TypeError):
        claims["sub"] = "mallory"


@pytest.mark.parametrize("subject", ["", "x" * 257, "a\nb", "\0"])
def test_a_subject_that_is_none_is_refused(subject):
    with sealgate.Gate(KEYS) as gate, pytest.raises(sealgate.InvalidArgumentError):
        gate.issue_token(subject)


@pytest.mark.parametrize(("ttl", "error"), [(0, ValueError), (-1, ValueError), (2**32, ValueError), (1.5, TypeError)])
def test_a_life_that_is_none_is_refused(ttl, error):
    with sealgate.Gate(KEYS) as gate, pytest.raises(error):
        gate.issue_token("alice", ttl=ttl)


@pytest.mark.parametrize("scope", ["a  b", " a", 'a"b', ["a b", "c  d"], ["ä"]])
def test_a_scope_that_is_none_is_refused(scope):
    with sealgate.Gate(KEYS) as gate, pytest.raises(sealgate.InvalidArgumentError):
        gate.issue_token("alice", scope)


# Limits


def test_requests_are_counted_by_user():
    with sealgate.Gate(KEYS, max_requests=2, rate_limit_window=60) as gate:
        first, second, third = (gate.admit("alice") for _ in range(3))
        assert (first, second) == ((True, 1, 0.0), (True, 0, 0.0))
        assert bool(first) and not third and third.remaining == 0 and 0 < third.retry_after <= 60
        assert gate.admit("bob")
    with sealgate.Gate(KEYS, max_requests=0) as gate:
        assert gate.admit("alice") == (True, None, 0.0)


# The original's functions


@pytest.fixture
def fresh_default(monkeypatch):
    from sealgate import original

    monkeypatch.setattr(original, "_gates", {})


class Asked:
    def __init__(self, authorization):
        self.headers = {} if authorization is None else {"Authorization": authorization}


def test_the_originals_functions_use_one_gate_of_the_environment(environment, fresh_default):
    environment(JWT_SECRET_KEY=SECRET, AES_KEY=AES_KEY, MAX_REQUESTS="1")
    assert sealgate.decrypt_data(sealgate.encrypt_data("grüezi")) == "grüezi"
    token = sealgate.default_gate().issue_token("alice")
    for request in (token, token.encode(), Asked(f"Bearer {token}"), Asked(f"bearer   {token} ")):
        assert sealgate.verify_token(request)["username"] == "alice"
    for nothing in (Asked(None), Asked(""), Asked("Bearer"), Asked("Bearer "), Asked(token), Asked(f"Basic {token}")):
        with pytest.raises(sealgate.TokenMissingError):
            sealgate.verify_token(nothing)
    assert sealgate.enforce_rate_limit("alice").allowed
    with pytest.raises(sealgate.RateLimitedError) as raised:
        sealgate.enforce_rate_limit("alice")
    assert raised.value.http_status == 429 and 0 < raised.value.retry_after <= 60
    assert pickle.loads(pickle.dumps(raised.value)).retry_after == raised.value.retry_after
    with pytest.raises(ValueError):
        sealgate.decrypt_data(sealgate.default_gate().encrypt(b"\xff is no text"))


def test_a_default_gate_that_cannot_be_made_is_tried_again(environment, fresh_default):
    environment(AES_KEY="too short")
    with pytest.raises(sealgate.SettingError, match="AES_KEY"):
        sealgate.encrypt_data("x")
    environment(AES_KEY=AES_KEY, JWT_SECRET_KEY=SECRET)
    assert sealgate.decrypt_data(sealgate.encrypt_data("x")) == "x"


# Its life


def test_a_closed_gate_says_so_and_closing_twice_is_nothing():
    gate = sealgate.Gate(KEYS)
    sealed, token = gate.seal(b"x"), gate.issue_token("alice")
    gate.close()
    gate.close()
    for call in (
        lambda: gate.seal(b"x"),
        lambda: gate.open(sealed),
        lambda: gate.encrypt("x"),
        lambda: gate.decrypt("x"),
        lambda: gate.seal_into(b"x", bytearray(99)),
        lambda: gate.issue_token("alice"),
        lambda: gate.verify_token(token),
        lambda: gate.admit("alice"),
        lambda: gate.__enter__(),
        lambda: sealgate.Server(gate),
    ):
        with pytest.raises(sealgate.WrongStateError, match="closed"):
            call()
    assert "closed" in repr(gate)


def test_a_gate_cannot_be_pickled_and_says_what_to_do():
    with sealgate.Gate(KEYS) as gate:
        for take in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="create one in each process"):
                take(gate)


@pytest.mark.parametrize("cls", sorted(sealgate.errors.__all__))
def test_exceptions_survive_pickling(cls):
    error = pickle.loads(pickle.dumps(getattr(sealgate, cls)("a sentence")))
    assert type(error).__name__ == cls and str(error) == "a sentence"


def test_closing_takes_nothing_away_from_under_another_thread():
    stop, failures = threading.Event(), []
    gates = [sealgate.Gate(keys="ephemeral")]

    def use():
        data = os.urandom(100_000)
        while not stop.is_set():
            gate = gates[0]
            try:
                gate.open(gate.seal(data))
            except sealgate.WrongStateError:
                pass
            except BaseException as failure:
                failures.append(failure)
                return

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        gates[0].close()
        gates[0] = sealgate.Gate(keys="ephemeral")
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_eight_threads_get_right_results():
    gate = sealgate.Gate(KEYS, token_cache=2, max_requests=1000)
    failures, admitted = [], []

    def work(number):
        try:
            for round in range(200):
                user, data = f"user {number}", os.urandom(round * 97)
                assert gate.verify_token(gate.issue_token(user)).subject == user
                assert gate.decrypt(gate.encrypt(data, user), user) == data
                assert gate.open(gate.seal(data, user), user) == data
                assert gate.mask(user) == "use***"
                admitted.append(gate.admit("all of them").allowed)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert (len(admitted), sum(admitted)) == (1600, 1000)


def test_a_call_in_the_middle_of_another_one_is_right():
    """A destructor runs wherever Python likes to collect: in the middle of any call of the package."""
    gate = sealgate.Gate(keys="ephemeral")
    seen = []

    class Nosy:
        def __init__(self):
            self.me = self

        def __del__(self):
            seen.append(gate.decrypt(gate.encrypt("inner")) == b"inner")

    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(300):
            Nosy()
            assert gate.decrypt(gate.encrypt("outer")) == b"outer"
    finally:
        gc.set_threshold(*before)
    assert len(seen) > 100 and all(seen)


def test_a_destructor_may_come_after_the_gate_it_uses():
    """Python collects a cycle in any order: whoever uses the gate last finds it closed, not freed."""
    seen = []

    class Last:
        def __init__(self, gate):
            self.gate = gate
            self.me = self

        def __del__(self):
            try:
                seen.append(self.gate.decrypt(self.gate.encrypt("last")) == b"last")
            except sealgate.WrongStateError:
                seen.append(True)

    for _ in range(100):
        Last(sealgate.Gate(keys="ephemeral"))
    gc.collect()
    assert len(seen) == 100 and all(seen)


# Processes


def sealed_and_issued(gate):
    return gate.seal(b"from the child"), gate.issue_token("child")


def token_ids(gate):
    return {gate.verify_token(gate.issue_token("alice")).id for _ in range(50)}


def test_a_gate_works_in_a_forked_process():
    gate = sealgate.Gate(KEYS)
    parents, ids = {gate.seal(b"x")[5:29] for _ in range(10)}, token_ids(gate)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            sealed, token = sealed_and_issued(gate)
            nonces = {gate.seal(b"x")[5:29] for _ in range(10)}
            os.write(writer, pickle.dumps((sealed, token, nonces, token_ids(gate))))
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        sealed, token, nonces, childs_ids = pickle.load(pipe)
    assert os.waitpid(child, 0)[1] == 0
    assert gate.open(sealed) == b"from the child" and gate.verify_token(token).subject == "child"
    assert not nonces & parents and not nonces & {gate.seal(b"x")[5:29] for _ in range(10)}
    # More than are fetched from the system at once.
    assert len(ids | childs_ids | token_ids(gate)) == 3 * 50


def test_a_process_forked_off_while_the_ring_is_read_uses_new_keys_too(environment, sealgate_command):
    folder = environment(SEALGATE_RING_KEY="correct horse battery")
    ring, elsewhere = folder / "state" / "keys.json", folder / "elsewhere"
    sealgate_command("keys", "generate").succeeded()
    gate = sealgate.Gate()
    elsewhere.mkdir(mode=0o700)
    shutil.copy(ring, elsewhere)
    settings = {"SEALGATE_DATA_DIR": elsewhere, "SEALGATE_RING_KEY": "correct horse battery"}
    sealgate_command("keys", "rotate", **settings).succeeded()
    token = sealgate_command("token", "issue", "--user", "alice", **settings).succeeded().decode().strip()
    (elsewhere / "keys.json").rename(ring)
    # A key is derived from the passphrase, which takes a tenth of a second or some.
    reading = threading.Thread(target=gate.verify_token, args=(token,))
    reading.start()
    time.sleep(0.03)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if gate.verify_token(token).subject == "alice" else 1)
        finally:
            os._exit(1)
    reading.join()
    assert os.waitpid(child, 0)[1] == 0


_inherited = sealgate.Gate(KEYS)


def in_a_worker(number):
    sealgate.mask_data("x")
    return _inherited.seal(str(number))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method):
    with multiprocessing.get_context(method).Pool(3) as pool:
        sealed = pool.map(in_a_worker, range(30))
    assert [_inherited.open(data) for data in sealed] == [str(number).encode() for number in range(30)]
