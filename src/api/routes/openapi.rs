//! GET `/openapi.json`: this API as an OpenAPI document. It is written by hand; the tests compare it with the routes and with
//! every response.

use once_cell::sync::Lazy;
use openssl::sha::sha256;
use serde_json::Value;

use crate::api::entity_tag::names;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;
use crate::base::encoding::encode_url;

/// The document as it is sent, without the white space that makes the file readable.
struct Document {
    text: Vec<u8>,
    etag: String,
}

static DOCUMENT: Lazy<Document> = Lazy::new(|| {
    let file = include_str!("../openapi.json");
    let document: Value = serde_json::from_str(file).expect("a file of ours is JSON");
    let text = format!("{document}\n").into_bytes();
    let etag = format!("\"{}\"", encode_url(&sha256(&text)[..12]));
    Document { text, etag }
});

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let document = &*DOCUMENT;
    let mut known = call.request.headers.all("If-None-Match");
    let mut response = match known.any(|value| names(value, &document.etag)) {
        true => Response::empty(304),
        false => Response::new(200, "application/json", document.text.clone()),
    };
    response.set("ETag", document.etag.as_str());
    // Only an upgrade of the server changes it.
    response.set("Cache-Control", "public, max-age=300");
    Ok(response)
}
