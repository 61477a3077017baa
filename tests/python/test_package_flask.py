"""sealgate.flask beside what a real server shows in test_package_web.py: decorators, blueprints, async views, contexts."""

import re

import flask
import pytest
from flask.views import MethodView

import sealgate
from sealgate.flask import Sealgate, current_claims, current_context, limit, require_scope, require_token


@pytest.fixture
def gate():
    with sealgate.Gate(keys="ephemeral", max_requests=2) as gate:
        yield gate


@pytest.fixture
def app(gate):
    app = flask.Flask("shop")
    Sealgate(app, gate)
    return app


def header(token):
    return {"Authorization": f"Bearer {token}"}


def test_any_valid_token_passes_where_no_scope_is_named(app, gate):
    @app.get("/me")
    @require_token
    def me():
        return {"user": current_claims().subject, "scopes": current_claims().scopes}

    client = app.test_client()
    assert client.get("/me").status_code == 401
    assert client.get("/me", headers=header(gate.issue_token("zoë", scope="a b"))).json == {"user": "zoë", "scopes": ["a", "b"]}


@pytest.mark.parametrize("names", ["orders encrypt", ["orders", "encrypt"]])
def test_all_named_scopes_are_needed(app, gate, names):
    app.get("/both")(require_scope(names)(lambda: "both"))
    client = app.test_client()
    for scope, status in (("orders", 403), ("encrypt", 403), ("encrypt other orders", 200)):
        reply = client.get("/both", headers=header(gate.issue_token("alice", scope=scope)))
        assert reply.status_code == status
        if status == 403:
            assert reply.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="orders encrypt"'


@pytest.mark.parametrize("names", ["", [], " ", "a  b", 'a"b', "a\nb", "ä", ["a", ""], "a\\"])
def test_a_scope_that_is_none_is_refused_when_the_view_is_decorated(names):
    with pytest.raises(ValueError):
        require_scope(names)


def test_the_name_and_the_parameters_of_a_view_stay(app, gate):
    @app.get("/orders/<int:number>")
    @require_scope("orders")
    @limit()
    def order(number):
        """Says which."""
        return {"order": number}

    assert order.__name__ == "order" and order.__doc__ == "Says which."
    token = header(gate.issue_token("alice", scope="orders"))
    assert app.test_client().get("/orders/17", headers=token).json == {"order": 17}


def test_blueprints_and_class_based_views(app, gate):
    shop = flask.Blueprint("inner", "inner", url_prefix="/inner")

    class Orders(MethodView):
        decorators = [require_scope("orders")]

        def get(self):
            return current_claims().subject

    shop.add_url_rule("/orders", view_func=Orders.as_view("orders"))
    app.register_blueprint(shop)
    client = app.test_client()
    assert client.get("/inner/orders").json["type"] == "urn:sealgate:problem:token_missing"
    assert client.get("/inner/orders", headers=header(gate.issue_token("alice", scope="orders"))).text == "alice"


def test_an_async_view(app, gate):
    pytest.importorskip("asgiref")

    @app.get("/orders")
    @require_scope("orders")
    async def orders():
        return current_claims().subject

    client = app.test_client()
    assert client.get("/orders").status_code == 401
    assert client.get("/orders", headers=header(gate.issue_token("alice", scope="orders"))).text == "alice"


