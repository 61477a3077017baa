//! Signatures and tokens are jwt-simple's, byte for byte where they are deterministic.

use std::collections::HashSet;

use jwt_simple::algorithms::{
    ECDSAP256KeyPairLike, ECDSAP256PublicKeyLike, ES256KeyPair, Ed25519KeyPair, EdDSAKeyPairLike,
    EdDSAPublicKeyLike, HS256Key,
};
use jwt_simple::claims::{Audiences, NoCustomClaims};
use jwt_simple::prelude::{HeaderOptions, UnixTimeStamp, VerificationOptions};
use openssl::bn::BigNum;
use openssl::error::ErrorStack;

use super::*;

const SECRET: &[u8] = b"a secret of at least thirty-two bytes";
const SCALAR: [u8; 32] = [7; 32];
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/// A repeatable sequence of random-looking numbers (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }

    /// Of characters that JSON writes in different ways.
    fn text(&mut self) -> String {
        const CHARACTERS: [char; 24] = [
            'a',
            'Z',
            '0',
            ' ',
            '"',
            '\\',
            '/',
            '<',
            '\'',
            '\0',
            '\u{1}',
            '\t',
            '\n',
            '\r',
            '\u{8}',
            '\u{c}',
            '\u{1f}',
            '\u{7f}',
            'ä',
            'ß',
            '名',
            '\u{2028}',
            '😀',
            '\u{10ffff}',
        ];
        let length = [0, 1, 2, 3, 9, 40, 300][self.below(7)];
        (0..length)
            .map(|_| CHARACTERS[self.below(CHARACTERS.len())])
            .collect()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    fn time(&mut self) -> UnixTimeStamp {
        UnixTimeStamp::from_secs([0, 1, 1_900_000_000, u64::from(u32::MAX)][self.below(4)])
    }

    fn audiences(&mut self) -> Audiences {
        match self.below(2) {
            0 => Audiences::AsString(self.text()),
            _ => Audiences::AsSet(
                (0..self.below(4))
                    .map(|_| self.text())
                    .collect::<HashSet<_>>(),
            ),
        }
    }

    fn claims(&mut self) -> JWTClaims<Custom> {
        JWTClaims {
            issued_at: self.maybe(Self::time),
            expires_at: self.maybe(Self::time),
            invalid_before: self.maybe(Self::time),
            issuer: self.maybe(Self::text),
            subject: self.maybe(Self::text),
            audiences: self.maybe(Self::audiences),
            jwt_id: self.maybe(Self::text),
            nonce: self.maybe(Self::text),
            custom: Custom {
                number: self.maybe(|numbers| numbers.below(usize::MAX) as u64),
                username: self.maybe(Self::text),
                scope: self.text(),
                sid: self.maybe(Self::text),
                list: (0..self.below(3)).map(|_| self.text()).collect(),
            },
        }
    }
}

#[derive(Clone, Serialize)]
struct Custom {
    number: Option<u64>,
    username: Option<String>,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    list: Vec<String>,
}

fn header_options(typ: &str) -> HeaderOptions {
    HeaderOptions {
        signature_type: Some(typ.to_owned()),
        content_type: None,
    }
}

fn at_any_time() -> Option<VerificationOptions> {
    Some(VerificationOptions {
        artificial_time: Some(UnixTimeStamp::default()),
        time_tolerance: Some(UnixTimeStamp::default()),
        accept_future: true,
        ..VerificationOptions::default()
    })
}

/// The two ends of the same token.
fn ends(token: &str) -> (&str, &str) {
    token.rsplit_once('.').unwrap()
}

#[test]
fn hs256_tokens_are_those_of_jwt_simple() {
    let mut numbers = Numbers(1);
    for round in 0..3_000 {
        let size = 32 + numbers.below(100);
        let secret = numbers.bytes(size);
        let ours = TokenKey::new(TokenAlgorithm::Hs256, &secret).unwrap();
        let theirs = HS256Key::from_bytes(&secret).with_key_id(ours.id());
        let claims = numbers.claims();
        let typ = ["at+jwt", "rt+jwt"][numbers.below(2)];
        let expected = theirs.authenticate_with_options(claims.clone(), &header_options(typ));
        let Signer::Hs256(as_theirs) = &ours.signer else {
            panic!("not HS256");
        };
        let through = as_theirs.authenticate_with_options(claims.clone(), &header_options(typ));
        let token = ours.sign(claims, typ).unwrap();
        assert_eq!(token, expected.unwrap(), "round {round}");
        assert_eq!(token, through.unwrap(), "round {round}");
        assert_eq!(ours.verify(&token), Ok(()));
        for checked in [
            theirs.verify_token::<NoCustomClaims>(&token, at_any_time()),
            as_theirs.verify_token::<NoCustomClaims>(&token, at_any_time()),
        ] {
            checked.unwrap();
        }
    }
}

