//! `/admin/v1/stats`: figures of the last hour.

use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let figures = &call.app.figures;
    figures.sample(&call.app.observed, &call.app.gate);
    Ok(Response::json(200, &figures.to_json()).no_store())
}
