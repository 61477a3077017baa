//! What the host adds to a server: routes, a login callback, and the data of /secure-data.

use std::ffi::{c_char, c_void};

use super::callback::{SealgateDrop, User, call_host};
use super::input::text;
use super::login::{SealgateLogin, SealgateSecureData};
use super::request::SealgateRequest;
use super::response::SealgateResponse;
use super::server::{SealgateServer, guarded};
use super::{Failure, SealgateStatus};
use crate::Error;
use crate::api::{HostCall, HostRoute, Method, Response};
use crate::base::http_syntax::is_token;

/// For `sealgate_server_route`: requests need a token; the callback gets its verified claims.
pub const SEALGATE_ROUTE_TOKEN: u32 = 1;
/// For `sealgate_server_route`: the gate's rate limit applies, shared with the user's other requests. Needs
/// SEALGATE_ROUTE_TOKEN.
pub const SEALGATE_ROUTE_LIMITED: u32 = 2;
/// For `sealgate_server_route`: the callback may block (on a database, another server). It then runs on a thread where it
/// delays no other connection.
pub const SEALGATE_ROUTE_BLOCKING: u32 = 4;

/// Answers a request: fills in `response` and returns 0. Any other return value is a failure; it is logged and the client
/// gets 500.
///
/// It runs on the server's threads, several at a time. `request`, `response` and everything read from them are valid only
/// during the call. It may call everything except `sealgate_server_stop` and `sealgate_server_free` of its own server,
/// which return WOULD_DEADLOCK. It must return: no longjmp out of it, no C++ exception. A child process that it forks may
/// use gates; if the child returns from the callback, it ends as with _exit(0).
///
/// ```c
/// static int32_t show_order(const sealgate_request *request, sealgate_response *response, void *user)
/// {
///     const char *id;
///     size_t id_size;
///     (void)user;
///     if (sealgate_request_parameter(request, SEALGATE_LITERAL("id"), &id, &id_size) != SEALGATE_STATUS_OK ||
///         sealgate_response_set_header(response, SEALGATE_LITERAL("Content-Type"), SEALGATE_LITERAL("text/plain")) != SEALGATE_STATUS_OK ||
///         sealgate_response_set_body(response, id, id_size) != SEALGATE_STATUS_OK) {
///         return -1; // answers 500
///     }
///     return 0;
/// }
/// ```
pub type SealgateRouteCallback = Option<
    unsafe extern "C" fn(
        request: *const SealgateRequest<'_>,
        response: *mut SealgateResponse,
        user: *mut c_void,
    ) -> i32,
>;

