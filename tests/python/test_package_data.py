"""The package's data: any bytes in, no copies of inputs, one failure for all that does not open."""

import array
import mmap
import os
import tracemalloc

import pytest

import sealgate
from doors import load, named

MASKING = load("masking.json")["vectors"]


@pytest.fixture(scope="module")
def gate():
    with sealgate.Gate(keys="ephemeral") as gate:
        yield gate


def mapped(data):
    memory = mmap.mmap(-1, max(len(data), 1))
    memory[: len(data)] = data
    return memory


class Text(str):
    def encode(self, *_):
        return b"something else"


class Longer(bytes):
    def __len__(self):
        return 1_000_000


MESSAGE = b"meet me at noon\x00\xff"
BYTES_LIKE = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "memoryview of a part": lambda data: memoryview(b"<" + data + b">")[1:-1],
    "array": lambda data: array.array("B", data),
    "mmap": mapped,
    "bytes with another __len__": Longer,
}


@pytest.mark.parametrize("make", BYTES_LIKE.values(), ids=BYTES_LIKE.keys())
def test_any_bytes_like_object_is_data_and_context(gate, make):
    message, context = make(MESSAGE), make(b"a context")
    assert gate.decrypt(gate.encrypt(message, context=context), context=b"a context")[: len(MESSAGE)] == MESSAGE
    sealed = gate.seal(message, context)
    assert gate.open(make(sealed), context) == MESSAGE
    with pytest.raises(sealgate.DecryptFailedError):
        gate.open(sealed, b"another context")


def test_an_array_is_taken_as_its_bytes(gate):
    assert gate.open(gate.seal(array.array("I", [1, 2, 3]))) == array.array("I", [1, 2, 3]).tobytes()


def test_text_is_utf_8(gate):
    assert gate.decrypt(gate.encrypt("grüezi 🔑")) == "grüezi 🔑".encode()
    assert gate.open(gate.seal("grüezi", "zoë"), "zoë".encode()) == "grüezi".encode()
    assert gate.decrypt(gate.encrypt(Text("plain"))) == b"plain"
    with pytest.raises(ValueError):
        gate.encrypt("\ud800")


@pytest.mark.parametrize("size", [0, 1, 15, 16, 1024, 16 * 1024 - 1, 16 * 1024, 1 << 20])
def test_every_size_comes_back(gate, size):
    data = os.urandom(size)
    sealed = gate.seal(data)
    assert len(sealed) == size + sealgate.OVERHEAD
    assert gate.open(sealed) == data
    assert gate.decrypt(gate.encrypt(data)) == data


@pytest.mark.parametrize("wrong", [None, 7, 1.5, ["a"], object()])
def test_what_is_neither_bytes_nor_text_is_a_type_error(gate, wrong):
    for call in (gate.encrypt, gate.seal, gate.open, gate.decrypt):
        with pytest.raises(TypeError):
            call(wrong)
    with pytest.raises(TypeError):
        gate.seal(b"", wrong)


def test_memory_that_is_not_contiguous_is_refused(gate):
    with pytest.raises(BufferError):
        gate.seal(memoryview(b"abcdef")[::2])


@pytest.mark.parametrize("fail", [False, True])
def test_a_bytearray_is_free_again_after_the_call(gate, fail):
    data = bytearray(gate.seal(b"x"))
    if fail:
        data[-1] ^= 1
        with pytest.raises(sealgate.DecryptFailedError) as raised:
            gate.open(data)
    else:
        gate.open(data)
    data.append(1)  # BufferError while anybody holds it; the traceback of `raised` does not
    assert not fail or raised


def test_large_inputs_are_not_copied(gate):
    size = 32 << 20
    sealed = gate.seal(bytes(size))
    out = bytearray(size + sealgate.OVERHEAD)
    for data in (bytes(size), bytearray(size), memoryview(bytes(size))):
        tracemalloc.start()
        gate.seal_into(data, out)
        gate.open_into(sealed, out)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20, type(data)
        tracemalloc.reset_peak()
        gate.seal(data)  # the result alone
        assert tracemalloc.get_traced_memory()[1] < size + (1 << 20), type(data)
        tracemalloc.stop()


def test_sealing_and_opening_into_a_buffer(gate):
    out = bytearray(100)
    written = gate.seal_into(b"meet me", out, b"notes")
    assert written == 7 + sealgate.OVERHEAD and not any(out[written:])
    opened = bytearray(7)
    assert gate.open_into(out[:written], opened, b"notes") == 7 and opened == b"meet me"

    for room in (0, 6):
        with pytest.raises(sealgate.BufferTooSmallError):
            gate.open_into(out[:written], bytearray(room), b"notes")
        with pytest.raises(BufferError):
            gate.seal_into(b"meet me", bytearray(room))
    for fixed in (b"bytes never change", memoryview(b"nor do these")):
        with pytest.raises(BufferError):
            gate.seal_into(b"", fixed)
    with pytest.raises(TypeError):
        gate.seal_into(b"", "text")
    with pytest.raises(sealgate.InvalidArgumentError, match="overlaps"):
        gate.seal_into(memoryview(out)[:7], out)


def test_nothing_readable_is_left_of_what_does_not_open(gate):
    sealed = bytearray(gate.seal(b"secret" * 100))
    sealed[-1] ^= 1
    out = bytearray(600)
    with pytest.raises(sealgate.DecryptFailedError):
        gate.open_into(sealed, out)
    assert b"secret" not in out


@pytest.mark.parametrize("damaged", ["", "!", "AAAA", "\u00fc", "AaYA" * 30, "\ud800"])
def test_what_does_not_open_is_one_error(gate, damaged):
    with pytest.raises(ValueError) as raised:
        gate.decrypt(damaged)
    if damaged != "\ud800":  # no text at all
        assert type(raised.value) is sealgate.DecryptFailedError


def test_every_changed_bit_is_noticed(gate):
    sealed = gate.seal(b"x")
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(sealgate.DecryptFailedError):
            gate.open(changed)


def test_data_of_the_original_opens_as_bytes_too():
    keys = {"aes_key": b"thirty-two bytes as in the seed!", "aes_iv": b"an IV of 16 byte"}
    import base64

    with sealgate.Gate(**keys, jwt_secret_key="j" * 32) as gate:
        for size in (0, 1, 15, 16, 40, 1000):
            old = base64.b64decode(gate.encrypt(b"x" * size))  # AES-CBC, which is shorter than sealed data
            assert len(old) == size // 16 * 16 + 16
            assert gate.open(old) == b"x" * size
        with pytest.raises(sealgate.InvalidArgumentError):
            gate.encrypt("x", context="no room for it in AES-CBC")


@pytest.mark.parametrize("vector", named(MASKING))
def test_masking_as_the_vectors_say(gate, vector):
    arguments = vector["data"], vector["visible_chars"]
    assert sealgate.mask_data(*arguments) == gate.mask(*arguments) == vector["masked"]


@pytest.mark.parametrize("wrong", [-1, 2**31, 2**64, -(2**64)])
def test_a_number_that_c_would_cut_off_is_refused(wrong):
    with pytest.raises(ValueError):
        sealgate.mask_data("my_password", wrong)
    with pytest.raises(TypeError):
        sealgate.mask_data("my_password", 1.5)
    with pytest.raises(TypeError):
        sealgate.mask_data(None)
