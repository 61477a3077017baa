//! Chunked bodies, their limits, and Expect.

use super::table::{Case, case};

const SERVED: &str = "200, open";
const REFUSED: &str = "400 bad_request, closed";
const TOO_LARGE: &str = "413 body_too_large, closed";

const LINES: &str = "reads any bytes after a chunk's size, however many";
const ANY_NUMBER: &str = "trims a chunk's size and takes a sign";
const WAITS: &str = "waits for the data of a chunk, however large";
/// Refused now and then, which does as well.
const WAITING: &str = "400 bad_request, refused or silent";
const NO_TRAILERS: &str = "knows no trailers";

const BODY: &str = r#"{"username":"a"}"#;

fn post(fields: &str, body: &str) -> String {
    format!(
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{fields}\r\n{body}"
    )
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// One chunk with the right data, after this line (without its size) and before this.
fn one_chunk(after_size: &str, after_data: &str) -> String {
    chunked(&format!("10{after_size}{BODY}{after_data}"))
}

pub(crate) fn cases() -> Vec<Case> {
    [
        chunks(),
        chunk_sizes(),
        terminators(),
        trailers(),
        expectations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn chunks() -> Vec<Case> {
    let in_chunks = |size: usize| {
        let chunks = BODY.as_bytes().chunks(size).map(|chunk| {
            format!(
                "{:x}\r\n{}\r\n",
                chunk.len(),
                std::str::from_utf8(chunk).unwrap()
            )
        });
        chunked(&(chunks.collect::<String>() + "0\r\n\r\n"))
    };
    vec![
        case("one chunk", in_chunks(100), SERVED),
        case("chunks of three bytes", in_chunks(3), SERVED),
        case("chunks of a byte", in_chunks(1), SERVED),
        case("no chunks", chunked("0\r\n\r\n"), "400 bad_json, open"),
        case(
            "a GET with chunks",
            "GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\n",
            SERVED,
        ),
        case(
            "a size in small hex",
            chunked(&format!("1a\r\n{BODY}          \r\n0\r\n\r\n")),
            SERVED,
        ),
        case(
            "a size in capital hex",
            chunked(&format!("1A\r\n{BODY}          \r\n0\r\n\r\n")),
            SERVED,
        ),
        case(
            "a size with zeros in front",
            chunked(&format!("00010\r\n{BODY}\r\n0\r\n\r\n")),
            SERVED,
        ),
        case(
            "a last chunk of many zeros",
            chunked(&format!("10\r\n{BODY}\r\n0000\r\n\r\n")),
            SERVED,
        ),
        case("an extension", one_chunk(";a\r\n", "\r\n0\r\n\r\n"), SERVED),
        case(
            "an extension with a value",
            one_chunk(";a=b;c=d\r\n", "\r\n0;e=f\r\n\r\n"),
            SERVED,
        ),
        case(
            "an extension in quotes",
            one_chunk(";a=\"b;\\\"c\"\r\n", "\r\n0\r\n\r\n"),
            SERVED,
        ),
        case(
            "an extension of 20 KiB",
            one_chunk(&format!(";a={}\r\n", "b".repeat(20 << 10)), "\r\n0\r\n\r\n"),
            "400 bad_request, closed or 431 head_too_large, closed",
        )
        .tiny_http(SERVED, LINES),
        case(
            "an extension without end",
            one_chunk(&format!(";a={}", "b".repeat(40 << 10)), ""),
            "400 bad_request, closed or 431 head_too_large, closed",
        ),
        case(
            "NUL in an extension",
            one_chunk(";a=\0\r\n", "\r\n0\r\n\r\n"),
            REFUSED,
        )
        .tiny_http(SERVED, LINES),
        case(
            "bare LF in an extension",
            one_chunk(";a\nb\r\n", "\r\n0\r\n\r\n"),
            REFUSED,
        )
        .tiny_http(SERVED, LINES),
        case(
            "bare CR in an extension",
            one_chunk(";a\rb\r\n", "\r\n0\r\n\r\n"),
            REFUSED,
        ),
    ]
}

fn chunk_sizes() -> Vec<Case> {
    let sized = |size: &str| chunked(&format!("{size}\r\n{BODY}\r\n0\r\n\r\n"));
    const NO_NUMBER: &str = "413 body_too_large, closed or 400 bad_request, closed";
    vec![
        case("a size of 4 GiB", sized("ffffffff"), TOO_LARGE).tiny_http(WAITING, WAITS),
        case("a size of 2^63 - 1", sized("7fffffffffffffff"), TOO_LARGE).tiny_http(WAITING, WAITS),
        case("a size of 2^64 - 1", sized("ffffffffffffffff"), TOO_LARGE).tiny_http(WAITING, WAITS),
        case("a size of 2^64", sized("10000000000000000"), NO_NUMBER),
        case(
            "a size of 2^64 and 16",
            sized("10000000000000010"),
            NO_NUMBER,
        ),
        case("a size of 100 digits", sized(&"f".repeat(100)), NO_NUMBER),
        case(
            "a second size that is too large",
            chunked(&format!("10\r\n{BODY}\r\nfffff1\r\n")),
            TOO_LARGE,
        )
        .tiny_http(WAITING, WAITS),
        case("a negative size", sized("-10"), REFUSED),
        case("a size with a plus", sized("+10"), REFUSED).tiny_http(SERVED, ANY_NUMBER),
        case("a size with 0x", sized("0x10"), REFUSED),
        case("a size with a space in front", sized(" 10"), REFUSED).tiny_http(SERVED, ANY_NUMBER),
        case("a size with a space behind", sized("10 "), REFUSED).tiny_http(SERVED, ANY_NUMBER),
        case("a size with a tab behind", sized("10\t"), REFUSED).tiny_http(SERVED, ANY_NUMBER),
        case("a size with an underscore", sized("1_0"), REFUSED),
        case("a size with a comma", sized("10,"), REFUSED),
        case("a size that is no hex", sized("1g"), REFUSED),
        case("no size", sized(""), REFUSED),
        case("no size but an extension", sized(";a"), REFUSED),
        case(
            "chunks that grow too large",
            {
                let chunk = format!("10000\r\n{}\r\n", " ".repeat(65536));
                chunked(&chunk.repeat(17))
            },
            TOO_LARGE,
        ),
    ]
}

fn terminators() -> Vec<Case> {
    vec![
        case(
            "bare LF after a size",
            one_chunk("\n", "\r\n0\r\n\r\n"),
            REFUSED,
        ),
        case(
            "bare CR after a size",
            one_chunk("\r", "\r\n0\r\n\r\n"),
            REFUSED,
        ),
        case(
            "two CR after a size",
            one_chunk("\r\r\n", "\r\n0\r\n\r\n"),
            REFUSED,
        ),
        case(
            "data longer than its size",
            one_chunk("\r\n", "X\r\n0\r\n\r\n"),
            REFUSED,
        ),
        case(
            "data shorter than its size",
            chunked(&format!("11\r\n{BODY}\r\n0\r\n\r\n")),
            REFUSED,
        ),
        case(
            "bare LF after the data",
            one_chunk("\r\n", "\n0\r\n\r\n"),
            REFUSED,
        ),
        case(
            "bare CR after the data",
            one_chunk("\r\n", "\r0\r\n\r\n"),
            REFUSED,
        ),
        case(
            "nothing after the data",
            one_chunk("\r\n", "0\r\n\r\n"),
            REFUSED,
        ),
        case(
            "two line ends after the data",
            one_chunk("\r\n", "\r\n\r\n0\r\n\r\n"),
            REFUSED,
        ),
        case(
            "bare LF after the last size",
            one_chunk("\r\n", "\r\n0\n\r\n"),
            REFUSED,
        ),
        case(
            "bare LF at the very end",
            one_chunk("\r\n", "\r\n0\r\n\n"),
            REFUSED,
        ),
        case(
            "bare CR at the very end",
            one_chunk("\r\n", "\r\n0\r\n\r\r\n"),
            REFUSED,
        ),
    ]
}

fn trailers() -> Vec<Case> {
    let trailed = |trailers: &str| one_chunk("\r\n", &format!("\r\n0\r\n{trailers}\r\n"));
    const UNSAFE: &str = "200, open or 400 bad_request, closed";
    // Nobody keeps them: their bytes are limited, not their number.
    const BOUNDED: &str = "200, open or 431 head_too_large, closed";
    const DROPPED: &str = "431 head_too_large, closed or 400 bad_request, closed";
    vec![
        case("a trailer", trailed("A: b\r\n"), SERVED).tiny_http(REFUSED, NO_TRAILERS),
        case("two trailers", trailed("A: b\r\nC: d\r\n"), SERVED).tiny_http(REFUSED, NO_TRAILERS),
        case("65 trailers", trailed(&"A: b\r\n".repeat(65)), BOUNDED)
            .tiny_http(REFUSED, NO_TRAILERS),
        case(
            "trailers of 17 KiB",
            trailed(&format!("A: {}\r\n", "b".repeat(17 << 10))),
            DROPPED,
        ),
        case(
            "trailers without end",
            one_chunk("\r\n", &format!("\r\n0\r\nA: {}", "b".repeat(20 << 10))),
            DROPPED,
        ),
        case("a trailer with bare LF", trailed("A: b\nC: d\r\n"), REFUSED),
        case("a trailer with NUL", trailed("A: \0\r\n"), REFUSED),
        case("a trailer without a colon", trailed("A\r\n"), REFUSED),
        case(
            "a trailer with a space before the colon",
            trailed("A : b\r\n"),
            REFUSED,
        ),
        case("a folded trailer", trailed("A: b\r\n c\r\n"), REFUSED),
        case(
            "a length as a trailer",
            trailed("Content-Length: 5\r\n"),
            UNSAFE,
        ),
        case(
            "a coding as a trailer",
            trailed("Transfer-Encoding: gzip\r\n"),
            UNSAFE,
        ),
    ]
}

fn expectations() -> Vec<Case> {
    let length = "Content-Length: 16\r\n";
    vec![
        case(
            "the body sent at once all the same",
            post(&format!("{length}Expect: 100-continue\r\n"), BODY),
            "200, open or 100, 200, open",
        ),
        case(
            "Expect in capitals",
            post(&format!("{length}Expect: 100-CONTINUE\r\n"), BODY),
            "200, open or 100, 200, open",
        ),
        case(
            "Expect and no body",
            "GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
            "200, open or 100, 200, open",
        ),
        case(
            "Expect in HTTP/1.0",
            "POST /login HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16\r\nExpect: 100-continue\r\n\r\n{\"username\":\"a\"}",
            "403 login_refused, closed",
        ).tiny_http("100, 403 login_refused, closed", "says 100 to HTTP/1.0 too"),
        case(
            "Expect and a length over the limit",
            post("Content-Length: 2000000\r\nExpect: 100-continue\r\n", ""),
            TOO_LARGE,
        ).tiny_http("413 body_too_large, silent", "waits for the body that it refused"),
        case(
            "Expect and two lengths",
            post(&format!("{length}{length}Expect: 100-continue\r\n"), ""),
            REFUSED,
        ).tiny_http("400 bad_request, 400 bare, closed unsaid", "skips the body that it refused, and reads on"),
        case(
            "another expectation",
            post(&format!("{length}Expect: magic\r\n"), BODY),
            "417 expectation_failed, closed",
        )
        .tiny_http(
            "417 bare, closed unsaid",
            "answers unknown expectations itself, without JSON",
        ),
        case(
            "two expectations",
            post(&format!("{length}Expect: 100-continue, magic\r\n"), BODY),
            "417 expectation_failed, closed",
        )
        .tiny_http(
            "417 bare, closed unsaid",
            "answers unknown expectations itself, without JSON",
        ),
    ]
}
