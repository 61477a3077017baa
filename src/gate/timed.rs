//! URL-safe sealed text, which records when it was sealed, and how old data may be.

use std::time::Duration;

use super::Gate;
use super::data::{bytes_of, key_of};
use crate::base::clock::unix_now;
use crate::base::encoding::encode_url;
use crate::cipher;
use crate::{Error, Secret};

impl Gate {
    /// Encrypts `data` and returns text that fits into a URL, a cookie or a file name: base64url without padding. It records
    /// the time, which everybody can read, so that [`decrypt_fresh`](Self::decrypt_fresh) can refuse it once it is too old;
    /// [`decrypt_data`](Self::decrypt_data) decrypts it at any age. `context` is authenticated but not stored. The result
    /// always has the sealed format.
    ///
    /// ```
    /// # fn main() -> Result<(), sealgate::Error> {
    /// use std::time::Duration;
    /// use sealgate::{Config, Gate};
    ///
    /// let mut config = Config::new();
    /// config.set("keys", "ephemeral")?;
    /// let gate = Gate::new(&config.settings()?.gate)?;
    /// let link = gate.encrypt_url_safe(b"alice@example.org", b"confirm address")?;
    /// let address = gate.decrypt_fresh(&link, b"confirm address", Duration::from_secs(3600))?;
    /// assert_eq!(address.expose(), b"alice@example.org");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the data is larger than [`MAX_PLAINTEXT`](crate::MAX_PLAINTEXT).
    pub fn encrypt_url_safe(&self, data: &[u8], context: &[u8]) -> Result<String, Error> {
        let sealed = self.sealing(|key| key.seal_timed(context, unix_now(), data))?;
        Ok(encode_url(&sealed))
    }

    /// Decrypts what [`encrypt_url_safe`](Self::encrypt_url_safe) returned at most `max_age` ago, in whole seconds. A time in
    /// the future is accepted up to the setting `leeway`: clocks differ.
    ///
    /// # Errors
    /// [`Error::Decrypt`], one error for every cause; [`Error::KeyRetired`]; [`Error::NotFresh`] if the data is authentic but
    /// older, further in the future, or without a time.
    pub fn decrypt_fresh(
        &self,
        encrypted_data: &str,
        context: &[u8],
        max_age: Duration,
    ) -> Result<Secret, Error> {
        let opened = self.open_fresh(encrypted_data, context, max_age);
        self.inner.counts.opened(opened)
    }

    fn open_fresh(&self, text: &str, context: &[u8], max_age: Duration) -> Result<Secret, Error> {
        let sealed = bytes_of(text)?;
        let ring = self.ring_for(&sealed);
        let key = key_of(&ring, &sealed)?.ok_or(Error::Decrypt)?;
        if !cipher::is_timed(&sealed) {
            // What it contains is of no use, but only authentic data may get this error.
            return key.open(context, &sealed).and(Err(Error::NotFresh));
        }
        let (time, opened) = key.open_timed(context, &sealed)?;
        self.check_age(time, max_age)?;
        Ok(opened)
    }

    /// Refuses what was made at a time that is too long ago, or too far in the future.
    pub(super) fn check_age(&self, made: u64, max_age: Duration) -> Result<(), Error> {
        let leeway = self.inner.tokens.leeway();
        match is_fresh(unix_now(), made, max_age, leeway) {
            true => Ok(()),
            false => Err(Error::NotFresh),
        }
    }
}

