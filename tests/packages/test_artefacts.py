"""Each artefact of `make dist` works in a clean root: no Rust, no compiler unless a C program is compiled, no network."""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from conftest import DIST, ROOT, TOOLS, run

HERE = Path(__file__).resolve().parent
VERSION = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
MIB = 1024 * 1024


def test_the_checksums_are_right_and_of_everything():
    listed = dict(reversed(line.split("  ")) for line in (DIST / "SHA256SUMS").read_text().splitlines())
    assert set(listed) == {path.name for path in DIST.iterdir()} - {"SHA256SUMS", "SHA256SUMS.minisig"}
    for name, expected in listed.items():
        assert hashlib.sha256((DIST / name).read_bytes()).hexdigest() == expected, name


def test_a_signature_is_made_when_a_key_is_given(tmp_path):
    run("minisign", "-G", "-W", "-f", "-s", tmp_path / "key", "-p", tmp_path / "public")
    copy = tmp_path / "dist"
    shutil.copytree(DIST, copy)
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), "MINISIGN_KEY": str(tmp_path / "key")}
    run(ROOT / "scripts/dist/sums", TOOLS, tmp_path / "work", copy, env=env)
    said = run("minisign", "-V", "-p", tmp_path / "public", "-m", copy / "SHA256SUMS")
    assert "Signature and comment signature verified" in said and f"sealgate {VERSION}" in said


def unpacked(artefact, folder):
    folder.mkdir(exist_ok=True)
    with tarfile.open(artefact(f"sealgate-{VERSION}-*-linux.tar.gz")) as archive:
        archive.extractall(folder)
    [tree] = folder.iterdir()
    return tree


def test_sizes(artefact, tmp_path):
    run("dpkg-deb", "--extract", artefact("sealgate_*.deb"), tmp_path / "deb")
    assert (tmp_path / "deb" / "usr" / "bin" / "sealgate").stat().st_size <= 12 * MIB
    assert (unpacked(artefact, tmp_path / "tree") / "bin" / "sealgate").stat().st_size <= 12 * MIB
    assert artefact("sealgate-*.oci.tar").stat().st_size <= 15 * MIB
    assert artefact("*.whl").stat().st_size <= 8 * MIB


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_the_tarball_serves_where_it_is_unpacked(make_root, artefact, suite):
    root = make_root(suite)
    tree = unpacked(artefact, root.folder / "opt").relative_to(root.folder)
    said = root.script(HERE / "session.py", "--user", "65534", f"/{tree}/bin/sealgate", "serve")
    assert "session held" in said
    linked = root.run("ldd", f"/{tree}/bin/sealgate")
    assert not re.search(r"ssl|crypto|not found", linked), linked


def test_a_c_program_is_linked_with_the_tarball(make_root, artefact):
    root = make_root("bookworm", "-c")
    tree = f"/{unpacked(artefact, root.folder / 'opt').relative_to(root.folder)}"
    shutil.copy(ROOT / "examples" / "c" / "first_steps.c", root.folder / "root")
    compiled = f"cc -o /root/first /root/first_steps.c $(PKG_CONFIG_PATH={tree}/lib/pkgconfig pkg-config --cflags --libs sealgate)"
    root.run("sh", "-c", compiled)
    assert "opened: meet me at noon" in root.run("env", f"LD_LIBRARY_PATH={tree}/lib", "/root/first")


def blobs(archive):
    """The image's manifest, its config and its one layer; every digest on the way is checked."""
    files = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}

    def blob(found):
        content = files["blobs/" + found["digest"].replace(":", "/")]
        assert hashlib.sha256(content).hexdigest() == found["digest"].removeprefix("sha256:")
        assert len(content) == found["size"]
        return content

    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    [listed] = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(blob(listed))
    [layer] = manifest["layers"]
    content = zlib.decompress(blob(layer), wbits=31)
    config = json.loads(blob(manifest["config"]))
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(content).hexdigest()]
    [docker] = json.loads(files["manifest.json"])
    assert docker["RepoTags"] == [f"sealgate:{VERSION}"]
    assert {docker["Config"], *docker["Layers"]} < set(files)
    return config, content


