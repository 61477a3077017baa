//! JSON read strictly: no duplicate members at any depth, a bounded depth, nothing after the value.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deeply objects and arrays may be nested.
pub(crate) const MAX_DEPTH: usize = 64;

/// Why a text is not acceptable JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    Syntax,
    Duplicate,
    TooDeep,
}

/// Reads one JSON value from UTF-8 bytes.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut fault = JsonError::Syntax;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict {
        depth: MAX_DEPTH,
        fault: &mut fault,
    }
    .deserialize(&mut reader);
    match value {
        Ok(value) if reader.end().is_ok() => Ok(value),
        Ok(_) => Err(JsonError::Syntax),
        Err(_) => Err(fault),
    }
}

/// Why a text is not acceptable, if so: as [`parse`] says, but without keeping any of it.
pub(crate) fn fault_of(bytes: &[u8]) -> Option<JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = FieldSeed { depth: MAX_DEPTH }.deserialize(&mut reader);
    match read.map(|_| ()).and_then(|()| reader.end()) {
        Ok(()) => None,
        // An error of serde's carries nothing but words.
        Err(error) if error.to_string().starts_with(TOO_DEEP) => Some(JsonError::TooDeep),
        Err(error) if error.to_string().starts_with(DUPLICATE) => Some(JsonError::Duplicate),
        Err(_) => Some(JsonError::Syntax),
    }
}

const TOO_DEEP: &str = "too deep";
const DUPLICATE: &str = "duplicate member";

/// Reads the members of one JSON object with `visitor`, which decides itself what becomes of each; unknown ones it reads
/// with [`Member`]. Nothing may follow the object.
pub(crate) fn read_object<'de, V: Visitor<'de>>(
    text: &'de str,
    visitor: V,
) -> Result<V::Value, JsonError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = de::Deserializer::deserialize_map(&mut reader, visitor);
    match value {
        Ok(value) if reader.end().is_ok() => Ok(value),
        _ => Err(JsonError::Syntax),
    }
}

/// A member of an object that [`read_object`] reads: any value, as strictly read as by [`parse`].
pub(crate) struct Member;

impl<'de> DeserializeSeed<'de> for Member {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Strict {
            depth: MAX_DEPTH - 1,
            fault: &mut JsonError::Syntax,
        }
        .deserialize(deserializer)
    }
}

/// A text, without a copy where it has no escapes.
pub(crate) struct Text<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// A member that should be a text, as [`FieldSeed`] reads it.
#[derive(Default)]
pub(crate) enum Field<'de> {
    #[default]
    Missing,
    /// Without a copy where it has no escapes.
    Text(Cow<'de, str>),
    /// Something else, strictly read.
    Other,
}

/// Reads any value and keeps it where it is a text. `depth`: how many levels it may have.
pub(crate) struct FieldSeed {
    pub(crate) depth: usize,
}

impl FieldSeed {
    /// The same one level deeper.
    fn deeper<E: de::Error>(&self) -> Result<FieldSeed, E> {
        let depth = self.depth.checked_sub(1);
        depth
            .map(|depth| FieldSeed { depth })
            .ok_or_else(|| E::custom(TOO_DEEP))
    }
}

impl<'de> DeserializeSeed<'de> for FieldSeed {
    type Value = Field<'de>;

    fn deserialize<D: de::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Field<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    // Nothing of these is kept, however many values they have, but for the names of an object until it is over.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Field<'de>, A::Error> {
        while items.next_element_seed(self.deeper()?)?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Field<'de>, A::Error> {
        let mut names = HashSet::new();
        while let Some(Text(name)) = members.next_key()? {
            if !names.insert(name) {
                return Err(de::Error::custom(DUPLICATE));
            }
            members.next_value_seed(self.deeper()?)?;
        }
        Ok(Field::Other)
    }
}

/// Builds a value; `fault` tells apart what serde's own error cannot.
struct Strict<'a> {
    depth: usize,
    fault: &'a mut JsonError,
}

impl Strict<'_> {
    fn deeper<E: de::Error>(&mut self) -> Result<Strict<'_>, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Strict {
                depth,
                fault: self.fault,
            }),
            None => {
                *self.fault = JsonError::TooDeep;
                Err(E::custom(TOO_DEEP))
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.deeper()?)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self.deeper()?)?;
            if object.insert(name, value).is_some() {
                *self.fault = JsonError::Duplicate;
                return Err(de::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_json_is() {
        let text = r#" {"a":[1,-2,3.5,"ä\u0041",null,true],"b":{"a":{}}} "#;
        assert_eq!(
            parse(text.as_bytes()).unwrap(),
            serde_json::from_str::<Value>(text).unwrap()
        );
    }

    #[test]
    fn refuses_duplicates_depth_and_leftovers() {
        fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
            let parsed = super::parse(bytes);
            assert_eq!(fault_of(bytes), parsed.as_ref().err().copied());
            parsed
        }
        assert_eq!(parse(br#"{"a":1,"a":2}"#), Err(JsonError::Duplicate));
        assert_eq!(
            parse(br#"[{"b":{"a":1,"\u0061":2}}]"#),
            Err(JsonError::Duplicate)
        );
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(64).as_bytes()).is_ok());
        assert_eq!(parse(nested(65).as_bytes()), Err(JsonError::TooDeep));
        assert_eq!(parse(nested(100_000).as_bytes()), Err(JsonError::TooDeep));
        for wrong in [
            "",
            "{",
            "{}{}",
            "{} x",
            "nan",
            "'a'",
            "{\"a\":}",
            "\u{feff}{}",
        ] {
            assert_eq!(parse(wrong.as_bytes()), Err(JsonError::Syntax), "{wrong}");
        }
        assert_eq!(parse(b"\"\xff\""), Err(JsonError::Syntax));
    }
}
