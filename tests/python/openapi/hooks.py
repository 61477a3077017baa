"""What schemathesis has to know of this server beyond openapi.json."""

import json
import os
import urllib.request

import schemathesis

TOKEN = os.environ["SEALGATE_TOKEN"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """A token that is logged out is good for nothing afterwards, so each logout takes a new one."""
    if case.operation.path == "/logout" and (case.headers or {}).get("Authorization") == f"Bearer {TOKEN}":
        case.headers["Authorization"] = f"Bearer {log_in(case.operation.base_url)}"


def log_in(url):
    login = json.dumps({"username": "alice", "password": "a quiet harbour"}).encode()
    request = urllib.request.Request(f"{url}/login", login, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["token"]


@schemathesis.check
def only_contents_are_refused(context, response, case):
    """A body of the right form is not refused for its form: only for what it says."""
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    if not positive or response.status_code != 400:
        return
    problem = response.json()["type"].rpartition(":")[2]
    contents = {"/decrypt": "decrypt_failed", "/rewrap": "decrypt_failed", "/login": "bad_member"}
    assert problem == contents.get(case.operation.path), f"{problem}: {case.body}"
    assert case.operation.path != "/login" or "scope" in case.body, case.body
