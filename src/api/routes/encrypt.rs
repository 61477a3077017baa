//! POST `/encrypt`: data in, sealed data out.

use std::borrow::Cow;

use super::items::{self, Item};
use crate::Gate;
use crate::api::problem::Problem;
use crate::api::response::{Response, write_text_object};
use crate::api::router::Call;
use crate::cipher::decode_base64;
use crate::secret::wipe;

const BAD_DATA: &str = "Data to encrypt is required.";

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let gate = &call.app.gate;
    items::answer(call.request, |item, out| encrypt(gate, item, out))
}

fn encrypt(gate: &Gate, item: &Item<'_>, out: &mut Vec<u8>) -> Result<(), Problem> {
    let data = data_of(item)?;
    let encrypted = gate.encrypt_data(&data, item.context()?);
    if let Cow::Owned(mut decoded) = data {
        wipe(&mut decoded);
    }
    write_text_object(out, "encrypted_data", &encrypted?);
    Ok(())
}

fn data_of<'a>(item: &'a Item<'_>) -> Result<Cow<'a, [u8]>, Problem> {
    match (item.data(BAD_DATA)?, item.data_base64(BAD_DATA)?) {
        (Some(data), None) => Ok(Cow::Borrowed(data.as_bytes())),
        (None, Some(encoded)) => decode_base64(encoded)
            .map(Cow::Owned)
            .map_err(|_| Problem::bad_member(BAD_DATA, "data_base64 is not base64.")),
        (None, None) => Err(Problem::bad_member(
            BAD_DATA,
            "Send data (a text) or data_base64.",
        )),
        (Some(_), Some(_)) => Err(Problem::bad_member(
            BAD_DATA,
            "Send data or data_base64, not both.",
        )),
    }
}
