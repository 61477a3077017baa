"""tokens.json: tokens of the original's form and of ours, and what must become of each.

Here: signatures, times, our form, sizes. What is refused for how it reads is in token_reading.
"""

import jwt

from token_making import (
    EXPIRED,
    FUTURE,
    INVALID,
    ISSUED,
    ISSUER,
    KID,
    LATER,
    MALFORMED,
    NOT_YET,
    OPEN_SCOPE,
    ORIGINAL,
    OTHER_SECRET,
    OURS,
    PAST,
    SECRET,
    base64url,
    by_hand,
    mac,
    ours,
    part,
    pyjwt,
    signed,
    token_key_id,
    vector,
    whole,
)
from token_reading import claims, encodings, headers

MAX_TOKEN = 8192


def tokens():
    vectors = original_form() + claims() + headers() + encodings() + our_form() + sizes()
    assert len({each["name"] for each in vectors}) == len(vectors)
    for each in vectors:
        if each["expect"] == "ok":
            jwt.decode(whole(each), SECRET, algorithms=["HS256"])
    return {
        "description": (
            "Tokens and what becomes of them where JWT_SECRET_KEY is jwt_secret_key, the issuer is issuer and no audience "
            "is set. expect is ok, then user and scope are there, or the code of the refusal. A token with token_recipe "
            "instead of token is `before`, then `repeat` as often as `times` says, then `after`. made_by says whether "
            "PyJWT made it or it was put together by hand, because PyJWT makes none such."
        ),
        "source": "PyJWT; by hand: base64url and HMAC of Python's standard library",
        "jwt_secret_key": SECRET,
        "key_id": KID,
        "issuer": ISSUER,
        "vectors": vectors,
    }


def original_form():
    """Signature and times of tokens as the original program makes them: no kid, HS256, username and exp."""
    good = pyjwt()
    head, body, _ = good.split(".")
    flipped = bytearray(mac(f"{head}.{body}"))
    flipped[0] ^= 1
    return [
        vector("original: as PyJWT makes it", good),
        vector("original: typ absent", pyjwt(typ=None)),
        vector("original: exp with a fraction", pyjwt(ORIGINAL | {"exp": FUTURE + 0.5})),
        by_hand(
            "original: exp in exponent form", signed({"alg": "HS256", "typ": "JWT"}, '{"username":"alice","exp":4e9}')
        ),
        vector("original: exp beyond 32 bits, in the year 2200", pyjwt(ORIGINAL | {"exp": 7258118400})),
        vector("original: issued in the past", pyjwt(ORIGINAL | {"iat": ISSUED})),
        vector("original: nbf in the past", pyjwt(ORIGINAL | {"nbf": PAST})),
        vector("original: a scope of its own is not believed", pyjwt(ORIGINAL | {"scope": "admin"})),
        by_hand(
            "original: white space and another order in the JSON",
            signed('{ "typ" : "JWT",\n "alg" : "HS256" }', f'{{ "exp" : {FUTURE},\t"username" : "alice" }}\n'),
        ),
        vector("original: expired", pyjwt(ORIGINAL | {"exp": PAST}), EXPIRED),
        vector("original: exp 0", pyjwt(ORIGINAL | {"exp": 0}), EXPIRED),
        vector("original: exp in the past with a fraction", pyjwt(ORIGINAL | {"exp": PAST + 0.5}), EXPIRED),
        vector("original: nbf in the future", pyjwt(ORIGINAL | {"nbf": LATER}), NOT_YET),
        vector("original: iat in the future", pyjwt(ORIGINAL | {"iat": LATER}), NOT_YET),
        vector("original: another key", pyjwt(key=OTHER_SECRET), INVALID),
        vector("original: another key, and expired", pyjwt(ORIGINAL | {"exp": PAST}, key=OTHER_SECRET), INVALID),
        by_hand("original: a bit of the signature flipped", f"{head}.{body}.{base64url(bytes(flipped))}", INVALID),
        by_hand("original: signature cut short", f"{head}.{body}.{base64url(mac(f'{head}.{body}')[:16])}", INVALID),
        by_hand("original: signature empty", f"{head}.{body}.", INVALID),
        by_hand(
            "original: claims exchanged under the signature",
            f"{head}.{part(ORIGINAL | {'username': 'mallory'})}.{good.split('.')[2]}",
            INVALID,
        ),
        vector("original: alg none, signature empty", pyjwt(key=None, algorithm="none"), INVALID),
        by_hand("original: alg none, signed with the key", signed({"alg": "none", "typ": "JWT"}, ORIGINAL), INVALID),
        by_hand(
            "original: alg None in capitals, signature empty", f"{part({'alg': 'NONE', 'typ': 'JWT'})}.{body}.", INVALID
        ),
        vector("original: alg HS384, signed with the key", pyjwt(algorithm="HS384"), INVALID),
        vector("original: alg HS512, signed with the key", pyjwt(algorithm="HS512"), INVALID),
        by_hand("original: alg HS512 said, signed as HS256", signed({"alg": "HS512", "typ": "JWT"}, ORIGINAL), INVALID),
        by_hand("original: alg RS256 said, signed as HS256", signed({"alg": "RS256", "typ": "JWT"}, ORIGINAL), INVALID),
        by_hand("original: alg hs256 in small letters", signed({"alg": "hs256", "typ": "JWT"}, ORIGINAL), INVALID),
    ]


