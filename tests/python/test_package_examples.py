"""The examples do what they say: run as programs, asked by curl, Flask's own server and gunicorn."""

import ast
import base64
import json
import os
import re
import shlex
import signal
import subprocess
import sys

import jwt
import pytest

import reference
import sealgate
from conftest import PACKAGE, ROOT
from doors import PATIENCE, Child, eventually, load

EXAMPLES = ROOT / "examples" / "python"
SECRET = load("tokens.json")["jwt_secret_key"]
KEYS = {"JWT_SECRET_KEY": SECRET, "AES_KEY": "thirty-two bytes as in the seed!"}
ORIGINAL = KEYS | {"AES_IV": "an IV of 16 byte"}
OURS = {name: value for name, value in os.environ.items() if name == "SEALGATE_LIBRARY"} | {
    "PYTHONPATH": str(PACKAGE),
    "PYTHONDONTWRITEBYTECODE": "1",
}


def test_quickstart(python):
    said = python(EXAMPLES / "quickstart.py").succeeded().decode()
    assert said.splitlines() == [
        f"sealgate {sealgate.__version__}",
        "the token is alice's, for decrypt, orders",
        "opened: meet me at noon",
        "elsewhere: decrypt_failed",
        "masked: my_********",
    ]


# flask_app.py: the original program with our functions in the place of its own


class FlaskApp(Child):
    arguments = (sys.executable, str(EXAMPLES / "flask_app.py"), "0")
    ready = r"^port (\d+)$"
    exit_code = -signal.SIGTERM
    is_ours = False

    def __init__(self, folder, settings):
        super().__init__(folder, OURS | settings)


class Gunicorn(FlaskApp):
    exit_code = 0
    ready = r"Listening at: http://127\.0\.0\.1:(\d+)"
    arguments = tuple(
        f"{sys.executable} -m gunicorn --preload --workers 3 --bind 127.0.0.1:0 --chdir {EXAMPLES} flask_app:app".split()
    )

    def greeting(self):
        return self.err.read_text()


class Original(FlaskApp):
    arguments = (sys.executable, str(ROOT / "tests" / "python" / "seed_app.py"))


@pytest.fixture(scope="module", params=[FlaskApp, Gunicorn], ids=["flask", "gunicorn"])
def app(request, tmp_path_factory):
    with request.param(tmp_path_factory.mktemp("app"), KEYS | {"MAX_REQUESTS": 0}) as site:
        yield site


@pytest.fixture(scope="module")
def original_keys(tmp_path_factory):
    with FlaskApp(tmp_path_factory.mktemp("app"), ORIGINAL | {"MAX_REQUESTS": 0}) as site:
        yield site


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    with Original(tmp_path_factory.mktemp("original"), ORIGINAL | {"MAX_REQUESTS": 1_000_000}) as site:
        yield site


def curl(site, command):
    command = command.replace("127.0.0.1:5000", f"127.0.0.1:{site.port}")
    ended = subprocess.run(shlex.split(command), capture_output=True, timeout=PATIENCE, check=True)
    return json.loads(ended.stdout)


def test_the_originals_session_with_curl(app):
    token = curl(
        app,
        "curl -X POST http://127.0.0.1:5000/login -H 'Content-Type: application/json' -d '{\"username\": \"test_user\"}'",
    )["token"]
    sealed = curl(app, f"curl -X GET http://127.0.0.1:5000/secure-data -H 'Authorization: Bearer {token}'")["encrypted_data"]
    answer = curl(
        app,
        f"curl -X POST http://127.0.0.1:5000/decrypt -H 'Authorization: Bearer {token}' "
        f"-H 'Content-Type: application/json' -d '{{\"encrypted_data\": \"{sealed}\"}}'",
    )
    assert answer == {"decrypted_data": "This is confidential data."}
    assert "Welcome" in curl(app, "curl http://127.0.0.1:5000/")["message"]


def test_many_requests_to_every_worker(app):
    token = app.log_in()
    sealed = {app.get("/secure-data", token=token).ok()["encrypted_data"] for _ in range(40)}
    assert len(sealed) == 40  # no nonce twice, also not in two workers of one parent
    for data in sealed:
        assert app.post("/decrypt", {"data": data}, token=token).ok()["decrypted_data"] == "This is confidential data."


