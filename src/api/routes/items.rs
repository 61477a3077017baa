//! The bodies of `/encrypt`, `/decrypt` and `/rewrap`: one piece of data, or up to 1,000 of them in `items`, each of which
//! gets its own result or its own error.
//!
//! Read without a tree of values: a batch is to cost little more than what is done to its items.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::{bad_body, is_json};
use crate::api::problem::Problem;
use crate::api::request::Request;
use crate::api::response::Response;
use crate::json::{Field, FieldSeed, MAX_DEPTH, Text};

/// How many items a batch may have. How many bytes, the limit of the body says.
const MAX_ITEMS: usize = 1_000;
const BAD_ITEMS: &str = "The items are not acceptable.";

/// One piece of data, as the members of an object say it.
#[derive(Default)]
pub(super) struct Item<'a> {
    data: Field<'a>,
    data_base64: Field<'a>,
    encrypted_data: Field<'a>,
    context: Field<'a>,
}

impl Item<'_> {
    pub(super) fn data(&self, title: &'static str) -> Result<Option<&str>, Problem> {
        text(&self.data, "data", title)
    }

    pub(super) fn data_base64(&self, title: &'static str) -> Result<Option<&str>, Problem> {
        text(&self.data_base64, "data_base64", title)
    }

    /// `data` is the other name under which the original took it.
    pub(super) fn encrypted_data(&self) -> Result<&str, Problem> {
        const TITLE: &str = "Encrypted data is required.";
        text(&self.encrypted_data, "encrypted_data", TITLE)?
            .or(self.data(TITLE)?)
            .ok_or_else(|| Problem::bad_member(TITLE, r#"Send {"encrypted_data": "<base64>"}."#))
    }

    /// No context where the member is missing.
    pub(super) fn context(&self) -> Result<&[u8], Problem> {
        let context = text(&self.context, "context", "The context is not acceptable.")?;
        Ok(context.unwrap_or_default().as_bytes())
    }

    fn is_empty(&self) -> bool {
        [&self.data, &self.data_base64, &self.encrypted_data]
            .iter()
            .all(|field| matches!(field, Field::Missing))
            && matches!(self.context, Field::Missing)
    }
}

fn text<'a>(
    field: &'a Field<'_>,
    name: &str,
    title: &'static str,
) -> Result<Option<&'a str>, Problem> {
    match field {
        Field::Missing => Ok(None),
        Field::Text(text) => Ok(Some(text)),
        Field::Other => Err(Problem::bad_member(
            title,
            format!("{name} must be a text."),
        )),
    }
}

