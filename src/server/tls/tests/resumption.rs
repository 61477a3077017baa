//! What only a real client does: it resumes with its ticket, or asks for new keys. The client is `openssl s_client`; if
//! it is not installed, nothing is tested here.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::{State, TlsAcceptor};
use super::papers::{Desk, Paper, Wanted};
use super::renewal::rename;
use crate::server::socket::{Socket, Stop};

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

/// One connection as the server saw it.
#[derive(Debug, PartialEq)]
struct Served {
    heard: String,
    reused: bool,
    client: Option<String>,
    end: Result<usize, Stop>,
}

struct Place {
    acceptor: TlsAcceptor,
    listener: TcpListener,
}

impl Place {
    fn new(desk: &Desk) -> Place {
        Place {
            acceptor: desk.acceptor(),
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
        }
    }

    /// A client that connects with these arguments; `None` if the program is not installed.
    fn client(&self, arguments: &[&str]) -> Option<Child> {
        Command::new("openssl")
            .args(["s_client", "-connect"])
            .arg(self.listener.local_addr().unwrap().to_string())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .ok()
    }

    /// Answers one line and closes.
    fn serve(&self) -> Served {
        let (socket, _) = self.listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut stream = self.acceptor.start(Socket(socket.into()));
        let mut heard = String::new();
        let mut reused = false;
        let mut buffer = [0; 1000];
        let deadline = Instant::now() + Duration::from_secs(60);
        let end = loop {
            let read = stream.read(&mut buffer);
            if let State::Handshake(stream) | State::Open(stream) = &stream.state {
                reused = stream.ssl().session_reused();
            }
            match read {
                Ok(read @ 1..) => {
                    heard += std::str::from_utf8(&buffer[..read]).unwrap();
                    if heard.ends_with('\n') {
                        stream.write(b"well\n").unwrap();
                        stream.say_goodbye();
                    }
                }
                Err(Stop::WantsRead | Stop::WantsWrite) => {
                    assert!(Instant::now() < deadline, "the client says nothing");
                    std::thread::sleep(Duration::from_millis(1));
                }
                end => break end,
            }
        };
        Served {
            heard,
            reused,
            client: stream.client().map(str::to_owned),
            end,
        }
    }

    /// One connection that sends a line.
    fn visit(&self, arguments: &[&str]) -> Option<Served> {
        let mut client = self.client(arguments)?;
        client
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"how are you\n")
            .unwrap();
        let served = self.serve();
        let output = client.wait_with_output().unwrap();
        if served.end == Ok(0) {
            let output = String::from_utf8_lossy(&output.stdout);
            assert!(output.contains("well"), "{output}");
        }
        Some(served)
    }
}

/// A server that asks for this issuer's certificates, and the paths of alice's certificate, its key and her ticket.
fn alices_desk(issuer: &Paper) -> (Desk, [String; 3]) {
    let alice = issuer.issue(&Wanted::default());
    let desk = Desk::asking(issuer, true);
    let paths = [
        desk.file("alice.pem", &alice.pem()),
        desk.file("alice-key.pem", &alice.key_pem()),
        desk.folder.path().join("ticket"),
    ];
    (desk, paths.map(|path| path.to_str().unwrap().to_owned()))
}

#[test]
fn a_resumed_session_keeps_the_client_name() {
    let issuer = Paper::authority("Clients");
    let (desk, [cert, key, ticket]) = alices_desk(&issuer);
    for version in VERSIONS {
        let place = Place::new(&desk);
        let shown = [version, "-ign_eof", "-cert", &cert, "-key", &key];
        let first = [&shown[..], &["-sess_out", &ticket]].concat();
        let Some(served) = place.visit(&first) else {
            return;
        };
        let mut wanted = Served {
            heard: "how are you\n".to_owned(),
            reused: false,
            client: Some("CN=alice,O=Example".to_owned()),
            end: Ok(0),
        };
        assert_eq!(served, wanted);

        // The ticket alone is enough; any certificate sent with it does not count.
        wanted.reused = true;
        let again = [version, "-ign_eof", "-sess_in", &ticket];
        assert_eq!(place.visit(&again), Some(wanted));

        // Another server (or this one after a restart) cannot read the ticket and requires a certificate.
        let served = Place::new(&desk).visit(&again).unwrap();
        assert!(!served.reused && served.client.is_none());
        assert_eq!(served.end, Err(Stop::Refused));
    }
}

