"""A release is compared with the last one: its interfaces for C, Python and Rust."""

import os
import re
import shutil
import sys

import pytest

from conftest import PACKAGE, ROOT
from releases import MODERN, SCRIPTS, copied, run

if sys.version_info >= (3, 10):
    import rust_api
    import version

INCLUDE = ROOT / "include"
pytestmark = MODERN

# The C interface


def interface(folder, header=lambda text: text, symbols=lambda text: text):
    folder.mkdir()
    (folder / "sealgate.h").write_text(header((INCLUDE / "sealgate.h").read_text()))
    (folder / "symbols.txt").write_text(symbols((INCLUDE / "symbols.txt").read_text()))
    return folder


def replaced(old, new, count=-1):
    def change(text):
        assert old in text, old
        return text.replace(old, new, count)

    return change


def compared(tmp_path, **changes):
    return run(sys.executable, SCRIPTS / "abi.py", INCLUDE, interface(tmp_path / "new", **changes))


@pytest.fixture(scope="module")
def _abidiff():
    if shutil.which("abidiff") is None:
        pytest.skip("there is no abidiff; scripts/bootstrap release installs it on Debian")


@pytest.mark.usefixtures("_abidiff")
def test_what_is_only_added_is_compatible(tmp_path):
    more = "void sealgate_more(int32_t x);\n\n#ifdef __cplusplus\n}"
    done = compared(
        tmp_path, header=replaced("#ifdef __cplusplus\n}", more, 1), symbols=lambda text: text + "sealgate_more\n"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "new: sealgate_more" in done.stdout


@pytest.mark.usefixtures("_abidiff")
@pytest.mark.parametrize(
    ("header", "symbols", "complaint"),
    [
        (lambda text: text, replaced("sealgate_mask_data\n", ""), "the function sealgate_mask_data is gone"),
        (replaced("  int32_t secret;", "  int64_t secret;"), lambda text: text, "type size changed from 32 to 64"),
        (replaced("uint32_t remaining;", "uint32_t left; uint32_t remaining;"), lambda text: text, "type size changed"),
        (replaced("uint64_t *out);", "uint32_t *out);", 1), lambda text: text, "sealgate_claims_expires_at"),
        (replaced("#define SEALGATE_KEYS_DATA 2", "#define SEALGATE_KEYS_DATA 8"), lambda text: text, "SEALGATE_KEYS_DATA was 2 and is 8"),
        (replaced("SEALGATE_STATUS_STORE = 7", "SEALGATE_STATUS_STORE = 9"), lambda text: text, "SEALGATE_STATUS_STORE was 7 and is 9"),
    ],
    ids=["function", "member", "members", "parameter", "constant", "status"],
)
def test_what_breaks_programs_is_found(tmp_path, header, symbols, complaint):
    done = compared(tmp_path, header=header, symbols=symbols)
    assert done.returncode == 1 and complaint in done.stdout and "would break" in done.stderr, done.stdout + done.stderr


@pytest.mark.usefixtures("_abidiff")
def test_a_break_needs_another_soname_and_another_abi_version(tmp_path):
    number, abi = version.current(), int(re.search(r"ABI_VERSION (\d+)", (INCLUDE / "sealgate.h").read_text())[1])
    major, minor, _ = version.parse(number)
    newer = f"{major}.{minor + 1}.0" if major == 0 else f"{major + 1}.0.0"
    broken = replaced("  int32_t secret;", "  int64_t secret;")
    renumbered = replaced(f'_VERSION_STRING "{number}"', f'_VERSION_STRING "{newer}"')
    done = compared(tmp_path, header=lambda text: renumbered(broken(text)))
    assert done.returncode == 1 and "increase it" in done.stderr
    again = replaced(f"ABI_VERSION {abi}\n", f"ABI_VERSION {abi + 1}\n")
    shutil.rmtree(tmp_path / "new")
    done = compared(tmp_path, header=lambda text: again(renumbered(broken(text))))
    assert done.returncode == 0 and "permitted" in done.stdout, done.stdout + done.stderr


@pytest.mark.usefixtures("_abidiff")
def test_interfaces_that_cannot_be_compared_are_no_success(tmp_path):
    done = compared(tmp_path, symbols=lambda text: text + "sealgate_undeclared\n")
    assert done.returncode == 2 and "does not compile" in done.stderr
    assert run(sys.executable, SCRIPTS / "abi.py", INCLUDE, tmp_path / "none").returncode == 2


# The Python interface


def python_compared(tmp_path, file, old, new, later):
    package = tmp_path / "sealgate"
    shutil.copytree(PACKAGE / "sealgate", package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new, 1))
    return run(sys.executable, SCRIPTS / "python_api.py", PACKAGE, tmp_path, "0.1.0", later)


