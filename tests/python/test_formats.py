"""docs/formats.md is enough for a reader: examples/python/reader.py reads what the command makes, and so does the reverse."""

import base64
import json
import os
import pty
import subprocess
import sys
import time

import pytest

import reference
from doors import PATIENCE, VECTORS, clean_environment, load, named, write_ring

READER = VECTORS.parents[1] / "examples" / "python" / "reader.py"
SECRET = b"a token key that is long enough for HS256"
KEY = bytes(range(32))
STREAMS = load("streams.json")
CHUNK = reference.CHUNK


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    """A data directory whose keys are known."""
    folder = tmp_path_factory.mktemp("ring") / "state"
    write_ring(folder, SECRET, KEY)
    return folder


@pytest.fixture(scope="module")
def command(sealgate, ring):
    return lambda *arguments, stdin=b"": sealgate(*arguments, stdin=stdin, SEALGATE_DATA_DIR=ring)


def read(ring, *arguments, stdin):
    """What the reader prints; None where it refuses."""
    ended = subprocess.run(
        [sys.executable, "-B", READER, ring / "keys.json", *arguments],
        input=stdin,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return ended.stdout if ended.returncode == 0 else None


def pattern(size):
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def stream_of(vector):
    if "parts" in vector:
        return b"".join(base64.b64decode(STREAMS["parts_base64"][part]) for part in vector["parts"])
    return base64.b64decode(vector["stream_base64"])


def is_text(data):
    try:
        return "\x00" not in data.decode()
    except UnicodeDecodeError:
        return False


def test_the_reader_is_short():
    assert len(READER.read_text().splitlines()) <= 60


@pytest.mark.parametrize("context", ["", "orders/17"])
@pytest.mark.parametrize("size", [0, 1, 1000])
def test_the_reader_opens_sealed_data(command, ring, size, context):
    sealed = command("encrypt", "--context", context, stdin=pattern(size)).succeeded()
    assert read(ring, "data", context, stdin=sealed) == pattern(size)
    assert read(ring, "data", context + "?", stdin=sealed) is None


@pytest.mark.parametrize("context", ["", "orders/17"])
@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 700_000])
def test_the_reader_opens_streams(command, ring, size, context):
    sealed = command("encrypt", "--out", "-", "--context", context, stdin=pattern(size)).succeeded()
    assert read(ring, "stream", context, stdin=sealed) == pattern(size)
    assert read(ring, "stream", context + "?", stdin=sealed) is None
    assert read(ring, "stream", context, stdin=sealed[:-1]) is None
    assert reference.open_stream(KEY, context.encode(), sealed) == pattern(size)


def test_the_reader_reads_tokens(command, ring):
    token = command("token", "issue", "--user", "alice", "--scope", "decrypt").succeeded()
    claims = json.loads(read(ring, "token", stdin=token))
    assert (claims["sub"], claims["username"], claims["scope"]) == ("alice", "alice", "decrypt")
    assert read(ring, "token", stdin=token.strip()[:-4] + b"AAAA") is None


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 300_000])
def test_what_python_seals_the_command_opens(command, size):
    header, chunks = reference.seal_stream(KEY, os.urandom(24), b"c", pattern(size))
    opened = command("decrypt", "--in", "-", "--context", "c", stdin=header + b"".join(chunks))
    assert opened.succeeded() == pattern(size)


@pytest.mark.parametrize(
    "vector", named([one for one in STREAMS["vectors"] if is_text(bytes.fromhex(one["context_hex"]))])
)
def test_the_command_judges_every_stream(sealgate, vector):
    context = bytes.fromhex(vector["context_hex"]).decode()
    settings = {"AES_KEY": "hex:" + vector["aes_key_hex"], "JWT_SECRET_KEY": SECRET}
    ended = sealgate("decrypt", "--in", "-", "--context", context, stdin=stream_of(vector), **settings)
    if vector["expect"] == "ok":
        assert ended.succeeded() == pattern(vector["plaintext_size"])
    else:
        assert ended.code == 1
        assert "The data cannot be decrypted." in ended.err


