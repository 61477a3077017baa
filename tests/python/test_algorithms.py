"""Key pairs for tokens: PyJWT checks ours with the published keys, and ours judges what PyJWT makes with a known key."""

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import reference
from doors import Server, write_ring

NO_LIMITS = {"MAX_REQUESTS": 0, "SEALGATE_LOGIN_MAX_REQUESTS": 0}
PRIVATE = bytes(range(1, 33))
KEY_PAIRS = ("EdDSA", "ES256")


def private_key(algorithm):
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.from_private_bytes(PRIVATE)
    return ec.derive_private_key(int.from_bytes(PRIVATE, "big"), ec.SECP256R1())


def kid_of(algorithm):
    return reference.key_pair_id(algorithm, reference.public_key(algorithm, PRIVATE))


def known_ring(folder, algorithm):
    """A data directory whose token key is the known key pair."""
    write_ring(folder, PRIVATE, bytes(32))
    path = folder / "keys.json"
    ring = json.loads(path.read_text())
    ring["version"] = 2
    ring["token_keys"][0] |= {"id": kid_of(algorithm), "algorithm": algorithm}
    path.write_text(json.dumps(ring))
    return {"SEALGATE_DATA_DIR": folder}


def claims(**more):
    now = int(time.time())
    found = {"iss": "sealgate", "sub": "bob", "username": "bob", "scope": "secure-data", "iat": now, "exp": now + 60}
    return {name: value for name, value in (found | more).items() if value is not None}


def made_by_pyjwt(algorithm, payload, key=None, **header):
    names = {"kid": kid_of(algorithm), "typ": "at+jwt"} | header
    return jwt.encode(payload, key or private_key(algorithm), algorithm, headers=names)


def keys_of(server, max_age=300):
    reply = server.get("/.well-known/jwks.json")
    assert reply.headers["Content-Type"] == "application/jwk-set+json"
    assert reply.headers["Cache-Control"] == f"public, max-age={max_age}"
    return reply.ok()["keys"]


@pytest.mark.parametrize("algorithm", KEY_PAIRS)
def test_pyjwt_fetches_the_key_and_checks_our_tokens(serve, algorithm):
    server = serve(SEALGATE_TOKEN_ALGORITHM=algorithm, SEALGATE_AUDIENCE="us", **NO_LIMITS)
    token = server.log_in("alice")
    client = jwt.PyJWKClient(f"http://127.0.0.1:{server.port}/.well-known/jwks.json")
    key = client.get_signing_key_from_jwt(token)
    found = jwt.decode(token, key, algorithms=[algorithm], audience="us", issuer="sealgate")
    assert (found["sub"], jwt.get_unverified_header(token)["alg"]) == ("alice", algorithm)
    assert server.get("/secure-data", token=token).status == 200
    (published,) = keys_of(server)
    assert published["kid"] == jwt.get_unverified_header(token)["kid"]
    assert (published["use"], published["alg"]) == ("sig", algorithm)
    assert set(published) <= {"kty", "crv", "alg", "use", "kid", "x", "y"}
    raw = [base64.urlsafe_b64decode(published[name] + "=") for name in ("x", "y") if name in published]
    public = raw[0] if algorithm == "EdDSA" else b"\x04" + b"".join(raw)
    assert published["kid"] == reference.key_pair_id(algorithm, public), "whoever has the key can tell its id"


def test_a_shared_secret_is_never_published(serve):
    assert keys_of(serve(**NO_LIMITS)) == []
    secret = "a JWT_SECRET_KEY of 32 bytes and more"
    assert keys_of(serve(JWT_SECRET_KEY=secret, SEALGATE_TOKEN_ALGORITHM="HS256", **NO_LIMITS)) == []


@pytest.mark.parametrize("algorithm", KEY_PAIRS)
def test_the_command_judges_what_pyjwt_made_with_the_key(sealgate, tmp_path, algorithm):
    folder = known_ring(tmp_path / "state", algorithm)

    def judged(token, **settings):
        ended = sealgate("token", "verify", stdin=token, **(folder | settings))
        return json.loads(ended.out)["user"] if ended.code == 0 else ended.err.strip().rpartition(" ")[2].strip("()")

    good = made_by_pyjwt(algorithm, claims())
    assert judged(good) == "bob"
    us = {"SEALGATE_AUDIENCE": "us"}
    assert judged(good, **us) == "token_invalid"
    assert judged(made_by_pyjwt(algorithm, claims(aud="us")), **us) == "bob"
    assert judged(made_by_pyjwt(algorithm, claims(aud=["them", "us"])), **us) == "bob"
    assert judged(made_by_pyjwt(algorithm, claims(aud="them")), **us) == "token_invalid"
    assert judged(made_by_pyjwt(algorithm, claims(aud="us"))) == "token_invalid"
    assert judged(made_by_pyjwt(algorithm, claims(iss="another"))) == "token_invalid"
    assert judged(made_by_pyjwt(algorithm, claims(iss="another")), SEALGATE_ISSUER="another") == "bob"
    assert judged(made_by_pyjwt(algorithm, claims(exp=int(time.time()) - 60))) == "token_expired"
    assert judged(made_by_pyjwt(algorithm, claims(nbf=int(time.time()) + 600))) == "token_not_yet_valid"
    assert judged(made_by_pyjwt(algorithm, claims(exp=None))) == "token_malformed"
    assert judged(made_by_pyjwt(algorithm, claims(), typ="JWT")) == "token_malformed"
    assert judged(made_by_pyjwt(algorithm, claims(), kid="AAAAAAAAAAA")) == "token_invalid"
    stranger = ed25519.Ed25519PrivateKey.generate() if algorithm == "EdDSA" else ec.generate_private_key(ec.SECP256R1())
    assert judged(made_by_pyjwt(algorithm, claims(), stranger)) == "token_invalid"


