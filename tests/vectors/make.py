#!/usr/bin/env python3
"""Writes the test vectors of this folder, which the Rust, C and Python tests all read.

    python make.py            writes every .json file here; the same bytes each time
    python make.py --check    writes nothing; exit code 1 and the names of the files that are not current
    python make.py --long     also computes the specification's test of 1,000,000 iterations (about a minute)

It needs `cryptography` and `PyJWT`, in the versions that tests/python/requirements.txt pins, and never Sealgate itself:
what the vectors say comes from the specifications and from the original program's own libraries.

Each file is one object with `description`, `source` and `vectors`. A member's name ends in `_hex` or `_base64` where its
value is bytes; all other values are plain text or numbers. Keys and nonces are fixed and known to everybody: never use
them for anything else.
"""

import json
import sys
from pathlib import Path

import api_key_vectors
import data_vectors
import jws_vectors
import oauth_vectors
import reference
import signed_vectors
import stream_vectors
import token_vectors

HERE = Path(__file__).resolve().parent

LONG_ITERATIONS = 1_000_000
LONG_RESULT = "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15"


def build():
    """Every file's name and content."""
    files = {
        "xaes_256_gcm.json": xaes_256_gcm(),
        "sealed.json": data_vectors.sealed(),
        "timed.json": signed_vectors.timed(),
        "signed.json": signed_vectors.signed(),
        "streams.json": stream_vectors.streams(),
        "aes_cbc.json": data_vectors.aes_cbc(),
        "tokens.json": token_vectors.tokens(),
        "jws.json": jws_vectors.jws(),
        "oauth.json": oauth_vectors.oauth(),
        "key_ids.json": key_ids(),
        "masking.json": masking(),
        "api_keys.json": api_key_vectors.api_keys(),
    }
    return {
        name: (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode() for name, content in files.items()
    }


def xaes_256_gcm():
    published = [
        (b"\x01" * 32, b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (
            b"\x03" * 32,
            b"c2sp.org/XAES-256-GCM",
            "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
        ),
    ]
    nonce, plaintext = b"ABCDEFGHIJKLMNOPQRSTUVWX", b"XAES-256-GCM"
    vectors = []
    for key, aad, expected in published:
        derived = reference.xaes_derivation(key, nonce)
        name = f"published: MSB(L) = {derived['L'][0] >> 7}, {'with' if aad else 'without'} associated data"
        assert reference.xaes_seal(key, nonce, plaintext, aad).hex() == expected
        vectors.append(
            {
                "name": name,
                "key_hex": key.hex(),
                "nonce_hex": nonce.hex(),
                "plaintext_hex": plaintext.hex(),
                "aad_hex": aad.hex(),
                "L_hex": derived["L"].hex(),
                "K1_hex": derived["K1"].hex(),
                "M1_hex": derived["M1"].hex(),
                "M2_hex": derived["M2"].hex(),
                "Kx_hex": derived["Kx"].hex(),
                "Nx_hex": derived["Nx"].hex(),
                "ciphertext_and_tag_hex": expected,
            }
        )
    short = "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
    assert reference.xaes_accumulated(10_000).hex() == short
    return {
        "description": "XAES-256-GCM: the published vectors with their intermediate values, and the accumulated test.",
        "source": "https://c2sp.org/XAES-256-GCM, computed again with Python's cryptography",
        "vectors": vectors,
        "accumulated": {
            "description": (
                "The random source is the output of SHAKE-128 of the empty string. Each iteration reads from it a key "
                "of 32 bytes, a nonce of 24, one byte p and then a plaintext of p bytes, one byte a and then "
                "associated data of a bytes; ciphertext and tag go into a second SHAKE-128. The result is the first "
                "32 bytes of that one's output."
            ),
            "vectors": [
                {"iterations": 10_000, "result_hex": short},
                {"iterations": LONG_ITERATIONS, "result_hex": LONG_RESULT},
            ],
        },
    }


def key_ids():
    vectors = []
    for name, key in [
        ("all zero", bytes(32)),
        ("counting up", bytes(range(32))),
        ("text, as JWT_SECRET_KEY takes it", token_vectors.SECRET.encode()),
        ("text with multi-byte characters", "schlüssel-鍵-ключ-0123456789abcdef".encode()),
        ("more than one SHA-256 block", data_vectors.fixed("long token key", 100)),
    ]:
        vector = {"name": name, "kind": "key", "key_hex": key.hex(), "token_key_id": reference.token_key_id(key)}
        if len(key) == 32:
            vector["data_key_id_hex"] = reference.data_key_id(key).hex()
        vectors.append(vector)
    for size in (16, 24, 32):
        for label in ("first", "second"):
            aes_key = data_vectors.fixed(f"{label} AES_KEY of {size} bytes", size)
            sealing = reference.sealing_key(aes_key)
            vectors.append(
                {
                    "name": f"{label} AES_KEY of {size} bytes",
                    "kind": "aes_key",
                    "aes_key_hex": aes_key.hex(),
                    "sealing_key_hex": sealing.hex(),
                    "data_key_id_hex": reference.data_key_id(sealing).hex(),
                }
            )
    for algorithm in ("EdDSA", "ES256"):
        for label in ("first", "second"):
            private = data_vectors.fixed(f"{label} {algorithm} key", 32)
            public = reference.public_key(algorithm, private)
            vectors.append(
                {
                    "name": f"{label} {algorithm} key pair",
                    "kind": "key_pair",
                    "algorithm": algorithm,
                    "private_hex": private.hex(),
                    "public_hex": public.hex(),
                    "token_key_id": reference.key_pair_id(algorithm, public),
                }
            )
    return {
        "description": (
            'Key ids. Of a key: token_key_id, base64url of HKDF-SHA256(key, info "sealgate/key-id/v1", 8 bytes), and '
            "where it can seal data (32 bytes) data_key_id_hex, the first 4 of the same. Of an aes_key: the sealing key "
            'HKDF-SHA256(AES_KEY, info "sealgate/xaes-256-gcm/v1", 32 bytes) and that one\'s data key id. Of a key_pair: of its '
            "public key (EdDSA: 32 bytes, RFC 8032; ES256: the uncompressed point of 65 bytes, SEC 1), base64url of "
            'HKDF-SHA256(public, info "sealgate/key-id/v1/EdDSA" or ".../ES256", 8 bytes). No salt.'
        ),
        "source": "HKDF of Python's cryptography (RFC 5869)",
        "vectors": vectors,
    }


def masking():
    cases = [
        ("the original's example", "my_password", 3),
        ("all visible", "my_password", 11),
        ("one hidden", "my_password", 10),
        ("none visible", "my_password", 0),
        ("shorter than visible", "ab", 3),
        ("as long as visible", "abc", 3),
        ("one longer than visible", "abcd", 3),
        ("one character", "x", 3),
        ("empty", "", 3),
        ("empty, none visible", "", 0),
        ("far more visible than there is", "secret", 1_000_000),
        ("two-byte characters", "äöüß-geheim", 3),
        ("three-byte characters", "日本語のパスワード", 3),
        ("four-byte characters", "🔑🔒🔓🗝🛡", 3),
        ("an emoji of several characters: each counts", "👩\u200d👩\u200d👧\u200d👦!", 3),
        ("a flag is two characters", "🇩🇪🇫🇷", 1),
        ("combining marks count", "e\u0301a\u0308o\u0302", 3),
        ("right-to-left text", "סיסמה", 2),
        ("spaces and tabs are characters", "a b\tc d", 3),
        ("stars stay stars", "***secret***", 3),
        ("a line feed is a character", "ab\ncd\nef", 3),
        ("256 characters", "0123456789abcdef" * 16, 3),
    ]
    return {
        "description": (
            "mask_data(data, visible_chars): all but the first visible_chars characters become *. Characters are "
            "Unicode scalar values. The command masks line by line, so the vector with line feeds is not for it."
        ),
        "source": 'Python: data[:n] + "*" * (len(data) - n)',
        "vectors": [
            {"name": name, "data": data, "visible_chars": n, "masked": reference.mask(data, n)}
            for name, data, n in cases
        ],
    }


def main(arguments):
    if unknown := set(arguments) - {"--check", "--long"}:
        sys.exit(f"{' '.join(sorted(unknown))}: use --check, --long or nothing")
    if "--long" in arguments:
        assert reference.xaes_accumulated(LONG_ITERATIONS).hex() == LONG_RESULT
    stale = []
    for name, content in build().items():
        path = HERE / name
        if "--check" not in arguments:
            path.write_bytes(content)
        elif not path.exists() or path.read_bytes() != content:
            stale.append(name)
    if stale:
        sys.exit(f"not current: {', '.join(stale)}")


if __name__ == "__main__":
    main(sys.argv[1:])
