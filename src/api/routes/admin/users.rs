//! `/admin/v1/users`: accounts of users and clients.

use std::fmt::Write;

use serde_json::{Value, json};

use super::super::text;
use super::asked::{
    self, IfMatch, bad, flag, named, only_members, optional_members, page, scope_names, scopes,
};
use crate::Secret;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;
use crate::base::json::Json;
use crate::gate::ADMIN_SCOPE;
use crate::store::AccountKind;
use crate::tokens::OPEN_LOGIN_SCOPE;
use crate::users::{AccountEdit, EditIf, Edited, User};

pub(super) fn list(call: &mut Call<'_>) -> Result<Response, Problem> {
    let (limit, after) = (asked::limit(call)?, asked::text(call, "after")?);
    let containing = asked::text(call, "q")?.unwrap_or_default();
    let users = call.app.gate.users();
    let found = users.search(&after.unwrap_or_default(), &containing, limit + 1)?;
    let (found, more) = page(found, limit);
    let next = found.last().filter(|_| more).map(|user| user.name.clone());
    let names: Vec<_> = found.iter().map(|user| &*user.name).collect();
    let locked = users.all_locked_until(&names)?;
    let listed = found.iter().zip(locked);
    let listed: Vec<_> = listed.map(|(user, locked)| shown(user, locked)).collect();
    let body = json!({"users": listed, "next": next});
    Ok(Response::json(200, &body).no_store())
}

pub(super) fn show(call: &mut Call<'_>) -> Result<Response, Problem> {
    let user = found(call, &named(call)?)?;
    Ok(answer(200, &user, shown_alone(call, &user)?))
}

pub(super) fn add(call: &mut Call<'_>) -> Result<Response, Problem> {
    let [name, password, names, claims, kind] = only_members(
        call.request,
        ["name", "password", "scopes", "claims", "kind"],
    )?;
    const TITLE: &str = "The account is not acceptable.";
    let name = text(name, "name", TITLE)?.ok_or_else(|| bad("name is missing."))?;
    let password = text(password, "password", TITLE)?;
    let scope = scopes(names)?.unwrap_or_else(|| OPEN_LOGIN_SCOPE.to_owned());
    let claims = object(claims)?;
    let is_client = match text(kind, "kind", TITLE)?.as_deref() {
        None | Some("user") => false,
        Some("client") => true,
        Some(_) => return Err(bad("kind must be user or client.")),
    };
    let caller = call.caller();
    let (gate, asker) = (&call.app.gate, call.asker(&caller));
    let mut secret = None;
    match (is_client, password) {
        (false, Some(password)) => {
            let users = gate.users_by(asker);
            let password: Secret = (&*password).into();
            users.add_with_claims(&name, &password, &scope, claims.unwrap_or("{}"))?;
        }
        (false, None) => return Err(bad("password is missing.")),
        (true, None) if claims.is_none_or(|claims| claims == "{}") => {
            secret = Some(gate.clients_by(asker).add(&name, &scope)?);
        }
        (true, None) => return Err(bad("Clients have no claims.")),
        (true, Some(_)) => {
            return Err(bad(
                "The secret of a client is generated: send no password.",
            ));
        }
    }
    let user = found(call, &name)?;
    let mut body = shown(&user, None);
    if let Some(secret) = secret {
        body["client_secret"] = secret.expose_str().unwrap_or_default().into();
    }
    let mut response = answer(201, &user, body);
    response.set("Location", address(&name));
    Ok(response)
}

pub(super) fn change(call: &mut Call<'_>) -> Result<Response, Problem> {
    let name = named(call)?;
    let [names, claims, disabled] = only_members(call.request, ["scopes", "claims", "disabled"])?;
    let scope = scopes(names)?;
    let edit = AccountEdit {
        scope: scope.as_deref(),
        claims: object(claims)?,
        disabled: flag(disabled, "disabled")?,
    };
    if edit == AccountEdit::default() {
        return Err(bad(
            "There is nothing to change. Send scopes, claims or disabled.",
        ));
    }
    let if_match = IfMatch::of(call.request)?;
    if if_match == IfMatch::Missing {
        return Err(Problem::precondition_required());
    }
    let only_if = condition(call, &name, &if_match)?;
    let caller = call.caller();
    let users = call.app.gate.users_by(call.asker(&caller));
    settled(users.edit(&name, &edit, only_if)?)?;
    let user = found(call, &name)?;
    Ok(answer(200, &user, shown_alone(call, &user)?))
}

pub(super) fn remove(call: &mut Call<'_>) -> Result<Response, Problem> {
    let name = named(call)?;
    let only_if = condition(call, &name, &IfMatch::of(call.request)?)?;
    let caller = call.caller();
    let users = call.app.gate.users_by(call.asker(&caller));
    settled(users.remove_if(&name, only_if)?)?;
    Ok(Response::empty(204).no_store())
}

