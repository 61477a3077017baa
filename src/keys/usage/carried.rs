//! Counts that are taken from one place to another: from a store to its copy, or from a server.

use super::{KeyUsage, text_if_any};

/// Counts that are known from elsewhere, such as a server.
impl FromIterator<(String, u64)> for KeyUsage {
    fn from_iter<T: IntoIterator<Item = (String, u64)>>(counts: T) -> Self {
        KeyUsage {
            messages: counts.into_iter().collect(),
            trouble: None,
        }
    }
}

impl KeyUsage {
    /// Those of all keys.
    pub(in crate::keys) fn all(&self) -> Vec<(String, u64)> {
        let all = self.messages.iter();
        all.map(|(id, messages)| (id.clone(), *messages)).collect()
    }

    /// The text of a file with these counts; empty if there are none.
    pub(in crate::keys) fn text(&self) -> String {
        text_if_any(&self.messages)
    }
}
