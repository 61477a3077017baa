"""The requests of oauth.json: the examples of the OAuth 2.0 standards, as they are printed there."""

import hashlib

BASIC = "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"
ID, SECRET = "s6BhdRkqt3", "gX1fBat3bV"
OK, BAD, UNAUTHORIZED = 200, 400, 401


def request(name, path, authorization, body, status, error=None):
    answer = {} if error is None else {"error": error}
    return {"name": name, "path": path, "authorization": authorization, "body": body, "status": status} | answer


def oauth():
    return {
        "description": (
            "Requests of OAuth 2.0 clients, each a POST of a form, with the status that they get from a server with this "
            "client: client_id, the hash of its secret as the store has it, and the scope introspect. error is a member of "
            "the response; without authorization there is no such header."
        ),
        "source": "RFC 6749, RFC 7009 and RFC 7662: the examples of the sections that the names begin with",
        "client_id": ID,
        "secret_hash_hex": hashlib.sha256(SECRET.encode()).hexdigest(),
        "vectors": [
            request("RFC 6749, 4.4.2: client credentials", "/token", BASIC, "grant_type=client_credentials", OK),
            request(
                "RFC 6749, 6: a refresh token that this server did not issue",
                "/token",
                BASIC,
                "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA",
                BAD,
                "invalid_grant",
            ),
            request(
                "RFC 6749, 2.3.1: HTTP Basic, with another secret",
                "/token",
                "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3",
                "grant_type=client_credentials",
                UNAUTHORIZED,
                "invalid_client",
            ),
            request(
                "RFC 6749, 2.3.1: credentials in the form, with another secret",
                "/token",
                None,
                "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA"
                "&client_id=s6BhdRkqt3&client_secret=7Fjfp0ZBr1KtDRbnfVdmIw",
                UNAUTHORIZED,
                "invalid_client",
            ),
            request(
                "RFC 6749, 4.1.3: a grant that this server does not have",
                "/token",
                BASIC,
                "grant_type=authorization_code&code=SplxlOBeZQQYbYS6WxSbIA"
                "&redirect_uri=https%3A%2F%2Fclient%2Eexample%2Ecom%2Fcb",
                BAD,
                "unsupported_grant_type",
            ),
            request(
                "RFC 6749, 4.3.2: a password is no grant",
                "/token",
                BASIC,
                "grant_type=password&username=johndoe&password=A3ddj3w",
                BAD,
                "unsupported_grant_type",
            ),
            request(
                "RFC 7009, 2.1: a token that this server did not issue",
                "/revoke",
                BASIC,
                "token=45ghiukldjahdnhzdauz&token_type_hint=refresh_token",
                OK,
            ),
            request(
                "RFC 7662, 2.1: by a client",
                "/introspect",
                BASIC,
                "token=mF_9.B5f-4.1JqM&token_type_hint=access_token",
                OK,
            ),
            request(
                "RFC 7662, 2.1: by a token that this server did not issue",
                "/introspect",
                "Bearer 23410913-abewfq.123483",
                "token=2YotnFZFEjr1zCsicMWpAA",
                UNAUTHORIZED,
                "Token is malformed.",
            ),
        ],
    }
