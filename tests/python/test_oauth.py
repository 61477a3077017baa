"""OAuth 2.0 clients of others, as their documentation has them used: Authlib, requests-oauthlib and openid-client; the examples of
docs/oauth.md; and clients from Python."""

import json
import os
import re
import socket
import sqlite3
import subprocess
from pathlib import Path

import jwt
import pytest

import sealgate
from doors import PATIENCE, Command, Server, clean_environment, load, named

authlib = pytest.importorskip("authlib.integrations.requests_client", reason="Authlib needs Python 3.10")
import oauthlib.oauth2
import requests_oauthlib
from authlib.integrations.base_client.errors import OAuthError

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "a quiet harbour"
FREE = {
    "SEALGATE_PASSWORD_MEMORY": 1024,
    "SEALGATE_PASSWORD_PASSES": 1,
    "SEALGATE_LOGIN_MAX_REQUESTS": 0,
    "MAX_REQUESTS": 0,
}


class Place:
    """A server with the user alice and the client shop."""

    def __init__(self, server):
        self.server = server
        self.url = f"http://127.0.0.1:{server.port}"
        self.command = Command(server.arguments[0], server.folder)
        self.secret = self.add("shop", "encrypt decrypt introspect")
        self.command("user", "add", "alice", stdin=PASSWORD + "\n", **FREE).succeeded()

    def add(self, client, scopes):
        return self.command("client", "add", client, "--scopes", scopes).succeeded().decode().strip()

    def log_in(self):
        return self.server.post("/login", {"username": "alice", "password": PASSWORD}).ok()["refresh_token"]

    def is_good(self, token):
        return self.server.get("/verify", token=token).status == 204


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def place(binary, tmp_path_factory):
    """Its issuer is its address, so the port has to be known before it starts."""
    for _ in range(5):
        port = free_port()
        issuer = f"http://127.0.0.1:{port}"
        settings = FREE | {"SEALGATE_ISSUER": issuer, "SEALGATE_TOKEN_ALGORITHM": "EdDSA"}
        server = Server(binary, tmp_path_factory.mktemp("oauth"), settings)
        server.arguments = (binary, "serve", "--listen", f"127.0.0.1:{port}")
        try:
            server.__enter__()
        except AssertionError:  # somebody else was given the port meanwhile
            continue
        break
    else:
        pytest.fail("no free port")
    yield Place(server)
    server.__exit__(None, None, None)


