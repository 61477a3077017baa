//! The peer on axum (tokio).

use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use sealgate_bench_peers::{Claims, Decrypted, Encrypted, Login, Refusal, Token, WORK, WORKERS};

fn main() {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .expect("tokio starts")
        .block_on(serve());
}

async fn serve() {
    let app = Router::new()
        .route("/login", post(login))
        .route("/secure-data", get(secure_data))
        .route("/decrypt", post(decrypt));
    if let (Ok(certificate), Ok(key)) = (env::var("TLS_CERT"), env::var("TLS_KEY")) {
        return serve_over_tls(app, certificate, key).await;
    }
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, WORK.port))
        .await
        .expect("the port is free")
        .tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
    let served = if WORK.logs() {
        let app = app.layer(middleware::from_fn(log));
        axum::serve(
            listener,
            app.into_make_service_with_connect_info::<SocketAddr>(),
        )
        .await
    } else {
        axum::serve(listener, app).await
    };
    served.expect("the server runs");
}

/// Over TLS with rustls, by the crate for it that axum's documentation names.
async fn serve_over_tls(app: Router, certificate: String, key: String) {
    let config = RustlsConfig::from_pem_file(certificate, key)
        .await
        .expect("certificate and key fit");
    let app = match WORK.logs() {
        true => app.layer(middleware::from_fn(log)),
        false => app,
    };
    axum_server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, WORK.port)))
        .acceptor(RustlsAcceptor::new(config).acceptor(NoDelayAcceptor::new()))
        .serve(app.into_make_service_with_connect_info::<SocketAddr>())
        .await
        .expect("the server runs");
}

struct Caller(#[expect(dead_code, reason = "checked, and then of no use here")] Claims);

struct Refused(StatusCode, &'static str);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let authorization = parts.headers.get(AUTHORIZATION);
        WORK.verify(authorization.map(|value| value.as_bytes()))
            .map(Caller)
            .map_err(|sentence| Refused(StatusCode::UNAUTHORIZED, sentence))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(Refusal { error: self.1 })).into_response()
    }
}

async fn login(Json(body): Json<Login>) -> Json<Token> {
    Json(WORK.issue(body))
}

async fn secure_data(_: Caller) -> Json<Encrypted> {
    Json(WORK.secure_data())
}

async fn decrypt(_: Caller, Json(body): Json<Encrypted>) -> Result<Json<Decrypted>, Refused> {
    WORK.decrypt(&body)
        .map(Json)
        .map_err(|sentence| Refused(StatusCode::BAD_REQUEST, sentence))
}

async fn log(ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = next.run(request).await;
    let status = response.status().as_u16();
    WORK.log(Some(peer.ip()), method.as_str(), uri.path(), status, begun);
    response
}
