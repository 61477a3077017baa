use super::*;

/// Gives a text in pieces of so many bytes.
struct Pieces<'t>(&'t [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

#[test]
fn a_response_is_read_however_it_is_framed_and_cut() {
    for (text, status, body) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef",
            200,
            "abc",
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
            200,
            "abcde",
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\ncontent-length: 1\r\nContent-Length: 1\r\n\r\nx",
            404,
            "x",
        ),
    ] {
        for size in [1, 7, 8192] {
            let answer = read(&mut Pieces(text.as_bytes(), size)).unwrap();
            assert_eq!(answer.status, status, "{text}");
            assert_eq!(answer.body.expose(), body.as_bytes(), "{text}");
        }
    }
}

#[test]
fn a_response_that_is_not_one_is_an_error() {
    let huge = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        MAX_BODY + 1
    );
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(MAX_HEAD + 1));
    let chunks = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        MAX_BODY + 1
    );
    for text in [
        "",
        "\x16\x03\x01",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 3\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        &huge,
        &long,
        &chunks,
    ] {
        assert!(
            read(&mut Pieces(text.as_bytes(), 4096)).is_err(),
            "{text:.100}"
        );
    }
    let mut endless = io::repeat(b'x');
    assert!(read(&mut endless).is_err());
    let mut endless = (&b"HTTP/1.1 200 OK\r\n\r\n"[..]).chain(io::repeat(b'x'));
    assert!(read(&mut endless).is_err());
}
