//! POST `/encrypt`: data in, sealed data out.

use super::{context, object, text};
use crate::Secret;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::router::Call;
use crate::cipher::decode_base64;

const BAD_DATA: &str = "Data to encrypt is required.";

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let body = object(call.request)?;
    let data = match (
        text(&body, "data", BAD_DATA)?,
        text(&body, "data_base64", BAD_DATA)?,
    ) {
        (Some(data), None) => Secret::from(data),
        (None, Some(encoded)) => decode_base64(encoded)
            .map(Secret::new)
            .map_err(|_| Problem::bad_member(BAD_DATA, "data_base64 is not base64."))?,
        (None, None) => {
            return Err(Problem::bad_member(
                BAD_DATA,
                "Send data (a text) or data_base64.",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(Problem::bad_member(
                BAD_DATA,
                "Send data or data_base64, not both.",
            ));
        }
    };
    let encrypted = call
        .app
        .gate
        .encrypt_data(data.expose(), context(&body)?.as_bytes())?;
    Ok(Response::json_text(200, "encrypted_data", &encrypted))
}
