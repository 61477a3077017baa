"""timed.json and signed.json: text for URLs that opens or whose signature is valid, and some that must be refused."""

import base64
import hmac

from data_vectors import ALL_BYTES, SENTENCE, fixed, flip, opens
from reference import (
    HEADER,
    NONCE,
    TIME,
    base64url,
    from_base64url,
    from_either_base64,
    hkdf_sha256,
    open_sealed,
    open_timed,
    seal,
    seal_timed,
    sealing_key,
    sign,
    signature,
    unsign,
    xaes_seal,
)

AES_KEY = b"an AES_KEY of thirty-two bytes.."
KEY = sealing_key(AES_KEY)
RAW = fixed("sealing key", 32)
OTHER = sealing_key(fixed("another AES_KEY", 32))
CONTEXT = b"user:alice/card"
# Of these bytes both alphabets make different text.
DATA = b"zo\xc3\xab \xff\xfe\xfb\xef\xbe!?&>"

NOON = 1735732800  # 2025-01-01 12:00 UTC
FUTURE = 2**40
LATEST = 2**64 - 1
# In seconds: everything from noon until the future is older than the one and younger than the other.
MOMENT, AGES = 60, 2**40
CLOCK = f"a reader whose clock is between {NOON + MOMENT + 1} and {FUTURE - 301}, and whose leeway is at most 300 s"


def vector(name, text, expect, context, max_age, *, key=KEY):
    keys = {"aes_key_hex": AES_KEY.hex()} if key == KEY else {}
    return {"name": name} | keys | {
        "sealing_key_hex": key.hex(),
        "context_hex": context.hex(),
        "max_age": max_age,
        "text": text,
        "expect": expect,
    }


