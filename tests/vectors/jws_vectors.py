"""The signatures of jws.json: JSON Web Signatures of HS256, ES256 and EdDSA, good ones and the tricks that are tried.

Those of HS256 and ES256 are the facts of Wycheproof's json_web_signature_test.json (testvectors_v1, 401 tests): every test of
a group whose key is for one of the two. It has none of EdDSA, so these are RFC 8037's example and the same tricks once
more, with what Wycheproof's ed25519_test.json tries on signatures; they are made with `cryptography`.

Each number that Wycheproof publishes is checked here against `cryptography` and `hmac`, so that a slip of the pen shows.
"""

import base64
import hashlib
import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from reference import base64url

P256_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_L = 2**252 + 27742317777372353535851937790883648493

VALID, INVALID = "valid", "invalid"


def unbase64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# What all of the first two groups try; {h}, {s}, {x}: header, signature, and a header that names another key.
FORMS = [
    ("acceptsValid", "{h}.Zm9v.{s}", VALID),
    ("rejectsModifiedSignature", "{h}.Zm9v.X{s1}", INVALID),
    ("rejectsMissingSignature", "{h}.Zm9v.", INVALID),
    ("rejectsMissingSignatureAndSeparator", "{h}.Zm9v", INVALID),
    ("rejectsModifiedPayload", "{h}.WG9v.{s}", INVALID),
    ("rejectsMissingPayload", "{h}..{s}", INVALID),
    ("rejectsMissingPayloadAndSeparator", "{h}.{s}", INVALID),
    ("rejectsModifiedHeader", "{x}.Zm9v.{s}", INVALID),
    ("rejectsMissingHeader", ".Zm9v.{s}", INVALID),
    ("rejectsMissingHeaderAndSeparator", "Zm9v.{s}", INVALID),
    ("rejectsMissingHeaderAndSignature", ".Zm9v.", INVALID),
    ("rejectsMissingHeaderSignatureAndSeparators", "Zm9v", INVALID),
    ("rejectsEmptyString", "", INVALID),
]


def forms(header, other, signature, first):
    return [
        (first + at, name, form.format(h=header, x=other, s=signature, s1=signature[1:]), result)
        for at, (name, form, result) in enumerate(FORMS)
    ]


HS_HEADER = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImtpZC1hZXMtc2lnbiJ9"
HS_OTHER = "eyJhbGciOiJIUzI1NiIsImtpZCI6IlhpZC1hZXMtc2lnbiJ9"
HS_TAG = "TD37p4c_0jmreSrBSDmE0F3mYSPtkZ3WrSyI5wb_KTg"
HS256 = [
    *forms(HS_HEADER, HS_OTHER, HS_TAG, 1),
    (14, "rejectsExtraEmptyComponent", f"{HS_HEADER}.Zm9v.{HS_TAG}.", INVALID),
    (15, "rejectsExtraComponent", f"{HS_HEADER}.Zm9v.{HS_TAG}.foo", INVALID),
    (16, "rejectsNoneAlgorithmAndMissingSignature", "eyJhbGciOiJub25lIiwia2lkIjoia2lkLWFlcy1zaWduIn0.Zm9v.", INVALID),
    (
        17,
        "rejectsValidJsonSerialization",
        f'{{"payload":"Zm9v","signatures":[{{"protected":"{HS_HEADER}","header":{{"unknown":"untrustworthy"}},'
        f'"signature":"{HS_TAG}"}}',
        INVALID,
    ),
]

