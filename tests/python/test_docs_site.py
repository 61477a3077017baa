"""What `make docs` is made of: the recorded session, the C reference, the figures of the first page, and the check of links."""

import os
import re
import subprocess
import sys

import pytest

from conftest import ROOT
from doors import PATIENCE

SCRIPTS = ROOT / "scripts" / "docs"
IMAGES = ROOT / "docs" / "images"
PERFORMANCE = ROOT / "docs" / "performance.md"


def run(script, *arguments):
    return subprocess.run([sys.executable, "-B", SCRIPTS / script, *arguments], capture_output=True, text=True, timeout=3 * PATIENCE)


# The session


def test_the_recorded_session_is_current(binary, tmp_path):
    library = os.environ.get("SEALGATE_LIBRARY") or binary.parent / "libsealgate.so"
    out = tmp_path / "session.svg"
    ended = run("record_session.py", binary.parent, library, out)
    assert ended.returncode == 0, ended.stderr
    how = "record it again: scripts/docs/record_session.py target/debug target/debug/libsealgate.so docs/images/session.svg"
    assert out.read_text() == (IMAGES / "session.svg").read_text(), how


def test_the_session_shows_what_each_door_answers():
    shown = re.findall(r'<text class="output"[^>]*>(.*?)</text>', (IMAGES / "session.svg").read_text())
    assert len(shown) == 3
    assert shown[0].startswith("{&quot;encrypted_data&quot;:") and "…" in shown[0]
    assert shown[1] == "valid, and alice&#x27;s" and "confidential" in shown[2]


@pytest.mark.parametrize("name", [path.name for path in sorted(IMAGES.glob("*.svg"))])
def test_pictures_need_nothing_from_elsewhere_and_have_words_for_those_who_do_not_see_them(name):
    text = (IMAGES / name).read_text()
    assert "<title" in text and 'role="img"' in text
    assert not re.search(r"<script|<foreignObject|@import|url\((?!#)|href=", text)


# The C reference


@pytest.fixture(scope="module")
def c_pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("c") / "pages"
    ended = run("c_reference.py", ROOT / "include/sealgate.h", ROOT / "src/ffi", folder)
    assert ended.returncode == 0, ended.stderr
    return folder, ended.stdout


def test_every_exported_symbol_and_every_status_is_explained_once(c_pages):
    folder, _ = c_pages
    pages = {path.stem: path.read_text() for path in folder.glob("*.md")}
    symbols = (ROOT / "include/symbols.txt").read_text().split()
    assert len(symbols) > 100
    for symbol in symbols:
        found = [name for name, page in pages.items() if f"## {symbol} {{#{symbol}}}\n" in page]
        assert len(found) == 1, symbol
        assert f"[`{symbol}`]({found[0]}.md#{symbol})" in pages["index"], symbol
    header = (ROOT / "include/sealgate.h").read_text()
    for name in re.findall(r"\bSEALGATE_STATUS_\w+(?= = )", header):
        assert pages["statuses"].count(f'<a id="{name}"></a>') == 1, name


def test_every_link_between_its_pages_leads_to_a_name(c_pages):
    folder, summary = c_pages
    anchors = {path.stem: set(re.findall(r'\{#(\w+)\}|<a id="(\w+)">', path.read_text())) for path in folder.glob("*.md")}
    anchors = {page: {name for pair in found for name in pair if name} for page, found in anchors.items()}
    count = 0
    for path in folder.glob("*.md"):
        for page, anchor in re.findall(r"\]\((\w*)(?:\.md)?#(\w+)\)", path.read_text()):
            assert anchor in anchors[page or path.stem], f"{path.name}: {page}#{anchor}"
            count += 1
    assert count > 500
    listed = set(re.findall(r"reference/c/(\w+)\.md", summary))
    assert listed == set(anchors)


def test_the_guides_code_is_left_as_it_is(c_pages):
    folder, _ = c_pages
    code = "".join(re.findall(r"```c\n(.*?)```", (folder / "servers.md").read_text(), re.DOTALL))
    assert "sealgate_server_start" in code and "](" not in code


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("void sealgate_free(", "static inline void sealgate_free(", "no place for"),
        ("#define SEALGATE_KEYS_TOKEN 1", "\n\n#pragma once", "no place for"),
        ("sealgate_status sealgate_new(", "sealgate_status sealgate_renewed(", "is in no file"),
    ],
)
def test_what_the_reference_cannot_place_is_an_error(tmp_path, old, new, complaint):
    header = (ROOT / "include/sealgate.h").read_text()
    assert old in header
    changed = tmp_path / "sealgate.h"
    changed.write_text(header.replace(old, new))
    ended = run("c_reference.py", changed, ROOT / "src/ffi", tmp_path / "pages")
    assert ended.returncode == 1 and complaint in ended.stderr


# The first page


def test_the_figures_of_the_first_page_are_those_of_the_performance_page(tmp_path):
    page = tmp_path / "performance.md"
    text = PERFORMANCE.read_text()
    rate = re.search(r"^\| GET `/secure-data` \| ([\d,]+); ", text, re.MULTILINE)[1]
    page.write_text(text.replace(f"| GET `/secure-data` | {rate}; ", "| GET `/secure-data` | 123,456; "))
    shown = []
    for source in (PERFORMANCE, page):
        out = tmp_path / "index.md"
        ended = run("landing.py", ROOT / "docs/site/index.md", source, tmp_path / "none", out)
        assert ended.returncode == 0, ended.stderr
        shown.append(out.read_text())
        assert "<!-- figures -->" not in shown[-1] and "screens" not in shown[-1]
    assert f"<strong>{rate}/s</strong>" in shown[0]
    assert "<strong>123,456/s</strong>" in shown[1]


