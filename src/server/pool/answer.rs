//! Hands one request to the API and encodes the response, on a worker or on the blocking pool.

use std::mem;

use super::shared::Shared;
use crate::api::{Begun, Peer, Problem, Request};
use crate::server::http1::encode::encode;
use crate::server::http1::framing::Parsed;
use crate::server::http1::head::origin_form;

/// The client of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) peer: &'a Peer,
    /// The subject of the verified certificate.
    pub(super) certificate: Option<&'a str>,
}

/// Answers one request into `out`; true if the connection closes afterwards.
pub(super) fn answer(
    shared: &Shared,
    mut request: Parsed<'_>,
    begun: Begun,
    who: Who<'_>,
    out: &mut Vec<u8>,
) -> bool {
    let stays = request.keeps_alive();
    let response = shared.app.complete(&view(&mut request, who), begun);
    // Checked only now: the request may have taken a while.
    let close = !stays || shared.is_stopping();
    encode(&response, request.framing(close), out);
    close
}

/// The same on a thread that must not wait for the shared store. If the request would have to, returns how far it came.
pub(super) fn answer_at_once(
    shared: &Shared,
    request: &mut Parsed<'_>,
    begun: Begun,
    who: Who<'_>,
    out: &mut Vec<u8>,
) -> Result<bool, Begun> {
    let stays = request.keeps_alive();
    let response = shared.app.complete_at_once(&view(request, who), begun)?;
    let close = !stays || shared.is_stopping();
    encode(&response, request.framing(close), out);
    Ok(close)
}

/// Answers a request with an error into `out`; the connection closes afterwards.
pub(super) fn refuse(
    shared: &Shared,
    mut request: Parsed<'_>,
    problem: Problem,
    who: Who<'_>,
    out: &mut Vec<u8>,
) {
    let framing = request.framing(true);
    let response = shared.app.refuse(&view(&mut request, who), problem);
    encode(&response, framing, out);
}

/// There is no memory left for the request, or no room in a queue.
pub(super) fn overloaded() -> Problem {
    Problem::unavailable("The server is overloaded.")
}

/// The request as the API sees it.
pub(super) fn view<'a>(request: &'a mut Parsed<'_>, who: Who<'a>) -> Request<'a> {
    Request {
        method: &request.method,
        target: origin_form(request.target),
        headers: mem::take(&mut request.headers),
        body: &request.body,
        peer: who.peer,
        version_1_0: request.version_1_0,
        certificate: who.certificate,
    }
}
