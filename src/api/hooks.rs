//! What a host program adds to the API or puts in the place of its parts: routes, accounts, the data of `/secure-data`.

use std::fmt;

use super::host::{self, HostRoute};
use crate::{Error, Secret};

type Authenticate = dyn Fn(&str, &str) -> Option<String> + Send + Sync;
type SecureData = dyn Fn() -> Result<Secret, Error> + Send + Sync;

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
    pub(super) routes: Vec<HostRoute>,
    pub(super) authenticate: Option<Box<Authenticate>>,
    pub(super) secure_data: Option<Box<SecureData>>,
}

impl Host {
    /// Nothing of its own.
    pub fn new() -> Self {
        Host::default()
    }

    /// Adds a route.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where it is malformed, is there already, or takes the place of one of the API's own; it is
    /// not added then.
    pub fn add_route(&mut self, route: HostRoute) -> Result<(), Error> {
        self.routes.push(route);
        host::check(&self.routes).inspect_err(|_| {
            self.routes.pop();
        })
    }

    /// Accounts: `POST /login` asks for a password too, and `authenticate` answers with the scope that the user's tokens
    /// may have, or `None` where they get none. Logging in is then offered everywhere unless the setting `login` is off.
    ///
    /// It may take its time: it runs where nobody else waits with it, several at a time.
    pub fn with_accounts(
        mut self,
        authenticate: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.authenticate = Some(Box::new(authenticate));
        self
    }

    /// What `/secure-data` shows, asked for at each request, in the place of the settings' data. An error is answered with
    /// 500. It may take its time.
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
