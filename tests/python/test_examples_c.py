"""The C examples, built by their Makefile against a library that pkg-config finds, as after `apt install libsealgate-dev`."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT
from doors import PATIENCE, clean_environment

FOLDER = ROOT / "examples" / "c"


@pytest.fixture(scope="module")
def make(binary, tmp_path_factory):
    """make in the folder of the examples, with an installed library."""
    folder = tmp_path_factory.mktemp("installed")
    library = Path(os.environ.get("SEALGATE_LIBRARY") or binary.parent / "libsealgate.so").resolve()
    (folder / "lib/pkgconfig").mkdir(parents=True)
    (folder / "include").mkdir()
    (folder / "include/sealgate.h").symlink_to(ROOT / "include/sealgate.h")
    soname = re.search(rb"libsealgate\.so\.[\d.]+", library.read_bytes())
    for name in ("libsealgate.so", soname[0].decode()):
        (folder / "lib" / name).symlink_to(library)
    (folder / "lib/pkgconfig/sealgate.pc").write_text(
        f"Name: Sealgate\nDescription: x\nVersion: 0\nLibs: -L{folder}/lib -lsealgate\nCflags: -I{folder}/include\n"
    )

    def run(*arguments, settings=()):
        environment = clean_environment(folder, {
            "PKG_CONFIG_PATH": folder / "lib/pkgconfig", "LD_LIBRARY_PATH": folder / "lib", "SEALGATE_KEYS": "ephemeral",
        } | dict(settings))
        return subprocess.run(["make", "-C", FOLDER, *arguments], env=environment, capture_output=True, text=True, timeout=2 * PATIENCE)

    return run


def test_all_examples_are_built_without_a_warning(make, tmp_path):
    done = make("all", f"OUT={tmp_path}", "CFLAGS=-Wall -Wextra -Werror")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {path.stem for path in FOLDER.glob("*.c")}


@pytest.mark.parametrize(("program", "shown"), [("first_steps", ""), ("seal", "opened: 4111 1111 1111 1111")])
def test_one_command_builds_and_runs_one(make, tmp_path, program, shown):
    done = make("run", f"PROGRAM={program}", f"OUT={tmp_path}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert shown in done.stdout


def test_without_the_library_pkg_config_says_so(make, tmp_path):
    done = make("run", f"OUT={tmp_path}", settings={"PKG_CONFIG_PATH": tmp_path, "PKG_CONFIG_LIBDIR": tmp_path})
    assert done.returncode != 0 and "sealgate" in done.stderr and not list(tmp_path.iterdir())
