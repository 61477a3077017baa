//! The address of a shared store, which contains a password.

use std::fmt;

use super::postgres::client::url;
use crate::Secret;

/// The address of a shared store: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETERS`. Neither `Debug` nor `Display` shows
/// its password or parameters.
#[derive(Clone)]
pub struct StoreUrl {
    text: Secret,
    shown: String,
    has_password: bool,
}

impl StoreUrl {
    /// Reads an address, and checks every part of it that can be checked without connecting.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence that begins with the setting's name. It contains no part of the address.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(bytes).map_err(|_| "must be UTF-8".to_owned())?;
        let text = text.trim();
        let Some(rest) =
            (text.strip_prefix("postgres://")).or_else(|| text.strip_prefix("postgresql://"))
        else {
            return Err(
                "must begin with postgres://, such as postgres://sealgate@db.example.com/sealgate"
                    .to_owned(),
            );
        };
        // What follows such a character in a password would be read as something else, and shown.
        let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.matches('@').count() > 1
            || after.contains('@')
            || text.contains(char::is_control)
        {
            return Err(
                "must have special characters of the user and the password as %XX (%40 for @, %2F for /, %3F for ?)"
                    .to_owned(),
            );
        }
        url::check(text)?;
        let place = rest.split_once('?').map_or(rest, |(place, _)| place);
        let (user, place) = place.rsplit_once('@').unwrap_or(("", place));
        let has_password = user.contains(':') || after.contains("password=");
        let user = user.split_once(':').map_or(user, |(user, _)| user);
        let shown = match user {
            "" => format!("postgres://{place}"),
            user => format!("postgres://{user}@{place}"),
        };
        Ok(StoreUrl {
            text: Secret::new(text.as_bytes().to_vec()),
            shown,
            has_password,
        })
    }

    /// Whether it contains a password.
    pub fn has_password(&self) -> bool {
        self.has_password
    }

    /// All of it, with the password.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code))]
    pub(super) fn expose(&self) -> &str {
        // It was text when it was read.
        str::from_utf8(self.text.expose()).unwrap_or_default()
    }
}

/// User, hosts and database.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
#[cfg(feature = "postgres")]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (text, shown) in [
            ("postgres://db", "postgres://db"),
            (
                "postgresql://me:s3cr%40t@db:5433,[::1]/sealgate?application_name=s3c",
                "postgres://me@db:5433,[::1]/sealgate",
            ),
            ("postgres://me@%2Frun%2Fpg/x", "postgres://me@%2Frun%2Fpg/x"),
            ("postgres://:s3c@db/x", "postgres://db/x"),
        ] {
            let url = StoreUrl::parse(text.as_bytes()).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
            assert_eq!(url.expose(), text);
            assert_eq!(url.has_password(), text.contains(":s3c"));
        }
    }

    #[test]
    fn a_wrong_address_is_refused_without_its_text() {
        for (text, what) in [
            ("", "must begin with postgres://"),
            ("s3cret", "must begin with postgres://"),
            ("mysql://s3cret@db/x", "must begin with postgres://"),
            ("postgres://me:s3cret@db:port/x", "port"),
            ("postgres://me:s3c?s3cret@db/x", "%XX"),
            ("postgres://me:s3c/s3cret@db/x", "%XX"),
            ("postgres://me:s3c#s3cret@db/x", "%XX"),
            ("postgres://me:s3c@s3cret@db/x", "%XX"),
            ("postgres://me:s3c\ns3cret@db/x", "%XX"),
            (
                "postgres://me:s3cret@db/x?application_name=s3c@s3cret",
                "%XX",
            ),
            ("postgres://me:s3cret@db/x?sslmode=s3cret", "sslmode"),
            ("postgres://me:s3cret@db/x?s3cret=1", "parameter"),
            ("postgres://me:s3cret@db1:1,db2:2,db3/x?port=4", "one port"),
            ("postgres://me:s3cret@db/x?sslkey=/s3cret", "sslcert"),
            (
                "postgres://me:s3cret@db/x?sslrootcert=/nowhere/s3cret",
                "sslrootcert",
            ),
            (
                "postgres://me:s3cret@db/x?target_session_attrs=s3cret",
                "target_session_attrs",
            ),
        ] {
            let wrong = StoreUrl::parse(text.as_bytes()).unwrap_err();
            assert!(wrong.contains(what), "{text}: {wrong}");
            assert!(!wrong.contains("s3cret"), "{wrong}");
        }
        assert!(StoreUrl::parse(b"postgres://\xff").is_err());
    }
}
