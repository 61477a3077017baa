//! One answer as it came over the wire, and what openapi.json has to say about it.

use std::collections::BTreeMap;
use std::io::Read;

use super::described::{Described, Exchange};

/// One answer as it came over the wire.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    /// Reads head and body (by Content-Length); `None` where the connection ends before.
    pub fn read(stream: &mut impl Read) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        if (100..200).contains(&status) {
            return Answer::read(stream);
        }
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        let answer = Answer {
            status,
            headers,
            body: String::from_utf8(body).unwrap(),
        };
        answer.is_described();
        Some(answer)
    }

    /// Fails unless openapi.json describes it as an answer to this request. Of what is no request with a path, only the
    /// problem is known.
    pub fn is_described_for(&self, request: &[u8]) {
        let line = request.split(|byte| *byte == b'\r').next();
        let line = std::str::from_utf8(line.unwrap_or_default()).unwrap_or_default();
        let words: Vec<&str> = line.split(' ').collect();
        if let [method, target, version] = words[..]
            && (target.starts_with('/') || target == "*")
            && version.starts_with("HTTP/1.")
        {
            self.compare(method, target, Described::check);
        }
    }

    /// Fails if it is a problem that openapi.json does not have.
    pub fn is_described(&self) {
        self.compare("-", "-", Described::check_problem);
    }

    fn compare(
        &self,
        method: &str,
        target: &str,
        check: fn(&Described, &Exchange<'_>) -> Result<(), String>,
    ) {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let exchange = Exchange {
            method,
            target,
            status: self.status,
            headers: &headers,
            body: self.body.as_bytes(),
        };
        if let Err(wrong) = check(Described::here(), &exchange) {
            panic!("{wrong}");
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(&name.to_ascii_lowercase())
            .map(|value| &**value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The code of an error, whose form is checked.
    pub fn code(&self) -> String {
        let body = self.json();
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(body["request_id"], self.headers["x-request-id"]);
        assert_eq!(body["status"], self.status);
        let code = body["type"].as_str().unwrap().rsplit(':').next().unwrap();
        code.to_owned()
    }
}
