"""How far one PostgreSQL carries a fleet: `make bench-fleet`.

run.py [quick|full] [MEASURE=1] [RATE=0.01] [EXPONENT=1.0]: prints the tables, and with `full` writes them into docs/fleet.md.
MEASURE=1 measures costs.json again first. RATE: requests per second of the average user. EXPONENT: how uneven users are."""

import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import simulate
from policy import Policy

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "fleet.md"
NODES = [10, 100, 1000]
USERS = [10**4, 10**5, 10**6, 10**7, 10**8]
LIMITS = [(5, 60.0), (500, 10.0), (10_000, 1.0)]
SEED = 19
EFFORT = {
    "quick": {"events": 4_000, "samples": 1, "groups": 3, "windows": 4},
    "full": {"events": 40_000, "samples": 3, "groups": 6, "windows": 100},
}

TOKEN_SECONDS = 1800
"""How long an access token lives by default: a revocation stays in memory no longer."""
ENTRY_BYTES = 32
"""Of one revocation in a node's memory."""
LOGOUTS_A_DAY = 1
"""Of each user."""


def costs():
    return json.loads((HERE / "costs.json").read_text())


def shown(number):
    """Two digits that count."""
    if number >= 10**6:
        return f"{number / 10**6:.2g} million" if number < 10**7 else f"{number / 10**6:,.0f} million"
    if number >= 99.5:
        digits = len(str(round(number))) - 2
        return f"{round(number, -digits):,.0f}"
    return f"{number:.2g}" if number >= 0.01 else ("0" if number == 0 else "< 0.01")


def percent(share):
    return f"{share:.1%}" if share >= 0.001 else "< 0.1%" if share > 0.00001 else "0"


def cores(calls, cpu_us):
    return shown(calls * cpu_us / 10**6)


def name(limit, window):
    return f"{limit:,} per {window:g} s"


def fleets(effort, rate, exponent):
    """Totals per second of every combination."""
    found, sampling = {}, {name: effort[name] for name in ("events", "samples", "groups")}
    for limit, window in LIMITS:
        for nodes in NODES:
            for count in USERS:
                policy = Policy(limit, window, nodes)
                users = simulate.Users(count, count * rate, exponent)
                found[limit, window, nodes, count] = simulate.fleet(policy, users, random.Random(SEED), **sampling)
                print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def calls_table(found, measured):
    one, batched = measured["calls"]["check"]["cpu_us"], measured["calls"]["check in batches"]["cpu_us"]
    lines = ["| limit; nodes | " + " | ".join(f"{shown(count)} users" for count in USERS) + " |",
             "| --- |" + " --- |" * len(USERS)]
    for limit, window in LIMITS:
        for nodes in NODES:
            cells = []
            for count in USERS:
                calls = found[limit, window, nodes, count].calls
                cells.append(f"{shown(calls)}; {cores(calls, one)}; {cores(calls, batched)}")
            lines.append(f"| {name(limit, window)}; {nodes:,} | " + " | ".join(cells) + " |")
    return lines


def waste_table(found):
    """The worst of all numbers of users."""
    lines = ["| limit | " + " | ".join(f"{nodes:,} nodes" for nodes in NODES) + " |", "| --- |" + " --- |" * len(NODES)]
    for limit, window in LIMITS:
        cells = []
        for nodes in NODES:
            all_totals = [found[limit, window, nodes, count] for count in USERS]
            unused = max(totals.unused / totals.granted for totals in all_totals)
            early = max(totals.early / totals.requests for totals in all_totals)
            cells.append(f"{percent(unused)}; {percent(early)}")
        lines.append(f"| {name(limit, window)} | " + " | ".join(cells) + " |")
    return lines


def hot_table(effort):
    """One user: calls per second and node; below the limit the share refused too early, above it the share of the limit that is
    lost beside a single node without leases."""
    lines = ["| limit; nodes | half of the limit | 90 % | twice the limit | the same, always at one node |",
             "| --- | --- | --- | --- | --- |"]
    for limit, window in LIMITS:
        for nodes in [3, *NODES]:
            policy, alone, cells = Policy(limit, window, nodes), Policy(limit, window, 1, lease=0.0), []
            for load, sticky in [(0.5, False), (0.9, False), (2.0, False), (2.0, True)]:
                rate = load * limit / window
                seconds = max(simulate.seconds_for(policy, rate, effort["events"]), effort["windows"] * window)
                shared, best = (simulate.per_second(simulate.user(kind, rate, seconds, random.Random(SEED), sticky))
                                for kind in (policy, alone))
                lost = 1 - shared.admitted / best.admitted if load > 1 else shared.early / shared.requests
                cells.append(f"{shown(shared.calls / (1 if sticky else nodes))}; {percent(lost)}")
            lines.append(f"| {name(limit, window)}; {nodes:,} | " + " | ".join(cells) + " |")
    return lines


