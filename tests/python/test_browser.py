"""Web pages of other origins in a real browser, Chromium: what they may send, and what they get to read.

The page asks the server and reports to the site that it came from, which runs here.
"""

import contextlib
import datetime
import http.server
import json
import os
import queue
import shutil
import signal
import subprocess
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import sealgate
from doors import PATIENCE, Server, load
from served import HERE, KEYS

BROWSERS = ("chromium-headless-shell", "chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--ignore-certificate-errors",  # the test's own certificate
    "--remote-debugging-port=0",  # stays until it is ended
)

# Each page reports what `visit` returns.
PAGE = """
const ask = async (path, options) => {
  try {
    const response = await fetch(API + path, options);
    return {status: response.status, headers: Object.fromEntries(response.headers), body: await response.text()};
  } catch (error) {
    return {error: error.name};
  }
};
const visit = async () => {%s};
visit().catch((error) => ({failed: String(error)})).then((report) =>
  fetch("/report", {method: "POST", body: JSON.stringify(report)}));
"""

SESSION = """
  const login = await ask("/login", {
    method: "POST",
    headers: {"Content-Type": "application/json"},
    body: JSON.stringify({username: "alice"}),
  });
  const {token} = JSON.parse(login.body);
  const mine = {headers: {
    Authorization: "Bearer " + token,
    "X-Request-Id": "mine",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  }};
  return {
    login,
    data: await ask("/secure-data", mine),
    limited: await ask("/secure-data", mine),
    missing: await ask("/secure-data"),
    unknown: await ask("/nothing"),
    method: await ask("/login"),
  };
"""

# What no permission covers; each is refused in the browser.
BEYOND = """
  return {
    put: await ask("/login", {method: "PUT"}),
    header: await ask("/", {headers: {"X-Own": "1"}}),
    cookies: await ask("/", {credentials: "include"}),
    plain: await ask("/"),
  };
"""

ANYTHING = """
  const framed = new Promise((resolve) => addEventListener("message", (event) => resolve(event.data)));
  const frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts";
  frame.srcdoc = `<script>
    fetch("${API}/").then((response) => response.status, (error) => error.name)
      .then((found) => parent.postMessage([origin, found], "*"));
  <\\/script>`;
  document.body.append(frame);
  return {
    get: await ask("/"),
    login: await ask("/login", {
      method: "POST",
      headers: {"Content-Type": "application/json"},
      body: JSON.stringify({username: "alice"}),
    }),
    token: await ask("/secure-data", {headers: {Authorization: "Bearer x"}}),
    framed: await framed,
  };
"""

ORDER = """
  return {
    put: await ask("/orders/7", {method: "PUT", headers: {Authorization: "Bearer " + TOKEN}}),
    delete: await ask("/orders/7", {method: "DELETE"}),
  };
"""

BLOCKED = {"error": "TypeError"}


class Site:
    """A site on a free port; its page runs a script and reports once."""

    def __init__(self):
        site = self
        self.reports = queue.Queue()
        self.script = ""

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                found = {
                    "/": ("text/html", "<!doctype html><body><script src=/script.js></script>"),
                    "/script.js": ("text/javascript", site.script),
                }.get(self.path)
                self.send_response(200 if found else 404)
                kind, text = found or ("text/plain", "")
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.end_headers()
                self.wfile.write(text.encode())

            def do_POST(self):
                report = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(204)
                self.end_headers()
                site.reports.put(json.loads(report))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://localhost:{self.server.server_port}"
        self.other_origin = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def site():
    with Site() as site:
        yield site


