"""The package installed as people do it: from the folder, from the sdist, as a wheel, editable; and libraries that do not fit.

Cargo builds in the tests' own target folder, so that it need not compile every dependency again, and without optimisation, which
would take minutes: `make dist` and `make test-packages` have the library as it is released.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from conftest import PACKAGE, ROOT
from doors import Command, clean_environment

QUICKSTART = ROOT / "examples" / "python" / "quickstart.py"
BUILDING = 1200  # seconds: a build on a busy machine
QUICK = {"LTO": "off", "OPT_LEVEL": "0", "CODEGEN_UNITS": "16"}


def run(folder, *command, patience=BUILDING, code=0, **settings):
    target = {"CARGO_TARGET_DIR": str(Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve())}
    quick = {f"CARGO_PROFILE_RELEASE_{name}": value for name, value in QUICK.items()}
    given = clean_environment(folder, target | quick | settings)
    # The one HOME that has Rust; pip's cache too.
    given["HOME"] = os.environ.get("HOME", str(folder))
    ended = subprocess.run(
        list(map(str, command)), cwd=folder, env=given, capture_output=True, text=True, timeout=patience, check=False
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


class Environment:
    """A fresh virtual environment."""

    def __init__(self, folder):
        self.folder = folder
        self.python = folder / "venv" / "bin" / "python"
        run(folder, sys.executable, "-m", "venv", folder / "venv")

    def pip(self, *arguments, **more):
        return run(self.folder, self.python, "-m", "pip", "-q", "--disable-pip-version-check", *arguments, **more)

    def quickstart(self):
        said = run(self.folder, self.python, QUICKSTART)
        assert re.search(r"^opened: meet me at noon$", said, re.MULTILINE), said
        where = "import sealgate._load as load; print(load.PATH)"
        return Path(run(self.folder, self.python, "-c", where).strip())


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path)


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """pip's own way to build a wheel; `build` would be one more package."""
    return Environment(tmp_path_factory.mktemp("tools"))


def test_pip_install_of_the_folder(environment):
    environment.pip("install", PACKAGE)
    assert environment.quickstart().parent.name == "sealgate"
    # Other packages are for its extras only.
    asked = "from importlib.metadata import requires; print([one for one in requires('sealgate') if 'extra ==' not in one])"
    assert run(environment.folder, environment.python, "-c", asked).split() == ["[]"]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    build = "import os, sys, hatchling.build as b; os.chdir(sys.argv[1]); print(b.build_sdist(sys.argv[2]))"
    name = run(folder, sys.executable, "-B", "-c", build, PACKAGE, folder).split()[-1]
    return folder / name


def test_the_sdist_builds_where_nothing_else_is(sdist, environment, tmp_path):
    unpacked = tmp_path / "elsewhere"
    with tarfile.open(sdist) as archive:
        assert not any(member.issym() for member in archive)
        archive.extractall(unpacked)
    [folder] = unpacked.iterdir()
    assert {"PKG-INFO", "LICENSE", "README.md", "rust", "sealgate"} <= {path.name for path in folder.iterdir()}
    environment.pip("install", sdist)
    assert environment.quickstart().parent.name == "sealgate"
    # An sdist made of what an sdist had.
    build = "import os, sys, hatchling.build as b; os.chdir(sys.argv[1]); print(b.build_sdist(sys.argv[2]))"
    run(tmp_path, sys.executable, "-B", "-c", build, folder, tmp_path)
    assert (tmp_path / sdist.name).is_file()


@pytest.fixture(scope="module")
def library():
    from sealgate._load import PATH

    return Path(PATH).resolve()


