//! GET `/.well-known/jwks.json`: the public keys that verify our tokens (RFC 7517, section 5).

use serde_json::json;

use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let keys = json!({ "keys": call.app.gate.public_keys() });
    let body = format!("{keys}\n").into_bytes();
    let mut response = Response::new(200, "application/jwk-set+json", body);
    // A new key is published for longer than this before it signs; clients may accept a retired one for this long.
    let age = call.app.gate.public_keys_max_age().as_secs();
    response.set("Cache-Control", format!("public, max-age={age}"));
    Ok(response)
}
