"""Prints the licences of all crates that are linked, from the texts that each of them ships. licences.py CRATE SYSROOT"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

NAMES = re.compile(r"^(un)?(licen[sc]e|copying|copyright|notice)", re.IGNORECASE)
INTRODUCTION = """\
Sealgate is under the MIT licence, in the file LICENSE. Code of others is linked into its command and its libraries; it is
listed here with its licences. Where a licence is a choice (OR), the text of each choice that the crate has is below.

SQLite (in libsqlite3-sys) is in the public domain.
"""


def packages(crate):
    """What is linked: the crates that the library and the command reach by ordinary dependencies, macros apart."""
    command = ["cargo", "metadata", "--locked", "--format-version=1", "--features=vendored-openssl"]
    command += ["--filter-platform=x86_64-unknown-linux-gnu"]
    read = json.loads(subprocess.run(command, cwd=crate, check=True, stdout=subprocess.PIPE).stdout)
    by_id = {package["id"]: package for package in read["packages"]}
    nodes = {node["id"]: node for node in read["resolve"]["nodes"]}
    found, left = set(), [read["resolve"]["root"]]
    while left:
        name = left.pop()
        if name in found or any("proc-macro" in target["kind"] for target in by_id[name]["targets"]):
            continue
        found.add(name)
        for dependency in nodes[name]["deps"]:
            # A build script's dependency, but what it builds is linked.
            linked = by_id[dependency["pkg"]]["name"] == "openssl-src"
            if linked or any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                left.append(dependency["pkg"])
    found.remove(read["resolve"]["root"])
    return sorted((by_id[name] for name in found), key=lambda package: (package["name"], package["version"]))


def texts(package):
    folder = Path(package["manifest_path"]).parent
    folders = [folder, folder / "openssl"] if package["name"] == "openssl-src" else [folder]
    files = [path for folder in folders for path in folder.iterdir() if path.is_file() and NAMES.match(path.name)]
    return [path.read_text(encoding="utf-8", errors="replace").strip() for path in sorted(files)]


def main():
    crate, sysroot = Path(sys.argv[1]), Path(sys.argv[2])
    holders, without, listed = defaultdict(list), [], []
    for package in packages(crate):
        name = f"{package['name']} {package['version']}"
        listed.append(f"  {name}: {package['license']}")
        found = texts(package)
        if not found:
            authors = ", ".join(re.sub(r" <.*?>", "", author) for author in package["authors"])
            without.append(f"  {name}: {package['license']}" + (f", by {authors}" if authors else ""))
        for text in found:
            holders[re.sub(r"\s+", " ", text)].append((name, text))
    for path in (sysroot / "share/doc/rust/licenses" / name for name in ("Apache-2.0.txt", "MIT.txt")):
        text = path.read_text(encoding="utf-8").strip()
        holders[re.sub(r"\s+", " ", text)].append(("Rust's standard library", text))
    listed.append("  Rust's standard library: MIT OR Apache-2.0")

    print(INTRODUCTION)
    print("\n".join(listed))
    if without:
        print("\nThese crates name their licence and ship no text; that of each licence is below:\n")
        print("\n".join(without))
    for found in sorted(holders.values(), key=lambda found: found[0][0]):
        print("\n" + "-" * 100 + "\n" + "\n".join(name for name, _ in found) + "\n" + "-" * 100 + "\n")
        print(found[0][1])


main()