BASE64_HEADER = "eyJraWQiOiJoczI1Ni1rZXkiLCJhbGciOiJIUzI1NiJ9"
BASE64_TAG = "c1LROH7eNQwUT8KMVEO52VC3WZ9e_AnDWbZ7aMmowV8"
HS256_BASE64 = [
    (357, "ValidMac", f"{BASE64_HEADER}.VGVzdA.{BASE64_TAG}", VALID),
    (358, "ValidEdgeCaseMac", f"{BASE64_HEADER}.VDIxMzI1NjY4.AAAAtBuQqoI9HuBeAsgjL4nx8sCGYJa5-G2OrureLO4", VALID),
    (359, "ValidEdgeCaseMac", f"{BASE64_HEADER}.VDgxMjM0MTM.____ETVRY0lRV9XgQeYX6ixdGT0NLHYb-wZem_ifJ5k", VALID),
    (360, "rejectsSpacesInMac", f"{BASE64_HEADER}.VGVzdA.    {BASE64_TAG}", INVALID),
    (361, "rejectsInvalidCharacterInsertedInMac", f"{BASE64_HEADER}.VGVzdA.?{BASE64_TAG}", INVALID),
    (362, "rejectsInvalidCharacterInsertedInMac", f"{BASE64_HEADER}.VGVzdA.{BASE64_TAG}?", INVALID),
    (
        363,
        "rejects0ReplacedbyInvalidCharacter",
        f"{BASE64_HEADER}.VDIxMzI1NjY4.?AAAtBuQqoI9HuBeAsgjL4nx8sCGYJa5-G2OrureLO4",
        INVALID,
    ),
    (
        364,
        "rejectsInvalidCharacters",
        f"{BASE64_HEADER}.VDgxMjM0MTM.????ETVRY0lRV9XgQeYX6ixdGT0NLHYb-wZem_ifJ5k",
        INVALID,
    ),
    (365, "spacesInHeader", f"{BASE64_HEADER}    .VGVzdA.DR-cdw2cCB53b3mpzMfk2gKTeyN0PhXBrTW1atMfSdM", INVALID),
    (
        366,
        "invalidCharactersInHeader",
        f"{BASE64_HEADER}####.VGVzdA.23srvDiEYo7665_26qKv4D-0E2a149WRWH_av2ki2I4",
        INVALID,
    ),
    (367, "invalidBase64Padding", f"{BASE64_HEADER}.VGVzdA.{BASE64_TAG}", INVALID),
    (368, "spacesInPayload", f"{BASE64_HEADER}.    VGVzdA.AbPJgmXfihyNBUYpbdPK8qRpPjNuTE-Z_wYQyrU2lMQ", INVALID),
    (
        369,
        "invalidCharactersInPayload",
        f"{BASE64_HEADER}.####VGVzdA.Ixs2CdBkk8qjqe2-hq2dobqVvv9iDcDS6gPNgoXJyFY",
        INVALID,
    ),
    (370, "invalidBase64PaddingInPayload", f"{BASE64_HEADER}.VGVzdA.{BASE64_TAG}", INVALID),
    (371, "InvalidCharacterInPayload", f"{BASE64_HEADER}.?VGVzdA.q0zEA3Js33N6HcOFfBK875qJ_nFwSzI9SN9qJnx5sOc", INVALID),
    (
        372,
        "InvalidCharacterInsertedInHeader",
        f"{BASE64_HEADER[:-1]}?{BASE64_HEADER[-1]}.VGVzdA.{BASE64_TAG}",
        VALID,
    ),
    (373, "InvalidCharacterInsertedInPayload", f"{BASE64_HEADER}.VGVzdA?.{BASE64_TAG}", VALID),
    (374, "ModifiedUnusedBitsInPayload", f"{BASE64_HEADER}.AB.8sL_ycV8G_D-K_2A3I0EW3NoPMeQzv13cAzuHlQ5TAE", INVALID),
    (375, "MacOfIncorrectlyEncodedMessage", f"{BASE64_HEADER}.AB.9phoKDvkBMAqTgeVIYeqAi6-lvC0pbKg9ER--3T97w0", INVALID),
    (
        376,
        "ValidSpacesInJsonHeader",
        "eyAia2lkIiA6ICJoczI1Ni1rZXkiLCAiYWxnIiA6ICJIUzI1NiIgfQ.VGVzdA.3nl1C7dKVGLfNyALp4ZKkmNFBJlFP8M9VGzCyil9S1c",
        VALID,
    ),
    (
        377,
        "ValidWhiteSpaceInJsonHeader",
        "eyJraWQiOiJoczI1Ni1rZXkiLAoJImFsZyI6IkhTMjU2In0.VGVzdA.Yxn8cTl7IHpFIoEPOFrWmjm-GQlr_RMqHNJOp1ZuweY",
        VALID,
    ),
]

RFC7520_JWS = (
    "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9."
    "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlm"
    "IHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4."
    "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0"
)

ES_HEADER = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImtpZC1lYy1zaWduIn0"
ES_OTHER = "eyJhbGciOiJFUzI1NiIsImtpZCI6IlhpZC1lYy1zaWduIn0"
ES_SIGNATURE = "5cA0OHyMP7ezamUd5c9kV-FrGxdx4hbGXOdplQkutrqWrte5P-pAvsE3Ve6xSyU3YDQwUHjVVOtvcrEbbnZ8yA"
ES_R, ES_S = (int.from_bytes(unbase64url(ES_SIGNATURE)[at : at + 32], "big") for at in (0, 32))
EMBEDDED = (
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImtpZC1lYy1zaWduIiwiandrIjp7Imt0eSI6IkVDIiwia2lkIjoia2lkLWVjLXNpZ24iLCJ1c2UiOiJzaWciLCJh"
    "bGciOiJFUzI1NiIsIngiOiJNZG5UWkRJaERKYmZBU2RGcWFtY3BPMkNoOUdOS0sybTBNUWxoNDAyU3BvIiwieSI6Ijdhdko0bHFfV3l4LW5MUERCUTJZ"
    "cHl0dUh5TWlvMDdCVXl2bDNqYUMtMVkiLCJjcnYiOiJQLTI1NiJ9fQ"
)


