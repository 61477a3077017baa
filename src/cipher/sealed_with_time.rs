//! Sealed data with a time, version 1: as sealed data, and it records when it was sealed, so that a reader can refuse what
//! is too old. The time is authenticated, and everybody can read it.

use super::sealed::{DataKey, HEADER, KEY_ID, TIMED_VERSION, check_plaintext_size, zeros};
use super::xaes;
use crate::base::random::random;
use crate::{Error, Secret};

/// Version, key id and time: authenticated before the caller's context.
const TIMED_HEADER: usize = HEADER + size_of::<u64>();
const TIMED_OVERHEAD: usize = TIMED_HEADER + xaes::NONCE + xaes::TAG;

impl DataKey {
    /// `time`: seconds since 1970-01-01 UTC.
    pub(crate) fn seal_timed(
        &self,
        context: &[u8],
        time: u64,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Error> {
        // Before any memory is allocated: too large an allocation would abort the process.
        check_plaintext_size(plaintext.len())?;
        let mut sealed = zeros(plaintext.len() + TIMED_OVERHEAD);
        let (header, rest) = sealed.split_at_mut(TIMED_HEADER);
        let (nonce, ciphertext_and_tag) = rest.split_at_mut(xaes::NONCE);
        header[0] = TIMED_VERSION;
        header[1..=KEY_ID].copy_from_slice(&self.id);
        header[1 + KEY_ID..].copy_from_slice(&time.to_be_bytes());
        random(nonce)?;
        let nonce: &[u8; xaes::NONCE] = (&*nonce).try_into().expect("split at this length above");
        self.xaes
            .seal(nonce, [header, context], plaintext, ciphertext_and_tag)?;
        Ok(sealed)
    }

    /// Opens sealed data with a time that names this key, and returns the time too.
    pub(crate) fn open_timed(&self, context: &[u8], sealed: &[u8]) -> Result<(u64, Secret), Error> {
        let size = sealed.len().checked_sub(TIMED_OVERHEAD);
        let size = size.ok_or(Error::Decrypt)?;
        check_plaintext_size(size).map_err(|_| Error::Decrypt)?;
        let (header, rest) = sealed.split_at(TIMED_HEADER);
        let (nonce, ciphertext_and_tag) = rest.split_at(xaes::NONCE);
        let nonce: &[u8; xaes::NONCE] = nonce.try_into().expect("split at this length above");
        let (_, time) = header
            .split_last_chunk()
            .expect("the header ends in a time");
        // On failure it is wiped in place.
        let mut plaintext = zeros(size);
        self.xaes
            .open(nonce, [header, context], ciphertext_and_tag, &mut plaintext)?;
        Ok((u64::from_be_bytes(*time), Secret::new(plaintext)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> DataKey {
        DataKey::new(&[7; 32]).unwrap()
    }

    #[test]
    fn the_time_comes_back_even_at_the_ends_of_its_range() {
        for time in [0, 1, 1_800_000_000, u64::MAX] {
            let sealed = key().seal_timed(b"c", time, b"noon").unwrap();
            assert_eq!(sealed.len(), 4 + TIMED_OVERHEAD);
            let (found, opened) = key().open_timed(b"c", &sealed).unwrap();
            assert_eq!((found, opened.expose()), (time, &b"noon"[..]));
            assert_eq!(key().open(b"c", &sealed).unwrap().expose(), b"noon");
        }
    }

    #[test]
    fn no_bit_can_be_changed_and_nothing_cut_off_or_added() {
        let sealed = key().seal_timed(b"c", 1_800_000_000, b"noon").unwrap();
        for bit in 0..8 * sealed.len() {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let opened = key().open_timed(b"c", &changed);
            assert_eq!(opened.unwrap_err(), Error::Decrypt, "bit {bit}");
            assert!(key().open(b"c", &changed).is_err(), "bit {bit}");
        }
        for size in 0..sealed.len() {
            assert!(key().open_timed(b"c", &sealed[..size]).is_err(), "{size}");
        }
        assert!(
            key()
                .open_timed(b"c", &[&sealed[..], b"x"].concat())
                .is_err()
        );
        for context in [&b""[..], b"d", b"cc"] {
            assert!(key().open_timed(context, &sealed).is_err());
        }
    }

    #[test]
    fn neither_kind_of_sealed_data_can_be_taken_for_the_other() {
        let (plain, timed) = (
            key().seal(b"", b"noon").unwrap(),
            key().seal_timed(b"", 5, b"noon"),
        );
        let mut timed = timed.unwrap();
        // With the other's first byte, and with the time moved into the context or the other way round.
        timed[0] = crate::cipher::sealed::VERSION;
        assert!(key().open(b"", &timed).is_err());
        assert!(
            key()
                .open(&timed[5..13], &[&timed[..5], &timed[13..]].concat())
                .is_err()
        );
        let mut changed = plain.clone();
        changed[0] = TIMED_VERSION;
        assert!(key().open(b"", &changed).is_err());
        let with_time = [&changed[..5], &[0; 8], &changed[5..]].concat();
        assert!(key().open(b"", &with_time).is_err());
    }
}