pub(super) fn set_password(call: &mut Call<'_>) -> Result<Response, Problem> {
    let name = named(call)?;
    let [password] = only_members(call.request, ["password"])?;
    let password = text(password, "password", "Password is required.")?;
    let password = password.ok_or_else(|| bad("password is missing."))?;
    let only_if = EditIf {
        keeps: None,
        ..condition(call, &name, &IfMatch::of(call.request)?)?
    };
    of_kind(call, &name, AccountKind::User)?;
    let caller = call.caller();
    let users = call.app.gate.users_by(call.asker(&caller));
    let password: Secret = (&*password).into();
    settled(users.set_password_if(&name, &password, only_if)?)?;
    Ok(Response::empty(204).no_store())
}

pub(super) fn renew_secret(call: &mut Call<'_>) -> Result<Response, Problem> {
    let name = named(call)?;
    let [] = optional_members(call.request, [])?;
    of_kind(call, &name, AccountKind::Client)?;
    let caller = call.caller();
    let clients = call.app.gate.clients_by(call.asker(&caller));
    let secret = clients.renew_secret(&name)?;
    let secret = secret.ok_or_else(Problem::no_such_account)?;
    let body = json!({"client_secret": secret.expose_str().unwrap_or_default()});
    Ok(Response::json(200, &body).no_store())
}

pub(super) fn unlock(call: &mut Call<'_>) -> Result<Response, Problem> {
    let name = named(call)?;
    let [] = optional_members(call.request, [])?;
    of_kind(call, &name, AccountKind::User)?;
    let caller = call.caller();
    let users = call.app.gate.users_by(call.asker(&caller));
    match users.unlock(&name)? {
        true => Ok(Response::json(200, &json!({"unlocked": true})).no_store()),
        false => Err(Problem::no_such_account()),
    }
}

fn found(call: &Call<'_>, name: &str) -> Result<User, Problem> {
    let user = call.app.gate.users().find(name)?;
    user.ok_or_else(Problem::no_such_account)
}

/// Refuses what only accounts of the other kind have.
fn of_kind(call: &Call<'_>, name: &str, kind: AccountKind) -> Result<(), Problem> {
    match found(call, name)?.kind == kind {
        true => Ok(()),
        false => Err(Problem::of_other_kind()),
    }
}

/// What must hold for a change that this request asks for.
fn condition(call: &Call<'_>, name: &str, if_match: &IfMatch) -> Result<EditIf, Problem> {
    let keeps = match asked::yes(call, "last")? {
        true => None,
        false => Some(ADMIN_SCOPE),
    };
    if let IfMatch::Missing | IfMatch::Any = if_match {
        return Ok(EditIf {
            version: None,
            keeps,
        });
    }
    // The store compares it again, when nobody else can change it.
    let user = found(call, name)?;
    match if_match.permits(&etag(&user)) {
        true => Ok(EditIf {
            version: Some(user.version),
            keeps,
        }),
        false => Err(Problem::precondition_failed()),
    }
}

fn settled(edited: Edited) -> Result<(), Problem> {
    match edited {
        Edited::Made => Ok(()),
        Edited::NoAccount => Err(Problem::no_such_account()),
        Edited::OtherVersion => Err(Problem::precondition_failed()),
        Edited::LastWithScope => Err(Problem::last_administrator()),
    }
}

/// A member that must be an object, as it is written.
fn object<'a>(member: Option<Json<'a>>) -> Result<Option<&'a str>, Problem> {
    match member {
        Some(value) if value.entries().is_none() => Err(bad("claims must be an object.")),
        other => Ok(other.map(Json::as_written)),
    }
}

/// The same with what else is known of the account.
fn shown_alone(call: &Call<'_>, user: &User) -> Result<Value, Problem> {
    let locked = call.app.gate.users().locked_until(&user.name)?;
    Ok(shown(user, locked))
}

fn answer(status: u16, user: &User, body: Value) -> Response {
    let mut response = Response::json(status, &body).no_store();
    response.set("ETag", etag(user));
    response
}

fn etag(user: &User) -> String {
    format!("\"{:x}\"", user.version)
}

fn shown(user: &User, locked_until: Option<u64>) -> Value {
    json!({
        "name": user.name,
        "kind": match user.kind {
            AccountKind::User => "user",
            AccountKind::Client => "client",
        },
        "scopes": scope_names(&user.scope),
        "claims": serde_json::from_str::<Value>(&user.claims).unwrap_or_else(|_| json!({})),
        "disabled": user.disabled,
        // Wrong passwords do not delay clients: /login has none, and their secrets cannot be guessed.
        "locked_until": locked_until.filter(|_| user.kind == AccountKind::User),
        "created_at": user.created,
        "etag": etag(user),
    })
}

/// The path of an account.
fn address(name: &str) -> String {
    let mut path = "/admin/v1/users/".to_owned();
    if let "." | ".." = name {
        // URL libraries fold such segments.
        path.push_str("?name=");
    }
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.push(char::from(byte));
            }
            other => {
                let _ = write!(path, "%{other:02X}");
            }
        }
    }
    path
}