def es256(r, s, size=32):
    """A signature of these two numbers, `size` bytes each."""
    return f"{ES_HEADER}.Zm9v.{base64url(r.to_bytes(size, 'big') + s.to_bytes(size, 'big'))}"


def es256_edges():
    named = [("Zero", 0), ("One", 1), ("Nminus1", P256_N - 1), ("N", P256_N)]
    tried = [(f"rIs{r_name}_sIs{s_name}", es256(r, s)) for r_name, r in named for s_name, s in named]
    return [(386 + at, name, jws, INVALID) for at, (name, jws) in enumerate(tried)]


ES256 = [
    *forms(ES_HEADER, ES_OTHER, ES_SIGNATURE, 18),
    (
        31,
        "rejectsSymmetryConfusionAttacks_aesKeyFromEcVerificationKeyBytes",
        "eyJhbGciOiJIUzI1NiIsImtpZCI6ImtpZC1lYy1zaWduIn0.Zm9v.TgWtz2FIRukBQ_mA5sgHa0Ybtgn7bl-YBPAi7Z0XdHU",
        INVALID,
    ),
    (
        32,
        "rejectsAttackerProvidedEmbeddedJwk",
        f"{EMBEDDED}.Zm9v.4jmsollQD8ZxvySzXYnIEYA4fwaZi2ZbC0aI1J4LYmW2Bn31NhKdjms2N6o51Dff5-InWXQF9m45VtTexl6yjg",
        INVALID,
    ),
    (378, "valid", es256(ES_R, P256_N - ES_S), VALID),
    (379, "SignatureTooLong", es256(ES_R, ES_S, 33), INVALID),
    (
        380,
        "TrailingZeros",
        f"{ES_HEADER}.Zm9v.5cA0OHyMP7ezamUd5c9kV-FrGxdx4hbGXOdplQkutroAlq7XuT_qQL7BN1XusUslN2A0MFB41VTrb3KxG252fMgA",
        INVALID,
    ),
    (381, "RisTooBig", es256(ES_R + P256_N, ES_S, 33), INVALID),
    (382, "SisTooBig", es256(ES_R, ES_S + P256_N, 33), INVALID),
    (383, "IntegerOverflow", es256(ES_R + 2**256, ES_S, 33), INVALID),
    (384, "IntegerOverflow", es256(ES_R, ES_S + 2**256, 33), INVALID),
    (385, "BufferOverflow", es256(ES_R, ES_S, 257), INVALID),
    *es256_edges(),
]

# Where what is published cannot be asked of a token, and why.
OTHERWISE = {
    367: "the same text as test 357, which is valid",
    370: "the same text as test 357, which is valid",
    372: "? is no character of base64url (RFC 7515, section 2), so this is no token",
    373: "? is no character of base64url (RFC 7515, section 2), so this is no token",
}

# RFC 8037, appendix A.
ED_SEED = unbase64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
ED_HEADER = "eyJhbGciOiJFZERTQSIsImtpZCI6ImtpZC1lZC1zaWduIn0"
ED_OTHER = "eyJhbGciOiJFZERTQSIsImtpZCI6IlhpZC1lZC1zaWduIn0"
RFC8037_JWS = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
# Points of small order, with which a signature of anything can be forged where nobody looks (RFC 8032, section 8.4).
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]


def eddsa():
    key = ed25519.Ed25519PrivateKey.from_private_bytes(ED_SEED)
    public = key.public_key().public_bytes_raw()
    signed = f"{ED_HEADER}.Zm9v"
    signature = key.sign(signed.encode())
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    little = lambda number: number.to_bytes(32, "little")

    def tried(name, signature, header=ED_HEADER, expect=INVALID):
        return name, f"{header}.Zm9v.{base64url(signature)}", expect

    hmac_header = base64url(b'{"alg":"HS256","kid":"kid-ed-sign"}')
    named = lambda algorithm: base64url(b'{"alg":"%s","kid":"kid-ed-sign"}' % algorithm)
    confused = hmac.digest(public, f"{hmac_header}.Zm9v".encode(), hashlib.sha256)
    other = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    jwk = b'{"kty":"OKP","crv":"Ed25519","x":"%s"}' % base64url(other.public_key().public_bytes_raw()).encode()
    embedded = base64url(b'{"alg":"EdDSA","kid":"kid-ed-sign","jwk":' + jwk + b"}")
    return [
        *((name, jws, result) for _, name, jws, result in forms(ED_HEADER, ED_OTHER, base64url(signature), 0)),
        tried("confusion: HMAC under the public key's bytes", confused, hmac_header),
        tried("confusion: the same, and the header says EdDSA", confused),
        tried("no algorithm, no signature", b"", named(b"none")),
        tried("ES256 in the header", key.sign(f"{named(b'ES256')}.Zm9v".encode()), named(b"ES256")),
        tried("a key of somebody else's, embedded", other.sign(f"{embedded}.Zm9v".encode()), embedded),
        tried("signed by somebody else", other.sign(signed.encode())),
        tried("S + L: the same signature in another form", r + little(s + ED25519_L)),
        tried("S = 0", r + bytes(32)),
        tried("S = L", r + little(ED25519_L)),
        tried("S = 2^256 - 1", r + b"\xff" * 32),
        tried("R and S are 0", bytes(64)),
        tried("a byte is missing", signature[:-1]),
        tried("a byte too many", signature + b"\x00"),
        tried("S and R in the other order", signature[32:] + r),
        tried("R alone", r),
        *(tried(f"R is a point of small order: {point[:8]}", bytes.fromhex(point) + bytes(32)) for point in SMALL_ORDER),
    ]


