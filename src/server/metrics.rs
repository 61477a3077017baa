//! GET /metrics on an address of its own: an engine with one worker, so that a slow reader holds up no request.

#[cfg(target_os = "linux")]
use std::sync::Arc;

use super::engine::{Engine, Plan};
use super::listen::{self, Address};
use super::settings::{EngineChoice, ProxyProtocol, Settings};
use crate::Error;
use crate::api::{App, Host, HostRoute, Method, Response};
use crate::metrics::{self, MetricsFormat, Page};

/// The scope of tokens that may read the metrics where a token is needed.
pub const METRICS_SCOPE: &str = "metrics";

/// Where the metrics of a server come from.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) app: App,
    #[cfg(target_os = "linux")]
    stats: Option<super::pool::Stats>,
    #[cfg(target_os = "linux")]
    certificates: Option<Arc<super::tls::Certificates>>,
}

impl Source {
    /// Of a server that is started with this plan.
    pub(super) fn of(app: App, engine: &Engine, plan: &Plan) -> Self {
        Source {
            app,
            #[cfg(target_os = "linux")]
            stats: match engine {
                Engine::Pool(engine) => Some(engine.stats()),
                Engine::TinyHttp(_) => None,
            },
            #[cfg(target_os = "linux")]
            certificates: plan.certificates(),
        }
    }

    /// The metrics as text.
    pub(super) fn text(&self, format: MetricsFormat) -> String {
        let mut page = Page::default();
        self.app.collect(&mut page);
        #[cfg(target_os = "linux")]
        if let Some(stats) = &self.stats {
            stats.collect(&mut page);
        }
        #[cfg(target_os = "linux")]
        if let Some(certificates) = &self.certificates {
            certificates.collect(&mut page);
        }
        metrics::process(&mut page);
        page.text(format)
    }
}

/// The address of the metrics, bound.
pub(super) struct Endpoint {
    plan: Plan,
    socket: listen::Socket,
    settings: Settings,
    needs_token: bool,
}

impl Endpoint {
    /// The one that the settings want, if any. `servers`: the server's plan, with whose certificate it speaks TLS.
    pub(super) fn bind(settings: &Settings, servers: &Plan) -> Result<Option<Self>, Error> {
        let Some(own) = own_settings(settings) else {
            return Ok(None);
        };
        let plan = Plan::beside(servers, &own)?;
        let listen = &own.listen[0];
        Ok(Some(Endpoint {
            socket: listen::bind(listen, own.socket_mode, plan.speaks_tls())?,
            plan,
            // A verified certificate is as good as a token.
            needs_token: !listen.is_local() && !own.requires_client_certificate(),
            settings: own,
        }))
    }

    /// Checks the settings without binding anything.
    pub(super) fn check(settings: &Settings) -> Result<(), Error> {
        own_settings(settings).map_or(Ok(()), |own| Plan::of(&own).map(drop))
    }

    pub(super) fn address(&self) -> Address {
        self.socket.address.clone()
    }

    pub(super) fn start(self, source: Source) -> Result<Engine, Error> {
        let app = source.app.clone();
        let mut route = HostRoute::new(Method::Get, "/metrics", move |call| {
            let format = format_for(call.request().headers.get("Accept"));
            let text = source.text(format).into_bytes();
            Response::new(200, format.content_type(), text).no_store()
        })
        .blocking();
        if self.needs_token {
            route = route.with_token(METRICS_SCOPE);
        }
        let mut host = Host::new();
        host.add_route(route)?;
        let app = app.with_host_alone(host)?;
        self.plan.start(app, vec![self.socket], &self.settings)
    }
}

/// The server's settings with what a page for a few readers needs; `None` if the metrics are not served.
fn own_settings(settings: &Settings) -> Option<Settings> {
    let listen = settings.metrics_listen.clone()?;
    let mut own = Settings {
        engine: EngineChoice::Auto,
        workers: 1,
        blocking_workers: 1,
        max_connections: 64,
        max_connections_per_address: 0,
        // Prometheus asks without a proxy.
        proxy_protocol: ProxyProtocol::Off,
        ..settings.clone()
    };
    if listen.is_local() {
        own.tls_cert = None;
        own.tls_key = None;
        own.tls_client_ca = None;
    }
    own.listen = vec![listen];
    Some(own)
}

/// The format that a client asks for: OpenMetrics if it names it, as Prometheus does.
fn format_for(accept: Option<&[u8]>) -> MetricsFormat {
    let accept = accept.map_or_else(Default::default, String::from_utf8_lossy);
    let named = accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        kind.eq_ignore_ascii_case("application/openmetrics-text")
            && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "version=0.0.1"))
    });
    match named {
        true => MetricsFormat::OpenMetrics,
        false => MetricsFormat::Prometheus,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_for_those_who_name_it() {
        // Prometheus 2.42 and 3.0 send these, shortened.
        for (accept, expected) in [
            (
                "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                MetricsFormat::OpenMetrics,
            ),
            (
                "application/openmetrics-text; q=0, */*",
                MetricsFormat::Prometheus,
            ),
            ("*/*", MetricsFormat::Prometheus),
            ("", MetricsFormat::Prometheus),
        ] {
            assert_eq!(format_for(Some(accept.as_bytes())), expected, "{accept}");
        }
        assert_eq!(format_for(None), MetricsFormat::Prometheus);
    }
}