@pytest.fixture
def visit(site, tmp_path):
    """What a page reports: visit(origin, api, script, NAME=value). A browser of its own opens it."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("there is no Chromium; scripts/bootstrap test installs one on Debian")

    def visit(origin, api, script, **values):
        values = {"API": api} | values
        constants = "".join(f"const {name} = {json.dumps(value)};" for name, value in values.items())
        site.script = constants + PAGE % script
        log = tmp_path / "browser.log"
        with log.open("wb") as output:
            opened = subprocess.Popen(
                [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", origin + "/"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
                start_new_session=True,
            )
        try:
            report = site.reports.get(timeout=PATIENCE)
        except queue.Empty:
            pytest.fail(log.read_text(errors="replace"), pytrace=False)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(opened.pid, signal.SIGKILL)
            opened.wait(PATIENCE)
        assert "failed" not in report, report
        return report

    return visit


class Secure(Server):
    """`sealgate serve` with TLS and a certificate of its own."""

    ready = r"^  listening on https://127\.0\.0\.1:(\d+) \(.+\)$"

    def __init__(self, binary, folder, settings):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(key, hashes.SHA256())
        )
        cert, private = folder / "cert.pem", folder / "key.pem"
        cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private.touch(mode=0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        super().__init__(binary, folder, settings | {"SEALGATE_TLS_CERT": cert, "SEALGATE_TLS_KEY": private})


@pytest.mark.parametrize("engine", ["pool", "tiny-http", "pool over TLS"])
def test_a_page_logs_in_and_reads_data_and_problems(binary, site, visit, tmp_path, engine):
    settings = {"SEALGATE_CORS_ORIGINS": site.origin, "MAX_REQUESTS": 1, "SEALGATE_ENGINE": engine.split()[0]}
    secure = engine.endswith("TLS")
    with (Secure if secure else Server)(binary, tmp_path, settings) as server:
        seen = visit(site.origin, f"http{'s' * secure}://localhost:{server.port}", SESSION)
    assert {name: answer.get("status") for name, answer in seen.items()} == {
        "login": 200,
        "data": 200,
        "limited": 429,
        "missing": 401,
        "unknown": 404,
        "method": 405,
    }
    assert json.loads(seen["data"]["body"]).keys() == {"encrypted_data"}
    assert seen["data"]["headers"]["ratelimit"] == '"default";r=0;t=60'
    limited = seen["limited"]
    assert json.loads(limited["body"])["type"] == "urn:sealgate:problem:rate_limited"
    assert int(limited["headers"]["retry-after"]) in range(1, 61)
    assert limited["headers"]["ratelimit-policy"] == '"default";q=1;w=60'
    assert limited["headers"]["x-request-id"] == "mine"
    missing = seen["missing"]
    assert json.loads(missing["body"])["type"] == "urn:sealgate:problem:token_missing"
    assert missing["headers"]["www-authenticate"] == "Bearer"
    assert seen["method"]["headers"]["allow"] == "POST, OPTIONS"


def test_a_page_of_another_origin_reads_nothing(serve, site, visit):
    server = serve(SEALGATE_CORS_ORIGINS=site.origin)
    api = f"http://localhost:{server.port}"
    for origin in (site.other_origin, site.origin):
        seen = visit(origin, api, ANYTHING)
        # The frame in a sandbox has no origin, wherever it is.
        assert seen.pop("framed") == ["null", "TypeError"]
        if origin == site.other_origin:
            assert set(map(str, seen.values())) == {str(BLOCKED)}
        else:
            assert [answer["status"] for answer in seen.values()] == [200, 200, 401]


def test_without_the_setting_no_page_reads_anything(serve, site, visit):
    seen = visit(site.origin, f"http://localhost:{serve().port}", ANYTHING)
    assert seen.pop("framed") == ["null", "TypeError"]
    assert set(map(str, seen.values())) == {str(BLOCKED)}


def test_methods_headers_and_cookies_need_permission(serve, site, visit):
    server = serve(SEALGATE_CORS_ORIGINS=site.origin)
    seen = visit(site.origin, f"http://localhost:{server.port}", BEYOND)
    assert seen.pop("plain")["status"] == 200
    assert seen == {"put": BLOCKED, "header": BLOCKED, "cookies": BLOCKED}

    server = serve(
        SEALGATE_CORS_ORIGINS=site.origin, SEALGATE_CORS_HEADERS="X-Own", SEALGATE_CORS_CREDENTIALS="on"
    )
    seen = visit(site.origin, f"http://localhost:{server.port}", BEYOND)
    assert seen.pop("put") == BLOCKED
    assert [answer["status"] for answer in seen.values()] == [200, 200, 200]


def test_every_page_may_use_a_server_for_all(serve, site, visit):
    server = serve(SEALGATE_CORS_ORIGINS="*")
    seen = visit(site.other_origin, f"http://localhost:{server.port}", ANYTHING)
    assert seen["get"]["status"] == 200
    assert seen["token"]["status"] == 401
    assert seen["framed"] == ["null", 200]
    # But no page gets a token without a password.
    assert seen["login"]["status"] == 403
    assert json.loads(seen["login"]["body"])["type"] == "urn:sealgate:problem:login_refused"


def test_routes_of_a_host_program_are_for_pages_too(site, visit):
    with sealgate.Gate(KEYS) as gate:
        server = sealgate.Server(gate, HERE, cors_origins=site.origin)

        @server.route("PUT", "/orders/{id}", scope="orders")
        def put(request):
            return {"order": request.parameter("id"), "user": request.user}

        token = gate.issue_token("alice", scope="orders")
        with server:
            seen = visit(site.origin, f"http://localhost:{server.port}", ORDER, TOKEN=token)
    assert json.loads(seen["put"]["body"]) == {"order": "7", "user": "alice"}
    assert seen["delete"] == BLOCKED