def oct_key(k):
    return {"algorithm": "HS256", "key_hex": unbase64url(k).hex()}


def check(key, jws, good):
    """What `cryptography` and `hmac` say of a signature, apart from the encoding."""
    header, payload, signature = jws.split(".")
    signed, private = f"{header}.{payload}".encode(), bytes.fromhex(key["key_hex"])
    try:
        if key["algorithm"] == "HS256":
            found = hmac.digest(private, signed, hashlib.sha256) == unbase64url(signature)
        elif key["algorithm"] == "ES256":
            raw = unbase64url(signature)
            numbers = encode_dss_signature(*(int.from_bytes(raw[at : at + 32], "big") for at in (0, 32)))
            public = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1()).public_key()
            public.verify(numbers, signed, ec.ECDSA(hashes.SHA256()))
            found = True
        else:
            public = ed25519.Ed25519PrivateKey.from_private_bytes(private).public_key()
            public.verify(unbase64url(signature), signed)
            found = True
    except InvalidSignature:
        found = False
    assert found == good, jws


def jws():
    signing = "kid-aes-sign", oct_key("-ebuDNsVZ2iJtoZ-akfXTSCt4UO2cruLCsbWlBinggE")
    p256 = "kid-ec-sign", {
        "algorithm": "ES256",
        "key_hex": unbase64url("yy49oPcINGK2ps0LmtxpB6UTEOiITghHBif6wDqmJ3c").hex(),
    }
    ours = "kid-ed-sign", {"algorithm": "EdDSA", "key_hex": ED_SEED.hex()}
    rfc7520 = "018c0ae5-4d9b-471b-bfd6-eef314bc7037", oct_key("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg")
    vectors = []
    for (kid, key), published in [
        (signing, HS256),
        (p256, ES256),
        (rfc7520, [(number, "Figure35", RFC7520_JWS, VALID) for number in (348, 352)]),
        (("hs256-key", oct_key("A" * 43)), HS256_BASE64),
    ]:
        for number, name, text, result in published:
            expect = result if number not in OTHERWISE else {VALID: INVALID, INVALID: VALID}[result]
            if expect == VALID:
                check(key, text, True)
            vector = {"name": f"Wycheproof {number}: {name}", "kid": kid} | key | {"jws": text, "expect": expect}
            if number in OTHERWISE:
                vector |= {"published": result, "because": OTHERWISE[number]}
            vectors.append(vector)
    check(ours[1], RFC8037_JWS, True)
    vectors.append({"name": "RFC 8037: appendix A.4", "kid": None} | ours[1] | {"jws": RFC8037_JWS, "expect": VALID})
    for name, text, expect in eddsa():
        if expect == VALID:
            check(ours[1], text, True)
        vectors.append({"name": f"EdDSA: {name}", "kid": ours[0]} | ours[1] | {"jws": text, "expect": expect})
    return {
        "description": (
            "JSON Web Signatures in compact form, each with a key: of HS256 the secret, of ES256 the private scalar, of EdDSA "
            "the seed. valid: header and encoding are right and the signature is of the key that kid names; the payload is "
            "no claims, so none of them is a token. published and because stand where Wycheproof says otherwise."
        ),
        "source": (
            "HS256 and ES256: Wycheproof (https://github.com/C2SP/wycheproof, Apache-2.0), "
            "testvectors_v1/json_web_signature_test.json, all tests of these two but 354 and 356, which are about a key whose "
            "JWK says that it is for encryption. EdDSA: RFC 8037, and Python's cryptography"
        ),
        "vectors": vectors,
    }
