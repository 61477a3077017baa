"""What the tests of a release share: its scripts, and a copy of the files that have the version."""

import os
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT
from doors import PATIENCE

SCRIPTS = ROOT / "scripts" / "release"
MODERN = pytest.mark.skipif(sys.version_info < (3, 10), reason="the scripts of a release need Python 3.10")

sys.path.append(str(SCRIPTS))
if sys.version_info >= (3, 10):
    import version


def run(*command, folder=ROOT):
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=2 * PATIENCE, cwd=folder, env=environment)


def copied(folder):
    """The files that have the version."""
    for file, _ in [version.SOURCE, *version.PLACES, version.HEADER]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, folder / file)
    return folder
