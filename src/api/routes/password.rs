//! POST `/password`: a user's change of the own password, with a token and the current password. Counts against the limit on
//! logins, and a wrong password counts as a wrong login.

use super::login::MAX_PASSWORD_BYTES;
use super::login_limit::{count_user, limited};
use super::{Text, members, text};
use crate::api::caller::Caller;
use crate::api::permission::denied;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::{AppInner, Call, Cost};
use crate::api::settings::LoginMode;
use crate::base::json::Json;
use crate::limiter::Admission;

const BAD_PASSWORD: &str = "The current and the new password are required.";

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    limited(call, change)
}

pub(super) fn cost(_app: &AppInner) -> Cost {
    Cost::Hashing
}

fn change(
    call: &mut Call<'_>,
    caller: &[u8],
    tightest: &mut Option<Admission>,
) -> Result<Response, Problem> {
    let claims = call.claims.expect("the route requires a token");
    let user = claims.subject().to_owned();
    count_user(call, caller, &user, tightest)?;
    check_offered(call)?;
    if claims.api_key().is_some() {
        let problem = Problem::password_refused(
            "An API key cannot change a password. Log in, and use the token of the login.",
        );
        return Err(denied(call, claims, problem));
    }
    let [current, new] = members(call.request, ["current_password", "new_password"])?;
    let current = required(current, "current_password")?;
    let new = required(new, "new_password")?;
    let from = Caller::of(call.request, &call.app.settings).to_string();
    let asked_by = call.caller();
    let users = call.app.gate.users_by(call.asker(&asked_by));
    users.change_password(&user, &(&*current).into(), &(&*new).into(), &from)?;
    Ok(Response::empty(204))
}

fn required<'a>(member: Option<Json<'a>>, name: &str) -> Result<Text<'a>, Problem> {
    let password = text(member, name, BAD_PASSWORD)?.ok_or_else(|| {
        Problem::bad_member(
            BAD_PASSWORD,
            r#"Send {"current_password": "...", "new_password": "..."}."#,
        )
    })?;
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(Problem::bad_member(
            BAD_PASSWORD,
            format!("{name} is too long."),
        ));
    }
    Ok(password)
}

/// Whether the accounts of the data directory decide who may log in.
fn check_offered(call: &Call<'_>) -> Result<(), Problem> {
    if call.app.host.authenticate.is_some() {
        return Err(Problem::password_refused(
            "The program that embeds this server has accounts of its own.",
        ));
    }
    if call.app.settings.login == LoginMode::Off {
        return Err(Problem::password_refused("Login is switched off."));
    }
    Ok(())
}
