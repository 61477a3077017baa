"""The original's AES-CBC, both ways and byte for byte; and that it is spoken only where it is asked for."""

import base64
import os

import pytest

import reference
from doors import load, named

SECRET = load("tokens.json")["jwt_secret_key"]
NO_LIMITS = {"MAX_REQUESTS": 0, "SEALGATE_LOGIN_MAX_REQUESTS": 0}
VECTORS = load("aes_cbc.json")["vectors"]
GOOD = [vector for vector in VECTORS if vector["expect"] == "ok"]
BAD = [vector for vector in VECTORS if vector["expect"] != "ok"]
# One that cannot be taken for sealed data, and the one that can.
OLD = next(vector for vector in GOOD if vector["name"] == "AES-256: 1000 bytes of text")
BEGINS_SEALED = next(vector for vector in GOOD if vector["name"].startswith("begins with 0x01"))


def settings(vector, **more):
    keys = {"AES_KEY": "hex:" + vector["aes_key_hex"], "AES_IV": "hex:" + vector["aes_iv_hex"]}
    return keys | {"JWT_SECRET_KEY": SECRET} | more


def plaintext(vector):
    return bytes.fromhex(vector["plaintext_hex"])


def sealing_key(vector):
    return reference.sealing_key(bytes.fromhex(vector["aes_key_hex"]))


@pytest.fixture(scope="module")
def server_for(serve):
    """One server for each key and mode."""
    servers = {}

    def server(vector, **more):
        key = (vector["aes_key_hex"], *more.items())
        if key not in servers:
            servers[key] = serve(**settings(vector, **more), **NO_LIMITS)
        return servers[key]

    return server


def encrypt(server, data, **more):
    send = {"data_base64": base64.b64encode(data).decode()} | more
    return server.post("/encrypt", send, token=server.log_in())


def decrypt(server, encrypted, **more):
    return server.post("/decrypt", {"encrypted_data": encrypted} | more, token=server.log_in())


def decrypted(reply):
    body = reply.ok()
    if "decrypted_data" in body:
        return body["decrypted_data"].encode()
    return base64.b64decode(body["decrypted_data_base64"])


@pytest.mark.parametrize("vector", named(GOOD))
def test_the_command_encrypts_and_decrypts_as_the_original_does(sealgate, vector):
    encrypted = sealgate("encrypt", stdin=plaintext(vector), **settings(vector)).succeeded()
    assert encrypted.decode() == vector["ciphertext_base64"] + "\n"
    assert sealgate("decrypt", stdin=encrypted, **settings(vector)).succeeded() == plaintext(vector)


@pytest.mark.parametrize("vector", named(GOOD))
def test_the_server_encrypts_and_decrypts_as_the_original_does(server_for, vector):
    server = server_for(vector)
    assert encrypt(server, plaintext(vector)).ok()["encrypted_data"] == vector["ciphertext_base64"]
    assert decrypted(decrypt(server, vector["ciphertext_base64"])) == plaintext(vector)


@pytest.mark.parametrize("vector", named(BAD))
def test_the_command_refuses_what_the_original_refuses(sealgate, vector):
    ended = sealgate("decrypt", stdin=vector["ciphertext_base64"], **settings(vector))
    assert (ended.code, ended.out) == (1, b"")
    assert "The data cannot be decrypted." in ended.err


def test_the_server_refuses_in_one_wording_whatever_the_cause(server_for):
    answers = set()
    for vector in BAD:
        reply = decrypt(server_for(vector), vector["ciphertext_base64"])
        assert reply.status == 400
        answers.add(tuple(sorted((name, value) for name, value in reply.json().items() if name != "request_id")))
    assert len(answers) == 1


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 31, 32, 33, 1000, 65536])
def test_any_data_goes_both_ways(server_for, size):
    server, key, iv = server_for(OLD), bytes.fromhex(OLD["aes_key_hex"]), bytes.fromhex(OLD["aes_iv_hex"])
    data = os.urandom(size)
    encrypted = encrypt(server, data).ok()["encrypted_data"]
    assert encrypted == reference.cbc_encrypt(key, iv, data)
    assert reference.cbc_decrypt(key, iv, encrypted) == data
    assert decrypted(decrypt(server, encrypted)) == data