/// Decides a login: reads name and password from `login`, calls `sealgate_login_allow` if they are right, and returns 0.
/// Without that call, or with any other return value, the login is denied.
///
/// It runs on the server's threads for blocking work, several at a time. `login` and everything read from it are valid only
/// during the call. The rules for what it may call and how it must return are those of `sealgate_route_callback`.
///
/// ```c
/// static int32_t authenticate(sealgate_login *login, void *user)
/// {
///     const char *name, *password;
///     size_t name_size, password_size;
///     if (sealgate_login_username(login, &name, &name_size) != SEALGATE_STATUS_OK ||
///         sealgate_login_password(login, &password, &password_size) != SEALGATE_STATUS_OK) {
///         return -1;
///     }
///     if (is_right(user, name, name_size, password, password_size)) {
///         return sealgate_login_allow(login, SEALGATE_LITERAL("secure-data")) == SEALGATE_STATUS_OK ? 0 : -1;
///     }
///     return 0; // not allowed: denied
/// }
/// ```
pub type SealgateAuthenticateCallback =
    Option<unsafe extern "C" fn(login: *mut SealgateLogin<'_>, user: *mut c_void) -> i32>;

/// Supplies the data of /secure-data with `sealgate_secure_data_set`, and returns 0. With any other return value, or
/// without data, the client gets 500.
///
/// It runs on the server's threads for blocking work, several at a time. `data` is valid only during the call. The rules
/// for what it may call and how it must return are those of `sealgate_route_callback`.
///
/// ```c
/// static int32_t supply(sealgate_secure_data *data, void *user)
/// {
///     const char *text = user;
///     return sealgate_secure_data_set(data, text, strlen(text)) == SEALGATE_STATUS_OK ? 0 : -1;
/// }
/// ```
pub type SealgateSecureDataCallback =
    Option<unsafe extern "C" fn(data: *mut SealgateSecureData, user: *mut c_void) -> i32>;

/// Adds a route to a server that has not been started.
///
/// `method` is "GET" (which also answers HEAD), "POST" or another one. `path` begins with a slash; a segment in braces, as
/// in "/orders/{id}", matches any text. `flags` is a sum of SEALGATE_ROUTE_...; `scope` is the one scope name that the
/// token needs, or empty if any token is accepted. `callback` is called with `user`; `drop`, which may be NULL, is called
/// with `user` when the library will not use it again or, if this call fails, before it returns.
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (an unknown flag, a path that is malformed or already in use, a
/// scope or a limit without a token), WRONG_STATE (it has been started), FORKED. Thread safety: any thread. Since 0.1.
///
/// # Safety
/// `server` is NULL or live; the texts are NULL or valid for their sizes; `callback` and `drop` behave as their types
/// document, on any thread.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)] // pointer and size of three texts
pub unsafe extern "C" fn sealgate_server_route(
    server: *const SealgateServer,
    method: *const c_char,
    method_size: usize,
    path: *const c_char,
    path_size: usize,
    flags: u32,
    scope: *const c_char,
    scope_size: usize,
    callback: SealgateRouteCallback,
    user: *mut c_void,
    drop: SealgateDrop,
) -> SealgateStatus {
    let user = User::new(user, drop);
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(server, |server| {
            let callback = callback.ok_or_else(|| Failure::null("callback"))?;
            let method = method_of(text(method, method_size, "method")?)?;
            let path = text(path, path_size, "path")?;
            let scope = text(scope, scope_size, "scope")?;
            let id = server.id();
            let mut route = HostRoute::fallible(method, path, move |call| {
                run_route(id, call, callback, &user)
            });
            check_flags(flags, scope)?;
            if flags & SEALGATE_ROUTE_TOKEN != 0 {
                route = route.with_token(scope);
            }
            if flags & SEALGATE_ROUTE_LIMITED != 0 {
                route = route.limited();
            }
            if flags & SEALGATE_ROUTE_BLOCKING != 0 {
                route = route.blocking();
            }
            server.prepare(|host| Ok(host.add_route(route)?))
        })
    }
}

/// Sets the login callback: `POST /login` then takes {"username", "password"} and calls `callback`.
///
/// It replaces an earlier one. Every client that reaches the server can then log in, unless the setting "login" is "off".
/// `user` and `drop` are as with `sealgate_server_route`.
/// Statuses: NULL_POINTER, WRONG_STATE (it has been started), FORKED. Thread safety: any thread. Since 0.1.
///
/// # Safety
/// `server` is NULL or live; `callback` and `drop` behave as their types document, on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_server_set_authenticate(
    server: *const SealgateServer,
    callback: SealgateAuthenticateCallback,
    user: *mut c_void,
    drop: SealgateDrop,
) -> SealgateStatus {
    let user = User::new(user, drop);
    // SAFETY: by this function's contract.
    unsafe {
        guarded(server, |server| {
            let callback = callback.ok_or_else(|| Failure::null("callback"))?;
            let id = server.id();
            server.prepare(|host| {
                *host = std::mem::take(host).with_logins(move |asked| {
                    let mut login = SealgateLogin::new(asked);
                    // SAFETY: the host has promised that this call is allowed; `login` lives until it returns.
                    let outcome = call_host(id, || callback(&mut login, user.data()));
                    if outcome != 0 {
                        log::warn!(returned = outcome; "the login callback failed; the login is denied");
                        return None;
                    }
                    login.allowed
                });
                Ok(())
            })
        })
    }
}

