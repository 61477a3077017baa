//! GET `/`: the server's name and version, and its endpoints.

use serde_json::{Value, json};

use super::API;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::{Access, Call};

pub(super) fn answer(_call: &mut Call<'_>) -> Result<Response, Problem> {
    let endpoints: Vec<Value> = (API.routes.iter())
        .map(|route| {
            json!({
                "method": route.method.as_str(),
                "path": route.path,
                "description": route.about,
                "token": !matches!(route.access, Access::Anyone),
            })
        })
        .collect();
    Ok(Response::json(
        200,
        &json!({
            "name": "sealgate",
            "version": crate::VERSION,
            "message": "Welcome to Sealgate, the secure API.",
            "endpoints": endpoints,
        }),
    ))
}
