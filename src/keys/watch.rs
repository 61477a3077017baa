//! A gate's ring, and the detection of changes to its file by other processes: within half a second, without a thread,
//! on calls to the gate; at once when a token or data names an unknown key. The same calls also record the message
//! counts from time to time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};

use super::Settings;
use super::collect::Missing;
use super::document::Fault;
use super::place::{Mark, Place};
use super::rotate::{is_old, rotate_old, to_set_algorithm};
use super::seal::RingSeal;
use super::tally::Tally;
use super::usage::{FlushMode, Journal};
use super::{KeyKind, KeyOrigin, KeyRing, NewKeys};
use crate::Error;
use crate::base::clock::coarse_milliseconds;
use crate::base::sync::{lock, try_lock};

/// How often the file is checked, in milliseconds.
const LOOK_EVERY: u64 = 500;
/// How often sealing calls record the messages sealed since, in milliseconds.
const WRITE_EVERY: u64 = 5000;
/// How long a thread that misses a key waits for another thread that is reading the ring: a passphrase takes a tenth of
/// a second, or seconds on a busy machine. If this is too short, good data is refused.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module. No wait here is unbounded. Nothing is logged while the lock of [`FileState`] is held: a host's log
/// function may wait for a thread that waits for that lock.
pub(crate) struct Keys {
    pub(super) ring: ArcSwap<KeyRing>,
    /// `None`: the ring never changes.
    pub(super) source: Option<Source>,
}

pub(super) struct Source {
    settings: Settings,
    /// Caches keys that are slow to derive.
    seal: ArcSwap<RingSeal>,
    place: Place,
    /// When the file was last checked.
    looked: AtomicU64,
    seen: Mutex<FileState>,
    pub(super) journal: Arc<Journal>,
    /// When message counts were last recorded.
    written: AtomicU64,
    /// Tallies of previous rings that may have unrecorded messages: the thread that drops such a ring is serving a call
    /// and must not wait for the file.
    pub(super) unwritten: Mutex<Vec<Arc<Tally>>>,
}

/// The state of the ring file at the last check, and why its contents cannot be used.
#[derive(Clone, Default)]
struct FileState {
    mark: Option<Mark>,
    trouble: Option<String>,
    /// The contents of the secret files when the ring could not be opened with the secrets in use.
    secrets: Option<Arc<RingSeal>>,
}

impl Keys {
    /// Loads the keys that the settings name, and returns those that were added because the settings ask for another
    /// algorithm.
    pub(crate) fn load(settings: &Settings) -> Result<(Self, Vec<KeyOrigin>), Error> {
        let place = Place::of(settings)?;
        place.as_ref().map_or(Ok(()), Place::check_backup)?;
        // Taken before the ring is read: a change meanwhile is detected later.
        let before = place.as_ref().and_then(Place::first_mark);
        let seal = RingSeal::of(&settings.ring)?;
        let (mut ring, added) = with_set_algorithm(settings, &seal)?;
        if before.is_none() && ring.has_file && ring.signing_key().algorithm().has_public_key() {
            // This is a first start, or the old keys are lost.
            log::info!(
                "the key ring is new: token key {} signs at once, and clients with an older copy of jwks.json \
                 have to fetch it again",
                ring.signing_key().id()
            );
        }
        let journal = place.as_ref().map(|place| Arc::new(place.journal()));
        if let Some(journal) = &journal {
            ring.count_in(journal);
        }
        let now = coarse_milliseconds();
        let source = place.zip(journal).map(|(place, journal)| Source {
            settings: settings.clone(),
            seal: ArcSwap::from_pointee(seal),
            journal,
            looked: AtomicU64::new(now),
            written: AtomicU64::new(now),
            unwritten: Mutex::default(),
            seen: Mutex::new(FileState {
                mark: before.or_else(|| place.mark()),
                ..FileState::default()
            }),
            place,
        });
        let keys = Keys {
            ring: ArcSwap::from_pointee(ring),
            source,
        };
        Ok((keys, added))
    }

    /// The current ring.
    pub(crate) fn current(&self) -> Guard<Arc<KeyRing>> {
        if let Some(source) = &self.source {
            let now = coarse_milliseconds();
            let looked = source.looked.load(Ordering::Relaxed);
            // The first thread to get here checks for all.
            if now.saturating_sub(looked) >= LOOK_EVERY
                && source
                    .looked
                    .compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            {
                self.look();
                if now.saturating_sub(source.written.load(Ordering::Relaxed)) >= WRITE_EVERY {
                    source.written.store(now, Ordering::Relaxed);
                    self.write_down(FlushMode::Sealing);
                }
            }
        }
        self.ring.load()
    }

