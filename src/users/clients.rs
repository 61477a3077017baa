//! Clients: the accounts of programs, which authenticate with an id and a secret (OAuth 2.0, RFC 6749).
//!
//! A secret is generated and has 256 random bits. Nobody can guess it, so one fast hash protects it as well as many slow
//! ones would a password, and guesses need not be delayed.

use openssl::sha::sha256;

use super::{Login, User, Users};
use crate::base::custom_claims::CustomClaims;
use crate::base::encoding::encode_url;
use crate::base::names::check_scope;
use crate::base::random::random;
use crate::store::{AccountKind, Change, PasswordHash};
use crate::{Error, Secret};

/// Random bytes in a secret.
const SECRET_SIZE: usize = 32;
/// The longest id, in characters.
const LONGEST_ID: usize = 256;

impl Users {
    /// Adds a client and returns its secret, which is not stored and cannot be shown again.
    pub(crate) fn add_client(&self, id: &str, scope: &str) -> Result<Secret, Error> {
        check_id(id)?;
        check_scope(scope)?;
        let (secret, hash) = new_secret()?;
        self.insert(
            AccountKind::Client,
            id,
            scope,
            CustomClaims::NONE.to_owned(),
            hash,
        )?;
        Ok(secret)
    }

    /// At most `most` clients, ordered by id (bytewise), starting after the id `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn clients(&self, after: &str, most: u32) -> Result<Vec<User>, Error> {
        self.list_of(AccountKind::Client, after, most)
    }

    /// Replaces a client's secret and revokes all its tokens. `None`: there is no such client.
    pub(crate) fn renew_secret(&self, id: &str) -> Result<Option<Secret>, Error> {
        let (secret, hash) = new_secret()?;
        let is_changed = self.change_of(AccountKind::Client, id, &Change::Password(hash))?;
        Ok(is_changed.then_some(secret))
    }

    /// Changes a client's scopes; if one is removed, all its tokens are revoked. `false`: there is no such client.
    pub(crate) fn set_client_scope(&self, id: &str, scope: &str) -> Result<bool, Error> {
        check_scope(scope)?;
        self.change_of(AccountKind::Client, id, &Change::Scope(scope.to_owned()))
    }

    /// Disables a client, which revokes all its tokens for good, or enables it again. `false`: there is no such client.
    pub(crate) fn set_client_disabled(&self, id: &str, disabled: bool) -> Result<bool, Error> {
        self.change_of(AccountKind::Client, id, &Change::Disabled(disabled))
    }

    /// Removes a client and revokes all its tokens. `false`: there is no such client.
    pub(crate) fn remove_client(&self, id: &str) -> Result<bool, Error> {
        self.change_of(AccountKind::Client, id, &Change::Removed)
    }

    /// Checks a client's secret. An unknown id, a wrong secret, a disabled client and a user's name have the same error, and
    /// cost the same.
    pub(crate) fn check_client(&self, id: &str, secret: &Secret) -> Result<Login, Error> {
        let presented = sha256(secret.expose());
        let found = match self.ledger.reading()? {
            Some(store) => store.account_or_other(AccountKind::Client, id)?,
            None => None,
        };
        let kept = found.as_ref().map(|client| &client.password.hash[..]);
        let matches = is_same(&presented, kept);
        let client = found.filter(|client| matches && client.name == id && !client.disabled);
        client.map(Login::of).ok_or(Error::LoginFailed)
    }

    /// Whether the client is as it was when its secret was checked.
    pub(crate) fn is_unchanged(&self, client: &Login) -> Result<bool, Error> {
        let found = match self.ledger.reading()? {
            Some(store) => store.account(client.name())?,
            None => None,
        };
        Ok(found.is_some_and(|found| {
            found.kind == AccountKind::Client && found.version == client.version()
        }))
    }
}

/// Compares hashes in constant time. One that is missing, or of another size, is compared as well, with zeros.
fn is_same(presented: &[u8; 32], kept: Option<&[u8]>) -> bool {
    let none = [0; 32];
    let whole = kept.and_then(|kept| <&[u8; 32]>::try_from(kept).ok());
    openssl::memcmp::eq(presented, whole.unwrap_or(&none)) && whole.is_some()
}