def test_its_tokens_and_data_are_the_servers_and_pyjwts(app, serve):
    server = serve(**KEYS, MAX_REQUESTS=0, SEALGATE_SECURE_DATA="from the server")
    for one, other in ((app, server), (server, app)):
        token = one.log_in("zoë")
        assert jwt.decode(token, SECRET, algorithms=["HS256"])["username"] == "zoë"
        sealed = one.get("/secure-data", token=token).ok()["encrypted_data"]
        assert other.post("/decrypt", {"encrypted_data": sealed}, token=token).ok()["decrypted_data"]


def tokens_that_are_none():
    yield None, "Token is missing."
    yield "x", "malformed"
    yield jwt.encode({"username": "a", "exp": 1577836800}, SECRET, algorithm="HS256"), "expired"
    yield jwt.encode({"username": "a", "exp": 3786912000}, "another key, which is long enough", algorithm="HS256"), ""
    yield jwt.encode({"exp": 3786912000}, SECRET, algorithm="HS256"), ""
    yield jwt.encode({"username": "a", "exp": 3786912000}, None, algorithm="none"), ""


@pytest.mark.parametrize(("token", "sentence"), list(tokens_that_are_none()))
def test_what_the_original_refuses_is_refused_with_the_same_status(app, token, sentence):
    for reply in (app.get("/secure-data", token=token), app.post("/decrypt", {"data": "x"}, token=token)):
        assert reply.status == 401
        assert sentence.lower() in reply.json()["error"].lower() and " " in reply.json()["error"]


@pytest.mark.parametrize(
    "body", [{}, {"encrypted_data": ""}, {"encrypted_data": "!!!"}, {"data": "AAAA"}, {"data": 7}, {"data": ["x"]}, [], "x"]
)
def test_what_does_not_decrypt_is_400(app, body):
    reply = app.post("/decrypt", body, token=app.log_in())
    assert reply.status == 400 and " " in reply.json()["error"]


@pytest.mark.parametrize("body", [{}, {"username": ""}, {"username": 7}, {"username": "a\nb"}, {"username": "x" * 300}, []])
def test_a_login_without_a_name_is_400(app, body):
    assert app.post("/login", body).status == 400


def test_each_takes_what_the_original_made(original, original_keys):
    for one, other in ((original, original_keys), (original_keys, original)):
        token = one.log_in("zoë")
        encrypted = one.get("/secure-data", token=token).ok()["encrypted_data"]
        assert len(base64.b64decode(encrypted)) % 16 == 0  # AES-CBC: AES_IV is set
        assert other.post("/decrypt", {"encrypted_data": encrypted}, token=token).ok()["decrypted_data"]
        assert other.get("/secure-data", token=token).status == 200


def test_five_requests_a_minute(tmp_path):
    file = tmp_path / "app.log"
    with FlaskApp(tmp_path, KEYS | {"SEALGATE_LOG_FILE": file}) as site:
        token = site.log_in()
        sealed = site.get("/secure-data", token=token).ok()["encrypted_data"]
        for _ in range(4):
            site.post("/decrypt", {"encrypted_data": sealed}, token=token).ok()
        refused = site.get("/secure-data", token=token)
        assert refused.status == 429 and "Rate limit exceeded" in refused.json()["error"]
        assert 1 <= int(refused.headers["Retry-After"]) <= 61
        assert site.get("/secure-data", token=site.log_in("bob")).status == 200
        assert site.get("/forged%0A2026-01-01%20INFO").status == 404
        for log in (file, site.err):
            line = r"^\d{4}-\d\d-\d\d .* INFO GET '/secure-data' from 127\.0\.0\.1 by 'ali\*\*': 429$"
            eventually(lambda log=log, line=line: re.search(line, log.read_text(), re.MULTILINE))
            written = log.read_text()
            assert written.count("\n") == 10 and "2026-01-01 INFO" in written
            for secret in (token, sealed, "confidential", SECRET, "alice"):
                assert secret not in written


def test_wrong_settings_stop_it_at_the_start(python):
    ended = python(EXAMPLES / "flask_app.py", "0", AES_KEY="canary")
    assert ended.code == 1 and "AES_KEY" in ended.err and "canary" not in ended.err


# embed.py


class Embedded(Child):
    ready = r"^listening on http://127\.0\.0\.1:(\d+)$"
    arguments = (sys.executable, str(EXAMPLES / "embed.py"), "127.0.0.1:0")

    def __init__(self, folder, settings):
        super().__init__(folder, OURS | settings)


