"""The part of tokens.json that is about reading: claims, headers and encodings that are not what they must be."""

import base64
import json

import jwt

from token_making import (
    FUTURE,
    MALFORMED,
    ORIGINAL,
    PAST,
    SECRET,
    base64url,
    by_hand,
    mac,
    pyjwt,
    signed,
    vector,
    without,
)


def claims():
    """Claims that are missing or have the wrong type; all properly signed."""

    def named(username):
        return pyjwt(ORIGINAL | {"username": username})

    def text(claims):
        return signed({"alg": "HS256", "typ": "JWT"}, claims)

    return [
        vector("username: one character", named("a"), user="a"),
        vector("username: with spaces", named("Alice B. Example"), user="Alice B. Example"),
        vector("username: 256 characters", named("x" * 256), user="x" * 256),
        vector("username: 256 four-byte characters", named("🔑" * 256), user="🔑" * 256),
        vector("username: written with escapes", named("zoë"), user="zoë"),
        by_hand("username: written in UTF-8", text(f'{{"username":"zoë","exp":{FUTURE}}}'), user="zoë"),
        vector("username: missing", pyjwt(without(ORIGINAL, "username")), MALFORMED),
        vector("username: sub does not stand for it", pyjwt({"sub": "alice", "exp": FUTURE}), MALFORMED),
        vector("username: empty", named(""), MALFORMED),
        vector("username: 257 characters", named("x" * 257), MALFORMED),
        vector("username: a number", named(7), MALFORMED),
        vector("username: null", named(None), MALFORMED),
        vector("username: true", named(True), MALFORMED),
        vector("username: a list", named(["alice"]), MALFORMED),
        vector("username: an object", named({"name": "alice"}), MALFORMED),
        vector("username: with a line feed", named("alice\nadmin"), MALFORMED),
        vector("username: with NUL", named("alice\x00"), MALFORMED),
        vector("username: with DEL", named("alice\x7f"), MALFORMED),
        vector("username: with a control character above ASCII", named("alice\x85"), MALFORMED),
        vector("exp: missing", pyjwt({"username": "alice"}), MALFORMED),
        vector("exp: a text", pyjwt(ORIGINAL | {"exp": str(FUTURE)}), MALFORMED),
        vector("exp: null", pyjwt(ORIGINAL | {"exp": None}), MALFORMED),
        vector("exp: true", pyjwt(ORIGINAL | {"exp": True}), MALFORMED),
        vector("exp: a list", pyjwt(ORIGINAL | {"exp": [FUTURE]}), MALFORMED),
        vector("exp: negative", pyjwt(ORIGINAL | {"exp": -1}), MALFORMED),
        by_hand("exp: larger than any number", text('{"username":"alice","exp":1e999}'), MALFORMED),
        by_hand("exp: Infinity", text('{"username":"alice","exp":Infinity}'), MALFORMED),
        vector("nbf: a text", pyjwt(ORIGINAL | {"nbf": "0"}), MALFORMED),
        vector("iat: a text", pyjwt(ORIGINAL | {"iat": "0"}), MALFORMED),
        by_hand(
            "claims: username twice", text(f'{{"username":"mallory","username":"alice","exp":{FUTURE}}}'), MALFORMED
        ),
        by_hand(
            "claims: username twice, once with an escape",
            text(f'{{"username":"mallory","user\\u006eame":"alice","exp":{FUTURE}}}'),
            MALFORMED,
        ),
        by_hand("claims: exp twice", text(f'{{"username":"alice","exp":{PAST},"exp":{FUTURE}}}'), MALFORMED),
        by_hand(
            "claims: an unknown member twice", text(f'{{"username":"alice","exp":{FUTURE},"a":1,"a":1}}'), MALFORMED
        ),
        by_hand(
            "claims: a member twice further in",
            text(f'{{"username":"alice","exp":{FUTURE},"a":{{"b":1,"b":1}}}}'),
            MALFORMED,
        ),
        by_hand("claims: empty", text(""), MALFORMED),
        by_hand("claims: a list", text("[]"), MALFORMED),
        by_hand("claims: an empty object", text("{}"), MALFORMED),
        by_hand("claims: not JSON", text("username=alice"), MALFORMED),
        by_hand("claims: something after the object", text(json.dumps(ORIGINAL) + "{}"), MALFORMED),
        by_hand("claims: a comma too many", text(f'{{"username":"alice","exp":{FUTURE},}}'), MALFORMED),
        by_hand("claims: a byte order mark in front", text("\ufeff" + json.dumps(ORIGINAL)), MALFORMED),
        by_hand("claims: not UTF-8", text(b'{"username":"\xff","exp":%d}' % FUTURE), MALFORMED),
        by_hand("claims: a lone surrogate", text(f'{{"username":"\\ud800","exp":{FUTURE}}}'), MALFORMED),
    ]


