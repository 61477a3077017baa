"""Passwords at a terminal: never shown, and the terminal shows what is typed again, however it ends."""

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time

import pytest
from doors import PATIENCE, Command, clean_environment

PASSWORD = b"a quiet harbour"


class Terminal:
    def __init__(self, binary, folder, *arguments):
        self.keyboard, self.screen = pty.openpty()
        self.process = subprocess.Popen(
            [binary, *arguments],
            stdin=self.screen,
            stdout=self.screen,
            stderr=self.screen,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=clean_environment(folder, {"SEALGATE_PASSWORD_MEMORY": "1024"}),
        )
        self.shown = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        os.close(self.keyboard)
        os.close(self.screen)

    def echoes(self):
        return bool(termios.tcgetattr(self.screen)[3] & termios.ECHO)

    def read_until(self, wanted):
        end = time.monotonic() + PATIENCE
        while wanted not in self.shown and time.monotonic() < end:
            if select.select([self.keyboard], [], [], 0.1)[0]:
                self.shown += os.read(self.keyboard, 4096)
        assert wanted in self.shown

    def type(self, keys):
        os.write(self.keyboard, keys)


def test_a_password_is_asked_for_twice_and_not_shown(binary, tmp_path):
    with Terminal(binary, tmp_path, "user", "add", "alice") as terminal:
        for prompt in (b"New password: ", b"Again: "):
            terminal.read_until(prompt)
            assert not terminal.echoes()
            terminal.type(PASSWORD + b"\n")
        assert terminal.process.wait(PATIENCE) == 0
        assert terminal.echoes()
        terminal.type(b"end\n")
        terminal.read_until(b"end")
        assert PASSWORD not in terminal.shown
    assert b"alice" in Command(binary, tmp_path)("user", "list").out


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (b"\x03", 128 + signal.SIGINT),
        (b"\x1c", 128 + signal.SIGQUIT),
        (signal.SIGTERM, 128 + signal.SIGTERM),
        (signal.SIGHUP, 128 + signal.SIGHUP),
        (b"\x04", 2),
    ],
)
def test_the_terminal_shows_what_is_typed_after_an_early_end(end, code, binary, tmp_path):
    with Terminal(binary, tmp_path, "user", "add", "alice") as terminal:
        terminal.read_until(b"New password: ")
        if isinstance(end, bytes):
            terminal.type(end)
        else:
            terminal.process.send_signal(end)
        assert terminal.process.wait(PATIENCE) == code
        assert terminal.echoes()
