"""Checks a tree of web pages, offline: every link and anchor leads somewhere, and no page loads anything from another host.

usage: check.py FOLDER

Links to other sites are left alone: whether they answer is not a property of the tree. Everything found is printed; the exit code
is then 1.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes whose address a browser fetches without being asked; the others are followed by a click.
FETCHED = {
    ("audio", "src"), ("embed", "src"), ("iframe", "src"), ("image", "href"), ("image", "xlink:href"), ("img", "src"), ("img", "srcset"),
    ("input", "src"), ("link", "href"), ("object", "data"), ("script", "src"), ("source", "src"), ("source", "srcset"), ("track", "src"),
    ("use", "href"), ("use", "xlink:href"), ("video", "poster"), ("video", "src"),
}
CLICKED = {("a", "href"), ("a", "xlink:href"), ("area", "href"), ("form", "action")}
# A link element of these kinds is information, not something to load.
NOT_LOADED = {"canonical", "alternate", "author", "license", "help", "next", "prev"}
CSS_ADDRESS = re.compile(r"""url\(\s*(?:"([^"]*)"|'([^']*)'|([^)\s'"]*))\s*\)|@import\s+["']([^"']+)["']""")
SCRIPT_ADDRESS = re.compile(r"""(?:fetch|importScripts|import|Worker)\(\s*["'`]((?:https?:)?//[^"'`]+)""")
LINES = re.compile(r"(\d+)-(\d+)")  # rustdoc's source pages mark a range of lines by script


class Page(HTMLParser):
    """The anchors and addresses of a page."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.anchors, self.links, self.loads, self.inside = set(), [], [], None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        values = {name: value or "" for name, value in attributes}
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        kinds = set(values.get("rel", "").lower().split())
        for name, value in values.items():
            if (tag, name) in CLICKED or (tag == "link" and kinds & NOT_LOADED and name == "href"):
                self.links.append(value)
            elif (tag, name) in FETCHED:
                parts = [part.split()[0] for part in value.split(",") if part.split()] if name == "srcset" else [value]
                self.loads += parts
        if tag == "meta" and values.get("http-equiv", "").lower() == "refresh" and "url=" in values.get("content", "").lower():
            self.links.append(re.split("url=", values["content"], flags=re.IGNORECASE)[1].strip("'\" "))
        self.loads += css(values.get("style", ""))
        self.inside = tag if tag in ("style", "script") else None

    def handle_endtag(self, tag):
        if tag == self.inside:
            self.inside = None

    def handle_data(self, data):
        if self.inside == "style":
            self.loads += css(data)
        elif self.inside == "script":
            self.loads += SCRIPT_ADDRESS.findall(data)


def css(text):
    """The addresses in a style sheet."""
    return [next(part for part in found if part) for found in CSS_ADDRESS.findall(text) if any(found)]


class Tree:
    """All pages below a folder."""

    def __init__(self, root):
        self.root, self.pages, self.problems, self.checked = root.resolve(), {}, [], 0

    def page(self, path):
        if path not in self.pages:
            self.pages[path] = Page(path.read_text(encoding="utf-8", errors="replace"))
        return self.pages[path]

    def check(self):
        for path in sorted(self.root.rglob("*")):
            if not path.is_file():
                continue
            if path.suffix == ".html":
                page = self.page(path)
                for link in page.links:
                    self.link(path, link)
                for load in page.loads:
                    self.load(path, load)
            elif path.suffix == ".svg":
                page = Page(path.read_text(encoding="utf-8"))
                for load in page.loads + page.links:
                    self.load(path, load)
            elif path.suffix == ".css":
                for load in css(path.read_text(encoding="utf-8")):
                    self.load(path, load)
            elif path.suffix in (".js", ".mjs"):
                for load in SCRIPT_ADDRESS.findall(path.read_text(encoding="utf-8", errors="replace")):
                    self.load(path, load)

    def problem(self, path, address, what):
        self.problems.append(f"{path.relative_to(self.root)}: {address}: {what}")

    def load(self, path, address):
        parts = urlsplit(address)
        if parts.scheme == "data" or not address:
            return
        if parts.scheme or parts.netloc:
            self.problem(path, address, "is loaded from another host")
        else:
            self.link(path, address)

    def link(self, path, address):
        try:
            parts = urlsplit(address.strip())
        except ValueError as error:
            self.problem(path, address, str(error))
            return
        if parts.scheme or parts.netloc:
            return
        self.checked += 1
        target = path
        if parts.path:
            if parts.path.startswith("/"):
                self.problem(path, address, "starts at the root of the host, where this tree may not be")
                return
            target = (path.parent / unquote(parts.path)).resolve()
            if not target.is_relative_to(self.root):
                self.problem(path, address, "leads out of the tree")
                return
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                self.problem(path, address, "no such page")
                return
        # rustdoc has anchors that are encoded themselves.
        anchor = parts.fragment
        if anchor and target.suffix == ".html" and not (self.has(target, unquote(anchor)) or self.has(target, anchor)):
            self.problem(path, address, "no such anchor")

    def has(self, target, anchor):
        anchors = self.page(target).anchors
        if anchor in anchors or anchor in ("top",) or anchor.startswith(":~:"):
            return True
        lines = LINES.fullmatch(anchor)
        return bool(lines) and set(lines.groups()) <= anchors


def main(folder):
    tree = Tree(Path(folder))
    if not tree.root.is_dir():
        sys.exit(f"{folder} is no folder")
    tree.check()
    for problem in tree.problems:
        print(problem)
    if not tree.pages:
        sys.exit(f"{folder} has no page")
    if tree.problems:
        sys.exit(f"{len(tree.problems)} of {tree.checked} links and addresses are wrong")
    print(f"{len(tree.pages)} pages, {tree.checked} links: all lead somewhere, and nothing is loaded from another host")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: check.py FOLDER")
    main(sys.argv[1])
