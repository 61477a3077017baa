"""Sealgate's formats once more, written from their specifications on top of `cryptography`.

Nothing here calls Sealgate: the vectors are made with this module, and the Python tests open with it what Sealgate made.
"""

import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = 0x01
HEADER = 5
NONCE = 24
TAG = 16
OVERHEAD = HEADER + NONCE + TAG

TIMED_VERSION = 0x03
TIME = 8

SIGNED_VERSION = 0x04
SIGNING_INFO = b"sealgate/signed/v1"

STREAM_VERSION = 0x02
CHUNK = 64 * 1024
STREAM_INFO = b"sealgate/stream/v1"

SEALING_INFO = b"sealgate/xaes-256-gcm/v1"
KEY_ID_INFO = b"sealgate/key-id/v1"


def hkdf_sha256(key, info, length):
    """RFC 5869 without salt."""
    return HKDF(hashes.SHA256(), length, None, info).derive(key)


def sealing_key(aes_key):
    """The key that seals data where AES_KEY is set; the raw AES_KEY is used by AES-CBC only."""
    return hkdf_sha256(aes_key, SEALING_INFO, 32)


def data_key_id(key):
    return hkdf_sha256(key, KEY_ID_INFO, 4)


def token_key_id(secret):
    return base64url(hkdf_sha256(secret, KEY_ID_INFO, 8))


def public_key(algorithm, private):
    """Ed25519: of the seed, 32 bytes. P-256: of the scalar, the uncompressed point."""
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    point = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1()).public_key()
    return point.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def key_pair_id(algorithm, public):
    return base64url(hkdf_sha256(public, KEY_ID_INFO + b"/" + algorithm.encode(), 8))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text):
    """Without padding, and canonical; raises for anything else."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


def from_either_base64(text):
    """What text of sealed data stands for: base64 with padding, or base64url without."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return from_base64url(text)


def aes_blocks(key, blocks):
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(blocks) + encryptor.finalize()


def xaes_derivation(key, nonce):
    """All values of the derivation, by the names of https://c2sp.org/XAES-256-GCM."""
    assert len(key) == 32 and len(nonce) == NONCE
    l = aes_blocks(key, bytes(16))
    doubled = int.from_bytes(l, "big") << 1
    if doubled >> 128:
        doubled = (doubled ^ 0x87) & ((1 << 128) - 1)
    k1 = doubled.to_bytes(16, "big")
    m1 = b"\x00\x01X\x00" + nonce[:12]
    m2 = b"\x00\x02X\x00" + nonce[:12]
    kx = aes_blocks(key, xor(m1, k1) + xor(m2, k1))
    return {"L": l, "K1": k1, "M1": m1, "M2": m2, "Kx": kx, "Nx": nonce[12:]}


def xor(a, b):
    assert len(a) == len(b)
    return bytes(x ^ y for x, y in zip(a, b))


def xaes_seal(key, nonce, plaintext, aad):
    """Ciphertext and tag."""
    derived = xaes_derivation(key, nonce)
    return AESGCM(derived["Kx"]).encrypt(derived["Nx"], plaintext, aad)


def xaes_open(key, nonce, ciphertext_and_tag, aad):
    derived = xaes_derivation(key, nonce)
    return AESGCM(derived["Kx"]).decrypt(derived["Nx"], ciphertext_and_tag, aad)


def xaes_accumulated(iterations):
    """The randomized test of the specification, which hashes the results of many random cases."""
    # 313 bytes are read on average, so this is more than enough for the stream to be random at all.
    random = memoryview(hashlib.shake_128().digest(330 * iterations + 2048))
    results = hashlib.shake_128()
    at = 0

    def read(length):
        nonlocal at
        at += length
        return bytes(random[at - length : at])

    for _ in range(iterations):
        key, nonce = read(32), read(NONCE)
        plaintext = read(read(1)[0])
        aad = read(read(1)[0])
        results.update(xaes_seal(key, nonce, plaintext, aad))
    return results.digest(32)


def seal(key, nonce, context, plaintext):
    """Sealed data, version 1, under a 32-byte sealing key."""
    header = bytes([VERSION]) + data_key_id(key)
    return header + nonce + xaes_seal(key, nonce, plaintext, header + context)


def open_sealed(key, context, sealed):
    """The plaintext of sealed data; raises where it does not open."""
    if len(sealed) < OVERHEAD:
        raise ValueError("too short")
    header, nonce, rest = sealed[:HEADER], sealed[HEADER : HEADER + NONCE], sealed[HEADER + NONCE :]
    if header != bytes([VERSION]) + data_key_id(key):
        raise ValueError("another version or key")
    return xaes_open(key, nonce, rest, header + context)


def seal_timed(key, nonce, context, time, plaintext):
    """Sealed data with a time, version 1, under a 32-byte sealing key."""
    header = bytes([TIMED_VERSION]) + data_key_id(key) + time.to_bytes(TIME, "big")
    return header + nonce + xaes_seal(key, nonce, plaintext, header + context)


