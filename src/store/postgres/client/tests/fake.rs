//! A fake server with the part of PostgreSQL's protocol (version 3.0) that the tests use. It can be made to stop
//! responding at any point.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use openssl::ssl::SslAcceptor;

/// What a server does.
#[derive(Clone, Copy, Default)]
pub(super) struct Manners {
    /// Accepts connections and says nothing, ever.
    pub(super) silent: bool,
    /// Does not answer statements that begin with this.
    pub(super) deaf_to: Option<&'static str>,
    /// Warns before it answers those that begin with this.
    pub(super) warns_at: Option<&'static str>,
    /// Refuses the login with this SQLSTATE.
    pub(super) refuses: Option<&'static str>,
}

/// A running one; its threads end when their sockets do.
pub(super) struct Fake {
    pub(super) port: u16,
    ended: Receiver<()>,
}

impl Fake {
    pub(super) fn start(manners: Manners) -> Self {
        Self::with_tls(manners, None)
    }

    pub(super) fn with_tls(manners: Manners, tls: Option<SslAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (end, ended) = channel();
        let tls = tls.map(Arc::new);
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (end, tls): (Sender<()>, _) = (end.clone(), tls.clone());
                thread::spawn(move || {
                    let _ = serve(socket, manners, tls.as_deref());
                    let _ = end.send(());
                });
            }
        });
        Fake { port, ended }
    }

    pub(super) fn url(&self, parameters: &str) -> String {
        format!(
            "postgres://me:s3cret@127.0.0.1:{}/db?{parameters}",
            self.port
        )
    }

    /// Waits until one more connection has been closed by the client.
    pub(super) fn one_ended(&self) {
        self.ended.recv_timeout(Duration::from_secs(60)).unwrap();
    }
}

fn serve(
    mut socket: TcpStream,
    manners: Manners,
    tls: Option<&SslAcceptor>,
) -> std::io::Result<()> {
    if manners.silent {
        return drain(&mut socket);
    }
    let mut first = message(&mut socket)?;
    // SSLRequest.
    if first[..] == 80_877_103_u32.to_be_bytes() {
        match tls {
            Some(tls) => {
                socket.write_all(b"S")?;
                let stream = tls.accept(socket).map_err(std::io::Error::other)?;
                return talk(stream, manners, None);
            }
            None => socket.write_all(b"N")?,
        }
        first = message(&mut socket)?;
    }
    talk(socket, manners, Some(first))
}

fn talk(
    mut stream: impl Read + Write,
    manners: Manners,
    startup: Option<Vec<u8>>,
) -> std::io::Result<()> {
    if startup.is_none() {
        message(&mut stream)?;
    }
    if let Some(code) = manners.refuses {
        let fields = format!("SFATAL\0VFATAL\0C{code}\0Mno login for me\0Dpassword was s3cret\0\0");
        return answer(&mut stream, &[(b'E', fields.as_bytes())]);
    }
    answer(
        &mut stream,
        &[(b'R', &[0; 4]), (b'K', &[0; 8]), (b'Z', b"I")],
    )?;
    loop {
        let mut kind = [0];
        stream.read_exact(&mut kind)?;
        let body = message(&mut stream)?;
        let text = String::from_utf8_lossy(&body).into_owned();
        let begins = |with: Option<&str>| {
            with.is_some_and(|with| text.trim_start_matches('\0').starts_with(with))
        };
        if begins(manners.deaf_to) {
            return drain(&mut stream);
        }
        if begins(manners.warns_at) {
            let warning =
                b"SWARNING\0VWARNING\0C01000\0Mcanceling wait for synchronous replication\0\0";
            answer(&mut stream, &[(b'N', warning)])?;
        }
        match kind[0] {
            b'X' => return Ok(()),
            b'Q' if text.starts_with("SHOW") => {
                let mut column = b"\0\x01transaction_read_only\0".to_vec();
                // No table; type text, of any size, as text.
                column.extend([
                    0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0,
                ]);
                answer(
                    &mut stream,
                    &[
                        (b'T', &column),
                        (b'D', b"\0\x01\0\0\0\x03off"),
                        (b'C', b"SHOW\0"),
                        (b'Z', b"I"),
                    ],
                )?;
            }
            b'Q' => answer(&mut stream, &[(b'C', b"DONE\0"), (b'Z', b"I")])?,
            // Sync, the end of parse, bind, describe and execute.
            b'S' => answer(
                &mut stream,
                &[
                    (b'1', b""),
                    (b'2', b""),
                    (b't', b"\0\0"),
                    (b'n', b""),
                    (b'C', b"DONE\0"),
                    (b'Z', b"I"),
                ],
            )?,
            _ => {}
        }
    }
}

/// A message after its kind: its length counts itself.
fn message(stream: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; (u32::from_be_bytes(length) as usize).saturating_sub(4)];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn answer(stream: &mut impl Write, messages: &[(u8, &[u8])]) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    for (kind, body) in messages {
        bytes.push(*kind);
        bytes.extend((body.len() as u32 + 4).to_be_bytes());
        bytes.extend(*body);
    }
    stream.write_all(&bytes)?;
    stream.flush()
}

/// Reads until the client closes the connection.
fn drain(stream: &mut impl Read) -> std::io::Result<()> {
    let mut bytes = [0; 1024];
    while stream.read(&mut bytes)? > 0 {}
    Ok(())
}
