"""Measures what one call costs PostgreSQL, for the model: a private server in a temporary directory, pgbench, and the CPU time of
all of the server's processes, which other load on the machine hardly changes. Writes costs.json.

measure.py [SECONDS]: so long for each kind of call (default 4)."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
CLIENTS = 16
BATCH = 16

SCHEMA = HERE.parent.parent / "src" / "store" / "postgres" / "schema" / "step1.sql"

# The statements are the store's own (src/store/postgres), but for the check.
# name: (pgbench script, calls in it)
CALLS = {
    "check": (r"""\set k random(1, 100000)
SELECT bench.take(int4send(:k::int), 5, 60);
""", 1),
    "check in batches": (r"""\set k random(1, 100000)
SELECT bench.take_all((SELECT array_agg(int4send((:k + i)::int)) FROM generate_series(1, %d) AS i), 5, 60);
""" % BATCH, BATCH),
    "revocation": (r"""BEGIN;
SELECT sealgate.check_writable();
INSERT INTO sealgate.revoked_tokens AS old VALUES (md5(random()::text || clock_timestamp()::text), 4000000000)
    ON CONFLICT (id) DO UPDATE SET expires = greatest(old.expires, excluded.expires);
INSERT INTO sealgate.changes (kind, key, expires) VALUES (1, md5(random()::text), 4000000000);
COMMIT;
""", 1),
    "poll": (r"""SELECT seen.*, log.kind, log.key, log.number, log.expires FROM
    (SELECT pg_snapshot_xmin(pg_current_snapshot())::text,
        (SELECT value <> 0 FROM sealgate.meta WHERE name = 'accounts'),
        (SELECT value FROM sealgate.meta WHERE name = 'api_keys'),
        coalesce((SELECT version FROM sealgate.ring), 0),
        (SELECT value FROM sealgate.meta WHERE name = 'pruned')) AS seen
    LEFT JOIN sealgate.changes AS log ON log.xid >= pg_snapshot_xmin(pg_current_snapshot());
""", 1),
    "login": (r"""\set u random(1, 100000)
SELECT scope, claims, disabled, version, salt, hash, memory, passes, lanes FROM sealgate.accounts WHERE name = 'user-' || :u;
SELECT key, count, at FROM sealgate.failures WHERE key = ANY (ARRAY[int4send(:u::int), int4send((:u + 1)::int), int4send((:u + 2)::int)]);
BEGIN;
SELECT sealgate.check_writable();
SELECT 1 FROM sealgate.accounts WHERE name = 'user-' || :u AND version = :u AND NOT disabled FOR NO KEY UPDATE;
INSERT INTO sealgate.sessions SELECT md5(random()::text || clock_timestamp()::text), 'user-' || :u, 'x', 4000000000, 4000000000, 1, 0
    WHERE NOT EXISTS (SELECT 1 FROM sealgate.revoked_users WHERE name = 'user-' || :u AND before >= 1);
DELETE FROM sealgate.sessions WHERE account = 'user-' || :u AND id NOT IN
    (SELECT id FROM sealgate.sessions WHERE account = 'user-' || :u ORDER BY expires DESC LIMIT 100);
COMMIT;
""", 1),
}


class Failed(Exception):
    """A program of PostgreSQL's, with what it printed."""


# The server ends with this process, however that ends: the other end of the shell's input closes then.
GUARD = '"$@" & server=$!; cat >/dev/null; kill -INT $server; wait $server'


class Server:
    """A private PostgreSQL. It runs as `postgres` if we are root, for it refuses to run as root."""

    def __init__(self, directory, settings):
        self.directory = directory
        self.programs = next(path for path in programs() if (path / "initdb").exists())
        self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if self.user:
            shutil.chown(directory, "postgres", "postgres")
        self.data = directory / "data"
        self.run("initdb", "-D", self.data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [*self.user, str(self.programs / "postgres"), "-D", str(self.data), "-k", str(directory),
                   "-c", "listen_addresses=", *options]
        with open(directory / "log", "wb") as log:
            self.process = subprocess.Popen(["sh", "-c", GUARD, "sh", *command], stdin=subprocess.PIPE, stdout=log, stderr=log,
                                            cwd=directory)
        end = time.monotonic() + 60
        while True:
            try:
                self.run("psql", *self.connection(), "-c", "SELECT 1")
                self.postmaster = (self.data / "postmaster.pid").read_text().splitlines()[0]
                return
            except Failed:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.stop()
                    raise SystemExit((directory / "log").read_text()) from None
                time.sleep(0.1)

    def connection(self):
        return ["-h", str(self.directory), "-U", "bench", "-d", "postgres"]

    def run(self, program, *words):
        command = [*self.user, str(self.programs / program), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.directory, timeout=600)
        if done.returncode:
            raise Failed(f"{program}: {done.stderr}")
        return done.stdout

    def cpu_seconds(self):
        """Of the postmaster and all its children, also those that have ended."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                number, rest = stat.parent.name, stat.read_text().rsplit(")", 1)[1].split()
            except (OSError, IndexError):
                continue
            if number == self.postmaster:
                ticks += sum(map(int, rest[11:15]))
            elif rest[1] == self.postmaster:
                ticks += sum(map(int, rest[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.stdin.close()
        self.process.wait(120)


def programs():
    """Where PostgreSQL's programs may be, newest first."""
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    found = shutil.which("initdb")
    if found:
        yield Path(found).resolve().parent
    raise SystemExit("measure.py: no initdb found; install PostgreSQL (Debian: apt-get install postgresql)")


def machine(server):
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    version = server.run("psql", *server.connection(), "-Atc", "SHOW server_version").split()[0]
    return {"cpu": model, "cores": os.cpu_count(), "postgresql": version}


def measure(server, script, calls, seconds):
    """Calls per second, and CPU microseconds of the server for each."""
    path = server.directory / "script.sql"
    path.write_text(script)
    path.chmod(0o644)
    words = [*server.connection()[:4], "-n", "-M", "extended", "-c", CLIENTS, "-j", 2, "-f", path]
    server.run("pgbench", *words, "-T", 1, "postgres")
    before = server.cpu_seconds()
    said = server.run("pgbench", *words, "-T", seconds, "postgres")
    used = server.cpu_seconds() - before
    done = next(int(line.split(":")[1].split("/")[0]) for line in said.splitlines() if "actually processed" in line)
    rate = next(float(line.split("=")[1].split()[0]) for line in said.splitlines() if line.startswith("tps"))
    return {"per second": round(rate * calls), "cpu_us": round(used / (done * calls) * 1e6, 1)}


def measure_all(seconds, kinds=tuple(CALLS)):
    """What costs.json has."""
    # Not below a directory that only root can enter, for the server runs as another user.
    with tempfile.TemporaryDirectory(prefix="sealgate-fleet-", dir="/tmp") as directory:
        server = Server(Path(directory), {"shared_buffers": "256MB", "max_connections": 50})
        try:
            words = [*server.connection(), "-v", "ON_ERROR_STOP=1"]
            server.run("psql", *words, "-c", "CREATE SCHEMA sealgate;" + SCHEMA.read_text() + (HERE / "costs.sql").read_text())
            server.run("psql", *words, "-c", "VACUUM ANALYZE")
            results = {"machine": machine(server), "calls": {}}
            for kind in kinds:
                results["calls"][kind] = measure(server, *CALLS[kind], seconds)
                print(f"{kind}: {results['calls'][kind]}", flush=True)
            return results
        finally:
            server.stop()


def main():
    results = measure_all(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
    (HERE / "costs.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
