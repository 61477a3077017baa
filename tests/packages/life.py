"""The life of the package sealgate in a clean root, which has no systemd: what it would do is done here. life.py PREVIOUS NEW

Install, start as the unit says, log in, upgrade with data and while serving, go back, remove, install again, purge.
"""

import json
import os
import pwd
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

BASE = "http://127.0.0.1:5000"
UNIT = Path("/usr/lib/systemd/system/sealgate.service")
ENVIRONMENT = Path("/etc/sealgate/environment")
STATE = Path("/var/lib/sealgate")
LOGS = Path("/var/log/sealgate")
PASSWORD = "a horse, a battery and a staple"
SETTING = "MAX_REQUESTS=0\nSEALGATE_SECURE_DATA=what the operator has set\nSEALGATE_LOG_FILE=/var/log/sealgate/sealgate.log\n"
WAIT = 120


def run(*command, code=0, given=None):
    ended = subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert ended.returncode == code, f"{command}: {ended.returncode}\n{ended.stdout}"
    return ended.stdout


def apt(*arguments):
    options = ("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold", "-o", "APT::Sandbox::User=root")
    return run("apt-get", "-q", "-y", "--no-install-recommends", "--allow-downgrades", *options, *arguments)


def unit():
    """Every setting of the unit and of the files beside it."""
    found = {}
    for path in [UNIT, *sorted(UNIT.with_suffix(".service.d").glob("*.conf"))]:
        for line in path.read_text().splitlines():
            name, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                found.setdefault(name, []).append(value)
    return found


def as_service():
    user = pwd.getpwnam(unit()["User"][0])
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.umask(int(unit()["UMask"][0], 8))


def environment():
    [place] = unit()["EnvironmentFile"]
    lines = [line for line in Path(place.lstrip("-")).read_text().splitlines() if line and not line.startswith("#")]
    given = dict(line.split("=", 1) for line in lines)
    given |= {"PATH": "/usr/bin:/bin", "STATE_DIRECTORY": f"/var/lib/{unit()['StateDirectory'][0]}"}
    return given | {"LOGS_DIRECTORY": f"/var/log/{unit()['LogsDirectory'][0]}"}


