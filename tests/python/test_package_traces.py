"""Routes know the trace that a request belongs to."""

import sealgate
from served import HERE, gate

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_route_knows_the_trace_of_its_request(gate):
    import urllib.request

    server = sealgate.Server(gate, HERE)

    @server.route("GET", "/trace")
    def trace(request):
        return {"trace": request.trace_id, "span": request.span_id}

    def ask(*headers):
        request = urllib.request.Request(server.url + "/trace", headers=dict(headers))
        return urllib.request.urlopen(request, timeout=60).read().decode()

    with server:
        assert ask(("traceparent", f"00-{TRACE}-{SPAN}-01")) == f'{{"trace": "{TRACE}", "span": "{SPAN}"}}'
        for wrong in ("", "00-" + TRACE, f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE.upper()}-{SPAN}-01"):
            assert ask(("traceparent", wrong)) == '{"trace": null, "span": null}'
        assert ask() == '{"trace": null, "span": null}'