def our_form():
    """Tokens with kid: ours, made by PyJWT instead of by Sealgate."""
    other_kid = token_key_id(OTHER_SECRET.encode())

    def refused(name, expect, token):
        return vector(f"ours: {name}", token, expect)

    return [
        vector("ours: as Sealgate makes it", ours()),
        vector("ours: with a smaller scope", ours({"scope": "decrypt"}), scope="decrypt"),
        vector("ours: with another scope", ours({"scope": "introspect"}), scope="introspect"),
        vector("ours: another user", ours({"sub": "zoë", "username": "zoë"}), user="zoë"),
        vector("ours: 256 characters", ours({"sub": "ß" * 256, "username": "ß" * 256}), user="ß" * 256),
        vector("ours: nbf in the past", ours({"nbf": PAST})),
        refused("expired", EXPIRED, ours({"exp": PAST, "iat": PAST - 1800})),
        refused("nbf in the future", NOT_YET, ours({"nbf": LATER})),
        refused("iat in the future", NOT_YET, ours({"iat": LATER})),
        refused("wrong issuer", INVALID, ours({"iss": "somebody"})),
        refused("issuer in other letters", INVALID, ours({"iss": "Sealgate"})),
        refused("issuer missing", INVALID, ours(without=["iss"])),
        refused("for an audience, which is not set here", INVALID, ours({"aud": "somebody"})),
        refused("unknown kid", INVALID, ours(kid="AAAAAAAAAAA")),
        refused("kid empty", INVALID, ours(kid="")),
        refused("kid of another key, signed with ours", INVALID, ours(kid=other_kid)),
        refused("kid of another key, signed with that", INVALID, ours(kid=other_kid, key=OTHER_SECRET)),
        refused("our kid, signed with another key", INVALID, ours(key=OTHER_SECRET)),
        by_hand(
            "ours: kid is a path", signed({"alg": "HS256", "typ": "at+jwt", "kid": "../../dev/null"}, OURS), INVALID
        ),
        refused("typ JWT though kid is there", MALFORMED, ours(typ="JWT")),
        refused("typ absent though kid is there", MALFORMED, ours(typ=None)),
        refused("a refresh token", MALFORMED, ours(typ="rt+jwt")),
        refused("another typ", MALFORMED, ours(typ="dpop+jwt")),
        refused("kid in a token of the original's form", MALFORMED, pyjwt(kid=KID)),
        refused("alg HS512, signed with the key", INVALID, pyjwt(OURS, algorithm="HS512", typ="at+jwt", kid=KID)),
        by_hand(
            "ours: alg none, signature empty",
            f"{part({'alg': 'none', 'typ': 'at+jwt', 'kid': KID})}.{part(OURS)}.",
            INVALID,
        ),
        refused("sub is not username", MALFORMED, ours({"username": "mallory"})),
        refused("sub missing", MALFORMED, ours(without=["sub"])),
        refused("sub a number", MALFORMED, ours({"sub": 7, "username": 7})),
        refused("sub empty", MALFORMED, ours({"sub": "", "username": ""})),
        refused("sub of 257 characters", MALFORMED, ours({"sub": "x" * 257, "username": "x" * 257})),
        refused("sub with a control character", MALFORMED, ours({"sub": "a\tb", "username": "a\tb"})),
        refused("scope a list", MALFORMED, ours({"scope": ["decrypt"]})),
        refused("jti a number", MALFORMED, ours({"jti": 1})),
        refused("exp missing", MALFORMED, ours(without=["exp"])),
    ]


def sizes():
    """The longest token that is looked at has 8192 bytes. The filler is longer than one would want to read."""
    return [long_token("size: 8192 bytes", MAX_TOKEN, "ok"), long_token("size: 8193 bytes", MAX_TOKEN + 1, MALFORMED)]


def long_token(name, size, expect):
    header, signature_size = part({"alg": "HS256", "typ": "JWT"}), 43
    body_size = size - len(header) - signature_size - 2
    claims = f'{{"username":"alice","exp":{FUTURE},"filler":"'.encode()
    claims += b"x" * (-len(claims) % 3)
    times = (body_size - len(base64url(claims))) // 4 - 2
    rest = body_size - len(base64url(claims)) - 4 * times
    # Bytes that fill `rest` characters: the claims' end and what is left of the filler.
    end = (b"x" * (rest * 3 // 4))[:-2] + b'"}'
    body = claims + b"xxx" * times + end
    signing_input = f"{header}.{base64url(body)}"
    token = f"{signing_input}.{base64url(mac(signing_input))}"
    assert len(token) == size, len(token)
    recipe = {
        "before": f"{header}.{base64url(claims)}",
        "repeat": base64url(b"xxx"),
        "times": times,
        "after": f"{base64url(end)}.{base64url(mac(signing_input))}",
    }
    found = {"name": name, "made_by": "hand", "token_recipe": recipe, "expect": expect}
    assert whole(found) == token
    return found | ({"user": "alice", "scope": OPEN_SCOPE} if expect == "ok" else {})
