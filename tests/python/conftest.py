"""Fixtures: the command, servers that are stopped again, and the vectors.

SEALGATE_BIN names the binary; without it the one that `cargo build` made is taken. The tests go through the public doors
only, with PyJWT and cryptography on the other side.
"""

import contextlib
import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # make.py and reference.py are imported from the folder of the vectors

import pytest

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors"
sys.path.insert(0, str(VECTORS))
pytest.register_assert_rewrite("doors")

from doors import Command, Server


@pytest.fixture(scope="session")
def binary():
    if given := os.environ.get("SEALGATE_BIN"):
        found = [Path(given)]
    else:
        found = [ROOT / "target" / profile / "sealgate" for profile in ("debug", "release")]
    for path in found:
        if path.is_file():
            return path.resolve()
    pytest.fail(f"no binary: {', '.join(map(str, found))}; build it or name it with SEALGATE_BIN", pytrace=False)


@pytest.fixture(scope="module")
def sealgate(binary, tmp_path_factory):
    """Runs the command: sealgate("mask", stdin=b"...", AES_KEY="..."). Each module has a data directory of its own."""
    return Command(binary, tmp_path_factory.mktemp("command"))


@pytest.fixture(scope="module")
def serve(binary, tmp_path_factory):
    """Starts a server with these settings: serve(AES_KEY="..."). It is stopped after the module, and must stop well."""
    with contextlib.ExitStack() as servers:
        yield lambda **settings: servers.enter_context(Server(binary, tmp_path_factory.mktemp("server"), settings))
