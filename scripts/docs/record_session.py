"""Records the terminal session on the first page of the documentation: runs its commands and draws what they print as an SVG.

usage: record_session.py COMMAND_FOLDER LIBRARY OUTPUT

COMMAND_FOLDER has the command sealgate, LIBRARY is libsealgate.so. Each command runs in one shell as it is shown, with a free port
in the place of 5000. Keys are fixed and what is random in tokens and sealed data is cut off, so that each recording is the same.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PORT = "5000"
PATIENCE = 60  # seconds

# A line of the session; one that starts with "#" is shown, not run.
SESSION = [
    "# One server",
    "sealgate serve --listen 127.0.0.1:5000 &>server.log &",
    "",
    "# HTTP: log in, and get encrypted data",
    "TOKEN=$(curl -s 127.0.0.1:5000/login --json '{\"username\": \"alice\"}' | jq -r .token)",
    'curl -s 127.0.0.1:5000/secure-data -H "Authorization: Bearer $TOKEN" | tee answer.json',
    "",
    "# C: a program that links libsealgate checks the same token",
    "cc check.c $(pkg-config --cflags --libs sealgate) -o check && ./check $TOKEN",
    "",
    "# Python: decrypts what the server encrypted",
    "python3 -c 'import json, sealgate",
    'print(sealgate.decrypt_data(json.load(open("answer.json"))["encrypted_data"]))\'',
]

PROGRAM = r"""
#include <sealgate.h>
#include <stdio.h>
#include <string.h>

int main(int count, char **values)
{
    sealgate_gate *gate = NULL;
    sealgate_claims *claims = NULL;
    const char *subject;
    size_t size;
    sealgate_status status = count == 2 ? sealgate_new(NULL, &gate) : SEALGATE_STATUS_INVALID_ARGUMENT;
    if (status == SEALGATE_STATUS_OK) {
        status = sealgate_verify_token(gate, values[1], strlen(values[1]), &claims);
    }
    if (status == SEALGATE_STATUS_OK) {
        status = sealgate_claims_subject(claims, &subject, &size);
    }
    if (status == SEALGATE_STATUS_OK) {
        printf("valid, and %.*s's\n", (int)size, subject);
    } else {
        printf("%s\n", sealgate_status_name(status));
    }
    sealgate_claims_free(claims);
    sealgate_free(gate);
    return status;
}
"""

# Fixed keys, only so that the recording does not change.
KEYS = {"JWT_SECRET_KEY": "only for the recorded session, 32+", "AES_KEY": "hex:" + "5a" * 32}
LONG = re.compile(r"[A-Za-z0-9+/_-]{40,}=*")
KEPT = 6  # characters of what is long; with these keys they are always the same

CHARACTER, LINE, MARGIN, TOP = 8.4, 21, 18, 46
COLOURS = {"comment": "#8fa3b5", "command": "#f2f5f7", "output": "#9fd8b4"}


class RecordingError(Exception):
    """The session did not go as it should."""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def commands():
    """The session's commands, of one or more lines each, with the comments and empty lines between them."""
    command = ""
    for line in SESSION:
        if not command and (not line or line.startswith("#")):
            yield line
            continue
        command += line
        if command.count("'") % 2 == 0:
            yield command
            command = ""
        else:
            command += "\n"
    if command:
        raise RecordingError(f"unfinished: {command}")


def stand_ins(folder):
    """The C program, and jq where the machine has none."""
    (folder / "check.c").write_text(PROGRAM)
    if not shutil.which("jq"):
        jq = folder / "bin" / "jq"
        jq.write_text('#!/bin/sh\nexec python3 -c "import json, sys; print(json.load(sys.stdin)[sys.argv[1][1:]])" "$2"\n')
        jq.chmod(0o755)