#[test]
fn hs256_tags_are_those_of_jwt_simple_for_every_size() {
    let mut numbers = Numbers(2);
    // Around the block size of SHA-256, above which a key is hashed first.
    for size in (32..=70).chain([127, 128, 129, 1000]) {
        let secret = numbers.bytes(size);
        let ours = Hs256Key::new(&secret, "");
        let theirs = HS256Key::from_bytes(&secret);
        for size in (0..200).chain([8192]) {
            let message = numbers.bytes(size);
            let tag = ours.authentication_tag(&message);
            assert_eq!(tag, theirs.authentication_tag(&message), "{size}");
            assert!(ours.is_tag(&message, &tag.try_into().unwrap()));
        }
    }
}

/// RFC 4231, section 4, the test cases with keys that we accept.
#[test]
fn hs256_tags_are_those_of_the_rfc() {
    let tag = |key: &[u8], message: &str| {
        let tag = Hs256Key::new(key, "").tag(message.as_bytes());
        crate::base::encoding::encode_hex(&tag)
    };
    assert_eq!(
        tag(
            &[0xaa; 131],
            "Test Using Larger Than Block-Size Key - Hash Key First"
        ),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
    assert_eq!(
        tag(
            &[0xaa; 131],
            "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be \
             hashed before being used by the HMAC algorithm."
        ),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
    );
}

#[test]
fn tokens_of_key_pairs_are_signed_as_by_jwt_simple() {
    let mut numbers = Numbers(3);
    let es256 = TokenKey::new(TokenAlgorithm::Es256, &SCALAR).unwrap();
    let es256_pair = ES256KeyPair::from_bytes(&SCALAR).unwrap();
    let es256_pair = es256_pair.with_key_id(es256.id());
    let eddsa = TokenKey::new(TokenAlgorithm::EdDsa, &SCALAR).unwrap();
    let pkcs8 =
        openssl::pkey::PKey::private_key_from_raw_bytes(&SCALAR, openssl::pkey::Id::ED25519);
    let pkcs8 = pkcs8.unwrap().private_key_to_pkcs8().unwrap();
    let eddsa_pair = Ed25519KeyPair::from_der(&pkcs8).unwrap();
    let eddsa_pair = eddsa_pair.with_key_id(eddsa.id());
    for _ in 0..10 {
        let claims = numbers.claims();
        let typ = ["at+jwt", "rt+jwt"][numbers.below(2)];
        let options = header_options(typ);

        let ours = es256.sign(claims.clone(), typ).unwrap();
        let theirs = es256_pair.sign_with_options(claims.clone(), &options);
        let theirs = theirs.unwrap();
        assert_eq!(ends(&ours).0, ends(&theirs).0);
        assert_ne!(ours, theirs, "the nonces are random");
        for token in [&ours, &theirs] {
            assert_eq!(es256.verify(token), Ok(()));
            let public = es256_pair.public_key();
            let checked = public.verify_token::<NoCustomClaims>(token, at_any_time());
            checked.unwrap();
        }

        let ours = eddsa.sign(claims.clone(), typ).unwrap();
        let theirs = eddsa_pair.sign_with_options(claims, &options).unwrap();
        assert_eq!(ends(&ours).0, ends(&theirs).0);
        for token in [&ours, &theirs] {
            assert_eq!(eddsa.verify(token), Ok(()));
            let public = eddsa_pair.public_key();
            let checked = public.verify_token::<NoCustomClaims>(token, at_any_time());
            checked.unwrap();
        }
    }
}

#[test]
fn a_signature_of_another_size_is_invalid() {
    let mut numbers = Numbers(4);
    for algorithm in TokenAlgorithm::ALL {
        let key = TokenKey::new(algorithm, &SCALAR).unwrap();
        let token = key.sign(numbers.claims(), "at+jwt").unwrap();
        assert_eq!(key.verify(&token), Ok(()));
        let (signed, signature) = ends(&token);
        let signature = crate::base::encoding::decode_url(signature).unwrap();
        for size in (0..signature.len()).chain([signature.len() + 1, 2 * signature.len(), 5000]) {
            let mut other = signature.clone();
            other.resize(size, 0);
            let token = format!("{signed}.{}", encode_url(&other));
            assert_eq!(key.verify(&token), Err(TokenError::Invalid), "{size}");
        }
        // Also in another form than base64url without padding.
        for wrong in ["=", " ", "\n", "A", "é"] {
            let judged = key.verify(&format!("{token}{wrong}"));
            assert!(judged.is_err(), "{algorithm} {wrong:?}");
        }
        assert!(key.verify("").is_err() && key.verify(".").is_err());
    }
}

#[test]
fn a_changed_bit_makes_a_signature_invalid() {
    let mut numbers = Numbers(5);
    for algorithm in [TokenAlgorithm::Hs256, TokenAlgorithm::Es256] {
        let key = TokenKey::new(algorithm, &SCALAR).unwrap();
        let token = key.sign(numbers.claims(), "at+jwt").unwrap();
        let (signed, signature) = ends(&token);
        let signature = crate::base::encoding::decode_url(signature).unwrap();
        for bit in 0..signature.len() * 8 {
            let mut changed = signature.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let token = format!("{signed}.{}", encode_url(&changed));
            let judged = key.verify(&token);
            assert_eq!(judged, Err(TokenError::Invalid), "{algorithm} {bit}");
        }
    }
}

/// r and s as an attacker may choose them. An error left in OpenSSL's queue would end the next TLS connection of the thread.
#[test]
fn es256_numbers_out_of_range_are_invalid_and_leave_no_error_behind() {
    let key = Es256Key::new(&SCALAR).unwrap();
    let message = b"header.claims";
    let good = key.sign(message).unwrap();
    assert!(key.verify(message, &good));
    let order = BigNum::from_hex_str(ORDER).unwrap();
    let one = BigNum::from_u32(1).unwrap();
    let number = |of: &BigNum| of.to_vec_padded(32).unwrap();
    let numbers = [
        vec![0; 32],
        number(&one),
        number(&(&order - &one)),
        number(&order),
        number(&(&order + &one)),
        vec![0xff; 32],
    ];
    let (r, s) = good.split_at(32);
    for wrong in &numbers {
        let pairs = numbers.iter().map(|other| [&wrong[..], &other[..]]);
        for pair in pairs.chain([[wrong, s], [r, wrong]]) {
            let signature = pair.concat().try_into().unwrap();
            assert!(!key.verify(message, &signature), "{signature:02x?}");
            assert!(ErrorStack::get().errors().is_empty(), "{signature:02x?}");
        }
    }
    // The negative of s is valid as well, which is why revocation does not count on the signature.
    let s = BigNum::from_slice(s).unwrap();
    let twin = [r, &number(&(&order - &s))].concat().try_into().unwrap();
    assert!(key.verify(message, &twin));
    assert!(!key.verify(b"header.claimz", &good));
    assert!(ErrorStack::get().errors().is_empty());
}

#[test]
fn a_p256_scalar_must_be_between_zero_and_the_order() {
    let order = BigNum::from_hex_str(ORDER).unwrap();
    let one = BigNum::from_u32(1).unwrap();
    let key = |scalar: &BigNum| {
        let bytes = scalar.to_vec_padded(32).unwrap();
        TokenKey::new(TokenAlgorithm::Es256, &bytes)
    };
    for wrong in [&BigNum::new().unwrap(), &order, &(&order + &one)] {
        assert!(key(wrong).is_none());
    }
    assert!(TokenKey::new(TokenAlgorithm::Es256, &[0xff; 32]).is_none());
    for right in [&one, &(&order - &one)] {
        let bytes = right.to_vec_padded(32).unwrap();
        assert_eq!(*key(right).unwrap().bytes(), bytes, "leading zeros stay");
    }
    assert!(ErrorStack::get().errors().is_empty());
}

#[test]
fn a_key_returns_the_bytes_it_was_made_from() {
    for algorithm in TokenAlgorithm::ALL {
        let key = TokenKey::new(algorithm, &SCALAR).unwrap();
        assert_eq!(*key.bytes(), SCALAR);
        for size in [0, 1, 31] {
            assert!(TokenKey::new(algorithm, &SCALAR[..size]).is_none());
        }
        let long = TokenKey::new(algorithm, &[7; 33]);
        assert_eq!(long.is_some(), algorithm == TokenAlgorithm::Hs256);
    }
    let key = TokenKey::new(TokenAlgorithm::Hs256, SECRET).unwrap();
    assert_eq!(*key.bytes(), SECRET);
}
