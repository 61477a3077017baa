//! Request lines, the size of heads, and what becomes of the connection.

use super::heads::{BARE, ITSELF, MUTE, REFUSED, SERVED, TRIMS, get, post};
use super::table::{Case, case};

const ENDLESS: &str = "reads a line to its end, however long";
const SPLITS: &str = "takes the first three words of a request line";

fn line(line: &str) -> String {
    format!("{line}\r\nHost: x\r\n\r\n")
}

pub(crate) fn cases() -> Vec<Case> {
    [targets(), methods_and_versions(), sizes(), connections()]
        .into_iter()
        .flatten()
        .collect()
}

fn targets() -> Vec<Case> {
    vec![
        case(
            "an absolute target",
            "GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            SERVED,
        ),
        case(
            "an absolute target of another host",
            "GET http://y/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            REFUSED,
        ),
        case(
            "an absolute target without Host",
            "GET http://x/healthz HTTP/1.1\r\n\r\n",
            REFUSED,
        ),
        case(
            "an absolute target of another scheme",
            "GET ftp://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            REFUSED,
        ),
        case("a query", line("GET /healthz?a=b/../c HTTP/1.1"), SERVED),
        case(
            "OPTIONS of everything",
            line("OPTIONS * HTTP/1.1"),
            "200, open or 204, open",
        ),
        case("GET of everything", line("GET * HTTP/1.1"), REFUSED),
        case(
            "CONNECT",
            "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
            REFUSED,
        ),
        case(
            "CONNECT to a path",
            line("CONNECT /healthz HTTP/1.1"),
            "405 method_not_allowed, open or 400 bad_request, closed",
        ),
        case(
            "a target that is no path",
            line("GET healthz HTTP/1.1"),
            REFUSED,
        ),
        case("a fragment", line("GET /healthz#a HTTP/1.1"), REFUSED),
        case("NUL in the target", line("GET /\0 HTTP/1.1"), REFUSED),
        case(
            "a control character in the target",
            line("GET /\x01 HTTP/1.1"),
            REFUSED,
        ),
        case("DEL in the target", line("GET /\x7f HTTP/1.1"), REFUSED),
        case("a tab in the target", line("GET /a\tb HTTP/1.1"), REFUSED),
        case(
            "bytes over 127 in the target",
            line("GET /ü HTTP/1.1"),
            REFUSED,
        )
        .tiny_http("closed unsaid", MUTE),
        case("no target", line("GET  HTTP/1.1"), REFUSED),
        case("a space in the target", line("GET /a b HTTP/1.1"), REFUSED).tiny_http(BARE, ITSELF),
    ]
}

fn methods_and_versions() -> Vec<Case> {
    const OTHER_METHOD: &str = "405 method_not_allowed, open";
    const NO_VERSION: &str = "400 bad_request, closed or 505 version_not_supported, closed";
    vec![
        case("a method in small letters", line("get /healthz HTTP/1.1"), OTHER_METHOD),
        case("an unknown method", line("BREW /healthz HTTP/1.1"), OTHER_METHOD),
        case("TRACE", line("TRACE /healthz HTTP/1.1"), OTHER_METHOD),
        case("another method", line("DELETE /login HTTP/1.1"), OTHER_METHOD),
        case("OPTIONS of a path", line("OPTIONS /login HTTP/1.1"), "200, open or 204, open"),
        case("an unknown path", line("GET /nothing HTTP/1.1"), "404 not_found, open"),
        case("a method that is no token", line("G@T /healthz HTTP/1.1"), REFUSED).tiny_http("405 method_not_allowed, open", "takes any word for a method"),
        case("NUL in the method", line("GE\0T /healthz HTTP/1.1"), REFUSED).tiny_http("405 method_not_allowed, open", "takes any word for a method"),
        case("no method", line(" /healthz HTTP/1.1"), REFUSED).tiny_http(BARE, ITSELF),
        case("a space in front", line(" GET /healthz HTTP/1.1"), REFUSED).tiny_http(SERVED, TRIMS),
        case("two spaces before the target", line("GET  /healthz HTTP/1.1"), REFUSED).tiny_http(BARE, ITSELF),
        case("two spaces before the version", line("GET /healthz  HTTP/1.1"), REFUSED).tiny_http(BARE, ITSELF),
        case("tabs for spaces", line("GET\t/healthz\tHTTP/1.1"), REFUSED).tiny_http(BARE, ITSELF),
        case("a space after the version", line("GET /healthz HTTP/1.1 "), REFUSED).tiny_http(SERVED, TRIMS),
        case("words after the version", line("GET /healthz HTTP/1.1 b"), REFUSED).tiny_http(SERVED, SPLITS),
        case("nonsense", "nonsense\r\n\r\n", REFUSED).tiny_http(BARE, ITSELF),
        case("HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n", "200, closed"),
        case("HTTP/1.9", line("GET /healthz HTTP/1.9"), "505 version_not_supported, closed")
            .tiny_http(BARE, ITSELF),
        case("HTTP/2.0", line("GET /healthz HTTP/2.0"), "505 version_not_supported, closed")
            .tiny_http("silent", "hangs at a request for HTTP/2.0"),
        case(
            "HTTP/2 with prior knowledge",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
            "505 version_not_supported, closed",
        )
        .tiny_http("silent", "hangs at a request for HTTP/2.0"),
        case("HTTP/3.0", line("GET /healthz HTTP/3.0"), "505 version_not_supported, closed")
            .tiny_http("silent", "hangs at a request for HTTP/2.0"),
        case("HTTP/0.9 said", line("GET /healthz HTTP/0.9"), "505 version_not_supported, closed")
            .tiny_http("200, open", "serves HTTP/0.9 as something newer"),
        case("HTTP/0.9 as it was", "GET /healthz\r\n", REFUSED).tiny_http(BARE, ITSELF),
        case("HTTP/1.10", line("GET /healthz HTTP/1.10"), NO_VERSION).tiny_http(BARE, ITSELF),
        case("HTTP/11", line("GET /healthz HTTP/11"), NO_VERSION).tiny_http(BARE, ITSELF),
        case("HTTP/1,1", line("GET /healthz HTTP/1,1"), NO_VERSION).tiny_http(BARE, ITSELF),
        case("http/1.1 in small letters", line("GET /healthz http/1.1"), NO_VERSION).tiny_http(BARE, ITSELF),
        case("another protocol", line("GET /healthz ICY/1.1"), NO_VERSION).tiny_http(BARE, ITSELF),
        case(
            "TLS on a plain port",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 client hello of TLS 1.3 \x13\x02\x13\x03".to_vec(),
            REFUSED,
        )
        .tiny_http("closed unsaid", MUTE),
    ]
}

