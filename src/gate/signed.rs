//! Signed data: a payload that everybody may read and nobody else can change.

use std::time::Duration;

use super::Gate;
use super::data::key_with;
use crate::Error;
use crate::base::clock::unix_now;
use crate::base::encoding::{decode_url, encode_url};
use crate::cipher;

/// A payload whose signature is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsigned {
    /// What was signed.
    pub payload: Vec<u8>,
    /// When it was signed, in seconds since 1970-01-01 UTC.
    pub signed_at: u64,
}

impl Gate {
    /// Signs `payload` and returns text that fits into a URL or a cookie: base64url without padding. The payload is **not
    /// encrypted**: whoever has the text can read it, and the time when it was signed. `context` says what it is for; it is
    /// authenticated but not stored, and [`unsign`](Self::unsign) needs the same one.
    ///
    /// ```
    /// # fn main() -> Result<(), sealgate::Error> {
    /// use std::time::Duration;
    /// use sealgate::{Config, Error, Gate};
    ///
    /// let mut config = Config::new();
    /// config.set("keys", "ephemeral")?;
    /// let gate = Gate::new(&config.settings()?.gate)?;
    /// let link = gate.sign(b"alice", b"unsubscribe")?;
    /// let unsigned = gate.unsign(&link, b"unsubscribe", Some(Duration::from_secs(3600)))?;
    /// assert_eq!(unsigned.payload, b"alice");
    /// assert_eq!(gate.unsign(&link, b"reset password", None), Err(Error::Signature));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the payload is larger than [`MAX_PLAINTEXT`](crate::MAX_PLAINTEXT).
    pub fn sign(&self, payload: &[u8], context: &[u8]) -> Result<String, Error> {
        let ring = self.inner.keys.current();
        let signed = ring.newest_data_key().sign(context, unix_now(), payload)?;
        Ok(encode_url(&signed))
    }