def headers():
    """Headers that would change what is signed or bring a key along, or that name no access token; all properly signed."""
    key = {"kty": "oct", "k": base64url(b"attacker"), "alg": "HS256"}

    def head(**members):
        return signed({"alg": "HS256", "typ": "JWT"} | members, ORIGINAL)

    refused = [
        ("crit: empty", head(crit=[])),
        ("crit: exp", head(crit=["exp"])),
        ("crit: null", head(crit=None)),
        ("b64: false", head(b64=False)),
        ("b64: false and critical", head(b64=False, crit=["b64"])),
        ("b64: true", head(b64=True)),
        ("jku", head(jku="https://attacker.example/keys")),
        ("jwk", head(jwk=key)),
        ("x5u", head(x5u="https://attacker.example/cert")),
        ("x5c", head(x5c=["AAAA"])),
        ("x5t", head(x5t="AAAA")),
        ("x5t#S256", head(**{"x5t#S256": "AAAA"})),
        ("cty: JWT", head(cty="JWT")),
        ("zip", head(zip="DEF")),
        ("enc", head(enc="A256GCM")),
        ("typ: another one", head(typ="JOSE")),
        ("typ: rt+jwt without kid", head(typ="rt+jwt")),
        ("typ: at+jwt without kid", head(typ="at+jwt")),
        ("typ: a number", head(typ=1)),
        ("typ: null", head(typ=None)),
        ("alg: missing", signed({"typ": "JWT"}, ORIGINAL)),
        ("alg: a number", head(alg=256)),
        ("alg: a list", head(alg=["HS256"])),
        ("kid: a number", head(kid=1)),
        ("kid: null", head(kid=None)),
        ("alg twice", signed('{"alg":"none","alg":"HS256","typ":"JWT"}', ORIGINAL)),
        ("typ twice", signed('{"alg":"HS256","typ":"JWT","typ":"JWT"}', ORIGINAL)),
        ("an unknown member twice", signed('{"alg":"HS256","typ":"JWT","a":1,"a":1}', ORIGINAL)),
        ("a member twice with an escape", signed('{"alg":"HS256","\\u0061lg":"HS256"}', ORIGINAL)),
        ("empty", signed("", ORIGINAL)),
        ("an empty object", signed("{}", ORIGINAL)),
        ("a list", signed("[]", ORIGINAL)),
        ("not JSON", signed("alg=HS256", ORIGINAL)),
        ("not UTF-8", signed(b'{"alg":"HS256","a":"\xff"}', ORIGINAL)),
    ]
    return [by_hand(f"header: {name}", token, MALFORMED) for name, token in refused]


def encodings():
    """One canonical encoding, and nothing around it."""
    good = pyjwt()
    head, body, signature = good.split(".")
    # A signature that has both characters in which the two alphabets differ.
    users = (f"user{number}" for number in range(1000))
    special = next(
        token
        for token in (pyjwt(ORIGINAL | {"username": user}) for user in users)
        if {"-", "_"} <= set(token.split(".")[2])
    )
    at = special.rindex(".")
    standard = special[:at] + special[at:].replace("-", "+").replace("_", "/")
    user = jwt.decode(special, SECRET, algorithms=["HS256"])["username"]
    assert len(body) % 4, "the claims' last character has bits to spare"
    trailing = f"{head}.{next_character(body)}"
    refused = [
        ("signature with bits set after its end", f"{head}.{body}.{next_character(signature)}"),
        ("claims with bits set after their end, signed so", f"{trailing}.{base64url(mac(trailing))}"),
        ("signature with padding", good + "="),
        ("claims with padding, signed so", padded(head, body)),
        ("signature in the alphabet with + and /", standard),
        ("signature of an impossible length", good + "AA"),
        ("a character that is in no alphabet", f"{head}.{body}.{signature[:-1]}*"),
        ("a dot at the end", good + "."),
        ("a dot at the beginning", "." + good),
        ("two dots together", f"{head}..{body}.{signature}"),
        ("one part", head),
        ("two parts", f"{head}.{body}"),
        ("four parts", f"{good}.{signature}"),
        ("five parts, as an encrypted token has", f"{good}.{signature}.{signature}"),
        ("two dots alone", ".."),
        ("a word", "token"),
        ("header empty", f".{body}.{signature}"),
        ("claims empty", f"{head}..{signature}"),
        ("Bearer in front", f"Bearer {good}"),
        ("a space in front", f" {good}"),
        ("a space at the end", f"{good} "),
        ("a line feed at the end", f"{good}\n"),
        ("a space in the middle", f"{head}. {body}.{signature}"),
        ("a line feed in the middle", f"{head}.{body[:20]}\n{body[20:]}.{signature}"),
        ("quotes around it", f'"{good}"'),
        ("a comma and another token", f"{good},{good}"),
        ("a character that is not ASCII", good[:-1] + "é"),
        ("JSON serialization", json.dumps({"protected": head, "payload": body, "signature": signature})),
    ]
    return [vector("encoding: - and _ in the signature", special, user=user)] + [
        by_hand(f"encoding: {name}", token, MALFORMED) for name, token in refused
    ]


def next_character(text):
    """The same bytes to a lenient decoder: the last character's spare bits are no longer zero."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    changed = text[:-1] + alphabet[alphabet.index(text[-1]) + 1]
    fill = "=" * (-len(text) % 4)
    assert fill and base64.urlsafe_b64decode(changed + fill) == base64.urlsafe_b64decode(text + fill)
    return changed


def padded(head, body):
    signing_input = head + "." + body + "=" * (-len(body) % 4)
    return f"{signing_input}.{base64url(mac(signing_input))}"
