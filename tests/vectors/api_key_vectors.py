"""Vectors of API keys: `sg_`, an id of 12 characters, a secret of 43 and a checksum of 6."""

import re
import zlib

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FORM = re.compile(r"sg_[0-9A-Za-z]{61}")


def checksum(signed):
    """CRC-32 in base 62, the highest digit first."""
    rest, digits = zlib.crc32(signed.encode()), ""
    while rest or len(digits) < 6:
        rest, digit = divmod(rest, 62)
        digits = DIGITS[digit] + digits
    return digits


def is_intact(text):
    return FORM.fullmatch(text) is not None and checksum(text[:58]) == text[58:]


def api_keys():
    vectors = []

    def add(name, text):
        vector = {"name": name, "text": text, "intact": is_intact(text)}
        if vector["intact"]:
            vector |= {"id": text[3:15], "secret": text[15:58]}
        vectors.append(vector)
        return vector["intact"]

    def key(id, secret):
        return f"sg_{id}{secret}" + checksum(f"sg_{id}{secret}")

    first = key("0123456789AB", DIGITS[:43])
    assert add("digits in order", first)
    assert add("zeros", key("0" * 12, "0" * 43))
    assert add("the highest digit", key("z" * 12, "z" * 43))
    small = next(text for text in (key(f"{n:012}", "0" * 43) for n in range(10_000)) if text[58:60] == "00")
    assert add("a checksum that begins with zeros", small)
    for name, text in {
        "another checksum": first[:-1] + ("0" if first[-1] != "0" else "1"),
        "two characters exchanged": first[:20] + first[21] + first[20] + first[22:],
        "in lower case": first.lower(),
        "the prefix in upper case": "SG_" + first[3:],
        "cut off": first[:-1],
        "one character more": first + "0",
        "a space before it": " " + first[:-1],
        "a line feed after it": first[:-1] + "\n",
        "a character of base64url": first[:30] + "-" + first[31:],
        "a character that is not ASCII": first[:30] + "é" + first[32:],
        "another prefix": "sk_" + first[3:],
        "without a prefix": first[3:] + "000",
        "the prefix alone": "sg_",
        "nothing": "",
    }.items():
        assert not add(name, text)
    return {
        "description": "API keys. `intact`: the text has the form of a key, and its checksum is right.",
        "source": "Python's zlib.crc32, written in base 62",
        "vectors": vectors,
    }
