//! The latest events of a server's audit trail.

use serde_json::Value;

use super::address::encode;
use super::http::Answer;
use super::problem::{failure, unreadable};
use super::server::Remote;
use super::values::string;
use crate::cli::Failure;

/// Which events are asked for.
#[derive(Default)]
pub(in crate::cli) struct EventFilter {
    pub(in crate::cli) event: Option<String>,
    pub(in crate::cli) user: Option<String>,
    pub(in crate::cli) by: Option<String>,
    pub(in crate::cli) since: Option<u64>,
    pub(in crate::cli) text: Option<String>,
}

/// An event.
pub(in crate::cli) struct Event {
    pub(in crate::cli) seq: u64,
    /// In seconds since 1970-01-01 UTC.
    pub(in crate::cli) time: u64,
    /// The texts that it has: the name of each in the trail, the name in the API, and the text.
    pub(in crate::cli) texts: Vec<(&'static str, &'static str, String)>,
}

/// The texts of an event in their order: the name in the trail, and the name in the API.
const TEXTS: [(&str, &str); 10] = [
    ("event", "event"),
    ("result", "result"),
    ("user", "user"),
    ("who", "who"),
    ("peer", "address"),
    ("by", "by"),
    ("by_who", "by_who"),
    ("key", "key"),
    ("trace", "trace"),
    ("id", "request_id"),
];

/// Some events, newest first.
pub(in crate::cli) struct Page {
    pub(in crate::cli) events: Vec<Event>,
    /// The numbers of the oldest and the newest event that the server has, whatever was asked for.
    pub(in crate::cli) range: Option<(u64, u64)>,
}

/// Why there is no page.
pub(in crate::cli) enum Unasked {
    /// The server is away, perhaps for a moment.
    Away(Failure),
    Failed(Failure),
}

impl Unasked {
    pub(in crate::cli) fn into_failure(self) -> Failure {
        match self {
            Unasked::Away(failure) | Unasked::Failed(failure) => failure,
        }
    }
}

impl Remote {
    /// The newest `most` events with numbers between these, without them.
    pub(in crate::cli) fn events(
        &self,
        filter: &EventFilter,
        (after, before): (Option<u64>, Option<u64>),
        most: u32,
    ) -> Result<Page, Unasked> {
        let mut path = format!("audit?limit={most}");
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        for (name, value) in [
            ("after", number(after)),
            ("before", number(before)),
            ("since", number(filter.since)),
            ("event", filter.event.clone()),
            ("user", filter.user.clone()),
            ("by", filter.by.clone()),
            ("q", filter.text.clone()),
        ] {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", encode(&value)));
            }
        }
        let answer = self.send("GET", &path, None).map_err(Unasked::Away)?;
        match answer.status {
            200 => page(&answer).ok_or_else(|| Unasked::Failed(unreadable(self.url()))),
            // A proxy in front of one that restarts, or one that has too much to do.
            502..=504 => Err(Unasked::Away(failure(self.url(), &answer))),
            _ => Err(Unasked::Failed(failure(self.url(), &answer))),
        }
    }
}

fn page(answer: &Answer) -> Option<Page> {
    let page = answer.json()?;
    let events: Option<Vec<Event>> = page["events"].as_array()?.iter().map(event_of).collect();
    let range = match (&page["first"], &page["last"]) {
        (Value::Null, Value::Null) => None,
        (first, last) => Some((first.as_u64()?, last.as_u64()?)),
    };
    Some(Page {
        events: events?,
        range,
    })
}

fn event_of(event: &Value) -> Option<Event> {
    let texts = TEXTS.map(|(ours, theirs)| (ours, theirs, string(&event[theirs])));
    Some(Event {
        seq: event["seq"].as_u64()?,
        time: event["time"].as_u64()?,
        texts: texts
            .into_iter()
            .filter(|(.., text)| !text.is_empty())
            .collect(),
    })
}
