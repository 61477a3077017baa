"""openapi.json tells the truth about a running server: schemathesis tests one with it, a client is generated from it, and
faults planted in the document and in the server are found.

`make soak` sets SEALGATE_OPENAPI_REQUESTS, how many requests schemathesis makes at least.
"""

import copy
import http.client
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import described
from doors import PATIENCE, Command, Ended, Site, clean_environment

ROOT = Path(__file__).resolve().parents[2]
OWN = Path(__file__).with_name("openapi")
REQUESTS = int(os.environ.get("SEALGATE_OPENAPI_REQUESTS", "0"))
SCOPES = "secure-data encrypt decrypt rewrap introspect api-keys api-keys-admin limit limit-reset"

# Limits that are never reached are stated in the headers all the same.
RAISED = {"MAX_REQUESTS": 10_000_000, "SEALGATE_LOGIN_MAX_REQUESTS": 10_000_000, "SEALGATE_LOCKOUT_AFTER": 0}
CHEAP = {"SEALGATE_PASSWORD_MEMORY": 1024, "SEALGATE_PASSWORD_PASSES": 1}


def tool(name):
    tools = Path(os.environ.get("SEALGATE_OPENAPI_TOOLS", ROOT / "target" / "openapi")).resolve()
    if not (tools / "bin" / name).is_file():
        pytest.fail(f"no {name}: scripts/venv {tools} tests/python/openapi/requirements.txt", pytrace=False)
    return tools / "bin" / name


@pytest.fixture(scope="module")
def accounts(serve):
    """A server with the account of the document's examples, and a token for every scope."""
    server = serve(**RAISED, **CHEAP)
    add = Command(server.arguments[0], server.folder)
    add("user", "add", "alice", "--scopes", SCOPES, stdin="a quiet harbour\n", **CHEAP).succeeded()
    return with_token(server)


@pytest.fixture(scope="module")
def open_login(serve):
    """A server without accounts."""
    return with_token(serve(**RAISED))


@pytest.fixture(scope="module")
def administered(serve):
    """A server for requests that end accounts and keys."""
    server = serve(**RAISED, **CHEAP)
    add = Command(server.arguments[0], server.folder)
    for name, scopes in [("alice", SCOPES), ("root", "admin")]:
        add("user", "add", name, "--scopes", scopes, stdin="a quiet harbour\n", **CHEAP).succeeded()
    return with_token(server, "root", "admin")


def with_token(server, user="alice", scopes=SCOPES):
    issue = Command(server.arguments[0], server.folder)
    server.token = issue("token", "issue", "--user", user, "--scope", scopes, "--ttl", "86400").succeeded().decode().strip()
    return server


# Administration would end the accounts and keys that the other tests use.
REST = "--exclude-path-regex=^/admin/"
ADMINISTRATION = "--include-path-regex=^/admin/"


