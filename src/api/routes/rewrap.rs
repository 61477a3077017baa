//! POST `/rewrap`: encrypted data in, the same sealed under the newest key out. The plaintext never leaves.

use super::items;
use crate::api::problem::Problem;
use crate::api::response::{Response, write_text_object};
use crate::api::route::Call;
use crate::gate::Sources;

/// Who may use it: whoever has the scope of its own, or could do the same with the two other routes.
pub(super) const SCOPES: &[&str] = &["rewrap", "decrypt encrypt"];

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let gate = &call.app.gate;
    // Whether AES-CBC opens says something of the plaintext: only to those who may have all of it.
    let sources = match call.claims {
        Some(claims) if claims.has_scope("decrypt") && claims.has_scope("encrypt") => Sources::All,
        _ => Sources::Sealed,
    };
    items::answer(call.request, |item, out| {
        let (data, context) = (item.encrypted_data()?, item.context()?);
        let sealed = gate.rewrap_data_from(&data, context.as_bytes(), sources)?;
        write_text_object(out, "encrypted_data", &sealed);
        Ok(())
    })
}
