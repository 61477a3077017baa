//! POST `/decrypt`: encrypted data in, the original out.

use super::{context, object, text};
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::router::Call;
use crate::cipher::encode_base64;

const BAD_DATA: &str = "Encrypted data is required.";

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let body = object(call.request)?;
    // `data` is the other name under which the original took it.
    let encrypted = text(&body, "encrypted_data", BAD_DATA)?
        .or(text(&body, "data", BAD_DATA)?)
        .ok_or_else(|| Problem::bad_member(BAD_DATA, r#"Send {"encrypted_data": "<base64>"}."#))?;
    let decrypted = call
        .app
        .gate
        .decrypt_data(encrypted, context(&body)?.as_bytes())?;
    let answer = match decrypted.expose_str() {
        Ok(text) => Response::json_text(200, "decrypted_data", text),
        Err(_) => {
            let text = encode_base64(decrypted.expose());
            Response::json_text(200, "decrypted_data_base64", &text)
        }
    };
    Ok(answer.no_store())
}
