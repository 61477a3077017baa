"""Takes the pictures of the console in the documentation from a running one that has some accounts and some traffic.

usage: screenshots.py FOLDER. SEALGATE_BIN names the binary; SEALGATE_SCREENSHOT_SECONDS is for how long requests are sent, by
default five minutes, so that the charts show something.
"""

import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "vectors"), str(ROOT / "bindings" / "python")]

from consoles import NAME, PASSWORD, Console, chromium, serve
from doors import Command

SECONDS = int(os.environ.get("SEALGATE_SCREENSHOT_SECONDS", "300"))
SCOPES = "admin secure-data encrypt decrypt rewrap introspect api-keys api-keys-admin limit limit-reset metrics"
USERS = {
    "alice": "secure-data encrypt decrypt",
    "bob": "encrypt orders:read",
    "carol": "secure-data decrypt",
    "dave@example.com": "orders:read orders:write",
    "erin": "introspect limit",
}
CLIENTS = {"billing": "introspect limit", "gateway": "encrypt decrypt rewrap"}
# (name of the picture, view, theme, width, height)
PICTURES = [
    ("overview", "overview", "light", 1200, 720),
    ("overview-dark", "overview", "dark", 1200, 720),
    ("users", "users", "light", 1200, 560),
    ("keys-dark", "keys", "dark", 1200, 640),
    ("audit", "audit", "light", 1200, 640),
    ("narrow", "users/alice", "light", 360, 720),
]


PATHS = {"alice": ["/encrypt", "/secure-data"], "bob": ["/encrypt"] * 40 + ["/secure-data"], "carol": ["/secure-data"]}


def load(server, stop, rng):
    """Requests that come and go in waves; some are refused, and some logins fail."""
    tokens = {}
    begun = time.monotonic()
    while not stop.is_set():
        user = rng.choice(list(PATHS))
        if user not in tokens or rng.random() < 0.01:
            tokens[user] = server.post("/login", {"username": user, "password": PASSWORD}).ok()["token"]
        if rng.random() < 0.01:
            server.post("/login", {"username": rng.choice(["alice", "root", "admin"]), "password": "guess"})
        path = rng.choice(PATHS[user])
        if path == "/encrypt":
            server.post(path, {"data": "4111 1111 1111 1111"}, token=tokens[user])
        else:
            server.get(path, token=tokens[user])
        wave = 1 + 0.6 * math.sin((time.monotonic() - begun) / max(SECONDS, 1) * 9)
        stop.wait(rng.expovariate(6 * wave))


def take(folder, binary, home):
    command = Command(binary, home)
    for name, scopes in {NAME: SCOPES, **USERS}.items():
        command("user", "add", name, "--scopes", scopes, stdin=PASSWORD + "\n").succeeded()
    for name, scopes in CLIENTS.items():
        command("client", "add", name, "--scopes", scopes).succeeded()
    command("user", "disable", "erin").succeeded()
    command("user", "claims", "alice", '{"department": "claims"}').succeeded()
    settings = {"MAX_REQUESTS": 450, "RATE_LIMIT_WINDOW": 60, "SEALGATE_LOCKOUT_AFTER": 0}
    with serve(binary, home, **settings) as server:
        stop = threading.Event()
        threads = [threading.Thread(target=load, args=(server, stop, random.Random(seed))) for seed in range(4)]
        for thread in threads:
            thread.start()
        try:
            time.sleep(SECONDS / 2)
            command("keys", "rotate", "--data").succeeded()
            time.sleep(SECONDS / 2)
            with chromium() as browser:
                for name, view, theme, width, height in PICTURES:
                    with Console(browser, server, viewport={"width": width, "height": height}, color_scheme=theme) as console:
                        console.log_in().show(view)
                        console.page.wait_for_timeout(1500)
                        path = folder / f"console-{name}.png"
                        console.page.screenshot(path=path)
                        assert console.wrong == [], console.wrong
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)


def shrink(path):
    """To a palette of 256 colours, if pngquant is there: a third of the size, and the eye sees no difference."""
    if shutil.which("pngquant"):
        subprocess.run(["pngquant", "--force", "--strip", "--speed", "1", "--output", path, path], check=True)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    binary = Path(os.environ.get("SEALGATE_BIN", ROOT / "target" / "debug" / "sealgate")).resolve()
    with tempfile.TemporaryDirectory() as home:
        take(folder, binary, Path(home))
    for name, *_ in PICTURES:
        path = folder / f"console-{name}.png"
        shrink(path)
        print(f"{path} ({path.stat().st_size >> 10} KiB)")


if __name__ == "__main__":
    main()
