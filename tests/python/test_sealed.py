"""Sealed data: what Sealgate seals, an independent XAES-256-GCM opens, and the reverse."""

import base64
import os

import pytest
from cryptography.exceptions import InvalidTag

import reference
from doors import load, named

SECRET = load("tokens.json")["jwt_secret_key"]
NO_LIMITS = {"MAX_REQUESTS": 0, "SEALGATE_LOGIN_MAX_REQUESTS": 0}
AES_KEY = b"an AES_KEY of thirty-two bytes.."
KEY = reference.sealing_key(AES_KEY)


def is_text(data):
    try:
        return "\x00" not in data.decode()
    except UnicodeDecodeError:
        return False


# The command and HTTP take a context as text; the library takes any bytes.
VECTORS = [vector for vector in load("sealed.json")["vectors"] if is_text(bytes.fromhex(vector["context_hex"]))]


def context_of(vector):
    return bytes.fromhex(vector["context_hex"]).decode()


@pytest.fixture(scope="module")
def server_for(serve, settings_for):
    """One server for each key."""
    servers = {}

    def server(vector):
        settings = settings_for(vector)
        key = tuple(settings.items())
        if key not in servers:
            servers[key] = serve(**settings, **NO_LIMITS)
        return servers[key]

    return server


@pytest.fixture(scope="module")
def server(serve):
    return serve(AES_KEY=AES_KEY, JWT_SECRET_KEY=SECRET, **NO_LIMITS)


def decrypted(reply):
    """The plaintext of an answer of /decrypt: text where it is UTF-8, else base64."""
    body = reply.ok()
    if "decrypted_data" in body:
        return body["decrypted_data"].encode()
    data = base64.b64decode(body["decrypted_data_base64"], validate=True)
    with pytest.raises(UnicodeDecodeError):
        data.decode()
    return data


@pytest.mark.parametrize("vector", named(VECTORS))
def test_the_command_judges_every_vector(sealgate, settings_for, vector):
    ended = sealgate("decrypt", "--context", context_of(vector), stdin=vector["sealed_base64"], **settings_for(vector))
    if vector["expect"] == "ok":
        assert ended.succeeded() == bytes.fromhex(vector["plaintext_hex"])
    else:
        assert (ended.code, ended.out) == (1, b"")
        assert "The data cannot be decrypted." in ended.err


@pytest.mark.parametrize("vector", named(VECTORS))
def test_the_server_judges_every_vector(server_for, vector):
    server = server_for(vector)
    send = {"encrypted_data": vector["sealed_base64"], "context": context_of(vector)}
    reply = server.post("/decrypt", send, token=server.log_in())
    if vector["expect"] == "ok":
        assert decrypted(reply) == bytes.fromhex(vector["plaintext_hex"])
    else:
        assert reply.status == 400
        assert reply.json()["type"].endswith(":decrypt_failed")


def test_what_does_not_open_gives_one_answer_whatever_the_cause(server_for, server):
    refused = [vector for vector in VECTORS if vector["expect"] != "ok"]
    answers = set()
    for vector in refused:
        send = {"encrypted_data": vector["sealed_base64"], "context": context_of(vector)}
        reply = server_for(vector).post("/decrypt", send, token=server_for(vector).log_in())
        answers.add(tuple(sorted((name, value) for name, value in reply.json().items() if name != "request_id")))
    for wrong in ("", "A", "AAA", "====", "not base64!", "AAF=", "AQ-_", "ÄÖÜ"):
        reply = server.post("/decrypt", {"encrypted_data": wrong}, token=server.log_in())
        answers.add(tuple(sorted((name, value) for name, value in reply.json().items() if name != "request_id")))
    assert len(answers) == 1


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000, 65536])
@pytest.mark.parametrize("context", ["", "user:alice/card", "zeile:ü/列"])
def test_what_the_command_seals_python_opens(sealgate, size, context):
    data = os.urandom(size)
    ended = sealgate("encrypt", "--context", context, stdin=data, AES_KEY=AES_KEY, JWT_SECRET_KEY=SECRET)
    sealed = base64.b64decode(ended.succeeded(), validate=False)
    assert len(sealed) == size + reference.OVERHEAD
    assert reference.open_sealed(KEY, context.encode(), sealed) == data
    with pytest.raises(InvalidTag):
        reference.open_sealed(KEY, context.encode() + b"?", sealed)


@pytest.mark.parametrize("context", ["", "user:alice/card", "zeile:ü/列"])
@pytest.mark.parametrize(
    "text", ["", "a", "Zażółć gęślą jaźń 🔑", "x" * 10_000], ids=["empty", "a", "multi-byte", "long"]
)
def test_what_the_server_seals_python_opens(server, text, context):
    token = server.log_in()
    for send in ({"data": text}, {"data_base64": base64.b64encode(text.encode()).decode()}):
        sealed = server.post("/encrypt", send | {"context": context}, token=token).ok()["encrypted_data"]
        assert reference.open_sealed(KEY, context.encode(), base64.b64decode(sealed, validate=True)) == text.encode()


@pytest.mark.parametrize("size", [0, 1, 16, 1000, 65536])
@pytest.mark.parametrize("context", ["", "user:alice/card"])
def test_what_python_seals_both_doors_open(server, sealgate, size, context):
    data = os.urandom(size)
    sealed = base64.b64encode(reference.seal(KEY, os.urandom(24), context.encode(), data)).decode()
    reply = server.post("/decrypt", {"encrypted_data": sealed, "context": context}, token=server.log_in())
    assert decrypted(reply) == data
    ended = sealgate("decrypt", "--context", context, stdin=sealed, AES_KEY=AES_KEY, JWT_SECRET_KEY=SECRET)
    assert ended.succeeded() == data


def test_secure_data_is_sealed_so_that_python_opens_it(serve):
    server = serve(AES_KEY=AES_KEY, JWT_SECRET_KEY=SECRET, SEALGATE_SECURE_DATA="the confidential text ü")
    sealed = base64.b64decode(server.get("/secure-data", token=server.log_in()).ok()["encrypted_data"])
    assert reference.open_sealed(KEY, b"", sealed).decode() == "the confidential text ü"


def test_no_nonce_comes_twice(server):
    token = server.log_in()
    sealed = [base64.b64decode(server.get("/secure-data", token=token).ok()["encrypted_data"]) for _ in range(50)]
    assert len({message[reference.HEADER : reference.HEADER + reference.NONCE] for message in sealed}) == 50


def test_base64_may_be_wrapped_over_lines(sealgate, server):
    sealed = base64.encodebytes(reference.seal(KEY, os.urandom(24), b"", b"wrapped" * 50)).decode()
    assert sealed.count("\n") > 2
    ended = sealgate("decrypt", stdin=sealed, AES_KEY=AES_KEY, JWT_SECRET_KEY=SECRET)
    assert ended.succeeded() == b"wrapped" * 50
    assert decrypted(server.post("/decrypt", {"encrypted_data": sealed}, token=server.log_in())) == b"wrapped" * 50
