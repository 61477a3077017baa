//! The console's own routes. POST `/console/login`, `/console/refresh` and `/console/first` return an access token, which the
//! page keeps in memory; the refresh token is in a cookie that no script can read and that browsers send to
//! `/console/refresh` alone.

use serde_json::json;

use super::login::{BAD_PASSWORD, BAD_USERNAME, MAX_PASSWORD_BYTES, check_username};
use super::login_limit::{count_user, limited, limited_by_address};
use super::refresh::exchange;
use super::{Text, members, text};
use crate::api::caller::Caller;
use crate::api::console::files;
use crate::api::console::guard::{Certainty, check_sender};
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::{AppInner, Call, Cost};
use crate::api::settings::LoginMode;
use crate::base::json::Json;
use crate::gate::ADMIN_SCOPE;
use crate::gate::audit::AuditEvent;
use crate::limiter::Admission;
use crate::{Error, TokenError, Tokens};

/// What the first administrator's account may do: everything that Sealgate knows.
const FIRST_SCOPES: &str = "admin secure-data encrypt decrypt rewrap introspect api-keys api-keys-admin limit limit-reset metrics";
/// The cookie with the refresh token. Browsers accept this prefix with `Secure` only.
const COOKIE: &str = "__Secure-sealgate-refresh";
const COOKIE_FIELDS: &str = "Path=/console/refresh; Secure; HttpOnly; SameSite=Strict";

const BAD_CODE: &str = "Code is required.";

/// GET `/console/` and the files that the page consists of.
pub(super) fn file(call: &mut Call<'_>) -> Result<Response, Problem> {
    files::response(call.request)
}

pub(super) fn hashing(_app: &AppInner) -> Cost {
    Cost::Hashing
}

pub(super) fn login(call: &mut Call<'_>) -> Result<Response, Problem> {
    check_offered(call)?;
    limited(call, |call, caller, tightest| {
        let [username, password] = members(call.request, ["username", "password"])?;
        let (username, password) = credentials(username, password)?;
        count_name(call, caller, &username, tightest)?;
        begin(call, &username, &password)
    })
}

/// Creates the first administrator and logs it in.
pub(super) fn first(call: &mut Call<'_>) -> Result<Response, Problem> {
    check_offered(call)?;
    limited(call, |call, caller, tightest| {
        let [code, username, password] = members(call.request, ["code", "username", "password"])?;
        let code = required(code, "code", BAD_CODE)?;
        let (username, password) = credentials(username, password)?;
        count_name(call, caller, &username, tightest)?;
        add_first(call, &code, (&username, &password))?;
        begin(call, &username, &password)
    })
}

pub(super) fn refresh(call: &mut Call<'_>) -> Result<Response, Problem> {
    check_sender(call.request, &call.app.settings, Certainty::Stated)?;
    limited_by_address(call, renew)
}