/// A secret, as text, and its hash.
fn new_secret() -> Result<(Secret, PasswordHash), Error> {
    let mut bytes = [0; SECRET_SIZE];
    random(&mut bytes)?;
    let text = encode_url(&bytes);
    crate::base::secret::wipe(&mut bytes);
    let secret = Secret::new(text.into_bytes());
    let hash = PasswordHash {
        salt: Vec::new(),
        hash: sha256(secret.expose()).to_vec(),
        memory: 0,
        passes: 0,
        lanes: 0,
    };
    Ok((secret, hash))
}

/// What RFC 6749, appendix A.1, permits.
fn check_id(id: &str) -> Result<(), Error> {
    let is_printable = id.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    if (1..=LONGEST_ID).contains(&id.len()) && is_printable {
        return Ok(());
    }
    Err(Error::InvalidName(
        "The id of a client must be 1 to 256 printable ASCII characters.".to_owned(),
    ))
}

#[cfg(test)]
#[cfg(feature = "store")]
mod tests {
    use super::*;
    use crate::Config;

    const PASSWORD: &str = "a quiet harbour";

    fn users(folder: &std::path::Path) -> Users {
        let mut config = Config::new();
        for (name, value) in [
            ("data_dir", folder.join("state").to_str().unwrap()),
            ("password_memory", "1024"),
            ("password_passes", "1"),
        ] {
            config.set(name, value).unwrap();
        }
        let gate = config.settings().unwrap().gate;
        Users::new(&gate.users, &gate.store).unwrap()
    }

    fn is_refused(users: &Users, id: &str, secret: &Secret) -> bool {
        match users.check_client(id, secret) {
            Ok(login) => {
                assert_eq!(login.name(), id);
                false
            }
            Err(error) => {
                assert_eq!(error, Error::LoginFailed);
                true
            }
        }
    }

