"""sealed.json and aes_cbc.json: encrypted data that opens, and some that must not."""

import base64
import hashlib

from cryptography.exceptions import InvalidTag

from reference import (
    HEADER,
    NONCE,
    OVERHEAD,
    cbc_decrypt,
    cbc_encrypt,
    cbc_encrypt_blocks,
    data_key_id,
    open_sealed,
    seal,
    sealing_key,
    xaes_seal,
)

SENTENCE = "Zażółć gęślą jaźń. 日本語 🔑 e\u0301".encode()
ALL_BYTES = bytes(range(256))


def fixed(label, size):
    """Bytes that look random and are the same each time."""
    return hashlib.shake_128(f"sealgate test vectors: {label}".encode()).digest(size)


def sealed():
    aes_32 = b"an AES_KEY of thirty-two bytes.."
    aes_24 = fixed("AES_KEY of 24 bytes", 24)
    aes_16 = fixed("AES_KEY of 16 bytes", 16)
    raw = fixed("sealing key", 32)
    vectors = [
        sealed_vector("text under an AES_KEY of 32 bytes", b"Attack at dawn", aes_key=aes_32),
        sealed_vector("empty", b"", aes_key=aes_32),
        sealed_vector("one byte, AES_KEY of 24 bytes", b"\x00", aes_key=aes_24),
        sealed_vector("multi-byte text, AES_KEY of 16 bytes", SENTENCE, aes_key=aes_16),
        sealed_vector("every byte, not UTF-8", ALL_BYTES, aes_key=aes_32),
        sealed_vector("1000 bytes", fixed("1000 bytes", 1000), aes_key=aes_32),
        sealed_vector("with a context", b"4111 1111", b"user:alice/card", aes_key=aes_32),
        sealed_vector("empty with a context", b"", b"user:alice/card", aes_key=aes_32),
        sealed_vector("with a multi-byte context", SENTENCE, "zeile:ü/列".encode(), aes_key=aes_16),
        sealed_vector("with a binary context", b"Attack at dawn", b"\x00\xff\x01", aes_key=aes_32),
        sealed_vector("under a key of the ring", b"Attack at dawn", key=raw),
        sealed_vector("under a key of the ring with a context", ALL_BYTES, b"file 7", key=raw),
    ]
    good = vectors[6]  # with a context
    context = bytes.fromhex(good["context_hex"])
    data = base64.b64decode(good["sealed_base64"])
    plain = base64.b64decode(vectors[0]["sealed_base64"])
    key = sealing_key(aes_32)
    nonce = data[HEADER : HEADER + NONCE]
    other = sealing_key(fixed("another AES_KEY", 32))
    header_only_in_id = bytes([0x01]) + data_key_id(key)
    for name, wrong_context, wrong in [
        ("another context", b"user:bob/card", data),
        ("context missing", b"", data),
        ("context in another case", b"USER:alice/card", data),
        ("context where none was given", b"user:alice/card", plain),
        ("a bit of the nonce flipped", context, flip(data, HEADER)),
        ("a bit of the nonce's last byte flipped", context, flip(data, HEADER + NONCE - 1)),
        ("a bit of the ciphertext flipped", context, flip(data, HEADER + NONCE)),
        ("a bit of the tag flipped", context, flip(data, len(data) - 1)),
        ("last byte missing", context, data[:-1]),
        ("one byte more", context, data + b"\x00"),
        ("ciphertext missing, tag there", context, data[: HEADER + NONCE] + data[-16:]),
        ("one byte too short to be sealed data", b"", data[: OVERHEAD - 1]),
        ("the header alone", b"", data[:HEADER]),
        ("no byte at all", b"", b""),
        ("version 0", context, b"\x00" + data[1:]),
        ("version 2", context, b"\x02" + data[1:]),
        ("an unknown key id", context, data[:1] + b"\x00\x00\x00\x00" + data[HEADER:]),
        ("a bit of the key id flipped", context, flip(data, 1)),
        ("sealed under another key", context, seal(other, nonce, context, b"4111 1111")),
        (
            "sealed under another key that claims this key's id",
            context,
            header_only_in_id + nonce + xaes_seal(other, nonce, b"4111 1111", header_only_in_id + context),
        ),
        (
            "sealed under the raw AES_KEY instead of the derived key",
            context,
            header_only_in_id + nonce + xaes_seal(aes_32, nonce, b"4111 1111", header_only_in_id + context),
        ),
        (
            "header not authenticated",
            context,
            header_only_in_id + nonce + xaes_seal(key, nonce, b"4111 1111", context),
        ),
    ]:
        vectors.append(refused_vector(name, aes_32, wrong_context, wrong))
    return {
        "description": (
            "Sealed data, version 1: 0x01, key id 4, nonce 24, ciphertext, tag 16; associated data is the first five "
            "bytes followed by the context. The sealing key is derived from aes_key_hex where that is there, else it is "
            "a key of the ring. expect is ok or decrypt_failed."
        ),
        "source": "XAES-256-GCM and HKDF-SHA256 on Python's cryptography, with fixed nonces",
        "vectors": vectors,
    }


