//! `/admin/v1/sessions`: logins that can be refreshed.

use serde_json::{Value, json};

use super::asked::{self, named, page};
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;
use crate::users::UserSession;

pub(super) fn list(call: &mut Call<'_>) -> Result<Response, Problem> {
    let (limit, after) = (asked::limit(call)?, asked::text(call, "after")?);
    let after = after.unwrap_or_default();
    let users = call.app.gate.users();
    let found = match asked::text(call, "user")? {
        // A user has few.
        Some(user) => {
            let of_user = users
                .sessions(&user)?
                .ok_or_else(Problem::no_such_account)?;
            let mut of_user: Vec<_> = of_user
                .into_iter()
                .filter(|session| session.id > after)
                .map(|session| (user.clone(), session))
                .collect();
            of_user.sort_by(|(_, one), (_, other)| one.id.cmp(&other.id));
            of_user
        }
        None => users.all_sessions(&after, limit + 1)?,
    };
    let (found, more) = page(found, limit);
    let next = found.last().filter(|_| more);
    let next = next.map(|(_, session)| session.id.clone());
    let listed: Vec<Value> = found
        .iter()
        .map(|(user, session)| shown(user, session))
        .collect();
    let body = json!({"sessions": listed, "next": next});
    Ok(Response::json(200, &body).no_store())
}

pub(super) fn end(call: &mut Call<'_>) -> Result<Response, Problem> {
    let id = named(call)?;
    if let Some(user) = asked::text(call, "user")? {
        let users = call.app.gate.users();
        let of_user = users
            .sessions(&user)?
            .ok_or_else(Problem::no_such_account)?;
        if !of_user.iter().any(|session| session.id == id) {
            return Err(Problem::no_such_session());
        }
    }
    let caller = call.caller();
    let users = call.app.gate.users_by(call.asker(&caller));
    match users.end_session(&id)? {
        Some(_) => Ok(Response::empty(204).no_store()),
        None => Err(Problem::no_such_session()),
    }
}

pub(super) fn end_all(call: &mut Call<'_>) -> Result<Response, Problem> {
    let user = asked::text(call, "user")?;
    let user = user.ok_or_else(|| Problem::bad_request("Name the user: ?user=NAME."))?;
    let caller = call.caller();
    let users = call.app.gate.users_by(call.asker(&caller));
    let all = users
        .sessions(&user)?
        .ok_or_else(Problem::no_such_account)?;
    let mut ended = 0;
    for session in all {
        // Another one may have ended it meanwhile.
        if users.end_session(&session.id)?.is_some() {
            ended += 1;
        }
    }
    Ok(Response::json(200, &json!({"ended": ended})).no_store())
}

fn shown(user: &str, session: &UserSession) -> Value {
    json!({
        "id": session.id,
        "user": user,
        "created_at": session.started,
        "used_at": session.refreshed,
        "expires_at": session.expires,
    })
}