    #[test]
    fn a_client_authenticates_with_the_secret_that_was_generated_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let users = users(folder.path());
        assert!(is_refused(&users, "shop", &"".into()), "no store");
        let shop = users.add_client("shop", "encrypt decrypt").unwrap();
        let till = users.add_client("till", "").unwrap();
        assert_eq!((shop.len(), till.len()), (43, 43));
        assert_ne!(shop, till);
        let login = users.check_client("shop", &shop).unwrap();
        assert_eq!((login.name(), login.scope()), ("shop", "encrypt decrypt"));
        let text = shop.expose_str().unwrap().to_owned();
        let upper = text.to_uppercase();
        for wrong in [
            "",
            &text[..42],
            &format!("{text}="),
            &format!("{text} "),
            &upper,
            till.expose_str().unwrap(),
        ] {
            assert!(is_refused(&users, "shop", &wrong.into()), "{wrong}");
        }
        // The hash itself is no secret.
        let kept = sha256(shop.expose());
        assert!(is_refused(&users, "shop", &Secret::new(kept.to_vec())));
        for unknown in ["", "shop ", "Shop", "shops", "\0", "\u{e4}"] {
            assert!(is_refused(&users, unknown, &shop), "{unknown}");
        }
    }

    #[test]
    fn a_new_secret_replaces_the_old_one_and_a_disabled_client_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let users = users(folder.path());
        let old = users.add_client("shop", "encrypt").unwrap();
        let new = users.renew_secret("shop").unwrap().unwrap();
        assert!(is_refused(&users, "shop", &old) && !is_refused(&users, "shop", &new));
        assert!(users.set_client_disabled("shop", true).unwrap());
        assert!(is_refused(&users, "shop", &new));
        assert!(users.set_client_disabled("shop", false).unwrap());
        assert!(users.set_client_scope("shop", "decrypt").unwrap());
        assert_eq!(users.check_client("shop", &new).unwrap().scope(), "decrypt");
        assert!(users.remove_client("shop").unwrap());
        assert!(is_refused(&users, "shop", &new));
        assert_eq!(users.renew_secret("shop").unwrap(), None);
        assert!(!users.set_client_disabled("shop", true).unwrap());
        assert!(!users.set_client_scope("shop", "").unwrap());
        assert!(!users.remove_client("shop").unwrap());
    }

    #[test]
    fn a_user_is_no_client_and_a_client_is_no_user() {
        let folder = tempfile::tempdir().unwrap();
        let users = users(folder.path());
        users.add("alice", &PASSWORD.into(), "encrypt").unwrap();
        let secret = users.add_client("shop", "encrypt").unwrap();
        assert!(is_refused(&users, "alice", &PASSWORD.into()));
        let login = users.check("shop", &secret, "192.0.2.1");
        assert_eq!(login, Err(Error::LoginFailed));
        assert_eq!(users.add_client("alice", ""), Err(Error::UserExists));
        let taken = users.add("shop", &PASSWORD.into(), "");
        assert_eq!(taken, Err(Error::UserExists));
        // What is done to users is not done to clients, and the other way round.
        assert!(!users.set_password("shop", &PASSWORD.into()).unwrap());
        assert!(!users.set_scope("shop", "admin").unwrap());
        assert!(!users.set_disabled("shop", true).unwrap());
        assert!(!users.remove("shop").unwrap());
        assert!(!users.unlock("shop").unwrap());
        assert_eq!(users.sessions("shop").unwrap(), None);
        assert_eq!(users.renew_secret("alice").unwrap(), None);
        assert!(!users.remove_client("alice").unwrap());
        let names =
            |listed: Vec<User>| -> Vec<String> { listed.into_iter().map(|one| one.name).collect() };
        assert_eq!(names(users.list("", 9).unwrap()), ["alice"]);
        assert_eq!(names(users.clients("", 9).unwrap()), ["shop"]);
        let found = users.find("shop").unwrap().unwrap();
        assert_eq!(found.kind, AccountKind::Client);
        assert!(!is_refused(&users, "shop", &secret));
        // A password of a name that is later a client's is of no use.
        assert!(users.remove("alice").unwrap());
        users.add_client("alice", "").unwrap();
        assert!(users.check("alice", &PASSWORD.into(), "192.0.2.2").is_err());
        assert!(is_refused(&users, "alice", &PASSWORD.into()));
    }

    #[test]
    fn an_id_is_printable_ascii_and_a_scope_is_well_formed() {
        let folder = tempfile::tempdir().unwrap();
        let users = users(folder.path());
        let longest = "x".repeat(256);
        for good in ["a", "a:b", "a b", "%+&=", &longest] {
            let secret = users.add_client(good, "").unwrap();
            assert!(!is_refused(&users, good, &secret), "{good}");
        }
        let too_long = "x".repeat(257);
        for wrong in ["", "a\nb", "a\0", "\u{7f}", "caf\u{e9}", &too_long] {
            let refused = users.add_client(wrong, "");
            assert!(matches!(refused, Err(Error::InvalidName(_))), "{wrong}");
        }
        for wrong in ["a  b", " a", "\"", "\u{e4}"] {
            let refused = users.add_client("shop", wrong);
            assert!(matches!(refused, Err(Error::InvalidInput(_))), "{wrong}");
        }
        assert!(is_refused(&users, "shop", &"".into()));
    }

    #[test]
    fn a_changed_client_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let users = users(folder.path());
        let secret = users.add_client("shop", "encrypt").unwrap();
        let checked = || users.check_client("shop", &secret).unwrap();
        let login = checked();
        assert!(users.is_unchanged(&login).unwrap());
        users.set_client_scope("shop", "decrypt").unwrap();
        assert!(!users.is_unchanged(&login).unwrap());
        let login = checked();
        users.remove_client("shop").unwrap();
        assert!(!users.is_unchanged(&login).unwrap());
        // A user of that name is another account, whatever its version.
        users.add("shop", &PASSWORD.into(), "").unwrap();
        let first = Login {
            version: 1,
            ..login
        };
        assert!(!users.is_unchanged(&first).unwrap());
    }

    #[test]
    fn a_hash_of_another_size_matches_nothing() {
        let zeros = [0; 32];
        assert!(is_same(&zeros, Some(&zeros)));
        for kept in [None, Some(&zeros[..31]), Some(&[][..]), Some(&[0; 33][..])] {
            assert!(!is_same(&zeros, kept), "{kept:?}");
        }
    }
}
