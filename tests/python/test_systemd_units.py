"""The units in packaging/systemd: systemd reads them, they expose little, and what they forbid the server does not need.

Where systemd-analyze is missing nothing is tested; `scripts/bootstrap test` installs it.
"""

import re
import shutil
import signal
import subprocess
import sys

import pytest

from conftest import ROOT
from doors import Server

UNITS = ROOT / "packaging" / "systemd"
ANALYZE = shutil.which("systemd-analyze")
pytestmark = pytest.mark.skipif(not ANALYZE, reason="there is no systemd-analyze")


def analyze(*arguments, **options):
    return subprocess.run([ANALYZE, *arguments], capture_output=True, text=True, timeout=60, **options)


def installed(folder, binary):
    """The units as they are once they have been installed with this binary; with a user that exists here."""
    shutil.copytree(UNITS, folder, dirs_exist_ok=True)
    unit = folder / "sealgate.service"
    text = unit.read_text()
    assert text.count("ExecStart=/usr/local/bin/sealgate serve\n") == 1
    unit.write_text(text.replace("/usr/local/bin/sealgate", str(binary)))
    return folder


def test_systemd_reads_the_units_with_the_files_beside_them(binary, tmp_path):
    units = installed(tmp_path, binary)
    drop_ins = [f"sealgate.service.d/{path.name}" for path in (UNITS / "sealgate.service.d").iterdir()]
    assert len(drop_ins) == 2
    for read in ("sealgate.service", "sealgate.socket", *drop_ins):
        with open(units / read, "a") as unit:
            unit.write("Nonsense=1\n")
        found = analyze("verify", "./sealgate.service", "./sealgate.socket", cwd=units).stderr
        # It is read at all, and there is nothing else to complain of.
        assert len(found.splitlines()) == 1 and "Nonsense" in found and read in found, found
        shutil.copy(UNITS / read, units / read)
        installed(units, binary)
    checked = analyze("verify", "./sealgate.service", "./sealgate.socket", cwd=units)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_service_exposes_little():
    checked = analyze("security", "--offline=true", "--no-pager", "--threshold=12", "./sealgate.service", cwd=UNITS)
    exposure = re.search(r"Overall exposure level for sealgate.service: (\S+)", checked.stdout)
    assert checked.returncode == 0 and float(exposure[1]) <= 1.2, checked.stdout


def test_the_user_is_one_that_sysusers_makes(tmp_path):
    if not (sysusers := shutil.which("systemd-sysusers")):
        pytest.skip("there is no systemd-sysusers")
    (tmp_path / "etc").mkdir()
    command = [sysusers, f"--root={tmp_path}", str(UNITS / "sealgate.sysusers")]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    assert re.search("^sealgate:", (tmp_path / "etc" / "passwd").read_text(), re.M)
    unit = (UNITS / "sealgate.service").read_text()
    assert "\nUser=sealgate\n" in unit


def calls(name):
    """The system calls that a name in SystemCallFilter= stands for."""
    if not name.startswith("@"):
        return {name}
    listed = analyze("syscall-filter", "--no-pager", name)
    assert listed.returncode == 0, listed.stderr
    members = [line.strip() for line in listed.stdout.splitlines()[1:]]
    members = [member for member in members if member and not member.startswith("#")]
    return set().union(*map(calls, members))


def permitted():
    """The system calls that the unit permits, as systemd reads it: the first line lists what is allowed."""
    lines = re.findall(r"^SystemCallFilter=(.*)$", (UNITS / "sealgate.service").read_text(), re.M)
    allowed = set()
    for line in lines:
        named = set().union(*(calls(name) for name in line.removeprefix("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


def numbers(names):
    """Their numbers on this machine; a name may belong to another one."""
    defined = subprocess.run(
        ["cc", "-E", "-dM", "-"], input="#include <sys/syscall.h>\n", capture_output=True, text=True, check=True
    ).stdout
    numbers = dict(re.findall(r"^#define __NR_(\w+) (\d+)$", defined, re.M))
    return sorted(int(numbers[name]) for name in names if name in numbers)


# Runs a command under a filter that answers any other system call with EPERM, and a socket of another family than those of
# the unit with EAFNOSUPPORT.
CONFINED = """
import ctypes, os, struct, sys
numbers, socket, families = eval(sys.argv[1])
load, equal, give = 0x20, 0x15, 0x06
allow, forbid, strange = 0x7FFF0000, 0x00050001, 0x00050061
code = [(load, 0, 0, 0), (equal, 0, len(families) + 3, socket), (load, 0, 0, 16)]
code += [(equal, len(families) - at, 0, family) for at, family in enumerate(families)]
code += [(give, 0, 0, strange), (give, 0, 0, allow)]
for number in numbers:
    code += [(equal, 0, 1, number), (give, 0, 0, allow)]
code.append((give, 0, 0, forbid))
program = b"".join(struct.pack("HBBI", *step) for step in code)
filter = ctypes.create_string_buffer(program)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
given = Program(len(code), ctypes.addressof(filter))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(given), 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def confine(binary, tmp_path):
    """A program that is the command with these system calls only."""

    def program(names):
        given = (numbers(names), *numbers({"socket"}), [1, 2, 10])
        program = tmp_path / "confined"
        (tmp_path / "confined.py").write_text(CONFINED)
        program.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{tmp_path}/confined.py' '{given}' '{binary}' \"$@\"\n")
        program.chmod(0o755)
        return program

    return program


def test_the_filter_forbids_what_it_does_not_name(confine):
    names = permitted()
    assert {"read", "write", "accept4", "epoll_wait"} <= names
    assert not names & {"chown", "mount", "ptrace", "setpriority"}
    for names, printed in ((names, "sealgate "), (names - {"write", "writev"}, "")):
        said = subprocess.run([confine(names), "--version"], capture_output=True, text=True, timeout=60, check=False)
        assert said.stdout.startswith(printed) and bool(said.stdout) == bool(printed), said


def test_the_server_needs_nothing_that_the_filter_forbids(confine, tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    with Server(confine(permitted()), folder, {}) as server:
        token = server.log_in()
        sealed = server.post("/encrypt", {"data": "x" * 500_000}, token=token).ok()
        assert server.post("/decrypt", sealed, token=token).ok()["decrypted_data"] == "x" * 500_000
        server.process.send_signal(signal.SIGHUP)
        assert server.get("/readyz").status == 200
        assert "ERROR" not in server.err.read_text()
