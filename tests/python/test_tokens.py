"""Tokens: PyJWT and Sealgate accept each other's, and refuse what must be refused."""

import json
import time

import jwt
import pytest

from doors import load, named, write_ring
from token_making import whole

FILE = load("tokens.json")
SECRET = FILE["jwt_secret_key"]
OTHER_SECRET = "another secret that is long enough, but not the server's"
KEYS = {"JWT_SECRET_KEY": SECRET, "AES_KEY": "an AES_KEY of thirty-two bytes.."}
NO_LIMITS = {"MAX_REQUESTS": 0, "SEALGATE_LOGIN_MAX_REQUESTS": 0}
OPEN_SCOPE = "secure-data encrypt decrypt"
HALF_AN_HOUR = 30 * 60


@pytest.fixture(scope="module")
def server(serve):
    return serve(**KEYS, **NO_LIMITS)


def verify(sealgate, token, **settings):
    """What the command says: the claims, or the code of the refusal. It trims what comes on standard input."""
    if token == token.strip():
        ended = sealgate("token", "verify", stdin=token, **(KEYS | settings))
    else:
        ended = sealgate("token", "verify", token, **(KEYS | settings))
    if ended.code == 0:
        return json.loads(ended.out)
    assert (ended.code, ended.out) == (1, b""), ended.err
    return ended.err.strip().rpartition(" ")[2].strip("()")


def fits_in_a_header(vector):
    """A header ends at a line feed, and white space around its value is not part of it."""
    return whole(vector) == whole(vector).strip() and "\n" not in whole(vector)


@pytest.mark.parametrize("vector", named(FILE["vectors"]))
def test_the_command_judges_every_vector(sealgate, vector):
    found = verify(sealgate, whole(vector))
    if vector["expect"] == "ok":
        assert (found["user"], found["scope"]) == (vector["user"], vector["scope"])
    else:
        assert found == vector["expect"]


@pytest.mark.parametrize("vector", named(filter(fits_in_a_header, FILE["vectors"])))
def test_the_server_judges_every_vector(server, vector):
    if "(tiny-http)" in server.greeting() and not whole(vector).isascii():
        pytest.skip("tiny_http closes the connection where a header is not ASCII, and answers nothing")
    reply = server.get("/secure-data", token=whole(vector))
    if vector["expect"] != "ok":
        assert reply.status == 401
        assert reply.json()["type"].endswith(":" + vector["expect"])
        assert reply.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    elif "secure-data" in vector["scope"].split():
        assert reply.ok()["encrypted_data"]
    else:
        assert reply.status == 403
        assert 'error="insufficient_scope"' in reply.headers["WWW-Authenticate"]


def test_a_token_made_by_pyjwt_is_accepted(server):
    token = jwt.encode({"username": "alice", "exp": time.time() + HALF_AN_HOUR}, SECRET, algorithm="HS256")
    assert server.get("/secure-data", token=token).ok()["encrypted_data"]


def test_a_token_expired_by_more_than_the_leeway_is_not(server):
    token = jwt.encode({"username": "alice", "exp": int(time.time()) - 60}, SECRET, algorithm="HS256")
    reply = server.get("/secure-data", token=token)
    assert (reply.status, reply.json()["error"]) == (401, "Token has expired.")


@pytest.mark.parametrize("door", ["login", "command"])
def test_a_token_of_ours_verifies_in_pyjwt(server, sealgate, door):
    before = int(time.time())
    if door == "login":
        reply = server.post("/login", {"username": "zoë"}).ok()
        assert (reply["token_type"], reply["expires_in"]) == ("Bearer", HALF_AN_HOUR)
        token = reply["token"]
    else:
        token = sealgate("token", "issue", "--user", "zoë", **KEYS).succeeded().decode().strip()
    after = int(time.time())
    claims = jwt.decode(
        token,
        SECRET,
        algorithms=["HS256"],
        issuer="sealgate",
        options={"require": ["iss", "sub", "iat", "exp", "jti"]},
    )
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "at+jwt", "kid": FILE["key_id"]}
    assert set(claims) == {"iss", "sub", "username", "scope", "iat", "exp", "jti"}
    assert (claims["sub"], claims["username"], claims["scope"]) == ("zoë", "zoë", OPEN_SCOPE)
    assert before - 1 <= claims["iat"] <= after + 1
    assert claims["exp"] - claims["iat"] == HALF_AN_HOUR
    assert len(jwt.utils.base64url_decode(claims["jti"])) == 16