/// Answers a request for one piece of data or many. `work` writes what becomes of a piece, as a JSON object.
pub(super) fn answer(
    request: &Request<'_>,
    work: impl Fn(&Item<'_>, &mut Vec<u8>) -> Result<(), Problem>,
) -> Result<Response, Problem> {
    if !is_json(request) {
        return Err(Problem::not_json_type());
    }
    let body = read(request.body).ok_or_else(|| bad_body(request.body))?;
    let mut out = Vec::with_capacity(request.body.len() * 3 / 2 + 64);
    match body.items {
        Items::Missing => work(&body.item, &mut out)?,
        Items::Other => return Err(Problem::bad_member(BAD_ITEMS, "items must be an array.")),
        Items::List(_) if !body.item.is_empty() => {
            return Err(Problem::bad_member(
                BAD_ITEMS,
                "Send items or one piece of data, not both; each item has a context of its own.",
            ));
        }
        Items::List(items) if items.len() > MAX_ITEMS => {
            return Err(Problem::bad_member(
                BAD_ITEMS,
                format!("A batch may have at most {MAX_ITEMS} items."),
            ));
        }
        Items::List(items) => write_all(&items, &work, &mut out)?,
    }
    out.push(b'\n');
    Ok(Response::new(200, "application/json", out))
}

fn write_all(
    items: &[Option<Item<'_>>],
    work: &impl Fn(&Item<'_>, &mut Vec<u8>) -> Result<(), Problem>,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    out.extend_from_slice(b"{\"items\":[");
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let before = out.len();
        let done = match item {
            Some(item) => work(item, out),
            None => Err(Problem::bad_member(
                "The item is not acceptable.",
                "An item must be an object.",
            )),
        };
        match done {
            Ok(()) => {}
            // Our own fault is nothing that another item could be spared.
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

/// A whole body.
struct Body<'a> {
    item: Item<'a>,
    items: Items<'a>,
}

enum Items<'a> {
    Missing,
    Other,
    /// `None` in the place of what is no object. Beyond the limit one more at most.
    List(Vec<Option<Item<'a>>>),
}

/// `None`: not acceptable, for whatever reason.
fn read(body: &[u8]) -> Option<Body<'_>> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let mut items = Items::Missing;
    let visitor = ItemVisitor {
        depth: MAX_DEPTH,
        items: Some(&mut items),
    };
    let item = de::Deserializer::deserialize_map(&mut reader, visitor).ok()?;
    reader.end().ok()?;
    Some(Body { item, items })
}

/// Reads the members of an item, and of a body, which may have items beside.
struct ItemVisitor<'b, 'de> {
    /// How many levels there may be, this one included.
    depth: usize,
    items: Option<&'b mut Items<'de>>,
}

impl<'de> Visitor<'de> for ItemVisitor<'_, 'de> {
    type Value = Item<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Item<'de>, A::Error> {
        let twice = || de::Error::custom("a member is there twice");
        let mut item = Item::default();
        let mut unknown: HashSet<Cow<'de, str>> = HashSet::new();
        let depth = self.depth - 1;
        while let Some(Text(name)) = members.next_key()? {
            let field = match &*name {
                "data" => &mut item.data,
                "data_base64" => &mut item.data_base64,
                "encrypted_data" => &mut item.encrypted_data,
                "context" => &mut item.context,
                "items" if self.items.is_some() => {
                    let Some(Items::Missing) = self.items else {
                        return Err(twice());
                    };
                    let read = members.next_value_seed(ItemsSeed { depth })?;
                    if let Some(items) = &mut self.items {
                        **items = read;
                    }
                    continue;
                }
                _ => {
                    if !unknown.insert(name) {
                        return Err(twice());
                    }
                    members.next_value_seed(FieldSeed { depth })?;
                    continue;
                }
            };
            if !matches!(field, Field::Missing) {
                return Err(twice());
            }
            *field = members.next_value_seed(FieldSeed { depth })?;
        }
        Ok(item)
    }
}

/// Reads what must be an array of items.
struct ItemsSeed {
    depth: usize,
}

/// Reads what must be an item.
struct ItemSeed {
    depth: usize,
}

/// What these two do with every value that is no array, and no object.
macro_rules! something_else {
    ($value:expr) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON value")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

impl<'de> DeserializeSeed<'de> for ItemsSeed {
    type Value = Items<'de>;

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<Items<'de>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemsSeed {
    type Value = Items<'de>;

    something_else!(Items::Other);

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Items<'de>, A::Error> {
        let depth = self.depth - 1;
        let mut items = Vec::new();
        while let Some(item) = elements.next_element_seed(ItemSeed { depth })? {
            // What is too much is read, because it has to be JSON, and not kept.
            if items.len() <= MAX_ITEMS {
                items.push(item);
            }
        }
        Ok(Items::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Items<'de>, A::Error> {
        FieldSeed { depth: self.depth }
            .visit_map(members)
            .map(|_| Items::Other)
    }
}

impl<'de> DeserializeSeed<'de> for ItemSeed {
    type Value = Option<Item<'de>>;

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemSeed {
    type Value = Option<Item<'de>>;

    something_else!(None);

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Self::Value, A::Error> {
        FieldSeed { depth: self.depth }
            .visit_seq(elements)
            .map(|_| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        let visitor = ItemVisitor {
            depth: self.depth,
            items: None,
        };
        visitor.visit_map(members).map(Some)
    }
}
