//! POST `/login`: a token for a username. With accounts, in the data directory or the host's, it requires a password. If
//! there have never been any, anyone can get a token for any name, so this open login is restricted.

use super::login_limit::{count_user, limited};
use super::open_login::check_offered;
use super::{Text, members, text};
use crate::api::caller::Caller;
use crate::api::host::HostLogin;
use crate::api::problem::Problem;
use crate::api::response::{Member, Response};
use crate::api::route::{AppInner, Call, Cost};
use crate::base::json::Json;
use crate::base::names::{valid_scope, valid_subject};
use crate::gate::audit::AuditEvent;
use crate::limiter::Admission;
use crate::tokens::OPEN_LOGIN_SCOPE;
use crate::{Error, Tokens};

pub(super) const BAD_USERNAME: &str = "Username is required.";
pub(super) const BAD_PASSWORD: &str = "Password is required.";
const BAD_SCOPE: &str = "The scope is not acceptable.";
pub(super) const MAX_PASSWORD_BYTES: usize = 4096;

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    limited(call, log_in)
}

pub(super) fn cost(app: &AppInner) -> Cost {
    match &app.host.authenticate {
        Some(_) => Cost::Slow,
        None if app.gate.wants_passwords() => Cost::Hashing,
        // If all of a user's tokens have just been revoked, a new one waits for the next second.
        None if app.gate.has_store() => Cost::Slow,
        None if app.gate.trail().is_awaited() => Cost::Slow,
        None => Cost::Quick,
    }
}

/// See [`limited`].
fn log_in(
    call: &mut Call<'_>,
    caller: &[u8],
    tightest: &mut Option<Admission>,
) -> Result<Response, Problem> {
    check_offered(call)?;
    let [username, password, scope] = members(call.request, ["username", "password", "scope"])?;
    let username = &*text(username, "username", BAD_USERNAME)?.ok_or_else(|| {
        Problem::bad_member(BAD_USERNAME, r#"Send {"username": "your_username"}."#)
    })?;
    check_username(username)?;
    call.seen.user = Some(username.to_owned());
    count_user(call, caller, username, tightest)?;
    let asked = text(scope, "scope", BAD_SCOPE)?;
    let asked = asked.as_deref().unwrap_or_default();
    let gate = &call.app.gate;
    let host_decides = call.app.host.authenticate.is_some();
    // Whoever sends a password counts on an account, which may be new.
    let has_accounts =
        || gate.wants_passwords() || password.is_some() && gate.wants_passwords_now();
    let is_open = !host_decides && !has_accounts();
    // A password that the gate never sees.
    let password = password_of(password, is_open).inspect_err(|problem| {
        let (caller, user) = (call.caller(), Some(username));
        let (trail, asker) = (gate.trail(), call.asker(&caller));
        trail.record(AuditEvent::Login, problem.code(), user, asker);
    })?;
    if is_open {
        // A token without a password never permits more than was always permitted so.
        return issue(call, username, asked, Some(OPEN_LOGIN_SCOPE));
    }
    match host_decides {
        true => by_host(call, username, &password, asked),
        false => by_account(call, username, &password, asked),
    }
}

pub(super) fn check_username(username: &str) -> Result<(), Problem> {
    match valid_subject(username) {
        true => Ok(()),
        false => Err(Problem::bad_member(
            BAD_USERNAME,
            "username must have 1 to 256 characters and no control characters.",
        )),
    }
}

/// The password; empty if there is none and none is needed.
fn password_of(member: Option<Json<'_>>, is_optional: bool) -> Result<Text<'_>, Problem> {
    let password = match text(member, "password", BAD_PASSWORD)? {
        Some(password) => password,
        None if is_optional => Text::EMPTY,
        None => {
            return Err(Problem::bad_member(
                BAD_PASSWORD,
                r#"Send {"username": "...", "password": "..."}."#,
            ));
        }
    };
    // A character takes at most 4 bytes, so our longest password fits; a host's may be longer.
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(Problem::bad_member(BAD_PASSWORD, "password is too long."));
    }
    Ok(password)
}

fn by_host(
    call: &Call<'_>,
    username: &str,
    password: &str,
    asked: &str,
) -> Result<Response, Problem> {
    let authenticate = call.app.host.authenticate.as_ref();
    let permitted = authenticate
        .and_then(|authenticate| {
            authenticate(&HostLogin {
                username,
                password,
                client: Caller::of(call.request, &call.app.settings).address(),
                id: call.seen.id.as_str(),
            })
        })
        .filter(|scope| valid_scope(scope));
    issue(call, username, asked, permitted.as_deref())
}

fn by_account(
    call: &Call<'_>,
    username: &str,
    password: &str,
    asked: &str,
) -> Result<Response, Problem> {
    let gate = &call.app.gate;
    let from = Caller::of(call.request, &call.app.settings).to_string();
    let caller = call.caller();
    let new = gate
        .log_in_by(
            username,
            &password.into(),
            &from,
            asked,
            call.asker(&caller),
        )
        .map_err(scope_problem)?;
    Ok(tokens(call, "token", &new))
}

fn issue(
    call: &Call<'_>,
    username: &str,
    asked: &str,
    permitted: Option<&str>,
) -> Result<Response, Problem> {
    let gate = &call.app.gate;
    let token = gate
        .log_in_without_account(username, permitted, asked, call.asker(&call.caller()))
        .map_err(scope_problem)?;
    let members = members_with(call, "token", &token);
    Ok(Response::object(200, &members).no_store())
}

/// What every response with a token has; `name` is the member with the token.
fn members_with<'a>(
    call: &Call<'_>,
    name: &'static str,
    token: &'a str,
) -> [(&'static str, Member<'a>); 3] {
    let lifetime = call.app.gate.token_ttl().as_secs();
    [
        (name, Member::Text(token)),
        ("token_type", Member::Text("Bearer")),
        ("expires_in", Member::Number(lifetime)),
    ]
}

fn scope_problem(error: Error) -> Problem {
    match error {
        Error::InvalidInput(sentence) => Problem::bad_member(BAD_SCOPE, sentence),
        other => other.into(),
    }
}

/// The response with an account's tokens; `name` is the member with the token.
pub(super) fn tokens(call: &Call<'_>, name: &'static str, new: &Tokens) -> Response {
    let mut members = Vec::from(members_with(call, name, &new.token));
    members.push(("scope", Member::Text(&new.scope)));
    if let Some(refresh_token) = &new.refresh_token {
        members.push(("refresh_token", Member::Text(refresh_token)));
    }
    Response::object(200, &members).no_store()
}
