"""The doors that the tests knock at: the command, a running server, and HTTP."""

import base64
import http.client
import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import described
import reference

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
PATIENCE = 60  # seconds; long enough for a busy machine, and nothing waits without it

# What would reach a child from the caller's own environment.
SETTINGS = re.compile("(SEALGATE|AES|JWT)_|RATE_LIMIT_WINDOW$|MAX_REQUESTS$|STATE_DIRECTORY$|XDG_STATE_HOME$")


def load(name):
    """A file of vectors."""
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def named(vectors):
    """A parameter for each vector, under its name."""
    return [pytest.param(vector, id=vector["name"]) for vector in vectors]


def clean_environment(folder, settings):
    """The caller's environment without any setting, then these. Bytes are passed as they are."""
    inherited = {name: value for name, value in os.environ.items() if not SETTINGS.match(name)}
    given = {name: value if isinstance(value, bytes) else str(value) for name, value in settings.items()}
    return inherited | {"HOME": str(folder), "SEALGATE_DATA_DIR": str(folder / "state")} | given


def write_ring(folder, token_key, data_key):
    """Makes `folder` a data directory whose ring has these two keys."""
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    ring = folder / "keys.json"
    ring.touch(mode=0o600)
    stored = {
        kind: [{"id": key_id, "key": base64.b64encode(key).decode(), "created": 1735689600}]
        for kind, key_id, key in (
            ("token_keys", reference.token_key_id(token_key), token_key),
            ("data_keys", reference.data_key_id(data_key).hex(), data_key),
        )
    }
    ring.write_text(json.dumps({"format": "sealgate key ring", "version": 1} | stored))


def eventually(look):
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < end, f"not within {PATIENCE} s"
        time.sleep(0.02)
    return found


@dataclass
class Ended:
    """A command that has ended."""

    code: int
    out: bytes
    err: str

    def succeeded(self):
        assert self.code == 0, self.err
        return self.out


class Command:
    def __init__(self, binary, folder):
        self.binary = binary
        self.folder = folder

    def __call__(self, *arguments, stdin=b"", **settings):
        ended = subprocess.run(
            [self.binary, *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=PATIENCE,
            env=clean_environment(self.folder, settings),
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr.decode())


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self):
        return json.loads(self.body)

    def ok(self):
        assert self.status == 200, self.body
        return self.json()


class Site:
    """An HTTP server by its address."""

    is_ours = True  # openapi.json has to describe its responses

    def __init__(self, port):
        self.port = port

    def request(self, method, path, *, token=None, send=None, form=None, headers=()):
        fields = dict(headers)
        body = None
        if token is not None:
            fields["Authorization"] = b"Bearer " + token.encode()
        if send is not None:
            body = json.dumps(send).encode()
            fields["Content-Type"] = "application/json"
        if form is not None:
            body = form.encode()
            fields["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, fields)
            response = connection.getresponse()
            reply = Reply(response.status, response.headers, response.read())
        finally:
            connection.close()
        if self.is_ours:
            described.here().check(method, path, reply.status, reply.headers, reply.body)
        return reply

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, send, **more):
        return self.request("POST", path, send=send, **more)

    def log_in(self, user="alice"):
        return self.post("/login", {"username": user}).ok()["token"]


class Child(Site):
    """A server in a process of its own, its output in files, until the `with` ends it by its process id."""

    arguments: tuple  # the program and what it is called with
    ready: str  # a pattern with the port in its output
    exit_code = 0

    def __init__(self, folder, settings):
        self.folder = folder
        self.settings = settings

    def __enter__(self):
        self.out, self.err = self.folder / "stdout", self.folder / "stderr"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=clean_environment(self.folder, self.settings),
            )
        try:
            self.port = int(eventually(self.find_port)[1])
        except BaseException:
            self.process.kill()
            self.process.wait(PATIENCE)
            raise
        return self

    def find_port(self):
        ended = self.process.poll()
        assert ended is None, f"exit code {ended}: {self.err.read_text()}"
        return re.search(self.ready, self.greeting(), re.MULTILINE)

    def greeting(self):
        return self.out.read_text(encoding="utf-8")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(PATIENCE)
            raise
        assert code == self.exit_code, self.err.read_text()


class Server(Child):
    """`sealgate serve` on a free port."""

    ready = r"^  listening on http://127\.0\.0\.1:(\d+) \(.+\)$"

    def __init__(self, binary, folder, settings):
        super().__init__(folder, settings)
        self.arguments = (binary, "serve", "--listen", "127.0.0.1:0")
