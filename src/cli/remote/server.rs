//! A server that is administered: how it is named, how the command authenticates, and requests to it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Command};
use sealgate::Secret;
use serde_json::Value;

use super::address::{Address, encode};
use super::http::{self, Answer};
use super::problem::{failure, unreadable};
use super::tls::Tls;
use crate::cli::args::{file, flag, option, path};
use crate::cli::password::read_secret;
use crate::cli::table::harmless;
use crate::cli::{Failure, write_output};

/// The subcommands that can be used with a server.
const SUBCOMMANDS: &[&str] = &[
    "user",
    "client",
    "api-key",
    "session",
    "keys",
    "limits",
    "audit",
    "healthcheck",
];
/// Larger than any token.
const MAX_TOKEN: usize = 64 << 10;
/// How many entries of a list are asked for at a time.
const PAGE: u32 = 200;

/// Adds the flags that come before the subcommand.
pub(in crate::cli) fn add_flags(command: Command) -> Command {
    let heading = "Administration of a remote server";
    let flags = [
        option(
            "server",
            "URL",
            "Do it on this server, such as https://sealgate.example.com:5001 or unix:/run/sealgate/sealgate.sock; with user, client, \
             api-key, session, keys, limits, audit tail and healthcheck. The token is in SEALGATE_TOKEN or --token-file, or use --client-cert",
        ),
        file("token-file", "File with a token that has the scope admin"),
        file(
            "client-cert",
            "Client certificate (PEM) of an administrator",
        )
        .requires("client-key"),
        file("client-key", "Private key (PEM) of --client-cert").requires("client-cert"),
        file(
            "ca-file",
            "Trust the server certificates that these authorities (PEM) have signed, and no others",
        ),
        option(
            "timeout",
            "SECONDS",
            "How long one request may take [default: 30]",
        )
        .value_parser(clap::value_parser!(u64).range(1..=3600)),
        flag(
            "plain-http",
            "Send the token without TLS to a server that is not on this machine, where others may read it",
        ),
    ];
    command.args(flags.map(|flag| match flag.get_id().as_str() {
        "server" => flag.help_heading(heading),
        _ => flag.help_heading(heading).requires("server"),
    }))
}

/// A server that is administered.
pub(in crate::cli) struct Remote {
    address: Address,
    tls: Option<Tls>,
    token: Option<Secret>,
    timeout: Duration,
}

impl Remote {
    /// The server that `--server` names, if there is one.
    pub(in crate::cli) fn of(matches: &ArgMatches) -> Result<Option<Self>, Failure> {
        let Some(url) = matches.get_one::<String>("server") else {
            return Ok(None);
        };
        if let Some((what, _)) = matches.subcommand()
            && !SUBCOMMANDS.contains(&what)
        {
            return Err(Failure::wrong(format!(
                "sealgate {what} works on this machine only. With --server, use one of: {}.",
                SUBCOMMANDS.join(", ")
            )));
        }
        let address =
            Address::parse(url).map_err(|wrong| Failure::wrong(format!("--server {wrong}.")))?;
        let is_tls = address.is_tls();
        if !is_tls && !address.is_local() && !matches.get_flag("plain-http") {
            return Err(Failure::wrong(
                "Without TLS others may read the token on its way. Use https://, or http:// for an address of this machine such as \
                 127.0.0.1; --plain-http permits it all the same.",
            ));
        }
        let identity = path(matches, "client-cert").zip(path(matches, "client-key"));
        let authorities = path(matches, "ca-file");
        if !is_tls && (identity.is_some() || authorities.is_some()) {
            return Err(Failure::wrong(
                "--client-cert and --ca-file need a server at https://.",
            ));
        }
        let token = token(matches.get_one::<PathBuf>("token-file"))?;
        if token.is_none() && identity.is_none() {
            return Err(Failure::wrong(
                "A token with the scope admin is needed: POST /login returns one to an administrator. Put it in SEALGATE_TOKEN or in \
                 the file of --token-file, or use a client certificate (--client-cert).",
            ));
        }
        Ok(Some(Remote {
            tls: is_tls
                .then(|| Tls::new(authorities, identity))
                .transpose()?,
            address,
            token,
            timeout: Duration::from_secs(matches.get_one::<u64>("timeout").copied().unwrap_or(30)),
        }))
    }

