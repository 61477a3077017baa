"""The package as type checkers see it: strict mypy and pyright find nothing in it, nor in what uses it rightly."""

import subprocess
import sys

import pytest

from conftest import PACKAGE, ROOT
from doors import PATIENCE

USERS_SCRIPT = """
import logging
import os
from typing import Optional

import sealgate
import sealgate.asgi
import sealgate.wsgi
from flask import Flask
from fastapi import FastAPI, Security
from sealgate.fastapi import Bearer, Limit, install
from sealgate.flask import Sealgate, current_claims, limit, require_scope, require_token
from typing import Annotated
from sealgate import Claims, Config, Gate, Request, Response, SealgateError, Server, TokenError

config = Config({"token_ttl": 300, "aes_key": b"x" * 32}, environment=True, file=os.environ["FILE"], keys="ephemeral")

with Gate(config) as gate, Gate({"keys": "ephemeral"}) as other:
    token: str = gate.issue_token("alice", scope=["orders"], ttl=60)
    claims: Claims = gate.verify_token(token)
    token = gate.issue_token("alice", claims={"department": "ops", "level": 3}, audience="billing", not_before=1)
    department: str = gate.verify_token(token, audience="billing")["department"]
    gate.add_user("alice", "a long enough secret", claims={"department": department})
    gate.set_user_claims("alice", {**gate.user_claims("alice"), "level": [1, None]})
    user: str = claims["sub"]
    times: "tuple[int, Optional[str]]" = (claims.expires_at, claims.id)
    text: str = gate.encrypt(memoryview(b"x"), context="a")
    data: bytes = gate.decrypt(text, b"a")
    size: int = gate.open_into(gate.seal(bytearray(3)), bytearray(3)) + sealgate.OVERHEAD
    if (admission := gate.admit("alice")).allowed:
        left: Optional[int] = admission.remaining
    window: Optional[float] = gate.peek("alice", policy="default", cost=2).window
    counted: bool = gate.reset_limit("alice")
    try:
        other.open(data)
    except TokenError as refused:
        print(refused.code, refused.http_status)
    except (SealgateError, ValueError) as error:
        print(error)

with Gate(config) as gate:
    ids: "list[Optional[str]]" = [key.id for key in gate.list_keys() if key.newest]
    new: sealgate.NewKeys = gate.rotate_keys(token=False, grace=60)
    names: "list[str]" = [user.name for user in gate.list_users() if not user.disabled]
    sessions: "tuple[sealgate.UserSession, ...]" = gate.list_sessions("alice")
    ended: str = gate.end_session(sessions[0].id)
    gate.change_password("alice", "a quiet harbour", "a stormy harbour", source="192.0.2.1")
    contents: sealgate.BackupContents = sealgate.back_up(os.environ["FILE"], config, passphrase="correct horse battery")

server = Server(gate, listen="127.0.0.1:0", workers=2)


@server.route("GET", "/orders/{id}", scope="orders", limited=True)
def order(request: Request) -> Response:
    return Response(request.parameter("id"), 200, {"X-User": request.user})


@server.route("POST", "/json")
def answer(request: Request) -> "dict[str, int]":
    return {"size": len(request.body)}


@server.route("POST", "/pair")
def pair(request: Request) -> "tuple[str, int]":
    return request.headers.get("X", "none") or "", 201


@server.route("get", "/missing")
def missing(request: Request) -> str:
    raise sealgate.HTTPError(404, request.remote_addr + request.id, {"X-A": "b"})


@server.authenticate
def check_from(username: str, password: str, address: str) -> bool:
    return address != "unix"


@server.authenticate
def check(username: str, password: str) -> "Optional[list[str]]":
    return ["orders"] if username == password else None


@server.secure_data
def confidential() -> str:
    return "x"


flask_app = Flask("shop")
extension: Gate = Sealgate(flask_app, gate).gate


@flask_app.get("/orders/<int:number>")
@require_scope(["orders"])
@limit(by=lambda: "all")
def flask_order(number: int) -> "dict[str, object]":
    return {"of": current_claims().subject, "order": number}


@require_token
async def asynchronous() -> str:
    return "x"


fastapi_app = FastAPI()
install(fastapi_app)
fastapi_app.add_middleware(sealgate.asgi.TokenMiddleware, gate, public=["/"], required=False)
bearer = Bearer(gate, scope="a b", limited=True)
by_address = Limit(gate, by=lambda request: request.client.host if request.client else "")


@fastapi_app.get("/orders")
async def fastapi_orders(claims: Annotated[Claims, Security(bearer, scopes=["orders"])]) -> str:
    return claims.subject


flask_app.wsgi_app = sealgate.wsgi.TokenMiddleware(flask_app.wsgi_app, gate, scope="a")  # type: ignore[method-assign]

with server as running:
    running.serve_forever(drain=1.5)
sealgate.start_logging(logging.INFO, lambda level, name, line: None)
masked: str = sealgate.mask_data("x", 1)
original: str = sealgate.decrypt_data(sealgate.encrypt_data("x"))
"""

WRONG = """
from sealgate import Gate, Server

gate = Gate(keys="ephemeral")
number: int = gate.encrypt("x")
gate.issue_token(7)
gate.no_such_method()
Server(listen="127.0.0.1:0")


@Server(gate).authenticate
def check(username: str) -> bool:
    return True
"""


def run(folder, *command):
    # Or pyright looks for Flask and FastAPI where another Python has its packages.
    where = ["--pythonpath", sys.executable] if command[0] == "pyright" else []
    ended = subprocess.run(
        [sys.executable, "-m", *command, *where], cwd=folder, capture_output=True, text=True, timeout=5 * PATIENCE, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture
def project(tmp_path):
    """A user's project with the package as it is installed: by its folder, with py.typed."""
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nstrict = True\nmypy_path = {PACKAGE}\ncache_dir = {tmp_path / 'cache'}\n")
    (tmp_path / "pyrightconfig.json").write_text(f'{{"typeCheckingMode": "strict", "extraPaths": ["{PACKAGE}"]}}')
    return tmp_path


def test_a_users_script_is_clean_in_strict_mypy_and_pyright(project):
    (project / "script.py").write_text(USERS_SCRIPT)
    assert run(project, "mypy", "script.py")[0] == 0, run(project, "mypy", "script.py")
    assert run(project, "pyright", "script.py")[0] == 0, run(project, "pyright", "script.py")


def test_mistakes_are_found(project):
    (project / "script.py").write_text(WRONG)
    code, said = run(project, "mypy", "script.py")
    assert code == 1 and "Found 5 errors" in said, said
    code, said = run(project, "pyright", "script.py")
    assert code == 1 and [f":{line}:" in said for line in (5, 6, 7, 8, 11)] == [True] * 5, said


def test_the_package_and_its_examples_are_clean_themselves(project):
    config = PACKAGE / "pyproject.toml"
    examples = sorted((ROOT / "examples" / "python").glob("*.py"))
    code, said = run(project, "mypy", "--strict", "--cache-dir", project / "cache", PACKAGE / "sealgate", *examples)
    assert code == 0, said
    code, said = run(project, "pyright", "--project", config)
    assert code == 0, said
