//! The thread that moves bytes: it connects and drives all connections of a [`Database`](super::Database). It never calls
//! anything above this room.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use postgres_openssl::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_postgres::config::Host;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Socket};

use super::fault::Fault;
use super::link::Link;
use super::url::Place;
use super::wait::wait;
use crate::base::fork::{self, Section};
use crate::base::threads;

thread_local! {
    /// While this thread works, a fork waits for it: OpenSSL and the runtime have locks.
    static WORKS: RefCell<Option<Section>> = const { RefCell::new(None) };
}

/// How long a host is waited for before the next one is tried too, as in RFC 8305.
const HEAD_START: Duration = Duration::from_millis(250);

/// Threads that resolve names at the most.
const RESOLVERS: usize = 4;
/// Addresses of a name that are tried.
const MAX_ADDRESSES: usize = 4;

/// The running thread.
pub(super) struct Io {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A connection with a channel that gets a message for each notification.
pub(super) struct Listening {
    pub(super) link: Link,
    pub(super) notified: Receiver<()>,
}

impl Io {
    pub(super) fn start() -> Result<Self, Fault> {
        let failed =
            |error| Fault::Refused(format!("The store's thread cannot be started: {error}."));
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(RESOLVERS)
            .on_thread_park(|| WORKS.with(|works| drop(works.borrow_mut().take())))
            .on_thread_unpark(|| WORKS.with(|works| *works.borrow_mut() = Some(fork::section())))
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = threads::spawn("sealgate-store", move || {
            WORKS.with(|works| *works.borrow_mut() = Some(fork::section()));
            let _ = runtime.block_on(stopped);
            // A name lookup may still be waiting.
            runtime.shutdown_background();
            WORKS.with(|works| drop(works.borrow_mut().take()));
        })
        .map_err(failed)?;
        Ok(Io {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Connects; the first host of the address that takes changes is used.
    pub(super) fn connect(
        &self,
        place: &Arc<Place>,
        password: Option<Vec<u8>>,
        deadline: Instant,
        longest: Duration,
    ) -> Result<Listening, Fault> {
        let place = Arc::clone(place);
        let left = deadline.saturating_duration_since(Instant::now());
        let mut opening = self
            .handle
            .spawn(async move { open(&place, password.as_deref(), left, longest).await });
        match wait(deadline, &mut opening) {
            Some(Ok(opened)) => opened,
            // The thread is ending.
            Some(Err(_)) => Err(Fault::Down),
            None => {
                opening.abort();
                Err(Fault::Deadline(longest))
            }
        }
    }

    /// Runs work without waiting for it.
    pub(super) fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            fork::outside(|| {
                let _ = thread.join();
            });
        }
    }
}

/// Connects, in the thread, and leaves the connection's bytes to a task there.
pub(super) async fn open(
    place: &Place,
    password: Option<&[u8]>,
    left: Duration,
    longest: Duration,
) -> Result<Listening, Fault> {
    let connecting = connect_first(place, password, left);
    let connected = tokio::time::timeout(left, connecting).await;
    let (client, connection) = connected.map_err(|_| Fault::Deadline(longest))??;
    let (notify, notified) = sync_channel(1);
    let warned = Arc::new(AtomicBool::new(false));
    let driver = tokio::spawn(drive(connection, notify, Arc::clone(&warned)));
    Ok(Listening {
        link: Link::new(client, driver.abort_handle(), warned),
        notified,
    })
}

type Connected = (Client, Connection<Socket, TlsStream<Socket>>);

/// Connects to the first host that takes changes. A host that accepts connections and never answers must not keep the others
/// from their turn: each begins a moment after the one before, or when that one has failed.
async fn connect_first(
    place: &Place,
    password: Option<&[u8]>,
    left: Duration,
) -> Result<Connected, Fault> {
    let mut hosts = place.hosts.iter();
    let mut attempts = JoinSet::new();
    let mut fault = Fault::Down;
    loop {
        if let Some(config) = hosts.next() {
            let (config, tls) = (with_limits(config, password, left), place.tls.clone());
            let resolving = Arc::clone(&place.resolving);
            attempts.spawn(async move {
                let config = with_addresses(config, &resolving).await?;
                config.connect(tls).await.map_err(Fault::Connect)
            });
        }
        let pause = match hosts.len() {
            0 => left,
            _ => HEAD_START,
        };
        match tokio::time::timeout(pause, attempts.join_next()).await {
            // The other attempts end when the set is dropped.
            Ok(Some(Ok(Ok(connected)))) => return Ok(connected),
            Ok(Some(Ok(Err(failed)))) => fault = failed,
            Ok(None) if hosts.len() == 0 => return Err(fault),
            Ok(_) | Err(_) => {}
        }
    }
}

/// Resolves the name of the host. The system's resolver may hang for much longer than any deadline, so few names are resolved
/// at a time, each by a helper thread.
async fn with_addresses(mut config: Config, resolving: &Arc<AtomicUsize>) -> Result<Config, Fault> {
    struct Resolving(Arc<AtomicUsize>);
    impl Drop for Resolving {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let name = match (config.get_hosts(), config.get_hostaddrs()) {
        ([Host::Tcp(name)], []) if name.parse::<IpAddr>().is_err() => name.clone(),
        _ => return Ok(config),
    };
    let before = resolving.fetch_add(1, Ordering::Relaxed);
    let guard = Resolving(Arc::clone(resolving));
    if before >= RESOLVERS {
        return Err(Fault::Unresolved(
            "the system's resolver does not answer".to_owned(),
        ));
    }
    let asked = name.clone();
    let resolved = tokio::task::spawn_blocking(move || {
        let _guard = guard;
        (asked.as_str(), 0)
            .to_socket_addrs()
            .map(|found| found.map(|address| address.ip()).collect::<Vec<_>>())
    });
    let resolved = resolved.await.map_err(|_| Fault::Down)?;
    let addresses = resolved.map_err(|error| Fault::Unresolved(error.to_string()))?;
    let count = addresses.len().clamp(1, MAX_ADDRESSES) as u32;
    let Some(first) = addresses.first() else {
        return Err(Fault::Unresolved("it has no address".to_owned()));
    };
    config.hostaddr(*first);
    for address in &addresses[1..count as usize] {
        config.host(&name).hostaddr(*address);
    }
    // Each has its share.
    if let Some(left) = config.get_connect_timeout().copied() {
        config.connect_timeout(left / count);
    }
    Ok(config)
}

/// A dead network must not keep a connection for ever.
fn with_limits(config: &Config, password: Option<&[u8]>, left: Duration) -> Config {
    let mut config = config.clone();
    if let Some(password) = password {
        config.password(password);
    }
    config.connect_timeout(left.max(Duration::from_millis(50)));
    config.tcp_user_timeout(Duration::from_secs(10));
    config.keepalives_idle(Duration::from_secs(10));
    config.keepalives_interval(Duration::from_secs(5));
    config.keepalives_retries(3);
    config
}

async fn drive<S, T>(
    mut connection: Connection<S, T>,
    notify: SyncSender<()>,
    warned: Arc<AtomicBool>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    // The client's next call reports the error.
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        match message {
            AsyncMessage::Notification(_) => {
                // One that has not been received yet says the same.
                let _ = notify.try_send(());
            }
            // Of class 01, not 00 as notices are.
            AsyncMessage::Notice(notice) if notice.code().code().starts_with("01") => {
                warned.store(true, Ordering::Release);
            }
            _ => {}
        }
    }
}
