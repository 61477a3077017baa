"""The original program in small, for the tests: Flask, PyJWT and cryptography, its four routes and its settings.

Run as a program it serves a free port of 127.0.0.1 and prints it.
"""

import base64
import logging
import os
import time
from collections import defaultdict
from datetime import datetime, timedelta, timezone

import jwt
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from flask import Flask, jsonify, request
from werkzeug.serving import make_server

SECRET = os.environ["JWT_SECRET_KEY"]
AES_KEY = os.environ["AES_KEY"].encode()
AES_IV = os.environ["AES_IV"].encode()
WINDOW = int(os.environ.get("RATE_LIMIT_WINDOW", "60"))
MAX_REQUESTS = int(os.environ.get("MAX_REQUESTS", "5"))
CONFIDENTIAL = "This is the original's confidential data."

app = Flask(__name__)
request_times = defaultdict(list)


class Refused(Exception):
    def __init__(self, status, sentence):
        super().__init__(sentence)
        self.status = status


@app.errorhandler(Refused)
def refused(error):
    return jsonify({"error": str(error)}), error.status


def encrypt_data(data):
    padder = padding.PKCS7(128).padder()
    padded = padder.update(data.encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(AES_KEY), modes.CBC(AES_IV)).encryptor()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def decrypt_data(encrypted_data):
    decryptor = Cipher(algorithms.AES(AES_KEY), modes.CBC(AES_IV)).decryptor()
    padded = decryptor.update(base64.b64decode(encrypted_data)) + decryptor.finalize()
    unpadder = padding.PKCS7(128).unpadder()
    return (unpadder.update(padded) + unpadder.finalize()).decode()


def verify_token():
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind != "Bearer" or not token:
        raise Refused(401, "Token is missing!")
    try:
        return jwt.decode(token, SECRET, algorithms=["HS256"])["username"]
    except jwt.ExpiredSignatureError:
        raise Refused(401, "Token has expired!") from None
    except (jwt.InvalidTokenError, KeyError):
        raise Refused(401, "Token is invalid!") from None


def enforce_rate_limit(username):
    now = time.time()
    request_times[username] = [then for then in request_times[username] if now - then < WINDOW]
    if len(request_times[username]) >= MAX_REQUESTS:
        raise Refused(429, "Rate limit exceeded. Please try again later.")
    request_times[username].append(now)


@app.get("/")
def index():
    return jsonify({"message": "Welcome", "endpoints": ["/", "/login", "/secure-data", "/decrypt"]})


@app.post("/login")
def login():
    username = (request.get_json(silent=True) or {}).get("username")
    if not username:
        raise Refused(400, "Username is required!")
    expires = datetime.now(timezone.utc) + timedelta(minutes=30)
    return jsonify({"token": jwt.encode({"username": username, "exp": expires}, SECRET, algorithm="HS256")})


@app.get("/secure-data")
def secure_data():
    enforce_rate_limit(verify_token())
    return jsonify({"encrypted_data": encrypt_data(CONFIDENTIAL)})


@app.post("/decrypt")
def decrypt():
    enforce_rate_limit(verify_token())
    body = request.get_json(silent=True) or {}
    encrypted = body.get("encrypted_data") or body.get("data")
    if not encrypted:
        raise Refused(400, "Encrypted data is required!")
    try:
        return jsonify({"decrypted_data": decrypt_data(encrypted)})
    except ValueError:
        raise Refused(400, "Decryption failed!") from None


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(f"port {server.port}", flush=True)
    server.serve_forever()