fn is_fresh(now: u64, made: u64, max_age: Duration, leeway: Duration) -> bool {
    match now.checked_sub(made) {
        Some(age) => age <= max_age.as_secs(),
        // The other clock is ahead of this one.
        None => made - now <= leeway.as_secs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::base::encoding::{decode_url, encode_base64};

    fn gate() -> Gate {
        let mut config = Config::new();
        config.set("keys", "ephemeral").unwrap();
        Gate::new(&config.settings().unwrap().gate).unwrap()
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn ages_are_judged_to_the_second_and_never_overflow() {
        let leeway = Duration::from_secs(5);
        let fresh =
            |made: u64, max_age: u64| is_fresh(1000, made, Duration::from_secs(max_age), leeway);
        assert!(fresh(1000, 0) && fresh(990, 10) && fresh(0, 1000));
        assert!(!fresh(999, 0) && !fresh(989, 10) && !fresh(0, 999));
        assert!(fresh(1005, 0) && !fresh(1006, u64::MAX));
        assert!(!fresh(u64::MAX, u64::MAX) && fresh(0, u64::MAX));
        assert!(is_fresh(u64::MAX, 0, Duration::MAX, Duration::MAX));
        assert!(is_fresh(0, u64::MAX, Duration::ZERO, Duration::MAX));
    }

    #[test]
    fn the_text_is_safe_in_a_url_and_opens_at_any_age() {
        let gate = gate();
        for size in 0..50 {
            let data = vec![0xff; size];
            let text = gate.encrypt_url_safe(&data, b"c").unwrap();
            let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            assert!(text.bytes().all(safe), "{text}");
            assert_eq!(gate.decrypt_data(&text, b"c").unwrap().expose(), data);
            let opened = gate.decrypt_fresh(&text, b"c", HOUR).unwrap();
            assert_eq!(opened.expose(), data);
            // The same bytes in the other alphabet are the same data.
            let standard = encode_base64(&decode_url(&text).unwrap());
            assert_eq!(gate.decrypt_data(&standard, b"c").unwrap().expose(), data);
            assert_eq!(gate.decrypt_fresh(&text, b"d", HOUR), Err(Error::Decrypt));
        }
    }

    #[test]
    fn neither_form_accepts_a_mixture_or_loose_bits() {
        let gate = gate();
        let text = gate.encrypt_url_safe(&[0xff; 5], b"").unwrap();
        let changed = [
            format!("{text}="),
            format!("+{}", &text[1..]),
            format!("{text}/"),
            format!("-{}", &encode_base64(&[1; 60])[1..]),
            text.to_lowercase(),
            text[..text.len() - 1].to_owned(),
            format!("{text}\0"),
            format!("{text}A"),
        ];
        for wrong in changed {
            assert_eq!(
                gate.decrypt_data(&wrong, b""),
                Err(Error::Decrypt),
                "{wrong}"
            );
        }
        // Tools that wrap lines may have had it in their hands.
        let (one, other) = text.split_at(10);
        assert!(
            gate.decrypt_data(&format!(" {one}\r\n{other}\n"), b"")
                .is_ok()
        );
    }

    #[test]
    fn data_of_a_wrong_age_is_not_fresh_and_forged_data_is_never_called_so() {
        let gate = gate();
        let key = |made: u64| {
            gate.sealing(|key| key.seal_timed(b"", made, b"noon"))
                .unwrap()
        };
        let now = unix_now();
        for (made, max_age, fresh) in [
            (now - 100, 3600, true),
            (now - 100, 50, false),
            (now + 3600, 10_000, false),
            (u64::MAX, u64::MAX, false),
            (0, 3600, false),
        ] {
            let sealed = key(made);
            let max_age = Duration::from_secs(max_age);
            let opened = gate.decrypt_fresh(&encode_url(&sealed), b"", max_age);
            let expected = if fresh { None } else { Some(Error::NotFresh) };
            assert_eq!(opened.err(), expected, "{made}");
            // Whoever changes the time learns nothing of it.
            let mut forged = sealed;
            forged[12] ^= 1;
            let opened = gate.decrypt_fresh(&encode_url(&forged), b"", max_age);
            assert_eq!(opened, Err(Error::Decrypt));
        }
    }

    #[test]
    fn data_without_a_time_is_not_fresh_if_it_is_authentic() {
        let gate = gate();
        let text = gate.encrypt_data(b"noon", b"c").unwrap();
        assert_eq!(gate.decrypt_fresh(&text, b"c", HOUR), Err(Error::NotFresh));
        assert_eq!(gate.decrypt_fresh(&text, b"d", HOUR), Err(Error::Decrypt));
        for nothing in ["", "AAAA", "!"] {
            assert_eq!(gate.decrypt_fresh(nothing, b"", HOUR), Err(Error::Decrypt));
        }
    }

    #[test]
    fn rewrapping_keeps_the_time() {
        let gate = gate();
        let made = unix_now() - 100;
        let old = gate
            .sealing(|key| key.seal_timed(b"c", made, b"noon"))
            .unwrap();
        let fresh = gate.rewrap_data(&encode_url(&old), b"c").unwrap();
        let within = |seconds| gate.decrypt_fresh(&fresh, b"c", Duration::from_secs(seconds));
        assert_eq!(within(50), Err(Error::NotFresh));
        assert_eq!(within(3600).unwrap().expose(), b"noon");
        assert_eq!(gate.rewrap(&old, b"d"), Err(Error::Decrypt));
    }

    #[test]
    fn data_with_a_time_opens_as_bytes_too() {
        let gate = gate();
        let sealed = decode_url(&gate.encrypt_url_safe(b"noon", b"c").unwrap()).unwrap();
        assert_eq!(gate.open(&sealed, b"c").unwrap().expose(), b"noon");
        let mut out = [0; 10];
        assert_eq!(gate.open_into(&sealed, b"c", &mut out), Ok(Ok(4)));
        assert_eq!(&out[..4], b"noon");
        assert_eq!(gate.open_into(&sealed, b"c", &mut out[..3]), Ok(Err(4)));
    }

    #[test]
    fn the_originals_cbc_is_neither_made_nor_read_in_this_form() {
        let mut config = Config::new();
        for (name, value) in [
            ("keys", "ephemeral"),
            ("aes_key", "0123456789abcdef0123456789abcdef"),
            ("aes_iv", "fedcba9876543210"),
        ] {
            config.set(name, value).unwrap();
        }
        let gate = Gate::new(&config.settings().unwrap().gate).unwrap();
        let text = gate.encrypt_url_safe(b"noon", b"").unwrap();
        assert_eq!(
            gate.decrypt_fresh(&text, b"", HOUR).unwrap().expose(),
            b"noon"
        );
        let original = gate.encrypt_data(b"noon", b"").unwrap();
        assert_eq!(gate.decrypt_data(&original, b"").unwrap().expose(), b"noon");
        assert_eq!(
            gate.decrypt_fresh(&original, b"", HOUR),
            Err(Error::Decrypt)
        );
        let url_safe = original
            .trim_end_matches('=')
            .replace('+', "-")
            .replace('/', "_");
        assert_ne!(url_safe, original);
        assert_eq!(gate.decrypt_data(&url_safe, b""), Err(Error::Decrypt));
    }
}
