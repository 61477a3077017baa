//! Writes a value elsewhere: into other JSON, or as a `serde_json::Value`.

use serde::{Serialize, Serializer};

use super::Json;

/// A number as it is written.
enum Number {
    Negative(i64),
    Positive(u64),
    /// With a fraction or an exponent, or a whole number of more than 64 bits.
    Double(f64),
}

impl Number {
    /// `None` if the text is not a number.
    fn of(text: &str) -> Option<Self> {
        if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return None;
        }
        let positive = || text.parse().map(Number::Positive).ok();
        let negative = || text.parse().map(Number::Negative).ok();
        // Always the nearest one; by default serde_json reads some doubles as a neighbour of it.
        let double = || text.parse().map(Number::Double).ok();
        positive().or_else(negative).or_else(double)
    }
}

impl Json<'_> {
    /// Whether this is a whole number, without fraction and exponent, that 64 bits cannot hold.
    pub(crate) fn is_beyond_64_bits(self) -> bool {
        let is_whole = !self.0.contains(['.', 'e', 'E']);
        is_whole && matches!(Number::of(self.0), Some(Number::Double(_)))
    }
}

/// Numbers keep their values and strings their characters, but not how they are written.
impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(members) = self.entries() {
            return serializer.collect_map(members);
        }
        if let Some(elements) = self.elements() {
            return serializer.collect_seq(elements);
        }
        if let Some(text) = self.text() {
            return serializer.serialize_str(&text);
        }
        match Number::of(self.0) {
            Some(Number::Negative(number)) => serializer.serialize_i64(number),
            Some(Number::Positive(number)) => serializer.serialize_u64(number),
            Some(Number::Double(number)) => serializer.serialize_f64(number),
            None if self.0 == "null" => serializer.serialize_unit(),
            None => serializer.serialize_bool(self.0 == "true"),
        }
    }
}
