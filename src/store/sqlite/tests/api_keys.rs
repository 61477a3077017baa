//! API keys: what is kept of them, and how many.

use super::*;
use crate::store::{ApiKeyStore, StoredApiKey};

fn key(id: &str, owner: &str) -> StoredApiKey {
    StoredApiKey::example(id, owner)
}

#[test]
fn half_a_limit_in_the_store_is_an_error() {
    let place = Place::made();
    let store = SqliteStore::open(&place.folder).unwrap().unwrap();
    assert!(store.add_api_key(&key("a", "alice")).unwrap());
    let raw = rusqlite::Connection::open(place.file()).unwrap();
    raw.execute("UPDATE api_keys SET period = 60", []).unwrap();
    assert!(matches!(store.all_api_keys(), Err(Error::Store(_))));
    raw.execute("UPDATE api_keys SET period = NULL, hash = x'00'", [])
        .unwrap();
    assert!(matches!(store.api_key("a"), Err(Error::Store(_))));
}
