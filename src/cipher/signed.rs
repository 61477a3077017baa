//! Signed data, version 1: a payload that everybody can read and that nobody without the key can change, with the time when
//! it was signed. The tag is HMAC-SHA256 under a key of its own, derived from the data key.

use openssl::memcmp;
use zeroize::Zeroizing;

use super::sealed::{DataKey, DataKeyId, HEADER, KEY_ID, check_plaintext_size};
use crate::Error;
use crate::base::hkdf::hkdf_sha256;
use crate::base::hmac::{HmacSha256, TAG};

/// First byte.
const VERSION: u8 = 0x04;
const SIGNING_INFO: &[u8] = b"sealgate/signed/v1";
/// Version, key id and time.
const SIGNED_HEADER: usize = HEADER + size_of::<u64>();

/// The key id in signed data, even if the rest is damaged or truncated; `None` if it does not start like signed data.
pub(crate) fn signer_of(signed: &[u8]) -> Option<DataKeyId> {
    match signed {
        [VERSION, a, b, c, d, ..] => Some([*a, *b, *c, *d]),
        _ => None,
    }
}

impl DataKey {
    /// `time`: seconds since 1970-01-01 UTC.
    pub(crate) fn sign(&self, context: &[u8], time: u64, payload: &[u8]) -> Result<Vec<u8>, Error> {
        check_plaintext_size(payload.len())?;
        let mut signed = Vec::with_capacity(SIGNED_HEADER + payload.len() + TAG);
        signed.push(VERSION);
        signed.extend_from_slice(&self.id);
        signed.extend_from_slice(&time.to_be_bytes());
        signed.extend_from_slice(payload);
        let tag = self.tag(context, &signed)?;
        signed.extend_from_slice(&tag);
        Ok(signed)
    }

    /// The time and the payload of signed data that names this key.
    pub(crate) fn unsign<'a>(
        &self,
        context: &[u8],
        signed: &'a [u8],
    ) -> Result<(u64, &'a [u8]), Error> {
        let (body, tag) = signed.split_last_chunk::<TAG>().ok_or(Error::Signature)?;
        let (header, payload) = body
            .split_at_checked(SIGNED_HEADER)
            .ok_or(Error::Signature)?;
        let (named, time) = header.split_last_chunk().ok_or(Error::Signature)?;
        let names_this_key = named[0] == VERSION && named[1..=KEY_ID] == self.id;
        if !names_this_key || !memcmp::eq(&self.tag(context, body)?, tag) {
            return Err(Error::Signature);
        }
        Ok((u64::from_be_bytes(*time), payload))
    }

    /// The tag of everything before it. The length of the context comes first, so that no byte of the context can be moved
    /// into the data, or the other way round.
    fn tag(&self, context: &[u8], body: &[u8]) -> Result<[u8; TAG], Error> {
        let mut key = Zeroizing::new([0; TAG]);
        hkdf_sha256(self.bytes(), SIGNING_INFO, &mut *key)?;
        let length = (context.len() as u64).to_be_bytes();
        Ok(HmacSha256::new(&*key).tag(&[&length, context, body]))
    }
}

#[cfg(test)]
mod tests {
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKey;
    use openssl::sign::Signer;

    use super::*;

    fn key() -> DataKey {
        DataKey::new(&[7; 32]).unwrap()
    }

    #[test]
    fn the_payload_and_the_time_come_back() {
        for time in [0, 1_800_000_000, u64::MAX] {
            for payload in [&b""[..], b"noon", &[0; 1000]] {
                let signed = key().sign(b"c", time, payload).unwrap();
                assert_eq!(signed.len(), SIGNED_HEADER + payload.len() + TAG);
                assert_eq!(key().unsign(b"c", &signed), Ok((time, payload)));
            }
        }
    }

    #[test]
    fn no_bit_can_be_changed_and_nothing_cut_off_or_added() {
        let signed = key().sign(b"c", 1_800_000_000, b"noon").unwrap();
        let refused = |signed: &[u8]| key().unsign(b"c", signed) == Err(Error::Signature);
        for bit in 0..8 * signed.len() {
            let mut changed = signed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(refused(&changed), "bit {bit}");
        }
        for size in 0..signed.len() {
            assert!(refused(&signed[..size]), "{size}");
            assert!(refused(&signed[size..][1..]), "{size}");
        }
        assert!(refused(&[&signed[..], b"x"].concat()));
        assert!(refused(&[&signed[..], &signed[..]].concat()));
    }

    #[test]
    fn a_byte_cannot_be_moved_between_context_and_payload() {
        let signed = key().sign(b"ab", 0, b"c").unwrap();
        for context in [&b""[..], b"a", b"b", b"abc", b"ab\0"] {
            assert_eq!(key().unsign(context, &signed), Err(Error::Signature));
        }
        let mut moved = signed.clone();
        moved.insert(SIGNED_HEADER, b'b');
        assert_eq!(key().unsign(b"a", &moved), Err(Error::Signature));
    }

    #[test]
    fn the_key_of_signatures_is_no_other_key_of_the_data_key() {
        // Under the data key itself, or under the key of another purpose, the tag is another one.
        let signed = key().sign(b"", 0, b"noon").unwrap();
        let (body, tag) = signed.split_last_chunk::<TAG>().unwrap();
        for info in [
            &b"sealgate/stream/v1"[..],
            b"sealgate/key-id/v1",
            b"sealgate/signed/v",
        ] {
            let mut other = [0; 32];
            hkdf_sha256(&[7; 32], info, &mut other).unwrap();
            let other = DataKey::new(&other).unwrap();
            assert_ne!(&other.tag(b"", body).unwrap(), tag);
        }
        let raw = PKey::hmac(&[7; 32]).unwrap();
        let mut signer = Signer::new(MessageDigest::sha256(), &raw).unwrap();
        signer.update(&[0; 8]).unwrap();
        signer.update(body).unwrap();
        assert_ne!(&signer.sign_to_vec().unwrap()[..], tag);
    }
}