/// Ends the session of the cookie, and removes the cookie.
pub(super) fn logout(call: &mut Call<'_>) -> Result<Response, Problem> {
    check_sender(call.request, &call.app.settings, Certainty::Stated)?;
    if let Some(token) = cookie(call) {
        let done = call.app.gate.log_out(token, call.asker(&call.caller()));
        match done {
            // It has ended in another way.
            Ok(()) | Err(Error::Token(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut response = Response::empty(204);
    response.set("Set-Cookie", no_cookie());
    Ok(response)
}

/// Whether the console's own page asks, and passwords are accepted at all.
fn check_offered(call: &Call<'_>) -> Result<(), Problem> {
    check_sender(call.request, &call.app.settings, Certainty::NotDenied)?;
    match call.app.settings.login {
        LoginMode::Off => Err(Problem::login_refused("Login is switched off.")),
        LoginMode::Auto | LoginMode::Open => Ok(()),
    }
}

fn credentials<'a>(
    username: Option<Json<'a>>,
    password: Option<Json<'a>>,
) -> Result<(Text<'a>, Text<'a>), Problem> {
    let username = required(username, "username", BAD_USERNAME)?;
    let password = required(password, "password", BAD_PASSWORD)?;
    check_username(&username)?;
    Ok((username, password))
}

fn required<'a>(
    member: Option<Json<'a>>,
    name: &str,
    title: &'static str,
) -> Result<Text<'a>, Problem> {
    match text(member, name, title)? {
        Some(found) if found.len() <= MAX_PASSWORD_BYTES => Ok(found),
        Some(_) => Err(Problem::bad_member(title, format!("{name} is too long."))),
        None => Err(Problem::bad_member(
            title,
            format!("The member {name} is missing."),
        )),
    }
}

/// Counts the request for this name too.
fn count_name(
    call: &mut Call<'_>,
    caller: &[u8],
    username: &str,
    tightest: &mut Option<Admission>,
) -> Result<(), Problem> {
    call.seen.user = Some(username.to_owned());
    count_user(call, caller, username, tightest)
}

/// Logs in with a password. Accounts without the scope are refused.
fn begin(call: &Call<'_>, username: &str, password: &str) -> Result<Response, Problem> {
    let from = Caller::of(call.request, &call.app.settings).to_string();
    let caller = call.caller();
    let credentials = (username, &password.into());
    let done = (call.app.gate).log_in_with(credentials, &from, ADMIN_SCOPE, call.asker(&caller));
    match done {
        Ok(new) => Ok(logged_in(call, username, &new)),
        Err(Error::InvalidInput(_)) => Err(Problem::insufficient_scope(ADMIN_SCOPE)),
        Err(error) => Err(error.into()),
    }
}

/// Adds the first administrator's account.
fn add_first(
    call: &Call<'_>,
    code: &str,
    (username, password): (&str, &str),
) -> Result<(), Problem> {
    let gate = &call.app.gate;
    let from = call.caller();
    let accounts = gate.users_by(call.asker(&from));
    if !call.app.awaits_first()? {
        let problem = Problem::login_refused("There are accounts already. Log in with one.");
        return Err(refused(call, username, problem));
    }
    let add = || accounts.add(username, &password.into(), FIRST_SCOPES);
    match call.app.first_code.redeem(code, add) {
        Some(Ok(())) => Ok(()),
        Some(Err(Error::InvalidName(sentence))) => Err(Problem::bad_member(BAD_USERNAME, sentence)),
        Some(Err(error)) => Err(error.into()),
        None => {
            let problem = Problem::login_refused(
                "The code is wrong. The server logged it when it started, and it works once.",
            );
            Err(refused(call, username, problem))
        }
    }
}

/// Records a refusal.
fn refused(call: &Call<'_>, username: &str, problem: Problem) -> Problem {
    let (caller, trail) = (call.caller(), call.app.gate.trail());
    let (event, asker) = (AuditEvent::Denied, call.asker(&caller));
    trail.record(event, problem.code(), Some(username), asker);
    problem
}

fn renew(call: &mut Call<'_>) -> Result<Response, Problem> {
    let Some(token) = cookie(call) else {
        // No error: this is how the page finds out whom to ask for a password.
        let body = json!({"access_token": null, "first_start": call.app.awaits_first()?});
        return Ok(Response::json(200, &body).no_store());
    };
    match exchange(call, token, "") {
        Ok((user, new)) => Ok(logged_in(call, &user, &new)),
        Err(Error::Token(error)) if error != TokenError::Unchecked => Err(forgotten(error)),
        Err(error) => Err(error.into()),
    }
}

/// The refusal of a refresh token that will never be good again, which removes its cookie.
fn forgotten(error: TokenError) -> Problem {
    let mut problem = Problem::unauthorized(error);
    problem.add_header("Set-Cookie", no_cookie());
    problem
}

fn no_cookie() -> String {
    format!("{COOKIE}=; Max-Age=0; {COOKIE_FIELDS}")
}

/// The refresh token of the request, if it has exactly one: a second one is another host's of the same site.
fn cookie<'r>(call: &Call<'r>) -> Option<&'r str> {
    let fields = call.request.headers.all("Cookie");
    let pairs = fields.flat_map(|value| value.split(|byte| *byte == b';'));
    let mut found = pairs.filter_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(COOKIE.as_bytes())?;
        std::str::from_utf8(value.strip_prefix(b"=")?).ok()
    });
    match (found.next(), found.next()) {
        (Some(token), None) => Some(token),
        _ => None,
    }
}

/// The response with an account's tokens.
fn logged_in(call: &Call<'_>, user: &str, new: &Tokens) -> Response {
    let body = json!({
        "access_token": new.token,
        "token_type": "Bearer",
        "expires_in": call.app.gate.token_ttl().as_secs(),
        "scope": new.scope,
        "username": user,
    });
    let mut response = Response::json(200, &body).no_store();
    if let Some(token) = &new.refresh_token {
        // Without an age, the cookie goes when the browser is closed.
        response.set("Set-Cookie", format!("{COOKIE}={token}; {COOKIE_FIELDS}"));
    }
    response
}
