//! The start of a connection from a proxy: reads the header that names the client, before TLS and before HTTP, under the
//! deadline of the first head.

use super::{Connection, Next, Ready, Turn};
use crate::api::Problem;
use crate::server::pool::proxies::Awaited;
use crate::server::pool::transport::Transport;
use crate::server::proxy_protocol::Step;
use crate::server::socket::Stop;

const MISSING: &str = "the connection does not begin with a header of the PROXY protocol";

impl Connection {
    /// Reads the header, and nothing after it: TLS has to find its own first byte on the socket. `None` if that is done.
    pub(super) fn read_proxy_header(&mut self, turn: &mut Turn<'_>) -> Option<Next> {
        let mut awaited = self.awaited.take()?;
        let socket = self.transport.socket();
        let room = turn.scratch.len().min(awaited.reader.room());
        let seen = match socket.peek(&mut turn.scratch[..room]) {
            Ok(0) => return Some(Next::Close),
            Ok(seen) => seen,
            Err(error) => match Stop::of(&error, Stop::WantsRead) {
                Stop::WantsRead => return Some(self.await_proxy_header(turn, awaited)),
                _ => return Some(Next::Close),
            },
        };
        let step = match awaited.reader.read(&turn.scratch[..seen]) {
            Ok(step) => step,
            Err(fault) => {
                let why = format!("the PROXY protocol header is invalid: {}", fault.reason());
                return Some(self.refuse_proxy_header(turn, &why));
            }
        };
        let (taken, client) = match step {
            Step::More => (seen, None),
            Step::Whole { used, client } => (used, client),
            Step::Absent => return self.go_on_without(turn, *awaited),
        };
        // What has been seen can be read at once.
        let read = self.transport.socket().read(&mut turn.scratch[..taken]);
        if read.ok() != Some(taken) {
            return Some(Next::Close);
        }
        self.moved += taken as u64;
        if step == Step::More {
            return Some(self.await_proxy_header(turn, awaited));
        }
        if client.is_some() && !awaited.may_name {
            let why =
                "SEALGATE_TRUSTED_PROXIES does not have its address, so it must not name another";
            return Some(self.refuse_proxy_header(turn, why));
        }
        self.peer.serve(client);
        self.enter(turn, client.or(self.peer.address))
    }

    /// The bytes of the next layer have arrived instead.
    fn go_on_without(&mut self, turn: &mut Turn<'_>, awaited: Awaited) -> Option<Next> {
        let is_required = awaited.required;
        let kept = awaited.reader.into_kept();
        // TLS starts with none of the bytes that a header starts with.
        let is_half = !kept.is_empty() && matches!(self.transport, Transport::Tls(_));
        if is_required || is_half {
            return Some(self.refuse_proxy_header(turn, MISSING));
        }
        self.unread = !kept.is_empty();
        self.input = kept;
        self.enter(turn, self.peer.address)
    }

    /// Counts the connection as one of the client's address, which nobody knew before.
    fn enter(&mut self, turn: &Turn<'_>, address: Option<std::net::IpAddr>) -> Option<Next> {
        self.count(turn.shared);
        let Ok(address) = turn.shared.enter(address) else {
            return Some(Next::Close);
        };
        self.address = address;
        None
    }

    fn await_proxy_header(&mut self, turn: &Turn<'_>, awaited: Box<Awaited>) -> Next {
        self.awaited = Some(awaited);
        self.count(turn.shared);
        self.wait_for_more(Ready::Read, false, false)
    }

    /// Without TLS the client learns why.
    fn refuse_proxy_header(&mut self, turn: &mut Turn<'_>, why: &str) -> Next {
        turn.shared.proxies.refused(&self.peer, why);
        match self.transport {
            Transport::Plain(_) => {
                let sentence = format!("{}{}.", why[..1].to_uppercase(), &why[1..]);
                self.refuse(turn, Problem::bad_request(sentence))
            }
            Transport::Tls(_) => Next::Close,
        }
    }
}
