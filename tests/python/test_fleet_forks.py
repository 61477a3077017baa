"""gunicorn --preload with a shared store: workers use it, and the parent's connections stay the parent's."""

import json
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from conftest import ROOT
from doors import PATIENCE
from test_package_examples import OURS, FlaskApp

sys.path.insert(0, str(ROOT / "benches" / "fleet"))
import measure  # noqa: E402

WORKERS = 3
APP = """
import os, threading, time
from flask import Flask, jsonify, request
import sealgate

PASSWORD = "correct horse battery staple"
settings = {name: os.environ["SEALGATE_" + name.upper()] for name in ("store", "ring_key", "data_dir")}
gate = sealgate.Gate(settings, password_memory=1024, password_passes=1, password_lanes=1)
gate.add_user("alice", PASSWORD, "encrypt")
token = gate.log_in("alice", PASSWORD).token
parent = os.getpid()
app = Flask(__name__)

def go_on_in_the_parent():
    while True:
        try:
            gate.log_in("alice", PASSWORD)
            gate.verify_token(token)
            line = "ok"
        except Exception as error:
            line = repr(error)
        with open("parent", "a") as file:
            file.write(line + "\\n")
        time.sleep(0.02)

threading.Thread(target=go_on_in_the_parent, daemon=True).start()
while not os.path.exists("parent"):
    time.sleep(0.01)

@app.get("/work")
def work():
    user = request.args["user"]
    assert os.getpid() != parent
    gate.verify_token(token)
    gate.add_user(user, PASSWORD, "encrypt")
    tokens = gate.log_in(user, PASSWORD)
    gate.verify_token(gate.refresh(tokens.refresh_token).token)
    gate.remove_user(user)
    try:
        gate.verify_token(tokens.token)
        return jsonify({"error": "still accepted"}), 500
    except sealgate.TokenError:
        return jsonify({"process": os.getpid()})
"""


class Preloaded(FlaskApp):
    exit_code = 0
    ready = r"Listening at: http://127\.0\.0\.1:(\d+)"

    def __init__(self, folder, settings):
        super().__init__(folder, settings)
        words = f"-m gunicorn --preload --workers {WORKERS} --threads 2 --bind 127.0.0.1:0 --chdir {folder} preloaded:app"
        self.arguments = (sys.executable, *words.split())

    def greeting(self):
        return self.err.read_text()


@pytest.fixture(scope="module")
def database():
    with tempfile.TemporaryDirectory(prefix="sealgate-forks-", dir="/tmp") as folder:
        server = measure.Server(Path(folder), {"fsync": "off"})
        try:
            yield server
        finally:
            server.stop()


def connections(database):
    """The process of each connection, and when it was made."""
    sql = "SELECT pid, backend_start FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid()"
    return set(database.run("psql", *database.connection(), "-Atc", sql).split("\n")) - {""}


def test_workers_of_a_preloaded_application_leave_its_connections_alone(database, tmp_path):
    (tmp_path / "preloaded.py").write_text(APP)
    settings = OURS | {
        "SEALGATE_STORE": f"postgres://bench@{quote(str(database.directory), safe='')}/postgres",
        "SEALGATE_RING_KEY": "hex:" + "5a" * 32,
        "SEALGATE_DATA_DIR": str(tmp_path / "state"),
    }
    with Preloaded(tmp_path, settings) as site:
        before = connections(database)
        assert before

        def work(number):
            with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/work?user=user-{number}", timeout=PATIENCE) as answer:
                return json.load(answer)["process"]

        processes = set()
        number = 0
        end = time.monotonic() + PATIENCE
        with ThreadPoolExecutor(6) as pool:
            while len(processes) < WORKERS:
                assert time.monotonic() < end, processes
                processes.update(pool.map(work, range(number, number + 12)))
                number += 12
        after = connections(database)
        # The parent has not lost one, and each worker has its own.
        assert before <= after
        assert len(after - before) >= WORKERS
        lines = (tmp_path / "parent").read_text().splitlines()
    assert len(lines) > 2 and set(lines) == {"ok"}, lines[-3:]
    assert "ERROR" not in site.err.read_text()
