"""examples/beside: a Flask application that accepts the server's tokens, as processes, and as the services of its compose file.

No container engine is needed: the file's structure is checked, and each service's command runs as a process with the service's
environment, its volume being a folder and its ports free ones.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from conftest import PACKAGE, ROOT
from doors import PATIENCE, clean_environment, eventually

FOLDER = ROOT / "examples" / "beside"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
STATE = "/var/lib/sealgate"

# The fields of the Compose specification that the file uses on purpose: a misspelt one is found.
SERVICE = {
    "build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "image", "ports", "read_only", "restart", "security_opt",
    "tmpfs", "user", "volumes",
}
HEALTHCHECK = {"test", "interval", "timeout", "retries"}


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def environment(folder, binary, settings=()):
    """What both programs need: the command and this Python first in the PATH, and the package of the source tree."""
    tools = folder / "bin"
    if not tools.exists():
        tools.mkdir(parents=True)
        (tools / "sealgate").symlink_to(binary)
        for name in ("python3", "python"):
            script = tools / name
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
            script.chmod(0o755)
    library = os.environ.get("SEALGATE_LIBRARY") or str(binary.parent / "libsealgate.so")
    added = {"PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(PACKAGE), "SEALGATE_LIBRARY": library, "PYTHONDONTWRITEBYTECODE": "1"}
    return clean_environment(folder, added | dict(settings))


def ask(method, url, token=None, body=None):
    """Status and JSON of an answer."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None
    if body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")


def answers(url, process):
    def look():
        assert process.poll() is None, "the program has ended"
        try:
            return ask("GET", url)[0] == 200
        except OSError:
            return False

    eventually(look)