class Service:
    """What systemd does with sealgate.socket: it holds the socket, and starts and stops the server behind it."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 5000), backlog=4096)
        if self.socket.fileno() != 3:  # the number by which systemd passes it
            os.dup2(self.socket.fileno(), 3)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind("\0sealgate-life")
        self.notify.settimeout(WAIT)
        self.server = None

    def start(self):
        """True once the server is ready; else what it has printed, after it has ended."""

        given = environment() | {"LISTEN_FDS": "1", "NOTIFY_SOCKET": "@sealgate-life"}
        command = shlex.split(unit()["ExecStart"][0])
        # The shell knows its own process id, which the server keeps.
        command = ["sh", "-c", 'export LISTEN_PID=$$; exec "$@"', "sh", *command]
        self.server = subprocess.Popen(
            command, env=given, preexec_fn=as_service, pass_fds=(3,), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.said = []
        reader = threading.Thread(target=lambda: self.said.extend(self.server.stdout), daemon=True)
        reader.start()
        self.notify.settimeout(0.2)
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            try:
                if b"READY=1" in self.notify.recv(4096):
                    return True
            except TimeoutError:
                pass
            if self.server.poll() is not None:
                reader.join(10)
                return "".join(self.said)
        raise AssertionError("the server is neither ready nor has it ended")

    def stop(self):
        self.server.send_signal(signal.SIGTERM)
        assert self.server.wait(timeout=WAIT) == 0, "".join(self.said)

    def restart(self):
        self.stop()
        assert self.start() is True, "".join(self.said)


def call(path, body=None, token=None):
    request = urllib.request.Request(BASE + path)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=WAIT) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{path}: {error.code} {error.read()}") from None


def login():
    return call("/login", {"username": "alice", "password": PASSWORD})["token"]


def first_login():
    """An older version notices the first account within a quarter of a second."""
    end = time.monotonic() + WAIT
    while True:
        try:
            return login()
        except AssertionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


class Load:
    """Requests without a pause until it is stopped. Each is a connection of its own, as of a client that has just come."""

    def __init__(self, token):
        self.token, self.stopped, self.done, self.failed = token, False, 0, []
        self.threads = [threading.Thread(target=self.ask) for _ in range(4)]
        for thread in self.threads:
            thread.start()

    def ask(self):
        while not self.stopped:
            try:
                sealed = call("/secure-data", token=self.token)["encrypted_data"]
                assert call("/decrypt", {"encrypted_data": sealed}, self.token)["decrypted_data"]
                self.done += 2
            except Exception as error:  # whatever it is, a client has seen it
                self.failed.append(repr(error))
            time.sleep(0.01)

    def more(self, count):
        wanted, end = self.done + count, time.monotonic() + WAIT
        while self.done < wanted:
            assert time.monotonic() < end and not self.failed, self.failed[:3]
            time.sleep(0.05)

    def stop(self):
        self.stopped = True
        for thread in self.threads:
            thread.join()
        assert not self.failed, self.failed[:3]
        return self.done


def enabled():
    return Path("/etc/systemd/system/multi-user.target.wants/sealgate.service").is_symlink()


def main(previous, new):
    untouched = {str(path) for path in Path("/etc").rglob("*")}
    apt("install", previous)
    old_version, shipped = run("sealgate", "--version"), ENVIRONMENT.read_text()
    user = pwd.getpwnam("sealgate")
    for folder in (STATE, LOGS):
        found = folder.stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (user.pw_uid, user.pw_gid, 0o700), folder
    assert enabled() and not Path("/etc/systemd/system/sockets.target.wants/sealgate.socket").exists()
    assert "/usr/share/man/man1/sealgate.1.gz" in run("dpkg", "-L", "sealgate")

    # The operator's settings, an account and some data.
    ENVIRONMENT.write_text(SETTING)
    as_operator = ("setpriv", "--reuid=sealgate", "--regid=sealgate", "--clear-groups")
    as_operator += ("env", f"SEALGATE_DATA_DIR={STATE}")
    service = Service()
    assert service.start() is True, service.said
    run(*as_operator, "sealgate", "user", "add", "alice", given=PASSWORD + "\n")
    token = first_login()
    sealed = call("/encrypt", {"data": "from before", "context": "life"}, token)["encrypted_data"]
    ring = (STATE / "keys.json").read_bytes()

    # The upgrade, under load. dpkg unpacks beside the running server, and the package's last step restarts it.
    load = Load(token)
    load.more(20)
    apt("install", new)
    assert run("sealgate", "--version") != old_version
    load.more(20)
    service.restart()
    load.more(100)
    print(f"upgraded {old_version.strip()} to {run('sealgate', '--version').strip()}; {load.stop()} requests, none failed")

    def nothing_is_lost(token=token):
        assert ENVIRONMENT.read_text() == SETTING
        assert (STATE / "keys.json").read_bytes() == ring
        opened = call("/decrypt", {"encrypted_data": sealed, "context": "life"}, token)
        assert opened["decrypted_data"] == "from before"
        secret = call("/decrypt", {"encrypted_data": call("/secure-data", token=token)["encrypted_data"]}, token)
        assert secret["decrypted_data"] == "what the operator has set"
        assert login()

    nothing_is_lost()
    assert ENVIRONMENT.with_suffix(".dpkg-dist").exists() == (shipped != packaged(new))

    # Back: the old version works, or says why it does not; the data is the same either way.
    service.stop()
    apt("install", previous)
    went_back = service.start()
    if went_back is True:
        nothing_is_lost()
        service.stop()
        print("a downgrade works")
    else:
        assert "was written by a newer version of sealgate; use that version" in went_back, went_back
        print("a downgrade is refused: " + went_back.strip().splitlines()[-1])
    apt("install", new)
    assert service.start() is True, service.said
    nothing_is_lost()
    service.stop()

    # Removed: the data and what the operator has written stay, and serve the next installation.
    apt("remove", "sealgate")
    assert not Path("/usr/bin/sealgate").exists() and not UNIT.exists()
    assert ENVIRONMENT.read_text() == SETTING and (STATE / "store.db").exists()
    apt("install", new)
    assert enabled() and service.start() is True, service.said
    nothing_is_lost()
    service.stop()

    apt("purge", "sealgate")
    left = {str(path) for path in Path("/etc").rglob("*")} - untouched
    # The user stays, and dpkg's copies of the conffile are the operator's.
    left -= {"/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/apparmor.d", "/etc/logrotate.d"}
    left = {path for path in left if not path.startswith(("/etc/systemd/system/multi-user.target.wants", "/etc/subuid", "/etc/subgid"))}
    assert not left, left
    assert not STATE.exists() and not LOGS.exists()
    assert "sealgate" not in run("dpkg-query", "-W", "-f", "${Package}\n")
    print("removed and purged")


def packaged(package):
    unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE, check=True).stdout
    text = subprocess.run(["tar", "-xO", "./etc/sealgate/environment"], input=unpacked, stdout=subprocess.PIPE, check=True)
    return text.stdout.decode()


if __name__ == "__main__":
    main(*sys.argv[1:])
