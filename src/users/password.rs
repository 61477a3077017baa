//! Passwords: which ones will do, and their hashes (argon2id, RFC 9106), of which only so many are made at a time, so that
//! memory has a ceiling.

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

/// In characters (NIST SP 800-63B, section 3.1.1.2, asks for at least 8).
pub const SHORTEST_PASSWORD: usize = 8;
/// In characters.
pub const LONGEST_PASSWORD: usize = 128;
/// The dearest hashes that settings can ask for: memory in KiB, passes, lanes.
pub(crate) const DEAREST: (u32, u32, u32) = (1 << 20, 100, 16);
const HASH_SIZE: usize = 32;
const SALT_SIZE: usize = 16;

/// The passwords of at least 8 characters among the 20,000 that leak most often, in small letters and sorted: the list by
/// Royce Williams that Django checks passwords against (django/contrib/auth/common-passwords.txt.gz of Django 5.2).
const COMMON: &str = include_str!("common_passwords.txt");

/// Whether a password will do for this user.
///
/// # Errors
/// [`Error::WeakPassword`] with what is wanted.
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
        return wrong("The password is one of those that everybody tries first. Choose another.");
    }
    if *small == name.to_lowercase() {
        return wrong("The password must be another than the username.");
    }
    Ok(())
}

/// Makes hashes under the settings' costs, so many at a time.
pub(super) struct Hasher {
    memory: u32,
    passes: u32,
    lanes: u32,
    most: usize,
    places: Arc<Places>,
}

/// Where hashes are made.
struct Places {
    /// The memory of each place that was used before and is free.
    free: Mutex<Free>,
    freed: Condvar,
}

struct Free {
    memories: Vec<Vec<Block>>,
    /// Places that were never used.
    unused: usize,
}

/// The right to make hashes, one after another.
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

    /// Waits until a hash may be made.
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
        let mut salt = vec![0; SALT_SIZE];
        random(&mut salt)?;
        let mut made = PasswordHash {
            salt,
            hash: Vec::new(),
            memory: self.memory,
            passes: self.passes,
            lanes: self.lanes,
        };
        made.hash = place.compute(password, &made)?.to_vec();
        Ok(made)
    }

    /// Whether it is the password that this was kept of. Where nothing was kept, it costs the same and is not; so where what is
    /// kept costs more than any settings permit, which would take the machine's memory or hours.
    pub(super) fn verify(
        &self,
        place: &mut Place,
        password: &Secret,
        kept: Option<&PasswordHash>,
    ) -> Result<bool, Error> {
        let nobodys = PasswordHash {
            salt: vec![0; SALT_SIZE],
            hash: Vec::new(),
            memory: self.memory,
            passes: self.passes,
            lanes: self.lanes,
        };
        let kept = match kept {
            Some(kept) if kept.is_affordable() => kept,
            _ => &nobodys,
        };
        let computed = place.compute(password, kept)?;
        Ok(kept.hash.len() == HASH_SIZE && openssl::memcmp::eq(&computed[..], &kept.hash))
    }

    /// Whether it cost less to make than the settings want by now.
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

    /// Waits for a place, and gives its memory.
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
    /// Whether settings of any kind may have asked for what it costs.
    pub(super) fn is_affordable(&self) -> bool {
        let (memory, passes, lanes) = DEAREST;
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
            // Not beside the old one: the ceiling holds for both together.
            self.memory = Vec::new();
            self.memory
                .try_reserve_exact(blocks)
                .map_err(|_| Error::Crypto("there is no memory for a password hash"))?;
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