def open_timed(key, context, sealed):
    """The time and the plaintext of sealed data with a time; raises where it does not open."""
    header, nonce, rest = sealed[: HEADER + TIME], sealed[HEADER + TIME :][:NONCE], sealed[HEADER + TIME + NONCE :]
    if header[:HEADER] != bytes([TIMED_VERSION]) + data_key_id(key) or len(rest) < TAG:
        raise ValueError("another version or key, or too short")
    return int.from_bytes(header[HEADER:], "big"), xaes_open(key, nonce, rest, header + context)


def signature(key, context, body):
    signing_key = hkdf_sha256(key, SIGNING_INFO, 32)
    return hmac.digest(signing_key, len(context).to_bytes(8, "big") + context + body, "sha256")


def sign(key, context, time, payload):
    """Signed data, version 1."""
    body = bytes([SIGNED_VERSION]) + data_key_id(key) + time.to_bytes(TIME, "big") + payload
    return body + signature(key, context, body)


def unsign(key, context, signed):
    """The time and the payload of signed data; raises where the signature is not valid."""
    body, tag = signed[:-32], signed[-32:]
    if len(body) < HEADER + TIME or body[:HEADER] != bytes([SIGNED_VERSION]) + data_key_id(key):
        raise ValueError("another version or key, or too short")
    if not hmac.compare_digest(signature(key, context, body), tag):
        raise ValueError("the signature is not valid")
    return int.from_bytes(body[HEADER : HEADER + TIME], "big"), body[HEADER + TIME :]


def chunk_cipher(key, header):
    """The cipher of one stream, and each chunk's nonce by its number and whether it is the last."""
    cipher = AESGCM(hkdf_sha256(key, STREAM_INFO + header[HEADER:], 32))
    return cipher, lambda number, last: number.to_bytes(11, "big") + bytes([last])


def seal_stream(key, nonce, context, plaintext):
    """A sealed stream, version 1: its header, and its chunks in a list."""
    header = bytes([STREAM_VERSION]) + data_key_id(key) + nonce
    cipher, nonce_of = chunk_cipher(key, header)
    chunks = [plaintext[at : at + CHUNK] for at in range(0, len(plaintext), CHUNK)] or [b""]
    return header, [
        cipher.encrypt(nonce_of(number, number == len(chunks) - 1), chunk, header[:HEADER] + context)
        for number, chunk in enumerate(chunks)
    ]


def open_stream(key, context, stream):
    """The plaintext of a sealed stream; raises where it does not open."""
    header, rest = stream[: HEADER + NONCE], stream[HEADER + NONCE :]
    if header[:HEADER] != bytes([STREAM_VERSION]) + data_key_id(key) or len(rest) < TAG:
        raise ValueError("another version or key, or too short")
    cipher, nonce_of = chunk_cipher(key, header)
    chunks = [rest[at : at + CHUNK + TAG] for at in range(0, len(rest), CHUNK + TAG)]
    opened = [
        cipher.decrypt(nonce_of(number, number == len(chunks) - 1), chunk, header[:HEADER] + context)
        for number, chunk in enumerate(chunks)
    ]
    if len(opened) > 1 and not opened[-1]:
        raise ValueError("an empty last chunk after others")
    return b"".join(opened)


def ring_key(derivation, secret):
    """The data key and the context of a sealed ring whose member `key` is this."""
    salt = base64.b64decode(derivation["salt"], validate=True)
    numbers = [derivation[name] for name in ("memory_kib", "passes", "lanes") if name in derivation]
    words = ["sealgate sealed key ring 1", derivation["kdf"], *map(str, numbers), derivation["salt"]]
    if derivation["kdf"] == "hkdf-sha256":
        key = hkdf_sha256(secret, b"sealgate/ring-key/v1" + salt, 32)
    else:
        memory, passes, lanes = numbers
        kdf = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory)
        key = kdf.derive(secret)
    return key, " ".join(words).encode()


def seal_ring(derivation, secret, nonce, text):
    """The text of a sealed ring."""
    key, context = ring_key(derivation, secret)
    sealed = base64.b64encode(seal(key, nonce, context, text)).decode()
    return json.dumps({"format": "sealgate sealed key ring", "version": 1, "key": derivation, "sealed": sealed})


def open_ring(secret, text):
    """The text of the ring that is in a sealed one."""
    document = json.loads(text)
    assert (document["format"], document["version"]) == ("sealgate sealed key ring", 1)
    key, context = ring_key(document["key"], secret)
    return open_sealed(key, context, base64.b64decode(document["sealed"], validate=True))


def cbc_encrypt(key, iv, data):
    """What the original program does: PKCS#7 to 128 bits, AES-CBC, standard base64."""
    padder = padding.PKCS7(128).padder()
    padded = padder.update(data) + padder.finalize()
    return base64.b64encode(cbc_encrypt_blocks(key, iv, padded)).decode()


def cbc_encrypt_blocks(key, iv, blocks):
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(blocks) + encryptor.finalize()


def cbc_decrypt(key, iv, encrypted):
    """The other way; raises where it does not open."""
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    padded = decryptor.update(base64.b64decode(encrypted, validate=True)) + decryptor.finalize()
    unpadder = padding.PKCS7(128).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


def mask(data, visible_chars=3):
    """`len` counts Unicode scalar values, as Sealgate does."""
    return data[:visible_chars] + "*" * (len(data) - visible_chars)
