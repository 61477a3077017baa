"""A server in a Python program uses a renewed certificate, whether or not it is asked to."""

import datetime
import os
import socket
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import pytest
import sealgate
from doors import eventually
from served import HERE, gate


def put(folder, number):
    """Places a new pair; its serial number is this one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for file, text in (("cert.pem", certificate.public_bytes(pem)), ("key.pem", key.private_bytes(pem, *plain))):
        new = folder / "new"
        with open(os.open(new, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as out:
            out.write(text)
        new.replace(folder / file)


def connected(port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30))


def number(port):
    with connected(port) as stream:
        return x509.load_der_x509_certificate(stream.getpeercert(binary_form=True)).serial_number


def test_a_renewed_certificate_is_used_and_connections_continue(gate, tmp_path):
    put(tmp_path, 1)
    files = {"tls_cert": str(tmp_path / "cert.pem"), "tls_key": str(tmp_path / "key.pem")}
    with sealgate.Server(gate, {**HERE, **files}) as server:
        assert number(server.port) == 1
        with connected(server.port) as stream:
            put(tmp_path, 2)
            assert eventually(lambda: number(server.port) == 2)
            stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert stream.recv(12) == b"HTTP/1.1 200"


def test_a_reload_uses_a_renewed_certificate_at_once_or_reports_why_not(gate, tmp_path):
    put(tmp_path, 1)
    files = {"tls_cert": str(tmp_path / "cert.pem"), "tls_key": str(tmp_path / "key.pem")}
    server = sealgate.Server(gate, {**HERE, **files})
    with pytest.raises(sealgate.WrongStateError):
        server.reload()
    with server:
        put(tmp_path, 2)
        server.reload()
        assert number(server.port) == 2
        (tmp_path / "cert.pem").write_text("no certificate")
        with pytest.raises(sealgate.SettingError):
            server.reload()
        assert number(server.port) == 2
