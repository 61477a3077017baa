"""What scripts/dist/debs changes in the trees that become packages.

debs.py python WHEEL TREE     the wheel without its library: the package uses the one of libsealgate0
debs.py control NAME TREE     the first line of the description, and the sums of all files
"""

import hashlib
import re
import sys
import zipfile
from pathlib import Path

SYNOPSES = {
    "libsealgate0": "tokens, encryption and rate limits for C programs",
    "libsealgate-dev": "tokens, encryption and rate limits for C programs (development)",
    "python3-sealgate": "tokens, encryption and rate limits for Python programs",
    "sealgate": "tokens, encryption and rate limits over HTTP",
}


def python(wheel, tree):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            keep = name.endswith("/METADATA") if ".dist-info/" in name else not name.endswith(".so")
            if keep:
                archive.extract(name, tree)


def control(name, tree):
    tree = Path(tree)
    path = tree / "DEBIAN" / "control"
    # cargo-deb gives every package the crate's own description, broken where the line is full.
    text = re.sub(r"^Description: .*\n( from C and from Python\n)?", f"Description: {SYNOPSES[name]}\n", path.read_text(), flags=re.M)
    text = re.sub(r"^Suggests: *\n", "", text, flags=re.M)
    path.write_text(text)
    conffiles = tree / "DEBIAN" / "conffiles"
    if conffiles.exists() and not conffiles.read_text().strip():
        conffiles.unlink()
    files = sorted(file for file in tree.rglob("*") if file.is_file() and not file.is_symlink() and "DEBIAN" not in file.parts)
    sums = (f"{hashlib.md5(file.read_bytes()).hexdigest()}  {file.relative_to(tree)}\n" for file in files)
    (tree / "DEBIAN" / "md5sums").write_text("".join(sums))


if __name__ == "__main__":
    {"python": python, "control": control}[sys.argv[1]](*sys.argv[2:])
