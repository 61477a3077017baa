"""What the packages are made from: lists of files, scripts, users and paths agree. Nothing is built here; `make dist` builds, and
`make test-packages` tries what it has built."""

import re
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT

if sys.version_info < (3, 11):
    pytest.skip("tomllib comes with Python 3.11", allow_module_level=True)
import tomllib

PACKAGING = ROOT / "packaging"
DIST = ROOT / "scripts" / "dist"
MANIFEST = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
DEB, RPM = MANIFEST["metadata"]["deb"], MANIFEST["metadata"]["generate-rpm"]
UNIT = (PACKAGING / "systemd" / "sealgate.service").read_text()


def assets(package):
    for asset in package["assets"]:
        yield (asset["source"], asset["dest"]) if isinstance(asset, dict) else tuple(asset[:2])


def every_deb():
    return {"sealgate": DEB} | DEB["variants"]


def test_each_package_has_a_synopsis_and_scripts_of_its_own():
    """A variant inherits what it does not say, and so would install the service a second time."""
    sys.path.insert(0, str(DIST))
    try:
        from debs import SYNOPSES
    finally:
        sys.path.remove(str(DIST))
    assert set(every_deb()) == set(SYNOPSES)
    for name, package in every_deb().items():
        assert package.get("name", "sealgate") == name
        assert package["maintainer-scripts"] == f"packaging/debian/{name}" and (ROOT / package["maintainer-scripts"]).is_dir()
        assert {"depends", "section", "extended-description", "assets"} <= set(package), name
        assert bool(package["systemd-units"]) == (name == "sealgate")
        # lintian's limit for a synopsis, and for the lines below it.
        assert len(SYNOPSES[name]) < 80 and all(len(line) < 80 for line in package["extended-description"].splitlines())


def test_the_files_that_the_packages_take_from_here_exist():
    for package in [*every_deb().values(), RPM]:
        for source, _ in assets(package):
            assert source.startswith("target/stage/") or list(ROOT.glob(source)), source
    for name in ("pre_install_script", "post_install_script", "pre_uninstall_script", "post_uninstall_script"):
        assert (ROOT / RPM[name]).is_file()


def test_what_make_install_puts_somewhere_is_in_the_packages():
    """A new file of scripts/install is in a package, or listed here with the reason."""
    listed = re.search(r"^files=\(\n(.*?)^\)", (ROOT / "scripts" / "install").read_text(), re.M | re.S)[1]
    installed = {path.rsplit("/", 1)[1] for path in re.findall(r'"([^"]+)"', listed)}
    # The library by its pattern; the unit by `systemd-units`; the licence in Debian's file copyright.
    apart = {"$shared", "$soname", "sealgate.service", "LICENSE"}
    packed = {source.rpartition("/")[2] for package in every_deb().values() for source, _ in assets(package)}
    assert "target/stage/deb/lib/cmake/Sealgate/*" in dict(assets(every_deb()["libsealgate-dev"]))
    assert installed - apart - packed == {"SealgateConfig.cmake", "SealgateConfigVersion.cmake"}
    rpm = {source.rpartition("/")[2] for source, _ in assets(RPM)}
    libraries = {"libsealgate.so", "libsealgate.a", "sealgate.pc", "sealgate.h"}
    assert installed - apart - libraries - rpm == {"SealgateConfig.cmake", "SealgateConfigVersion.cmake", "sealgate.socket"}


def setting(name):
    return re.findall(rf"^{name}=(.*)$", UNIT, re.M)


