"""What the tests of the package's server share: a gate, a server that is closed again, and its address."""

import pytest

import sealgate
from doors import Site, load

SECRET = load("tokens.json")["jwt_secret_key"]
KEYS = {"jwt_secret_key": SECRET, "aes_key": "an AES_KEY of thirty-two bytes.."}
HERE = {"listen": "127.0.0.1:0", "login_max_requests": 0}


@pytest.fixture(scope="module")
def gate():
    with sealgate.Gate(KEYS, max_requests=3) as gate:
        yield gate


@pytest.fixture
def server(gate):
    with_routes = sealgate.Server(gate, HERE)
    yield with_routes
    with_routes.close()


def started(server):
    return Site(server.start().port)