@pytest.fixture(autouse=True)
def without_tls(monkeypatch):
    """oauthlib refuses http unless this variable is set."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib(place, method):
    session = authlib.OAuth2Session("shop", place.secret, scope="encrypt", token_endpoint_auth_method=method)
    token = session.fetch_token(f"{place.url}/token", grant_type="client_credentials")
    assert (token["token_type"], token["scope"], "refresh_token" in token) == ("Bearer", "encrypt", False)
    # The session sends it along.
    sealed = session.post(f"{place.url}/encrypt", json={"data": "meet me at noon"})
    assert sealed.status_code == 200, sealed.text
    about = session.introspect_token(f"{place.url}/introspect", token=token["access_token"]).json()
    assert (about["active"], about["client_id"], about["scope"]) == (True, "shop", "encrypt")
    assert session.revoke_token(f"{place.url}/revoke", token=token["access_token"]).status_code == 200
    assert not place.is_good(token["access_token"])

    first = place.log_in()
    second = session.refresh_token(f"{place.url}/token", refresh_token=first)
    assert place.is_good(second["access_token"]) and second["refresh_token"] != first
    with pytest.raises(OAuthError) as reused:
        session.refresh_token(f"{place.url}/token", refresh_token=first)
    assert reused.value.error == "invalid_grant" and not place.is_good(second["access_token"])
    for secret, scope, error in [("wrong", "", "invalid_client"), (place.secret, "admin", "invalid_scope")]:
        other = authlib.OAuth2Session("shop", secret, scope=scope, token_endpoint_auth_method=method)
        with pytest.raises(OAuthError) as refused:
            other.fetch_token(f"{place.url}/token", grant_type="client_credentials")
        assert refused.value.error == error


def test_requests_oauthlib(place):
    def session(scope=None):
        return requests_oauthlib.OAuth2Session(client=oauthlib.oauth2.BackendApplicationClient("shop", scope=scope))

    fetch = {"token_url": f"{place.url}/token", "client_id": "shop"}
    for more in [{}, {"include_client_id": True}]:
        ours = session("encrypt decrypt")
        token = ours.fetch_token(**fetch, client_secret=place.secret, **more)
        assert (token["token_type"], token["scope"]) == ("Bearer", ["encrypt", "decrypt"])
        sealed = ours.post(f"{place.url}/encrypt", json={"data": "meet me at noon"}).json()
        opened = ours.post(f"{place.url}/decrypt", json=sealed).json()
        assert opened == {"decrypted_data": "meet me at noon"}

    user = requests_oauthlib.OAuth2Session("shop", token={"access_token": "x", "token_type": "Bearer"})
    first = place.log_in()
    refreshed = user.refresh_token(f"{place.url}/token", refresh_token=first)
    assert place.is_good(refreshed["access_token"]) and refreshed["refresh_token"] != first
    assert user.get(f"{place.url}/verify").status_code == 204
    with pytest.raises(oauthlib.oauth2.InvalidGrantError):
        user.refresh_token(f"{place.url}/token", refresh_token=first)
    with pytest.raises(oauthlib.oauth2.InvalidClientError):
        session().fetch_token(**fetch, client_secret="wrong")
    with pytest.raises(oauthlib.oauth2.InvalidScopeError):
        session("admin").fetch_token(**fetch, client_secret=place.secret)


def test_openid_client_finds_everything_by_the_metadata(place):
    modules = Path(os.environ.get("SEALGATE_NODE_MODULES", ROOT / "target" / "node")).resolve()
    if not (modules / "node_modules" / "openid-client").is_dir():
        pytest.fail(f"no openid-client: scripts/node-modules {modules} tests/python/package.json", pytrace=False)
    script = Path(__file__).with_name("openid_client.mjs")
    ended = subprocess.run(
        ["node", script, modules, place.url, "shop", place.log_in()],
        env=os.environ | {"CLIENT_SECRET": place.secret},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    for way in ("basic", "post"):
        got = found[way]
        assert got["type"] == "bearer" and 1700 < got["expires"] <= 1800
        assert (got["before"]["active"], got["before"]["client_id"]) == (True, "shop")
        assert got["after"] == {"active": False}
        assert not place.is_good(got["token"])
    assert found["refreshed"]["again"] == "string"
    # Of a 401 this library reports the challenge, which RFC 9110 requires.
    assert found["errors"] == ["OAUTH_WWW_AUTHENTICATE_CHALLENGE", "invalid_grant"]
    assert found["metadata"]["issuer"] == place.url
    # Public keys, by which others check the tokens.
    keys = jwt.PyJWKClient(found["metadata"]["jwks_uri"])
    key = keys.get_signing_key_from_jwt(found["basic"]["token"])
    claims = jwt.decode(found["basic"]["token"], key, algorithms=["EdDSA"], issuer=place.url)
    assert (claims["sub"], claims["client_id"], claims["scope"]) == ("shop", "shop", "encrypt")


def examples():
    page = (ROOT / "docs" / "oauth.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("number", range(2))
def test_the_examples_of_the_page_run(place, number):
    code = examples()[number].replace("https://auth.example.com", place.url)
    settings = {"CLIENT_SECRET": place.secret, "REFRESH_TOKEN": place.log_in(), "OAUTHLIB_INSECURE_TRANSPORT": "1"}
    ended = subprocess.run(
        [os.sys.executable, "-B", "-c", code],
        env=clean_environment(place.server.folder, settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "meet me at noon" in ended.stdout


def test_the_page_has_no_other_examples():
    assert len(examples()) == 2


@pytest.fixture(scope="module")
def of_the_standards(serve):
    """A server with the client of RFC 6749, whose secret is too short for any that is generated."""
    vectors = load("oauth.json")
    server = serve(**FREE)
    command = Command(server.arguments[0], server.folder)
    command("client", "add", vectors["client_id"], "--scopes", "introspect").succeeded()
    with sqlite3.connect(server.folder / "state" / "store.db") as store:
        hash = bytes.fromhex(vectors["secret_hash_hex"])
        store.execute("UPDATE accounts SET hash = ? WHERE name = ?", (hash, vectors["client_id"]))
    store.close()
    return server


@pytest.mark.parametrize("vector", named(load("oauth.json")["vectors"]))
def test_the_examples_of_the_standards(of_the_standards, vector):
    headers = {"Authorization": vector["authorization"]} if vector["authorization"] else {}
    reply = of_the_standards.request("POST", vector["path"], form=vector["body"], headers=headers)
    assert (reply.status, reply.json().get("error")) == (vector["status"], vector.get("error"))


# From Python


@pytest.fixture
def gate():
    with sealgate.Gate(keys="ephemeral", token_cache=0) as gate:
        yield gate


def test_a_client_gets_tokens_for_itself(gate):
    secret = gate.add_client("shop", scope=["encrypt", "decrypt"])
    assert re.fullmatch("[A-Za-z0-9_-]{43}", secret)
    claims = gate.verify_token(gate.client_token("shop", secret, scope="decrypt"))
    assert (claims.subject, claims.scopes) == ("shop", ("decrypt",))
    assert gate.verify_token(gate.client_token("shop", secret)).scopes == ("encrypt", "decrypt")
    gate.add_user("alice", PASSWORD)
    for name, wrong in [("shop", "wrong"), ("shop", ""), ("nobody", secret), ("alice", PASSWORD)]:
        with pytest.raises(sealgate.LoginFailedError):
            gate.client_token(name, wrong)
    with pytest.raises(sealgate.LoginFailedError):
        gate.log_in("shop", secret)
    with pytest.raises(sealgate.InvalidArgumentError):
        gate.client_token("shop", secret, scope="admin")


def test_clients_are_changed_and_listed(gate):
    secrets = {name: gate.add_client(name, scope="") for name in ("till", "shop")}
    shop, till = gate.clients()
    assert (shop.id, shop.scopes, shop.disabled, till.id) == ("shop", (), False, "till")
    assert till.created > 1_700_000_000
    for taken in ("shop", "till"):
        with pytest.raises(sealgate.UserExistsError):
            gate.add_client(taken)
    for wrong in ("", "caf\u00e9", "a\nb"):
        with pytest.raises(sealgate.InvalidNameError):
            gate.add_client(wrong)
    gate.set_client_scope("shop", ["encrypt"])
    new = gate.renew_client_secret("shop")
    token = gate.client_token("shop", new)
    with pytest.raises(sealgate.LoginFailedError):
        gate.client_token("shop", secrets["shop"])
    gate.disable_client("shop")
    assert [client.disabled for client in gate.clients()] == [True, False]
    with pytest.raises(sealgate.TokenRevokedError):
        gate.verify_token(token)
    gate.enable_client("shop")
    gate.client_token("shop", new)
    gate.remove_client("shop")
    gate.add_user("alice", PASSWORD)
    for change in (gate.remove_client, gate.disable_client, gate.enable_client, gate.renew_client_secret):
        for name in ("shop", "alice"):
            with pytest.raises(sealgate.NotFoundError):
                change(name)
    assert [client.id for client in gate.clients()] == ["till"]


def test_any_number_of_clients_is_listed(gate):
    names = [f"client-{number:04}" for number in range(1001)]
    for name in names:
        gate.add_client(name, scope="")
    assert [client.id for client in gate.clients()] == names
