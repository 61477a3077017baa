//! Refusals of a server as sentences, with the exit codes that the command has without `--server`.

use sealgate::Error;

use super::http::Answer;
use crate::cli::Failure;
use crate::cli::table::harmless;

/// For a response that is not what the administration API says.
pub(super) fn unreadable(url: &str) -> Failure {
    Failure::wrong(format!(
        "The server {url} gave an answer that this program does not understand. Is it a Sealgate of the same version?"
    ))
}

/// Why a request was refused.
pub(super) fn failure(url: &str, answer: &Answer) -> Failure {
    let (Some(body), Some(code)) = (answer.json(), answer.code()) else {
        return Failure::wrong(match answer.status {
            300..=399 => {
                format!("The server {url} sends elsewhere. Use the URL of Sealgate itself.")
            }
            status => format!("The server {url} answered with status {status}. Is it a Sealgate?"),
        });
    };
    let text = |name: &str| harmless(body[name].as_str().unwrap_or_default());
    let said = format!("{} {}", text("title"), text("detail"));
    let said = said.trim();
    match (answer.status, &*code) {
        (_, "user_exists") => Error::UserExists.into(),
        (401, _) => Failure::wrong(format!(
            "The server {url} refuses the token: {said} ({code}). Log in with POST /login as a user with the scope admin."
        )),
        (403, "insufficient_scope") => Failure::wrong(format!(
            "The token does not permit this on {url}: it needs the scope admin ({code})."
        )),
        (404, _) => Failure::wrong(format!(
            "The server {url} has no administration there: it is served on loopback addresses and Unix sockets, or where \
             SEALGATE_ADMIN_LISTEN says ({code})."
        )),
        (409, "last_administrator") => Failure::wrong(format!(
            "{} Add another one first, or use the command on the server's machine to do it all the same ({code}).",
            text("title")
        )),
        _ => Failure::wrong(format!("{said} ({code})")),
    }
}
