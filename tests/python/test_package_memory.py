"""However often a function is called, the process does not grow.

SEALGATE_SOAK_CALLS says how often; `make soak-python` calls each a million times and prints what was measured.
"""

import os
import subprocess
import sys

import pytest

CALLS = int(os.environ.get("SEALGATE_SOAK_CALLS", "20000"))
# What a process may grow by itself: the allocator's and the interpreter's own habits. A leak of one small object a call is
# 50 bytes * 20,000.
PERMITTED = 640 * 1024

PRELUDE = """
import os, sys, http.client
import sealgate
from sealgate import Config, Gate, Server, SealgateError

calls, permitted = map(int, sys.argv[1:])
gate = Gate(keys="ephemeral", token_cache=100, max_requests=5)
data, array, out = os.urandom(1000), bytearray(os.urandom(1000)), bytearray(2000)
sealed, text, token = gate.seal(data), gate.encrypt(data), gate.issue_token("alice")
theirs = sealgate.default_gate().issue_token("alice")  # its cache would have room for some thousands
bad = sealed[:-1] + bytes([sealed[-1] ^ 1])

def fails(function, *arguments):
    try:
        function(*arguments)
    except SealgateError:
        return
    raise AssertionError("it did not fail")

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def grown(call, share=1):
    count = max(calls // share, 40)
    for _ in range(count // 4):
        call()
    # What grows in each of three rounds is a leak; another thread of the server's, which a busy machine wakes late, is none.
    rounds = []
    while not rounds or rounds[-1] > permitted and len(rounds) < 3:
        before = resident()
        for _ in range(count):
            call()
        rounds.append(resident() - before)
    return count, min(rounds)
"""

# What is called, and how many times more than one simple call it costs.
FUNCTIONS = {
    "issue_token": ("lambda: gate.issue_token('alice', ['a', 'b'], 60)", 1),
    "verify_token": ("lambda: gate.verify_token(token)", 1),
    "verify_token of new ones": ("lambda: gate.verify_token(gate.issue_token('alice')).subject", 1),
    "claims": ("lambda: [claims['sub'] and claims.id for claims in [gate.verify_token(token)]]", 1),
    "verify_token that fails": ("lambda: fails(gate.verify_token, token + 'x')", 1),
    "encrypt": ("lambda: gate.encrypt(data, 'context')", 1),
    "encrypt an array": ("lambda: gate.encrypt(array, memoryview(data))", 1),
    "decrypt": ("lambda: gate.decrypt(text)", 1),
    "decrypt that fails": ("lambda: fails(gate.decrypt, text[4:])", 1),
    "seal": ("lambda: gate.seal(data)", 1),
    "seal an array": ("lambda: gate.seal(array, array)", 1),
    "open": ("lambda: gate.open(sealed)", 1),
    "open that fails": ("lambda: fails(gate.open, bad)", 1),
    "seal_into": ("lambda: gate.seal_into(array, out)", 1),
    "open_into": ("lambda: gate.open_into(sealed, out)", 1),
    "large data": ("lambda data=bytes(1 << 20): gate.open(gate.seal(data))", 200),
    "mask": ("lambda: gate.mask('my_password')", 1),
    "admit": ("lambda: gate.admit('alice')", 1),
    "the original's functions": (
        "lambda: sealgate.decrypt_data(sealgate.encrypt_data(sealgate.mask_data('x' * 99))) "
        "and sealgate.verify_token(theirs)",
        2,
    ),
    "enforce_rate_limit": ("limited", 1),
    "lists": ("lambda: (gate.list_keys(), list(gate.list_users()), gate.introspect(token), gate.public_keys())", 20),
    "session that is none": ("lambda: fails(gate.end_session, 'x')", 2),
    "Config and Gate": ("lambda: Gate(Config({'keys': 'ephemeral'}, token_ttl=5)).close()", 20),
    "settings that fail": ("lambda: fails(lambda: Gate(keys='ephemeral', token_ttl='x'))", 5),
    "Server, never started": ("unstarted", 20),
    "Server": ("served", 2000),
    "requests": ("asked", 50),
    "requests that fail": ("failed", 50),
}

SERVERS = """
import logging
logging.getLogger("sealgate").addHandler(logging.NullHandler())
logging.getLogger("sealgate").propagate = False
sealgate.start_logging(logging.INFO, lambda level, name, line: None)

def limited():
    try:
        sealgate.enforce_rate_limit("alice")
    except sealgate.RateLimitedError as error:
        assert error.retry_after > 0

def with_route():
    server = Server(gate, listen="127.0.0.1:0")
    server.route("GET", "/x", blocking=False)(lambda request: {"agent": request.headers.get("x"), "body": request.body.decode()})
    server.route("GET", "/bad")(lambda request: 1 / 0)
    return server

def unstarted():
    with_route().close()

def served():
    with with_route() as server:
        assert server.url

running = with_route().start()
connection = http.client.HTTPConnection("127.0.0.1", running.port)

def get(path, status):
    connection.request("GET", path, headers={"X": "y"})
    answer = connection.getresponse()
    assert answer.status == status and answer.read()

asked = lambda: get("/x", 200)
failed = lambda: get("/bad", 500)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_memory_stays_flat(python, name, capsys):
    call, share = FUNCTIONS[name]
    script = f"{PRELUDE}{SERVERS}\nprint(*grown({call}, {share}))"
    ended = subprocess.run(
        [sys.executable, "-B", "-c", script, str(CALLS), str(PERMITTED)],
        capture_output=True,
        text=True,
        timeout=3600,
        env=python.environment(MAX_REQUESTS=5),
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    count, grown = map(int, ended.stdout.split())
    with capsys.disabled():
        if CALLS > 100_000:
            print(f"{name}: {count:,} calls, {grown / 1024:+.0f} KiB", flush=True)
    assert grown <= PERMITTED
