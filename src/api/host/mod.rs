//! What a host program adds to or replaces in the API: routes, accounts, the data of `/secure-data`.

mod route;

use std::fmt;
use std::net::IpAddr;

use crate::api::request::Method;
use crate::{Error, Secret};

pub use route::{HostCall, HostRoute};

type Authenticate = dyn Fn(&HostLogin<'_>) -> Option<String> + Send + Sync;
type SecureData = dyn Fn() -> Result<Secret, Error> + Send + Sync;

/// A login that the host accepts or refuses.
pub struct HostLogin<'a> {
    pub(in crate::api) username: &'a str,
    pub(in crate::api) password: &'a str,
    pub(in crate::api) client: Option<IpAddr>,
    pub(in crate::api) id: &'a str,
}

impl<'a> HostLogin<'a> {
    /// The username: 1 to 256 characters, no control characters.
    pub fn username(&self) -> &'a str {
        self.username
    }

    /// The password, a secret.
    pub fn password(&self) -> &'a str {
        self.password
    }

    /// The client's address, as in [`HostCall::client`](super::HostCall::client).
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// The request's id, as in [`HostCall::request_id`](super::HostCall::request_id).
    pub fn request_id(&self) -> &'a str {
        self.id
    }
}

/// The host's part of an [`App`](super::App).
///
/// ```
/// use sealgate::api::{Host, HostRoute, Method, Response};
///
/// let host = Host::new()
///     .with_accounts(|user, password| (user == "alice" && password == "wonderland").then(|| "encrypt".to_owned()))
///     .with_secure_data(|| Ok("today's figures".into()));
/// ```
#[derive(Default)]
pub struct Host {
    pub(in crate::api) routes: Vec<HostRoute>,
    pub(in crate::api) authenticate: Option<Box<Authenticate>>,
    pub(in crate::api) secure_data: Option<Box<SecureData>>,
}

impl Host {
    /// A host that adds nothing.
    pub fn new() -> Self {
        Host::default()
    }

    /// Uses the host's accounts: `POST /login` then requires a password, and `authenticate` returns the scope that the
    /// user's tokens may have, or `None` to refuse the login. Login is then offered everywhere unless the setting `login`
    /// is off.
    ///
    /// `authenticate` may block: it runs on separate threads, several calls at once.
    pub fn with_accounts(
        self,
        authenticate: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.with_logins(move |login| authenticate(login.username, login.password))
    }

    /// The same, for a function that needs the client's address, for example to slow down guessing.
    pub fn with_logins(
        mut self,
        authenticate: impl Fn(&HostLogin<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.authenticate = Some(Box::new(authenticate));
        self
    }

    /// Limits a route that has been added by a policy, as [`HostRoute::limited_by`] does.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if there is no such route, or the cost is 0.
    pub fn limit_route(
        &mut self,
        method: &Method,
        path: &str,
        policy: &str,
        cost: u32,
    ) -> Result<(), Error> {
        let mut routes = self.routes.iter_mut();
        let route = routes.find(|route| route.method == *method && route.path == path);
        match route {
            Some(route) if cost > 0 => {
                route.policies.push((policy.to_owned(), cost));
                Ok(())
            }
            Some(_) => Err(Error::InvalidInput("The cost must be at least 1.".into())),
            None => Err(Error::InvalidInput(
                "No route with this method and path has been added.".into(),
            )),
        }
    }

    /// Supplies the data of `/secure-data` in place of the settings. It is called for each request and may block; an error
    /// is answered with 500.
    pub fn with_secure_data(
        mut self,
        secure_data: impl Fn() -> Result<Secret, Error> + Send + Sync + 'static,
    ) -> Self {
        self.secure_data = Some(Box::new(secure_data));
        self
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("routes", &self.routes)
            .field("accounts", &self.authenticate.is_some())
            .field("secure_data", &self.secure_data.is_some())
            .finish()
    }
}
