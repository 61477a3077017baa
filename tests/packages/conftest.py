"""Clean roots of Debian in which the artefacts of `make dist` are tried. They have neither Rust nor a network, only loopback.

Needs root, for chroot and namespaces, and for the first run Debian's mirror: mmdebstrap makes the roots, which are kept.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DIST = Path(os.environ.get("SEALGATE_DIST", ROOT / "target" / "dist"))
WORK = Path(os.environ.get("SEALGATE_DIST_WORK", ROOT / "target" / "dist-work"))
TOOLS = Path(os.environ.get("SEALGATE_DIST_TOOLS", ROOT / "target" / "tools"))
PATIENCE = 1800  # seconds; on a busy machine unpacking a root takes minutes

# What the packages need, so that apt finds it without a network, and what the tests themselves use.
INCLUDED = {"": "adduser,curl,python3", "-c": "adduser,curl,python3,gcc,libc6-dev,libssl-dev,pkg-config"}

ENTER = """set -e
ip link set lo up
mount -t proc proc "$0/proc"
mount -t tmpfs -o mode=755 tmpfs "$0/dev"
for device in null zero full random urandom tty; do
    touch "$0/dev/$device"
    mount --bind "/dev/$device" "$0/dev/$device"
done
ln -s /proc/self/fd "$0/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$0/run"
mkdir "$0/run/dist"
mount --bind -o ro "$1" "$0/run/dist"
root=$0
shift
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive "$@"
"""


def run(*command, code=0, **options):
    ended = subprocess.run(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False, **options
    )
    assert ended.returncode == code, f"{command}: {ended.returncode}\n{ended.stdout}"
    return ended.stdout


class Root:
    """A copy of a clean root that a test may change."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, *command, **options):
        """In the root, in namespaces of its own that end with the command. /run/dist has the artefacts."""
        enter = ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "sh", "-c", ENTER]
        return run(*enter, self.folder, DIST, *command, **options)

    def script(self, path, *arguments, **options):
        """A program of tests/packages, with the root's Python."""
        shutil.copy(path, self.folder / "root")
        return self.run("python3", f"/root/{path.name}", *arguments, **options)


def tar_of(suite, kind):
    kept = WORK / "roots" / f"{suite}{kind}.tar"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(".part.tar")
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={INCLUDED[kind]}", suite, part)
        part.rename(kept)
    return kept


@pytest.fixture
def make_root(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("chroot and namespaces need root")
    made = []

    def make(suite, kind=""):
        folder = tmp_path / f"{suite}{kind}-{len(made)}"
        folder.mkdir()
        made.append(folder)
        run("tar", "-xf", tar_of(suite, kind), "-C", folder, "--exclude=./dev/*")
        return Root(folder)

    yield make
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def artefact():
    """The one artefact whose name fits."""

    def find(pattern):
        found = sorted(DIST.glob(pattern))
        assert len(found) == 1, f"{pattern}: {[path.name for path in found]}; run make dist first"
        return found[0]

    return find
