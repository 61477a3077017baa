"""A host's own files beside its server's connections, where the limit on open files leaves room for few of both."""

import socket
import subprocess
import sys
import threading

import pytest

from doors import PATIENCE, eventually

pytest.importorskip("resource")

GET = b"GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n"
# How many of the host's own files are open when the server starts, and how many it opens later: more than the server reserves.
HELD, LATER = 150, 120

HOST = f"""
import os, resource, sys, time
import sealgate

resource.setrlimit(resource.RLIMIT_NOFILE, (400, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = [open(os.devnull) for _ in range({HELD})]
gate = sealgate.Gate(keys="ephemeral", max_requests=0)
server = sealgate.Server(gate, listen="127.0.0.1:0", idle_timeout=3600)

@server.route("GET", "/file")
def file(request):
    with open(os.devnull):
        return "x"

print(server.start().port, flush=True)
sys.stdin.readline()
# Takes every descriptor as soon as there is one.
while len(held) < {HELD + LATER}:
    try:
        held.append(open(os.devnull))
    except OSError:
        time.sleep(0.001)
print("has them", flush=True)
sys.stdin.readline()
server.stop()
"""


@pytest.fixture
def host(python):
    arguments = [sys.executable, "-B", "-c", HOST]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(arguments, env=python.environment(), **pipes) as child:
        yield child
        child.kill()


def ask(port, connection=None):
    connection = connection or socket.create_connection(("127.0.0.1", port), PATIENCE)
    connection.sendall(GET)
    return connection, connection.recv(1000).split(b"\r\n")[0]


@pytest.mark.parametrize("others_come", [False, True], ids=["quiet", "others come"])
def test_idle_connections_make_room_for_the_files_of_the_host(host, others_come):
    port = int(host.stdout.readline())
    idle = [ask(port)[0] for _ in range(200)]
    host.stdin.write("\n")
    host.stdin.flush()
    has_them = []
    # The host's last files may come at any time.
    reader = threading.Thread(target=lambda: has_them.append(host.stdout.readline()), daemon=True)
    reader.start()

    def done():
        if others_come:
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as fresh:
                fresh.sendall(GET)
                fresh.recv(1000)
        return has_them == ["has them\n"]

    assert eventually(done)
    # There is a descriptor again for what the host does for a request.
    assert eventually(lambda: ask(port)[1] == b"HTTP/1.1 200 OK")
    for connection in idle:
        connection.close()
    host.stdin.write("\n")
    host.stdin.flush()
    assert host.wait(PATIENCE) == 0
