//! The certificate, key and client CA in use, and their replacement while connections are served: when the files
//! change, and when asked. Files that cannot be used change nothing.
//!
//! Connections continue with what they began with. Tickets stay valid across a replacement, unless it changes the
//! client CA: a resumed session is not verified again, so a client whose CA was removed would keep its access.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext};

use super::client_certificates::ask_clients;
use super::configuration::{present, rules};
use super::files::{self, Credentials};
use super::subject;
use crate::Error;
use crate::base::file_stamp::Stamp;
use crate::base::sync::lock;
use crate::metrics::{Page, label};
use crate::server::settings::Settings;

/// How often the files are checked. The documentation promises that a change takes effect within 5 seconds.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Files that have changed are read once they have stayed the same for this long: whoever replaces them may still be
/// writing, or have the second file to go.
pub(super) const SETTLE: Duration = Duration::from_millis(100);
/// After this long they are read even so.
const UNSETTLED: Duration = Duration::from_secs(1);
/// When they are checked again after a failure: whoever replaces them is probably not done.
const SOON: Duration = Duration::from_millis(500);
/// How often files that change while they are read are read again.
const READS: usize = 3;

/// The TLS certificate of a server, and how its replacements went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateStatus {
    /// The serial number of the certificate in use, in hexadecimal.
    pub serial: String,
    /// When the certificate in use expires, in seconds since 1970.
    pub not_after: i64,
    /// How often a new certificate, key or client CA was put to use.
    pub reloaded: u64,
    /// How often changed files could not be used.
    pub refused: u64,
    /// Why the files cannot be used as they are now; the previous ones are in use.
    pub trouble: Option<String>,
}

/// See the module. Nothing is logged while the lock of [`Seen`] is held: a host's log function may wait for a thread
/// that waits for that lock.
pub(in crate::server) struct Certificates {
    /// With absolute paths: a host may change its working directory.
    settings: Settings,
    current: ArcSwap<Current>,
    seen: Mutex<Seen>,
    reloaded: AtomicU64,
    refused: AtomicU64,
}

struct Current {
    credentials: Credentials,
    context: SslContext,
    /// The context whose ticket keys are used. It has no certificate, so that it keeps no old key in memory.
    tickets: SslContext,
}

/// The files at the last check.
struct Seen {
    stamps: Stamps,
    /// What they were changed to, and since when they have been changing, until they are read.
    changing: Option<(Stamps, Instant)>,
    /// Why the files cannot be used.
    trouble: Option<String>,
}

/// Certificate, key and client CA; `None` for a file that is not there. The change time shows what keeps everything
/// else, such as a copy with the old modification time.
type Stamps = [Option<(Stamp, i64, i64)>; 3];

/// The result of reading the files.
enum Read {
    Same {
        /// The files could not be used before.
        recovered: bool,
    },
    New(Credentials),
    /// It is logged unless it repeats the previous failure.
    Failed {
        error: Error,
        is_new: bool,
    },
}

impl Certificates {
    /// `None` if no certificate is set. Reads files and changes nothing; an expired certificate only causes a warning.
    ///
    /// # Errors
    /// [`Error::Setting`] if a file cannot be read, is invalid, or does not match the others.
    pub(super) fn new(settings: &Settings) -> Result<Option<Self>, Error> {
        // Taken before the files are read: a change meanwhile is noticed later.
        let stamps = stamps(settings);
        let Some(credentials) = Credentials::read(settings)? else {
            return Ok(None);
        };
        let current = Current::new(settings, credentials, None)?;
        current.credentials.warn_of_dates(settings);
        let absolute = |path: &Option<PathBuf>| {
            let path = path.as_deref()?;
            Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
        };
        Ok(Some(Certificates {
            settings: Settings {
                tls_cert: absolute(&settings.tls_cert),
                tls_key: absolute(&settings.tls_key),
                tls_client_ca: absolute(&settings.tls_client_ca),
                ..settings.clone()
            },
            current: ArcSwap::from_pointee(current),
            seen: Mutex::new(Seen {
                stamps,
                changing: None,
                trouble: None,
            }),
            reloaded: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }))
    }

    pub(super) fn asks_clients(&self) -> bool {
        self.settings.tls_client_ca.is_some()
    }

    /// A connection with the certificate in use now.
    pub(super) fn connection(&self) -> Result<Ssl, ErrorStack> {
        let current = self.current.load();
        let mut ssl = Ssl::new(&current.tickets)?;
        // OpenSSL keeps using the first context for tickets.
        ssl.set_ssl_context(&current.context)?;
        ssl.set_accept_state();
        Ok(ssl)
    }

    /// Replaces the certificate if its files have changed. Call it again after the returned time, or sooner.
    pub(in crate::server) fn look(&self) -> Duration {
        let stamps = stamps(&self.settings);
        let mut seen = lock(&self.seen);
        let changed = stamps != seen.stamps;
        if changed && !seen.have_settled(&stamps) {
            return SETTLE;
        }
        // Files may become usable without a change: their directory's mode may be fixed, or their time may come.
        if !changed && seen.trouble.is_none() {
            seen.changing = None;
            return LOOK_EVERY;
        }
        let read = self.read(&mut seen, changed);
        drop(seen);
        let pause = match read {
            Read::Failed { is_new: true, .. } => SOON,
            _ => LOOK_EVERY,
        };
        // Errors have been logged.
        let _ = self.finish(read);
        pause
    }

