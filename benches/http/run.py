"""Measures Sealgate's server beside its peers: `make bench-http`, which sets up what this needs. README.md explains it.

Arguments are settings, NAME=value: TARGET, ROUNDS, SECONDS, CONNECTIONS, PEERS, ROUTES, LOADS, ACCESS_LOG.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import report
from servers import HERE, NAMES, TICK, TLS_PEERS, Failure, Server, cpu_seconds

ROUTES = {"secure-data": ("GET", "/secure-data"), "login": ("POST", "/login"), "decrypt": ("POST", "/decrypt")}
LOADS = {
    "keep-alive": "one token on connections that stay open",
    "sent": "the same, each request timed from when it was sent",
    "tokens": "100,000 different tokens on connections that stay open",
    "tls": "one token on TLS connections that stay open",
    "fresh": "a new connection for each request",
    "fresh-tls": "a new TLS connection for each request; wrk resumes the session of the one before",
}
ONE_ROUTE = ["secure-data"]  # of the loads after the first, which are about tokens and connections
TOKENS = 100_000
FLASK_CONNECTIONS = 16  # it is there for one comparison; more would only make it worse
SETTLE = 0.1  # seconds in which a server finishes what a round has left behind: closed connections, lines to write
WRK_FIELDS = ("us", "requests", "p50", "p99", "refused", "broken")


class Settings:
    def __init__(self, arguments):
        given = {"TARGET": "target", "ROUNDS": "5", "SECONDS": "3", "CONNECTIONS": "2 4 8 16 64 256", "ACCESS_LOG": "0"}
        given |= {"PEERS": "sealgate axum actix libmicrohttpd nginx flask", "ROUTES": " ".join(ROUTES)}
        given |= {"LOADS": " ".join(LOADS)}
        for argument in arguments:
            name, equals, value = argument.partition("=")
            if not equals or name not in given:
                raise Failure(f"{argument}: the settings are {', '.join(given)}, each as NAME=value")
            given[name] = value
        self.target = Path(given["TARGET"]).resolve()
        self.rounds = number("ROUNDS", given["ROUNDS"])
        self.seconds = number("SECONDS", given["SECONDS"])
        self.connections = [number("CONNECTIONS", word) for word in words(given["CONNECTIONS"])]
        self.peers = choice("PEERS", given["PEERS"], NAMES)
        self.routes = choice("ROUTES", given["ROUTES"], ROUTES)
        self.loads = choice("LOADS", given["LOADS"], LOADS)
        self.access_log = given["ACCESS_LOG"] not in ("", "0", "off", "no")


def main():
    settings = Settings(sys.argv[1:])
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    servers, cells, problems = [], [], []
    try:
        print(report.heading(settings), flush=True)
        for kind in settings.loads:
            peers = [name for name in settings.peers if takes_part(name, kind)]
            # Idle servers do not disturb, so those of an earlier load stay, unless they speak something else.
            for name in peers:
                if not any(server.name == name and server.tls == is_tls(kind) for server in servers):
                    servers.append(Server(name, settings.target, settings.access_log, is_tls(kind)))
                    servers[-1].wait()
            measured = [server for server in servers if server.name in peers and server.tls == is_tls(kind)]
            routes = settings.routes if kind == "keep-alive" else [r for r in settings.routes if r in ONE_ROUTE]
            print(f"\n{kind}: {LOADS[kind]}", flush=True)
            warm_up(settings, measured, kind, routes)
            for route in routes:
                for connections in settings.connections:
                    cell = measure(settings, measured, kind, route, connections, problems)
                    cells.append(cell)
                    print(report.cell(cell), flush=True)
        for server in servers:
            server.check()  # they still do the work, and not just anything quickly
    finally:
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)
        for server in servers:
            server.stop()
    if settings.access_log:
        problems += missing_lines(servers)
    print(report.summary(cells))
    raw = settings.target / "bench-http" / "results.json"
    raw.write_text(json.dumps({"machine": report.machine(), "cells": cells}, indent=1))
    print(f"every round: {os.path.relpath(raw)}")
    if problems:
        raise Failure("not all went well:\n  " + "\n  ".join(problems))


def takes_part(name, kind):
    """nginx does not look at tokens, and Flask is there for one comparison."""
    if is_tls(kind):
        return name.startswith("sealgate") or name in TLS_PEERS
    return kind in ("keep-alive", "sent") or name != "flask" and (kind != "tokens" or name != "nginx")


def is_tls(kind):
    return kind in ("tls", "fresh-tls")


def measure(settings, servers, kind, route, connections, problems):
    """The rounds of one load, route and number of connections, the servers in turn within each round."""
    measured = [server for server in servers if server.name != "flask" or connections == FLASK_CONNECTIONS]
    # A fresh token for each cell, since a long run outlives them.
    loads = {server.name: server.check() for server in measured}
    if kind == "tokens":
        for server in measured:
            server.fetch_tokens(TOKENS)
    rounds = {server.name: [] for server in measured}
    for turn in range(settings.rounds):
        # Another one begins each time, so that none always comes after the same neighbour.
        shift = turn % len(measured)
        for server in measured[shift:] + measured[:shift]:
            found = load(server, kind, route, connections, settings.seconds, loads[server.name])
            where = f"{server.name}, {kind}, {route}, {connections} connections, round {turn + 1}"
            problems += failures(found, where)
            rounds[server.name].append(found)
    return {"load": kind, "route": route, "connections": connections, "seconds": settings.seconds, "rounds": rounds}


def load(server, kind, route, connections, seconds, prepared):
    """One run of wrk, or of sent.c, against one server, with the CPU time that both took."""
    method, path = ROUTES[route]
    token, sealed = prepared
    environment = {"PATH": os.environ["PATH"], "LOAD_METHOD": method}
    if kind.startswith("fresh"):
        environment["LOAD_CLOSE"] = "1"
    if kind == "tokens":
        environment["LOAD_TOKENS"] = str(server.tokens)
    elif route != "login":
        environment["LOAD_TOKEN"] = token
    if method == "POST":
        environment["LOAD_BODY"] = sealed if route == "decrypt" else '{"username":"bench"}'
    if kind == "sent":
        command = [server.built / "sent", str(server.port), path, str(connections), str(seconds)]
    else:
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", HERE / "load.lua"]
        command.append(f"{server.scheme}://127.0.0.1:{server.port}{path}")
    pids = server.pids()
    before, wrk_before, all_before = cpu_seconds(pids), children_seconds(), busy_seconds()
    begun = time.monotonic()
    wrk = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    time.sleep(SETTLE)
    lines = [line for line in wrk.stdout.splitlines() if line.startswith("RESULT ")]
    if wrk.returncode or not lines:
        raise Failure(f"{command[0]} failed with {server.name}, {route}, {connections} connections:\n{wrk.stdout}{wrk.stderr}")
    found = dict(zip(WRK_FIELDS, map(int, lines[0].split()[1:])))
    if server.pids() != pids:
        raise Failure(f"{server.name} has changed its processes during a round, so its CPU time is not known")
    used, wrk_used, all_used = cpu_seconds(pids) - before, children_seconds() - wrk_before, busy_seconds() - all_before
    server.served += found["requests"]
    found["rate"] = found["requests"] / (found["us"] / 1e6)
    found["cpu"] = used * 1e6 / max(found["requests"], 1)
    found["wrk"] = wrk_used * 1e6 / found["us"]
    found["others"] = max(all_used - used - wrk_used, 0) / (time.monotonic() - begun)
    return found


def warm_up(settings, servers, kind, routes):
    for server in servers:
        prepared = server.check()
        if kind == "tokens":
            server.fetch_tokens(TOKENS)
        for route in routes:
            found = load(server, kind, route, FLASK_CONNECTIONS, 1, prepared)
            for failure in failures(found, f"{server.name}, {kind}, {route}, warming up"):
                raise Failure(failure)


def failures(found, where):
    if found["refused"] or found["broken"]:
        yield f"{where}: {found['refused']} answers of 400 or more, {found['broken']} broken or timed out connections"


def missing_lines(servers):
    """A server that leaves lines out has done less work than the others."""
    for server in servers:
        lines = server.lines()
        if lines < server.served:
            yield f"{server.name} has written {lines} lines for {server.served} requests"


def busy_seconds():
    """What all programs have used of all cores, and what the machine below has taken away (steal)."""
    user, nice, system, _, _, irq, softirq, steal, *_ = map(int, Path("/proc/stat").read_text().split(None, 11)[1:11])
    return (user + nice + system + irq + softirq + steal) / TICK


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def number(name, text):
    if not text.isdigit() or int(text) == 0:
        raise Failure(f"{name}: {text!r} is no number above 0")
    return int(text)


def choice(name, text, known):
    for word in words(text):
        if word not in known:
            raise Failure(f"{name}: {word!r} is none of {', '.join(known)}")
    return words(text)


def words(text):
    return text.replace(",", " ").split()


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"bench-http: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