def record(binaries, library, folder):
    """Pairs of a kind and a line, as they are shown."""
    (folder / "bin").mkdir()
    (folder / "bin" / "sealgate").symlink_to(Path(binaries).resolve() / "sealgate")
    stand_ins(folder)
    library = Path(library).resolve()
    places = folder / "lib"
    places.mkdir()
    soname = re.search(rb"libsealgate\.so\.[\d.]+", library.read_bytes())
    for name in {"libsealgate.so", soname[0].decode() if soname else "libsealgate.so"}:
        (places / name).symlink_to(library)
    (folder / "sealgate.pc").write_text(
        f"Name: Sealgate\nDescription: the library that is recorded\nVersion: 0\nCflags: -I{ROOT / 'include'}\n"
        f"Libs: -L{places} -lsealgate -Wl,-rpath,{places}\n"
    )
    inherited = {name: value for name, value in os.environ.items() if not re.match("(SEALGATE|AES|JWT)_", name)}
    environment = inherited | KEYS | {
        "HOME": str(folder),
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PKG_CONFIG_PATH": str(folder),
        "PYTHONPATH": str(ROOT / "bindings" / "python"),
        "SEALGATE_LIBRARY": str(library),
        "SEALGATE_DATA_DIR": str(folder / "state"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "no_proxy": "127.0.0.1",
    }
    port = str(free_port())
    shell = subprocess.Popen(
        ["bash", "--norc", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder,
        env=environment, start_new_session=True,
    )
    watchdog = threading.Timer(PATIENCE, os.killpg, (shell.pid, signal.SIGKILL))
    watchdog.start()
    try:
        shown = []
        for command in commands():
            if not command or command.startswith("#"):
                shown.append(("comment", command))
                continue
            first, *rest = command.split("\n")
            shown += [("command", f"$ {first}"), *(("command", f"> {line}") for line in rest)]
            shell.stdin.write(f"{command.replace(PORT, port)}\necho \"end $?\"\n")
            shell.stdin.flush()
            output = []
            while (line := shell.stdout.readline()) and not re.fullmatch(r"(.*)end \d+\n", line):
                output.append(line.rstrip("\n"))
            # What does not end its last line is followed by the end's mark.
            rest, _, status = line.rpartition("end ")
            output += [rest] if rest else []
            if status.strip() != "0":
                raise RecordingError(f"{command}: {status.strip() or 'the shell has ended'}: {output}")
            shown += [("output", LONG.sub(lambda match: match[0][:KEPT] + "…", line)) for line in output]
            if command.endswith("&"):
                answers(int(port))
        return shown
    finally:
        with contextlib.suppress(BrokenPipeError):
            shell.stdin.write("kill %1 2>/dev/null; wait\n")
            shell.stdin.close()
        shell.wait()
        watchdog.cancel()
        shell.stdout.close()


def answers(port):
    """Waits until the server accepts connections."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise RecordingError("the server does not start") from None
            time.sleep(0.05)


def draw(lines):
    """The SVG. Each line has its length in it, so that it looks the same in any fixed-width font."""
    columns = max(len(line) for _, line in lines)
    width, height = round(columns * CHARACTER) + 2 * MARGIN, len(lines) * LINE + TOP + MARGIN - 4
    description = escape(" ".join(line for _, line in lines if line))
    texts = []
    for index, (kind, line) in enumerate(lines):
        if line:
            texts.append(
                f'<text class="{kind}" x="{MARGIN}" y="{TOP + 14 + index * LINE}" textLength="{len(line) * CHARACTER:.1f}"'
                f' lengthAdjust="spacingAndGlyphs" xml:space="preserve">{escape(line)}</text>'
            )
    style = " ".join(f".{kind} {{ fill: {colour} }}" for kind, colour in COLOURS.items())
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
            "<!-- Recorded by scripts/docs/record_session.py: do not edit. -->",
            "<title>A terminal session</title>",
            f"<desc>{description}</desc>",
            f"<style>text {{ font: 14px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; }} {style}</style>",
            f'<rect width="{width}" height="{height}" rx="10" fill="#16202b" stroke="#8794a5"/>',
            '<circle cx="24" cy="22" r="6" fill="#e0655c"/><circle cx="44" cy="22" r="6" fill="#dfae46"/>'
            '<circle cx="64" cy="22" r="6" fill="#5fb35f"/>',
            *texts,
            "</svg>",
            "",
        ]
    )


def main(binaries, library, out):
    with tempfile.TemporaryDirectory() as folder:
        Path(out).write_text(draw(record(binaries, library, Path(folder))))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: record_session.py COMMAND_FOLDER LIBRARY OUTPUT")
    try:
        main(*sys.argv[1:])
    except RecordingError as error:
        sys.exit(f"session: {error}")