def revocation_table(measured, rate_of_changes=100):
    lines = ["| nodes | with LISTEN: median, p99 | reads per second; cores | poll alone: median, p99 | reads per second; cores |",
             "| --- | --- | --- | --- | --- |"]
    for nodes in NODES:
        cells = []
        for notified in (True, False):
            delays, reads = simulate.revocation_delays(nodes, rate_of_changes, notified, random.Random(SEED))
            at = [delays[int(len(delays) * share)] * 1000 for share in (0.5, 0.99)]
            cells.append(f"{at[0]:.0f} ms, {at[1]:.0f} ms | {shown(reads)}; {cores(reads, measured['calls']['poll']['cpu_us'])}")
        lines.append(f"| {nodes:,} | " + " | ".join(cells) + " |")
    return lines


def memory_table(measured):
    lines = ["| users | logouts per second; cores | logins per second; cores | revocations in memory | memory of one node |",
             "| --- | --- | --- | --- | --- |"]
    for count in USERS:
        each = count * LOGOUTS_A_DAY / 86_400
        alive = each * TOKEN_SECONDS
        size = alive * ENTRY_BYTES / 2**20
        memory = f"{shown(size)} MiB" if size >= 1 else f"{shown(size * 1024)} KiB"
        revoked, logged_in = (measured["calls"][kind]["cpu_us"] for kind in ("revocation", "login"))
        lines.append(f"| {shown(count)} | {shown(each)}; {cores(each, revoked)} | {shown(each)}; {cores(each, logged_in)} | "
                     f"{shown(alive)} | {memory} |")
    return lines


def costs_table(measured):
    words = {
        "check": "a check of a limit",
        "check in batches": "the same, 16 in one call",
        "revocation": "a revocation, on disk",
        "poll": "a read of the change log that finds nothing",
        "login": "a login: account, lockouts, session on disk",
    }
    lines = ["| one call | CPU µs | calls per second and core | reached here, with 16 clients |", "| --- | --- | --- | --- |"]
    for kind, text in words.items():
        cost = measured["calls"][kind]
        lines.append(f"| {text} | {cost['cpu_us']:g} | {shown(10**6 / cost['cpu_us'])} | {cost['per second']:,} |")
    return lines


def write(tables):
    """Replaces what stands between `<!-- bench-fleet NAME -->` and `<!-- end -->`."""
    text = PAGE.read_text()
    for kind, lines in tables.items():
        pattern = re.compile(rf"(<!-- bench-fleet {kind} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = pattern.subn(lambda found, lines=lines: found[1] + "\n" + "\n".join(lines) + "\n\n" + found[2], text)
        if count != 1:
            raise SystemExit(f"{PAGE}: no place for the table {kind}")
    PAGE.write_text(text)


def main(words):
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    level = next((word for word in words if "=" not in word), "quick")
    if level not in EFFORT or set(settings) - {"MEASURE", "RATE", "EXPONENT"}:
        raise SystemExit(__doc__)
    if settings.get("MEASURE") == "1":
        subprocess.run([sys.executable, "-B", str(HERE / "measure.py")], check=True)
    start, effort, measured = time.monotonic(), EFFORT[level], costs()
    found = fleets(effort, float(settings.get("RATE", 0.01)), float(settings.get("EXPONENT", 1.0)))
    tables = {
        "costs": costs_table(measured),
        "calls": calls_table(found, measured),
        "waste": waste_table(found),
        "hot": hot_table(effort),
        "revocations": revocation_table(measured),
        "memory": memory_table(measured),
    }
    for kind, lines in tables.items():
        print(f"\n{kind}\n" + "\n".join(lines))
    print(f"\n{level}: {time.monotonic() - start:.0f} s")
    if level == "full" and set(settings) <= {"MEASURE"}:
        write(tables)


if __name__ == "__main__":
    main(sys.argv[1:])
