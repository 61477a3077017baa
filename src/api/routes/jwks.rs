//! GET `/.well-known/jwks.json`: the public keys with which anybody can check our tokens (RFC 7517, section 5).

use serde_json::json;

use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::router::Call;

/// So long may a copy be used. A new key is asked for by its id, so only a retired one is believed for longer.
const CACHE: &str = "public, max-age=300";

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let keys = json!({ "keys": call.app.gate.public_keys() });
    let body = format!("{keys}\n").into_bytes();
    let mut response = Response::new(200, "application/jwk-set+json", body);
    response.set("Cache-Control", CACHE);
    Ok(response)
}
