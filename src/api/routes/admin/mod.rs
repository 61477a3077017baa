//! The routes of administrators, under `/admin/v1/`: one file for each kind of thing. `asked` reads what requests have in common.

mod api_keys;
mod asked;
mod audit;
mod health;
mod keys;
mod limits;
mod sessions;
mod settings;
mod stats;
mod users;

use super::{anything, is_json, json, routes};
use crate::api::problem::Problem;
use crate::api::request::{Method, Request};
use crate::api::route::{Access, AppInner, Cost, Route, Served, Table, slow};

/// For routes whose body may be missing.
fn nothing_or_json(request: &Request<'_>) -> Result<(), Problem> {
    match request.headers.get("Content-Type") {
        Some(_) if !is_json(request) => Err(Problem::not_json_type()),
        _ => Ok(()),
    }
}

fn hashing(_app: &AppInner) -> Cost {
    Cost::Hashing
}

routes! {
    /// The routes of administrators.
    ADMINISTRATION "/admin/v1/" Served::Administration;
    Get "/admin/v1/health" Access::Administrator, takes anything, costs slow:
        "How the server is" health::answer;
    Get "/admin/v1/stats" Access::Administrator, takes anything, costs slow:
        "Figures of the last hour" stats::answer;
    Get "/admin/v1/users" Access::Administrator, takes anything, costs slow:
        "List accounts" users::list;
    Post "/admin/v1/users" Access::Administrator, takes json, costs hashing:
        "Add an account" users::add;
    Get "/admin/v1/users/{name}" Access::Administrator, takes anything, costs slow:
        "An account" users::show;
    Patch "/admin/v1/users/{name}" Access::Administrator, takes json, costs slow:
        "Change an account" users::change;
    Delete "/admin/v1/users/{name}" Access::Administrator, takes anything, costs slow:
        "Remove an account" users::remove;
    Put "/admin/v1/users/{name}/password" Access::Administrator, takes json, costs hashing:
        "Set a user's password" users::set_password;
    Post "/admin/v1/users/{name}/secret" Access::Administrator, takes nothing_or_json, costs slow:
        "Replace a client's secret" users::renew_secret;
    Post "/admin/v1/users/{name}/unlock" Access::Administrator, takes nothing_or_json, costs slow:
        "Forget a user's wrong passwords" users::unlock;
    Get "/admin/v1/sessions" Access::Administrator, takes anything, costs slow:
        "List logins" sessions::list;
    Delete "/admin/v1/sessions" Access::Administrator, takes anything, costs slow:
        "End all logins of a user" sessions::end_all;
    Delete "/admin/v1/sessions/{id}" Access::Administrator, takes anything, costs slow:
        "End a login" sessions::end;
    Get "/admin/v1/api-keys" Access::Administrator, takes anything, costs slow:
        "List everybody's API keys" api_keys::list;
    Post "/admin/v1/api-keys" Access::Administrator, takes json, costs slow:
        "Add an API key for a user" api_keys::add;
    Delete "/admin/v1/api-keys/{id}" Access::Administrator, takes anything, costs slow:
        "Revoke anybody's API key" api_keys::revoke;
    Get "/admin/v1/keys" Access::Administrator, takes anything, costs slow:
        "List the keys of the ring" keys::list;
    Post "/admin/v1/keys/rotate" Access::Administrator, takes nothing_or_json, costs slow:
        "Replace keys" keys::rotate;
    Post "/admin/v1/keys/{id}/retire" Access::Administrator, takes nothing_or_json, costs slow:
        "Stop accepting a key" keys::retire;
    Post "/admin/v1/keys/{id}/accept" Access::Administrator, takes nothing_or_json, costs slow:
        "Accept a key again" keys::accept;
    Get "/admin/v1/audit" Access::Administrator, takes anything, costs slow:
        "The latest events of the audit trail" audit::list;
    Get "/admin/v1/limits" Access::Administrator, takes anything, costs slow:
        "Who is at a limit" limits::list;
    Post "/admin/v1/limits/reset" Access::Administrator, takes json, costs slow:
        "Forget what a limit has counted" limits::reset;
    Get "/admin/v1/settings" Access::Administrator, takes anything, costs slow:
        "List the settings" settings::list;
}