def test_the_unit_the_scripts_and_the_files_name_the_same_paths_and_user():
    [user], [state], [logs] = setting("User"), setting("StateDirectory"), setting("LogsDirectory")
    [place] = setting("EnvironmentFile")
    for source, dest in (("packaging/debian/environment", dict(assets(DEB))), ("packaging/debian/environment", dict(assets(RPM)))):
        assert "/" + dest[source].lstrip("/") == place.lstrip("-")
    scripts = [PACKAGING / "debian/sealgate/postinst", PACKAGING / "rpm/post"]
    for script in scripts:
        assert f"install -d -m 700 -o {user} -g {user}" in script.read_text()
        assert f"for folder in /var/lib/{state} /var/log/{logs}; do" in script.read_text()
    assert f"--home /var/lib/{state} " in scripts[0].read_text() and f"-d /var/lib/{state} " in (PACKAGING / "rpm/pre").read_text()
    assert f"rm -rf /var/lib/{state} /var/log/{logs}" in (PACKAGING / "debian/sealgate/postrm").read_text()
    profile = (PACKAGING / "apparmor/sealgate").read_text()
    for path in (f"owner /var/lib/{state}/** rwkl", f"owner /var/log/{logs}/** rwk", "/usr/bin/sealgate mr", "/etc/sealgate/** r"):
        assert f"\n  {path},\n" in profile
    assert "AppArmorProfile=-sealgate\n" in (PACKAGING / "apparmor/sealgate.service.conf").read_text()
    assert re.search(r"^profile sealgate flags", profile, re.M)


def test_the_settings_in_the_environment_file_exist():
    documented = (ROOT / "docs" / "settings.md").read_text()
    named = re.findall(r"^#(SEALGATE_\w+)=", (PACKAGING / "debian/environment").read_text(), re.M)
    assert named and all(f"| `{name}` |" in documented for name in named)


@pytest.mark.skipif(not (parser := shutil.which("apparmor_parser", path="/usr/sbin:/usr/bin:/sbin")), reason="no apparmor_parser")
def test_apparmor_reads_the_profile(tmp_path):
    (tmp_path / "parser.conf").touch()
    command = [parser, "--skip-kernel-load", "--skip-cache", "--config-file", tmp_path / "parser.conf", PACKAGING / "apparmor/sealgate"]
    read = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert read.returncode == 0, read.stderr


SCRIPTS = sorted(path for path in DIST.iterdir() if path.suffix != ".py" and path.is_file() and path.suffix != ".txt")
MAINTAINERS = sorted([*PACKAGING.glob("debian/*/p*"), *PACKAGING.glob("rpm/p*")])


@pytest.mark.parametrize("script", SCRIPTS + MAINTAINERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_shells_read_the_scripts(script):
    shell = "bash" if "bash" in script.read_text().splitlines()[0] or script.name == "common.sh" else "sh"
    read = subprocess.run([shell, "-n", script], capture_output=True, text=True, timeout=60, check=False)
    assert (read.returncode, read.stderr) == (0, "")


def test_shellcheck_finds_nothing():
    command = ["shellcheck", "--external-sources", *(path for path in SCRIPTS if path.name != "common.sh")]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 0, found.stdout


def test_make_dist_runs_every_step():
    """A script that nothing calls would not be noticed when it breaks."""
    steps = re.search(r"for step in (.*); do", (DIST / "all").read_text())[1].split()
    others = {"all", "check", "previous", "common.sh", "perl"}
    assert set(steps) | others == {path.name for path in SCRIPTS} and not set(steps) & others
    assert all((DIST / step).stat().st_mode & 0o111 for step in [*steps, *(others - {"common.sh"})])


def test_the_image_is_the_same_each_time_and_what_an_engine_expects(tmp_path):
    (tmp_path / "command").write_bytes(b"\x7fELF")
    (tmp_path / "licences").write_text("licences")
    for name in ("one", "two"):
        command = [sys.executable, DIST / "image.py", MANIFEST["version"], "x86_64", tmp_path / "command", tmp_path / "licences"]
        environment = {"SOURCE_DATE_EPOCH": "1790000000", "PATH": "/usr/bin:/bin"}
        subprocess.run([*command, tmp_path / name], env=environment, check=True, timeout=60)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    kubernetes = (PACKAGING / "kubernetes" / "deployment.yaml").read_text()
    user = re.search(r"^USER = (\d+)$", (DIST / "image.py").read_text(), re.M)[1]
    assert f"runAsUser: {user}\n" in kubernetes and f"fsGroup: {user}\n" in kubernetes


def test_the_readme_has_the_version_of_the_image():
    assert f"sealgate:{MANIFEST['version']}\n" in (ROOT / "README.md").read_text()
