//! All settings, and how they depend on each other.

use std::mem;

use crate::api::LoginMode;
use crate::cipher::CbcMode;
use crate::logging::AuditFail;
use crate::server::{EngineChoice, ProxyProtocol};
use crate::signing::TokenAlgorithm;
use crate::{api, gate, logging, server, store};

/// All settings, checked and typed, grouped by the module that uses them.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What a `Gate` needs.
    pub gate: gate::Settings,
    /// What the API needs besides a gate.
    pub app: api::Settings,
    /// Where and how to listen.
    pub server: server::Settings,
    /// Where log lines go.
    pub log: logging::Settings,
    /// Sentences for the log about files with secrets that other users can read.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Fills in what follows from other settings.
    pub(super) fn complete(&mut self) {
        let gate = &mut self.gate;
        gate.audit.format = self.log.format;
        self.app.limiter_memory = gate.limiter.memory;
        gate.keys.rotation.token_grace = gate.tokens.longest_life();
        gate.store = store::Settings {
            data_dir: gate.keys.data_dir.clone(),
            ephemeral: gate.keys.ephemeral,
            open_login: self.app.login == LoginMode::Open,
            shared: mem::take(&mut gate.store.shared),
        };
        gate.keys.shared = gate.store.shared.clone();
        self.app.admin_elsewhere = !self.server.admin_listen.is_empty();
        // Trusting Unix peers does not count: it has no bearing on who reaches a TCP address.
        self.server.behind_proxy = !self.app.trusted_proxies.is_empty();
    }

    /// Combinations that are not permitted: the settings' names, and a sentence in which `{name}` stands for one of them.
    pub(super) fn wrong_combinations(&self) -> Vec<(&'static [&'static str], &'static str)> {
        let mut wrong: Vec<(&[_], _)> = Vec::new();
        let given = &self.gate.keys.given;
        if given.cbc != Some(CbcMode::Off) {
            if given.aes_iv.is_some() && given.aes_key.is_none() {
                wrong.push((
                    &["aes_iv", "aes_key", "cbc"],
                    "{aes_iv} is set but {aes_key} is not. Set both, or neither (new data is then sealed without them).",
                ));
            }
            if given.cbc.is_some() && given.aes_iv.is_none() {
                wrong.push((
                    &["aes_iv", "aes_key", "cbc"],
                    "{cbc} enables the original program's AES-CBC, which needs {aes_key} and {aes_iv}.",
                ));
            }
        }
        if given.jwt_secret_key.is_some()
            && self.gate.keys.rotation.token_algorithm.unwrap_or_default() != TokenAlgorithm::Hs256
        {
            wrong.push((
                &["jwt_secret_key", "token_algorithm"],
                "{jwt_secret_key} is a secret for HS256, but {token_algorithm} needs key pairs, which only the key \
                 ring has. Unset one of the two.",
            ));
        }
        if self.app.secure_data.is_some() && self.app.secure_data_file.is_some() {
            wrong.push((
                &["secure_data", "secure_data_file"],
                "{secure_data} and {secure_data_file} are both set. Set one.",
            ));
        }
        let shared = &self.gate.store.shared;
        if shared.url.is_some() && self.gate.keys.ephemeral {
            wrong.push((
                &["store", "keys"],
                "{store} is shared with other machines, but {keys} is ephemeral, so they could not read what this one issues. \
                 Unset one of the two.",
            ));
        }
        if shared.url.is_none() && shared.password_file.is_some() {
            wrong.push((
                &["store_password_file", "store"],
                "{store_password_file} is set, but {store} is not.",
            ));
        }
        let limiter = &self.gate.limiter;
        if !limiter.policies.is_empty() && limiter.policies_file.is_some() {
            wrong.push((
                &["limits", "limits_file"],
                "{limits} and {limits_file} are both set. Set one.",
            ));
        }
        let audit = &self.gate.audit;
        if audit.fail == AuditFail::Closed && !audit.is_set() {
            wrong.push((
                &["audit_fail", "audit", "audit_file"],
                "{audit_fail} is closed, but there is nothing that audit events must be delivered to. Set {audit} or \
                 {audit_file}.",
            ));
        }
        if self.app.cors_origins.is_all() && self.app.cors_credentials {
            wrong.push((
                &["cors_origins", "cors_credentials"],
                "{cors_origins} is *, but {cors_credentials} is for pages that you trust. Name their origins.",
            ));
        }
        if self.app.cors_origins.is_all() && self.app.login == LoginMode::Open {
            wrong.push((
                &["cors_origins", "login"],
                "{cors_origins} is * and {login} is open, so any web page could log in through a visitor's browser. \
                 Name the origins of your pages.",
            ));
        }
        let server = &self.server;
        if server.tls_cert.is_some() != server.tls_key.is_some() {
            wrong.push((
                &["tls_cert", "tls_key"],
                "{tls_cert} and {tls_key} belong together. Set both, or neither.",
            ));
        }
        if server.tls_client_ca.is_some() && server.tls_cert.is_none() {
            wrong.push((
                &["tls_client_ca", "tls_cert"],
                "{tls_client_ca} asks clients for certificates, which needs TLS: set {tls_cert} and its key too.",
            ));
        }
        if server.tls_cert.is_some() && server.engine == EngineChoice::TinyHttp {
            wrong.push((
                &["tls_cert", "engine"],
                "{tls_cert} is set, but the engine that {engine} names does not support TLS. Use pool, or \
                 a proxy that terminates TLS.",
            ));
        }
        if server.proxy_protocol != ProxyProtocol::Off {
            if self.app.trusted_proxies.is_empty() && !self.app.trust_unix_peers {
                wrong.push((
                    &["proxy_protocol", "trusted_proxies"],
                    "{proxy_protocol} reads headers of trusted proxies only, but {trusted_proxies} names none.",
                ));
            }
            if server.engine == EngineChoice::TinyHttp {
                wrong.push((
                    &["proxy_protocol", "engine"],
                    "{proxy_protocol} is set, but the engine that {engine} names does not support the PROXY protocol. \
                     Use pool, or a header that the proxy sets.",
                ));
            }
        }
        if !self.app.admin_certificates.is_empty() && server.tls_client_ca.is_none() {
            wrong.push((
                &["admin_certificates", "tls_client_ca"],
                "{admin_certificates} names administrators with certificates, but {tls_client_ca} is not set, so nobody is asked \
                 for one.",
            ));
        }
        wrong
    }
}
