//! A program in C that makes the calls it is asked for, one a line.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::c::{Program, Under, compile};

/// tests/c/by_line.c, running.
pub struct C {
    host: Child,
    asked: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _program: Program,
}

impl C {
    /// `home` has the data directory of gates that are made without settings.
    pub fn start(home: &Path) -> C {
        C::start_program("tests/c/by_line.c", home)
    }

    /// Another program of its form.
    pub fn start_program(source: &str, home: &Path) -> C {
        let program = compile(source, Under::Sanitizers);
        let mut host = program
            .command()
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        C {
            asked: host.stdin.take(),
            answers: BufReader::new(host.stdout.take().unwrap()),
            host,
            _program: program,
        }
    }

    /// What came out of a call, or the name of its status.
    pub fn ask(&mut self, what: &str, words: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        let mut line = what.to_owned();
        for word in words {
            line = format!("{line} {}", hex(word));
        }
        writeln!(self.asked.as_ref().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let mut words = answer.trim_end().split(' ');
        match words.next() {
            Some("ok") => Ok(words.map(unhex).collect()),
            Some(status) if !status.is_empty() => Err(status.to_owned()),
            _ => panic!("no answer to {what}: {:?}", self.host.wait()),
        }
    }

    /// The one thing that came out of a call.
    pub fn one(&mut self, what: &str, words: &[&[u8]]) -> Result<Vec<u8>, String> {
        self.ask(what, words).map(|out| out[0].clone())
    }

    /// Makes the gate that is asked from now on; without settings as the environment says.
    pub fn gate(&mut self, settings: &[(&str, &[u8])]) {
        let words: Vec<_> = settings
            .iter()
            .flat_map(|(name, value)| [name.as_bytes(), value])
            .collect();
        assert_eq!(self.ask("gate", &words), Ok(Vec::new()), "{settings:?}");
    }

    /// It ends, without a leak.
    pub fn end(mut self) {
        drop(self.asked.take());
        assert!(self.host.wait().unwrap().success());
    }
}

pub fn hex(bytes: &[u8]) -> String {
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match bytes {
        [] => "-".to_owned(),
        _ => digits(bytes),
    }
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digits = text.trim_start_matches('-').as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}
