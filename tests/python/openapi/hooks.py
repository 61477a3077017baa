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
    if not positive or response.status_code != 400:
        return
    problem = response.json()["type"].rpartition(":")[2]
    path, body = case.operation.path, case.body
    if path in ("/decrypt", "/rewrap"):
        assert problem == "decrypt_failed", f"{problem}: {body}"
    elif path == "/password":
        assert problem == "weak_password", f"{problem}: {body}"
    else:
        # A scope that the account or the login does not have, or no password where there are accounts.
        assert path in ("/login", "/refresh") and problem == "bad_member", f"{problem}: {body}"
        assert "scope" in body or (path == "/login" and "password" not in body), f"{problem}: {body}"
