//! The peer on actix-web.

use std::fmt;
use std::future::{Ready, ready};
use std::net::Ipv4Addr;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::{Condition, Next, from_fn};
use actix_web::web::Json;
use actix_web::{
    App, Error, FromRequest, HttpRequest, HttpResponse, HttpServer, ResponseError, get, post,
};
use sealgate_bench_peers::{Claims, Decrypted, Encrypted, Login, Refusal, Token, WORK, WORKERS};

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    HttpServer::new(|| {
        App::new()
            .wrap(Condition::new(WORK.logs(), from_fn(log)))
            .service(login)
            .service(secure_data)
            .service(decrypt)
    })
    .workers(WORKERS)
    .bind((Ipv4Addr::LOCALHOST, WORK.port))?
    .run()
    .await
}

struct Caller(#[expect(dead_code, reason = "checked, and then of no use here")] Claims);

#[derive(Debug)]
struct Refused(StatusCode, &'static str);

impl FromRequest for Caller {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let authorization = request.headers().get(AUTHORIZATION);
        ready(
            WORK.verify(authorization.map(|value| value.as_bytes()))
                .map(Caller)
                .map_err(|sentence| Refused(StatusCode::UNAUTHORIZED, sentence)),
        )
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.0
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.0).json(Refusal { error: self.1 })
    }
}

#[post("/login")]
async fn login(body: Json<Login>) -> Json<Token> {
    Json(WORK.issue(body.into_inner()))
}

#[get("/secure-data")]
async fn secure_data(_: Caller) -> Json<Encrypted> {
    Json(WORK.secure_data())
}

#[post("/decrypt")]
async fn decrypt(_: Caller, body: Json<Encrypted>) -> Result<Json<Decrypted>, Refused> {
    WORK.decrypt(&body)
        .map(Json)
        .map_err(|sentence| Refused(StatusCode::BAD_REQUEST, sentence))
}

async fn log(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let begun = Instant::now();
    let response = next.call(request).await?;
    let (request, status) = (response.request(), response.status().as_u16());
    let peer = request.peer_addr().map(|peer| peer.ip());
    WORK.log(
        peer,
        request.method().as_str(),
        request.path(),
        status,
        begun,
    );
    Ok(response)
}
