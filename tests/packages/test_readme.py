"""The lines of the README's section Install, each run as written in a root that has what the line needs.

docker and dnf are on no such machine: the image is run by test_artefacts.py as an engine would, and so is the RPM.
"""

import re
import shutil

import pytest

from conftest import DIST, ROOT, run

SECTION = re.search(r"^## Install\n(.*?)^## ", (ROOT / "README.md").read_text(), re.M | re.S)[1]
LINES = re.search(r"^```\n(.*?)^```", SECTION, re.M | re.S)[1].splitlines()
ELSEWHERE = ("sudo dnf", "docker", "tar -xzf sealgate-*.crate")


def line_with(start):
    [line] = [line for line in LINES if line.startswith(start)]
    return line.removeprefix("sudo ")


def test_every_line_is_tried():
    tried = ("sudo apt", "pip", "tar -xzf sealgate-*-linux")
    assert all(line.startswith(tried + ELSEWHERE) for line in LINES) and len(LINES) == len(tried + ELSEWHERE)


@pytest.fixture
def folder(make_root):
    root = make_root("bookworm")
    shutil.copytree(DIST, root.folder / "srv" / "dist")
    return root


def test_apt(folder):
    folder.run("sh", "-c", "cd /srv/dist && " + line_with("sudo apt").replace("apt install", "apt-get install -y"))
    assert folder.run("sealgate", "--version").startswith("sealgate ")


def test_tar(folder):
    unpack, serve = line_with("tar -xzf sealgate-*-linux").split(" && ")
    folder.run("sh", "-c", f"cd /srv/dist && {unpack}")
    assert "Usage: sealgate serve" in folder.run("sh", "-c", f"cd /srv/dist && {serve} --help")


def test_pip(tmp_path):
    run("python3", "-m", "venv", tmp_path / "venv")
    env = {"PATH": f"{tmp_path}/venv/bin:/usr/bin:/bin", "PIP_NO_INDEX": "1", "HOME": str(tmp_path)}
    run("sh", "-c", line_with("pip"), cwd=DIST, env=env)
    run(tmp_path / "venv/bin/python", "-c", "import sealgate; sealgate.Gate()", env=env | {"SEALGATE_KEYS": "ephemeral"})
