"""Reads what Sealgate writes, from docs/formats.md alone: reader.py KEYS.JSON data|stream|token [CONTEXT] < what was made"""
import base64, json, sys, time
from typing import Any, BinaryIO
import jwt
from cryptography.hazmat.primitives.ciphers import Cipher, aead, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CHUNK = 65536 + 16

def key_of(ring: dict[str, Any], kind: str, key_id: str) -> bytes:
    for key in ring[kind]:
        if key["id"] == key_id and not key.get("retired") and time.time() < key.get("accepted_until", 2**63):
            return base64.b64decode(key["key"], validate=True)
    raise ValueError(f"no key {key_id} that is accepted")

def open_data(ring: dict[str, Any], context: bytes, sealed: bytes) -> bytes:
    head, nonce = sealed[:5], sealed[5:29]
    if head[:1] != b"\x01" or len(sealed) < 45:
        raise ValueError("not sealed data")
    ecb = Cipher(algorithms.AES(key_of(ring, "data_keys", head[1:].hex())), modes.ECB()).encryptor()
    doubled = int.from_bytes(ecb.update(bytes(16)), "big") << 1
    subkey = (doubled ^ 0x87 if doubled >> 128 else doubled) & (2**128 - 1)
    blocks = [int.from_bytes(bytes([0, n]) + b"X\x00" + nonce[:12], "big") ^ subkey for n in (1, 2)]
    message_key = b"".join(ecb.update(block.to_bytes(16, "big")) for block in blocks)
    return aead.AESGCM(message_key).decrypt(nonce[12:], sealed[29:], head + context)

def open_stream(ring: dict[str, Any], context: bytes, source: BinaryIO, sink: BinaryIO) -> None:
    head, nonce = source.read(5), source.read(24)
    if head[:1] != b"\x02" or len(nonce) < 24:
        raise ValueError("not a sealed stream")
    derived = HKDF(SHA256(), 32, None, b"sealgate/stream/v1" + nonce)
    key = aead.AESGCM(derived.derive(key_of(ring, "data_keys", head[1:].hex())))
    number, chunk = 0, source.read(CHUNK)
    while True:
        following = source.read(CHUNK)
        plain = key.decrypt(number.to_bytes(11, "big") + bytes([not following]), chunk, head + context)
        if number and not plain:
            raise ValueError("an empty last chunk")
        sink.write(plain)  # Authentic, and in its place; only at the end it is known to be all.
        if not following:
            return
        number, chunk = number + 1, following

def read_token(ring: dict[str, Any], token: str) -> dict[str, Any]:
    header = jwt.get_unverified_header(token)
    if header["typ"] != "at+jwt":
        raise ValueError("not an access token")
    key = key_of(ring, "token_keys", header["kid"])
    # Name your own issuer and audience here where you have set them.
    return jwt.decode(token, key, algorithms=["HS256"], options={"require": ["exp", "sub"], "verify_aud": False})

if __name__ == "__main__":
    keys, what, context = json.load(open(sys.argv[1])), sys.argv[2], "".join(sys.argv[3:]).encode()
    if what == "stream":
        open_stream(keys, context, sys.stdin.buffer, sys.stdout.buffer)
    elif what == "data":
        sys.stdout.buffer.write(open_data(keys, context, base64.b64decode(sys.stdin.read().strip(), validate=True)))
    else:
        print(json.dumps(read_token(keys, sys.stdin.read().strip())))
