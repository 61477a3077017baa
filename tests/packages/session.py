"""Starts a server and holds the session of the original program's documentation with curl: session.py [--user N] COMMAND..."""

import json
import os
import subprocess
import sys
import time


def curl(*arguments):
    ended = subprocess.run(["curl", "-sS", "--max-time", "60", *arguments], stdout=subprocess.PIPE, check=True)
    return json.loads(ended.stdout)


def session(base="http://127.0.0.1:5000"):
    as_json = ("-H", "Content-Type: application/json")
    token = curl("-X", "POST", f"{base}/login", *as_json, "-d", '{"username": "test_user"}')["token"]
    bearer = ("-H", f"Authorization: Bearer {token}")
    encrypted = curl("-X", "GET", f"{base}/secure-data", *bearer)["encrypted_data"]
    body = json.dumps({"encrypted_data": encrypted})
    answer = curl("-X", "POST", f"{base}/decrypt", *bearer, *as_json, "-d", body)
    assert answer["decrypted_data"].startswith("This is the confidential data"), answer


def until_ready(server, base="http://127.0.0.1:5000"):
    end = time.monotonic() + 120
    while subprocess.run(["curl", "-sf", "-o", "/dev/null", f"{base}/readyz"], check=False).returncode:
        assert server.poll() is None, "the server has ended"
        assert time.monotonic() < end, "the server is not ready after two minutes"
        time.sleep(0.1)


def main(arguments):
    user = None
    if arguments[0] == "--user":
        user, arguments = int(arguments[1]), arguments[2:]
        home = "/tmp/session"
        os.makedirs(home, exist_ok=True)
        os.chown(home, user, user)
        # Without accounts, only programs of the same user may log in.
        os.setgid(user)
        os.setuid(user)
        os.environ["HOME"] = home
    server = subprocess.Popen(arguments)
    try:
        until_ready(server)
        session()
    finally:
        server.terminate()
    assert server.wait(timeout=60) == 0
    print("session held")


if __name__ == "__main__":
    main(sys.argv[1:])
