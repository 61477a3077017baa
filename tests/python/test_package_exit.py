"""The interpreter's end with live handles, servers and threads: no crash, no hang, and the exit code is the program's."""

import os

import pytest

# How many times each: `make soak-python` has more.
ROUNDS = int(os.environ.get("SEALGATE_EXIT_ROUNDS", "4"))

HANDLES = """
import sealgate
gates = [sealgate.Gate(keys="ephemeral") for _ in range(10)]
gates[0].me = gates[0]
claims = gates[1].verify_token(gates[1].issue_token("alice"))
unstarted = sealgate.Server(gates[2], listen="127.0.0.1:0")
unstarted.route("GET", "/x")(lambda request: unstarted)
"""

SERVERS = """
import sealgate, threading, urllib.request, logging
sealgate.start_logging(logging.DEBUG, lambda *line: None)
servers = [sealgate.Server(sealgate.Gate(keys="ephemeral"), listen="127.0.0.1:0") for _ in range(3)]
for server in servers:
    server.route("GET", "/x")(lambda request: "x")
    server.start()
def ask(url):
    while True:
        urllib.request.urlopen(url + "/x").read()
def quietly(url):
    try:
        ask(url)
    except Exception:
        pass
for server in servers:
    for _ in range(2):
        threading.Thread(target=quietly, args=(server.url,), daemon=True).start()
for server in servers:
    urllib.request.urlopen(server.url + "/x").read()
"""

THREADS = """
import sealgate, threading, os
gate = sealgate.Gate(keys="ephemeral")
busy = threading.Barrier(5)
def work():
    data = os.urandom(1 << 20)
    busy.wait()
    while True:
        gate.open(gate.seal(data))
        gate.verify_token(gate.issue_token("alice"))
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
busy.wait()
"""

IN_A_CALLBACK = """
import sealgate, threading, time, urllib.request
server = sealgate.Server(sealgate.Gate(keys="ephemeral"), listen="127.0.0.1:0")
entered = threading.Event()
@server.route("GET", "/slow")
def slow(request):
    entered.set()
    time.sleep(0.3)
    print("finished", flush=True)
    return "x"
server.start()
def ask():
    urllib.request.urlopen(server.url + "/slow").read()
threading.Thread(target=ask, daemon=True).start()
entered.wait()
"""

FORKED = """
import os, sealgate, sys
server = sealgate.Server(sealgate.Gate(keys="ephemeral"), listen="127.0.0.1:0").start()
child = os.fork()
if child == 0:
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""

ENDS = {"": 0, "raise SystemExit(5)": 5, "raise ValueError('at the end')": 1, "import os; os._exit(6)": 6}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("script", [HANDLES, SERVERS, THREADS], ids=["handles", "servers", "threads"])
def test_the_interpreter_ends_with_what_is_live(python, script, end):
    for _ in range(ROUNDS):
        ended = python(f"{script}\n{end}\n")
        assert ended.code == ENDS[end], ended.err
        assert not ended.err if "ValueError" not in end else ended.err.endswith("ValueError: at the end\n"), ended.err


def test_a_callback_that_runs_is_waited_for(python):
    ended = python(IN_A_CALLBACK)
    assert (ended.code, ended.out, ended.err) == (0, b"finished\n", "")


def test_a_forked_child_ends_on_its_own(python):
    # Newer Pythons warn of any fork beside threads.
    ended = python(FORKED, options=("-W", "ignore::DeprecationWarning"))
    assert (ended.code, ended.err) == (0, "")
