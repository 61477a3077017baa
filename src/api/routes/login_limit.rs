//! The limit on logins: per address, per IPv6 site, and per user or client at an address.

use crate::Error;
use crate::api::caller::Caller;
use crate::api::limits::uncounted;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::{AppInner, Call, add_rate_limit_headers};
use crate::base::address::{Counted, counted, parse};
use crate::gate::audit::Asker;
use crate::limiter::{Admission, Limiter};

/// Under which logins are counted in a shared store. No policy has such a name.
const LOGINS: &str = "login\u{1}";
const SITES: &str = "site\u{1}";

/// Has a request answered that counts against the limit on logins. `work` receives the key of the caller's address and the
/// address's remaining limit; it leaves there that of the user or client at this address if it is lower.
pub(super) fn limited(
    call: &mut Call<'_>,
    work: impl FnOnce(&mut Call<'_>, &[u8], &mut Option<Admission>) -> Result<Response, Problem>,
) -> Result<Response, Problem> {
    let (caller, mut admission) = count_caller(call)?;
    let mut response = work(call, &caller, &mut admission);
    if let Some(admission) = admission {
        add_rate_limit_headers(&mut response, "login", &admission);
    }
    response
}

/// The same for a request that names nobody: it counts for the caller's address alone.
pub(super) fn limited_by_address(
    call: &mut Call<'_>,
    work: impl FnOnce(&mut Call<'_>) -> Result<Response, Problem>,
) -> Result<Response, Problem> {
    let caller = Caller::of(call.request, &call.app.settings).limit_key();
    let admission = count(call.app, &caller)?;
    let mut response = work(call);
    if let Some(admission) = admission {
        add_rate_limit_headers(&mut response, "login", &admission);
    }
    response
}

/// Counts a request under its address and that address's site. Returns the key of the address, and the limit with fewer
/// requests remaining.
fn count_caller(call: &Call<'_>) -> Result<(Counted, Option<Admission>), Problem> {
    let from = Caller::of(call.request, &call.app.settings);
    let caller = from.limit_key();
    // By address first: that bounds how many names one caller can make the limiter remember.
    let decided = decide(call.app, &call.app.login_limiter, LOGINS, &caller)?;
    if let Some(state) = &decided {
        call.app.gate.note_login(state, &from);
    }
    let by_address = decided.map(admitted).transpose()?;
    let by_site = match from.site() {
        Some(site) => count_under(call.app, &call.app.site_limiter, SITES, &site)?,
        None => None,
    };
    Ok((caller, tighter(by_address, by_site)))
}

/// The limit with fewer requests remaining.
fn tighter(one: Option<Admission>, other: Option<Admission>) -> Option<Admission> {
    one.into_iter()
        .chain(other)
        .min_by_key(|admission| admission.remaining)
}

/// Counts a request for this user or client at the caller's address too.
pub(super) fn count_user(
    call: &Call<'_>,
    caller: &[u8],
    username: &str,
    tightest: &mut Option<Admission>,
) -> Result<(), Problem> {
    let by_user = [caller, username.as_bytes()].concat();
    let by_user = count(call.app, &by_user)?;
    *tightest = tighter(*tightest, by_user);
    Ok(())
}

/// Counts a login under a key; an error if there were too many.
pub(super) fn count(app: &AppInner, key: &[u8]) -> Result<Option<Admission>, Problem> {
    count_under(app, &app.login_limiter, LOGINS, key)
}

fn count_under(
    app: &AppInner,
    limiter: &Option<Limiter>,
    policy: &str,
    key: &[u8],
) -> Result<Option<Admission>, Problem> {
    decide(app, limiter, policy, key)?.map(admitted).transpose()
}

/// The decision of a limit on logins; `None`: there is no such limit.
fn decide(
    app: &AppInner,
    limiter: &Option<Limiter>,
    policy: &str,
    key: &[u8],
) -> Result<Option<Admission>, Problem> {
    match limiter {
        Some(limiter) => app
            .gate
            .count_login(limiter, policy, key)
            .map_err(uncounted),
        None => Ok(None),
    }
}

fn admitted(admission: Admission) -> Result<Admission, Problem> {
    match admission.allowed {
        true => Ok(admission),
        false => Err(Problem::rate_limited(admission.reset).with_limit("login", &admission)),
    }
}

/// What the limit on logins counts an address under, as administrators write it.
fn key_of(address: &str) -> Option<Counted> {
    match address {
        "unix" => Some(Counted::default()),
        text => parse(text).map(counted),
    }
}

/// The state of the limit on logins from an address; `None`: it is not known, or logins are not limited.
pub(super) fn peek_address(app: &AppInner, address: &str) -> Option<Admission> {
    let (limiter, key) = (app.login_limiter.as_ref()?, key_of(address)?);
    app.gate.peek_login(limiter, LOGINS, &key).ok()?
}

/// Forgets the logins of an address.
pub(super) fn reset_address(
    call: &Call<'_>,
    address: &str,
    asker: Asker<'_>,
) -> Result<bool, Error> {
    let wrong = |why: &str| Error::InvalidInput(why.to_owned());
    let limiter = call.app.login_limiter.as_ref();
    let limiter = limiter.ok_or_else(|| wrong("Logins are not limited."))?;
    let key = key_of(address).ok_or_else(|| wrong("who must be an address, or unix."))?;
    call.app.gate.reset_login_by(limiter, LOGINS, &key, asker)
}
