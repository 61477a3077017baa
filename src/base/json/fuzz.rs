//! Properties of every text that is read as JSON: serde_json reads the same, except for what we refuse on purpose.

#![allow(clippy::unwrap_used)] // what panics is a finding

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::*;

pub(crate) fn json(input: &[u8]) {
    let theirs = serde_json::from_slice::<Value>(input);
    match (Json::read(input), theirs) {
        (Ok(ours), Ok(theirs)) => {
            let measured: Measured = serde_json::from_slice(input).unwrap();
            assert!(!measured.duplicate && measured.depth <= MAX_DEPTH);
            assert_eq!(
                serde_json::from_str::<Value>(ours.as_written()).unwrap(),
                theirs
            );
            compare_values(ours, &theirs);
            compare_members(input, ours, &theirs);
        }
        (Ok(_), Err(error)) => panic!("we read what serde_json does not: {error}"),
        (Err(fault), Ok(_)) => {
            let measured: Measured = serde_json::from_slice(input).unwrap();
            match fault {
                JsonError::Syntax => panic!("serde_json reads it"),
                JsonError::Duplicate => assert!(measured.duplicate),
                JsonError::TooDeep => assert!(measured.depth > MAX_DEPTH),
                JsonError::TooManyMembers => assert!(measured.members > MAX_MEMBERS),
            }
        }
        (Err(_), Err(_)) => {}
    }
}

/// One pass over the text finds the same members as a look-up in the checked value.
fn compare_members(input: &[u8], ours: Json<'_>, theirs: &Value) {
    let names = theirs.as_object().into_iter().flat_map(|all| all.keys());
    for name in names.map(String::as_str).chain(["\u{1}no such member"]) {
        assert_eq!(
            Json::read_members(input, [name]).unwrap(),
            ours.members([name])
        );
    }
}

fn compare_values(ours: Json<'_>, theirs: &Value) {
    assert_eq!(ours.text().as_deref(), theirs.as_str());
    match theirs {
        Value::Array(theirs) => {
            let ours: Vec<_> = ours.elements().unwrap().collect();
            assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.into_iter().zip(theirs) {
                compare_values(ours, theirs);
            }
        }
        Value::Object(theirs) => {
            assert!(ours.elements().is_none());
            let entries = ours.entries().unwrap();
            let names: Vec<String> = entries.map(|(name, _)| name.into_owned()).collect();
            assert_eq!(names, theirs.keys().cloned().collect::<Vec<_>>());
            // Requested names contain no backslash, which would be read as an escape.
            for (name, value) in theirs.iter().filter(|(name, _)| !name.contains('\\')) {
                let [found, missing] = ours
                    .members([name.as_str(), "\u{1}no such member"])
                    .unwrap();
                compare_values(found.unwrap(), value);
                assert_eq!(
                    missing.is_some(),
                    theirs.contains_key("\u{1}no such member")
                );
            }
        }
        other => {
            assert!(ours.elements().is_none() && ours.members([]).is_none());
            assert!(ours.entries().is_none());
            assert_eq!(
                serde_json::from_str::<Value>(ours.as_written()).unwrap(),
                *other
            );
        }
    }
}

/// Properties of a text that serde_json does not report.
#[derive(Default)]
struct Measured {
    duplicate: bool,
    depth: usize,
    members: usize,
}

impl Measured {
    fn add(&mut self, inner: Measured) {
        self.duplicate |= inner.duplicate;
        self.depth = self.depth.max(inner.depth + 1);
        self.members += inner.members;
    }
}

impl<'de> Deserialize<'de> for Measured {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Measure)
    }
}

struct Measure;

impl<'de> Visitor<'de> for Measure {
    type Value = Measured;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Measured, E> {
        Ok(Measured::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Measured, E> {
        Ok(Measured::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Measured, E> {
        Ok(Measured::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Measured, E> {
        Ok(Measured::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Measured, E> {
        Ok(Measured::default())
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Measured, E> {
        Ok(Measured::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Measured, A::Error> {
        let mut all = Measured {
            depth: 1,
            ..Measured::default()
        };
        while let Some(item) = items.next_element()? {
            all.add(item);
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Measured, A::Error> {
        let mut names = std::collections::HashSet::new();
        let mut all = Measured {
            depth: 1,
            ..Measured::default()
        };
        while let Some((name, value)) = members.next_entry::<String, Measured>()? {
            all.duplicate |= !names.insert(name);
            all.members += 1;
            all.add(value);
        }
        Ok(all)
    }
}
