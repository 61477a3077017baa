"""The Python package beside PyJWT and cryptography: `make bench-python` builds it with vendored OpenSSL and runs this.

Everything is measured in one run of one process. The two of a row take turns, many times, so that whatever else the machine
does meets both; the figures are medians of the rounds. `ratio` is how many times as fast ours is, or, in the rows beside
AESGCM, how many times as long it takes; `floor` is what it must be.

    python run.py [ROUNDS]         41 by default, about two minutes
"""

import os
import platform
import statistics
import sys
import threading
import time

import cryptography
import jwt
from cryptography.fernet import Fernet
from cryptography.hazmat.backends.openssl import backend
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import sealgate

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 41
ROUND = 0.02  # seconds, of each of the two
THREADS = 8
SECRET = "a JWT_SECRET_KEY for measuring, at least 32 bytes"


def timed(function, count):
    start = time.perf_counter()
    for _ in range(count):
        function()
    return (time.perf_counter() - start) / count


def count_for(function):
    count = 1
    while timed(function, count) * count < ROUND / 4:
        count *= 2
    return max(1, int(ROUND / timed(function, count)))


def side_by_side(ours, theirs):
    """Medians of both, in microseconds."""
    counts = count_for(ours), count_for(theirs)
    times = [(timed(ours, counts[0]), timed(theirs, counts[1])) for _ in range(ROUNDS)]
    return tuple(statistics.median(each) * 1e6 for each in zip(*times))


def row(name, ours, theirs, floor, at_least):
    mine, others = side_by_side(ours, theirs)
    ratio = others / mine if at_least else mine / others
    met = ratio >= floor if at_least else ratio <= floor
    wanted = f"{'>=' if at_least else '<='} {floor}"
    print(f"| {name:<44} | {mine:>9.2f} | {others:>9.2f} | {ratio:>6.2f} | {wanted:>7} {'met' if met else 'MISSED':>6} |", flush=True)
    return name, met


def heading(*titles):
    print(f"\n| {titles[0]:<44} | {titles[1]:>9} | {titles[2]:>9} | {titles[3]:>6} | {titles[4]:>14} |")
    print(f"| {'-' * 44} | {'-' * 8}: | {'-' * 8}: | {'-' * 5}: | {'-' * 13}: |")


def tokens():
    gate = sealgate.Gate(keys="ephemeral", token_cache=0)
    seen = sealgate.Gate(keys="ephemeral")
    ours, known = gate.issue_token("alice"), seen.issue_token("alice")
    scope = sealgate.OPEN_LOGIN_SCOPE

    def issue():
        now = int(time.time())
        claims = {"iss": "sealgate", "sub": "alice", "username": "alice", "scope": scope}
        return jwt.encode(claims | {"iat": now, "exp": now + 1800, "jti": os.urandom(16).hex()}, SECRET, algorithm="HS256")

    theirs = issue()

    def verify():
        return jwt.decode(theirs, SECRET, algorithms=["HS256"], issuer="sealgate")["username"]

    yield row("issue a token; PyJWT", lambda: gate.issue_token("alice"), issue, 2.5, True)
    yield row("verify one, cache off, read its user; PyJWT", lambda: gate.verify_token(ours)["username"], verify, 4, True)
    yield row("verify one seen before; PyJWT", lambda: seen.verify_token(known)["username"], verify, 4, True)


def texts():
    gate, fernet, data = sealgate.Gate(keys="ephemeral"), Fernet(Fernet.generate_key()), os.urandom(1024)
    ours, theirs = gate.encrypt(data), fernet.encrypt(data)
    yield row("encrypt 1 KiB to base64; Fernet", lambda: gate.encrypt(data), lambda: fernet.encrypt(data), 3, True)
    yield row("decrypt 1 KiB from base64; Fernet", lambda: gate.decrypt(ours), lambda: fernet.decrypt(theirs), 3, True)


def bytes_in_bytes_out():
    gate, gcm = sealgate.Gate(keys="ephemeral"), AESGCM(os.urandom(32))
    for size, name, floor in ((1024, "1 KiB", 3.5), (64 * 1024, "64 KiB", 1.4), (1024 * 1024, "1 MiB", 1.1)):
        data, nonce = os.urandom(size), os.urandom(12)
        ours, theirs = gate.seal(data), gcm.encrypt(nonce, data, None)

        def seal(data=data):
            # Without putting the two together, which a program that stores them would have to.
            nonce = os.urandom(12)
            return nonce, gcm.encrypt(nonce, data, None)

        yield row(f"seal {name}; AESGCM", lambda data=data: gate.seal(data), seal, floor, False)
        yield row(
            f"open {name}; AESGCM",
            lambda ours=ours: gate.open(ours),
            lambda nonce=nonce, theirs=theirs: gcm.decrypt(nonce, theirs, None),
            floor,
            False,
        )


def throughput(function, threads):
    """Calls in a second of so many threads together."""
    start, end = threading.Barrier(threads + 1), time.perf_counter() + 3600
    counts, until = [], [end]

    def work():
        done = 0
        start.wait()
        while time.perf_counter() < until[0]:
            for _ in range(8):
                function()
            done += 8
        counts.append(done)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    until[0] = time.perf_counter() + 0.25
    began = time.perf_counter()
    start.wait()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - began)


def threads():
    gate = sealgate.Gate(keys="ephemeral", token_cache=0)
    token = gate.issue_token("alice")
    calls = {"issue a token": lambda: gate.issue_token("alice"), "verify one, cache off": lambda: gate.verify_token(token)}
    for size, name in ((1024, "1 KiB"), (64 * 1024, "64 KiB"), (1024 * 1024, "1 MiB")):
        calls[f"seal {name}"] = lambda data=os.urandom(size): gate.seal(data)
    print(f"\n| calls a second, {os.cpu_count()} cores | 1 thread | {THREADS} threads | ratio |\n| --- | ---: | ---: | ---: |")
    for name, call in calls.items():
        pairs = [(throughput(call, 1), throughput(call, THREADS)) for _ in range(max(3, ROUNDS // 6))]
        one, many = (statistics.median(each) for each in zip(*pairs))
        print(f"| {name} | {one:,.0f} | {many:,.0f} | {many / one:.2f} |", flush=True)


def main():
    vendored = "vendored OpenSSL" if sealgate.has_feature("vendored-openssl") else "the system's OpenSSL"
    print(f"Python {platform.python_version()}; sealgate {sealgate.version()} with {vendored}; PyJWT {jwt.__version__}; "
          f"cryptography {cryptography.__version__} with {backend.openssl_version_text()}; {ROUNDS} rounds")
    heading("microseconds a call: ours; theirs", "ours", "theirs", "ratio", "floor")
    rows = [*tokens(), *texts(), *bytes_in_bytes_out()]
    threads()
    missed = [name for name, met in rows if not met]
    print(f"\n{len(rows) - len(missed)} of {len(rows)} floors met" + (f"; missed: {', '.join(missed)}" if missed else ""))


if __name__ == "__main__":
    main()
