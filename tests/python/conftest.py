"""Fixtures: the command, servers that are stopped again, the vectors, and the Python package of the source tree.

SEALGATE_BIN names the binary and SEALGATE_LIB the shared library; without them those that `cargo build` made are taken. The
tests go through the public doors only, with PyJWT and cryptography on the other side.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # make.py and reference.py are imported from the folder of the vectors

import pytest

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors"
PACKAGE = ROOT / "bindings" / "python"
sys.path[:0] = [str(VECTORS), str(PACKAGE)]
pytest.register_assert_rewrite("doors")

from doors import PATIENCE, Command, Ended, Server, clean_environment, load, write_ring


def pytest_configure():
    # Programs of the tests are ended as a terminal ends them, also where a shell's background job was told to ignore that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # `import sealgate` in the tests is the package of the source tree with the library under test.
    if given := os.environ.get("SEALGATE_LIB"):
        os.environ["SEALGATE_LIBRARY"] = str(Path(given).resolve())


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


class Python:
    """Runs a script in a Python of its own, with the package: python("import sealgate; ...", SEALGATE_KEYS="ephemeral")."""

    def __init__(self, folder):
        self.folder = folder

    def environment(self, **settings):
        library = {name: value for name, value in os.environ.items() if name == "SEALGATE_LIBRARY"}
        return clean_environment(self.folder, library | {"PYTHONPATH": PACKAGE} | settings)

    def __call__(self, script, *arguments, options=(), **settings):
        """`script` is the text of one, or the path of a file."""
        what = [script] if isinstance(script, Path) else ["-c", script]
        ended = subprocess.run(
            [sys.executable, "-B", *options, *what, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=2 * PATIENCE,
            env=self.environment(**settings),
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr.decode())


@pytest.fixture
def python(tmp_path):
    return Python(tmp_path)


@pytest.fixture(scope="module")
def settings_for(tmp_path_factory):
    """The settings under which a vector's key is there: AES_KEY, or a ring that has it."""
    rings, secret = {}, load("tokens.json")["jwt_secret_key"]

    def settings(vector):
        if "aes_key_hex" in vector:
            return {"AES_KEY": "hex:" + vector["aes_key_hex"], "JWT_SECRET_KEY": secret}
        key = vector["sealing_key_hex"]
        if key not in rings:
            rings[key] = tmp_path_factory.mktemp("ring") / "state"
            write_ring(rings[key], secret.encode(), bytes.fromhex(key))
        return {"SEALGATE_DATA_DIR": str(rings[key])}

    return settings
