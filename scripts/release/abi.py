"""Compares the C interface of two versions: symbols, signatures, structures and constants.

usage: abi.py OLD NEW

OLD and NEW are folders with sealgate.h and symbols.txt. Both headers are compiled into an object that holds a pointer to each
function and one of each type, and abidiff (Debian's abigail-tools) compares the two. A program that was compiled with the old header
must run with the new library, unless the new one has another SONAME and another SEALGATE_ABI_VERSION. Exit code: 0 if that
is so, 1 if not, 2 if it cannot be told.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import version as versions

# Of abidiff's exit code: the call failed; something was changed; in a way that breaks programs.
FAILED, CHANGED, BREAKING = 1 | 2, 4, 8
# What says which version it is, and what a program does not see.
NOT_KEPT = re.compile(r"SEALGATE_(H|VERSION_\w+|ABI_VERSION|MUST_USE)")


class AbiError(Exception):
    """The interfaces cannot be compared."""


class Interface:
    """The C interface in a folder."""

    def __init__(self, folder):
        self.header = Path(folder) / "sealgate.h"
        text = self.header.read_text()
        self.symbols = set((Path(folder) / "symbols.txt").read_text().split())
        if not self.symbols:
            raise AbiError(f"{folder}: symbols.txt is empty")
        self.macros = dict(re.findall(r"^#define (SEALGATE_\w+)(?:\(\w+\))? +(.+)$", text, re.MULTILINE))
        self.abi = int(self.macros["SEALGATE_ABI_VERSION"])
        self.version = self.macros["SEALGATE_VERSION_STRING"].strip('"')
        major, minor, _ = versions.parse(self.version)
        self.soname = f"libsealgate.so.{major}" if major else f"libsealgate.so.0.{minor}"
        plain = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        self.statuses = dict(re.findall(r"\b(SEALGATE_STATUS_\w+) = (\d+)", plain))
        self.structs = sorted(set(re.findall(r"^typedef struct (sealgate_\w+)", plain, re.MULTILINE)))
        self.whole = set(re.findall(r"^typedef struct (sealgate_\w+) \{", plain, re.MULTILINE))
        self.callbacks = sorted(set(re.findall(r"^typedef [^;{]*\(\*(sealgate_\w+)\)", plain, re.MULTILINE)))

    def probe(self, out):
        """Compiles what stands for the interface."""
        lines = ['#include "sealgate.h"']
        lines += [f"__typeof__({name}) *probe_{name};" for name in sorted(self.symbols)]
        lines += [f"{name} {'' if name in self.whole else '*'}probe_{name};" for name in self.structs + self.callbacks]
        source = out.with_suffix(".c")
        source.write_text("\n".join(lines) + "\n")
        flags = ["-std=gnu11", "-g", "-O0", "-shared", "-fPIC", "-Wall", "-Werror", f"-I{self.header.parent}"]
        made = subprocess.run(["cc", *flags, source, "-o", out], capture_output=True, text=True)
        if made.returncode:
            raise AbiError(f"{self.header} does not compile with all of symbols.txt:\n{made.stderr}")
        return out


def differences(old, new):
    """What a program compiled with the old header would meet, one sentence each; and whether there are additions."""
    breaking = [f"the function {name} is gone" for name in sorted(old.symbols - new.symbols)]
    for name, value in sorted((old.macros | old.statuses).items()):
        now = (new.macros | new.statuses).get(name)
        if now != value and not NOT_KEPT.fullmatch(name):
            breaking.append(f"{name} was {value} and is {now or 'gone'}")
    return breaking


def abidiff(old, new, folder):
    """Sentences of abidiff about what breaks programs."""
    probes = []
    for name, interface in (("old", old), ("new", new)):
        (folder / name).mkdir()
        probes.append(interface.probe(folder / name / "probe.so"))
    try:
        done = subprocess.run(["abidiff", "--no-added-syms", *probes], capture_output=True, text=True)
    except FileNotFoundError:
        raise AbiError("abidiff is missing: it is in Debian's package abigail-tools") from None
    if done.returncode & FAILED:
        raise AbiError(f"abidiff failed: {done.stderr or done.stdout}")
    if done.returncode & (CHANGED | BREAKING):
        return [done.stdout.strip()]
    return []


def main(old, new):
    old, new = Interface(old), Interface(new)
    breaking = differences(old, new)
    with tempfile.TemporaryDirectory() as folder:
        breaking += abidiff(old, new, Path(folder))
    added = sorted(new.symbols - old.symbols)
    print(f"C: {old.version} has {len(old.symbols)} functions, {new.version} has {len(new.symbols)}; new: {', '.join(added) or 'none'}")
    if not breaking:
        return
    print("\n".join(breaking))
    if new.soname == old.soname:
        sys.exit(f"programs that were linked with {old.version} load {new.soname} of {new.version}, and would break")
    if new.abi <= old.abi:
        sys.exit(f"SEALGATE_ABI_VERSION is {new.abi} as before: increase it, so that loaders of the library refuse it")
    print(f"permitted: {new.version} has the SONAME {new.soname} and SEALGATE_ABI_VERSION {new.abi}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print("usage: abi.py OLD NEW", file=sys.stderr)
        sys.exit(2)
    try:
        main(*sys.argv[1:])
    except (AbiError, OSError, KeyError, versions.VersionError) as error:
        print(f"ABI: {error}", file=sys.stderr)
        sys.exit(2)
