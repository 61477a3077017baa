"""A whole server inside a Python program: the HTTP API of Sealgate, with accounts and routes of the program's own.

    pip install ./bindings/python
    python3 examples/python/embed.py 127.0.0.1:8080        (Ctrl-C stops it)

    curl http://127.0.0.1:8080/hello/world
    curl -X POST http://127.0.0.1:8080/login -H 'Content-Type: application/json' \\
        -d '{"username": "alice", "password": "correct horse battery staple"}'
    curl http://127.0.0.1:8080/orders/17 -H 'Authorization: Bearer TOKEN'
"""

import hashlib
import hmac
import logging
import os
import signal
import sys

import sealgate

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
sealgate.start_logging()

# Settings and keys as the environment says, shared with `sealgate serve`; the address as the command line says.
listen = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8080"
config = sealgate.Config(environment=True, listen=listen)
gate = sealgate.Gate(config)
server = sealgate.Server(gate, config)


def hashed(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


SALT = os.urandom(16)  # a real program keeps one for each account, with its hash
ACCOUNTS = {"alice": hashed("correct horse battery staple", SALT)}
NOBODY = hashed("", SALT)


@server.authenticate
def check(username: str, password: str) -> sealgate.Verdict:
    # Unknown names cost the same time as known ones.
    right = hmac.compare_digest(hashed(password, SALT), ACCOUNTS.get(username, NOBODY))
    return ["secure-data", "encrypt", "decrypt", "orders"] if right and username in ACCOUNTS else None


@server.secure_data
def confidential() -> str:
    return f"confidential data of process {os.getpid()}"


@server.route("GET", "/hello/{name}")
def hello(request: sealgate.Request) -> sealgate.Answer:
    return {"hello": request.parameter("name")}


# Only for tokens with this scope, and counted with the user's other requests.
@server.route("GET", "/orders/{id}", scope="orders", limited=True)
def order(request: sealgate.Request) -> sealgate.Answer:
    return {"order": request.parameter("id"), "of": request.user}


@server.route("POST", "/notes", token=True)
def note(request: sealgate.Request) -> sealgate.Answer:
    # Sealed under the user's name: no other user's request opens it.
    return {"sealed": gate.encrypt(request.body, context=f"notes/{request.user}")}, 201


signal.signal(signal.SIGTERM, lambda *_: server.shutdown())
with server:
    print("listening on", server.url, flush=True)
    server.serve_forever(drain=5)
print("stopped")