def test_the_image_serves_in_a_root_of_its_own(make_root, artefact, tmp_path):
    """As an engine runs it: its files as the root, its user, its environment, its health check. No shell is in it."""
    with tarfile.open(artefact("sealgate-*.oci.tar")) as archive:
        config, layer = blobs(archive)
    root = make_root("bookworm")
    image = root.folder / "image"
    image.mkdir()
    (tmp_path / "layer.tar").write_bytes(layer)
    run("tar", "-xpf", tmp_path / "layer.tar", "-C", image, "--numeric-owner")
    executable = [path.name for path in image.rglob("*") if path.is_file() and path.stat().st_mode & 0o111]
    assert executable == ["sealgate"]
    said = config["config"]
    assert said["User"] == "65532:65532" and said["Entrypoint"] == ["/usr/bin/sealgate"] and said["Cmd"] == ["serve"]
    assert "INTERP" not in run("readelf", "--program-headers", "--wide", image / "usr/bin/sealgate")
    enter = ["chroot", "--userspec", said["User"], "/image", *said["Entrypoint"]]
    healthy = json.dumps([*enter, *said["Healthcheck"]["Test"][2:]])
    program = f"""
import os, subprocess, sys
sys.path.insert(0, "/root")
import session
os.environ.clear()
os.environ.update(entry.split("=", 1) for entry in {said["Env"]!r})
os.environ["PATH"] += ":/usr/sbin:/bin"
os.makedirs("/image/dev", exist_ok=True)
subprocess.run(["mount", "--rbind", "/dev", "/image/dev"], check=True)
server = subprocess.Popen({[*enter, *said["Cmd"]]!r})
session.until_ready(server)
subprocess.run({healthy}, check=True)
# Whoever comes from another user is refused as long as there is no account; then accounts decide.
subprocess.run({enter!r} + ["user", "add", "test_user"], input=b"a horse, a battery and a staple\\n", check=True)
token = session.curl("-X", "POST", "http://127.0.0.1:5000/login", "-H", "Content-Type: application/json",
    "-d", '{{"username": "test_user", "password": "a horse, a battery and a staple"}}')["token"]
assert session.curl("http://127.0.0.1:5000/secure-data", "-H", "Authorization: Bearer " + token)["encrypted_data"]
server.terminate()
assert server.wait(60) == 0
print("image served")
"""
    shutil.copy(HERE / "session.py", root.folder / "root")
    assert "image served" in root.run("python3", "-c", program)


def test_the_rpm_is_whole_and_its_command_serves(make_root, artefact):
    package = artefact("*.rpm")
    files = set(run("rpm", "-qpl", package).split())
    assert {"/usr/bin/sealgate", "/usr/lib/systemd/system/sealgate.service", "/usr/share/man/man1/sealgate.1.gz"} <= files
    assert set(run("rpm", "-qpc", package).split()) == {"/etc/sealgate/environment", "/etc/logrotate.d/sealgate"}
    assert "libssl.so.3" in run("rpm", "-qpR", package)
    root = make_root("bookworm")
    run("sh", "-c", f"rpm2cpio '{package}' | cpio -idm --quiet", cwd=root.folder)
    assert "session held" in root.script(HERE / "session.py", "--user", "65534", "sealgate", "serve")


def test_rpmlint_has_no_errors(artefact):
    said = run("rpmlint", "--config", ROOT / "packaging/rpm/rpmlint.toml", artefact("*.rpm"))
    assert re.search(r"0 errors, 0 warnings", said), said


def test_the_wheel_has_a_tag_that_auditwheel_confirms(artefact):
    wheel = artefact("*.whl")
    said = run(TOOLS / "dist/bin/auditwheel", "show", wheel)
    tag = re.search(r"py3-none-(manylinux_\d+_\d+_\w+)\.whl$", wheel.name)[1]
    assert f'"{tag}"' in re.sub(r"\s+", " ", said), said
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not any(".libs/" in name for name in names), "auditwheel has put libraries of this machine into the wheel"
    assert any(name.endswith(f".dist-info/sboms/libsealgate-{VERSION}.cdx.json") for name in names)


def pythons():
    """The oldest and the newest Python of this machine."""
    return sorted(set(run(ROOT / "scripts/pythons").split()))