    /// Checks the file now, unless another thread is doing so.
    fn look(&self) {
        let Some(source) = &self.source else {
            return;
        };
        let read = try_lock(&source.seen).and_then(|mut seen| {
            // A ring may become usable without a change of its file: its mode or its directory's mode may be fixed.
            let again = seen.trouble.is_some();
            self.look_at(source, &mut seen, again)
        });
        read.map(|read| source.finish(read));
    }

    /// Checks the file now because a key is missing in this ring; returns whether there is another ring since.
    pub(crate) fn has_newer_than(&self, ring: &KeyRing) -> bool {
        self.has_newer_within(PATIENCE, ring)
    }

    fn has_newer_within(&self, patience: Duration, ring: &KeyRing) -> bool {
        let Some(source) = &self.source else {
            return false;
        };
        source.place.ask();
        let given_up = Instant::now() + patience;
        // The thread that is reading may be about to find that key.
        let seen = loop {
            match try_lock(&source.seen) {
                None if Instant::now() < given_up => thread::sleep(Duration::from_millis(1)),
                seen => break seen,
            }
        };
        let is_older = || self.ring.load().generation() != ring.generation();
        let seen = seen.filter(|_| !is_older());
        let read = seen.and_then(|mut seen| self.look_at(source, &mut seen, false));
        read.map(|read| source.finish(read));
        is_older()
    }

    /// Reads the file if it has changed since the last check, or if `again`.
    fn look_at(&self, source: &Source, seen: &mut FileState, again: bool) -> Option<Read> {
        let mark = source.place.mark();
        let changed = mark != seen.mark;
        (changed || again).then(|| {
            seen.mark = mark;
            self.read(source, seen, changed)
        })
    }

    /// Reads the file now, whether or not it seems changed.
    ///
    /// # Errors
    /// Why the new ring cannot be used; the previous one stays in use.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        let mut seen = lock(&source.seen);
        seen.mark = source.place.mark();
        let read = self.read(source, &mut seen, true);
        drop(seen);
        source.finish(read)
    }

    /// A failure that repeats the previous one is logged only if `again`.
    fn read(&self, source: &Source, seen: &mut FileState, again: bool) -> Read {
        let read = source.ring_under(&source.seal.load());
        match read.or_else(|error| source.ring_under_new_secrets(seen).ok_or(error)) {
            Ok(mut ring) => {
                ring.count_in(&source.journal);
                let ring = Arc::new(ring);
                let replaced = self.ring.swap(ring.clone());
                lock(&source.unwritten).extend(replaced.tally.clone());
                seen.trouble = None;
                Read::New { replaced, ring }
            }
            Err(error) => {
                let trouble = Some(error.to_string());
                let logged = again || seen.trouble != trouble;
                seen.trouble = trouble;
                Read::Failed { error, logged }
            }
        }
    }

    /// Replaces keys that have reached their maximum age, and uses the new ones at once. `permit` is asked first.
    pub(crate) fn rotate_old(
        &self,
        permit: impl FnOnce() -> Result<(), Error>,
    ) -> Result<Vec<KeyOrigin>, Error> {
        let Some(source) = &self.source else {
            return Ok(Vec::new());
        };
        let settings = &source.settings;
        let ring = self.current();
        // The age of an environment key is known only to the operator.
        let has_old = |kind, age| {
            let made = ring.newest_origin(kind).and_then(|origin| origin.created);
            made.is_some_and(|made| is_old(made, age))
        };
        let kinds = NewKeys {
            token: has_old(KeyKind::Token, settings.rotation.rotate_token_key_after),
            data: has_old(KeyKind::Data, settings.rotation.rotate_data_key_after),
            now: false,
        };
        // Usually it is too early. A missing ring is not created here.
        if !kinds.token && !kinds.data || source.place.mark().is_none() {
            return Ok(Vec::new());
        }
        permit()?;
        rotate_old(settings, &source.seal.load(), kinds).inspect(|_| self.look())
    }

    /// Whether the ring file still has to be sealed.
    pub(crate) fn is_to_be_sealed(&self) -> bool {
        let source = self.source.as_ref();
        source.is_some_and(|source| self.ring.load().is_to_be_sealed(&source.settings.ring))
    }

    /// The age at which a key is replaced, the lower one of the two kinds.
    pub(crate) fn age(&self) -> Option<Duration> {
        let settings = &self.source.as_ref()?.settings;
        let ages = [
            settings.rotation.rotate_token_key_after,
            settings.rotation.rotate_data_key_after,
        ];
        ages.into_iter().filter(|age| !age.is_zero()).min()
    }

    /// Whether the ring is unusable because it was sealed under a secret that this process does not have.
    pub(crate) fn lacks_secret(&self) -> bool {
        let trouble = self.trouble();
        let faults = [Fault::Sealed, Fault::OtherSecret].map(|fault| fault.to_string());
        trouble.is_some_and(|trouble| faults.iter().any(|fault| trouble.contains(fault)))
    }

    /// Why the ring in the file is not in use, if it is not.
    pub(crate) fn trouble(&self) -> Option<String> {
        let source = self.source.as_ref()?;
        lock(&source.seen).trouble.clone()
    }
}