#[test]
fn tickets_stay_valid_across_a_new_certificate_but_not_across_a_new_client_ca() {
    let issuer = Paper::authority("Clients");
    let (desk, [cert, key, ticket]) = alices_desk(&issuer);
    let name = Some("CN=alice,O=Example".to_owned());
    for version in VERSIONS {
        let place = Place::new(&desk);
        let certificates = place.acceptor.certificates();
        let shown = [version, "-ign_eof", "-cert", &cert, "-key", &key];
        let first = [&shown[..], &["-sess_out", &ticket]].concat();
        let again = [&first[..], &["-sess_in", &ticket]].concat();
        let Some(served) = place.visit(&first) else {
            return;
        };
        assert!(!served.reused);
        for _ in 0..3 {
            desk.replace(&desk.pair());
            certificates.reload().unwrap();
            let served = place.visit(&again).unwrap();
            assert_eq!(
                (served.reused, served.client, served.end),
                (true, name.clone(), Ok(0))
            );
        }

        // The client is verified again.
        let ca = desk.settings.tls_client_ca.as_deref().unwrap();
        let other = Paper::authority("Others");
        rename(ca, &[other.pem(), issuer.pem()].concat());
        certificates.reload().unwrap();
        for reused in [false, true] {
            let served = place.visit(&again).unwrap();
            assert_eq!((served.reused, served.client), (reused, name.clone()));
        }
        // Its issuer is gone: the ticket does not let it in either.
        rename(ca, &other.pem());
        certificates.reload().unwrap();
        let served = place.visit(&again).unwrap();
        assert_eq!(
            (served.reused, served.client, served.end),
            (false, None, Err(Stop::Refused))
        );
        rename(ca, &issuer.pem());
    }
}

#[test]
fn a_ticket_does_not_outlive_the_client_certificate() {
    let issuer = Paper::authority("Clients");
    // Whole seconds, rounded either way; long enough for the first visit even on a busy machine.
    let expired = Instant::now() + Duration::from_secs(10);
    let guest = issuer.issue(&Wanted {
        time: (-1000, 8),
        ..Wanted::default()
    });
    let desk = Desk::asking(&issuer, true);
    let place = Place::new(&desk);
    let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let cert = path(desk.file("guest.pem", &guest.pem()));
    let key = path(desk.file("guest-key.pem", &guest.key_pem()));
    let ticket = path(desk.folder.path().join("ticket"));
    let first = [
        "-tls1_3",
        "-ign_eof",
        "-cert",
        &cert,
        "-key",
        &key,
        "-sess_out",
        &ticket,
    ];
    let Some(served) = place.visit(&first) else {
        return;
    };
    assert_eq!(served.end, Ok(0));
    std::thread::sleep(expired.saturating_duration_since(Instant::now()));
    let served = place
        .visit(&["-tls1_3", "-ign_eof", "-sess_in", &ticket])
        .unwrap();
    // Only the session carries a certificate: otherwise OpenSSL would have refused it with an alert.
    assert_eq!((served.end, served.client), (Err(Stop::Broken), None));
    assert_eq!(served.heard, "");
}

#[test]
fn clients_cannot_renegotiate() {
    let desk = Desk::new();
    let place = Place::new(&desk);
    let Some(mut client) = place.client(&["-tls1_2"]) else {
        return;
    };
    let mut input = client.stdin.take().unwrap();
    let asking = std::thread::spawn(move || {
        // s_client's renegotiation command must be sent alone.
        std::thread::sleep(Duration::from_millis(1500));
        let _ = input.write_all(b"R\n");
        std::thread::sleep(Duration::from_millis(500));
    });
    let served = place.serve();
    asking.join().unwrap();
    let output = client.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no renegotiation"), "{said}");
    assert_eq!(served.heard, "");
}

#[test]
fn key_updates_within_tls_1_3_work() {
    let desk = Desk::new();
    let place = Place::new(&desk);
    let Some(mut client) = place.client(&["-tls1_3"]) else {
        return;
    };
    let mut input = client.stdin.take().unwrap();
    let asking = std::thread::spawn(move || {
        for command in ["K\n", "k\n", "K\n", "how are you\n"] {
            std::thread::sleep(Duration::from_millis(200));
            let _ = input.write_all(command.as_bytes());
        }
        input
    });
    let served = place.serve();
    assert_eq!(
        (served.heard.as_str(), served.end),
        ("how are you\n", Ok(0))
    );
    drop(asking.join().unwrap());
    let output = client.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("well"));
}