/// Lets `callback` supply the data of /secure-data, instead of the settings "secure_data" and "secure_data_file".
///
/// It replaces an earlier one. `user` and `drop` are as with `sealgate_server_route`.
/// Statuses: NULL_POINTER, WRONG_STATE (it has been started), FORKED. Thread safety: any thread. Since 0.1.
///
/// # Safety
/// `server` is NULL or live; `callback` and `drop` behave as their types document, on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_server_set_secure_data(
    server: *const SealgateServer,
    callback: SealgateSecureDataCallback,
    user: *mut c_void,
    drop: SealgateDrop,
) -> SealgateStatus {
    let user = User::new(user, drop);
    // SAFETY: by this function's contract.
    unsafe {
        guarded(server, |server| {
            let callback = callback.ok_or_else(|| Failure::null("callback"))?;
            let id = server.id();
            server.prepare(|host| {
                *host = std::mem::take(host).with_secure_data(move || {
                    let mut data = SealgateSecureData::default();
                    // SAFETY: the host has promised that this call is allowed; `data` lives until it returns.
                    let outcome = call_host(id, || callback(&mut data, user.data()));
                    data.data.filter(|_| outcome == 0).ok_or_else(|| {
                        Error::Io(format!(
                            "The secure-data callback set no data; it returned {outcome}."
                        ))
                    })
                });
                Ok(())
            })
        })
    }
}

fn run_route(
    server: u64,
    call: &HostCall<'_>,
    callback: unsafe extern "C" fn(
        *const SealgateRequest<'_>,
        *mut SealgateResponse,
        *mut c_void,
    ) -> i32,
    user: &User,
) -> Result<Response, Error> {
    let request = SealgateRequest::new(call);
    let mut response = SealgateResponse::new();
    let called = call_host(server, || {
        // SAFETY: the host has promised that this call is allowed; both live until it returns.
        unsafe { callback(&request, &mut response, user.data()) }
    });
    match called {
        0 => Ok(response.response),
        outcome => Err(Error::Io(format!(
            "A route callback failed; it returned {outcome}."
        ))),
    }
}

fn check_flags(flags: u32, scope: &str) -> Result<(), Failure> {
    let known = SEALGATE_ROUTE_TOKEN | SEALGATE_ROUTE_LIMITED | SEALGATE_ROUTE_BLOCKING;
    if flags & !known != 0 {
        return Err(Failure::invalid("flags has an unknown bit."));
    }
    if flags & SEALGATE_ROUTE_TOKEN == 0 && !scope.is_empty() {
        return Err(Failure::invalid("A scope needs SEALGATE_ROUTE_TOKEN."));
    }
    Ok(())
}

pub(super) fn method_of(name: &str) -> Result<Method, Failure> {
    let method = name
        .parse()
        .ok()
        .filter(|_| is_token(name))
        .ok_or_else(|| Failure::invalid("method is not an HTTP method."))?;
    match method {
        Method::Head | Method::Options => Err(Failure::invalid(
            "HEAD and OPTIONS are answered by the library.",
        )),
        method => Ok(method),
    }
}

/// Limits a route that was added with `sealgate_server_route` by a policy: each request costs `cost`, at least 1.
///
/// It may be called several times for different policies; all of them have to admit a request, and the response reports all
/// of them. `method` and `path` are those of the route. The policies of the gate are known when the server starts:
/// `sealgate_server_start` then returns INVALID_ARGUMENT if there is none of this name, if its limit is below the cost, or if
/// it counts users and the route needs no token.
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (no such route, a cost of 0), WRONG_STATE (it has been started),
/// FORKED. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)] // pointer and size of three texts
pub unsafe extern "C" fn sealgate_server_limit_route(
    server: *const SealgateServer,
    method: *const c_char,
    method_size: usize,
    path: *const c_char,
    path_size: usize,
    policy: *const c_char,
    policy_size: usize,
    cost: u32,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(server, |server| {
            let method = method_of(text(method, method_size, "method")?)?;
            let path = text(path, path_size, "path")?;
            let policy = text(policy, policy_size, "policy")?;
            server.prepare(|host| Ok(host.limit_route(&method, path, policy, cost)?))
        })
    }
}