@pytest.mark.parametrize(
    ("file", "old", "new", "code", "shown"),
    [
        ("tokens.py", "    def issue_token(", "    def issue(", 1, "Gate.issue_token"),
        ("gate.py", "visible_chars: int = 3", "visible_chars: int", 1, "Gate.mask(visible_chars)"),
        ("gate.py", "def mask_data(data: str, visible_chars: int = 3)", "def mask_data(data: str, visible_chars: int = 3, more: int = 1)", 0, "0 changes"),
        ("gate.py", "_SIZE_MAX = ", "_LARGEST = _SIZE_MAX = ", 0, "0 changes"),
    ],
)
def test_what_python_programs_notice_is_found(tmp_path, file, old, new, code, shown):
    done = python_compared(tmp_path, file, old, new, "0.1.1")
    assert done.returncode == code and shown in done.stdout, done.stdout + done.stderr


def test_a_version_that_promises_nothing_may_change_it(tmp_path):
    done = python_compared(tmp_path, "tokens.py", "    def issue_token(", "    def issue(", "0.2.0")
    assert done.returncode == 0 and "Gate.issue_token" in done.stdout, done.stdout + done.stderr


# The Rust interface

LIST = "scripts/release/rust-api.txt"


def rust_pages(folder, kind="", variants="One", trait="", method="pub fn run(&amp;self, count: <a>u32</a>)"):
    """What rustdoc writes about a crate with an enum, a trait, a struct and a name that is exported again."""

    def page(path, declaration, more=""):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f'<pre class="rust item-decl"><code>{declaration}</code></pre>{more}')
        return path, path.replace(".html", "").replace("/", "::").replace("enum.", "").replace("trait.", "").replace("struct.", "")

    def section(kind, text, level=4):
        return f'<section id="{kind}.x" class="{kind}"><h{level} class="code-header">{text}</h{level}></section>'

    inside = "".join(f"    {name},\n" for name in variants.split())
    fold = '<details class="toggle type-contents-toggle"><summary class="hideme"><span>Show 2 variants</span></summary>'
    parts = section("impl", "impl Thing", 3) + section("method", method) + '<div id="trait-implementations-list">'
    parts += section("impl", "impl Clone for Thing", 3) + section("method", "fn clone(&amp;self) -> Thing")
    parts += '<div id="synthetic-implementations-list">' + section("impl", "impl Send for Thing", 3) + section("impl", "impl Freeze for Thing", 3)
    parts += '<div id="blanket-implementations-list">' + section("impl", "impl&lt;T&gt; Any for T", 3)
    found = [
        page("enum.Kind.html", f"{kind}pub enum Kind {{\n{fold}{inside}</details>}}"),
        page("part/trait.Doer.html", f"pub trait Doer {{\n    // Required method\n    fn act(&amp;self);{trait}\n}}"),
        page("part/struct.Thing.html", "pub struct Thing { <span>/* private fields */</span> }", parts),
    ]
    (folder / "all.html").write_text("".join(f'<li><a href="{path}">{name}</a></li>' for path, name in found))
    (folder / "index.html").write_text('<dt id="reexport.Thing"><code>pub use part::<a>Thing</a>;</code></dt>')
    return folder


def rust_lines(folder, **changes):
    return set(rust_api.listed(rust_pages(folder, **changes)))


def test_the_list_has_what_programs_can_name(tmp_path):
    assert rust_lines(tmp_path / "a", variants="One Two(u8)") == {
        ": pub use part::Thing;",
        "Kind: has One",
        "Kind: has Two(u8)",
        "Kind: pub enum Kind",
        "part::Doer: has fn act(&self);",
        "part::Doer: pub trait Doer",
        "part::Thing: impl Clone for Thing",
        "part::Thing: impl Send for Thing",
        "part::Thing: pub fn run(&self, count: u32)",
        "part::Thing: pub struct Thing /* private */",
    }


NOT_EXHAUSTIVE = "<span>#[non_exhaustive]</span>"


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ({}, {}, None),
        ({}, {"variants": "One Two"}, "added to what programs list in full: Kind: has Two"),
        ({"variants": "One Two"}, {}, "gone: Kind: has Two"),
        ({"kind": NOT_EXHAUSTIVE}, {"kind": NOT_EXHAUSTIVE, "variants": "One Two"}, None),
        ({"kind": NOT_EXHAUSTIVE, "variants": "One Two"}, {"kind": NOT_EXHAUSTIVE}, "gone: Kind: has Two"),
        ({}, {"trait": "\n    fn more(&amp;self);"}, "added to what programs list in full: part::Doer: has fn more(&self);"),
        ({}, {"trait": "\n    fn more(&amp;self) { ... }"}, None),
        ({}, {"method": "pub fn run(&amp;self, count: u64)"}, "gone: part::Thing: pub fn run(&self, count: u32)"),
    ],
)
def test_what_rust_programs_notice_is_found(tmp_path, before, after, complaint):
    found = rust_api.breaking(rust_lines(tmp_path / "old", **before), rust_lines(tmp_path / "new", **after))
    assert found == ([complaint] if complaint else [])


