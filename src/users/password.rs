//! Passwords: which are acceptable, and their hashes (argon2id, RFC 9106). The number computed at once is limited to bound
//! memory.

use std::collections::HashSet;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use once_cell::sync::Lazy;
use zeroize::Zeroizing;

use super::Settings;
use crate::base::random::random;
use crate::base::sync::lock;
use crate::store::PasswordHash;
use crate::{Error, Secret};

/// In characters (NIST SP 800-63B, section 3.1.1.2, requires at least 8).
pub const SHORTEST_PASSWORD: usize = 8;
/// In characters.
pub const LONGEST_PASSWORD: usize = 128;
/// The highest costs that settings can select: memory in KiB, passes, lanes.
pub(crate) const MAX_HASH_COST: (u32, u32, u32) = (1 << 20, 100, 16);
const HASH_SIZE: usize = 32;
const SALT_SIZE: usize = 16;

/// The passwords of at least 8 characters among the 20,000 most often leaked, in lower case and sorted: Royce Williams' list,
/// which Django checks passwords against (django/contrib/auth/common-passwords.txt.gz in Django 5.2).
const COMMON: &str = include_str!("common_passwords.txt");

/// Checks that a password is acceptable for this user.
///
/// # Errors
/// [`Error::WeakPassword`] with the requirement it fails.
pub(super) fn check(name: &str, password: &Secret) -> Result<(), Error> {
    static KNOWN: Lazy<HashSet<&str>> = Lazy::new(|| COMMON.lines().collect());
    let wrong = |sentence: &str| Err(Error::WeakPassword(sentence.to_owned()));
    let Ok(text) = password.expose_str() else {
        return wrong("The password must be UTF-8 text.");
    };
    if !(SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&text.chars().count()) {
        return wrong("The password must be 8 to 128 characters long.");
    }
    let small = Zeroizing::new(text.to_lowercase());
    if KNOWN.contains(small.as_str()) {
        return wrong("The password is among the most commonly used. Choose another.");
    }
    if *small == name.to_lowercase() {
        return wrong("The password must differ from the username.");
    }
    Ok(())
}

/// Computes hashes with the settings' costs, a limited number at once.
pub(super) struct Hasher {
    memory: u32,
    passes: u32,
    lanes: u32,
    most: usize,
    places: Arc<Places>,
}

/// The slots in which hashes are computed.
struct Places {
    /// The free slots.
    free: Mutex<Free>,
    freed: Condvar,
}

struct Free {
    /// The memory of each free slot that has been used before.
    memories: Vec<Vec<Block>>,
    /// Slots that were never used.
    unused: usize,
}

/// A slot: the right to compute hashes, one after another.
pub(super) struct Place {
    of: Arc<Places>,
    memory: Vec<Block>,
}

impl Hasher {
    pub(super) fn new(settings: &Settings) -> Self {
        let most = match settings.password_hashes {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            most => most,
        };
        Hasher {
            memory: settings.password_memory,
            passes: settings.password_passes,
            lanes: settings.password_lanes,
            most,
            places: Arc::new(Places::new(most)),
        }
    }

    pub(super) fn places(&self) -> usize {
        self.most
    }

    /// Waits for a free slot.
    pub(super) fn place(&self) -> Place {
        let of = self.places.clone();
        let memory = of.wait();
        Place { of, memory }
    }

    pub(super) fn hash(&self, password: &Secret) -> Result<PasswordHash, Error> {
        self.hash_in(&mut self.place(), password)
    }

    pub(super) fn hash_in(
        &self,
        place: &mut Place,
        password: &Secret,
    ) -> Result<PasswordHash, Error> {
        let mut made = self.empty();
        random(&mut made.salt)?;
        made.hash = place.compute(password, &made)?.to_vec();
        Ok(made)
    }

    /// Whether the password matches the stored hash. Without one, or if its costs exceed what any settings permit (and would
    /// exhaust memory or take hours), it costs the same and does not match.
    pub(super) fn verify(
        &self,
        place: &mut Place,
        password: &Secret,
        kept: Option<&PasswordHash>,
    ) -> Result<bool, Error> {
        let nobodys = self.empty();
        let kept = match kept {
            Some(kept) if kept.is_affordable() => kept,
            _ => &nobodys,
        };
        let computed = place.compute(password, kept)?;
        Ok(kept.hash.len() == HASH_SIZE && openssl::memcmp::eq(&computed[..], &kept.hash))
    }

    /// A hash with the settings' costs that matches no password.
    fn empty(&self) -> PasswordHash {
        PasswordHash {
            salt: vec![0; SALT_SIZE],
            hash: Vec::new(),
            memory: self.memory,
            passes: self.passes,
            lanes: self.lanes,
        }
    }

    /// Whether it has lower costs than the settings now require.
    pub(super) fn is_outdated(&self, kept: &PasswordHash) -> bool {
        kept.memory < self.memory || kept.passes < self.passes || kept.lanes < self.lanes
    }
}

impl Places {
    fn new(most: usize) -> Self {
        Places {
            free: Mutex::new(Free {
                memories: Vec::new(),
                unused: most,
            }),
            freed: Condvar::new(),
        }
    }

    /// Waits for a slot and returns its memory.
    fn wait(&self) -> Vec<Block> {
        let mut free = lock(&self.free);
        loop {
            if let Some(memory) = free.memories.pop() {
                return memory;
            }
            if free.unused > 0 {
                free.unused -= 1;
                return Vec::new();
            }
            free = self
                .freed
                .wait(free)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl PasswordHash {
    /// Whether any settings can select these costs.
    pub(super) fn is_affordable(&self) -> bool {
        let (memory, passes, lanes) = MAX_HASH_COST;
        self.memory <= memory && self.passes <= passes && self.lanes <= lanes
    }
}

impl Place {
    fn compute(
        &mut self,
        password: &Secret,
        costs: &PasswordHash,
    ) -> Result<Zeroizing<[u8; HASH_SIZE]>, Error> {
        let params = Params::new(costs.memory, costs.passes, costs.lanes, Some(HASH_SIZE))
            .map_err(|_| Error::Crypto("the costs of a password hash are out of range"))?;
        let blocks = params.block_count();
        if self.memory.len() < blocks {
            // Free the old memory first, so that both together stay within the bound.
            self.memory = Vec::new();
            self.memory
                .try_reserve_exact(blocks)
                .map_err(|_| Error::Crypto("not enough memory for a password hash"))?;
            self.memory.resize(blocks, Block::new());
        }
        let mut hash = Zeroizing::new([0; HASH_SIZE]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(
                password.expose(),
                &costs.salt,
                &mut *hash,
                &mut self.memory[..blocks],
            )
            .map_err(|_| Error::Crypto("a password could not be hashed"))?;
        Ok(hash)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut free = lock(&self.of.free);
        free.memories.push(mem::take(&mut self.memory));
        drop(free);
        self.of.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_allocates_its_memory_once() {
        let hasher = Hasher::new(&Settings {
            password_hashes: 1,
            password_memory: 1024,
            password_passes: 1,
            ..Settings::default()
        });
        let hashed = || {
            let mut place = hasher.place();
            let hash = hasher.hash_in(&mut place, &"a quiet harbour".into());
            assert_eq!(hash.unwrap().hash.len(), HASH_SIZE);
            place.memory.as_ptr()
        };
        let first = hashed();
        assert_eq!(hashed(), first);
    }
}