def test_a_limit_by_address_counts_apart_from_a_user_of_that_name(app, gate):
    @app.get("/search")
    @limit(by=lambda: flask.request.remote_addr)
    def search():
        return "found"

    @app.get("/me")
    @limit()
    def me():
        return "me"

    client = app.test_client()
    assert [client.get("/search").status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/search", environ_overrides={"REMOTE_ADDR": "127.0.0.2"}).status_code == 200
    # A user who has the address for a name neither uses up its requests nor is hindered by them.
    token = header(gate.issue_token("127.0.0.1", scope=""))
    assert [client.get("/me", headers=token).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/me").status_code == 401


def test_two_limits_count_each_and_the_tighter_one_is_stated(app, gate):
    @app.get("/both")
    @limit(by=lambda: flask.request.remote_addr)
    @limit()
    @limit()
    def both():
        return "both"

    client = app.test_client()
    first = client.get("/both", headers=header(gate.issue_token("alice")))
    assert first.headers.getlist("RateLimit")[0].startswith('"default";r=1;t=')  # the same limit twice counts once
    second = client.get("/both", headers=header(gate.issue_token("bob")))
    assert second.status_code == 200 and second.headers.getlist("RateLimit")[0].startswith('"default";r=0;t=')
    assert client.get("/both", headers=header(gate.issue_token("carol"))).status_code == 429


def test_an_api_key_counts_under_the_limit_of_its_own(app, gate):
    app.get("/limited")(require_scope("orders")(limit()(lambda: "ok")))
    client = app.test_client()
    key, _ = gate.add_api_key("alice", scope="orders", limit=(1, 60))
    replies = [client.get("/limited", headers=header(key)) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [200, 429]
    # The user's own limit is left alone, and a key without one counts as its user.
    token, plain = gate.issue_token("alice", scope="orders"), gate.add_api_key("alice", scope="orders").key
    assert [client.get("/limited", headers=header(who)).status_code for who in (token, plain, token)] == [200, 200, 429]


def test_an_api_key_is_no_request_id(app, gate):
    app.get("/")(lambda: "ok")
    key, _ = gate.add_api_key("alice", scope="orders")
    assert app.test_client().get("/", headers={"X-Request-Id": key}).headers["X-Request-Id"] != key


@pytest.fixture
def limited():
    policies = "exports: 5 per 3600; near: 1 per 60, per address"
    with sealgate.Gate(keys="ephemeral", max_requests=3, limits=policies) as gate:
        app = flask.Flask("limited")
        Sealgate(app, gate)
        yield app, gate


def test_every_policy_that_counted_is_stated(limited):
    app, gate = limited

    @app.get("/export")
    @require_scope("orders")
    @limit()
    @limit(policy="exports", cost=2)
    def export():
        return "export"

    client, token = app.test_client(), header(gate.issue_token("alice", scope="orders"))
    replies = [client.get("/export", headers=token) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    for reply, left in zip(replies, ((2, 3), (1, 1), (0, 1))):
        assert reply.headers["RateLimit-Policy"] == '"default";q=3;w=60, "exports";q=5;w=3600'
        assert re.fullmatch(r'"default";r=%d;t=\d+, "exports";r=%d;t=\d+' % left, reply.headers["RateLimit"])
    assert 60 < int(replies[2].headers["Retry-After"]) <= 3600


def test_a_policy_for_addresses_gets_the_address(limited):
    app, gate = limited
    app.get("/near")(limit(by=lambda: flask.request.remote_addr, policy="near")(lambda: "near"))
    client = app.test_client()
    assert [client.get("/near").status_code for _ in range(2)] == [200, 429]
    assert not gate.peek("127.0.0.1", "near")
    assert client.get("/near", environ_overrides={"REMOTE_ADDR": "127.0.0.2"}).status_code == 200


@pytest.mark.parametrize("settings", [{"policy": "none"}, {"policy": "exports", "cost": 6}, {"policy": "near"}])
def test_a_policy_that_cannot_count_is_a_fault_of_the_program(limited, settings, caplog):
    app, gate = limited
    app.get("/wrong")(limit(**settings)(lambda: "wrong"))
    reply = app.test_client().get("/wrong", headers=header(gate.issue_token("alice")))
    assert reply.status_code == 500 and reply.json["type"].endswith(":internal")
    assert isinstance(caplog.records[0].exc_info[1], sealgate.SettingError)


def test_without_a_limit_none_is_stated():
    app = flask.Flask("free")
    with sealgate.Gate(keys="ephemeral", max_requests=0) as gate:
        Sealgate(app, gate)
        app.get("/free")(limit()(lambda: "free"))
        token = header(gate.issue_token("alice"))
        for _ in range(10):
            reply = app.test_client().get("/free", headers=token)
            assert reply.status_code == 200 and "RateLimit" not in reply.headers


def test_no_request_sees_the_claims_of_another_one_in_the_same_app_context(app, gate):
    app.get("/mine")(require_token(lambda: current_claims().subject))
    app.get("/open", endpoint="open")(lambda: {"claims": current_context().claims})
    client = app.test_client()
    with app.app_context():
        assert client.get("/mine", headers=header(gate.issue_token("alice"))).text == "alice"
        assert client.get("/open").json == {"claims": None}
        assert client.get("/mine").status_code == 401


def test_claims_that_nothing_has_verified_are_an_error_of_the_program(app, gate, caplog):
    app.get("/open")(lambda: current_claims().subject)
    reply = app.test_client().get("/open", headers=header(gate.issue_token("alice")))
    assert reply.status_code == 500 and "require_token" not in reply.text
    assert "require_token" in str(caplog.records[0].exc_info[1])


def test_an_app_without_the_extension_serves_nothing(gate):
    app = flask.Flask("bare")
    app.get("/orders")(require_scope("orders")(lambda: "orders"))
    reply = app.test_client().get("/orders", headers=header(gate.issue_token("alice", scope="orders")))
    assert reply.status_code == 500 and b"orders" not in reply.data


def test_an_error_handler_of_the_apps_own_takes_precedence(app):
    @app.errorhandler(sealgate.TokenError)
    def refused(error):
        return {"mine": error.code}, 418

    app.get("/orders")(require_token(lambda: "orders"))
    reply = app.test_client().get("/orders")
    assert (reply.status_code, reply.json) == (418, {"mine": "token_missing"})


def test_the_extension_may_come_before_the_app(gate):
    extension = Sealgate(gate=gate)
    for name in ("one", "two"):
        app = flask.Flask(name)
        extension.init_app(app)
        app.get("/me")(require_token(lambda: current_claims().subject))
        assert app.test_client().get("/me", headers=header(gate.issue_token(name))).text == name
    assert extension.gate is gate


def test_without_a_gate_it_is_the_environments(monkeypatch, gate):
    from sealgate import original

    monkeypatch.setattr(original, "_gates", {"default": gate})
    app = flask.Flask("default")
    Sealgate(app)
    app.get("/me")(require_token(lambda: current_claims().subject))
    assert app.test_client().get("/me", headers=header(gate.issue_token("alice"))).text == "alice"


def test_ids_and_traces(app):
    @app.get("/ids")
    def ids():
        context = current_context()
        return {"id": context.request_id, "trace": context.trace_id, "span": context.span_id}

    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    sent = {"X-Request-Id": "mine", "traceparent": f"00-{trace}-{span}-01"}
    client = app.test_client()
    reply = client.get("/ids", headers=sent)
    assert reply.json == {"id": "mine", "trace": trace, "span": span} and reply.headers["X-Request-Id"] == "mine"
    for wrong in (f"00-{trace}-{span}-01-more", f"ff-{trace}-{span}-01", f"00-{'0' * 32}-{span}-01", "", f"00-{trace.upper()}-{span}-01"):
        assert client.get("/ids", headers={"traceparent": wrong}).json["trace"] is None
    assert client.get("/ids", headers={"traceparent": f"01-{trace}-{span}-01-more"}).json["trace"] == trace
