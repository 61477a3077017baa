//! `/admin/v1/settings`: all settings; of a secret, only its length.

use serde_json::{Value, json};

use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;
use crate::api::settings::ShownSetting;

pub(super) fn list(call: &mut Call<'_>) -> Result<Response, Problem> {
    let listed: Vec<Value> = call.app.settings.shown.0.iter().map(shown).collect();
    Ok(Response::json(200, &json!({"settings": listed})).no_store())
}

fn shown(setting: &ShownSetting) -> Value {
    json!({
        "name": setting.name,
        "variable": setting.variable,
        "value": setting.value,
        "length": setting.length,
        "secret": setting.secret,
        "source": setting.source,
        "is_default": setting.is_default,
    })
}
