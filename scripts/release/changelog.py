"""The changelog of a release.

usage: changelog.py check TAG    fail unless CHANGELOG.md has the release of this tag, dated, as its newest, with nothing unreleased
       changelog.py notes TAG    print its section, for the page of the release
       changelog.py release VERSION DATE    give the section Unreleased this version and date, and begin a new one
"""

import datetime
import re
import sys
from pathlib import Path

import version as versions

ROOT = Path(__file__).resolve().parents[2]
HEADING = re.compile(r"^## \[([^\]]+)\](?: - (\S+))?$", re.MULTILINE)
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


class ChangelogError(Exception):
    """The changelog does not fit the release."""


def sections(text):
    """The name, date and text of each section, in their order."""
    found = list(HEADING.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [(match[1], match[2], text[match.end() : end].strip()) for match, end in zip(found, ends)]


def day(text):
    try:
        found = datetime.date.fromisoformat(text or "")
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        raise ChangelogError(f"{text} is not a date such as 2026-01-31")
    return found


def check(text, tag):
    """The section of a release, if everything about it is in order."""
    name = tag.removeprefix("v")
    if tag != f"v{name}":
        raise ChangelogError(f"{tag} is not a tag such as v1.2.3")
    versions.parse(name)
    if unknown := [line for line in re.findall(r"^## .*$", text, re.MULTILINE) if not HEADING.fullmatch(line)]:
        raise ChangelogError(f"not a heading of a release: {unknown[0]}")
    found = sections(text)
    if not found or found[0][0] != "Unreleased":
        raise ChangelogError("the first section must be Unreleased")
    if found[0][2]:
        raise ChangelogError(f"there are unreleased changes; before the tag they belong to [{name}]")
    released = found[1:]
    if not released or released[0][0] != name:
        raise ChangelogError(f"the newest release is {released[0][0] if released else 'none'}, not {name}")
    numbers = [versions.parse(each) for each, _, _ in released]
    if numbers != sorted(set(numbers), reverse=True):
        raise ChangelogError("the releases are not in their order, the newest first")
    days = [day(date) for _, date, _ in released]
    if days != sorted(days, reverse=True):
        raise ChangelogError("a release has a later date than the one after it")
    section = released[0][2]
    if wrong := set(re.findall(r"^### (.*)$", section, re.MULTILINE)) - KINDS:
        raise ChangelogError(f"unknown kinds of changes: {', '.join(sorted(wrong))}")
    if not re.search(r"^- ", section, re.MULTILINE):
        raise ChangelogError(f"{name} lists no change")
    return section


def release(text, name, date):
    """The changelog in which what was unreleased is this version."""
    versions.parse(name)
    day(date)
    found = sections(text)
    if not found or found[0][0] != "Unreleased" or not found[0][2]:
        raise ChangelogError("there is nothing unreleased")
    return text.replace("## [Unreleased]\n", f"## [Unreleased]\n\n## [{name}] - {date}\n", 1)


def main(arguments):
    path = ROOT / "CHANGELOG.md"
    match arguments:
        case ["check", tag]:
            check(path.read_text(), tag)
        case ["notes", tag]:
            print(check(path.read_text(), tag))
        case ["release", name, date]:
            path.write_text(release(path.read_text(), name, date))
        case _:
            sys.exit(__doc__.split("\n\n")[1])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ChangelogError, versions.VersionError) as error:
        sys.exit(f"changelog: {error}")