def test_only_a_version_that_promises_it_must_keep_the_rust_interface(tmp_path):
    for name, changes in (("old", {}), ("new", {"variants": "Two"})):
        lines = "".join(f"{line}\n" for line in rust_api.listed(rust_pages(tmp_path / f"{name}.pages", **changes)))
        (tmp_path / name).write_text(lines)
    for old, new, code in [("0.1.0", "0.1.1", 1), ("0.1.0", "0.2.0", 0), ("1.1.0", "1.2.0", 1), ("1.1.0", "2.0.0", 0)]:
        done = run(sys.executable, SCRIPTS / "rust_api.py", "compare", tmp_path / "old", tmp_path / "new", old, new)
        assert done.returncode == code and "gone: Kind: has One" in done.stdout, done.stderr
    (tmp_path / "new").write_text("")
    assert run(sys.executable, SCRIPTS / "rust_api.py", "compare", tmp_path / "old", tmp_path / "new", "0.1.0", "0.2.0").returncode == 2


def test_the_list_knows_every_name_that_the_crate_exports():
    """It is written before each release; what was there then has a line for each module."""
    lines = (ROOT / LIST).read_text().splitlines()
    assert lines == sorted(set(lines)) and len(lines) > 1000
    assert {"gate", "keys", "tokens", "users"} <= {line.partition("::")[0] for line in lines}


# All three


class Repository:
    """A repository with what is compared, tools that stand for the ones that take minutes to build, and one commit."""

    def __init__(self, folder):
        self.root, self.target = folder / "root", folder / "target"
        copied(self.root)
        for path in ("scripts", "include", "bindings/python/sealgate"):
            shutil.copytree(ROOT / path, self.root / path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        # Instead of `cargo doc`: the pages of this crate, which take minutes to make.
        self.program("bin/cargo", f'mkdir -p "$CARGO_TARGET_DIR/doc" && cp -r "{folder}/pages" "$CARGO_TARGET_DIR/doc/sealgate"')
        rust_pages(folder / "pages")
        (self.root / LIST).write_text("".join(f"{line}\n" for line in rust_api.listed(folder / "pages")))
        self.program("release-venv/bin/python", f'exec "{sys.executable}" "$@"')
        shutil.copyfile(SCRIPTS / "requirements.txt", self.target / "release-venv/requirements.stamp")
        self.git("init", "-q")
        self.commit()

    def program(self, path, script):
        path = self.target / path
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def git(self, *arguments):
        done = run("git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments, folder=self.root)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def commit(self):
        self.git("add", ".")
        self.git("commit", "-qm", "one")

    def replace(self, file, old, new):
        path = self.root / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def check(self, *settings):
        path = f"{self.target / 'bin'}:{os.environ['PATH']}"
        return run("env", f"PATH={path}", *settings, self.root / "scripts/release/check-compatibility", self.target, folder=self.root)


@pytest.mark.usefixtures("_abidiff")
def test_a_release_is_compared_with_the_newest_earlier_tag(tmp_path):
    repository = Repository(tmp_path)
    own = version.current()
    major, minor, patch = version.parse(own)
    newer = f"{major}.{minor}.{patch + 1}"

    repository.git("tag", "-am", "it", f"v{own}")
    done = repository.check()
    assert done.returncode == 0 and "no earlier release" in done.stdout, done.stderr

    # An older tag is not the last release, and one of another branch is none.
    repository.git("tag", "-am", "it", "v0.0.1")
    for file in ("Cargo.toml", "include/sealgate.h"):
        repository.replace(file, f'"{own}"', f'"{newer}"')
    repository.commit()
    repository.git("tag", "-am", "it", f"v{newer}")
    done = repository.check()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"v{newer} beside v{own}" in done.stdout
    for line in (r"^C: .* new: none$", r"^Python: 0 changes ", r"^Rust: 0 changes "):
        assert re.search(line, done.stdout, re.MULTILINE), done.stdout

    # One break is enough, and the others are compared all the same.
    repository.replace("include/symbols.txt", "sealgate_mask_data\n", "")
    done = repository.check()
    assert done.returncode == 1 and "sealgate_mask_data is gone" in done.stdout
    assert "Python: 0 changes" in done.stdout and "Rust: " in done.stdout
    assert len(repository.git("worktree", "list").splitlines()) == 1

    # A list that is not current is no list.
    repository.replace(LIST, "Kind: has One\n", "")
    done = repository.check()
    assert done.returncode == 1 and "is not current" in done.stderr and "+Kind: has One" in done.stdout
    repository.check("SEALGATE_WRITE_RUST_API=1")
    assert "Kind: has One\n" in (repository.root / LIST).read_text()
