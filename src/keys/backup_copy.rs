//! What a backup contains of the ring, and what a restored ring changes: the file as it is, sealed or not, and the counts of
//! messages. A backup as a whole can be sealed under a passphrase, with a key derived as for an exported ring.

use std::path::Path;

use super::document::{Fault, MAX_TEXT, RingContents};
use super::file::{self, unusable};
use super::kind::RingKind;
use super::seal::{AtRest, Derivation, RingSeal};
use super::{KeyKind, RingSecret, Settings, usage};
use crate::base::clock::unix_now;
use crate::cipher::DataKey;
use crate::{Error, Secret};

/// The largest ring file, and the largest file of counts.
pub(crate) const MAX_RING: usize = MAX_TEXT;
/// The largest description of how a key is derived.
const MAX_DERIVATION: usize = 512;

/// A ring file, byte for byte.
pub(crate) struct RingCopy {
    pub(crate) raw: Secret,
    /// Whether the file is sealed.
    pub(crate) sealed: bool,
    /// `None`: it is sealed, and no secret is set to open it.
    contents: Option<RingContents>,
}

/// What a restored ring changes for the keys that were in use before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyLosses {
    /// Keys that are in the previous ring only, with their ids: their tokens are refused and their data cannot be decrypted.
    pub missing: Vec<(KeyKind, String)>,
    /// Keys that are accepted again, although they were not accepted any more.
    pub accepted_again: Vec<(KeyKind, String)>,
}

impl RingCopy {
    /// The ring in the directory, which the caller uses; `None` if there is none. A sealed ring is copied even if no secret is
    /// set to open it.
    pub(crate) fn of(settings: &Settings, folder: &Path) -> Result<Option<Self>, Error> {
        let seal = RingSeal::of(&settings.ring)?;
        let Some((raw, _)) = file::read_raw(folder)? else {
            file::check_not_lost(folder, &seal)?;
            return Ok(None);
        };
        match RingCopy::open(raw.clone(), &seal) {
            Ok(copy) => Ok(Some(copy)),
            Err(Fault::Sealed) => Ok(Some(RingCopy {
                raw,
                sealed: true,
                contents: None,
            })),
            Err(fault) => Err(unusable(folder, &seal, fault)),
        }
    }

    /// The ring of a backup, which has to be usable with the secrets that the settings name.
    pub(crate) fn of_backup(settings: &Settings, raw: Secret) -> Result<Self, Error> {
        RingCopy::open(raw, &RingSeal::of(&settings.ring)?).map_err(|fault| {
            Error::InvalidInput(format!(
                "The key ring in the backup {fault}. Nothing was changed."
            ))
        })
    }

    fn open(raw: Secret, seal: &RingSeal) -> Result<Self, Fault> {
        let (contents, _, at_rest) = file::parse(raw.clone(), seal)?;
        Ok(RingCopy {
            raw,
            sealed: !matches!(at_rest, AtRest::Plain),
            contents: Some(contents),
        })
    }

    /// How many token keys and data keys it has, if it was opened.
    pub(crate) fn counts(&self) -> Option<(usize, usize)> {
        let contents = self.contents.as_ref()?;
        Some((contents.token_keys.len(), contents.data_keys.len()))
    }

    /// What changes if this ring replaces `before`. `None` if one of them was not opened.
    pub(crate) fn losses(&self, before: &RingCopy) -> Option<KeyLosses> {
        let (mut losses, now) = (KeyLosses::default(), unix_now());
        let (before, after) = (before.contents.as_ref()?, self.contents.as_ref()?);
        for kind in RingKind::ALL {
            let after = after.keys(kind);
            for key in before.keys(kind) {
                let named = || (KeyKind::from(kind), key.id.clone());
                let same = after.iter().find(|other| other.key == key.key);
                match same {
                    None => losses.missing.push(named()),
                    Some(other) if !key.state.accepts_at(now) && other.state.accepts_at(now) => {
                        losses.accepted_again.push(named());
                    }
                    Some(_) => {}
                }
            }
        }
        Some(losses)
    }

    /// What changes if no ring replaces this one. `None` if it was not opened.
    pub(crate) fn all_lost(&self) -> Option<KeyLosses> {
        let none = RingCopy {
            raw: Secret::new(Vec::new()),
            sealed: false,
            contents: Some(RingContents::default()),
        };
        none.losses(self)
    }

    /// The counts of messages after a restore of this ring; see [`usage::text_after_restore`].
    pub(crate) fn usage_after_restore(&self, text: &[u8], folder: &Path) -> Option<String> {
        let keys = self.contents.iter().flat_map(|ring| &ring.data_keys);
        let ids: Vec<&str> = keys.map(|key| &*key.id).collect();
        usage::text_after_restore(text, folder, &ids)
    }
}

/// The counts of messages in the directory, for a backup; empty if there are none.
pub(crate) fn usage_for_backup(folder: &Path) -> String {
    usage::text_for_backup(folder)
}

/// A new key from a passphrase, and a line of JSON that says how to derive it again.
pub(crate) fn new_passphrase_key(secret: &RingSecret) -> Result<(String, DataKey), Error> {
    let by = Derivation::new(secret)?;
    let line = serde_json::to_string(&by).expect("plain data is JSON") + "\n";
    Ok((line, DataKey::new(&*by.key(secret)?)?))
}

/// The key that the line describes; `None` if it is not such a line.
pub(crate) fn passphrase_key(line: &str, secret: &RingSecret) -> Result<Option<DataKey>, Error> {
    let by: Option<Derivation> = serde_json::from_str(line).ok();
    match by.filter(|by| by.is_ours() && line.len() <= MAX_DERIVATION) {
        Some(by) => Ok(Some(DataKey::new(&*by.key(secret)?)?)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> RingSecret {
        RingSecret::passphrase(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_key_is_derived_again_from_its_line_and_no_other() {
        let secret = passphrase("correct horse battery");
        let (line, key) = new_passphrase_key(&secret).unwrap();
        assert!(line.ends_with("}\n") && line.len() < MAX_DERIVATION);
        let again = |line: &str, secret| passphrase_key(line, secret).unwrap();
        assert_eq!(again(&line, &secret).unwrap().bytes(), key.bytes());
        let other = passphrase("another horse battery");
        assert_ne!(again(&line, &other).unwrap().bytes(), key.bytes());
        let (second, _) = new_passphrase_key(&secret).unwrap();
        assert_ne!(second, line, "the salt is new each time");
        for wrong in [
            String::new(),
            "{}".to_owned(),
            "[]".to_owned(),
            line.replace("65536", "1048577"),
            line.replace("\"passes\":3", "\"passes\":17"),
            line.replace("argon2id", "scrypt"),
            line.replace('{', "{\"more\":1,"),
            line.clone() + &" ".repeat(MAX_DERIVATION),
        ] {
            assert!(again(&wrong, &secret).is_none(), "{wrong}");
        }
    }
}
