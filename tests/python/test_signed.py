"""Signed text and URL-safe sealed text: what Sealgate makes an independent implementation reads, and the reverse; what the
vectors refuse every door refuses; keys are rotated and retired.
"""

import base64
import json
import os
import re
import time

import pytest

import reference
import sealgate as package
from doors import Command, load, named

SECRET = load("tokens.json")["jwt_secret_key"]
AES_KEY = b"an AES_KEY of thirty-two bytes.."
KEYS = {"AES_KEY": AES_KEY, "JWT_SECRET_KEY": SECRET}
KEY = reference.sealing_key(AES_KEY)
SIGNED, TIMED = load("signed.json")["vectors"], load("timed.json")["vectors"]
SENTENCES = {
    "decrypt_failed": "The data cannot be decrypted.",
    "signature_invalid": "The signature is not valid.",
    "not_fresh": "The data is authentic, but not recent enough.",
}


def context_of(vector):
    return bytes.fromhex(vector["context_hex"])


@pytest.fixture(scope="module")
def gates(settings_for):
    made = {}

    def gate(vector):
        settings = settings_for(vector)
        names = {"AES_KEY": "aes_key", "JWT_SECRET_KEY": "jwt_secret_key", "SEALGATE_DATA_DIR": "data_dir"}
        key = json.dumps(settings)
        if key not in made:
            made[key] = package.Gate({names[name]: value for name, value in settings.items()})
        return made[key]

    yield gate
    for one in made.values():
        one.close()


def is_text(data):
    try:
        return "\x00" not in data.decode()
    except UnicodeDecodeError:
        return False


def judged(read, vector, member):
    """Compares what a call of the package does with what a vector expects."""
    if vector["expect"] == "ok":
        assert read() == bytes.fromhex(vector[member])
        return
    with pytest.raises(package.SealgateError) as raised:
        read()
    assert raised.value.code == vector["expect"] and str(raised.value) == SENTENCES[vector["expect"]]
    assert isinstance(raised.value, ValueError) and raised.value.http_status == 400


@pytest.mark.parametrize("vector", named(SIGNED))
def test_the_package_judges_every_signature(gates, vector):
    gate, context = gates(vector), context_of(vector)
    judged(lambda: gate.unsign(vector["text"], context, max_age=vector["max_age"]), vector, "payload_hex")
    if vector["expect"] == "ok":
        assert gate.unsign_with_time(vector["text"].encode(), context)[1] == vector["time"]


@pytest.mark.parametrize("vector", named(TIMED))
def test_the_package_judges_every_sealed_text(gates, vector):
    gate, context = gates(vector), context_of(vector)
    judged(lambda: gate.decrypt(vector["text"], context, max_age=vector["max_age"]), vector, "plaintext_hex")


def command_judges(command, words, settings_for, vector, member):
    context = context_of(vector)
    age = [] if vector["max_age"] is None else ["--max-age", str(vector["max_age"])]
    ended = command(*words, "--context", context.decode(), *age, stdin=vector["text"], **settings_for(vector))
    if vector["expect"] == "ok":
        assert ended.succeeded() == bytes.fromhex(vector[member])
    else:
        assert (ended.code, ended.out) == (1, b"") and SENTENCES[vector["expect"]] in ended.err


@pytest.mark.parametrize("vector", named([vector for vector in SIGNED if is_text(context_of(vector))]))
def test_the_command_judges_every_signature(sealgate, settings_for, vector):
    command_judges(sealgate, ["unsign"], settings_for, vector, "payload_hex")


@pytest.mark.parametrize("vector", named([vector for vector in TIMED if is_text(context_of(vector))]))
def test_the_command_judges_every_sealed_text(sealgate, settings_for, vector):
    command_judges(sealgate, ["decrypt"], settings_for, vector, "plaintext_hex")


# What Sealgate makes

CONTEXTS = ["", "user:alice/card", "zeile:ü/列"]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000])
@pytest.mark.parametrize("context", CONTEXTS)
def test_what_the_command_and_the_package_make_the_reference_reads(sealgate, size, context):
    data, before = os.urandom(size), int(time.time()) - 1
    with package.Gate(aes_key=AES_KEY, jwt_secret_key=SECRET) as gate:
        signed = [sealgate("sign", "--context", context, stdin=data, **KEYS).succeeded().decode(), gate.sign(data, context) + "\n"]
        sealed = [
            sealgate("encrypt", "--url-safe", "--context", context, stdin=data, **KEYS).succeeded().decode(),
            gate.encrypt(data, context, url_safe=True) + "\n",
        ]
        for text in signed + sealed:
            assert re.fullmatch(r"[A-Za-z0-9_-]+\n", text)
        for text in signed:
            made, payload = reference.unsign(KEY, context.encode(), reference.from_base64url(text.strip()))
            assert payload == data and before <= made <= time.time()
            assert sealgate("unsign", "--context", context, "--max-age", "3600", stdin=text, **KEYS).succeeded() == data
            assert gate.unsign(text.strip(), context, max_age=3600) == data
        for text in sealed:
            made, opened = reference.open_timed(KEY, context.encode(), reference.from_base64url(text.strip()))
            assert opened == data and before <= made <= time.time()
            for age in ([], ["--max-age", "3600"]):
                assert sealgate("decrypt", "--context", context, *age, stdin=text, **KEYS).succeeded() == data
            assert gate.decrypt(text, context) == gate.decrypt(text, context, max_age=3600) == data