def loose(text):
    """The same bytes with a loose bit at the end that is not zero."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = alphabet.index(text[-1])
    assert len(text) % 4 and not place & 1
    return text[:-1] + alphabet[place | 1]


#: Name, data, context, key, time, the greatest age, and what comes of it.
MADE = [
    ("with a context", DATA, CONTEXT, KEY, NOON, None, "ok"),
    ("text without a context", b"Attack at dawn", b"", KEY, NOON, None, "ok"),
    ("empty", b"", b"", KEY, NOON, None, "ok"),
    ("multi-byte text and context", SENTENCE, "zeile:ü/列".encode(), KEY, NOON, None, "ok"),
    ("a binary context", DATA, b"\x00\xff\x01", KEY, NOON, None, "ok"),
    ("every byte", ALL_BYTES, b"", KEY, NOON, None, "ok"),
    ("1000 bytes and a long context", fixed("1000 bytes", 1000), b"x" * 100, KEY, NOON, None, "ok"),
    ("under a key of the ring", ALL_BYTES, b"file 7", RAW, NOON, None, "ok"),
    ("at the beginning of time", DATA, b"", KEY, 0, None, "ok"),
    ("at the end of time", DATA, b"", KEY, LATEST, None, "ok"),
    ("not too old", DATA, b"", KEY, NOON, AGES, "ok"),
    ("too old", DATA, b"", KEY, NOON, MOMENT, "not_fresh"),
    ("of no age at all", DATA, b"", KEY, NOON, 0, "not_fresh"),
    ("as old as can be", DATA, b"", KEY, 0, MOMENT, "not_fresh"),
    ("far in the future", DATA, b"", KEY, FUTURE, AGES, "not_fresh"),
    ("at the end of time, with an age", DATA, b"", KEY, LATEST, LATEST - 1, "not_fresh"),
]


def timed():
    vectors = []
    for name, data, context, key, time, max_age, expect in MADE:
        sealed = seal_timed(key, fixed(f"timed nonce of: {name}", NONCE), context, time, data)
        assert open_timed(key, context, sealed) == (time, data)
        result = {"time": time, "plaintext_hex": data.hex()} if expect == "ok" else {}
        vectors.append(vector(name, base64url(sealed), expect, context, max_age, key=key) | result)

    sealed = from_base64url(vectors[0]["text"])
    header, nonce, good = sealed[: HEADER + TIME], sealed[HEADER + TIME :][:NONCE], base64url(sealed)
    result = {"time": NOON, "plaintext_hex": DATA.hex()}
    standard = base64.b64encode(sealed).decode()
    assert set("+/") & set(standard) and set("-_") & set(good) and standard.endswith("=")
    vectors.append(vector("in the standard alphabet", standard, "ok", CONTEXT, AGES) | result)
    plain = seal(KEY, fixed("timed nonce of: without a time", NONCE), CONTEXT, DATA)
    for name, text in [("base64", base64.b64encode(plain).decode()), ("base64url", base64url(plain))]:
        vectors.append(vector(f"sealed data without a time, {name}", text, "not_fresh", CONTEXT, AGES))
        vectors.append(
            vector(f"sealed data without a time, {name}, at any age", text, "ok", CONTEXT, None)
            | {"plaintext_hex": DATA.hex()}
        )

    for name, wrong, context in [
        ("another context", sealed, b"user:bob/card"),
        ("context missing", sealed, b""),
        ("a bit of the key id flipped", flip(sealed, 1), CONTEXT),
        ("the first byte of the time changed", flip(sealed, HEADER), CONTEXT),
        ("the last byte of the time changed", flip(sealed, HEADER + TIME - 1), CONTEXT),
        ("a bit of the nonce flipped", flip(sealed, HEADER + TIME), CONTEXT),
        ("a bit of the ciphertext flipped", flip(sealed, HEADER + TIME + NONCE), CONTEXT),
        ("a bit of the tag flipped", flip(sealed, len(sealed) - 1), CONTEXT),
        ("last byte missing", sealed[:-1], CONTEXT),
        ("one byte more", sealed + b"\x00", CONTEXT),
        ("the header alone", header, b""),
        ("one byte too short to be sealed data", sealed[: HEADER + TIME + NONCE + 15], CONTEXT),
        ("an unknown key id", sealed[:1] + bytes(4) + sealed[HEADER:], CONTEXT),
        ("with the first byte of sealed data without a time", b"\x01" + sealed[1:], CONTEXT),
        ("the time left out", b"\x01" + sealed[1:HEADER] + sealed[HEADER + TIME :], CONTEXT),
        ("the time moved into the context", b"\x01" + sealed[1:HEADER] + sealed[HEADER + TIME :], header[HEADER:] + CONTEXT),
        ("without a time, with the first byte of data that has one", b"\x03" + plain[1:], CONTEXT),
        ("signed data", sign(KEY, CONTEXT, NOON, DATA), CONTEXT),
        ("under another key that claims this key's id", header + nonce + xaes_seal(OTHER, nonce, DATA, header), b""),
        ("the time not authenticated", header + nonce + xaes_seal(KEY, nonce, DATA, header[:HEADER]), b""),
    ]:
        assert not opens(open_timed, KEY, context, wrong) and not opens(open_sealed, KEY, context, wrong), name
        vectors.append(vector(name, base64url(wrong), "decrypt_failed", context, None))
        vectors.append(vector(f"{name}, too old", base64url(wrong), "decrypt_failed", context, MOMENT))
    for name, text in [
        ("no text at all", ""),
        ("base64url with padding", base64.urlsafe_b64encode(sealed).decode()),
        ("base64 without padding", standard.rstrip("=")),
        ("both alphabets", standard.replace("+", "-").replace("/", "_", 1)[:-1] + "+"),
        ("loose bits at the end", loose(good)),
        ("a dot within", good[:20] + "." + good[20:]),
    ]:
        assert not opens(from_either_base64, text) or not opens(open_timed, KEY, CONTEXT, from_either_base64(text)), name
        vectors.append(vector(name, text, "decrypt_failed", CONTEXT, None))
    return {
        "description": (
            "Text of sealed data that may have a time. With one, it is 0x03, key id 4, time 8, nonce 24, ciphertext, tag 16; "
            "associated data is the first thirteen bytes followed by the context. The sealing key is derived from aes_key_hex "
            "where that is there, else it is a key of the ring. max_age is in seconds; with null any age will do. expect is ok, "
            f"decrypt_failed or not_fresh, for {CLOCK}."
        ),
        "source": "XAES-256-GCM and HKDF-SHA256 on Python's cryptography, with fixed nonces and times",
        "vectors": vectors,
    }


def signed():
    vectors = []
    for name, data, context, key, time, max_age, expect in MADE:
        text = base64url(sign(key, context, time, data))
        assert unsign(key, context, from_base64url(text)) == (time, data)
        result = {"time": time, "payload_hex": data.hex()} if expect == "ok" else {}
        vectors.append(vector(name, text, expect, context, max_age, key=key) | result)

    good = vectors[0]["text"]
    made = from_base64url(good)
    body, tag = made[:-32], made[-32:]
    bare = sign(KEY, b"", NOON, DATA)
    sealed = seal(KEY, fixed("signed nonce: sealed", NONCE), CONTEXT, DATA)
    with_time = seal_timed(KEY, fixed("signed nonce: timed", NONCE), CONTEXT, NOON, DATA)
    signing_key = hkdf_sha256(KEY, b"sealgate/signed/v1", 32)
    length = len(CONTEXT).to_bytes(8, "big")
    for name, wrong, context in [
        ("another context", made, b"user:bob/card"),
        ("context missing", made, b""),
        ("context where none was given", bare, CONTEXT),
        ("a bit of the key id flipped", flip(made, 1), CONTEXT),
        ("the first byte of the time changed", flip(made, HEADER), CONTEXT),
        ("the last byte of the time changed", flip(made, HEADER + TIME - 1), CONTEXT),
        ("a bit of the payload flipped", flip(made, HEADER + TIME), CONTEXT),
        ("a bit of the tag's first byte flipped", flip(made, len(body)), CONTEXT),
        ("a bit of the tag's last byte flipped", flip(made, len(made) - 1), CONTEXT),
        ("last byte missing", made[:-1], CONTEXT),
        ("one byte more", made + b"\x00", CONTEXT),
        ("a byte of the payload missing", body[:-1] + tag, CONTEXT),
        ("the tag alone", tag, CONTEXT),
        ("the tag missing", body, CONTEXT),
        ("too short for a header and a tag", made[:HEADER] + tag, CONTEXT),
        ("version 0", b"\x00" + made[1:], CONTEXT),
        ("sealed data", sealed, CONTEXT),
        ("sealed data with a time", with_time, CONTEXT),
        ("sealed data with the first byte of signed data", b"\x04" + with_time[1:], CONTEXT),
        ("an unknown key id", made[:1] + bytes(4) + made[HEADER:], CONTEXT),
        ("signed with another key", sign(OTHER, CONTEXT, NOON, DATA), CONTEXT),
        ("signed with another key that claims this key's id", body + signature(OTHER, CONTEXT, body), CONTEXT),
        ("signed with the data key itself", body + hmac.digest(KEY, length + CONTEXT + body, "sha256"), CONTEXT),
        ("signed without the length of the context", body + hmac.digest(signing_key, CONTEXT + body, "sha256"), CONTEXT),
        ("signed without the context", body + hmac.digest(signing_key, body, "sha256"), CONTEXT),
        ("the end of the context moved into the data", CONTEXT[-1:] + made, CONTEXT[:-1]),
    ]:
        assert not opens(unsign, KEY, context, wrong), name
        vectors.append(vector(name, base64url(wrong), "signature_invalid", context, None))
        vectors.append(vector(f"{name}, too old", base64url(wrong), "signature_invalid", context, MOMENT))
    for name, text in [
        ("no text at all", ""),
        ("with padding", base64.urlsafe_b64encode(made).decode()),
        ("the standard alphabet", base64.b64encode(made).decode()),
        ("the standard alphabet without padding", base64.b64encode(made).decode().rstrip("=")),
        ("a space within", good[:10] + " " + good[10:]),
        ("a line end within", good[:10] + "\n" + good[10:]),
        ("loose bits at the end", loose(good)),
        ("dots, as tokens have", good[:20] + "." + good[20:30] + "." + good[30:]),
        ("not ASCII", "ü" + good),
    ]:
        assert text != good, name
        vectors.append(vector(name, text, "signature_invalid", CONTEXT, None))
    return {
        "description": (
            "Text of signed data, version 1: 0x04, key id 4, time 8, payload, tag 32. The tag is HMAC-SHA256 of the context's "
            'length in 8 bytes, the context and everything before the tag, under HKDF-SHA256(data key, info "sealgate/signed/v1", '
            "32 bytes). The data key is derived from aes_key_hex where that is there, else it is a key of the ring. max_age is in "
            f"seconds; with null any age will do. expect is ok, signature_invalid or not_fresh, for {CLOCK}."
        ),
        "source": "HMAC of Python's standard library and HKDF-SHA256 of cryptography, with fixed times",
        "vectors": vectors,
    }
