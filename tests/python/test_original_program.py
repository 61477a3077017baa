"""The original program and Sealgate side by side, with the same keys: each accepts what the other one made."""

import base64
import signal
import sys
from pathlib import Path

import jwt
import pytest

from doors import Child

SETTINGS = {
    "JWT_SECRET_KEY": "a JWT_SECRET_KEY that both programs know",
    "AES_KEY": "thirty-two bytes as in the seed!",
    "AES_IV": "an IV of 16 byte",
}
NO_LIMITS = {"MAX_REQUESTS": 1_000_000}
CONFIDENTIAL = "This is the original's confidential data."


class Original(Child):
    """seed_app.py: a real Flask program on a free port."""

    arguments = (sys.executable, "-B", str(Path(__file__).with_name("seed_app.py")))
    ready = r"^port (\d+)$"
    exit_code = -signal.SIGTERM
    is_ours = False


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    with Original(tmp_path_factory.mktemp("original"), SETTINGS | NO_LIMITS) as server:
        yield server


@pytest.fixture(scope="module")
def ours(serve):
    return serve(**SETTINGS, **NO_LIMITS, SEALGATE_SECURE_DATA=CONFIDENTIAL)


@pytest.fixture(params=["original", "ours"])
def one(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["original", "ours"])
def another(request):
    return request.getfixturevalue(request.param)


def test_each_accepts_the_others_tokens(one, another):
    token = one.log_in("zoë")
    assert another.get("/secure-data", token=token).ok()["encrypted_data"]


def test_both_send_the_same_ciphertext(original, ours):
    sent = [server.get("/secure-data", token=server.log_in()).ok()["encrypted_data"] for server in (original, ours)]
    assert sent[0] == sent[1]


def test_each_opens_the_others_ciphertexts(one, another):
    encrypted = one.get("/secure-data", token=one.log_in()).ok()["encrypted_data"]
    for login in (one, another):
        reply = another.post("/decrypt", {"encrypted_data": encrypted}, token=login.log_in())
        assert reply.ok()["decrypted_data"] == CONFIDENTIAL


@pytest.mark.parametrize("text", ["a", "exactly one bloc", "Zażółć gęślą jaźń 🔑", "x" * 10_000])
def test_the_original_opens_whatever_we_encrypt(original, ours, text):
    encrypted = ours.post("/encrypt", {"data": text}, token=original.log_in()).ok()["encrypted_data"]
    reply = original.post("/decrypt", {"encrypted_data": encrypted}, token=ours.log_in())
    assert reply.ok()["decrypted_data"] == text


def test_the_ciphertext_may_come_under_its_other_name(one):
    token = one.log_in()
    encrypted = one.get("/secure-data", token=token).ok()["encrypted_data"]
    assert one.post("/decrypt", {"data": encrypted}, token=token).ok()["decrypted_data"] == CONFIDENTIAL


def expired():
    return jwt.encode({"username": "alice", "exp": 1577836800}, SETTINGS["JWT_SECRET_KEY"], algorithm="HS256")


def foreign():
    return jwt.encode(
        {"username": "alice", "exp": 3786912000}, "somebody else's key, long enough too", algorithm="HS256"
    )


def nobody():
    return jwt.encode({"exp": 3786912000}, SETTINGS["JWT_SECRET_KEY"], algorithm="HS256")


@pytest.mark.parametrize(
    ("status", "ask"),
    [
        pytest.param(400, lambda at: at.post("/login", {}), id="no username"),
        pytest.param(400, lambda at: at.post("/login", {"username": ""}), id="empty username"),
        pytest.param(401, lambda at: at.get("/secure-data"), id="no token"),
        pytest.param(401, lambda at: at.post("/decrypt", {"data": "x"}), id="no token at decrypt"),
        pytest.param(401, lambda at: at.get("/secure-data", token="x"), id="no token at all in the header"),
        pytest.param(401, lambda at: at.get("/secure-data", token=expired()), id="expired token"),
        pytest.param(401, lambda at: at.get("/secure-data", token=foreign()), id="token of another key"),
        pytest.param(401, lambda at: at.get("/secure-data", token=nobody()), id="token without a user"),
        pytest.param(400, lambda at: at.post("/decrypt", {}, token=at.log_in()), id="no ciphertext"),
        pytest.param(400, lambda at: decrypt(at, "!!!"), id="ciphertext that is not base64"),
        pytest.param(400, lambda at: decrypt(at, base64.b64encode(b"x" * 15).decode()), id="not a whole block"),
        pytest.param(400, lambda at: decrypt(at, base64.b64encode(b"x" * 32).decode()), id="bad padding"),
    ],
)
def test_both_refuse_with_the_same_status_and_a_sentence(one, status, ask):
    reply = ask(one)
    assert reply.status == status
    assert isinstance(reply.json()["error"], str) and " " in reply.json()["error"]


def decrypt(at, encrypted):
    return at.post("/decrypt", {"encrypted_data": encrypted}, token=at.log_in())


@pytest.mark.parametrize("program", ["original", "ours"])
def test_both_admit_five_requests_a_minute_of_each_user(serve, tmp_path, program):
    if program == "ours":
        check_limit(serve(**SETTINGS))
    else:
        with Original(tmp_path, SETTINGS) as original:
            check_limit(original)


def check_limit(server):
    alice, bob = server.log_in("alice"), server.log_in("bob")
    encrypted = server.get("/secure-data", token=alice).ok()["encrypted_data"]
    for _ in range(2):  # two routes, one limit
        server.get("/secure-data", token=alice).ok()
        server.post("/decrypt", {"encrypted_data": encrypted}, token=alice).ok()
    for refused in (
        server.get("/secure-data", token=alice),
        server.post("/decrypt", {"encrypted_data": encrypted}, token=alice),
    ):
        assert refused.status == 429
        assert "Rate limit exceeded" in refused.json()["error"]
    server.get("/secure-data", token=bob).ok()
    assert server.get("/secure-data").status == 401  # the token is looked at first, and alone does not count
