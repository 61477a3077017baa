"""sealgate.fastapi beside what a real server shows in test_package_web.py: OpenAPI, scopes, WebSockets, dependencies."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Security, WebSocket
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocketDisconnect

import sealgate
from sealgate import Claims
from sealgate.asgi import context_of
from sealgate.fastapi import Bearer, Limit, install


@pytest.fixture
def gate():
    with sealgate.Gate(keys="ephemeral", max_requests=2) as gate:
        yield gate


@pytest.fixture
def app():
    app = FastAPI()
    install(app)
    return app


def header(token):
    return {"Authorization": f"Bearer {token}"}


def test_the_openapi_document_has_the_scheme_and_who_needs_it(app, gate):
    bearer = Bearer(gate, description="From POST /login.")

    @app.get("/open")
    async def free():
        return 1

    @app.get("/me")
    async def me(claims: Annotated[Claims, Depends(bearer)]):
        return claims.subject

    @app.get("/orders")
    async def orders(claims: Annotated[Claims, Security(bearer, scopes=["orders"])]):
        return claims.subject

    document = TestClient(app).get("/openapi.json").json()
    scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "From POST /login."}
    assert document["components"]["securitySchemes"] == {"Sealgate": scheme}
    needed = {path: item["get"].get("security") for path, item in document["paths"].items()}
    assert needed["/open"] is None and needed["/me"] == [{"Sealgate": []}]
    assert [list(one) for one in needed["/orders"]] == [["Sealgate"]]
    # No parameter of a dependency is taken for one of the client's.
    assert all("parameters" not in item["get"] for item in document["paths"].values())


def test_scopes_of_the_router_the_dependency_and_the_route_are_all_needed(app, gate):
    bearer = Bearer(gate, scope="inner")
    router = APIRouter(dependencies=[Security(bearer, scopes=["router"])])

    def manager(claims: Annotated[Claims, Security(bearer, scopes=["manager"])]):
        return claims

    @router.get("/all")
    async def everything(claims: Annotated[Claims, Security(manager, scopes=["route"])]):
        return claims.subject

    app.include_router(router)
    client = TestClient(app)
    names = ["inner", "router", "manager", "route"]
    assert client.get("/all", headers=header(gate.issue_token("alice", scope=names))).json() == "alice"
    for missing in names:
        scope = [name for name in names if name != missing]
        reply = client.get("/all", headers=header(gate.issue_token("alice", scope=scope)))
        assert reply.status_code == 403 and missing in reply.json()["detail"]


def test_a_limited_dependency_counts_a_request_once_however_often_it_is_used(app, gate):
    bearer = Bearer(gate, limited=True)

    @app.get("/orders", dependencies=[Depends(bearer)])
    async def orders(claims: Annotated[Claims, Security(bearer, scopes=["orders"])]):
        return claims.subject

    client, token = TestClient(app), header(gate.issue_token("alice", scope="orders"))
    replies = [client.get("/orders", headers=token) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert [reply.headers["RateLimit"].split(";")[1] for reply in replies] == ["r=1", "r=0", "r=0"]


def test_plain_functions_and_responses_of_their_own(app, gate):
    bearer = Bearer(gate, limited=True)

    @app.get("/plain")
    def plain(claims: Annotated[Claims, Depends(bearer)]):
        return PlainTextResponse(claims.subject)

    reply = TestClient(app).get("/plain", headers=header(gate.issue_token("zoë")))
    assert reply.text == "zoë" and reply.headers["RateLimit"].startswith('"default";r=1;t=')


def test_policies_of_a_bearer_and_of_a_limit():
    app = FastAPI()
    install(app)
    with sealgate.Gate(keys="ephemeral", max_requests=2, limits="exports: 4 per 3600; near: 1 per 60, per address") as gate:
        bearer = Bearer(gate, limited=True, policies={"exports": 2})

        @app.get("/export")
        async def export(claims: Annotated[Claims, Depends(bearer)]):
            return claims.subject

        @app.get("/one", dependencies=[Depends(Limit(gate, policy="exports", cost=3))])
        async def one():
            return "one"

        @app.get("/near", dependencies=[Depends(Limit(gate, policy="near", by=lambda request: "192.0.2.1"))])
        async def near():
            return "near"

        client, token = TestClient(app), header(gate.issue_token("alice"))
        assert client.get("/one").status_code == 401
        replies = [client.get("/export", headers=token) for _ in range(3)]
        assert [reply.status_code for reply in replies] == [200, 200, 429]
        assert replies[1].headers["RateLimit-Policy"] == '"default";q=2;w=60, "exports";q=4;w=3600'
        assert client.get("/one", headers=token).status_code == 429
        assert client.get("/one", headers=header(gate.issue_token("bob"))).status_code == 200
        assert [client.get("/near").status_code for _ in range(2)] == [200, 429]


def test_a_limit_by_address_counts_apart_from_a_user_of_that_name(app, gate):
    limit = Limit(gate, by=lambda request: request.client.host)

    @app.get("/search", dependencies=[Depends(limit)])
    async def search():
        return "found"

    client = TestClient(app)
    assert gate.admit("testclient") and gate.admit("testclient") and not gate.admit("testclient")
    assert [client.get("/search").status_code for _ in range(3)] == [200, 200, 429]


def test_a_websocket_is_accepted_only_with_a_token(app, gate):
    bearer = Bearer(gate)

    @app.websocket("/live")
    async def live(socket: WebSocket, claims: Annotated[Claims, Security(bearer, scopes=["orders"])]):
        await socket.accept()
        await socket.send_text(claims.subject)
        await socket.close()

    client = TestClient(app)
    with client.websocket_connect("/live", headers=header(gate.issue_token("alice", scope="orders"))) as socket:
        assert socket.receive_text() == "alice"
    for token, status in (("x", 401), (gate.issue_token("alice", scope="other"), 403)):
        # Refused before it is accepted: the client sees the response to its handshake.
        with pytest.raises(WebSocketDisconnect) as refused:
            with client.websocket_connect("/live", headers=header(token)):
                raise AssertionError("accepted")
        assert refused.value.status_code == status
        assert refused.value.json()["type"].startswith("urn:sealgate:problem:")


def test_the_claims_are_in_the_context_of_the_request(app, gate):
    @app.get("/me", dependencies=[Depends(Bearer(gate))])
    async def me(request: Request):
        return context_of(request.scope).claims["sub"]

    assert TestClient(app).get("/me", headers=header(gate.issue_token("alice"))).json() == "alice"


def test_two_gates_do_not_accept_each_others_tokens(app, gate):
    with sealgate.Gate(keys="ephemeral") as other:

        @app.get("/either")
        async def either(one: Annotated[Claims, Depends(Bearer(gate))], two: Annotated[Claims, Depends(Bearer(other))]):
            return [one.subject, two.subject]

        for issuer in (gate, other):
            assert TestClient(app).get("/either", headers=header(issuer.issue_token("alice"))).status_code == 401


def test_an_exception_handler_of_the_apps_own_takes_precedence(app, gate):
    @app.exception_handler(sealgate.TokenMissingError)
    async def refused(request, error):
        return PlainTextResponse(error.code, 418)

    @app.get("/me")
    async def me(claims: Annotated[Claims, Depends(Bearer(gate))]):
        return claims.subject

    reply = TestClient(app).get("/me")
    assert (reply.status_code, reply.text) == (418, "token_missing") and reply.headers["X-Request-Id"]


def test_without_install_nothing_is_served_without_a_token(gate):
    app = FastAPI()

    @app.get("/me")
    async def me(claims: Annotated[Claims, Depends(Bearer(gate))]):
        return claims.subject

    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/me").status_code == 500
    assert client.get("/me", headers=header(gate.issue_token("alice"))).json() == "alice"


def test_a_dependency_can_be_overridden_in_tests(app, gate):
    bearer = Bearer(gate)

    @app.get("/me")
    async def me(claims: Annotated[Claims, Depends(bearer)]):
        return claims["sub"]

    app.dependency_overrides[bearer] = lambda: {"sub": "nobody"}
    assert TestClient(app).get("/me").json() == "nobody"


@pytest.mark.parametrize("scope", ["a  b", 'a"b', ["a", "b\n"]])
def test_a_scope_that_is_none_is_refused_at_once(gate, scope):
    with pytest.raises(ValueError):
        Bearer(gate, scope=scope)
