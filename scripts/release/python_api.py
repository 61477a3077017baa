"""Compares the public interface of the Python package of two versions, from their sources, with griffe.

usage: python_api.py OLD_FOLDER NEW_FOLDER OLD_VERSION NEW_VERSION

The folders contain the package sealgate. Exit code: 1 if programs that use the old version may fail with the new one, although the
versions promise that they work.
"""

import re
import sys

import griffe

import version as versions


def compatible(old, new):
    """Whether the version promises that what worked still works."""
    old, new = versions.parse(old), versions.parse(new)
    return old[:2] == new[:2] if old[0] == 0 else old[0] == new[0]


def load(folder):
    return griffe.load("sealgate", search_paths=[folder], allow_inspection=False, resolve_aliases=True)


def main(old, new, old_version, new_version):
    before, after = load(old), load(new)
    changes = {breakage.explain(style=griffe.ExplanationStyle.ONE_LINE) for breakage in griffe.find_breaking_changes(before, after)}
    found = sorted(re.sub(r"\x1b\[\d+m", "", change) for change in changes)
    print(f"Python: {len(found)} changes from {old_version} to {new_version} that programs may notice")
    print("".join(f"{line}\n" for line in found), end="")
    if found and compatible(old_version, new_version):
        sys.exit(f"{new_version} promises to be compatible with {old_version}")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        print("usage: python_api.py OLD_FOLDER NEW_FOLDER OLD_VERSION NEW_VERSION", file=sys.stderr)
        sys.exit(2)
    try:
        main(*sys.argv[1:])
    except (griffe.GriffeError, versions.VersionError) as error:
        print(f"Python: {error}", file=sys.stderr)
        sys.exit(2)
