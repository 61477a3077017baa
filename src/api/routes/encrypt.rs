//! POST `/encrypt`: data in, sealed data out.

use super::items::{self, Item};
use crate::api::problem::Problem;
use crate::api::response::{Member, Response, write_object};
use crate::api::route::Call;
use crate::base::encoding::decode_base64;
use crate::{Gate, Secret};

const BAD_DATA: &str = "Data to encrypt is required.";

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let gate = &call.app.gate;
    items::answer(call, |item, out| encrypt(gate, item, out))
}

fn encrypt(gate: &Gate, item: &Item<'_>, out: &mut Vec<u8>) -> Result<(), Problem> {
    let context = item.context()?;
    let seal = |data: &[u8]| gate.encrypt_data(data, context.as_bytes());
    let encrypted = match (item.data(BAD_DATA)?, item.data_base64(BAD_DATA)?) {
        (Some(data), None) => seal(data.as_bytes()),
        (None, Some(encoded)) => {
            let decoded = decode_base64(&encoded).map(Secret::new);
            let decoded = decoded.map_err(|_| bad("data_base64 is not base64."))?;
            seal(decoded.expose())
        }
        (None, None) => return Err(bad("Send data (a string) or data_base64.")),
        (Some(_), Some(_)) => return Err(bad("Send data or data_base64, not both.")),
    };
    write_object(out, &[("encrypted_data", Member::Text(&encrypted?))]);
    Ok(())
}

fn bad(detail: &str) -> Problem {
    Problem::bad_member(BAD_DATA, detail)
}
