"""Builds the shared library with cargo, for wheels and editable installs, and takes the Rust sources along into the sdist.

Three environment variables are its settings:

SEALGATE_BUILD_FEATURES  cargo features, with commas between. ``vendored-openssl`` links a current OpenSSL in, so that the
                         wheel needs none of the system.
SEALGATE_BUILD_LIBRARY   a library that is built already, taken as it is. Then no Rust is needed.
SEALGATE_BUILD_SBOM      a list of what the library has in it (CycloneDX), for the wheel's ``.dist-info/sboms``.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# What cargo needs to build the library, and no more: the manifest names the examples, benches and tests, so
# they have to be there.
RUST = ["Cargo.toml", "Cargo.lock", "build.rs", "build", "README.md", "LICENSE", "src"]
RUST += ["benches/calls.rs", "benches/core.rs", "benches/logging.rs", "examples/rust"]
RUST += [f"tests/{name}/main.rs" for name in ("accounts", "c", "command", "docs", "engines", "fleet", "hostile", "http", "keys", "tls")]

LIBRARIES = {"darwin": "libsealgate.dylib", "win32": "sealgate.dll"}


class SealgateBuildHook(BuildHookInterface[Any]):
    """What hatchling calls before it packs."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "sdist":
            source = self.rust_source()
            build_data["force_include"].update({str(source / name): f"rust/{name}" for name in RUST})
        elif self.target_name == "wheel":
            name = LIBRARIES.get(sys.platform, "libsealgate.so")
            library = self.library()
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform_tag()}"
            if version == "editable":
                link(library, Path(self.root) / "sealgate" / name)
            else:
                build_data["force_include"][str(library)] = f"sealgate/{name}"
            if os.environ.get("SEALGATE_BUILD_SBOM"):
                build_data["sbom_files"].append(os.environ["SEALGATE_BUILD_SBOM"])

    def rust_source(self) -> Path:
        """The Rust sources: beside this file in an sdist, else those of the repository that it is part of."""
        here = Path(self.root)
        for source in (here / "rust", here.parents[1]):
            if (source / "Cargo.toml").is_file() and (source / "src" / "ffi").is_dir():
                return source
        raise SystemExit(f"sealgate: no Rust sources in {here / 'rust'} or {here.parents[1]}")

    def library(self) -> Path:
        given = os.environ.get("SEALGATE_BUILD_LIBRARY")
        if given:
            library = Path(given).resolve()
        else:
            library = build(self.rust_source())
        if not library.is_file():
            raise SystemExit(f"sealgate: there is no library at {library}")
        return library


def build(source: Path) -> Path:
    """Builds the library and tells where cargo has put it: its own settings may say where."""
    cargo = shutil.which("cargo") or shutil.which("cargo", path=str(Path.home() / ".cargo" / "bin"))
    if cargo is None:
        raise SystemExit("sealgate: cargo is needed to build the library, and is not here: see https://rustup.rs")
    # One crate type at a time: rustc applies no LTO to libraries that are built together.
    command = [cargo, "rustc", "--locked", "--release", "--lib", "--crate-type", "cdylib"]
    command += ["--message-format", "json-render-diagnostics"]
    features = os.environ.get("SEALGATE_BUILD_FEATURES")
    if features:
        command += ["--features", features]
    built = subprocess.run(command, cwd=source, stdout=subprocess.PIPE, check=False)
    if built.returncode:
        raise SystemExit(
            "sealgate: cargo could not build the library; its messages are above (pip shows them with -v). It needs Rust "
            "1.89, a C compiler, pkg-config and OpenSSL's headers (on Debian: build-essential pkg-config libssl-dev), or "
            "SEALGATE_BUILD_FEATURES=vendored-openssl, which wants perl and make instead of the headers."
        )
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message["target"]["crate_types"] == ["cdylib"]:
            [library] = (name for name in message["filenames"] if name.endswith((".so", ".dylib", ".dll")))
            return Path(library)
    raise SystemExit("sealgate: cargo built no library")


def platform_tag() -> str:
    """The platform that the library is for. It uses no Python, so any Python 3 there will do."""
    tag = sysconfig.get_platform()
    if tag.startswith("macosx"):  # a universal Python runs it on this machine's processor only
        tag = "-".join([*tag.split("-")[:2], platform.machine()])
    return tag.replace("-", "_").replace(".", "_")


def link(library: Path, place: Path) -> None:
    """An editable install always has what cargo built last."""
    place.unlink(missing_ok=True)
    try:
        place.symlink_to(library)
    except OSError:
        shutil.copyfile(library, place)
