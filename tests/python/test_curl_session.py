"""The usage that the original's documentation shows keeps working as written, with the real curl."""

import json
import re
import shlex
import shutil
import subprocess

import jwt
import pytest

from doors import PATIENCE, eventually, load

SECRET = load("tokens.json")["jwt_secret_key"]
CONFIDENTIAL = "The confidential text of the session"

LOGIN = (
    """curl -X POST http://127.0.0.1:5000/login -H "Content-Type: application/json" -d '{"username": "test_user"}'"""
)
SECURE_DATA = """curl -X GET http://127.0.0.1:5000/secure-data -H "Authorization: Bearer <jwt_token>\""""
DECRYPT = (
    """curl -X POST http://127.0.0.1:5000/decrypt -H "Authorization: Bearer <jwt_token>" """
    """-H "Content-Type: application/json" -d '{"encrypted_data": "<base64_encoded_encrypted_data>"}'"""
)


@pytest.fixture(
    scope="module",
    params=[{}, {"AES_KEY": "thirty-two bytes as in the seed!", "AES_IV": "an IV of 16 byte"}],
    ids=["keys made at the first start", "keys of the original"],
)
def server(serve, tmp_path_factory, request):
    log = tmp_path_factory.mktemp("log") / "sealgate.log"
    keys = request.param | ({"JWT_SECRET_KEY": SECRET} if request.param else {})
    return serve(**keys, SEALGATE_SECURE_DATA=CONFIDENTIAL, SEALGATE_LOG_FILE=log)


def curl(server, command, **values):
    """Runs a documented command; the port and what stands in angle brackets are replaced, nothing else."""
    assert shutil.which("curl"), "this test needs curl"
    command = command.replace("127.0.0.1:5000", f"127.0.0.1:{server.port}")
    for name, value in values.items():
        command = command.replace(f"<{name}>", value)
    assert "<" not in command
    ended = subprocess.run(shlex.split(command), capture_output=True, timeout=PATIENCE, check=True)
    return json.loads(ended.stdout)


def test_the_session_as_written(server):
    token = curl(server, LOGIN)["token"]
    assert jwt.decode(token, options={"verify_signature": False})["username"] == "test_user"
    encrypted = curl(server, SECURE_DATA, jwt_token=token)["encrypted_data"]
    answer = curl(server, DECRYPT, jwt_token=token, base64_encoded_encrypted_data=encrypted)
    assert answer == {"decrypted_data": CONFIDENTIAL}

    for path in ("/login", "/secure-data", "/decrypt"):
        eventually(lambda path=path: f"path={path} status=200" in log_of(server))
    for text in (log_of(server), terminal_of(server)):
        for secret in (token, token.split(".")[2], encrypted, CONFIDENTIAL, SECRET, "test_user"):
            assert secret not in text


def log_of(server):
    return server.settings["SEALGATE_LOG_FILE"].read_text(encoding="utf-8")


def terminal_of(server):
    return server.err.read_text(encoding="utf-8")


def test_the_welcome_lists_the_endpoints(server):
    welcome = curl(server, "curl http://127.0.0.1:5000/")
    assert "Welcome" in welcome["message"]
    listed = {(endpoint["method"], endpoint["path"]) for endpoint in welcome["endpoints"]}
    assert {("GET", "/"), ("POST", "/login"), ("GET", "/secure-data"), ("POST", "/decrypt")} <= listed


def test_every_request_is_logged_with_its_time_and_origin_in_the_file_and_on_the_terminal(server):
    curl(server, "curl http://127.0.0.1:5000/no-such-path")
    line = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.* peer=127\.0\.0\.1 .*status=404\b", re.MULTILINE)
    for read in (log_of, terminal_of):
        eventually(lambda read=read: line.search(read(server)))


def test_the_servers_own_first_words_work_when_typed(server):
    """The start-up lines end with a command to try."""
    typed = eventually(lambda: re.search(r"^  (curl .*)\n", server.greeting(), re.MULTILINE))[1]
    ended = subprocess.run(shlex.split(typed), capture_output=True, timeout=PATIENCE, check=True)
    assert json.loads(ended.stdout)["token"].count(".") == 2
