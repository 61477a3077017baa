//! What a token says, for services that receive it (RFC 7662).

use serde_json::{Map, Value, json};

use super::Gate;
use crate::base::clock::unix_now;
use crate::tokens::{Claims, RefreshToken};
use crate::{Error, TokenError};

impl Gate {
    /// The introspection response for a token (RFC 7662, section 2.2). For an invalid one it reveals nothing but that.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be read.
    pub fn introspect(&self, token: &str) -> Result<Map<String, Value>, Error> {
        let dead = || Map::from_iter([("active".to_owned(), false.into())]);
        let (claims, kind) = match self.verify_token(token) {
            Ok(claims) if claims.api_key().is_some() => (claims, "api_key"),
            Ok(claims) => (claims, "Bearer"),
            Err(TokenError::Unchecked) => return Err(TokenError::Unchecked.into()),
            Err(_) => match self.live_refresh(token)? {
                Some(claims) => (claims, "refresh_token"),
                None => return Ok(dead()),
            },
        };
        let mut said = Map::new();
        said.insert("active".to_owned(), true.into());
        said.insert("token_type".to_owned(), kind.into());
        match claims.client_id() {
            Some(client) => said.insert("client_id".to_owned(), client.into()),
            None => said.insert("username".to_owned(), claims.subject().into()),
        };
        // The token's own claims, under the same names (section 2.2).
        let all: Value = serde_json::from_str(claims.json()).unwrap_or(Value::Null);
        for name in ["iss", "sub", "aud", "exp", "iat", "nbf", "jti"] {
            if let Some(value) = all.get(name) {
                said.insert(name.to_owned(), value.clone());
            }
        }
        said.entry("sub").or_insert_with(|| claims.subject().into());
        said.insert("scope".to_owned(), json!(claims.scope()));
        // None of these has the name of a member above.
        said.extend(claims.custom());
        Ok(said)
    }

    /// The claims of a refresh token that could be exchanged now.
    fn live_refresh(&self, token: &str) -> Result<Option<Claims>, Error> {
        let Ok(claims) = self.read_refresh(token) else {
            return Ok(None);
        };
        let store = self.inner.ledger.reading()?;
        let (Some(store), Some(presented)) = (store, RefreshToken::of(&claims)) else {
            return Ok(None);
        };
        let live = presented.is_good(store, unix_now())?;
        Ok(live.then_some(claims))
    }
}
