"""Copies what the book's pages link to outside docs/ into the tree, under source/, and mends the links.

usage: sources.py ROOT BOOK

A folder gets a page that lists its files, since a web server shows none.
"""

import html
import re
import shutil
import sys
from pathlib import Path

LINK = re.compile(r'href="((?:\.\./)+)([^"#:]+)(#[^"]*)?"')
LISTING = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>{name}</title>
</head>
<body>
<h1>{name}</h1>
<ul>
{links}
</ul>
</body>
</html>
"""


def copy(path, root, out):
    """Copies a file, or a folder with a list of its files."""
    target = out / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if (root / path).is_file():
        shutil.copyfile(root / path, target)
        return
    shutil.copytree(root / path, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    for folder in [target, *(found for found in sorted(target.rglob("*")) if found.is_dir())]:
        names = sorted(found.name + ("/index.html" if found.is_dir() else "") for found in folder.iterdir() if found.name != "index.html")
        links = "\n".join(f'<li><a href="{html.escape(name)}">{html.escape(name.removesuffix("/index.html"))}</a></li>' for name in names)
        name = html.escape(str(folder.relative_to(out)))
        (folder / "index.html").write_text(LISTING.format(name=name, links=links))


def main(root, book):
    out = book / "source"
    for page in sorted(book.rglob("*.html")):
        if out in page.parents:
            continue
        depth = len(page.relative_to(book).parts) - 1
        text = page.read_text()

        def mended(match, depth=depth, page=page):
            ups, path, anchor = match[1].count("../"), match[2], match[3] or ""
            if ups <= depth:
                return match[0]
            found = root / path
            if not found.exists() and path.endswith(".html"):
                path, found = path.removesuffix(".html") + ".md", root / (path.removesuffix(".html") + ".md")
            if not found.exists():
                sys.exit(f"{page}: {match[0]}: neither in the book nor in the sources")
            copy(Path(path), root, out)
            shown = path.rstrip("/") + ("/index.html" if found.is_dir() else "")
            return f'href="{"../" * depth}source/{shown}{anchor if shown.endswith(".html") else ""}"'

        page.write_text(LINK.sub(mended, text))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: sources.py ROOT BOOK")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
