//! Crowds of clients held by one thread, and a good client that measures how it is served beside them.

#![allow(clippy::print_stdout)] // figures, for whoever runs the tests

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, socket};

use super::PATIENCE;
use super::wire::Answers;

/// How long a good client waits for one answer before it counts it as lost.
const LOST: Duration = super::promised(Duration::from_secs(5));

/// Between two requests of a good client.
const PAUSE: Duration = Duration::from_millis(3);

pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// How a client was served.
#[derive(Debug, Default)]
pub struct Served {
    latencies: Vec<Duration>,
    /// Requests without an answer of 200, and what came instead.
    pub lost: Vec<String>,
}

impl Served {
    /// How many requests got an answer of 200.
    pub fn answers(&self) -> usize {
        self.latencies.len()
    }

    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1).expect("at least one answer");
        sorted[last * percent / 100]
    }

    fn add(&mut self, took: Duration, answer: Result<u16, String>) {
        match answer {
            Ok(200) => self.latencies.push(took),
            Ok(status) => self.lost.push(status.to_string()),
            Err(why) => self.lost.push(why),
        }
    }

    /// Nothing was lost, and 99 of 100 answers came within `limit`.
    pub fn assert_within(&self, limit: Duration, beside: &str) {
        self.assert_most_within(limit, 0, beside);
    }

    /// No more than so many were lost, and 99 of 100 answers came within `limit`.
    #[allow(clippy::print_stdout)] // figures, for those who run it with --nocapture
    pub fn assert_most_within(&self, limit: Duration, lost: usize, beside: &str) {
        println!(
            "beside {beside}: {} answers, median {:.1?}, p99 {:.1?}, slowest {:.1?}",
            self.latencies.len(),
            self.percentile(50),
            self.percentile(99),
            self.percentile(100)
        );
        assert!(
            self.lost.len() <= lost,
            "beside {beside} {} requests got no good answer: {:?}",
            self.lost.len(),
            &self.lost[..self.lost.len().min(5)]
        );
        assert!(self.percentile(99) < limit, "beside {beside}");
    }
}

fn connect(port: u16) -> Result<Answers<TcpStream>, String> {
    let stream =
        TcpStream::connect_timeout(&loopback(port), LOST).map_err(|error| error.to_string())?;
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(LOST)).unwrap();
    stream.set_write_timeout(Some(LOST)).unwrap();
    Ok(Answers::new(stream))
}

fn ask(connection: &mut Answers<TcpStream>, request: &[u8]) -> Result<u16, String> {
    let mut stream = connection.get_ref();
    stream
        .write_all(request)
        .map_err(|error| error.to_string())?;
    let answer = connection.next().map_err(|end| format!("{end:?}"))?;
    Ok(answer.status)
}

/// A good client, which asks some hundred times a second: `requests` on one connection that it keeps, and as many on a
/// fresh connection each.
pub fn good_client(port: u16, request: &[u8], requests: usize) -> Served {
    let mut served = Served::default();
    let mut kept = connect(port).expect("a connection");
    for _ in 0..requests {
        let start = Instant::now();
        let answer = ask(&mut kept, request);
        if answer.is_err() {
            kept = connect(port).expect("a connection");
        }
        served.add(start.elapsed(), answer);
        let start = Instant::now();
        let answer = connect(port).and_then(|mut fresh| ask(&mut fresh, request));
        served.add(start.elapsed(), answer);
        thread::sleep(PAUSE);
    }
    served
}

/// Requests that take long, `clients` at a time on a connection each; how they were served. For routes that block.
pub fn slow_requests(port: u16, request: &[u8], clients: usize, patience: Duration) -> Served {
    let mut served = Served::default();
    for (took, answer) in at_once(clients, || {
        let mut fresh = connect(port)?;
        fresh.get_ref().set_read_timeout(Some(patience)).unwrap();
        ask(&mut fresh, request)
    }) {
        served.add(took, answer);
    }
    served
}

/// All at the same moment: each client connects and asks. When all have been answered, each asks again on the connection
/// that it kept. How they were served.
pub fn burst(port: u16, request: &[u8], clients: usize) -> Served {
    let mut served = Served::default();
    let mut kept = Vec::new();
    for (took, answer) in at_once(clients, || {
        let mut connection = connect(port)?;
        ask(&mut connection, request).map(|status| (connection, status))
    }) {
        match answer {
            Ok((connection, status)) => {
                kept.push(connection);
                served.add(took, Ok(status));
            }
            Err(why) => served.add(took, Err(why)),
        }
    }
    for mut connection in kept {
        let start = Instant::now();
        let answer = ask(&mut connection, request);
        served.add(start.elapsed(), answer);
    }
    served
}

/// Runs `client` in as many threads, all from the same moment; how long each took, and its outcome.
fn at_once<T: Send>(
    clients: usize,
    client: impl Fn() -> Result<T, String> + Sync,
) -> Vec<(Duration, Result<T, String>)> {
    let start_line = Barrier::new(clients);
    let run = || {
        start_line.wait();
        let start = Instant::now();
        let outcome = client();
        (start.elapsed(), outcome)
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..clients).map(|_| scope.spawn(run)).collect();
        running
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect()
    })
}

/// Connects from this address of the loopback network.
pub fn connect_from(last: u8, port: u16) -> std::io::Result<TcpStream> {
    let stream = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&stream, &SocketAddr::from(([127, 0, 0, last], 0)))?;
    rustix::net::connect(&stream, &loopback(port))?;
    Ok(TcpStream::from(stream))
}

