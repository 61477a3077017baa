"""Measures real servers with a shared store: `make bench-nodes`. A private PostgreSQL, one server alone with a store of its own,
and NODES that share the PostgreSQL, all on this machine.

nodes.py SEALGATE [NODES=3] [ROUNDS=5] [SECONDS=3] [LOGOUTS=300] [REVOKED=1000000] [PARTS='rate hot revocation start']"""

import http.client
import json
import os
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import quote

import measure

LOAD = measure.HERE.parent / "http" / "load.lua"
USER, PASSWORD = "bench", "correct horse battery staple"
RING_KEY = "hex:" + bytes(range(32)).hex()
CONNECTIONS = (8, 64)
HOT_LIMIT = 10_000  # requests a second of one user


class Node:
    """A server with a data directory of its own, and with a shared store if `store` names one."""

    def __init__(self, program, folder, store=None, **settings):
        folder.mkdir(exist_ok=True)
        self.program, self.port, self.metrics = program, free_port(), free_port()
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "SEALGATE_DATA_DIR": str(folder / "data"),
            "SEALGATE_RING_KEY": RING_KEY, "SEALGATE_LISTEN": f"127.0.0.1:{self.port}", "SEALGATE_LOG_LEVEL": "warn",
            "SEALGATE_METRICS_LISTEN": f"127.0.0.1:{self.metrics}", "MAX_REQUESTS": "0", "SEALGATE_LOGIN_MAX_REQUESTS": "0",
            **({"SEALGATE_STORE": store} if store else {}), **settings,
        }
        self.log = folder / "log"

    def command(self, *words, given=None):
        done = subprocess.run([self.program, *words], env=self.environment, input=given, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise SystemExit(f"sealgate {' '.join(words)}: {done.stderr}")
        return done.stdout

    def add_user(self):
        self.command("user", "add", USER, "--scopes", "secure-data encrypt decrypt", given=PASSWORD + "\n")

    def start(self):
        """Returns how many seconds pass until it is ready."""
        start = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.program, "serve"], env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=end_with_parent)
        while True:
            try:
                if self.ask("GET", "/readyz")[0] == 200:
                    return time.monotonic() - start
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() - start > 60:
                raise SystemExit(f"the server is not ready: {self.log.read_text()}")
            time.sleep(0.01)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def ask(self, method, path, token=None, body=None, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def login(self):
        status, body = self.ask("POST", "/login", body=json.dumps({"username": USER, "password": PASSWORD}))
        if status != 200:
            raise SystemExit(f"no login: {status} {body}")
        return json.loads(body)["token"]

    def counted(self, name):
        """The sum of a counter's series."""
        text = self.ask("GET", "/metrics", port=self.metrics)[1].decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)", text, re.M))

    def memory(self):
        """In MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def end_with_parent():
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def wrk(node, token, connections, seconds):
    """Starts a load of GET /secure-data."""
    environment = {"PATH": os.environ["PATH"], "LOAD_METHOD": "GET", "LOAD_TOKEN": token}
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", LOAD, f"http://127.0.0.1:{node.port}/secure-data"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def result(load):
    """Requests a second, the 99th percentile in milliseconds, and how many requests were refused."""
    printed = load.communicate()[0]
    took, requests, _, p99, refused, broken = map(int, re.search(r"RESULT (.*)", printed)[1].split())
    if broken:
        raise SystemExit(f"{broken} requests failed")
    return requests / took * 1e6, p99 / 1000, refused


def rate(alone, nodes, rounds, seconds, what):
    """One server of the fleet beside the server alone, in turn."""
    tokens = {node: node.login() for node in (alone, nodes[0])}
    for connections in CONNECTIONS:
        found = {alone: [], nodes[0]: []}
        for turn in range(rounds + 1):
            for node in (alone, nodes[0]) if turn % 2 else (nodes[0], alone):
                outcome = result(wrk(node, tokens[node], connections, seconds))
                if outcome[2]:
                    raise SystemExit(f"{outcome[2]} requests were refused")
                if turn:  # the first is to warm up
                    found[node].append(outcome[:2])
        middle = {node: [statistics.median(column) for column in zip(*found[node])] for node in found}
        (one, one_p99), (ours, ours_p99) = middle[alone], middle[nodes[0]]
        print(f"/secure-data, {what}, {connections} connections: {ours:,.0f}/s in a fleet, {one:,.0f}/s alone, ratio "
              f"{ours / one:.3f}; p99 {ours_p99:.2f} and {one_p99:.2f} ms", flush=True)


def hot(nodes, seconds):
    """One user who wants more than the limit at every node: calls of the store, and how much was admitted."""
    token = nodes[0].login()
    for wanting in (1, len(nodes)):
        for load in [wrk(node, token, 2, 2) for node in nodes[:wanting]]:
            result(load)
        name = "sealgate_limiter_store_calls_total"
        before = [node.counted(name) for node in nodes]
        start = time.monotonic()
        loads = [wrk(node, token, 2, seconds) for node in nodes[:wanting]]
        outcomes = [result(load) for load in loads]
        took = time.monotonic() - start
        calls = [(node.counted(name) - was) / took for node, was in zip(nodes, before)]
        asked = sum(outcome[0] for outcome in outcomes)
        admitted = asked - sum(outcome[2] for outcome in outcomes) / took
        print(f"one user, {HOT_LIMIT:,} per second, at {wanting} of {len(nodes)} nodes: {asked:,.0f} requests/s, {admitted:,.0f} admitted; "
              f"calls of the store per second and node: {', '.join(f'{one:.1f}' for one in calls)}", flush=True)


def revocation(nodes, logouts, what):
    """From a logout's answer on one node to its effect on the last one, while all of them are busy."""
    stop = threading.Event()
    busy = nodes[0].login()

    def keep_busy(node):
        while not stop.is_set():
            result(wrk(node, busy, 2, 2))

    threads = [threading.Thread(target=keep_busy, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    delays = []
    try:
        for turn in range(logouts):
            here = nodes[turn % len(nodes)]
            token = here.login()
            for node in nodes:
                status, body = node.ask("GET", "/secure-data", token)
                if status != 200:
                    raise SystemExit(f"a new token is refused: {status} {body}")
            if here.ask("POST", "/logout", token)[0] != 204:
                raise SystemExit("no logout")
            start = time.monotonic()
            waiting = list(nodes)
            while waiting:
                waiting = [node for node in waiting if node.ask("GET", "/secure-data", token)[0] == 200]
                time.sleep(0.001)
            delays.append((time.monotonic() - start) * 1000)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    delays.sort()
    print(f"revocation, {what}, {len(delays)} logouts: median {statistics.median(delays):.0f} ms, "
          f"p99 {delays[int(len(delays) * 0.99) - 1]:.0f} ms, slowest {delays[-1]:.0f} ms", flush=True)


def cold_start(server, node, revoked):
    node.start()
    without = node.memory()
    node.stop()
    ends = int(time.time()) + 86_400
    server.run("psql", *server.connection(), "-c", "INSERT INTO sealgate.revoked_tokens SELECT md5(n::text) || '000000', "
               f"{ends} FROM generate_series(1, {revoked}) AS n")
    took = statistics.median(start_and_stop(node) for _ in range(3))
    node.start()
    print(f"start with {revoked:,} revocations: ready after {took:.2f} s; {node.memory():.0f} MiB, without them {without:.0f} MiB")
    node.stop()


def start_and_stop(node):
    took = node.start()
    node.stop()
    return took


def main():
    program, *arguments = sys.argv[1:]
    given = {"NODES": "3", "ROUNDS": "5", "SECONDS": "3", "LOGOUTS": "300", "REVOKED": "1000000", "PARTS": "rate hot revocation start"}
    given |= dict(argument.split("=", 1) for argument in arguments)
    count, rounds, seconds, logouts, revoked = (int(given[name]) for name in ("NODES", "ROUNDS", "SECONDS", "LOGOUTS", "REVOKED"))
    parts = given["PARTS"].split()
    with tempfile.TemporaryDirectory(prefix="sealgate-nodes-", dir="/tmp") as name:
        folder = Path(name)
        (folder / "postgres").mkdir()
        folder.chmod(0o755)
        server = measure.Server(folder / "postgres", {"shared_buffers": "256MB"})
        store = f"postgres://bench@{quote(str(server.directory), safe='')}/postgres"
        started = []
        try:
            def running(count, **settings):
                alone = Node(program, folder / "alone", **settings)
                nodes = [Node(program, folder / f"node{number}", store, **settings) for number in range(count)]
                for node in (alone, nodes[0]):
                    if USER not in node.command("user", "list"):
                        node.add_user()
                for node in (alone, *nodes):
                    node.start()
                    started.append(node)
                return alone, nodes

            def over():
                while started:
                    started.pop().stop()

            if "rate" in parts:
                for what, limit in (("no limit", "0"), ("a limit of 1,000,000 a second for each user", "1000000")):
                    rate(*running(count, MAX_REQUESTS=limit, RATE_LIMIT_WINDOW="1"), rounds, seconds, what)
                    over()
            if "hot" in parts:
                hot(running(count, MAX_REQUESTS=str(HOT_LIMIT), RATE_LIMIT_WINDOW="1")[1], 10)
                over()
            if "revocation" in parts:
                revocation(running(count)[1], logouts, "with LISTEN")
                over()
            if "start" in parts:
                running(1)
                over()
                cold_start(server, Node(program, folder / "node0", store), revoked)
        finally:
            for node in started:
                node.stop()
            server.stop()


if __name__ == "__main__":
    main()
