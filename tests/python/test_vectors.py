"""The vectors are what their generator makes, and what the specifications say."""

import base64
import subprocess
import sys

import pytest

import make
import reference
from doors import PATIENCE, VECTORS, load, named


@pytest.fixture(scope="module")
def built():
    return make.build()


def test_the_files_are_current(built):
    for name, content in built.items():
        assert (VECTORS / name).read_bytes() == content, f"run: python tests/vectors/make.py ({name} differs)"


def test_every_file_of_vectors_has_a_generator(built):
    assert {path.name for path in VECTORS.glob("*.json")} == set(built)


def test_the_generator_says_whether_the_files_are_current():
    checked = subprocess.run(
        [sys.executable, "-B", VECTORS / "make.py", "--check"], capture_output=True, timeout=PATIENCE, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, b"")


def test_every_file_says_what_it_is_and_where_it_comes_from(built):
    for name in built:
        content = load(name)
        assert content["description"] and content["source"] and content["vectors"], name


def test_names_are_unique_within_a_file(built):
    for name in built:
        names = [vector["name"] for vector in load(name)["vectors"]]
        assert len(set(names)) == len(names), name


def test_members_named_hex_and_base64_are(built):
    for name in built:
        for vector in load(name)["vectors"]:
            for member, value in vector.items():
                if member.endswith("_hex"):
                    assert bytes.fromhex(value).hex() == value, (name, vector["name"], member)
                if member.endswith("_base64"):
                    assert base64.b64encode(base64.b64decode(value, validate=True)).decode() == value


@pytest.mark.parametrize("vector", named(load("xaes_256_gcm.json")["vectors"]))
def test_the_reference_code_computes_the_published_values(vector):
    given = {name: bytes.fromhex(value) for name, value in vector.items() if name.endswith("_hex")}
    key, nonce, aad = given["key_hex"], given["nonce_hex"], given["aad_hex"]
    for name, value in reference.xaes_derivation(key, nonce).items():
        assert value == given[f"{name}_hex"], name
    assert reference.xaes_seal(key, nonce, given["plaintext_hex"], aad) == given["ciphertext_and_tag_hex"]
    assert reference.xaes_open(key, nonce, given["ciphertext_and_tag_hex"], aad) == given["plaintext_hex"]


def test_the_reference_code_passes_the_accumulated_test():
    shortest = min(load("xaes_256_gcm.json")["accumulated"]["vectors"], key=lambda vector: vector["iterations"])
    assert reference.xaes_accumulated(shortest["iterations"]).hex() == shortest["result_hex"]