@pytest.mark.parametrize("python", pythons())
def test_the_wheel_is_imported_in_a_clean_root(make_root, artefact, python):
    root = make_root("bookworm")
    prefix = Path(run(python, "-c", "import sys; print(sys.base_prefix)").strip())
    shutil.copytree(prefix, root.folder / str(prefix)[1:], symlinks=True, dirs_exist_ok=True)
    inside = f"{prefix}/bin/python3"
    root.run(inside, "-m", "pip", "install", "-q", "--no-index", "--target", "/root/site", f"/run/dist/{artefact('*.whl').name}")
    program = "import sealgate; gate = sealgate.Gate(); print(gate.decrypt(gate.encrypt('noon')).decode())"
    assert root.run("env", "PYTHONPATH=/root/site", "SEALGATE_KEYS=ephemeral", inside, "-c", program).strip().endswith("noon")


def audit_data(command, folder):
    """What cargo-auditable has put into the command."""
    run("objcopy", "-O", "binary", "--only-section=.dep-v0", "--set-section-flags", ".dep-v0=alloc", command, folder / "audit")
    read = json.loads(zlib.decompress((folder / "audit").read_bytes()))
    return {(package["name"], package["version"]) for package in read["packages"] if package.get("kind") != "build"}


def test_the_sbom_and_the_command_name_every_linked_crate(artefact, tmp_path):
    tree = unpacked(artefact, tmp_path / "tree")
    command = ["cargo", "tree", "--locked", "--edges=normal", "--prefix=none", "--format={p}", "--no-dedupe"]
    command += ["--features=vendored-openssl", "--target=x86_64-unknown-linux-gnu"]
    listed = re.findall(r"^(\S+) v(\S+)( \(proc-macro\))?", run(*command, cwd=ROOT), re.M)
    linked = {(name, version) for name, version, macro in listed if not macro and name != "sealgate"}
    lock = (ROOT / "Cargo.lock").read_text()
    assert len(linked) > 50 and all(f'name = "{name}"\nversion = "{version}"' in lock for name, version in linked)
    for name in ("sealgate", "libsealgate"):
        sbom = json.loads(artefact(f"{name}-{VERSION}.cdx.json").read_text())
        components = {(one["name"], one["version"]) for one in sbom["components"]}
        # The command's own crates are none of the library's.
        assert linked - components == set() if name == "sealgate" else components
        assert any(one[0] == "openssl-src" for one in components)
    assert linked - audit_data(tree / "bin" / "sealgate", tmp_path) == set()


def test_cargo_audit_reads_the_command(artefact, tmp_path):
    """With an empty list of advisories: the real one is not within reach of every machine."""
    tree = unpacked(artefact, tmp_path / "tree")
    database = tmp_path / "advisories"
    advisory = database / "crates" / "none-of-ours"
    advisory.mkdir(parents=True)
    (advisory / "RUSTSEC-2020-0001.md").write_text(
        '```toml\n[advisory]\nid = "RUSTSEC-2020-0001"\npackage = "none-of-ours"\ndate = "2020-01-01"\n\n'
        '[versions]\npatched = []\n```\n\n# A crate that is not linked\n\nNothing.\n'
    )
    git = ["git", "-c", "user.name=tests", "-c", "user.email=tests@invalid"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "advisories"]):
        run(*git, *arguments, cwd=database)
    audit = [TOOLS / "dist/bin/cargo-audit", "audit", "--db", database, "--no-fetch", "--stale", "bin", tree / "bin/sealgate"]
    said = run(*audit)
    found = re.search(r"Found '(.*)'|(\d+) crate dependencies", said)
    assert found and "error" not in said, said


def test_the_crate_is_installed_as_the_readme_says(artefact, tmp_path):
    """By cargo, from the crate's own package; in the folder of the debug build, whose dependencies are compiled already."""
    with tarfile.open(artefact(f"sealgate-{VERSION}.crate")) as archive:
        archive.extractall(tmp_path)
    install = ["cargo", "install", "--quiet", "--locked", "--debug", "--path", tmp_path / f"sealgate-{VERSION}"]
    subprocess.run([*install, "--root", tmp_path / "root", "--target-dir", ROOT / "target"], check=True, timeout=3600)
    assert run(tmp_path / "root/bin/sealgate", "--version") == f"sealgate {VERSION}\n"
