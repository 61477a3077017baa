"""The SQL in docs/fleet.md: a server with the role that it makes works, and cannot do more."""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from conftest import ROOT
from doors import PATIENCE, clean_environment

sys.path.insert(0, str(ROOT / "benches" / "fleet"))
import measure  # noqa: E402

PASSWORD = "correct horse battery staple\n"


def documented_sql():
    page = (ROOT / "docs" / "fleet.md").read_text()
    (block,) = page.split("```sql\n")[1:]
    return block.split("```")[0]


@pytest.fixture(scope="module")
def database():
    with tempfile.TemporaryDirectory(prefix="sealgate-roles-", dir="/tmp") as folder:
        server = measure.Server(Path(folder), {"fsync": "off"})
        try:
            script = Path(folder) / "roles.sql"
            script.write_text(documented_sql())
            script.chmod(0o644)
            server.run("psql", *server.connection(), "-v", "ON_ERROR_STOP=1", "-f", script)
            yield server
        finally:
            server.stop()


def psql(server, role, sql):
    words = ["-h", server.directory, "-U", role, "-d", "sealgate", "-v", "ON_ERROR_STOP=1", "-Atc", sql]
    return server.run("psql", *words)


@pytest.fixture
def command(binary, database, tmp_path):
    """Runs the command with the store of a role."""

    def run(role, *words, given="", **more):
        settings = {
            "SEALGATE_STORE": f"postgres://{role}@{quote(str(database.directory), safe='')}/sealgate",
            "SEALGATE_RING_KEY": "hex:" + "5a" * 32,
        } | more
        return subprocess.run([binary, *words], env=clean_environment(tmp_path, settings), input=given, capture_output=True,
                              text=True, timeout=PATIENCE, cwd=tmp_path)

    return run


def test_a_server_needs_no_more_than_its_role_has(database, command):
    for words in [("user", "list")]:
        refused = command("sealgate", *words)
        assert refused.returncode == 2
        assert "sealgate store migrate" in refused.stderr
    refused = command("sealgate", "store", "migrate")
    assert refused.returncode == 2 and "docs/fleet.md" in refused.stderr
    tables = "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('sealgate')"
    assert psql(database, "sealgate_owner", tables).strip() == "0"  # nothing half done
    assert "Created" in command("sealgate_owner", "store", "migrate").stdout
    again = command("sealgate_owner", "store", "migrate")
    assert (again.returncode, again.stdout) == (0, "The tables are of version 1; nothing to do.\n")
    added = command("sealgate", "user", "add", "alice", given=PASSWORD)
    assert added.returncode == 0, added.stderr
    for words in [("user", "list"), ("user", "disable", "alice"), ("user", "enable", "alice"), ("user", "sessions", "alice"),
                  ("user", "unlock", "alice"), ("token", "revoke", "--user", "alice"), ("user", "remove", "alice")]:
        done = command("sealgate", *words)
        assert done.returncode == 0, (words, done.stderr)
    assert psql(database, "sealgate", "SELECT value FROM sealgate.meta WHERE name = 'accounts'").strip() == "1"

    for sql in ["CREATE TABLE sealgate.more (x int)", "CREATE TABLE public.more (x int)", "CREATE SCHEMA more",
                "DROP TABLE sealgate.accounts", "TRUNCATE sealgate.accounts", "ALTER TABLE sealgate.accounts ADD x int",
                "CREATE TEMP TABLE more (x int)"]:
        with pytest.raises(measure.Failed, match="permission denied|must be owner"):
            psql(database, "sealgate", sql)
    # Every table, not only those that the commands above have used.
    tables = psql(database, "sealgate_owner", "SELECT tablename FROM pg_tables WHERE schemaname = 'sealgate'").split()
    assert len(tables) > 10
    for table in tables:
        for right in ["SELECT", "INSERT", "UPDATE", "DELETE"]:
            sql = f"SELECT has_table_privilege('sealgate', 'sealgate.{table}', '{right}')"
            assert psql(database, "sealgate_owner", sql).strip() == "t", (table, right)


def test_migrations_at_once_wait_for_one_another(database, command):
    """And a newer version, or no shared store, is an error."""
    database.run("psql", *database.connection(), "-d", "sealgate", "-c", "DROP SCHEMA sealgate CASCADE")
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: command("sealgate_owner", "store", "migrate"), range(6)))
    assert [ended.returncode for ended in done] == [0] * 6, [ended.stderr for ended in done]
    assert sum("Created" in ended.stdout for ended in done) == 1
    psql(database, "sealgate_owner", "UPDATE sealgate.meta SET value = 99 WHERE name = 'version'")
    for words in [("store", "migrate"), ("user", "list")]:
        newer = command("sealgate_owner", *words)
        assert newer.returncode == 2 and "version 99" in newer.stderr
    alone = command("sealgate_owner", "store", "migrate", SEALGATE_STORE="")
    assert alone.returncode == 2 and "SEALGATE_STORE is not set" in alone.stderr


def test_strangers_may_not_even_connect(database):
    database.run("psql", *database.connection(), "-c", "CREATE ROLE stranger LOGIN")
    with pytest.raises(measure.Failed, match="permission denied for database"):
        psql(database, "stranger", "SELECT 1")
