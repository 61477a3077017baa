//! `/admin/v1/audit`: the latest events of the audit trail of this process.

use serde_json::{Map, Value, json};

use super::asked;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;
use crate::gate::{EventFilter, RecentEvent};

pub(super) fn list(call: &mut Call<'_>) -> Result<Response, Problem> {
    let limit = asked::limit(call)?;
    let (before, after) = (
        asked::number(call, "before")?,
        asked::number(call, "after")?,
    );
    let filter = EventFilter {
        event: asked::text(call, "event")?,
        user: asked::text(call, "user")?,
        by: asked::text(call, "by")?,
        since: asked::number(call, "since")?,
        until: asked::number(call, "until")?,
        text: asked::text(call, "q")?,
    };
    let gate = &call.app.gate;
    let all = gate.recent_events();
    let is_asked_for = gate.event_test(filter);
    let events: Vec<Value> = (all.iter().rev())
        .filter(|event| {
            before.is_none_or(|before| event.seq < before)
                && after.is_none_or(|after| event.seq > after)
                && is_asked_for(event)
        })
        .take(limit as usize)
        .map(|event| shown(event, &event.who(gate.trail().pseudonyms())))
        .collect();
    let number = |event: Option<&std::sync::Arc<RecentEvent>>| event.map(|event| event.seq);
    let body = json!({
        "events": events,
        "first": number(all.first()),
        "last": number(all.last()),
    });
    Ok(Response::json(200, &body).no_store())
}

/// The event, without the members that it does not have.
fn shown(event: &RecentEvent, who: &str) -> Value {
    let mut members = Map::new();
    members.insert("seq".to_owned(), event.seq.into());
    members.insert("time".to_owned(), event.time.into());
    for (name, text) in [
        ("event", event.event),
        ("result", event.result),
        ("user", event.user()),
        ("who", who),
        ("address", event.peer()),
        ("by", event.by()),
        ("by_who", event.by_who()),
        ("key", event.key()),
        ("trace", event.trace()),
        ("request_id", event.id()),
    ] {
        if !text.is_empty() {
            members.insert(name.to_owned(), text.into());
        }
    }
    Value::Object(members)
}
