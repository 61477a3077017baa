"""The original program, "Secure Flask API", on Sealgate: Flask serves, Sealgate does tokens, encryption, limits and masking.

    pip install ./bindings/python flask
    python3 examples/python/flask_app.py                              http://127.0.0.1:5000
    gunicorn --preload --workers 4 --chdir examples/python flask_app:app

Keys, limits and the other settings come from the environment, as with `sealgate serve`: JWT_SECRET_KEY, AES_KEY, AES_IV,
RATE_LIMIT_WINDOW, MAX_REQUESTS. Without keys, those of the server's key ring are used, and its tokens and data with them.
Requests are counted in each worker process by itself. Each is a line on the terminal and, with SEALGATE_LOG_FILE, in a file.

Like the original's, its /login gives a token to anybody. With ACCOUNTS=1 it wants the password of an account (`sealgate user add`),
and slows down addresses that guess: behind a proxy, have werkzeug's ProxyFix set `request.remote_addr`.
"""

import logging
import os
import sys

from flask import Flask, Response, g, jsonify, request
from flask.typing import ResponseReturnValue

from sealgate import SealgateError, decrypt_data, default_gate, encrypt_data, enforce_rate_limit, mask_data, verify_token

ACCOUNTS = os.environ.get("ACCOUNTS", "0") != "0"
CONFIDENTIAL = os.environ.get("SEALGATE_SECURE_DATA", "This is confidential data.")

app = Flask(__name__)
handlers: "list[logging.Handler]" = [logging.StreamHandler()]
if os.environ.get("SEALGATE_LOG_FILE"):
    handlers.append(logging.FileHandler(os.environ["SEALGATE_LOG_FILE"]))
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", handlers=handlers)
logging.getLogger("werkzeug").setLevel(logging.WARNING)  # our own lines have the masked user too
log = logging.getLogger("flask_app")


@app.errorhandler(SealgateError)
def refused(error: SealgateError) -> ResponseReturnValue:
    """One answer for all that can be refused: 401, 429 or 400, with a sentence."""
    if error.http_status == 500:
        log.error("%s (%s)", error, error.code)
        return jsonify({"error": "The server failed."}), 500
    answer = jsonify({"error": str(error)})
    if error.http_status == 429:
        answer.headers["Retry-After"] = str(int(getattr(error, "retry_after", 0)) + 1)
    return answer, error.http_status


def caller() -> str:
    """The user of the request's token, if it may go on."""
    user = g.user = verify_token(request).subject
    enforce_rate_limit(user)
    return user


@app.after_request
def logged(response: Response) -> Response:
    """A line for each request: when, from where, by whom. `repr` keeps what a client sends from forging lines."""
    user = mask_data(g.user) if "user" in g else "-"
    log.info("%s %r from %s by %r: %s", request.method, request.path, request.remote_addr, user, response.status_code)
    return response


def body() -> "dict[str, object]":
    given = request.get_json(silent=True)
    return given if isinstance(given, dict) else {}


@app.get("/")
def index() -> ResponseReturnValue:
    return jsonify({"message": "Welcome to the Secure Flask API!", "endpoints": ["/login", "/secure-data", "/decrypt"]})


@app.post("/login")
def login() -> ResponseReturnValue:
    username = body().get("username")
    if not isinstance(username, str) or not username:
        return jsonify({"error": "Username is required!"}), 400
    if not ACCOUNTS:
        return jsonify({"token": default_gate().issue_token(username)})
    password = body().get("password")
    if not isinstance(password, str):
        return jsonify({"error": "Password is required!"}), 400
    return jsonify({"token": default_gate().log_in(username, password, source=request.remote_addr or "").token})


@app.get("/secure-data")
def secure_data() -> ResponseReturnValue:
    caller()
    return jsonify({"encrypted_data": encrypt_data(CONFIDENTIAL)})


@app.post("/decrypt")
def decrypt() -> ResponseReturnValue:
    caller()
    encrypted = body().get("encrypted_data") or body().get("data")
    if not isinstance(encrypted, str):
        return jsonify({"error": "Encrypted data is required!"}), 400
    try:
        return jsonify({"decrypted_data": decrypt_data(encrypted)})
    except UnicodeDecodeError:
        return jsonify({"error": "The data is not text."}), 400


if __name__ == "__main__":
    from werkzeug.serving import make_server

    default_gate()  # wrong settings stop it here, and not at the first request
    server = make_server("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 5000, app, threaded=True)
    print(f"port {server.port}", flush=True)
    server.serve_forever()
