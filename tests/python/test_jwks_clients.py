"""Clients that check tokens with a copy of jwks.json, PyJWT's and jose's with their defaults, while keys are replaced."""

import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import jwt
import pytest

from doors import Command, Server

ROOT = Path(__file__).resolve().parents[2]

#: Seconds for which a new key is published before it signs: the default, and here.
DEFAULT_LEAD, LEAD = 900, 3
ALGORITHMS = ("EdDSA", "ES256")


class PyJWT:
    """A PyJWKClient whose caches are `speed` times as old as they are."""

    def __init__(self, monkeypatch, address, speed):
        self.algorithms = list(ALGORITHMS)
        clock, begin = time.monotonic, time.monotonic()
        faster = SimpleNamespace(monotonic=lambda: begin + (clock() - begin) * speed)
        for module in (jwt.jwks_client, jwt.jwk_set_cache, jwt.api_jwk):
            monkeypatch.setattr(module, "time", faster)
        self.client = jwt.PyJWKClient(address)

    def check(self, token):
        try:
            key = self.client.get_signing_key_from_jwt(token)
            jwt.decode(token, key, algorithms=self.algorithms, issuer="sealgate")
        except jwt.PyJWTError as error:
            return repr(error)
        return "ok"


class Jose:
    """The same with jose, in a process of its own."""

    def __init__(self, address, speed):
        modules = Path(os.environ.get("SEALGATE_NODE_MODULES", ROOT / "target" / "node")).resolve()
        if not (modules / "node_modules" / "jose").is_dir():
            pytest.fail(f"no jose: scripts/node-modules {modules} tests/python/package.json", pytrace=False)
        script = Path(__file__).with_name("jose_client.mjs")
        self.child = subprocess.Popen(
            ["node", script, modules, address, str(speed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def check(self, token):
        self.child.stdin.write(token + "\n")
        self.child.stdin.flush()
        return self.child.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.stdout.close()
        assert self.child.wait(30) == 0


@pytest.fixture
def setting(binary, tmp_path, monkeypatch):
    """A server whose keys can be replaced, and both clients: setting(algorithm, lead, speed)."""
    opened = []

    def begin(algorithm, lead, speed):
        settings = {
            "SEALGATE_DATA_DIR": tmp_path / "state",
            "SEALGATE_TOKEN_ALGORITHM": algorithm,
            "SEALGATE_TOKEN_KEY_LEAD": lead,
            "MAX_REQUESTS": 0,
            "SEALGATE_LOGIN_MAX_REQUESTS": 0,
        }
        server = Server(binary, tmp_path, settings)
        opened.append(server.__enter__())
        address = f"http://127.0.0.1:{server.port}/.well-known/jwks.json"
        jose = Jose(address, speed)
        opened.append(jose)
        run = Command(binary, tmp_path)
        return server, lambda *more: run("keys", "rotate", "--token", *more, **settings).succeeded(), [
            PyJWT(monkeypatch, address, speed),
            jose,
        ]

    yield begin
    for one in reversed(opened):
        one.__exit__(None, None, None)


def signer(token):
    return jwt.get_unverified_header(token)["kid"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_good_token_is_rejected_while_keys_are_replaced(setting, algorithm):
    """Ten keys, of which one is published each second and signs three seconds later. The clients' clocks run as much faster
    as that is shorter than by default. On a slow machine a key may have had its time before a token of it is seen."""
    server, rotate, clients = setting(algorithm, LEAD, DEFAULT_LEAD / LEAD)
    signers, checked, rotations = set(), 0, 0
    begin = rotated = time.monotonic()
    while rotations < 10 or time.monotonic() - rotated < LEAD + 2:
        if rotations < 10 and time.monotonic() - begin > rotations:
            rotate()
            rotations += 1
            rotated = time.monotonic()
        token = server.log_in("alice")
        for client in clients:
            assert client.check(token) == "ok", f"{type(client).__name__}, rotation {rotations}"
            checked += 1
        signers.add(signer(token))
        assert time.monotonic() - begin < 300, f"{rotations} rotations"
    assert len(signers) > 2 and checked > 20, (len(signers), checked)


def test_a_key_that_signs_at_once_is_not_known_to_who_has_just_fetched_the_others(setting):
    """What publishing first is for, and what --now says that it does."""
    server, rotate, clients = setting("EdDSA", LEAD, 1)
    before = server.log_in("alice")
    assert [client.check(before) for client in clients] == ["ok", "ok"]
    assert b"signs at once; clients with a copy of jwks.json reject its tokens" in rotate("--now")
    begin = time.monotonic()
    while signer(token := server.log_in("alice")) == signer(before):
        assert time.monotonic() - begin < 20
        time.sleep(0.02)
    assert "ok" not in [client.check(token) for client in clients]
