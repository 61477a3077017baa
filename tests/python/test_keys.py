"""Keys: the same key has the same id everywhere, however its setting is written."""

import base64
import json
import os

import jwt
import pytest

import reference
from doors import eventually, load, named, write_ring

VECTORS = load("key_ids.json")["vectors"]
KEYS = [vector for vector in VECTORS if vector["kind"] == "key"]
AES_KEYS = [vector for vector in VECTORS if vector["kind"] == "aes_key"]
SECRET = load("tokens.json")["jwt_secret_key"]

KEY_16, KEY_24, KEY_32 = b"sixteen raw key!", b"a key of 24 raw bytes!!!", b"an AES_KEY of thirty-two bytes.."
IV = b"an IV of 16 byte"


def base64_of(data):
    return base64.b64encode(data).decode()


def token_kid(ended):
    return jwt.get_unverified_header(ended.succeeded().decode().strip())["kid"]


def sealed_id(ended):
    return base64.b64decode(ended.succeeded())[1:5].hex()


@pytest.mark.parametrize("vector", named(AES_KEYS))
def test_data_names_the_key_derived_from_aes_key(sealgate, vector):
    ended = sealgate("encrypt", stdin="x", AES_KEY="hex:" + vector["aes_key_hex"], JWT_SECRET_KEY=SECRET)
    assert sealed_id(ended) == vector["data_key_id_hex"]
    sealed = base64.b64decode(ended.out)
    assert reference.open_sealed(bytes.fromhex(vector["sealing_key_hex"]), b"", sealed) == b"x"


@pytest.mark.parametrize("vector", named(KEYS))
def test_keys_of_the_ring_have_the_same_ids(sealgate, tmp_path, vector):
    key = bytes.fromhex(vector["key_hex"])
    write_ring(tmp_path / "state", key, key[:32])
    folder = {"SEALGATE_DATA_DIR": tmp_path / "state"}
    assert token_kid(sealgate("token", "issue", "--user", "alice", **folder)) == vector["token_key_id"]
    data_id = sealed_id(sealgate("encrypt", stdin="x", **folder))
    assert data_id == reference.data_key_id(key[:32]).hex()
    assert data_id == vector.get("data_key_id_hex", data_id)


@pytest.mark.parametrize("vector", named(vector for vector in KEYS if "00" not in vector["key_hex"]))
def test_jwt_secret_key_is_taken_as_its_bytes(sealgate, vector):
    secret = bytes.fromhex(vector["key_hex"])
    ended = sealgate("token", "issue", "--user", "alice", AES_KEY=KEY_32, JWT_SECRET_KEY=secret)
    assert token_kid(ended) == vector["token_key_id"]
    jwt.decode(ended.out.decode().strip(), secret, algorithms=["HS256"])


