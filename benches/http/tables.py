"""Writes the tables of figures in README.md and docs/performance.md from the last run: `make bench-docs`.

A table stands between `<!-- bench-http NAME -->` and `<!-- end -->`, where NAME is `busy`, `beside` or a load. A table whose
cells were not measured stays.
"""

import json
import re
import sys
from pathlib import Path

import report
from servers import ROOT

PAGES = ["README.md", "docs/performance.md"]
ROUTES = {"secure-data": "GET `/secure-data`", "decrypt": "POST `/decrypt`", "login": "POST `/login`"}
NAMES = {"sealgate": "Sealgate", "actix": "actix-web"}
BUSY = 64  # connections in the tables that show only one number of them
COLUMNS = ["sealgate", "axum", "actix", "libmicrohttpd", "nginx"]


def main(target):
    results = json.loads((target / "bench-http" / "results.json").read_text())
    tables = {"busy": busy(results["cells"]), "beside": beside(results["cells"])}
    for kind in ("sent", "tokens", "tls", "fresh-tls"):
        tables[kind] = rates(results["cells"], kind)
    for page in PAGES:
        path = ROOT / page
        text = path.read_text()
        for name, lines in tables.items():
            if lines:
                pattern = re.compile(rf"(<!-- bench-http {name} -->\n).*?(<!-- end -->)", re.DOTALL)
                text = pattern.sub(lambda found, lines=lines: found[1] + "\n" + "\n".join(lines) + "\n\n" + found[2], text)
        path.write_text(text)


def busy(cells):
    """The rates and CPU times of all servers with many connections."""
    found = [cell for cell in cells if cell["load"] == "keep-alive" and cell["connections"] == BUSY]
    found.sort(key=lambda cell: list(ROUTES).index(cell["route"]))
    if not found:
        return []
    names = columns(found)
    peers = [name for name in names if name != "nginx"]
    lines = [f"| | requests/s: {'; '.join(shown(name) for name in peers)} | CPU µs per request |", "| --- | --- | --- |"]
    for cell in found:
        rows = {name: report.medians(cell["rounds"][name]) for name in peers}
        rate = "; ".join(thousands(row["rate"]) for row in rows.values())
        cpu = "; ".join(f"{row['cpu']:.1f}" for row in rows.values())
        lines.append(f"| {ROUTES[cell['route']]} | {rate} | {cpu} |")
    return lines


def beside(cells):
    """Our rate and p99 by the best of the peers, for each route and number of connections."""
    found = [cell for cell in cells if cell["load"] == "keep-alive"]
    if not found:
        return []
    counts = sorted({cell["connections"] for cell in found})
    lines = ["| rate; p99 | " + " | ".join(map(str, counts)) + " |", "| --- |" + " --- |" * len(counts)]
    for route in ROUTES:
        row = []
        for count in counts:
            cell = next((c for c in found if (c["route"], c["connections"]) == (route, count)), None)
            peers = report.peers_of(cell["rounds"], "keep-alive") if cell else []
            own = report.medians(cell["rounds"]["sealgate"]) if cell else None
            theirs = [report.medians(cell["rounds"][peer]) for peer in peers]
            row.append(ratios(own, theirs) if theirs else "")
        lines.append(f"| {ROUTES[route]} | {' | '.join(row)} |")
    return lines


def ratios(own, theirs):
    rate = own["rate"] / max(one["rate"] for one in theirs)
    return f"{rate:.2f}; {own['p99'] / min(one['p99'] for one in theirs):.2f}"


def rates(cells, kind):
    found = sorted((cell for cell in cells if cell["load"] == kind), key=lambda cell: cell["connections"])
    if not found:
        return []
    names = columns(found)
    lines = ["| connections | " + " | ".join(shown(name) for name in names) + " |", "| --- |" + " --- |" * len(names)]
    for cell in found:
        rows = [report.medians(cell["rounds"][name]) for name in names]
        row = [f"{thousands(one['rate'])}; {one['p99'] / 1e3:.2f} ms; {one['cpu']:.1f} µs" for one in rows]
        lines.append(f"| {cell['connections']} | {' | '.join(row)} |")
    return lines


def columns(cells):
    return [name for name in COLUMNS if all(name in cell["rounds"] for cell in cells)]


def shown(name):
    return NAMES.get(name, name)


def thousands(rate):
    """Three digits are more than can be repeated."""
    digits = 3 if rate >= 100_000 else 2
    scale = 10 ** max(len(str(int(rate))) - digits, 0)
    return f"{round(rate / scale) * scale:,}"


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