@pytest.mark.parametrize("algorithm", KEY_PAIRS)
def test_no_hmac_under_a_public_key_is_taken_for_its_signature(sealgate, tmp_path, algorithm):
    folder = known_ring(tmp_path / "state", algorithm)
    public = private_key(algorithm).public_key()
    encodings = [reference.public_key(algorithm, PRIVATE)]
    for encoding in (serialization.Encoding.DER, serialization.Encoding.PEM):
        encodings.append(public.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo))
    for encoded in encodings + [encodings[-1].strip()]:
        # PyJWT refuses such a secret, as it should, so it is written by hand.
        header = {"alg": "HS256", "kid": kid_of(algorithm), "typ": "at+jwt"}
        signed = ".".join(reference.base64url(json.dumps(part).encode()) for part in (header, claims()))
        tag = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signed.encode(), encoded)
        ended = sealgate("token", "verify", stdin=f"{signed}.{reference.base64url(tag)}", **folder)
        assert (ended.code, ended.out) == (1, b"") and "(token_invalid)" in ended.err


def test_each_algorithm_in_turn(sealgate, binary, tmp_path):
    """The newest key is of the set algorithm; tokens of the ones before go on being good."""
    folder = {"SEALGATE_DATA_DIR": tmp_path / "state", "SEALGATE_TOKEN_KEY_LEAD": 0}
    tokens = []
    for at, algorithm in enumerate(("HS256", "EdDSA", "ES256", "HS256")):
        home = tmp_path / str(at)
        home.mkdir()
        with Server(binary, home, folder | NO_LIMITS | {"SEALGATE_TOKEN_ALGORITHM": algorithm}) as server:
            tokens.append(server.log_in(f"user {at}"))
            for token in tokens:
                assert server.get("/secure-data", token=token).status == 200
            published = [(key["kty"], key["alg"]) for key in keys_of(server, max_age=0)]
            assert published == [("OKP", "EdDSA"), ("EC", "ES256")][:at]
        assert jwt.get_unverified_header(tokens[-1])["alg"] == algorithm
        # What the server did by itself is in its log, and in the audit trail.
        log = server.greeting() + server.err.read_text()
        assert ("is accepted until its last token has expired" in log) == (at > 0), log
        assert ("keys.rotate" in log) == (at > 0), log
    listed = json.loads(sealgate("keys", "list", "--json", **folder).succeeded())["keys"]
    assert [key["algorithm"] for key in listed if key["kind"] == "token"] == ["HS256", "EdDSA", "ES256", "HS256"]
    # Without a word the newest one's algorithm is kept; a retired key is published no more.
    added = json.loads(sealgate("keys", "rotate", "--token", "--json", **folder).succeeded())["added"]
    assert [key["algorithm"] for key in added] == ["HS256"]
    added = json.loads(
        sealgate("keys", "generate", "--token", "--json", SEALGATE_TOKEN_ALGORITHM="EdDSA", **folder).succeeded()
    )["added"]
    assert [key["algorithm"] for key in added] == ["EdDSA"]
    sealgate("keys", "retire", listed[1]["id"], **folder).succeeded()
    with Server(binary, tmp_path, folder | NO_LIMITS) as server:
        assert listed[1]["id"] not in [key["kid"] for key in keys_of(server, max_age=0)]
        assert server.get("/secure-data", token=tokens[1]).status == 401


def test_settings_that_do_not_fit_are_an_error_that_says_what_to_do(sealgate):
    ended = sealgate("token", "issue", "--user", "a", JWT_SECRET_KEY="s" * 32, SEALGATE_TOKEN_ALGORITHM="EdDSA")
    assert ended.code == 2 and "JWT_SECRET_KEY" in ended.err and "SEALGATE_TOKEN_ALGORITHM" in ended.err
    assert "Unset one" in ended.err and "s" * 32 not in ended.err
    for wrong in ("RS256", "none", "eddsa", "EdDSA,ES256"):
        ended = sealgate("keys", "list", SEALGATE_TOKEN_ALGORITHM=wrong)
        assert ended.code == 2 and "HS256, EdDSA, ES256" in ended.err