/// The result of reading the file.
#[must_use]
enum Read {
    New {
        replaced: Arc<KeyRing>,
        ring: Arc<KeyRing>,
    },
    Failed {
        error: Error,
        logged: bool,
    },
}

impl Source {
    /// After the lock has been released: logs the result of reading the file, and drops the previous ring.
    fn finish(&self, read: Read) -> Result<(), Error> {
        match read {
            Read::New { replaced, ring } => {
                drop(replaced);
                self.write_unwritten(FlushMode::Sealing);
                log::info!(
                    "the key ring was reloaded; token key {} signs",
                    ring.signing_key().id()
                );
                for key in ring.origins().iter().filter(|key| key.signs_from.is_some()) {
                    log::info!("{key}");
                }
                Ok(())
            }
            Read::Failed { error, logged } => {
                if logged {
                    log::error!("{error} The previous keys stay in use.");
                }
                Err(error)
            }
        }
    }

    /// The ring in the file now.
    fn ring_under(&self, seal: &RingSeal) -> Result<KeyRing, Error> {
        let ring = KeyRing::collect(&self.settings, seal, Missing::Leave)?;
        if ring.is_complete() {
            return Ok(ring);
        }
        let path = self.place.path();
        let path = path.display();
        Err(Error::KeyRing(format!("The key ring {path} is missing.")))
    }

    /// The same with the current contents of the secret files, if they hold another secret and it opens the ring. That
    /// secret is then the one in use.
    fn ring_under_new_secrets(&self, seen: &mut FileState) -> Option<KeyRing> {
        let seal = RingSeal::of_files_again(&self.settings.ring)?;
        let seal = match &seen.secrets {
            Some(known) if known.has_secrets_of(&seal) => known.clone(),
            _ => Arc::new(seal),
        };
        seen.secrets = Some(seal.clone());
        if seal.has_secrets_of(&self.seal.load()) {
            return None;
        }
        let ring = self.ring_under(&seal).ok()?;
        self.seal.store(seal);
        Some(ring)
    }
}

/// The ring, after adding a newest token key if the settings ask for another algorithm. An environment key is HS256 and
/// never gets here with another algorithm: the settings refuse that.
fn with_set_algorithm(
    settings: &Settings,
    seal: &RingSeal,
) -> Result<(KeyRing, Vec<KeyOrigin>), Error> {
    let ring = KeyRing::collect(settings, seal, Missing::Make)?;
    let newest = ring
        .newest_origin(KeyKind::Token)
        .and_then(|key| key.algorithm);
    let from_file = ring.has_file && settings.given.jwt_secret_key.is_none();
    let before = match (newest, settings.rotation.token_algorithm) {
        (Some(newest), Some(set)) if from_file && newest != set => newest,
        _ => return Ok((ring, Vec::new())),
    };
    let added = to_set_algorithm(settings, seal)?;
    for key in &added {
        log::info!(
            "{key} {}; the previous {before} key is accepted until its last token has expired",
            match key.signs_from {
                Some(_) => "and is published until then",
                None => "signs from now on",
            }
        );
    }
    Ok((KeyRing::collect(settings, seal, Missing::Make)?, added))
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
