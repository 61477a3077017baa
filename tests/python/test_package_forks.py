"""Forks beside threads that use every kind of call: no child hangs, and each can use every kind of call itself.

SEALGATE_SOAK_FORKS says how many; `make soak-python` has a thousand.
"""

import os
import subprocess
import sys

import pytest

from doors import PATIENCE

FORKS = int(os.environ.get("SEALGATE_SOAK_FORKS", "60"))

SCRIPT = """
import itertools, logging, multiprocessing, os, signal, sys, threading, time, urllib.request
import sealgate

forks = int(sys.argv[1])
PASSWORD = "a long enough secret"
logging.basicConfig(level=logging.DEBUG, handlers=[logging.NullHandler()])
sealgate.start_logging(logging.DEBUG)  # each line takes the interpreter's lock
gate = sealgate.Gate(keys="ephemeral", max_requests=1000)
kept = dict(data_dir=os.environ["HOME"] + "/kept", password_memory=1024, password_passes=1, password_lanes=1)
stored = sealgate.Gate(kept)
stream = gate.seal_stream()
numbers = itertools.count()

def use_everything():
    user = f"user-{os.getpid()}-{next(numbers)}"
    assert gate.verify_token(gate.issue_token(user)).subject == user
    assert gate.decrypt(gate.encrypt(user, "c"), "c") == user.encode()
    assert stored.open(stored.seal(bytes(20000))) == bytes(20000)
    assert sealgate.decrypt_data(sealgate.encrypt_data(user)) == user
    for _ in range(20):
        assert gate.admit(user)
    sealgate.enforce_rate_limit(user)
    sealgate.mask_data(user)
    stream.push(b"x")
    sealgate.Gate(kept).close()
    stored.add_user(user, PASSWORD, "encrypt")
    tokens = stored.log_in(user, PASSWORD)
    try:
        stored.check_password(user, "another one", "here")
        raise AssertionError("let in")
    except sealgate.LoginFailedError:
        pass
    tokens = stored.refresh(tokens.refresh_token)
    stored.revoke_user(user)
    stored.remove_user(user)

def in_child(deeper=False):
    signal.alarm(60)
    sealgate.start_logging(logging.DEBUG)
    use_everything()
    try:
        server.port
        raise AssertionError("not forked?")
    except sealgate.ForkedError:
        pass
    if deeper:
        fork(in_child)
    server.close()  # also in a function of its own: no thread of it is here

def fork(work, *arguments):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work(*arguments)
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, f"a child ended with {status}" + (": it hung" if status == -signal.SIGALRM else "")

server = sealgate.Server(gate, listen="127.0.0.1:0")

@server.route("GET", "/fork")
def in_route(request):
    fork(in_child)
    return "forked"

@server.route("GET", "/quick", blocking=False)
def in_quick_route(request):
    fork(in_child)
    return "forked"

@server.route("GET", "/return")
def coming_back(request):
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
    return "came back"

server.start()
over, failures = threading.Event(), []

def guarded(work):
    def run():
        try:
            while not over.is_set():
                work()
        except BaseException as failure:
            failures.append(repr(failure))
    return threading.Thread(target=run)

def ask():
    for path, answer in (("/fork", b"forked"), ("/quick", b"forked"), ("/return", b"came back")):
        assert urllib.request.urlopen(server.url + path, timeout=100).read() == answer
    time.sleep(0.1)

threads = [guarded(use_everything) for _ in range(4)] + [guarded(ask)]
for thread in threads:
    thread.start()

def share(count):
    for number in range(count):
        fork(in_child, number % 10 == 0)

other = threading.Thread(target=share, args=(forks // 3,))
other.start()
share(forks // 3)
other.join()
context = multiprocessing.get_context("fork")
for _ in range(forks - 2 * (forks // 3)):
    process = context.Process(target=in_child)
    process.start()
    process.join()
    assert process.exitcode == 0, process.exitcode
over.set()
for thread in threads:
    thread.join()
server.close()
assert not failures, failures
print("none hung")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_children_use_everything(python, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-B", "-W", "ignore::DeprecationWarning", "-c", SCRIPT, str(FORKS)],
        env=python.environment(HOME=str(tmp_path), MAX_REQUESTS="1000"),
        capture_output=True,
        timeout=PATIENCE + FORKS * 5,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"none hung\n", b"")
