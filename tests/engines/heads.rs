//! Header fields: served, refused, and what says where the body ends.

use super::hosts::hosts;
use super::table::{Case, case};

pub(super) const SERVED: &str = "200, open";
pub(super) const REFUSED: &str = "400 bad_request, closed";

pub(super) const BARE: &str = "400 bare, closed unsaid";
pub(super) const ITSELF: &str = "answers malformed heads itself, without JSON";
pub(super) const ASIDE: &str = "would allocate all that is claimed: the connection is set aside";
pub(super) const TRIMS: &str = "trims the lines of a head";
pub(super) const MUTE: &str = "closes without an answer where a head is not ASCII";

pub(super) fn get(fields: &str) -> String {
    format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
}

pub(super) fn post(fields: &str) -> String {
    format!(
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{fields}\r\n"
    )
}

/// A request to log in, its body given by these fields.
fn login(fields: &str) -> String {
    post(fields) + r#"{"username":"a"}"#
}

pub(crate) fn cases() -> Vec<Case> {
    [body_lengths(), line_ends(), fields(), hosts()]
        .into_iter()
        .flatten()
        .collect()
}

fn body_lengths() -> Vec<Case> {
    let chunked = |coding: &str| post(coding) + "0\r\n\r\n";
    vec![
        case(
            "a body with its length",
            login("Content-Length: 16\r\n"),
            SERVED,
        ),
        case(
            "a length with zeros in front",
            login("Content-Length: 0016\r\n"),
            SERVED,
        ),
        case(
            "a length with white space around it",
            login("Content-Length: \t16 \r\n"),
            SERVED,
        ),
        case(
            "a GET with a body",
            get("Content-Length: 5\r\n") + "GET /",
            SERVED,
        ),
        case("a length of none", get("Content-Length: 0\r\n"), SERVED),
        case(
            "length and coding",
            chunked("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
            REFUSED,
        ),
        case(
            "coding and length",
            chunked("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
            REFUSED,
        ),
        case(
            "one length twice",
            login("Content-Length: 16\r\nContent-Length: 16\r\n"),
            REFUSED,
        ),
        case(
            "two lengths",
            login("Content-Length: 16\r\nContent-Length: 5\r\n"),
            REFUSED,
        ),
        case(
            "a list of lengths",
            login("Content-Length: 16, 16\r\n"),
            REFUSED,
        ),
        case(
            "a length with a plus",
            login("Content-Length: +16\r\n"),
            REFUSED,
        ),
        case(
            "a negative length",
            login("Content-Length: -16\r\n"),
            REFUSED,
        ),
        case(
            "a length with a space in it",
            login("Content-Length: 1 6\r\n"),
            REFUSED,
        ),
        case(
            "a length in hex",
            login("Content-Length: 0x10\r\n"),
            REFUSED,
        ),
        case(
            "a length with a point",
            login("Content-Length: 16.0\r\n"),
            REFUSED,
        ),
        case("an empty length", login("Content-Length:\r\n"), REFUSED),
        case(
            "a length far over the limit",
            post("Content-Length: 1000000000\r\n"),
            "413 body_too_large, closed",
        )
        .tiny_http("100, 413 body_too_large, silent", ASIDE),
        case(
            "a length of 2^62",
            post("Content-Length: 4611686018427387904\r\n"),
            "413 body_too_large, closed",
        )
        .tiny_http("100, 413 body_too_large, silent", ASIDE),
        case(
            "a length of 2^64",
            post("Content-Length: 18446744073709551616\r\n"),
            "413 body_too_large, closed",
        ),
        case(
            "a length of 40 digits",
            post(&format!("Content-Length: {}\r\n", "9".repeat(40))),
            "413 body_too_large, closed",
        ),
        case(
            "chunked",
            chunked("Transfer-Encoding: chunked\r\n"),
            "400 bad_json, open",
        ),
        case(
            "Chunked, in capitals",
            chunked("Transfer-Encoding: CHUNKED\r\n"),
            "400 bad_json, open",
        ),
        case(
            "chunked with white space around it",
            chunked("Transfer-Encoding: \t chunked \t\r\n"),
            "400 bad_json, open",
        ),
        case(
            "another coding",
            chunked("Transfer-Encoding: gzip\r\n"),
            REFUSED,
        ),
        case(
            "another coding and chunked",
            chunked("Transfer-Encoding: gzip, chunked\r\n"),
            REFUSED,
        ),
        case(
            "chunked and another coding",
            chunked("Transfer-Encoding: chunked, gzip\r\n"),
            REFUSED,
        ),
        case(
            "chunked twice in a list",
            chunked("Transfer-Encoding: chunked, chunked\r\n"),
            REFUSED,
        ),
        case(
            "chunked twice",
            chunked("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            REFUSED,
        ),
        case(
            "a list with an empty member",
            chunked("Transfer-Encoding: , chunked\r\n"),
            REFUSED,
        ),
        case(
            "identity",
            chunked("Transfer-Encoding: identity\r\n"),
            REFUSED,
        ),
        case(
            "no coding in the field",
            chunked("Transfer-Encoding:\r\n"),
            REFUSED,
        ),
        case(
            "chunked with a parameter",
            chunked("Transfer-Encoding: chunked;q=1\r\n"),
            REFUSED,
        ),
        case(
            "nearly chunked",
            chunked("Transfer-Encoding: xchunked\r\n"),
            REFUSED,
        ),
        case(
            "chunked in quotes",
            chunked("Transfer-Encoding: \"chunked\"\r\n"),
            REFUSED,
        ),
        case(
            "chunked with a vertical tab",
            chunked("Transfer-Encoding: \x0bchunked\r\n"),
            REFUSED,
        )
        .tiny_http("400 bad_json, open", TRIMS),
        case(
            "chunked in HTTP/1.0",
            "POST /login HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            REFUSED,
        ),
    ]
}

fn line_ends() -> Vec<Case> {
    vec![
        case(
            "bare LF after the request line",
            "GET /healthz HTTP/1.1\nHost: x\r\n\r\n",
            REFUSED,
        )
        .tiny_http(BARE, ITSELF),
        case(
            "bare LF after a field",
            "GET /healthz HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
            REFUSED,
        ),
        case(
            "bare LF after the last field",
            "GET /healthz HTTP/1.1\r\nHost: x\n\r\n",
            REFUSED,
        )
        .tiny_http(BARE, ITSELF),
        case(
            "bare LF in the place of the empty line",
            "GET /healthz HTTP/1.1\r\nHost: x\r\n\n",
            REFUSED,
        )
        .tiny_http(BARE, ITSELF),
        case(
            "bare LF everywhere",
            "GET /healthz HTTP/1.1\nHost: x\n\n",
            REFUSED,
        )
        .tiny_http(BARE, ITSELF),
        case(
            "bare LF in front",
            "\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            "400 bad_request, closed or 200, open",
        ),
        case(
            "bare CR in the target",
            "GET /a\rb HTTP/1.1\r\nHost: x\r\n\r\n",
            REFUSED,
        ),
        case(
            "bare CR after the request line",
            "GET /healthz HTTP/1.1\rHost: x\r\n\r\n",
            REFUSED,
        )
        .tiny_http(BARE, ITSELF),
        case(
            "two CR before LF",
            "GET /healthz HTTP/1.1\r\r\nHost: x\r\n\r\n",
            REFUSED,
        )
        .tiny_http(SERVED, TRIMS),
        case("bare CR in a value", get("A: b\rc\r\n"), REFUSED),
        case("bare CR after a field", get("A: b\r\r\n"), REFUSED).tiny_http(SERVED, TRIMS),
        case("bare CR in a name", get("A\rB: c\r\n"), REFUSED).tiny_http(BARE, ITSELF),
        case(
            "bare CR in the place of the empty line",
            "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\r\n",
            REFUSED,
        )
        .tiny_http(BARE, ITSELF),
        case(
            "an empty line in front",
            "\r\n".to_owned() + &get(""),
            SERVED,
        )
        .tiny_http(BARE, ITSELF),
    ]
}

fn fields() -> Vec<Case> {
    vec![
        case("a tab in a value", get("A: b\tc\r\n"), SERVED),
        case("an empty value", get("A:\r\nB: \r\n"), SERVED),
        case("bytes over 127 in a value", get("A: ü\r\n"), SERVED).tiny_http("closed unsaid", MUTE),
        case("bytes over 127 in a name", get("Ü: a\r\n"), REFUSED).tiny_http("closed unsaid", MUTE),
        case("NUL in a value", get("A: b\0c\r\n"), REFUSED),
        case("NUL in a name", get("A\0: b\r\n"), REFUSED),
        case("a bell in a value", get("A: \x07\x07b\r\n"), REFUSED),
        case("an escape in a name", get("A\x1b: b\r\n"), REFUSED),
        case("DEL in a value", get("A: b\x7f\r\n"), REFUSED),
        case("a space before the colon", get("A : b\r\n"), REFUSED).tiny_http(BARE, ITSELF),
        case("a tab before the colon", get("A\t: b\r\n"), REFUSED).tiny_http(BARE, ITSELF),
        case(
            "a space before the length's colon",
            login("Content-Length : 16\r\n"),
            REFUSED,
        )
        .tiny_http(BARE, ITSELF),
        case("a folded value", get("A: b\r\n c\r\n"), REFUSED).tiny_http(BARE, ITSELF),
        case(
            "a folded value that is a field",
            get("A: b\r\n C: d\r\n"),
            REFUSED,
        )
        .tiny_http(SERVED, TRIMS),
        case(
            "a value folded by a tab",
            get("A: b\r\n\tc: d\r\n"),
            REFUSED,
        )
        .tiny_http(SERVED, TRIMS),
        case(
            "a space before the first field",
            "GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n",
            REFUSED,
        )
        .tiny_http(SERVED, TRIMS),
        case("a field without a colon", get("A\r\n"), REFUSED).tiny_http(BARE, ITSELF),
        case("a field without a name", get(": b\r\n"), REFUSED),
        case("a name that is no token", get("A(b): c\r\n"), REFUSED),
        case("a name in quotes", get("\"A\": c\r\n"), REFUSED),
    ]
}