    /// Reads the files now, whether or not they seem changed.
    ///
    /// # Errors
    /// Why they cannot be used; the previous ones stay in use.
    pub(in crate::server) fn reload(&self) -> Result<(), Error> {
        let mut seen = lock(&self.seen);
        let read = self.read(&mut seen, true);
        drop(seen);
        self.finish(read)
    }

    pub(in crate::server) fn status(&self) -> CertificateStatus {
        let current = self.current.load();
        CertificateStatus {
            serial: current.serial(),
            not_after: current.not_after(),
            reloaded: self.reloaded.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            trouble: lock(&self.seen).trouble.clone(),
        }
    }

    pub(in crate::server) fn collect(&self, page: &mut Page) {
        let status = self.status();
        page.gauge(
            "sealgate_tls_certificate_expiry_timestamp_seconds",
            "When the TLS certificate in use expires",
            status.not_after as f64,
        );
        page.flag(
            "sealgate_tls_files_up",
            "Whether the TLS files are in use as they are",
            status.trouble.is_none(),
        );
        let results = [("ok", status.reloaded), ("error", status.refused)];
        page.counters(
            "sealgate_tls_reloads",
            "Changed TLS files that were put to use or refused",
            results.map(|(result, count)| (label("result", result), count)),
        );
    }

    /// Reads the files and puts them to use. A failure that repeats the previous one counts only if `again`.
    fn read(&self, seen: &mut Seen, again: bool) -> Read {
        seen.stamps = stamps(&self.settings);
        let mut read = self.load();
        for _ in 1..READS {
            let stamps = stamps(&self.settings);
            if stamps == seen.stamps {
                break;
            }
            seen.stamps = stamps;
            read = self.load();
        }
        drop(ErrorStack::get());
        seen.changing = None;
        match read {
            Ok(next) => {
                let recovered = seen.trouble.take().is_some();
                let Some(next) = next else {
                    return Read::Same { recovered };
                };
                let credentials = next.credentials.clone();
                self.current.store(next.into());
                Read::New(credentials)
            }
            Err(error) => {
                let trouble = Some(error.to_string());
                let is_new = again || seen.trouble != trouble;
                seen.trouble = trouble;
                Read::Failed { error, is_new }
            }
        }
    }

    /// The contents of the files; `None` if they are in use already.
    fn load(&self) -> Result<Option<Current>, Error> {
        let current = self.current.load();
        let credentials = Credentials::read(&self.settings)?;
        let credentials = credentials.filter(|read| !read.are_same(&current.credentials));
        let Some(credentials) = credentials else {
            return Ok(None);
        };
        credentials.check_dates(&self.settings)?;
        Current::new(&self.settings, credentials, Some(&current)).map(Some)
    }

    fn finish(&self, read: Read) -> Result<(), Error> {
        match read {
            Read::Same { recovered } => {
                if recovered {
                    log::info!("the TLS files hold the certificate in use again");
                }
                Ok(())
            }
            Read::New(credentials) => {
                self.reloaded.fetch_add(1, Ordering::Relaxed);
                log::info!(
                    "the TLS certificate was reloaded: {}, valid until {}",
                    subject::of(credentials.own()),
                    credentials.own().not_after()
                );
                credentials.warn_of_dates(&self.settings);
                Ok(())
            }
            Read::Failed { error, is_new } => {
                if is_new {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    log::warn!("{error} The previous TLS certificate stays in use.");
                }
                Err(error)
            }
        }
    }
}

impl Current {
    /// With the ticket keys of `previous`, unless the client CA has changed.
    fn new(
        settings: &Settings,
        credentials: Credentials,
        previous: Option<&Current>,
    ) -> Result<Self, Error> {
        let kept = previous.filter(|previous| previous.credentials.has_same_issuers(&credentials));
        let build = || {
            let asking = || {
                let mut context = rules()?;
                if let Some(issuers) = &credentials.client_ca {
                    ask_clients(&mut context, issuers, settings.tls_client_required)?;
                }
                Ok::<_, ErrorStack>(context)
            };
            let mut context = asking()?;
            present(&mut context, &credentials)?;
            let tickets = match kept {
                Some(previous) => previous.tickets.clone(),
                None => asking()?.build(),
            };
            Ok((context.build(), tickets))
        };
        let (context, tickets) = build().map_err(|errors| files::refused(settings, &errors))?;
        Ok(Current {
            credentials,
            context,
            tickets,
        })
    }

    fn serial(&self) -> String {
        let serial = self.credentials.own().serial_number().to_bn();
        let digits = serial.and_then(|serial| Ok(serial.to_hex_str()?.to_string()));
        digits.unwrap_or_default()
    }

    fn not_after(&self) -> i64 {
        let since = || {
            let end = self.credentials.own().not_after();
            Asn1Time::from_unix(0)?.diff(end)
        };
        since().map_or(0, |since| {
            i64::from(since.days) * 86_400 + i64::from(since.secs)
        })
    }
}

impl Seen {
    /// Whether the files have stayed the same for a while after a change, or have been changing for long.
    fn have_settled(&mut self, stamps: &Stamps) -> bool {
        match &mut self.changing {
            Some((known, since)) => {
                known == stamps || since.elapsed() >= UNSETTLED || {
                    known.clone_from(stamps);
                    false
                }
            }
            None => {
                self.changing = Some((stamps.clone(), Instant::now()));
                false
            }
        }
    }
}

fn stamps(settings: &Settings) -> Stamps {
    let stamp = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        Some((
            Stamp::of(&metadata),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ))
    };
    [
        &settings.tls_cert,
        &settings.tls_key,
        &settings.tls_client_ca,
    ]
    .map(|path| path.as_deref().and_then(stamp))
}