    /// Checks text from [`sign`](Self::sign), made with any accepted key, and returns its payload. With `max_age` it must not
    /// be older, in whole seconds; a time in the future is accepted up to the setting `leeway`, because clocks differ.
    ///
    /// # Errors
    /// [`Error::Signature`], one error for every cause; [`Error::KeyRetired`]; [`Error::NotFresh`] if the signature is valid
    /// but older, or further in the future.
    pub fn unsign(
        &self,
        signed: &str,
        context: &[u8],
        max_age: Option<Duration>,
    ) -> Result<Unsigned, Error> {
        let signed = decode_url(signed).ok_or(Error::Signature)?;
        let id = cipher::signer_of(&signed).ok_or(Error::Signature)?;
        let ring = self.ring_with(id);
        let key = key_with(&ring, id)?.ok_or(Error::Signature)?;
        let (signed_at, payload) = key.unsign(context, &signed)?;
        if let Some(max_age) = max_age {
            self.check_age(signed_at, max_age)?;
        }
        Ok(Unsigned {
            payload: payload.to_vec(),
            signed_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn gate(settings: &[(&str, &str)]) -> Gate {
        let mut config = Config::new();
        config.set("keys", "ephemeral").unwrap();
        for (name, value) in settings {
            config.set(name, value).unwrap();
        }
        Gate::new(&config.settings().unwrap().gate).unwrap()
    }

    #[test]
    fn what_was_signed_comes_back_and_says_when() {
        let gate = gate(&[]);
        let before = unix_now();
        for payload in [&b""[..], b"noon", "Zażółć 🔑".as_bytes(), &[0xff; 1000]] {
            let text = gate.sign(payload, b"c").unwrap();
            let unsigned = gate.unsign(&text, b"c", Some(Duration::MAX)).unwrap();
            assert_eq!(unsigned.payload, payload);
            assert!((before..=unix_now()).contains(&unsigned.signed_at));
            assert_eq!(gate.unsign(&text, b"", None), Err(Error::Signature));
        }
    }

    #[test]
    fn nothing_of_another_kind_is_taken_for_signed_data_or_the_other_way_round() {
        let gate = gate(&[]);
        let sealed = gate.seal(b"noon", b"").unwrap();
        for other in [
            "eyJhbGciOiJIUzI1NiJ9.e30.8VKCTiBegJPuPIZlp0wbV0Sbdn5BS6TE5DCx6oYNc5o".to_owned(),
            gate.encrypt_data(b"noon", b"").unwrap(),
            gate.encrypt_url_safe(b"noon", b"").unwrap(),
            encode_url(&sealed),
            // With the first byte of signed data.
            encode_url(&[&[4], &sealed[1..]].concat()),
            String::new(),
            "BA".to_owned(),
            "not base64url!".to_owned(),
        ] {
            assert_eq!(
                gate.unsign(&other, b"", None),
                Err(Error::Signature),
                "{other}"
            );
        }
        let signed = gate
            .sign(b"a payload as long as sealed data has to be", b"")
            .unwrap();
        assert_eq!(gate.decrypt_data(&signed, b""), Err(Error::Decrypt));
        assert!(gate.verify_token(&signed).is_err());
        let mut bytes = decode_url(&signed).unwrap();
        for version in [1, 2, 3] {
            bytes[0] = version;
            assert_eq!(gate.open(&bytes, b""), Err(Error::Decrypt));
            let text = encode_url(&bytes);
            assert_eq!(gate.unsign(&text, b"", None), Err(Error::Signature));
        }
    }

    #[test]
    fn text_that_is_not_exactly_what_was_made_is_refused() {
        let gate = gate(&[]);
        let text = gate.sign(b"noon!", b"").unwrap();
        for wrong in [
            format!("{text}="),
            format!("{text}\n"),
            format!(" {text}"),
            format!("{text}A"),
            text[1..].to_owned(),
            text[..text.len() - 1].to_owned(),
            text.to_lowercase(),
            text.replace(['-', '_'], "+") + "+",
        ] {
            assert_eq!(
                gate.unsign(&wrong, b"", None),
                Err(Error::Signature),
                "{wrong}"
            );
        }
    }

    #[test]
    fn an_unknown_key_is_refused_like_a_wrong_signature() {
        let text = gate(&[]).sign(b"noon", b"").unwrap();
        assert_eq!(gate(&[]).unsign(&text, b"", None), Err(Error::Signature));
    }

    #[test]
    fn a_valid_signature_of_a_wrong_age_is_not_fresh() {
        let gate = gate(&[("leeway", "5")]);
        let (now, ring) = (unix_now(), gate.inner.keys.current());
        let at = |time: u64| encode_url(&ring.newest_data_key().sign(b"", time, b"x").unwrap());
        for (time, max_age, fresh) in [
            (now - 100, 3600, true),
            (now - 100, 50, false),
            (now + 3600, u64::MAX, false),
            (u64::MAX, u64::MAX, false),
            (0, u64::MAX, true),
            (0, 3600, false),
        ] {
            let max_age = Some(Duration::from_secs(max_age));
            let unsigned = gate.unsign(&at(time), b"", max_age);
            assert_eq!(unsigned.is_ok(), fresh, "{time}");
            assert!(fresh || unsigned == Err(Error::NotFresh), "{time}");
            assert_eq!(gate.unsign(&at(time), b"", None).unwrap().signed_at, time);
            // Not before the signature has been checked.
            assert_eq!(gate.unsign(&at(time), b"y", max_age), Err(Error::Signature));
        }
    }

    #[test]
    fn too_large_a_payload_is_refused() {
        // Never touched, so the pages of this cost no memory.
        let payload = vec![0; crate::MAX_PLAINTEXT + 1];
        let refused = gate(&[]).sign(&payload, b"");
        assert!(matches!(refused, Err(Error::InvalidInput(_))));
    }
}
