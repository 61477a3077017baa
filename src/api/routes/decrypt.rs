//! POST `/decrypt`: encrypted data in, the original out.

use super::items::{self, Item};
use crate::Gate;
use crate::api::problem::Problem;
use crate::api::response::{Member, Response, write_object};
use crate::api::route::Call;
use crate::base::encoding::encode_base64;

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let gate = &call.app.gate;
    let answer = items::answer(call, |item, out| decrypt(gate, item, out))?;
    Ok(answer.no_store())
}

fn decrypt(gate: &Gate, item: &Item<'_>, out: &mut Vec<u8>) -> Result<(), Problem> {
    let decrypted = gate.decrypt_data(&item.encrypted_data()?, item.context()?.as_bytes())?;
    match decrypted.expose_str() {
        Ok(text) => write_object(out, &[("decrypted_data", Member::Text(text))]),
        Err(_) => {
            let encoded = encode_base64(decrypted.expose());
            write_object(out, &[("decrypted_data_base64", Member::Text(&encoded))]);
        }
    }
    Ok(())
}
