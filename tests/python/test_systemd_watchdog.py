"""The watchdog of a real server one of whose threads is stopped: the supervisor hears nothing until it goes on."""

import contextlib
import ctypes
import os
import socket
import sys
from pathlib import Path

import pytest

from doors import Server

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000  # wait for a thread too

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs ptrace of Linux")


def trace(request, thread):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    if libc.ptrace(request, thread, None, None) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


@contextlib.contextmanager
def stopped(thread):
    try:
        trace(SEIZE, thread)
    except PermissionError:
        pytest.skip("this machine permits no ptrace")
    trace(INTERRUPT, thread)
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        trace(DETACH, thread)


def threads(process, name):
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(task.name) for task in tasks if (task / "comm").read_text() == f"{name}\n"]


def heard(supervisor, seconds):
    """The next message, or None if none comes in this time."""
    supervisor.settimeout(seconds)
    try:
        return supervisor.recv(5000).decode()
    except socket.timeout:
        return None


def drain(supervisor):
    supervisor.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while supervisor.recv(5000):
            pass


@pytest.mark.parametrize("name", ["sealgate-worker", "sealgate-listen"])
def test_a_thread_that_hangs_is_not_reported_as_alive(binary, tmp_path, name):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(path))
        settings = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": 600_000, "SEALGATE_WORKERS": 2}
        with Server(binary, tmp_path, settings) as server:
            assert heard(supervisor, 60).startswith("READY=1\n")
            assert heard(supervisor, 60) == "WATCHDOG=1"
            thread = threads(server.process.pid, name)[-1]
            with stopped(thread):
                # What was sent before, and the one question to which the thread had answered.
                drain(supervisor)
                heard(supervisor, 1.2)
                assert heard(supervisor, 1.2) is None
            assert heard(supervisor, 60) == "WATCHDOG=1"
            assert "a worker or the listener has not responded for 200 ms" in server.err.read_text()
            drain(supervisor)