def test_a_figure_that_is_gone_is_an_error(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text(PERFORMANCE.read_text().replace("| issue a token (HS256) |", "| issue a JWT |"))
    ended = run("landing.py", ROOT / "docs/site/index.md", page, IMAGES, tmp_path / "index.md")
    assert ended.returncode == 1 and "issue a token (HS256)" in ended.stderr
    assert not (tmp_path / "index.md").exists()


def test_pictures_of_the_console_are_shown_where_there_are_any(tmp_path):
    for name in ("accounts", "overview-dark", "narrow"):
        (tmp_path / f"console-{name}.png").touch()
    ended = run("landing.py", ROOT / "docs/site/index.md", PERFORMANCE, tmp_path, tmp_path / "index.md")
    assert ended.returncode == 0, ended.stderr
    shown = re.findall(r'src="images/(console-[^"]*)"[^>]* alt="([^"]*)"', (tmp_path / "index.md").read_text())
    assert shown == [("console-overview-dark.png", "The console: overview dark"), ("console-accounts.png", "The console: accounts")]


# The check of links

GOOD = {
    "index.html": '<h1 id="a b">x</h1><a href="sub/">s</a><a href="sub/page.html#there">p</a><a href="#a%20b">a</a>'
    '<a href="https://example.org/">away</a><img src="data:image/png;base64,AA=="><link rel="stylesheet" href="s.css">',
    "sub/index.html": '<a href="../index.html">up</a>',
    "sub/page.html": '<p id="there">x</p><span id="3"></span><span id="9"></span><a href="?search=x#3-9">lines</a>',
    "s.css": 'body { background: url("sub/x.png") }',
    "sub/x.png": "",
}


def tree(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_tree_in_order_passes(tmp_path):
    ended = run("check.py", tree(tmp_path / "tree", GOOD))
    assert ended.returncode == 0, ended.stdout
    assert "3 pages" in ended.stdout


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("bad.html", '<a href="nowhere.html">x</a>', "nowhere.html: no such page"),
        ("bad.html", '<a href="sub/page.html#gone">x</a>', "#gone: no such anchor"),
        ("bad.html", '<a href="#gone">x</a>', "#gone: no such anchor"),
        ("bad.html", '<a href="sub/page.html#3-7">x</a>', "#3-7: no such anchor"),
        ("bad.html", '<a href="../outside.html">x</a>', "leads out of the tree"),
        ("bad.html", '<a href="/index.html">x</a>', "starts at the root"),
        ("bad.html", '<meta http-equiv="refresh" content="0; URL=gone.html">', "gone.html: no such page"),
        ("bad.html", '<img src="gone.png">', "gone.png: no such page"),
        ("bad.html", '<img src="https://example.org/x.png">', "another host"),
        ("bad.html", '<img srcset="s.css 1x, //example.org/x.png 2x">', "another host"),
        ("bad.html", '<script src="//example.org/x.js"></script>', "another host"),
        ("bad.html", '<link rel="preload" href="https://example.org/x.css">', "another host"),
        ("bad.html", '<style>@import "https://example.org/x.css";</style>', "another host"),
        ("bad.html", '<p style="background: url(//example.org/x)">', "another host"),
        ("bad.html", '<script>fetch("https://example.org/x")</script>', "another host"),
        ("bad.css", "@font-face { src: url('https://example.org/f.woff2') }", "another host"),
        ("bad.css", "p { background: url(gone.png) }", "gone.png: no such page"),
        ("bad.js", "import('https://example.org/x.js')", "another host"),
        ("bad.svg", '<svg><image href="https://example.org/x.png"/></svg>', "another host"),
    ],
)
def test_what_is_broken_is_found(tmp_path, name, text, complaint):
    ended = run("check.py", tree(tmp_path / "tree", GOOD | {name: text}))
    assert ended.returncode == 1
    assert [line for line in ended.stdout.splitlines() if line.startswith(f"{name}: ") and complaint in line], ended.stdout
    assert len(ended.stdout.splitlines()) == 1


def test_an_empty_tree_is_an_error(tmp_path):
    assert run("check.py", tmp_path).returncode == 1
    assert run("check.py", tmp_path / "none").returncode == 1


# Files outside the book


def test_linked_files_come_along_and_folders_get_a_list(tmp_path):
    root = tree(tmp_path / "root", {"NOTES.md": "n", "more/a.txt": "a", "more/in/b & c.txt": "b", "docs/x.md": ""})
    page = '<a href="../NOTES.html#one">n</a><a href="../more">m</a><a href="y.html">y</a>'
    book = tree(tmp_path / "book", {"index.html": page, "y.html": "", "deep/p.html": '<a href="../y.html">y</a><a href="../../NOTES.html">n</a>'})
    ended = run("sources.py", root, book)
    assert ended.returncode == 0, ended.stderr
    checked = run("check.py", book)
    assert checked.returncode == 0, checked.stdout
    assert (book / "source/more/in/b & c.txt").read_text() == "b"
    assert 'href="in/index.html"' in (book / "source/more/index.html").read_text()
    assert 'href="../source/NOTES.md"' in (book / "deep/p.html").read_text()

    tree(book, {"index.html": '<a href="../gone.html">g</a>'})
    refused = run("sources.py", root, book)
    assert refused.returncode == 1 and "gone.html" in refused.stderr