def test_secure_data_is_what_the_original_would_send(serve):
    server = serve(**settings(OLD), SEALGATE_SECURE_DATA="the confidential text ü")
    encrypted = server.get("/secure-data", token=server.log_in()).ok()["encrypted_data"]
    key, iv = bytes.fromhex(OLD["aes_key_hex"]), bytes.fromhex(OLD["aes_iv_hex"])
    assert encrypted == reference.cbc_encrypt(key, iv, "the confidential text ü".encode())


def test_without_aes_iv_nothing_of_it_is_spoken(sealgate):
    only_key = {name: value for name, value in settings(OLD).items() if name != "AES_IV"}
    assert sealgate("decrypt", stdin=OLD["ciphertext_base64"], **only_key).code == 1
    sealed = base64.b64decode(sealgate("encrypt", stdin="new", **only_key).succeeded())
    assert reference.open_sealed(sealing_key(OLD), b"", sealed) == b"new"


def test_off_never_opens_it(server_for):
    server = server_for(OLD, SEALGATE_CBC="off")
    assert decrypt(server, OLD["ciphertext_base64"]).status == 400
    sealed = base64.b64decode(encrypt(server, b"new").ok()["encrypted_data"])
    assert reference.open_sealed(sealing_key(OLD), b"", sealed) == b"new"


def test_open_reads_the_old_and_seals_the_new(server_for):
    server = server_for(OLD, SEALGATE_CBC="open")
    assert decrypted(decrypt(server, OLD["ciphertext_base64"])) == plaintext(OLD)
    sealed = base64.b64decode(encrypt(server, b"new", context="row 7").ok()["encrypted_data"])
    assert reference.open_sealed(sealing_key(OLD), b"row 7", sealed) == b"new"


@pytest.mark.parametrize("mode", ["open", "seal"])
def test_data_that_only_looks_sealed_is_opened_as_what_it_is(server_for, mode):
    server = server_for(BEGINS_SEALED, SEALGATE_CBC=mode)
    assert decrypted(decrypt(server, BEGINS_SEALED["ciphertext_base64"])) == plaintext(BEGINS_SEALED)


@pytest.mark.parametrize("mode", ["open", "seal"])
def test_sealed_data_opens_in_every_mode(server_for, mode):
    sealed = reference.seal(sealing_key(OLD), os.urandom(24), b"row 7", b"sealed")
    encrypted = base64.b64encode(sealed).decode()
    assert decrypted(decrypt(server_for(OLD, SEALGATE_CBC=mode), encrypted, context="row 7")) == b"sealed"


@pytest.mark.parametrize("mode", ["open", "seal"])
def test_sealed_data_never_falls_back_to_it(server_for, mode):
    """Damaged sealed data of a known key is refused, also where it would pass as AES-CBC with good padding."""
    key, iv = bytes.fromhex(OLD["aes_key_hex"]), bytes.fromhex(OLD["aes_iv_hex"])
    names_our_key = b"\x01" + reference.data_key_id(sealing_key(OLD)) + os.urandom(11)
    passing = (base64.b64encode(names_our_key + os.urandom(48)).decode() for _ in range(100_000))
    damaged = next(encrypted for encrypted in passing if opens_as_cbc(key, iv, encrypted))
    assert decrypt(server_for(OLD, SEALGATE_CBC=mode), damaged).status == 400


def opens_as_cbc(key, iv, encrypted):
    try:
        return reference.cbc_decrypt(key, iv, encrypted) is not None
    except ValueError:
        return False


def test_a_context_is_an_error_because_it_could_not_be_kept(server_for, sealgate):
    reply = encrypt(server_for(OLD), b"data", context="row 7")
    assert reply.status == 400 and "context" in reply.json()["detail"]
    assert sealgate("encrypt", "--context", "row 7", stdin="data", **settings(OLD)).code == 2
    assert decrypt(server_for(OLD), OLD["ciphertext_base64"], context="row 7").status == 400


@pytest.mark.parametrize("missing", ["AES_KEY", "AES_IV"])
def test_the_mode_needs_both_key_and_iv(sealgate, missing):
    incomplete = {name: value for name, value in settings(OLD, SEALGATE_CBC="seal").items() if name != missing}
    ended = sealgate("encrypt", stdin="data", **incomplete)
    assert (ended.code, ended.out) == (2, b"")
    assert missing in ended.err