@contextlib.contextmanager
def running(command, folder, settings, log):
    """A program in a process group of its own, whatever it starts with it."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, env=settings, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        yield process
    except BaseException:
        print(log.read_text())
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)
            raise


def use(sealgate, orders, login):
    """What a user does: a token from one program is accepted by the other, until it is revoked."""
    status, answer = ask("POST", f"{sealgate}/login", body=login)
    assert status == 200, answer
    token = answer["token"]
    assert ask("GET", f"{orders}/orders/17")[0] == 401
    assert ask("GET", f"{orders}/orders/17", token)[0] == 404
    assert ask("PUT", f"{orders}/orders/17", token) == (201, {"order": 17, "of": login["username"]})
    status, order = ask("GET", f"{orders}/orders/17", token)
    assert status == 200 and order["of"] == login["username"]
    assert order["card"].startswith("4111") and "1111 1111" not in order["card"]
    return token


def test_one_command_starts_both(binary, tmp_path):
    sealgate, orders = free_port(), free_port()
    log = tmp_path / "log"
    with running([FOLDER / "run", str(sealgate), str(orders)], tmp_path, environment(tmp_path, binary), log) as process:
        for port in (sealgate, orders):
            answers(f"http://127.0.0.1:{port}/healthz", process)
        # Without an account, a process of the server's user logs in.
        use(f"http://127.0.0.1:{sealgate}", f"http://127.0.0.1:{orders}", {"username": "alice"})
        shown = log.read_text()
        typed = re.findall(r"^  (.*TOKEN.*)$", shown, re.MULTILINE)
        assert len(typed) == 3
        ended = subprocess.run(["bash", "-euc", "\n".join(typed)], capture_output=True, text=True, timeout=PATIENCE,
                               env=environment(tmp_path, binary, {"no_proxy": "127.0.0.1"}))
        assert ended.returncode == 0, ended.stderr
        assert '"card":' in ended.stdout
    # Both programs ended with it.
    for port in (sealgate, orders):
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), 1)


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_both(binary, tmp_path, signal_):
    sealgate, orders = free_port(), free_port()
    with running([FOLDER / "run", str(sealgate), str(orders)], tmp_path, environment(tmp_path, binary), tmp_path / "log") as process:
        for port in (sealgate, orders):
            answers(f"http://127.0.0.1:{port}/healthz", process)
        process.send_signal(signal_)
        assert process.wait(PATIENCE) == 0
        for port in (sealgate, orders):
            with pytest.raises(OSError):
                socket.create_connection(("127.0.0.1", port), 1)


def test_a_program_that_ends_takes_the_other_with_it(binary, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port, orders, begun = taken.getsockname()[1], free_port(), time.monotonic()
        with running([FOLDER / "run", str(port), str(orders)], tmp_path, environment(tmp_path, binary), tmp_path / "log") as process:
            assert process.wait(PATIENCE) == 1
    assert time.monotonic() - begun < PATIENCE
    assert "one of the two programs has ended" in (tmp_path / "log").read_text()


def test_what_is_missing_is_named(binary, tmp_path):
    tools = tmp_path / "bin"
    settings = environment(tmp_path, binary)
    (tools / "python3").unlink()
    (tools / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tools / "python3").chmod(0o755)
    ended = subprocess.run([FOLDER / "run"], env=settings, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 1 and "pip install" in ended.stderr
    (tools / "sealgate").unlink()
    ended = subprocess.run([FOLDER / "run"], env=settings | {"PATH": f"{tools}:/usr/bin:/bin"}, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 1 and "sealgate is not in the PATH" in ended.stderr


# The compose file


def test_services_use_known_fields_only_and_have_no_privileges():
    assert set(COMPOSE) == {"name", "services", "volumes"}
    for name, service in SERVICES.items():
        assert set(service) <= SERVICE, name
        assert set(service["healthcheck"]) == HEALTHCHECK
        assert service["user"] == "65532:65532" and service["read_only"] is True
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
        assert ("image" in service) != ("build" in service)
        for port in service["ports"]:
            assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)
        assert [volume.split(":") for volume in service["volumes"]] == [["state", STATE]]
        assert service["environment"]["SEALGATE_DATA_DIR"] == STATE
    assert set(COMPOSE["volumes"]) == {"state"}
    for needed, how in SERVICES["orders"]["depends_on"].items():
        assert needed in SERVICES and how == {"condition": "service_healthy"}


def test_the_application_is_built_from_what_is_there():
    build = SERVICES["orders"]["build"]
    assert build["context"] == "." and (FOLDER / build["additional_contexts"]["dist"]).resolve() == ROOT / "target" / "dist"
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ")]
    assert copied == [["orders.py"]] and all((FOLDER / name).is_file() for names in copied for name in names)
    assert f"USER {SERVICES['orders']['user']}" in lines
    # Everything that the command and the program import.
    (installed,) = re.findall(r"pip install (?:--\S+ (?:/\S+ )?)*(.*)", "\n".join(lines))
    assert set(installed.split()) == {"sealgate", "flask", "gunicorn"}
    assert SERVICES["orders"]["command"][0] == "gunicorn" and "--from=dist" not in installed


class Service:
    """A service as a process: its command, with the volume a folder and its port a free one."""

    def __init__(self, name, folder, binary):
        self.service, self.folder = SERVICES[name], folder
        (self.inside,) = (int(port.split(":")[2]) for port in self.service["ports"])
        self.port = free_port()
        settings = {key: self.moved(value) for key, value in self.service["environment"].items()} | {"HOME": str(folder)}
        self.settings = environment(folder, binary, settings)
        self.url = f"http://127.0.0.1:{self.port}"

    def moved(self, text):
        return text.replace(STATE, str(self.folder / "volume")).replace(f"0.0.0.0:{self.inside}", f"127.0.0.1:{self.port}")

    def command(self):
        words = [self.moved(word) for word in self.service["command"]]
        if "image" in self.service:
            return [str(self.folder / "bin" / "sealgate"), *words]  # the image's entry point
        return [sys.executable, "-m", *words]

    def healthy(self):
        test = [word.replace(f":{self.inside}", f":{self.port}") for word in self.service["healthcheck"]["test"]]
        assert test[0] == "CMD"
        return subprocess.run(test[1:], env=self.settings, capture_output=True, timeout=PATIENCE).returncode == 0


def test_the_services_commands_work_as_processes(binary, tmp_path):
    (tmp_path / "volume").mkdir(mode=0o700)
    sealgate, orders = Service("sealgate", tmp_path, binary), Service("orders", tmp_path, binary)
    orders.settings["PATH"] = sealgate.settings["PATH"]
    assert not sealgate.healthy() and not orders.healthy()
    with running(sealgate.command(), tmp_path, sealgate.settings, tmp_path / "sealgate.log"):
        eventually(sealgate.healthy)
        # The third line of the file's first words, with the name and the input that it has there.
        (typed,) = re.findall(r"exec -T sealgate (sealgate user add alice) < password", (FOLDER / "compose.yaml").read_text())
        added = subprocess.run(typed.split(), env=sealgate.settings, input="a quiet harbour\n", capture_output=True, text=True, timeout=PATIENCE)
        assert added.returncode == 0, added.stderr
        with running(orders.command(), FOLDER, orders.settings, tmp_path / "orders.log"):
            eventually(orders.healthy)
            token = use(sealgate.url, orders.url, {"username": "alice", "password": "a quiet harbour"})
            assert ask("POST", f"{sealgate.url}/logout", token)[0] in (200, 204)
            # Revoked at one, refused by the other.
            eventually(lambda: ask("GET", f"{orders.url}/orders/17", token)[0] == 401)


def test_its_image_is_that_of_this_version():
    cargo = (ROOT / "Cargo.toml").read_text()
    (number,) = re.findall(r"^sealgate:(.+)$", SERVICES["sealgate"]["image"])
    assert f'\nversion = "{number}"\n' in cargo


def test_each_example_has_one_command():
    text = (ROOT / "examples" / "README.md").read_text()
    for path in re.findall(r"\]\(([^)#]+)", text):
        assert (ROOT / "examples" / path).exists(), path
    listed = {Path(path).parts[0] for path in re.findall(r"\]\(([^.)][^)]*)\)", text)}
    assert listed == {path.name for path in (ROOT / "examples").iterdir() if path.is_dir()}
