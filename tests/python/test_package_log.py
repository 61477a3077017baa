"""No call holds up another thread: while one of the library's log lines is handed over, or while another process writes."""

import fcntl
import json
import logging
import threading
import time

import pytest

import sealgate
from doors import Command, clean_environment

THREADS = 4


@pytest.fixture
def command(binary, tmp_path):
    return Command(binary, tmp_path)


@pytest.fixture
def lines():
    """The lines that were logged. Each takes a while and gives up the interpreter's lock, as a handler that writes does."""
    seen = []

    def on_line(level, name, line):
        time.sleep(0.02)
        seen.append(line)

    sealgate.start_logging(logging.DEBUG, on_line)
    yield seen
    sealgate.stop_logging()


def in_threads(*works):
    """Runs each in a thread of its own, and gives the exceptions."""
    failures = []

    def run(work):
        try:
            work()
        except BaseException as failure:  # noqa: B036 - asserted on
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    return failures


def test_a_log_function_holds_up_no_other_thread_while_keys_are_replaced(command, tmp_path, lines):
    command("keys", "generate").succeeded()
    gate = sealgate.Gate(data_dir=tmp_path / "state")
    messages, over, opened = [gate.encrypt("old")], threading.Event(), [0]

    def rotate():
        try:
            for number in range(4):
                command("keys", "rotate", "--data").succeeded()
                messages.append(command("encrypt", stdin="new").succeeded().decode().strip())
                if number % 2:  # while nobody misses a key, whoever comes first looks
                    time.sleep(0.6)
        finally:
            over.set()

    def open_all():
        while not over.is_set():
            for message in tuple(messages):
                assert gate.decrypt(message) in (b"old", b"new")
                opened[0] += 1

    def issue():
        while not over.is_set():
            gate.issue_token("alice")

    assert in_threads(rotate, issue, *[open_all] * THREADS) == []
    assert opened[0] > 0 and any("reloaded" in line for line in lines)


def test_a_log_function_may_use_the_default_gate_while_that_is_made(command, tmp_path, monkeypatch):
    """The first line comes while the gate is made: here, because the settings ask for another algorithm."""
    command("keys", "generate").succeeded()
    for name, value in clean_environment(tmp_path, {"SEALGATE_TOKEN_ALGORITHM": "EdDSA"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sealgate.original, "_gates", {})
    opened = []

    def on_line(level, name, line):
        opened.append(sealgate.decrypt_data(sealgate.encrypt_data("from a log function")))

    sealgate.start_logging(logging.INFO, on_line)
    try:
        assert in_threads(lambda: sealgate.encrypt_data("first")) == []
    finally:
        sealgate.stop_logging()
    assert opened and set(opened) == {"from a log function"}


def test_a_call_does_not_wait_for_a_process_that_holds_the_count_of_messages(command, tmp_path):
    """Small calls keep the interpreter's lock: all threads would wait with them."""
    command("keys", "generate").succeeded()
    gate = sealgate.Gate(data_dir=tmp_path / "state")
    took, sealed = [], 0
    for _ in range(3):
        for _ in range(3):  # of which the last is not written down yet
            gate.seal(b"x")
        sealed += 3
        command("keys", "rotate", "--data").succeeded()
        message = command("encrypt", stdin="new").succeeded().decode()
        sealed += 1
        with open(tmp_path / "state" / "key-usage.txt", "rb") as count:
            fcntl.flock(count, fcntl.LOCK_EX)
            start = time.monotonic()
            assert gate.decrypt(message.strip()) == b"new"
            took.append(time.monotonic() - start)
    # Whoever waits for it waits two seconds, each time.
    assert min(took) < 1, took
    gate.close()
    keys = json.loads(command("keys", "list", "--json").succeeded())["keys"]
    assert sum(key["messages"] for key in keys if key["kind"] == "data") == sealed