def test_no_two_tokens_are_the_same(server):
    ids = {jwt.decode(server.log_in(), SECRET, algorithms=["HS256"])["jti"] for _ in range(20)}
    assert len(ids) == 20


def test_a_token_of_ours_fails_in_pyjwt_under_another_key(server):
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(server.log_in(), OTHER_SECRET, algorithms=["HS256"])


def test_a_token_signed_by_the_ring_verifies_in_pyjwt_under_its_key(sealgate, tmp_path):
    key = bytes(range(32, 64))
    write_ring(tmp_path / "state", key, bytes(32))
    token = sealgate("token", "issue", "--user", "alice", SEALGATE_DATA_DIR=tmp_path / "state").succeeded()
    assert jwt.decode(token.decode().strip(), key, algorithms=["HS256"])["username"] == "alice"


def test_the_life_of_a_token_is_a_setting(sealgate):
    settings = KEYS | {"SEALGATE_TOKEN_TTL": 90}
    for arguments, lifetime in [((), 90), (("--ttl", "7"), 7)]:
        token = sealgate("token", "issue", "--user", "alice", *arguments, **settings).succeeded().decode().strip()
        claims = jwt.decode(token, SECRET, algorithms=["HS256"])
        assert claims["exp"] - claims["iat"] == lifetime


def test_issuer_and_audience_are_written_and_wanted(sealgate):
    settings = KEYS | {"SEALGATE_ISSUER": "https://id.example", "SEALGATE_AUDIENCE": "orders"}
    token = sealgate("token", "issue", "--user", "alice", **settings).succeeded().decode().strip()
    jwt.decode(token, SECRET, algorithms=["HS256"], issuer="https://id.example", audience="orders")
    assert verify(sealgate, token, **settings)["user"] == "alice"
    assert verify(sealgate, token, **(settings | {"SEALGATE_AUDIENCE": "invoices"})) == "token_invalid"
    assert verify(sealgate, token, **(settings | {"SEALGATE_ISSUER": "sealgate"})) == "token_invalid"


def test_the_originals_form_needs_jwt_secret_key(sealgate, tmp_path):
    """The ring's own key is nobody else's: a token that names no key is not tried with it."""
    key = bytes(range(32, 64))
    write_ring(tmp_path / "state", key, bytes(32))
    token = jwt.encode({"username": "alice", "exp": time.time() + HALF_AN_HOUR}, key, algorithm="HS256")
    ended = sealgate("token", "verify", stdin=token, SEALGATE_DATA_DIR=tmp_path / "state")
    assert ended.code == 1 and "token_invalid" in ended.err


def test_no_token_is_another_answer_than_a_bad_one(server):
    reply = server.get("/secure-data")
    assert (reply.status, reply.json()["error"]) == (401, "Token is missing.")
    assert reply.headers["WWW-Authenticate"] == "Bearer"


def test_the_scheme_is_read_in_any_letters_and_the_query_is_no_credential(server):
    token = server.log_in()
    for scheme in ("bearer", "BEARER", "Bearer"):
        assert server.get("/secure-data", headers={"Authorization": f"{scheme} {token}"}).status == 200
    assert server.get("/secure-data", headers={"Authorization": token}).status == 401
    assert server.get("/secure-data", headers={"Authorization": f"Basic {token}"}).status == 401
    assert server.get(f"/secure-data?access_token={token}&token={token}").status == 401
