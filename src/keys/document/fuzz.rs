//! Properties of every text that is read as a key ring: plain, sealed or exported.

#![allow(clippy::unwrap_used)] // what panics is a finding

use super::super::RingSecret;
use super::super::seal::{AtRest, RingSeal};
use super::*;

/// A text that may be in a ring file or come from an export.
pub(crate) fn documents(input: &[u8]) {
    // A passphrase costs a tenth of a second and megabytes of memory.
    if input
        .windows(6)
        .any(|word| word.eq_ignore_ascii_case(b"argon2"))
    {
        return;
    }
    let secret = RingSecret::key(Secret::new(vec![7; 32])).unwrap();
    let seal = RingSeal::new(Some(secret), None);
    // One corpus entry is sealed under this secret.
    let Ok((text, at_rest)) = seal.open(Secret::new(input.to_vec())) else {
        return;
    };
    assert!(!matches!(at_rest, AtRest::Plain) || text.expose() == input);
    let Ok(ring) = RingContents::parse(text.expose()) else {
        return;
    };
    assert!(!ring.token_keys.is_empty() && !ring.data_keys.is_empty());
    assert!(ring.newest_are_accepted());
    let text = ring.to_text();
    let again = RingContents::parse(&text).unwrap();
    assert_eq!(*again.to_text(), *text);
    assert!(same_keys(&again, &ring));

    // No flipped bit changes a key undetected.
    let at = input.iter().fold(0_usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add((*byte).into())
    });
    let mut damaged = text.to_vec();
    let place = at / 8 % damaged.len();
    damaged[place] ^= 1 << (at % 8);
    if let Ok(read) = RingContents::parse(&damaged) {
        assert!(same_keys(&read, &ring), "bit {} of byte {place}", at % 8);
    }

    // An export opens unchanged, or not at all if anything was modified.
    let by = seal.derivation(&AtRest::Plain).unwrap();
    let sealed = seal.seal(&text, &by).unwrap();
    let (opened, at_rest) = seal
        .open(Secret::new(sealed.expose().to_vec()))
        .ok()
        .unwrap();
    assert!(matches!(at_rest, AtRest::Sealed(_)) && opened.expose() == &**text);
    let mut damaged = sealed.expose().to_vec();
    let place = at / 8 % damaged.len();
    damaged[place] ^= 1 << (at % 8);
    if let Ok((opened, AtRest::Sealed(_))) = seal.open(Secret::new(damaged)) {
        // White space can turn into other white space; everything else is significant.
        assert_eq!(opened.expose(), &**text, "bit {} of byte {place}", at % 8);
    }
}

fn same_keys(one: &RingContents, other: &RingContents) -> bool {
    let same = |one: &[RingKey], other: &[RingKey]| {
        one.len() == other.len()
            && one
                .iter()
                .zip(other)
                .all(|(one, other)| one.id == other.id && one.key == other.key)
    };
    same(&one.token_keys, &other.token_keys) && same(&one.data_keys, &other.data_keys)
}
