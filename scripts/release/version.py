"""The version of a release. It is written in Cargo.toml; every other file that has it is listed here, and derived from it.

usage: version.py show          print it
       version.py check [TAG]   fail unless every file has it, and the tag, if given, is "v" and it
       version.py set VERSION   write it to Cargo.toml and all other files
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?")

# The place that counts, and those that follow it: a file, and what surrounds the version in it. include/sealgate.h follows too,
# but is generated: `make header`.
SOURCE = ("Cargo.toml", r'(?<=\nversion = ")[^"\n]+')
PLACES = [
    ("Cargo.lock", r'(?<=\nname = "sealgate"\nversion = ")[^"\n]+'),
    ("bindings/python/sealgate/_version.py", r'(?<=\nVERSION = ")[^"\n]+'),
    ("packaging/kubernetes/kustomization.yaml", r"(?<=newTag: )\S+"),
    ("packaging/kubernetes/migrate-job.yaml", r"(?<=/sealgate:)\S+"),
    ("examples/beside/compose.yaml", r"(?<=image: sealgate:)\S+"),
    ("src/api/openapi.json", r'(?<="title": "Sealgate", "version": ")[^"\n]+'),
    ("src/api/openapi.json", r'(?<="name": "sealgate", "version": ")[^"\n]+'),
    ("README.md", r"(?<= sealgate:)\S+"),
    ("docs/http.md", r'(?<="name":"sealgate","version":")[^"\n]+'),
]
HEADER = ("include/sealgate.h", r'(?<=#define SEALGATE_VERSION_STRING ")[^"\n]+')


class VersionError(Exception):
    """A version is wrong or missing."""


def parse(text):
    """The three numbers of a version."""
    match = SEMVER.fullmatch(text)
    if not match:
        raise VersionError(f"{text} is not a version such as 1.2.3")
    return tuple(int(part) for part in match.groups())


def find(root, place):
    file, pattern = place
    found = re.findall(pattern, (root / file).read_text())
    if len(found) != 1:
        raise VersionError(f"{file} has {len(found)} places for a version where one belongs")
    return found[0]


def current(root=ROOT):
    version = find(root, SOURCE)
    parse(version)
    return version


def check(root, tag=None):
    version = current(root)
    wrong = [f"{place[0]} has {found}" for place in [*PLACES, HEADER] if (found := find(root, place)) != version]
    if tag is not None and tag != f"v{version}":
        wrong.append(f"the tag is {tag}")
    if wrong:
        raise VersionError(f"Cargo.toml has {version}, but {'; '.join(wrong)}")
    return version


def change(root, version):
    parse(version)
    if parse(version) < parse(current(root)):
        raise VersionError(f"{version} is older than {current(root)}")
    texts = {}
    for file, pattern in [SOURCE, *PLACES]:
        find(root, (file, pattern))
        texts[file] = re.sub(pattern, version, texts.get(file) or (root / file).read_text())
    for file, text in texts.items():
        (root / file).write_text(text)


def main(arguments):
    match arguments:
        case ["show"]:
            print(current())
        case ["check", *tag] if len(tag) <= 1:
            print(check(ROOT, *tag))
        case ["set", version]:
            change(ROOT, version)
            print(f"{version} is written. Next: make header")
        case _:
            sys.exit(__doc__.split("\n\n")[1])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (VersionError, OSError) as error:
        sys.exit(f"version: {error}")
