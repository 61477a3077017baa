"""The life of the package's server: start, stop, closing and garbage, forks, serving until a signal."""

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref

import pytest

import sealgate
from doors import PATIENCE, Site, eventually
from served import HERE, KEYS, gate, server, started


def test_with_serves_and_then_no_more(gate):
    with sealgate.Server(gate, listen="127.0.0.1:0") as server:
        port = server.port
        assert server.url == server.addresses[0] == f"http://127.0.0.1:{port}"
        assert Site(port).get("/healthz").status == 200
        with pytest.raises(sealgate.WrongStateError):
            server.start()
        with pytest.raises(sealgate.WrongStateError):
            server.route("GET", "/late")(lambda request: "x")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), 5)
    for use in (lambda: server.port, lambda: server.addresses, server.start, server.stop, server.__enter__):
        with pytest.raises(sealgate.WrongStateError, match="closed"):
            use()
    server.close()


def test_a_server_whose_start_is_interrupted_is_stopped_at_the_interpreters_end(gate, monkeypatch):
    def interrupted(status):
        sealgate.errors.check(status)
        raise KeyboardInterrupt

    server = sealgate.Server(gate, HERE)
    monkeypatch.setattr("sealgate.server.check", interrupted)
    with pytest.raises(KeyboardInterrupt):
        server.start()
    monkeypatch.undo()
    port = server.port
    sealgate.server._stop_all()
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
        pass
    server.close()


def test_settings_of_the_server_are_checked(gate):
    for wrong in ({"listen": "nowhere"}, {"listen": "127.0.0.1:0", "grace": "soon"}, {"lisen": "x"}):
        with pytest.raises(sealgate.SettingError):
            sealgate.Server(gate, wrong)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = sealgate.Server(gate, listen=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(sealgate.SettingError):
            server.start()
        server.close()


def test_the_gate_may_be_closed_before_its_server():
    gate = sealgate.Gate(KEYS)
    server = sealgate.Server(gate, HERE)
    gate.close()
    with server:
        assert Site(server.port).get("/secure-data", token=Site(server.port).log_in()).status == 200


def test_a_function_is_let_go_with_its_server(gate):
    class Function:
        def __call__(self, request):
            return "x"

    function = Function()
    gone = weakref.ref(function)
    server = sealgate.Server(gate, HERE)
    server.route("GET", "/x")(function)
    del function
    with server:
        assert Site(server.port).get("/x").status == 200
        assert gone() is not None
    gc.collect()
    assert gone() is None


def test_a_server_that_its_own_function_refers_to_is_freed_when_it_is_closed(gate):
    class Program:
        def __init__(self):
            self.server = sealgate.Server(gate, HERE)
            self.server.route("GET", "/x")(self.answer)

        def answer(self, request):
            return "x"

    program = Program()
    gone = weakref.ref(program)
    with program.server:
        assert Site(program.server.port).get("/x").body == b"x"
    del program
    gc.collect()
    assert gone() is None


def test_a_server_that_is_dropped_serves_no_more(gate):
    server = sealgate.Server(gate, HERE)
    port = started(server).port
    del server
    gc.collect()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), 5)


def test_a_server_that_is_dropped_in_a_function_of_its_own_is_freed(gate):
    servers = [sealgate.Server(gate, HERE)]
    entered, go_on = threading.Event(), threading.Event()

    @servers[0].route("GET", "/drop")
    def drop(request):
        entered.set()
        go_on.wait(PATIENCE)
        servers.clear()
        gc.collect()
        return "dropped"

    site = started(servers[0])
    replies = []
    thread = threading.Thread(target=lambda: replies.append(site.get("/drop").body))
    thread.start()
    assert entered.wait(PATIENCE)
    go_on.set()
    thread.join()
    assert replies == [b"dropped"]

    def is_closed():
        try:
            socket.create_connection(("127.0.0.1", site.port), 5).close()
        except OSError:
            return True

    eventually(is_closed)


def test_a_server_does_not_wait_for_itself(server):
    said = []

    @server.route("GET", "/stop")
    def stop(request):
        for end in (server.stop, server.close):
            try:
                end()
            except sealgate.WouldDeadlockError as error:
                said.append(error.code)
        return "still here"

    site = started(server)
    assert site.get("/stop").body == b"still here"
    assert said == ["would_deadlock"] * 2


