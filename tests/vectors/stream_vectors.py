"""streams.json: sealed streams that open, and streams with chunks cut, moved, doubled, left out or added."""

import base64

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from data_vectors import fixed, flip, opens
from reference import CHUNK, HEADER, NONCE, STREAM_INFO, TAG, hkdf_sha256, open_stream, seal, seal_stream, sealing_key

AES_KEY = b"an AES_KEY of thirty-two bytes.."
KEY = sealing_key(AES_KEY)
CONTEXT = b"backup/2025-01-01"


def streams():
    vectors = [
        good("empty", b""),
        good("one byte", b"\x00"),
        good("some bytes with a context", pattern(14), CONTEXT),
        good("with a binary context", pattern(14), b"\x00\xff\x01"),
        good("a chunk less one byte", pattern(CHUNK - 1)),
        good("exactly one chunk", pattern(CHUNK)),
        good("a chunk and one byte", pattern(CHUNK + 1), CONTEXT),
    ]
    header, (first, second, last) = seal_stream(KEY, nonce_of("damaged"), CONTEXT, pattern(2 * CHUNK + 100))
    other_header, (other, _, _) = seal_stream(KEY, nonce_of("another"), CONTEXT, pattern(2 * CHUNK + 100))
    parts = {"header": header, "first": first, "second": second, "last": last}
    parts |= {"other header": other_header, "other first": other}
    assert open_stream(KEY, CONTEXT, header + first + second + last) == pattern(2 * CHUNK + 100)
    small_header, (small,) = seal_stream(KEY, nonce_of("small"), CONTEXT, b"4111 1111")
    opened = small_header + small
    cipher = AESGCM(hkdf_sha256(KEY, STREAM_INFO + header[HEADER:], 32))
    aad = header[:HEADER] + CONTEXT
    parts["empty last"] = cipher.encrypt((1).to_bytes(11, "big") + b"\x01", b"", aad)
    short_middle = cipher.encrypt(bytes(12), b"short", aad)
    for name, context, stream in [
        ("another context", b"backup/2025-01-02", opened),
        ("context missing", b"", opened),
        ("version 1, that of sealed data", CONTEXT, b"\x01" + opened[1:]),
        ("version 3", CONTEXT, b"\x03" + opened[1:]),
        ("an unknown key id", CONTEXT, opened[:1] + bytes(4) + opened[HEADER:]),
        ("a bit of the nonce flipped", CONTEXT, flip(opened, HEADER + NONCE - 1)),
        ("a bit of the ciphertext flipped", CONTEXT, flip(opened, HEADER + NONCE)),
        ("a bit of the tag flipped", CONTEXT, flip(opened, len(opened) - 1)),
        ("a byte missing", CONTEXT, opened[:-1]),
        ("a byte more", CONTEXT, opened + b"\x00"),
        ("the header alone", CONTEXT, small_header),
        ("half of the header", CONTEXT, small_header[:12]),
        ("no byte at all", CONTEXT, b""),
        ("sealed data instead of a stream", CONTEXT, seal(KEY, nonce_of("sealed data"), CONTEXT, b"4111 1111")),
        ("a short chunk that is not marked as the last", CONTEXT, header + short_middle),
    ]:
        assert not opens(open_stream, KEY, context, stream), name
        bytes_of = {"stream_base64": base64.b64encode(stream).decode()}
        vectors.append(vector(f"refused: {name}", context) | bytes_of | {"expect": "decrypt_failed"})
    vectors.append(
        vector("three chunks", CONTEXT)
        | {"parts": ["header", "first", "second", "last"], "plaintext_size": 2 * CHUNK + 100, "expect": "ok"}
    )
    for name, chosen in [
        ("the last chunk missing", "header, first, second"),
        ("the first chunk missing", "header, second, last"),
        ("two chunks that changed places", "header, second, first, last"),
        ("a chunk doubled", "header, first, first, second, last"),
        ("the last chunk doubled", "header, first, second, last, last"),
        ("a chunk of another stream under the same key", "header, other first, second, last"),
        ("the header of another stream under the same key", "other header, first, second, last"),
        ("an empty last chunk after others", "header, first, empty last"),
    ]:
        stream = b"".join(parts[part] for part in chosen.split(", "))
        assert not opens(open_stream, KEY, CONTEXT, stream), name
        vectors.append(
            vector(f"refused: {name}", CONTEXT) | {"parts": chosen.split(", "), "expect": "decrypt_failed"}
        )
    return {
        "description": (
            "Sealed streams, version 1: 0x02, key id 4, nonce 24, then chunks of 65536 bytes and a tag of 16, the last one "
            "with fewer bytes or as many. The sealing key is derived from aes_key_hex. A stream is stream_base64, or what "
            "its parts name, one after the other. Byte n of a plaintext is n modulo 251. expect is ok or decrypt_failed."
        ),
        "source": "STREAM over AES-256-GCM and HKDF-SHA256 on Python's cryptography, with fixed nonces",
        "parts_base64": {name: base64.b64encode(part).decode() for name, part in parts.items()},
        "vectors": vectors,
    }


def pattern(size):
    """Bytes that a short program makes: the number of each, modulo 251."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def nonce_of(name):
    return fixed(f"nonce of the stream: {name}", NONCE)


def good(name, plaintext, context=b""):
    header, chunks = seal_stream(KEY, nonce_of(name), context, plaintext)
    stream = header + b"".join(chunks)
    assert len(stream) == HEADER + NONCE + len(plaintext) + TAG * len(chunks)
    assert open_stream(KEY, context, stream) == plaintext
    return vector(name, context) | {
        "stream_base64": base64.b64encode(stream).decode(),
        "plaintext_size": len(plaintext),
        "expect": "ok",
    }


def vector(name, context):
    return {
        "name": name,
        "aes_key_hex": AES_KEY.hex(),
        "context_hex": context.hex(),
    }