SALT = base64.b64encode(bytes(range(16))).decode()
RING_SECRETS = [
    ("hex:" + KEY.hex(), KEY, {"kdf": "hkdf-sha256", "salt": SALT}),
    (
        "correct hörse battery",
        "correct hörse battery".encode(),
        {"kdf": "argon2id", "memory_kib": 256, "passes": 2, "lanes": 2, "salt": SALT},
    ),
]


@pytest.mark.parametrize(("setting", "secret", "derivation"), RING_SECRETS, ids=["key", "passphrase"])
def test_a_sealed_ring_is_what_the_page_says(sealgate, tmp_path, setting, secret, derivation):
    """What the command sealed opens in Python, and what Python sealed in the command."""
    folder = tmp_path / "state"
    write_ring(folder, SECRET, KEY)
    ring = folder / "keys.json"
    plain = ring.read_bytes()
    settings = {"SEALGATE_DATA_DIR": folder, "SEALGATE_RING_KEY": setting}
    sealgate("keys", "seal", **settings).succeeded()
    assert json.loads(reference.open_ring(secret, ring.read_text())) == json.loads(plain)
    ring.write_text(reference.seal_ring(derivation, secret, os.urandom(24), plain))
    sealed = sealgate("encrypt", stdin=b"data", **settings).succeeded()
    assert reference.open_sealed(KEY, b"", base64.b64decode(sealed)) == b"data"
    assert sealgate("encrypt", stdin=b"data", SEALGATE_DATA_DIR=folder).code == 2


def test_an_exported_ring_is_what_the_page_says(sealgate, command, ring, tmp_path):
    _, secret, derivation = RING_SECRETS[1]
    out, made = tmp_path / "out", tmp_path / "made"
    command("keys", "export", "--out", out, stdin=secret + b"\n").succeeded()
    plain = (ring / "keys.json").read_bytes()
    assert reference.open_ring(secret, out.read_text()) == plain
    made.write_text(reference.seal_ring(derivation, secret, os.urandom(24), plain))
    there = {"SEALGATE_DATA_DIR": tmp_path / "there"}
    sealgate("keys", "import", "--in", made, stdin=secret + b"\n", **there).succeeded()
    assert json.loads((tmp_path / "there" / "keys.json").read_text()) == json.loads(plain)


def test_the_originals_lines_become_sealed_lines(sealgate):
    key, iv = b"thirty-two bytes as in the seed!", b"an IV of 16 byte"
    lines = [reference.cbc_encrypt(key, iv, b"card %d" % number) for number in range(1000)]
    settings = {"AES_KEY": key, "AES_IV": iv, "JWT_SECRET_KEY": SECRET, "SEALGATE_CBC": "open"}
    rewrapped = sealgate("rewrap", stdin="\n".join(lines), **settings).succeeded().split()
    assert len(rewrapped) == 1000
    for number, line in enumerate(rewrapped):
        sealed = base64.b64decode(line, validate=True)
        assert reference.open_sealed(reference.sealing_key(key), b"", sealed) == b"card %d" % number


def test_a_bar_is_shown_on_a_terminal_and_nowhere_else(binary, ring, tmp_path):
    def run(stderr):
        # It takes a little longer than what needs no bar: the data comes slowly.
        child = subprocess.Popen(
            [binary, "encrypt", "--in", "-", "--out", "/dev/null"],
            stdin=subprocess.PIPE,
            stderr=stderr,
            env=clean_environment(tmp_path, {"SEALGATE_DATA_DIR": ring}),
        )
        for _ in range(8):
            child.stdin.write(bytes(1 << 20))
            child.stdin.flush()
            time.sleep(0.1)
        child.stdin.close()
        assert child.wait(PATIENCE) == 0

    main, terminal = pty.openpty()
    run(terminal)
    os.close(terminal)
    shown = b""
    try:
        while piece := os.read(main, 4096):
            shown += piece
    except OSError:  # how a terminal that nobody holds any more ends
        pass
    os.close(main)
    assert b"MiB/s" in shown and shown.endswith(b"\r\x1b[K")
    with open(tmp_path / "err", "wb") as err:
        run(err)
    assert (tmp_path / "err").read_bytes() == b""
