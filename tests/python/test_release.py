"""How a release is made: one version, the changelog and the tag."""

import re
import shutil
import sys

import pytest

from conftest import ROOT
from releases import MODERN, SCRIPTS, copied, run

if sys.version_info >= (3, 10):
    import changelog
    import version

pytestmark = MODERN

# The version


def test_every_file_has_the_version_of_cargo_toml():
    assert version.check(ROOT) == version.current()
    assert version.check(ROOT, f"v{version.current()}")
    with pytest.raises(version.VersionError, match=r"the tag is v9\.9\.9"):
        version.check(ROOT, "v9.9.9")


def test_no_other_file_has_a_copy_of_the_version(tmp_path):
    """A new one would be overlooked by the next release."""
    known = {file for file, _ in [version.SOURCE, *version.PLACES, *version.shown(ROOT), version.HEADER]}
    known |= {"CHANGELOG.md"}  # tells of versions
    text = re.escape(version.current())
    found = run("git", "grep", "-lIE", rf"(^|[^0-9.])v?{text}([^0-9.]|$)", "--", ":!tests", ":!fuzz", ":!*.lock", ":!docs/images").stdout
    examples = {"src/ffi/version.rs"}  # "such as"
    assert set(found.split()) - known - examples == set()
    # Nor has one of these files a place that is not known, the next version of which would be missing there.
    for file in known - {"CHANGELOG.md", "Cargo.lock", "Cargo.toml", "include/sealgate.h"}:
        places = [pattern for name, pattern in [*version.PLACES, *version.shown(ROOT)] if name == file]
        text = (ROOT / file).read_text()
        counted = sum(len(re.findall(pattern, text)) for pattern in places)
        assert counted == len(re.findall(rf"(?<![0-9.]){re.escape(version.current())}(?![0-9.])", text)), file


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


def test_a_page_that_shows_the_version_follows(tmp_path):
    root = copied(tmp_path)
    page = root / "docs/shown.md"
    page.write_text("```\n$ sealgate serve\nSealgate 0.0.1\n```\nSealgate 2 has\n")
    with pytest.raises(version.VersionError, match=r"docs/shown\.md has 0\.0\.1"):
        version.check(root)
    version.change(root, version.current())
    assert page.read_text() == f"```\n$ sealgate serve\nSealgate {version.current()}\n```\nSealgate 2 has\n"
    assert version.check(root) == version.current()


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
