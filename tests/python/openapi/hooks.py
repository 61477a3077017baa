"""What schemathesis has to know of this server beyond openapi.json."""

import json
import os
import urllib.request

import schemathesis


@schemathesis.auth(refresh_interval=None)
class Token:
    """The token of the environment. One that is logged out is good for nothing afterwards, so each logout gets its own."""

    def get(self, case, context):
        if case.operation.path == "/logout":
            return log_in(case.operation.base_url)
        return os.environ["SEALGATE_TOKEN"]

    def set(self, case, data, context):
        # A token authenticates no OAuth 2.0 client.
        if case.operation.path in ("/token", "/revoke"):
            return
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


def log_in(url):
    login = json.dumps({"username": "alice", "password": "a quiet harbour"}).encode()
    request = urllib.request.Request(f"{url}/login", login, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["token"]


@schemathesis.check
def only_contents_are_refused(context, response, case):
    """A body of the right form is refused only for what it says."""
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    if not positive or response.status_code != 400 or case.method.upper() == "HEAD":
        return
    path, body = case.operation.path, case.body
    if path in ("/token", "/revoke"):
        error = response.json()["error"]
        incomplete = "client_secret" in body or body.get("grant_type") == "refresh_token"
        assert error == "invalid_grant" or (error == "invalid_request" and incomplete), f"{error}: {body}"
        return
    problem = response.json()["type"].rpartition(":")[2]
    if path in ("/decrypt", "/rewrap"):
        assert problem == "decrypt_failed", f"{problem}: {body}"
    elif path == "/api-keys" and case.method == "POST":
        # A scope that the token or the account does not have, an owner without an account, a time that is too far away.
        assert problem == "bad_member", f"{problem}: {body}"
        assert {"scope", "owner", "expires_in"} & set(body), f"{problem}: {body}"
    elif path in ("/limit", "/limit/reset"):
        # A policy that this server does not have.
        assert problem == "bad_member" and body.get("policy", "default") != "default", f"{problem}: {body}"
    elif path.startswith("/verify"):
        # The same, or a cost without a policy.
        wanted = case.query.get("policy", case.query.get("cost")) if path == "/verify" else case.path_parameters["limit"]
        assert problem == "bad_request" and wanted not in (None, "-"), f"{problem}: {case.query}"
    elif path == "/admin/v1/limits/reset":
        # A policy that this server does not have, or an API key without a limit.
        assert problem == "bad_member" and (body["policy"] != "default" or body["kind"] == "api-key"), f"{problem}: {body}"
    elif path.startswith("/admin/") and "password" in (body or {}):
        # What passwords, names, scopes and claims may be.
        assert problem in ("weak_password", "invalid_name", "bad_member"), f"{problem}: {body}"
    elif path.startswith("/admin/"):
        assert problem in ("bad_member", "invalid_name") and {"name", "scopes", "claims", "owner", "expires_at", "expires_in"} & set(body or {}), f"{problem}: {body}"
    elif path == "/password":
        assert problem == "weak_password", f"{problem}: {body}"
    else:
        # A scope that the account or the login does not have, or no password where there are accounts.
        assert path in ("/login", "/refresh") and problem == "bad_member", f"{problem}: {body}"
        assert "scope" in body or (path == "/login" and "password" not in body), f"{problem}: {body}"