def test_a_stop_that_is_not_waited_for_says_so(server):
    entered, go_on = threading.Event(), threading.Event()

    @server.route("GET", "/slow")
    def slow(request):
        entered.set()
        go_on.wait(PATIENCE)
        return "late"

    site = started(server)
    thread = threading.Thread(target=lambda: pytest.raises(Exception, site.get, "/slow"))
    thread.start()
    assert entered.wait(PATIENCE)
    with pytest.raises(TimeoutError) as raised:
        server.stop(drain=0.1)
    assert type(raised.value) is sealgate.TimedOutError
    go_on.set()
    thread.join()
    for wrong in (-1, 5_000_000):
        with pytest.raises(ValueError):
            server.stop(wrong)


def test_a_forked_server_says_so_and_touches_nothing_of_the_parents(server, gate):
    site = started(server)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            late = server.route("GET", "/y")
            for use in (lambda: server.port, server.stop, server.start, server.serve_forever, lambda: late(lambda r: "")):
                with pytest.raises(sealgate.ForkedError):
                    use()
            server.close()
            with sealgate.Server(gate, HERE) as own:
                assert Site(own.port).get("/healthz").status == 200
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert site.get("/healthz").status == 200


def test_a_target_that_is_no_utf_8_does_no_harm(server, caplog):
    server.route("GET", "/x/{id}")(lambda request: repr((request.path, request.query, request.arguments, request.parameter("id"))))
    port = started(server).port
    for target in (b"/x/\xff?\xff", b"/x/%ff?%ff=%ff", b"/x/%00?%00"):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.split()[1] in (b"200", b"400"), answer
    assert not caplog.records


def test_serving_forever_ends_where_another_thread_closes_and_is_over_at_once_after_the_end(gate):
    server = sealgate.Server(gate, HERE)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(server.serve_forever()))
    thread.start()
    eventually(lambda: server._started)
    server.shutdown()
    thread.join(PATIENCE)
    server.serve_forever()
    server.close()
    assert ended == [None]

    server = sealgate.Server(gate, HERE).start()
    thread = threading.Thread(target=lambda: ended.append(server.serve_forever()))
    thread.start()
    time.sleep(0.1)
    server.close()
    thread.join(PATIENCE)
    assert ended == [None, None]


FOREVER = """
import signal, sealgate, sys, threading, time
server = sealgate.Server(sealgate.Gate(keys="ephemeral"), listen="127.0.0.1:0")
@server.route("GET", "/slow")
def slow(request):
    import time
    print("entered", flush=True)
    time.sleep(float(request.query))
    return "done"
@server.route("GET", "/shutdown")
def shutdown(request):
    server.shutdown()
    return "shutting down"
signal.signal(signal.SIGTERM, lambda *_: server.shutdown())
server.start()
def announce():
    # Before the main thread waits there, a signal ends the program.
    for _ in range(2):
        while sys._current_frames()[threading.main_thread().ident].f_code.co_name != "serve_forever":
            time.sleep(0.01)
        time.sleep(0.1)
    print(server.port, flush=True)
threading.Thread(target=announce).start()
server.serve_forever(drain=float(sys.argv[1]))
print("ended", flush=True)
"""


@pytest.fixture
def forever(python):
    processes = []

    def start(drain):
        process = subprocess.Popen(
            [sys.executable, "-B", "-c", FOREVER, str(drain)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=python.environment(),
        )
        processes.append(process)
        return process, Site(int(process.stdout.readline()))

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, "route"])
def test_serving_forever_ends_cleanly(forever, how):
    process, site = forever(PATIENCE)
    replies = []
    thread = threading.Thread(target=lambda: replies.append(site.get("/slow?0.5").body))
    thread.start()
    assert process.stdout.readline() == "entered\n"
    assert site.get("/shutdown").body == b"shutting down" if how == "route" else process.send_signal(how) is None
    out, err = process.communicate(timeout=PATIENCE)
    thread.join()
    assert (process.returncode, out, err) == (0, "ended\n", "")
    assert replies == [b"done"]  # what was running was finished


def test_a_second_ctrl_c_does_not_wait(forever):
    process, site = forever(PATIENCE * 10)
    thread = threading.Thread(target=lambda: pytest.raises(Exception, site.get, "/slow?15"))
    thread.start()
    assert process.stdout.readline() == "entered\n"
    process.send_signal(signal.SIGINT)

    def is_closed():
        try:
            socket.create_connection(("127.0.0.1", site.port), 5).close()
        except OSError:
            return True

    eventually(is_closed)  # the first has been heard
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    thread.join()
    assert (process.returncode, out) == (0, "ended\n")
    assert "got no response" in err and "Traceback" not in err
