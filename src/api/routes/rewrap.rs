//! POST `/rewrap`: re-encrypts data under the newest key. The plaintext never leaves the server.

use super::items;
use crate::api::problem::Problem;
use crate::api::response::{Member, Response, write_object};
use crate::api::route::Call;
use crate::gate::Sources;

/// Either the `rewrap` scope, or both scopes needed to do the same through the two other routes.
pub(super) const SCOPES: &[&str] = &["rewrap", "decrypt encrypt"];

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let gate = &call.app.gate;
    // Whether AES-CBC decrypts reveals something about the plaintext (a padding oracle), so only callers who may decrypt
    // can rewrap it.
    let sources = match call.claims {
        Some(claims) if claims.has_scope("decrypt") && claims.has_scope("encrypt") => Sources::All,
        _ => Sources::Sealed,
    };
    items::answer(call, |item, out| {
        let (data, context) = (item.encrypted_data()?, item.context()?);
        let sealed = gate.rewrap_data_from(&data, context.as_bytes(), sources)?;
        write_object(out, &[("encrypted_data", Member::Text(&sealed))]);
        Ok(())
    })
}