fn sizes() -> Vec<Case> {
    const HEAD: &str = "431 head_too_large, closed";
    const TARGET: &str = "414 target_too_long, closed";
    vec![
        case(
            "a target of 8 KiB",
            line(&format!("GET /healthz?{} HTTP/1.1", "a".repeat(8192 - 9))),
            SERVED,
        ),
        case(
            "a target of 9 KiB",
            line(&format!("GET /{} HTTP/1.1", "a".repeat(9 << 10))),
            TARGET,
        ),
        case("64 fields", get(&"A: b\r\n".repeat(63)), SERVED),
        case("65 fields", get(&"A: b\r\n".repeat(64)), HEAD),
        case("1,000 fields", get(&"A: b\r\n".repeat(1000)), HEAD),
        case(
            "a head of 15 KiB",
            get(&format!("A: {}\r\n", "b".repeat(15 << 10))),
            SERVED,
        ),
        case(
            "a head of 17 KiB",
            get(&format!("A: {}\r\n", "b".repeat(17 << 10))),
            HEAD,
        ),
        case(
            "a name of 17 KiB",
            get(&format!("{}: b\r\n", "a".repeat(17 << 10))),
            HEAD,
        ),
        case(
            "a head that has no end",
            "GET / HTTP/1.1\r\nHost: x\r\nA: ".to_owned() + &"b".repeat(20 << 10),
            HEAD,
        )
        .tiny_http("refused unsaid", ENDLESS),
        case(
            "a target that has no end",
            "GET /".to_owned() + &"a".repeat(20 << 10),
            TARGET,
        )
        .tiny_http(BARE, ENDLESS),
        case(
            "a method that has no end",
            "A".repeat(20 << 10),
            "400 bad_request, closed or 414 target_too_long, closed or 431 head_too_large, closed",
        )
        .tiny_http("open", ENDLESS),
        case(
            "empty lines without end",
            "\r\n".repeat(10 << 10),
            "400 bad_request, closed or 431 head_too_large, closed",
        )
        .tiny_http(BARE, ITSELF),
    ]
}

fn connections() -> Vec<Case> {
    const CLOSED: &str = "200, closed";
    const WORDS: &str = "looks for words anywhere in the first Connection field";
    vec![
        case("close", get("Connection: close\r\n"), CLOSED),
        case("Close, in capitals", get("Connection: CLOSE\r\n"), CLOSED),
        case("close in a list", get("Connection: a, close\r\n"), CLOSED),
        case(
            "close in a second field",
            get("Connection: keep-alive\r\nConnection: close\r\n"),
            CLOSED,
        )
        .tiny_http(SERVED, WORDS),
        case(
            "a word with close in it",
            get("Connection: unclosed\r\n"),
            SERVED,
        )
        .tiny_http(CLOSED, WORDS),
        case("keep-alive", get("Connection: keep-alive\r\n"), SERVED),
        case(
            "keep-alive in HTTP/1.0",
            "GET /healthz HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
            SERVED,
        ),
        case(
            "close in HTTP/1.0",
            "GET /healthz HTTP/1.0\r\nConnection: close\r\n\r\n",
            CLOSED,
        ),
        case(
            "an upgrade",
            get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n"),
            SERVED,
        )
        .tiny_http(CLOSED, "takes an upgrade for the end of HTTP"),
        case(
            "a refused request with requests behind it",
            get("A : b\r\n") + &get("") + &get(""),
            REFUSED,
        )
        .tiny_http(BARE, ITSELF),
        case(
            "two good ones before a refused one",
            get("") + &get("") + &post("Content-Length: 1\r\nContent-Length: 1\r\n") + &get(""),
            "200, 200, 400 bad_request, closed",
        ),
        case(
            "a good one before one that says close",
            get("") + &get("Connection: close\r\n") + &get(""),
            "200, 200, closed",
        ),
    ]
}