@pytest.mark.parametrize(
    ("key", "written"),
    [
        pytest.param(KEY_32, KEY_32.decode(), id="32 bytes by their number"),
        pytest.param(KEY_32, "raw:" + KEY_32.decode(), id="32 bytes behind raw"),
        pytest.param(KEY_32, KEY_32.hex(), id="64 hex digits by their number"),
        pytest.param(KEY_32, KEY_32.hex().upper(), id="64 hex digits in capitals"),
        pytest.param(KEY_32, "hex:" + KEY_32.hex(), id="64 hex digits behind hex"),
        pytest.param(KEY_32, base64_of(KEY_32), id="44 base64 characters by their number"),
        pytest.param(KEY_32, base64_of(KEY_32).rstrip("="), id="43 base64 characters by their number"),
        pytest.param(KEY_32, "base64:" + base64_of(KEY_32), id="44 base64 characters behind base64"),
        pytest.param(KEY_32, "base64:" + base64_of(KEY_32).rstrip("="), id="43 base64 characters behind base64"),
        pytest.param(KEY_24, KEY_24.decode(), id="24 bytes by their number"),
        pytest.param(KEY_24, "raw:" + KEY_24.decode(), id="24 bytes behind raw"),
        pytest.param(KEY_24, "hex:" + KEY_24.hex(), id="48 hex digits behind hex"),
        pytest.param(KEY_24, "base64:" + base64_of(KEY_24), id="32 base64 characters behind base64"),
        pytest.param(KEY_16, KEY_16.decode(), id="16 bytes by their number"),
        pytest.param(KEY_16, "raw:" + KEY_16.decode(), id="16 bytes behind raw"),
        pytest.param(KEY_16, "hex:" + KEY_16.hex(), id="32 hex digits behind hex"),
        pytest.param(KEY_16, "base64:" + base64_of(KEY_16), id="24 base64 characters behind base64"),
        pytest.param(b"\xff\xfe" * 16, b"\xff\xfe" * 16, id="32 bytes that are not UTF-8"),
        pytest.param(KEY_16.hex().encode(), KEY_16.hex(), id="32 hex digits by their number are 32 bytes"),
    ],
)
def test_aes_key_may_be_written_in_many_forms(sealgate, key, written):
    sealed = reference.seal(reference.sealing_key(key), os.urandom(24), b"", b"the same key")
    ended = sealgate("decrypt", stdin=base64_of(sealed), AES_KEY=written, JWT_SECRET_KEY=SECRET)
    assert ended.succeeded() == b"the same key"


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(IV.decode(), id="16 bytes by their number"),
        pytest.param("raw:" + IV.decode(), id="16 bytes behind raw"),
        pytest.param(IV.hex(), id="32 hex digits by their number"),
        pytest.param("hex:" + IV.hex(), id="32 hex digits behind hex"),
        pytest.param(base64_of(IV), id="24 base64 characters by their number"),
        pytest.param(base64_of(IV).rstrip("="), id="22 base64 characters by their number"),
        pytest.param("base64:" + base64_of(IV), id="24 base64 characters behind base64"),
    ],
)
@pytest.mark.parametrize("key", [KEY_16, KEY_24, KEY_32], ids=["AES-128", "AES-192", "AES-256"])
def test_aes_iv_may_be_written_in_many_forms(sealgate, key, written):
    ended = sealgate("encrypt", stdin="the same IV", AES_KEY=key, AES_IV=written, JWT_SECRET_KEY=SECRET)
    assert ended.succeeded().decode().strip() == reference.cbc_encrypt(key, IV, b"the same IV")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AES_KEY", "fifteen-bytes.."),
        ("AES_KEY", "a-key-of-thirty-three-bytes-long!"),
        ("AES_KEY", "hex:" + "00" * 31),
        ("AES_KEY", "not-hex-" * 8),
        ("AES_KEY", "hex:" + "zz" * 32),
        ("AES_KEY", "base64:" + "!" * 44),
        ("AES_KEY", "raw:" + "too-short"),
        ("AES_IV", "fifteen-bytes.."),
        ("AES_IV", "not-hex-" * 4),
        ("JWT_SECRET_KEY", "thirty-one-bytes-are-too-short."),
    ],
)
def test_what_is_no_key_stops_the_start_and_is_not_shown(sealgate, name, value):
    settings = {"AES_KEY": KEY_32, "AES_IV": IV, "JWT_SECRET_KEY": SECRET} | {name: value}
    ended = sealgate("serve", "--listen", "127.0.0.1:0", **settings)
    assert (ended.code, ended.out) == (2, b"")
    assert name in ended.err
    assert value.rpartition(":")[2] not in ended.err


@pytest.mark.parametrize(
    ("key", "iv", "reading"),
    [
        (KEY_32.decode(), IV.hex(), ["32 raw bytes", "16 bytes of hex digits"]),
        (KEY_32.hex(), base64_of(IV), ["32 bytes of hex digits", "16 bytes of base64"]),
        (base64_of(KEY_32), IV.decode(), ["32 bytes of base64", "16 raw bytes"]),
    ],
    ids=["raw and hex", "hex and base64", "base64 and raw"],
)
def test_the_start_up_lines_name_the_ids_and_the_reading(serve, key, iv, reading):
    server = serve(AES_KEY=key, AES_IV=iv, JWT_SECRET_KEY=SECRET)
    token_id = reference.token_key_id(SECRET.encode())
    data_id = reference.data_key_id(reference.sealing_key(KEY_32)).hex()
    for words in (token_id, data_id, *reading):
        eventually(lambda words=words: words in server.greeting())
    for secret in (key, iv, SECRET):
        assert secret not in server.greeting()


def test_a_first_start_makes_a_ring_that_later_starts_use(sealgate, tmp_path):
    folder = {"SEALGATE_DATA_DIR": tmp_path / "state"}
    encrypted = sealgate("encrypt", stdin="kept", **folder).succeeded()
    token = sealgate("token", "issue", "--user", "alice", **folder).succeeded()
    assert sealgate("decrypt", stdin=encrypted, **folder).succeeded() == b"kept"
    assert json.loads(sealgate("token", "verify", stdin=token, **folder).succeeded())["user"] == "alice"
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()} == {0o600}
