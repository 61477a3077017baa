"""What the package believes about the C library is what sealgate.h says."""

import re
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p

import pytest

import sealgate
from conftest import ROOT
from sealgate import _signatures, _version, errors
from sealgate._load import HELD, LIBRARY

HEADER = (ROOT / "include" / "sealgate.h").read_text(encoding="utf-8")
CODE = re.sub(r"/\*.*?\*/", " ", HEADER, flags=re.DOTALL)

CALLBACKS = {
    "sealgate_log_callback": _signatures.LogCallback,
    "sealgate_drop": _signatures.Drop,
    "sealgate_route_callback": _signatures.RouteCallback,
    "sealgate_authenticate_callback": _signatures.AuthenticateCallback,
    "sealgate_secure_data_callback": _signatures.SecureDataCallback,
}
VALUES = {
    "void": None,
    "sealgate_status": c_int32,
    "int32_t": c_int32,
    "int64_t": c_int64,
    "uint16_t": c_uint16,
    "uint32_t": c_uint32,
    "uint64_t": c_uint64,
    "size_t": c_size_t,
} | CALLBACKS


def ctype_of(written, *, result=False):
    """The ctypes type for a type of C, without its name."""
    words = written.replace("*", " * ").split()
    stars = words.count("*")
    [base] = [word for word in words if word not in ("*", "const", "struct")]
    if stars == 0:
        return VALUES[base]
    if stars == 2:
        return POINTER(c_void_p)
    if base in ("char", "void") or base.startswith("sealgate_"):
        return c_char_p if result else c_void_p
    return POINTER(VALUES[base])


def parameters_of(listed):
    for parameter in listed.split(","):
        if parameter.strip() != "void":
            yield ctype_of(re.sub(r"\w+\s*$", "", parameter))


def declared_in_the_header():
    # `const char *name(...);`, `sealgate_status name(...);`
    pattern = r"^(?:SEALGATE_MUST_USE\s+)?((?:const )?\w+ \*?)\s*(sealgate_\w+)\(([^)]*)\);"
    for result, name, listed in re.findall(pattern, CODE, flags=re.MULTILINE):
        yield name, (ctype_of(result, result=True), tuple(parameters_of(listed)))


FUNCTIONS = dict(declared_in_the_header())


def test_all_functions_of_the_header_were_read():
    assert set(FUNCTIONS) == set((ROOT / "include" / "symbols.txt").read_text().split())


def test_the_package_has_every_function_of_the_header_and_no_other():
    assert set(_signatures.SIGNATURES) == set(FUNCTIONS)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_signature_is_the_headers(name):
    result, arguments = _signatures.SIGNATURES[name]
    assert (result, tuple(arguments)) == FUNCTIONS[name]
    for library in (LIBRARY, HELD):
        function = getattr(library, name)
        assert (function.restype, tuple(function.argtypes)) == FUNCTIONS[name]


@pytest.mark.parametrize("name", sorted(CALLBACKS))
def test_the_callback_is_the_headers(name):
    [(result, listed)] = re.findall(rf"typedef (\w+) \(\*{name}\)\(([^)]*)\);", CODE)
    assert CALLBACKS[name]._restype_ == VALUES[result]
    assert tuple(CALLBACKS[name]._argtypes_) == tuple(parameters_of(listed))


def test_the_buffer_is_the_headers():
    [members] = re.findall(r"typedef struct sealgate_buffer \{([^}]*)\}", CODE)
    written = [(name, ctype_of(kind)) for kind, name in re.findall(r"([\w ]+\*?)\s*\b(\w+);", members)]
    assert _signatures.Buffer._fields_ == written


def test_the_admission_is_the_headers():
    [members] = re.findall(r"typedef struct sealgate_admission \{([^}]*)\}", CODE)
    written = [(name, ctype_of(kind)) for kind, name in re.findall(r"([\w ]+\*?)\s*\b(\w+);", members)]
    assert _signatures.Admission._fields_ == written


def test_every_status_has_an_exception_of_its_name_that_is_also_one_of_pythons():
    statuses = {int(number): name for name, number in re.findall(r"SEALGATE_STATUS_(\w+) = (\d+),", CODE)}
    assert statuses.pop(0) == "OK"
    assert set(errors._BY_STATUS) == set(statuses)
    for number, name in statuses.items():
        cls = errors._BY_STATUS[number]
        assert cls.code == name.lower() == LIBRARY.sealgate_status_name(number).decode()
        assert cls.__name__ == name.title().replace("_", "") + "Error"
        builtin = [base for base in cls.__mro__ if base.__module__ == "builtins" and base not in (Exception, BaseException, object)]
        assert builtin, f"{cls} is no exception of Python's own"
        assert getattr(sealgate, cls.__name__) is cls


def test_the_numbers_of_routes_and_levels_are_the_headers():
    from sealgate import log, server

    defined = {name: int(value) for name, value in re.findall(r"#define SEALGATE_(\w+) (\d+)\b", CODE)}
    assert (server._TOKEN, server._LIMITED, server._BLOCKING) == tuple(
        defined[f"ROUTE_{name}"] for name in ("TOKEN", "LIMITED", "BLOCKING")
    )
    levels = {defined[f"LOG_{name}"]: name for name in ("ERROR", "WARN", "INFO", "DEBUG")}
    import logging

    assert {number: logging.getLevelName(level)[:4] for number, level in log._LEVELS.items()} == {
        number: name[:4] for number, name in levels.items()
    }


def test_the_versions_are_those_of_the_header_and_the_crate():
    [number] = re.findall(r"#define SEALGATE_ABI_VERSION (\d+)", CODE)
    assert _version.ABI_VERSION == int(number)
    crate = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    assert sealgate.__version__ == sealgate.version() == crate
