//! The bodies of `/encrypt`, `/decrypt` and `/rewrap`: one piece of data, or up to 1,000 in `items`, each of which gets its
//! own result or error.

use super::{Text, members, text};
use crate::api::limits::count_items;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;
use crate::base::json::Json;

/// The largest initial size of a response's buffer, in bytes.
const FIRST_CAPACITY: usize = 4096;
/// How many items a batch may have. The limit on the body bounds their bytes.
const MAX_ITEMS: usize = 1_000;
const BAD_ITEMS: &str = "The items are not acceptable.";

/// One piece of data: the members of an object.
pub(super) struct Item<'a> {
    data: Option<Json<'a>>,
    data_base64: Option<Json<'a>>,
    encrypted_data: Option<Json<'a>>,
    context: Option<Json<'a>>,
}

impl<'a> Item<'a> {
    /// The names of the members that [`of`](Self::of) takes.
    const NAMES: [&'static str; 4] = ["data", "data_base64", "encrypted_data", "context"];

    fn of([data, data_base64, encrypted_data, context]: [Option<Json<'a>>; 4]) -> Self {
        Item {
            data,
            data_base64,
            encrypted_data,
            context,
        }
    }

    pub(super) fn data(&self, title: &'static str) -> Result<Option<Text<'a>>, Problem> {
        text(self.data, "data", title)
    }

    pub(super) fn data_base64(&self, title: &'static str) -> Result<Option<Text<'a>>, Problem> {
        text(self.data_base64, "data_base64", title)
    }

    /// `data` is the original's name for this member.
    pub(super) fn encrypted_data(&self) -> Result<Text<'a>, Problem> {
        const TITLE: &str = "Encrypted data is required.";
        let data = self.data(TITLE)?;
        text(self.encrypted_data, "encrypted_data", TITLE)?
            .or(data)
            .ok_or_else(|| Problem::bad_member(TITLE, r#"Send {"encrypted_data": "<base64>"}."#))
    }

    /// Empty if the member is missing.
    pub(super) fn context(&self) -> Result<Text<'a>, Problem> {
        let context = text(self.context, "context", "The context is not acceptable.")?;
        Ok(context.unwrap_or(Text::EMPTY))
    }

    fn is_empty(&self) -> bool {
        [
            self.data,
            self.data_base64,
            self.encrypted_data,
            self.context,
        ]
        .iter()
        .all(Option::is_none)
    }
}

/// Answers a request for one piece of data or many. `work` writes the result for one piece, as a JSON object. It is not
/// called before every limit that counts items has admitted all of them.
pub(super) fn answer(
    call: &mut Call<'_>,
    work: impl Fn(&Item<'_>, &mut Vec<u8>) -> Result<(), Problem>,
) -> Result<Response, Problem> {
    let request = call.request;
    let [data, data_base64, encrypted_data, context] = Item::NAMES;
    let [items, item @ ..] = members(
        request,
        ["items", data, data_base64, encrypted_data, context],
    )?;
    let item = Item::of(item);
    // Enough for most responses; a long body may hold little relevant data.
    let mut out = Vec::with_capacity((request.body.len() * 3 / 2 + 64).min(FIRST_CAPACITY));
    match items {
        None => {
            count_items(call, 1)?;
            work(&item, &mut out)?;
        }
        Some(items) => {
            let wrong = |detail: String| Err(Problem::bad_member(BAD_ITEMS, detail));
            let Some(all) = items.elements() else {
                return wrong("items must be an array.".to_owned());
            };
            if !item.is_empty() {
                return wrong(
                    "Send items or one piece of data, not both; each item has its own context."
                        .to_owned(),
                );
            }
            let number = items
                .elements()
                .map_or(0, |all| all.take(MAX_ITEMS + 1).count());
            if number > MAX_ITEMS {
                return wrong(format!("A batch may have at most {MAX_ITEMS} items."));
            }
            count_items(call, number)?;
            write_all(all, &work, &mut out)?;
        }
    }
    out.push(b'\n');
    Ok(Response::new(200, "application/json", out))
}

fn write_all<'a>(
    items: impl Iterator<Item = Json<'a>>,
    work: &impl Fn(&Item<'_>, &mut Vec<u8>) -> Result<(), Problem>,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    out.extend_from_slice(b"{\"items\":[");
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let before = out.len();
        let done = match item.members(Item::NAMES) {
            Some(members) => work(&Item::of(members), out),
            None => Err(Problem::bad_member(
                "The item is not acceptable.",
                "An item must be an object.",
            )),
        };
        match done {
            Ok(()) => {}
            // A server fault fails the whole batch.
            Err(problem) if problem.status() >= 500 => return Err(problem),
            Err(problem) => {
                out.truncate(before);
                problem.write_item(out);
            }
        }
    }
    out.extend_from_slice(b"]}");
    Ok(())
}