/// So many clients from 127.0.0.`last`, until `over` is set: each sends `first`, then a byte each second, and whoever is
/// closed comes back at once. How many times they came back.
pub fn come_back(last: u8, port: u16, clients: usize, first: &[u8], over: &AtomicBool) -> usize {
    let mut crowd: Vec<Option<TcpStream>> = (0..clients).map(|_| None).collect();
    let (mut came, mut dripped) = (0, Instant::now());
    let start = Instant::now();
    while !over.load(Ordering::SeqCst) && start.elapsed() < PATIENCE {
        let drips = dripped.elapsed() >= Duration::from_secs(1);
        if drips {
            dripped = Instant::now();
        }
        for place in &mut crowd {
            let is_open = place.as_ref().is_some_and(|mut stream| {
                let open = loop {
                    match stream.read(&mut [0; 512]) {
                        Ok(0) => break false,
                        Ok(_) => {}
                        Err(error) => break error.kind() == ErrorKind::WouldBlock,
                    }
                };
                open && (!drips || stream.write_all(b" ").is_ok())
            });
            if is_open {
                continue;
            }
            *place = connect_from(last, port).ok();
            came += 1;
            if let Some(mut stream) = place.as_ref() {
                let _ = stream.write_all(first);
                stream.set_nonblocking(true).unwrap();
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    came - clients
}

/// Good clients that keep their connections and think between two requests, for nothing to `longest`; how they were served.
pub fn thinking_clients(
    port: u16,
    request: &[u8],
    clients: u32,
    longest: Duration,
    over: &AtomicBool,
) -> Served {
    let mut all = Served::default();
    let client = |number: u32| {
        let mut served = Served::default();
        let mut kept = connect(port).expect("a connection");
        while !over.load(Ordering::SeqCst) {
            let start = Instant::now();
            let answer = ask(&mut kept, request);
            if answer.is_err() {
                kept = connect(port).expect("a connection");
            }
            served.add(start.elapsed(), answer);
            thread::sleep(longest * number / clients);
        }
        served
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..clients)
            .map(|number| scope.spawn(move || client(number)))
            .collect();
        for client in running {
            let served = client.join().unwrap();
            all.latencies.extend(served.latencies);
            all.lost.extend(served.lost);
        }
    });
    all
}

/// Clients that are some way off: each connects, and only after `pause` is its request there. How they were served.
pub fn distant_clients(port: u16, request: &[u8], clients: usize, pause: Duration) -> Served {
    let mut served = Served::default();
    for _ in 0..clients {
        let start = Instant::now();
        let answer = connect(port).and_then(|mut fresh| {
            thread::sleep(pause);
            ask(&mut fresh, request)
        });
        served.add(start.elapsed(), answer);
    }
    served
}

/// Clients that misbehave, held by one thread. Dropping it closes their connections.
pub struct Crowd {
    streams: Vec<TcpStream>,
}

impl Crowd {
    /// Connects all of them; each sends `first`.
    pub fn connect(port: u16, clients: usize, first: &[u8]) -> Crowd {
        let streams = (0..clients)
            .map(|_| {
                let mut stream = TcpStream::connect(loopback(port)).expect("a connection");
                stream.set_read_timeout(Some(LOST)).unwrap();
                stream.set_nodelay(true).unwrap();
                stream.write_all(first).expect("a new connection");
                stream
            })
            .collect();
        Crowd { streams }
    }

    /// As above, on a Unix socket: what the kernel keeps of unread answers is little there, the rest stays with the server.
    pub fn connect_unix(path: &Path, clients: usize, first: &[u8]) -> Crowd {
        let streams = (0..clients)
            .map(|_| {
                let stream = UnixStream::connect(path).expect("a connection");
                // To std a socket is a socket.
                let mut stream = TcpStream::from(OwnedFd::from(stream));
                stream.write_all(first).expect("a new connection");
                stream
            })
            .collect();
        Crowd { streams }
    }

    /// Each has been answered with 200.
    pub fn read_answers(&self) {
        for stream in &self.streams {
            let status = Answers::new(stream).next().map(|answer| answer.status);
            assert_eq!(status, Ok(200));
        }
    }

    pub fn len(&self) -> usize {
        self.streams.len()
    }

    pub fn streams(&self) -> &[TcpStream] {
        &self.streams
    }

    /// Every one sends one more byte again and again, until `over` is set, or for as long as anything may take here.
    pub fn drip(&self, byte: u8, pause: Duration, over: &AtomicBool) {
        let start = Instant::now();
        while !over.load(Ordering::SeqCst) && start.elapsed() < PATIENCE {
            for mut stream in &self.streams {
                // Most of them will have been thrown out some time.
                let _ = stream.write_all(&[byte]);
            }
            thread::sleep(pause);
        }
    }

    /// How many have been told that it is over, or cut off. What they were sent is thrown away.
    pub fn gone(&self) -> usize {
        let is_over = |mut stream: &TcpStream| {
            stream.set_nonblocking(true).unwrap();
            let mut rest = [0; 65536];
            loop {
                match stream.read(&mut rest) {
                    Ok(0) => return true,
                    Ok(_) => {}
                    Err(error) => return error.kind() != ErrorKind::WouldBlock,
                }
            }
        };
        self.streams.iter().filter(|stream| is_over(stream)).count()
    }
}
