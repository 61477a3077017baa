"""Fills in the first page of the documentation: key figures from docs/performance.md, and pictures of the console.

usage: landing.py TEMPLATE PERFORMANCE IMAGES OUTPUT

The figures have no copy: each is looked up in the page's tables by the name of its row, and a row that is missing is an error.
"""

import re
import sys
from pathlib import Path

SCREENS = "console-*.png"


class LandingError(Exception):
    """Something that the first page shows is missing."""


def row(page, heading, label):
    """The cells of the first row with this label below a heading, without the label."""
    match = re.search(rf"^##+ {re.escape(heading)}$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    if not match:
        raise LandingError(f"no heading: {heading}")
    for line in match[1].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and cells[0] == label:
            return cells[1:]
    raise LandingError(f"no row {label!r} below {heading!r}")


def figures(page):
    """What is shown large, and the words below it."""
    rates, cpu = row(page, "Over HTTP", "GET `/secure-data`")[:2]
    ours, axum = (part.strip() for part in rates.split(";")[:2])
    cpu = cpu.split(";")[0].strip()
    issue, _, theirs = row(page, "From C", "issue a token (HS256)")[:3]
    python = row(page, "From Python", "check a token, cache off, and read its user; PyJWT")[2]
    seal = row(page, "The core", "seal 64 B: as bytes; as base64")[0].split(";")[0]
    return [
        (f"{ours}/s", f"requests with a token, over HTTP on two cores that the load generator shares; axum: {axum}/s"),
        (f"{cpu} µs", "of CPU time for such a request: token checked, limit counted, answer encrypted"),
        (issue.removesuffix(" per second") + "/s", f"tokens issued from C in one thread; libjwt: {theirs.removesuffix(' per second')}/s"),
        (python.split(" as ")[0], "as fast as PyJWT to check a token in Python, without a cache"),
        (f"{seal} µs", "to seal 64 bytes, each message with a key of its own"),
    ]


def main(template, performance, images, out):
    text = Path(template).read_text()
    cards = "\n".join(f"<li><strong>{big}</strong> {small}</li>" for big, small in figures(Path(performance).read_text()))
    # The overview first; what is made for a narrow window would be a strip here.
    screens = sorted(Path(images).glob(SCREENS), key=lambda path: (not path.stem.startswith("console-overview"), path.name))
    screens = [path for path in screens if "narrow" not in path.stem]
    console = ""
    if screens:
        shown = "\n".join(
            f'<a href="images/{path.name}"><img src="images/{path.name}" loading="lazy"'
            f' alt="The console: {path.stem.removeprefix("console-").replace("-", " ")}"></a>'
            for path in screens
        )
        console = f'## The console\n\n<div class="screens">\n{shown}\n</div>'
    for mark, html in [("<!-- figures -->", f'<ul class="figures">\n{cards}\n</ul>'), ("<!-- console -->", console)]:
        if text.count(mark) != 1:
            raise LandingError(f"{template} must have {mark} once")
        text = text.replace(mark, html)
    Path(out).write_text(text)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit("usage: landing.py TEMPLATE PERFORMANCE IMAGES OUTPUT")
    try:
        main(*sys.argv[1:])
    except LandingError as error:
        sys.exit(f"first page: {error}")
