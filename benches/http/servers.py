"""The servers that are measured: how each is started, checked, watched and ended."""

import base64
import ctypes
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORKERS = 2
TEXT = "This is the confidential data that Sealgate protects."
SEED_TEXT = "This is the original's confidential data."
NAMES = ["sealgate", "sealgate-pool", "sealgate-tiny-http", "sealgate-before"]
NAMES += ["axum", "actix", "libmicrohttpd", "flask", "nginx"]
TLS_PEERS = ["axum", "nginx"]
# Of the benchmark alone; nothing else is sealed or signed with them.
KEYS = {
    "JWT_SECRET_KEY": "a secret of the benchmark, 32 bytes and more",
    "AES_KEY": "0123456789abcdef0123456789abcdef",
    "AES_IV": "0123456789abcdef",
}
TICK = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1
FETCHING = 60  # seconds for all tokens


class Failure(Exception):
    """One sentence for the terminal."""


class Server:
    """A running server. It is ended by its own pid, and by the kernel should this program die without a chance to."""

    def __init__(self, name, target, access_log, tls=False):
        self.name = name
        self.tls = tls
        self.scheme = "https" if tls else "http"
        self.built = target / "bench-http"
        self.folder = self.built / "run" / (f"{name}-tls" if tls else name)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.output = self.folder / "output.log"
        self.access_log = self.folder / "access.log" if access_log else None
        for old in (self.output, self.access_log):
            if old:
                old.unlink(missing_ok=True)
        self.port = free_port()
        self.served = 0
        self.tokens = self.folder / "tokens.txt"
        self.certificate = certificate(self.built) if tls else None
        command, environment = self.command(target)
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
        # Sealgate's lines go to standard error, the others' to a file that they are told.
        to_stderr = self.access_log if name.startswith("sealgate") and access_log else self.output
        with open(to_stderr, "ab") as stderr, open(self.output, "ab") as stdout:
            self.process = subprocess.Popen(
                command,
                env=kept | environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C is for this program; it ends the servers itself
                preexec_fn=end_with_parent,
            )

    def command(self, target):
        port, log = str(self.port), self.access_log
        rust = target / "bench-http" / "peers" / "release"
        told = KEYS | {"PORT": port, "SECURE_DATA": TEXT}
        if log:
            told["ACCESS_LOG"] = str(log)
        if self.tls:
            told |= {"TLS_CERT": str(self.certificate[0]), "TLS_KEY": str(self.certificate[1])}
        match self.name:
            case "axum" | "actix":
                return [rust / self.name], told
            case "libmicrohttpd":
                return [target / "bench-http" / self.name], told
            case "flask":
                # Without a window nobody is ever over the limit.
                told |= {"RATE_LIMIT_WINDOW": "0", "PYTHONDONTWRITEBYTECODE": "1"}
                gunicorn = [target / "bench-http" / "venv" / "bin" / "gunicorn", "--chdir", ROOT / "tests" / "python"]
                gunicorn += ["--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS), "--worker-class", "gthread"]
                gunicorn += ["--threads", "2", "--keep-alive", "60", "--log-level", "warning"]
                gunicorn += ["--worker-tmp-dir", "/dev/shm"] if os.path.isdir("/dev/shm") else []
                gunicorn += ["--access-logfile", log] if log else []
                return gunicorn + ["seed_app:app"], told
            case "nginx":
                constant = json.dumps({"encrypted_data": base64.b64encode(bytes(98)).decode()}, separators=(",", ":"))
                text = (HERE / "peers" / "nginx.conf").read_text()
                settings = {"folder": self.folder, "access_log": log or "off", "port": port, "constant": constant}
                settings |= {"ssl": "ssl" if self.tls else "", "certificate": ""}
                if self.tls:
                    lines = "ssl_certificate {};\n        ssl_certificate_key {};"
                    settings["certificate"] = lines.format(*self.certificate)
                (self.folder / "nginx.conf").write_text(text.format(**settings))
                program = "/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else "nginx"
                return [program, "-p", self.folder, "-c", self.folder / "nginx.conf"], {}
            case _:
                engine = self.name.removeprefix("sealgate").removeprefix("-") or "auto"
                program = os.environ.get("SEALGATE_BIN") or target / "release" / "sealgate"
                if engine == "before":
                    engine, program = "auto", os.environ.get("SEALGATE_BEFORE")
                    if not program:
                        raise Failure("SEALGATE_BEFORE names the earlier build that sealgate-before is")
                arguments = ["serve", "--listen", f"127.0.0.1:{port}", "--workers", str(WORKERS), "--engine", engine]
                if self.tls:
                    arguments += ["--tls-cert", self.certificate[0], "--tls-key", self.certificate[1]]
                return [program, *arguments], sealgate_settings(bool(log))

    def wait(self, seconds=15):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failure(f"{self.name} ended at once:\n{self.tail()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise Failure(f"{self.name} does not listen after {seconds} s:\n{self.tail()}")

    def tail(self):
        texts = [path.read_text(errors="replace") for path in (self.output, self.access_log) if path and path.exists()]
        return "\n".join(("".join(texts)).splitlines()[-10:])

    def stop(self):
        """Asks, waits, and then does not ask any more. Its children are its own to end, unless it cannot."""
        if self.process.poll() is not None:
            return
        pids = processes(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()

    def pids(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name} has ended by itself:\n{self.tail()}")
        return processes(self.process.pid)

    def ask(self, method, path, token=None, body=None):
        """Status and, of a success, JSON of one answer, over a connection of its own."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self.tls:
            trust = ssl.create_default_context(cafile=self.certificate[0])
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=trust)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            self.last = f"{method} {path} gave {answer.status} {text[:200].decode(errors='replace')}"
            return answer.status, json.loads(text) if answer.status < 400 else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Failure(f"{self.name}: no good answer to {method} {path}: {error!r}") from None
        finally:
            connection.close()

    def check(self):
        """Whether the server does the work; gives what the load is made of: a token and a body for /decrypt."""
        if self.name == "nginx":
            self.expect("a constant", self.ask("GET", "/secure-data")[0] == 200)
            return "no.token.needed", json.dumps({"encrypted_data": base64.b64encode(bytes(98)).decode()})
        status, answer = self.ask("POST", "/login", body='{"username":"bench"}')
        token = answer.get("token", "") if answer else ""
        self.expect("a token", status == 200 and token.count(".") == 2)
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        self.expect("its user and its end", claims["username"] == "bench" and 1700 < claims["exp"] - time.time() < 1900)
        head = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
        self.expect("HS256", head["alg"] == "HS256")
        self.expect("400 or more without a user", self.ask("POST", "/login", body="{}")[0] in (400, 422))

        start, _, signature = token.rpartition(".")
        forged = start + "." + ("B" if signature[0] == "A" else "A") + signature[1:]
        for bad in (None, forged):
            for method, path, body in (("GET", "/secure-data", None), ("POST", "/decrypt", '{"encrypted_data":"AAAA"}')):
                self.expect(f"401 for {path}", self.ask(method, path, bad, body)[0] == 401)

        (status, first), (_, second) = (self.ask("GET", "/secure-data", token) for _ in range(2))
        sealed = first.get("encrypted_data", "") if first else ""
        self.expect("sealed data", status == 200 and len(base64.b64decode(sealed, validate=True)) > len(TEXT) // 2)
        seed = self.name == "flask"
        self.expect("a new nonce each time", seed or sealed != second["encrypted_data"])
        body = json.dumps({"encrypted_data": sealed})
        opened = self.ask("POST", "/decrypt", token, body)
        self.expect("the text again", opened == (200, {"decrypted_data": SEED_TEXT if seed else TEXT}))
        # The seed's CBC notices little; its padding, here, is long enough to be told.
        changed = bytearray(base64.b64decode(sealed))
        changed[-1] ^= 0x80
        torn = json.dumps({"encrypted_data": base64.b64encode(changed).decode()})
        self.expect("400 for changed data", self.ask("POST", "/decrypt", token, torn)[0] == 400)
        return token, body

    def fetch_tokens(self, count):
        """So many tokens of as many users, one a line in a file of this server."""
        self.tokens.unlink(missing_ok=True)
        environment = {"PATH": os.environ["PATH"], "FETCH_INTO": str(self.tokens), "FETCH_COUNT": str(count)}
        command = ["wrk", "-t1", "-c8", f"-d{FETCHING}s", "-s", HERE / "fetch.lua"]
        command.append(f"{self.scheme}://127.0.0.1:{self.port}/login")
        wrk = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while wrk.poll() is None and not self.tokens.exists():
            time.sleep(0.05)
        wrk.kill()
        wrk.wait()
        if not self.tokens.exists():
            raise Failure(f"{self.name} did not issue {count} tokens within {FETCHING} s")
        with open(self.tokens) as file:
            tokens = set(file.read().split())
        self.expect(f"{count} different tokens (there are {len(tokens)})", len(tokens) == count)
        self.served += count

    def expect(self, what, good):
        if not good:
            raise Failure(f"{self.name} does not give what it should: {what}\n  {self.last}")

    def lines(self):
        if not self.access_log or not self.access_log.exists():
            return 0
        with open(self.access_log, "rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def certificate(folder):
    """A self-signed certificate for 127.0.0.1 with a P-256 key, and the key, made once."""
    certificate, key = folder / "tls.pem", folder / "tls.key"
    if not certificate.exists():
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "3650", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
        key.chmod(0o600)
    return certificate, key


def sealgate_settings(access_log):
    settings = {
        "SEALGATE_KEYS": "ephemeral",
        "MAX_REQUESTS": "0",
        "SEALGATE_LOGIN_MAX_REQUESTS": "0",
        "SEALGATE_LOG_LEVEL": "info" if access_log else "warn",
        "SEALGATE_SECURE_DATA": TEXT,
    }
    # So that one can see what a setting does: SEALGATE_TOKEN_CACHE=0 make bench-http
    return settings | {name: value for name, value in os.environ.items() if is_setting(name)}


def is_setting(name):
    return name.startswith("SEALGATE_") and name not in ("SEALGATE_BIN", "SEALGATE_BEFORE")


def cpu_seconds(pids):
    """What processes have used so far: user and system time of all their threads, ended ones included."""
    ticks = 0
    for pid in pids:
        # After the name, which may contain anything, the fields are plain; utime and stime are the 14th and 15th.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICK


def processes(root):
    """A process and all that come from it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                pass  # it has ended meanwhile
    found = [root]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