def test_the_server_decrypts_url_safe_text_and_its_rewrapped_data_keeps_the_time(serve, sealgate):
    server = serve(**KEYS, MAX_REQUESTS=0)
    token = server.log_in()
    old = reference.base64url(reference.seal_timed(KEY, os.urandom(24), b"c", 1735732800, b"noon"))
    send = {"encrypted_data": old, "context": "c"}
    assert server.post("/decrypt", send, token=token).ok()["decrypted_data"] == "noon"
    fresh = server.post("/rewrap", send, token=token).ok()["encrypted_data"]
    made, opened = reference.open_timed(KEY, b"c", base64.b64decode(fresh, validate=True))
    assert (made, opened) == (1735732800, b"noon")
    ended = sealgate("rewrap", "--context", "c", stdin=old + "\n", **KEYS)
    assert reference.open_timed(KEY, b"c", base64.b64decode(ended.succeeded())) == (1735732800, b"noon")


def test_no_two_texts_are_equal_but_signatures_of_one_second_are():
    with package.Gate(keys="ephemeral") as gate:
        assert len({gate.encrypt("x", url_safe=True) for _ in range(100)}) == 100
        first, second = gate.unsign_with_time(gate.sign("x")), gate.unsign_with_time(gate.sign("x"))
        assert first[0] == second[0] == b"x" and 0 <= second[1] - first[1] <= 60


def test_everything_bytes_like_is_taken_and_nothing_else():
    with package.Gate(keys="ephemeral") as gate:
        for data in ("grüezi", b"x", bytearray(b"x"), memoryview(b"x"), bytes(100_000)):
            expected = data.encode() if isinstance(data, str) else bytes(data)
            assert gate.unsign(gate.sign(data, data), data) == expected
            assert gate.decrypt(gate.encrypt(data, data, url_safe=True), data, max_age=60) == expected
        for wrong in (None, 7, ["x"]):
            with pytest.raises(TypeError):
                gate.sign(wrong)
            with pytest.raises(TypeError):
                gate.unsign(wrong)
        for age, error in ((-1, ValueError), (2**64, ValueError), (1.5, TypeError), ("1", TypeError)):
            for read in (gate.unsign, gate.decrypt):
                with pytest.raises(error):
                    read("x", max_age=age)
        with pytest.raises(package.SignatureInvalidError):
            gate.unsign(b"\xff")
    with pytest.raises(package.WrongStateError):
        gate.sign("x")


def test_an_error_reveals_neither_the_payload_nor_the_text():
    with package.Gate(keys="ephemeral") as gate:
        for text in ("canary", gate.sign("canary")[:-1]):
            with pytest.raises(package.SignatureInvalidError) as raised:
                gate.unsign(text)
            assert "canary" not in str(raised.value) and text not in str(raised.value)


# Keys


def test_signed_text_outlives_a_rotation_until_its_key_is_retired(binary, tmp_path):
    command = Command(binary, tmp_path)
    signed = command("sign", stdin="noon").succeeded()
    sealed = command("encrypt", "--url-safe", stdin="noon").succeeded()
    old = reference.from_base64url(signed.decode().strip())[1:5].hex()
    command("keys", "generate", "--data").succeeded()
    newer = command("sign", stdin="noon").succeeded()
    assert reference.from_base64url(newer.decode().strip())[1:5].hex() != old
    for text in (signed, newer):
        assert command("unsign", "--max-age", "3600", stdin=text).succeeded() == b"noon"
    command("keys", "retire", old).succeeded()
    for words, text in ((["unsign"], signed), (["decrypt"], sealed), (["decrypt", "--max-age", "60"], sealed)):
        ended = command(*words, stdin=text)
        assert (ended.code, ended.out) == (1, b"") and "retired" in ended.err
    assert command("unsign", stdin=newer).succeeded() == b"noon"
    with package.Gate(data_dir=tmp_path / "state") as gate:
        with pytest.raises(package.KeyRetiredError):
            gate.unsign(signed.decode().strip())


# Arguments


@pytest.mark.parametrize(
    "words",
    [
        ["encrypt", "--url-safe", "--in", "x"],
        ["decrypt", "--max-age", "1", "--out", "x"],
        ["decrypt", "--max-age", "-1"],
        ["unsign", "--max-age", "soon"],
        ["unsign", "--max-age", "18446744073709551616"],
        ["sign", "--max-age", "1"],
    ],
)
def test_arguments_that_make_no_sense_are_refused(sealgate, words):
    ended = sealgate(*words, **KEYS)
    assert (ended.code, ended.out) == (2, b"") and ended.err


def test_what_is_no_text_is_refused(sealgate):
    for stdin in (b"", b"\xff\xfe", b"\n", b"x" * 100_000):
        ended = sealgate("unsign", stdin=stdin, **KEYS)
        assert (ended.code, ended.out) == (1, b"") and ended.err.count("\n") == 1
