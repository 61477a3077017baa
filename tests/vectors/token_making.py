"""How the tokens of tokens.json are made: constants, and the helpers of token_vectors and token_reading."""

import hmac
import json

import jwt

from reference import base64url, token_key_id

SECRET = "the JWT_SECRET_KEY of the vectors: long enough for HS512 as well, 64 bytes and more"
OTHER_SECRET = "somebody else's JWT_SECRET_KEY, which is just as long, so 64 bytes and more, too"
KID = token_key_id(SECRET.encode())
ISSUER = "sealgate"
OPEN_SCOPE = "secure-data encrypt decrypt"

PAST = 1577836800  # 2020-01-01
ISSUED = 1735689600  # 2025-01-01
FUTURE = 3786912000  # 2090-01-01
LATER = 3755376000  # 2089-01-01

MALFORMED, INVALID, EXPIRED = "token_malformed", "token_invalid", "token_expired"
NOT_YET = "token_not_yet_valid"

ORIGINAL = {"username": "alice", "exp": FUTURE}
OURS = {
    "iss": ISSUER,
    "sub": "alice",
    "username": "alice",
    "scope": OPEN_SCOPE,
    "iat": ISSUED,
    "exp": FUTURE,
    "jti": "AAAAAAAAAAAAAAAAAAAAAA",
}


def whole(vector):
    """The token of a vector, also of a recipe."""
    if "token" in vector:
        return vector["token"]
    recipe = vector["token_recipe"]
    return recipe["before"] + recipe["repeat"] * recipe["times"] + recipe["after"]


def vector(name, token, expect="ok", user="alice", scope=OPEN_SCOPE, made_by="PyJWT"):
    found = {"name": name, "made_by": made_by, "token": token, "expect": expect}
    return found | ({"user": user, "scope": scope} if expect == "ok" else {})


def by_hand(name, token, expect="ok", **more):
    return vector(name, token, expect, made_by="hand", **more)


def pyjwt(claims=ORIGINAL, *, key=SECRET, algorithm="HS256", **headers):
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers or None)


def ours(changes=None, *, without=(), typ="at+jwt", kid=KID, key=SECRET, **headers):
    claims = {name: value for name, value in (OURS | (changes or {})).items() if name not in without}
    return pyjwt(claims, key=key, typ=typ, kid=kid, **headers)


def signed(header, claims, key=SECRET):
    """A token of this very header and claims: JSON text, bytes, or what becomes JSON."""
    signing_input = f"{part(header)}.{part(claims)}"
    return f"{signing_input}.{base64url(mac(signing_input, key))}"


def part(value):
    if isinstance(value, dict):
        value = json.dumps(value, separators=(",", ":"))
    return base64url(value.encode() if isinstance(value, str) else value)


def mac(signing_input, key=SECRET):
    return hmac.digest(key.encode(), signing_input.encode(), "sha256")


def without(claims, *names):
    return {name: value for name, value in claims.items() if name not in names}
