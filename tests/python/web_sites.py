"""The same small program on each integration, served by a real server on a free port, and the package's own server beside it.

GET /orders needs a token with the scope "orders" and counts against the limit; /public needs nothing; POST /decrypt decrypts
its body; /fault fails for a reason that no client may see; /gone raises HTTPError; /stream sends three pieces.
"""

import contextlib
import http.client
import socketserver
import threading
import wsgiref.simple_server
from typing import Annotated, Any

import fastapi
import flask
import uvicorn
import werkzeug.serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

import sealgate
import sealgate.asgi
import sealgate.fastapi
import sealgate.flask
import sealgate.wsgi
from doors import PATIENCE, Reply, Site, eventually, load

SECRET = load("tokens.json")["jwt_secret_key"]
PIECES = ["first ", "second ", "third"]
CANARY = "a secret of the program"
PUBLIC = ["/public", "/decrypt", "/fault", "/gone", "/stream"]


def new_gate():
    """Keys of its own, so that tokens can be revoked, and a secret with which a test can sign what the gate would not."""
    return sealgate.Gate(keys="ephemeral", jwt_secret_key=SECRET, max_requests=3)


def fault():
    raise sealgate.StoreError(CANARY)


def gone():
    raise sealgate.HTTPError(410, "There is no order 17.", {"X-Reason": "sold"})


def own_server(gate):
    server = sealgate.Server(gate, {"listen": "127.0.0.1:0"})

    @server.route("GET", "/orders", scope="orders", limited=True)
    def orders(request):
        return {"of": request.user}

    return server


def flask_app(gate):
    app = flask.Flask("shop")
    sealgate.flask.Sealgate(app, gate)

    @app.get("/orders")
    @sealgate.flask.require_scope("orders")
    @sealgate.flask.limit()
    def orders():
        return {"of": sealgate.flask.current_claims().subject}

    @app.get("/public")
    def public():
        return {"claims": sealgate.flask.current_context().claims}

    @app.post("/decrypt")
    def decrypt():
        return {"data": gate.decrypt(flask.request.get_data()).decode()}

    app.get("/fault", endpoint="fault")(fault)
    app.get("/gone", endpoint="gone")(gone)

    @app.get("/stream")
    def stream():
        return flask.Response(iter(PIECES), content_type="text/plain")

    return app


def fastapi_app(gate):
    app = fastapi.FastAPI()
    sealgate.fastapi.install(app)
    bearer = sealgate.fastapi.Bearer(gate, limited=True)

    @app.get("/orders")
    async def orders(claims: Annotated[sealgate.Claims, fastapi.Security(bearer, scopes=["orders"])]) -> Any:
        return {"of": claims.subject}

    @app.get("/public")
    async def public(request: Request) -> Any:
        return {"claims": sealgate.asgi.context_of(request.scope).claims}

    @app.post("/decrypt")
    async def decrypt(request: Request) -> Any:
        return {"data": gate.decrypt(await request.body()).decode()}

    app.get("/fault")(fault)
    app.get("/gone")(gone)

    @app.get("/stream")
    async def stream():
        return StreamingResponse(iter(PIECES), media_type="text/plain")

    return app


def starlette_app(gate):
    async def orders(request):
        return JSONResponse({"of": sealgate.asgi.context_of(request.scope).claims.subject})

    async def public(request):
        return JSONResponse({"claims": sealgate.asgi.context_of(request.scope).claims})

    async def decrypt(request):
        return JSONResponse({"data": gate.decrypt(await request.body()).decode()})

    async def stream(request):
        return StreamingResponse(iter(PIECES), media_type="text/plain")

    routes = [
        Route("/orders", orders),
        Route("/public", public),
        Route("/decrypt", decrypt, methods=["POST"]),
        Route("/fault", lambda request: fault()),
        Route("/gone", lambda request: gone()),
        Route("/stream", stream),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(sealgate.asgi.TokenMiddleware, gate, scope=["orders"], limited=True, public=PUBLIC)
    return app


def wsgi_app(gate):
    def program(environ, start_response):
        path, status = environ["PATH_INFO"], "200 OK"
        claims = sealgate.wsgi.context_of(environ).claims
        body = [f'{{"of": "{claims.subject}"}}' if claims else '{"claims": null}']
        if path == "/decrypt":
            data = gate.decrypt(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))).decode()
            body = [f'{{"data": "{data}"}}']
        elif path == "/fault":
            fault()
        elif path == "/gone":
            gone()
        elif path == "/stream":
            body = PIECES
        elif path not in ("/orders", "/public"):
            status = "404 Not Found"
        start_response(status, [("Content-Type", "application/json")])
        return (piece.encode() for piece in body)

    return sealgate.wsgi.TokenMiddleware(program, gate, scope="orders", limited=True, public=PUBLIC)


@contextlib.contextmanager
def threaded(run, stop):
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@contextlib.contextmanager
def werkzeug_server(app):
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
    with threaded(server.serve_forever, server.shutdown):
        yield server.port
    server.server_close()


class Threading(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def wsgiref_server(app):
    with wsgiref.simple_server.make_server("127.0.0.1", 0, app, Threading, Quiet) as server:
        with threaded(server.serve_forever, server.shutdown):
            yield server.server_port


@contextlib.contextmanager
def uvicorn_server(app):
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_level="warning"))
    with threaded(server.run, lambda: setattr(server, "should_exit", True)):
        eventually(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]


KINDS = {
    "flask": (flask_app, werkzeug_server),
    "fastapi": (fastapi_app, uvicorn_server),
    "starlette": (starlette_app, uvicorn_server),
    "wsgi": (wsgi_app, wsgiref_server),
}


class Elsewhere(Site):
    """A server that is not the package's own, asked with header fields that may repeat."""

    is_ours = False

    def fetch(self, path, *fields, method="GET", body=b""):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.putrequest(method, path)
            for name, value in [*fields, ("Content-Length", str(len(body)))]:
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()


@contextlib.contextmanager
def serving(kind, gate):
    make, serve = KINDS[kind]
    with serve(make(gate)) as port:
        yield Elsewhere(port)