def test_the_wheel_is_for_any_python_of_this_platform(tools, library, tmp_path):
    tools.pip("wheel", PACKAGE, "--no-deps", "-w", tmp_path, SEALGATE_BUILD_LIBRARY=library)
    [wheel] = tmp_path.glob("*.whl")
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert wheel.name.endswith(f"-py3-none-{platform}.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith(".dist-info/RECORD")}
        sources = {f"sealgate/{path.name}" for path in (PACKAGE / "sealgate").iterdir() if path.suffix in (".py", ".typed")}
        info = {name.split("/", 1)[1] for name in names if ".dist-info/" in name}
        assert {name for name in names if ".dist-info/" not in name} == sources | {"sealgate/libsealgate.so"}
        assert info == {"METADATA", "WHEEL", "licenses/LICENSE"}
        wheel_file = archive.read(next(name for name in names if name.endswith("/WHEEL"))).decode()
        metadata = archive.read(next(name for name in names if name.endswith("/METADATA"))).decode()
        assert archive.read("sealgate/libsealgate.so") == library.read_bytes()
    assert "Root-Is-Purelib: false" in wheel_file
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: ")]
    assert "Requires-Python: >=3.9" in metadata and needed and all("; extra == " in line for line in needed)


def test_an_editable_install_has_the_library_that_was_built_last(environment, library, tmp_path):
    # Of a copy: the link that it makes stays.
    copy = tmp_path / "copy" / "bindings" / "python"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    environment.pip("install", "-e", copy, SEALGATE_BUILD_LIBRARY=library)
    used = environment.quickstart()
    assert used == copy / "sealgate" / "libsealgate.so" and used.resolve() == library
    where = "import sealgate; print(sealgate.__file__)"
    assert Path(run(environment.folder, environment.python, "-c", where).strip()).parent == copy / "sealgate"
    # A wheel of the same folder has the library and not the link.
    environment.pip("wheel", copy, "--no-deps", "-w", tmp_path, SEALGATE_BUILD_LIBRARY=library)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("sealgate/libsealgate.so") == library.read_bytes()


def test_a_build_that_cannot_be_says_what_it_needs(environment, tmp_path):
    said = environment.pip("install", PACKAGE, code=1, SEALGATE_BUILD_LIBRARY=tmp_path / "none.so")
    assert "there is no library at" in said
    copy = tmp_path / "copy" / "bindings" / "python"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    assert "no Rust sources" in environment.pip("install", copy, code=1)


def test_the_license_is_the_projects():
    assert (PACKAGE / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


# Libraries that do not fit


IMPORT = "import sealgate; print(sealgate.version())"


def compiled(folder, source):
    (folder / "fake.c").write_text(source)
    run(folder, "cc", "-shared", "-fPIC", "-o", "libfake.so", "fake.c")
    return folder / "libfake.so"


def refused(python, library):
    ended = python(IMPORT, SEALGATE_LIBRARY=library)
    assert ended.code == 1 and not ended.out
    last = ended.err.strip().splitlines()[-1]
    assert last.startswith("ImportError: ") and str(library) in last
    assert "pip install --force-reinstall sealgate" in last and "SEALGATE_LIBRARY" in last
    return last


def test_a_library_of_another_version_is_an_import_error_that_says_how_to_mend_it(python, tmp_path):
    source = """
        #include <stdint.h>
        const char *sealgate_version_string(void) { return "0.9.3"; }
        uint32_t sealgate_abi_version(void) { return 9; }
    """
    said = refused(python, compiled(tmp_path, source))
    assert "is sealgate 0.9.3 with interface 9" in said and "needs interface 1" in said


def test_a_library_that_lacks_a_function_is_an_import_error(python, tmp_path):
    source = """
        #include <stdint.h>
        const char *sealgate_version_string(void) { return "0.1.0"; }
        uint32_t sealgate_abi_version(void) { return 1; }
        uint32_t sealgate_version_number(void) { return 256; }
    """
    assert "lacks what this package" in refused(python, compiled(tmp_path, source))


def test_another_library_and_a_missing_one_are_import_errors(python, tmp_path):
    assert "not a sealgate library" in refused(python, compiled(tmp_path, "int nothing;"))
    assert "cannot be loaded" in refused(python, tmp_path / "missing.so")
    (tmp_path / "text.so").write_text("no library at all")
    assert "cannot be loaded" in refused(python, tmp_path / "text.so")


def test_the_environment_names_another_library(python, library, tmp_path):
    other = shutil.copy(library, tmp_path / "elsewhere.so")
    script = "import sealgate._load as load; print(load.PATH)"
    assert python(script, SEALGATE_LIBRARY=other).succeeded().decode().strip() == str(other)


def test_the_package_in_a_folder_does_not_take_a_library_from_around_it(library, tmp_path):
    """As it would where somebody else may write three folders above an installation."""
    placed = tmp_path / "a" / "b" / "sealgate"
    shutil.copytree(PACKAGE / "sealgate", placed, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    planted = tmp_path / "target" / "release" / "libsealgate.so"
    planted.parent.mkdir(parents=True)
    shutil.copy(library, planted)
    given = {"PYTHONPATH": str(placed.parent), "LD_LIBRARY_PATH": ""}
    said = run(tmp_path, sys.executable, "-B", "-c", IMPORT, code=1, patience=60, **given)
    assert "ImportError: The shared library of sealgate cannot be loaded" in said


def test_the_package_takes_the_systems_library_by_the_name_of_its_version(library, tmp_path):
    placed = tmp_path / "a" / "b" / "sealgate"
    shutil.copytree(PACKAGE / "sealgate", placed, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libsealgate.so.0.1").symlink_to(library)
    given = {"PYTHONPATH": str(placed.parent), "LD_LIBRARY_PATH": str(tmp_path / "lib")}
    run(tmp_path, sys.executable, "-B", "-c", IMPORT, patience=60, **given)


def test_the_command_and_the_package_are_one_version(binary, tmp_path):
    from sealgate import __version__

    assert Command(binary, tmp_path)("--version").succeeded().decode() == f"sealgate {__version__}\n"