def sealed_vector(name, plaintext, context=b"", *, aes_key=None, key=None):
    nonce = fixed(f"nonce of: {name}", NONCE)
    key = key or sealing_key(aes_key)
    data = seal(key, nonce, context, plaintext)
    assert open_sealed(key, context, data) == plaintext
    vector = {"name": name}
    if aes_key:
        vector["aes_key_hex"] = aes_key.hex()
    return vector | {
        "sealing_key_hex": key.hex(),
        "key_id_hex": data_key_id(key).hex(),
        "nonce_hex": nonce.hex(),
        "context_hex": context.hex(),
        "plaintext_hex": plaintext.hex(),
        "sealed_base64": base64.b64encode(data).decode(),
        "expect": "ok",
    }


def refused_vector(name, aes_key, context, data):
    key = sealing_key(aes_key)
    assert not opens(open_sealed, key, context, data), name
    return {
        "name": name,
        "aes_key_hex": aes_key.hex(),
        "sealing_key_hex": key.hex(),
        "context_hex": context.hex(),
        "sealed_base64": base64.b64encode(data).decode(),
        "expect": "decrypt_failed",
    }


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def opens(decrypt, *arguments):
    try:
        decrypt(*arguments)
    except (InvalidTag, ValueError):
        return False
    return True


def aes_cbc():
    iv = b"an IV of 16 byte"
    texts = [
        ("empty", b""),
        ("1 byte", b"a"),
        ("15 bytes", b"fifteen bytes.."),
        ("16 bytes: a whole block of padding follows", b"exactly one bloc"),
        ("17 bytes", b"exactly one block"),
        ("multi-byte text", SENTENCE),
        ("the original's kind of data", b"This is confidential data."),
        ("1000 bytes of text", ("0123456789abcdefghij" * 50).encode()),
        ("ends like padding", b"looks padded\x04\x04\x04\x04"),
        ("every byte, not UTF-8", ALL_BYTES),
    ]
    keys = {size: fixed(f"AES-CBC key of {size} bytes", size) for size in (16, 24)}
    keys[32] = b"thirty-two bytes as in the seed!"
    vectors = [
        cbc_vector(f"AES-{size * 8}: {name}", key, iv, text) for size, key in keys.items() for name, text in texts
    ]
    key = keys[32]
    vectors.append(
        cbc_vector("begins with 0x01, as sealed data does, but names no known key", key, iv, begins_sealed(key, iv))
    )
    block = b"sixteen bytes..."
    good = base64.b64decode(cbc_encrypt(key, iv, block + b"the rest"))
    for name, wrong in [
        ("empty", b""),
        ("one byte", b"\x00"),
        ("15 bytes, no whole block", good[:15]),
        ("17 bytes, no whole number of blocks", good[:17]),
        ("last block missing: what is left has no padding", good[:16]),
        ("padding byte 0", cbc_encrypt_blocks(key, iv, block[:15] + b"\x00")),
        ("padding byte 17", cbc_encrypt_blocks(key, iv, block[:15] + b"\x11")),
        ("padding byte 255", cbc_encrypt_blocks(key, iv, block[:15] + b"\xff")),
        ("padding of unequal bytes", cbc_encrypt_blocks(key, iv, block[:12] + b"\x03\x04\x04\x04")),
        ("padding of 16 with one wrong byte", cbc_encrypt_blocks(key, iv, block + b"\x0f" + b"\x10" * 15)),
        ("bad padding in two blocks", cbc_encrypt_blocks(key, iv, block + block[:14] + b"\x01\x02")),
    ]:
        encrypted = base64.b64encode(wrong).decode()
        assert not opens(cbc_decrypt, key, iv, encrypted), name
        vectors.append(
            {
                "name": f"refused: {name}",
                "aes_key_hex": key.hex(),
                "aes_iv_hex": iv.hex(),
                "ciphertext_base64": encrypted,
                "expect": "decrypt_failed",
            }
        )
    return {
        "description": (
            "The original program's encryption: PKCS#7 padding to 128 bits, AES-CBC under one fixed IV, standard base64. "
            "expect is ok (encrypting gives exactly this, decrypting gives the plaintext) or decrypt_failed."
        ),
        "source": "Python's cryptography, called as the original program calls it",
        "vectors": vectors,
    }


def cbc_vector(name, key, iv, plaintext):
    encrypted = cbc_encrypt(key, iv, plaintext)
    assert cbc_decrypt(key, iv, encrypted) == plaintext
    return {
        "name": name,
        "aes_key_hex": key.hex(),
        "aes_iv_hex": iv.hex(),
        "plaintext_hex": plaintext.hex(),
        "ciphertext_base64": encrypted,
        "expect": "ok",
    }


def begins_sealed(key, iv):
    """A text whose ciphertext begins with the version byte of sealed data and is long enough to be some."""
    for number in range(100_000):
        text = f"message {number:06}: long enough to be taken for sealed data".encode()
        if base64.b64decode(cbc_encrypt(key, iv, text))[0] == 0x01:
            return text
    raise AssertionError("no such text")
