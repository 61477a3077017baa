"""What the benchmark prints: a table for each route and number of connections, and Sealgate beside the best peer."""

import math
import os
import platform
import time
from statistics import fmean, median

from servers import is_setting

# The seed's stack and the floor are other kinds of comparison.
PEERS = ("axum", "actix", "libmicrohttpd")
NOISE = 0.05  # share of a core; more, and the figures are not to be trusted to a tenth
FIELDS = ("rate", "p50", "p99", "cpu", "wrk")


def heading(settings):
    given = [f"{name}={value}" for name, value in sorted(os.environ.items()) if is_setting(name)]
    lines = [
        f"{time.strftime('%Y-%m-%d %H:%M')}, {machine()}, load average {os.getloadavg()[0]:.1f}",
        f"medians of {settings.rounds} interleaved rounds of {settings.seconds} s; 2 workers each; wrk with 1 thread; "
        f"limiter off; access log {'to a file' if settings.access_log else 'off'}{''.join(', ' + one for one in given)}",
        "± half of the range of the rates; CPU of the server for each request; wrk: how busy the load generator's core is",
    ]
    return "\n".join(lines)


def machine():
    return f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def cell(cell):
    lines = [f"\n{cell['load']}, {cell['route']}, {plural(cell['connections'], 'connection')}"]
    lines.append(f"  {'':<20}{'requests/s':>12}{'±':>6}{'p50 ms':>10}{'p99 ms':>10}{'CPU µs':>10}{'wrk':>8}")
    for name, rounds in cell["rounds"].items():
        found = medians(rounds)
        rates = [one["rate"] for one in rounds]
        spread = (max(rates) - min(rates)) / 2 / (found["rate"] or 1)
        bad = sum(one["refused"] + one["broken"] for one in rounds)
        lines.append(
            f"  {name:<20}{found['rate']:>12,.0f}{spread:>6.0%}{found['p50'] / 1e3:>10.2f}{found['p99'] / 1e3:>10.2f}"
            f"{found['cpu']:>10.1f}{found['wrk']:>8.0%}{f'   {bad} FAILED' if bad else ''}"
        )
    others = fmean(one["others"] for rounds in cell["rounds"].values() for one in rounds)
    if others > NOISE:
        lines.append(f"  noisy: other programs took {others:.0%} of a core meanwhile")
    return "\n".join(lines)


def summary(cells):
    lines = []
    for kind in dict.fromkeys(cell["load"] for cell in cells):
        lines += summary_of([cell for cell in cells if cell["load"] == kind], kind)
    return "\n".join(lines)


def summary_of(cells, kind):
    names = dict.fromkeys(name for cell in cells for name in cell["rounds"])
    peers = peers_of(names, kind)
    lines = []
    if "sealgate-before" in names and "sealgate" in names:
        lines += beside_best("sealgate", ["sealgate-before"], cells, kind)
    for name in names:
        if name.startswith("sealgate"):
            if peers:
                lines += beside_best(name, peers, cells, kind)
            if "flask" in names:
                lines += beside_flask(name, cells)
    return lines


def peers_of(names, kind):
    """Over TLS and with new connections most of the work is not a request's, so that nginx counts although it does none."""
    peers = PEERS if kind in ("keep-alive", "sent", "tokens") else (*PEERS, "nginx")
    return [name for name in names if name in peers]


def beside_best(name, peers, cells, kind):
    """For each cell: the rate by the best rate of the peers; p99 and CPU by the lowest of theirs, whosever it is."""
    lines = [f"\n{kind}: {name} by the best of {', '.join(peers)}"]
    lines.append(f"  {'':<14}{'connections':>12}{'rate':>8}{'p99':>8}{'CPU':>8}   fastest peer")
    ratios = {"rate": [], "p99": [], "cpu": []}
    for cell in cells:
        own = medians(cell["rounds"][name])
        theirs = {peer: medians(cell["rounds"][peer]) for peer in peers}
        fastest = max(peers, key=lambda peer: theirs[peer]["rate"])
        for field in ratios:
            best = (max if field == "rate" else min)(one[field] for one in theirs.values())
            ratios[field].append(own[field] / best if best else math.nan)
        shown = "".join(f"{values[-1]:>8.2f}" for values in ratios.values())
        lines.append(f"  {cell['route']:<14}{cell['connections']:>12}{shown}   {fastest}")
    means = "".join(f"{geometric_mean(values):>8.2f}" for values in ratios.values())
    lines.append(f"  {'geometric mean':<26}{means}")
    return lines


def beside_flask(name, cells):
    shown = []
    for cell in cells:
        if "flask" in cell["rounds"]:
            ratio = medians(cell["rounds"][name])["rate"] / medians(cell["rounds"]["flask"])["rate"]
            shown.append(f"{cell['route']} {ratio:.1f}")
    return [f"\n{name} by Flask and gunicorn, 16 connections: {', '.join(shown)}"] if shown else []


def medians(rounds):
    return {field: median(one[field] for one in rounds) for field in FIELDS}


def geometric_mean(values):
    if any(not value > 0 for value in values):
        return math.nan
    return math.exp(sum(map(math.log, values)) / len(values))


def plural(count, noun):
    return f"{count} {noun}{'' if count == 1 else 's'}"


def processor():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