    /// The server's URL, for people.
    pub(in crate::cli) fn url(&self) -> &str {
        self.address.shown()
    }

    /// Sends a request of the administration API, and returns the response, whatever its status.
    pub(super) fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let request = http::Request {
            method,
            path: &format!("/admin/v1/{path}"),
            body,
            token: self.token.as_ref(),
            timeout: self.timeout,
        };
        http::send(&self.address, self.tls.as_ref(), &request)
            .map_err(|why| Failure::wrong(format!("The server {} {why}.", self.url())))
    }

    /// The same for a request that has to succeed; returns the body, if there is one.
    pub(super) fn done(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        self.body_of(&self.send(method, path, body)?)
    }

    /// The same, but `None` if there is nothing with this name.
    pub(super) fn found(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<Value>, Failure> {
        let answer = self.send(method, path, body)?;
        match answer.status == 404 && answer.code().as_deref() == Some("not_found") {
            true => Ok(None),
            false => self.body_of(&answer).map(Some),
        }
    }

    fn body_of(&self, answer: &Answer) -> Result<Value, Failure> {
        match answer.status {
            204 => Ok(Value::Null),
            200 | 201 => answer.json().ok_or_else(|| unreadable(self.url())),
            _ => Err(failure(self.url(), answer)),
        }
    }

    /// A page of a list, which is the member `rows` of the response, and what the next page comes after.
    pub(super) fn page(
        &self,
        path: &str,
        rows: &str,
        after: &str,
        most: u32,
    ) -> Result<(Vec<Value>, Option<String>), Failure> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let after = match after {
            "" => String::new(),
            after => format!("&after={}", encode(after)),
        };
        let path = format!("{path}{sign}limit={}{after}", most.min(PAGE));
        let mut page = self.done("GET", &path, None)?;
        let next = page["next"].as_str().map(str::to_owned);
        match page[rows].take() {
            Value::Array(rows) => Ok((rows, next)),
            _ => Err(unreadable(self.url())),
        }
    }

    /// A whole list, which is short.
    pub(super) fn all(&self, path: &str, rows: &str) -> Result<Vec<Value>, Failure> {
        let (mut all, mut next) = self.page(path, rows, "", PAGE)?;
        while let Some(after) = next {
            let (page, more) = self.page(path, rows, &after, PAGE)?;
            all.extend(page);
            next = more;
        }
        Ok(all)
    }

    /// `sealgate healthcheck`: whether the server is ready.
    pub(in crate::cli) fn check_health(&self) -> Result<(), Failure> {
        let health = self.done("GET", "health", None)?;
        if health["ready"].as_bool() == Some(true) {
            return write_output(b"ready\n");
        }
        let reasons = health["reasons"].as_array().map(Vec::as_slice);
        let reasons = reasons.unwrap_or_default().iter().filter_map(Value::as_str);
        let reasons = reasons.map(harmless).collect::<Vec<_>>();
        Err(Failure::no(format!(
            "The server {} is not ready: {}.",
            self.url(),
            reasons.join("; ")
        )))
    }
}

fn token(file: Option<&PathBuf>) -> Result<Option<Secret>, Failure> {
    let text = match file {
        Some(file) => read_secret(file, MAX_TOKEN)?,
        None => match std::env::var_os("SEALGATE_TOKEN") {
            Some(text) => Secret::from(text.as_encoded_bytes()),
            None => return Ok(None),
        },
    };
    let trimmed = text.expose().trim_ascii();
    // Anything else would end the header.
    if trimmed.is_empty() || !trimmed.iter().all(u8::is_ascii_graphic) {
        return Err(Failure::wrong(
            "The token in SEALGATE_TOKEN or --token-file is empty, or not a token.",
        ));
    }
    Ok(Some(Secret::from(trimmed)))
}