def test_a_server_inside_a_program(tmp_path):
    with Embedded(tmp_path, KEYS) as site:
        assert site.get("/hello/w%C3%B6rld").ok() == {"hello": "wörld"}
        assert site.get("/orders/17").status == 401
        for name, password in (("alice", "wrong"), ("alice", ""), ("mallory", ""), ("mallory", "x")):
            assert site.post("/login", {"username": name, "password": password}).status == 401
        right = {"username": "alice", "password": "correct horse battery staple"}
        token = site.post("/login", right).ok()["token"]
        assert site.get("/orders/17", token=token).ok() == {"order": "17", "of": "alice"}
        note = site.post("/notes", {"text": "x"}, token=token)
        assert note.status == 201
        gate = sealgate.Gate(jwt_secret_key=SECRET, aes_key=KEYS["AES_KEY"])
        assert json.loads(gate.decrypt(note.json()["sealed"], context="notes/alice")) == {"text": "x"}
        shown = site.get("/secure-data", token=token).ok()["encrypted_data"]
        assert gate.decrypt(shown).decode() == f"confidential data of process {site.process.pid}"
        assert [site.get("/orders/17", token=token).status for _ in range(5)] == [200] * 3 + [429] * 2
    assert site.out.read_text().endswith("stopped\n")
    log = site.err.read_text()
    assert "sealgate.access" in log and "path=/orders/{id}" in log and "Traceback" not in log
    for secret in (token, right["password"], "alice"):
        assert secret not in log


def test_its_own_first_words_work_when_typed(tmp_path):
    written = ast.get_docstring(ast.parse((EXAMPLES / "embed.py").read_text()))
    typed = re.findall(r"^ *(curl .*)$", written.replace("\\\n", " "), re.MULTILINE)
    assert len(typed) == 3
    with Embedded(tmp_path, KEYS) as site:
        token = ""
        for command in typed:
            command = command.replace("127.0.0.1:8080", f"127.0.0.1:{site.port}")
            answer = curl(site, command.replace("TOKEN", token))
            token = answer.get("token", token)
        assert answer == {"order": "17", "of": "alice"}


# migrate.py


def migrate(python, lines, **settings):
    script = python.folder / "in"
    script.write_text(lines)
    with script.open() as source:
        ended = subprocess.run(
            [sys.executable, "-B", EXAMPLES / "migrate.py"],
            stdin=source,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=python.environment(**(ORIGINAL | settings)),
            check=False,
        )
    return ended.returncode, ended.stdout, ended.stderr


def old(text):
    """What the original makes, by an independent implementation."""
    key, iv = ORIGINAL["AES_KEY"].encode(), ORIGINAL["AES_IV"].encode()
    return reference.cbc_encrypt(key, iv, text.encode())


def test_the_originals_data_becomes_sealed_data(python):
    texts = ["", "one", "Zażółć gęślą jaźń 🔑", "x" * 5000]
    code, out, err = migrate(python, "".join(old(text) + "\n" for text in texts))
    assert (code, err) == (0, "4 lines are sealed now\n")
    key = reference.sealing_key(ORIGINAL["AES_KEY"].encode())
    sealed = [base64.b64decode(line) for line in out.splitlines()]
    assert [reference.open_sealed(key, b"", data).decode() for data in sealed] == texts
    # Again, with one more: what is sealed stays as it is.
    code, again, _ = migrate(python, out + old("new") + "\n")
    assert code == 0 and again.splitlines()[:4] == out.splitlines() and len(again.splitlines()) == 5


@pytest.mark.parametrize("bad", ["!", "", base64.b64encode(b"x" * 15).decode(), base64.b64encode(b"x" * 32).decode()])
def test_nothing_is_written_where_a_line_does_not_open(python, bad):
    code, out, err = migrate(python, f"{old('one')}\n{bad}\n{old('three')}\n")
    assert code == 1 and out == "" and "these lines do not open" in err and err.rstrip().endswith(": 2")


def test_without_the_originals_keys_nothing_opens(python):
    code, out, err = migrate(python, old("one") + "\n", AES_KEY="another key of thirty-two bytes!")
    assert (code, out) == (1, "") and err.rstrip().endswith(": 1")
