"""The packages for Debian: lintian, and their life in Debian 12 and 13."""

import os
import shutil
from pathlib import Path

import pytest

from conftest import DIST, ROOT, WORK, run

HERE = Path(__file__).resolve().parent
SUITES = ["bookworm", "trixie"]


@pytest.mark.parametrize("name", ["sealgate", "libsealgate0", "libsealgate-dev", "python3-sealgate"])
def test_lintian_has_nothing_to_say(artefact, name):
    package = artefact(f"{name}_*.deb")
    said = run("lintian", "--allow-root", "--fail-on", "warning", package)
    assert said == "", said


@pytest.fixture(scope="session")
def previous():
    """The package to upgrade from: that of the last release, else one with the command of an older commit."""
    given = os.environ.get("PREVIOUS")
    if given:
        return Path(given).resolve()
    made = WORK / "previous" / "sealgate_previous.deb"
    if not made.exists():
        run(ROOT / "scripts" / "dist" / "previous", os.environ["SEALGATE_DIST_TOOLS"], WORK, DIST)
    return made


@pytest.mark.parametrize("suite", SUITES)
def test_the_life_of_the_package(make_root, artefact, previous, suite):
    root = make_root(suite)
    shutil.copy(previous, root.folder / "root" / "previous.deb")
    said = root.script(HERE / "life.py", "/root/previous.deb", f"/run/dist/{artefact('sealgate_*.deb').name}")
    print(said)
    assert "none failed" in said and "removed and purged" in said
    assert ("a downgrade works" in said) != ("a downgrade is refused" in said)


@pytest.mark.parametrize("suite", SUITES)
def test_the_libraries_serve_c_and_python(make_root, artefact, suite):
    """The C program in a root that has a compiler; Python in both."""
    root = make_root(suite, "-c" if suite == "bookworm" else "")
    names = ["libsealgate0", "python3-sealgate"] + (["libsealgate-dev"] if suite == "bookworm" else [])
    root.run("apt-get", "-q", "-y", "install", *(f"/run/dist/{artefact(f'{name}_*.deb').name}" for name in names))
    program = "import sealgate; gate = sealgate.Gate(); print(gate.decrypt(gate.encrypt('noon')).decode(), sealgate.__file__)"
    assert "noon /usr/lib/python3/dist-packages/sealgate/" in root.run("python3", "-c", program)
    if suite == "bookworm":
        example = "/usr/share/doc/libsealgate-dev/examples/first_steps.c"
        root.run("sh", "-c", f"cc -o /root/first {example} $(pkg-config --cflags --libs sealgate)")
        assert "opened: meet me at noon" in root.run("/root/first")
    root.run("apt-get", "-q", "-y", "purge", *reversed(names))
    assert not (root.folder / "usr/lib/python3/dist-packages/sealgate").exists()


def test_the_folder_is_a_repository(make_root):
    root = make_root("bookworm")
    (root.folder / "etc/apt/sources.list").write_text("deb [trusted=yes] file:/run/dist ./\n")
    shutil.rmtree(root.folder / "etc/apt/sources.list.d", ignore_errors=True)
    root.run("apt-get", "-q", "update")
    root.run("apt-get", "-q", "-y", "install", "sealgate", "python3-sealgate")
    assert root.run("sealgate", "--version").startswith("sealgate ")