def schemathesis(site, token, *arguments, paths=REST, document=described.FILE, folder, timeout=10 * PATIENCE):
    """Tests a server with all of schemathesis' checks."""
    environment = clean_environment(folder, {"SEALGATE_TOKEN": token, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": OWN})
    ended = subprocess.run(
        [
            *(tool("st"), "--no-color", "--config-file", OWN / "schemathesis.toml", "run", document),
            *("--url", f"http://127.0.0.1:{site.port}", "--checks", "all", paths, *arguments),
        ],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stdout.decode(errors="replace"))


def requests(server):
    """How many requests the server has logged."""
    return server.err.read_text(encoding="utf-8").count(" status=")


@pytest.mark.parametrize(("name", "paths"), [("accounts", REST), ("open_login", REST), ("administered", ADMINISTRATION)])
def test_the_server_keeps_to_the_document(name, paths, request, tmp_path):
    server = request.getfixturevalue(name)
    examples, seed = (30, 1) if REQUESTS else (10, 1)
    while True:
        more = ("--max-examples", str(examples), "--seed", str(seed))
        ended = schemathesis(server, server.token, *more, paths=paths, folder=tmp_path)
        assert ended.code == 0, ended.err
        made, seed = requests(server), seed + 1
        print(f"{name}: {made} requests")
        if made >= max(500, REQUESTS / 2):
            return


# Faults, and by which words of schemathesis they are recognised.


def without_status(document):
    del document["paths"]["/encrypt"]["post"]["responses"]["401"]


def another_type(document):
    document["components"]["schemas"]["Alive"]["properties"]["status"] = {"type": "integer"}


def another_header(document):
    document["components"]["headers"]["Cacheable"]["schema"] = {"type": "string", "enum": ["private"]}


DOCUMENT_FAULTS = {
    "POST /encrypt": (without_status, "Undocumented status code"),
    "GET /healthz": (another_type, "Response violates schema"),
    "GET /.well-known/jwks.json": (another_header, "Response header does not conform to the schema"),
}


def failures(ended):
    """What schemathesis reports, by operation."""
    assert ended.code == 1, ended.err
    parts = ended.err.split("= FAILURES =", 1)[1].split("\n____")
    return {part.splitlines()[0].strip("_ "): part for part in parts[1:]}


def fast(*operations):
    named = [word for name in operations for word in ("--include-name", name)]
    return ("--phases", "examples,coverage", "--no-shrink", "--seed", "1", *named)


def test_faults_planted_in_the_document_are_found(accounts, tmp_path):
    planted = copy.deepcopy(described.here().document)
    for change, _ in DOCUMENT_FAULTS.values():
        change(planted)
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(planted))
    ended = schemathesis(accounts, accounts.token, *fast(*DOCUMENT_FAULTS), document=file, folder=tmp_path)
    found = failures(ended)
    for name, (_, words) in DOCUMENT_FAULTS.items():
        assert words in found[name], ended.err

    wrong = described.Described(planted)
    for method, path in (name.split() for name in DOCUMENT_FAULTS):
        reply = accounts.request(method, path)
        with pytest.raises(AssertionError):
            wrong.check(method, path, reply.status, reply.headers, reply.body)


def renamed_member(reply, headers):
    return reply.status, headers, reply.body.replace(b'"token"', b'"tokens"')


def lost_header(reply, headers):
    return reply.status, [(name, value) for name, value in headers if name != "X-Request-Id"], reply.body


def other_status(reply, headers):
    return 202, headers, reply.body


def lost_check(reply, headers):
    """As if the token were not checked."""
    return (204, [*headers, ("Cache-Control", "no-store")], b"") if reply.status == 401 else (reply.status, headers, reply.body)


SERVER_FAULTS = {
    "GET /": (renamed_member, "Response violates schema"),
    "GET /healthz": (lost_header, "Missing required response headers"),
    "GET /readyz": (other_status, "Undocumented status code"),
    "GET /verify": (lost_check, "API accepts requests without authentication"),
}


class Deviating(BaseHTTPRequestHandler):
    """Passes requests on to the server, and changes some of its responses."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        connection = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=PATIENCE)
        try:
            fields = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request(self.command, self.path, self.rfile.read(length), fields)
            response = connection.getresponse()
            response.body = response.read()
        finally:
            connection.close()
        kept = [(name, value) for name, value in response.getheaders() if name not in ("Date", "Content-Length", "Connection")]
        change = SERVER_FAULTS.get(f"{self.command} {self.path.split('?')[0]}", (None,))[0]
        status, headers, body = change(response, kept) if change else (response.status, kept, response.body)
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = do_TRACE = answer


@pytest.fixture
def deviating(accounts):
    with ThreadingHTTPServer(("127.0.0.1", 0), Deviating) as server:
        server.daemon_threads = True
        server.behind = accounts.port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield Site(server.server_address[1])
        server.shutdown()
        thread.join(PATIENCE)


def test_a_server_that_departs_from_the_document_is_found(accounts, deviating, tmp_path):
    ended = schemathesis(deviating, accounts.token, *fast(*SERVER_FAULTS), folder=tmp_path)
    found = failures(ended)
    for name, (_, words) in SERVER_FAULTS.items():
        assert words in found[name], ended.err
    for name in list(SERVER_FAULTS)[:3]:
        method, path = name.split()
        with pytest.raises(AssertionError):
            deviating.request(method, path)


def test_a_generated_client_logs_in_seals_and_opens(accounts, tmp_path):
    package = tmp_path / "sealgate_client"
    config = tmp_path / "config.json"
    # Without the tools that would format the client's code.
    config.write_text(json.dumps({"post_hooks": []}))
    generate = ["generate", "--path", described.FILE, "--output-path", package, "--meta", "none", "--config", config]
    environment = clean_environment(tmp_path, {"PYTHONPATH": tmp_path, "MYPYPATH": tmp_path})

    def run(*arguments):
        ended = subprocess.run(
            arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=5 * PATIENCE, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    run(tool("openapi-python-client"), *generate, "--fail-on-warning")
    script, python = OWN / "use_client.py", tool("python")
    types = ["--strict", "--follow-imports", "silent", "--cache-dir", tmp_path / "mypy", "--python-executable", python]
    run(sys.executable, "-m", "mypy", *types, script)
    printed = run(python, "-B", script, f"http://127.0.0.1:{accounts.port}")
    assert printed.split("\n")[:-1] == [
        "meet me at noon",
        "urn:sealgate:problem:decrypt_failed",
        "urn:sealgate:problem:token_malformed",
    ]
