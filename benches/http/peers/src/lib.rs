//! The work that the axum and the actix peer share: tokens, sealing, bodies, and one line a request. The HTTP is theirs.
//!
//! No handicap: keys are prepared once, each thread keeps its cipher contexts with the key schedule in them, and random
//! bytes come straight from the system, which takes half the time of OpenSSL's generator (Sealgate does the same).

use std::cell::RefCell;
use std::env;
use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use serde::{Deserialize, Serialize};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Threads that answer requests, in every server that is measured.
pub const WORKERS: usize = 2;

const NONCE: usize = 12;
const TAG: usize = 16;
const TOKEN_TTL: Duration = Duration::from_secs(30 * 60);

/// What is set by the environment, read once.
pub static WORK: LazyLock<Work> = LazyLock::new(Work::from_environment);

thread_local! {
    static SEALER: RefCell<CipherCtx> = RefCell::new(WORK.context(|context, key| {
        context.encrypt_init(Some(Cipher::aes_256_gcm()), Some(key), None)
    }));
    static OPENER: RefCell<CipherCtx> = RefCell::new(WORK.context(|context, key| {
        context.decrypt_init(Some(Cipher::aes_256_gcm()), Some(key), None)
    }));
}

pub struct Work {
    pub port: u16,
    signing: EncodingKey,
    checking: DecodingKey,
    header: Header,
    validation: Validation,
    aes_key: Vec<u8>,
    secure_data: String,
    log: Option<NonBlocking>,
    _writer: Option<WorkerGuard>,
}

#[derive(Serialize, Deserialize)]
pub struct Claims {
    pub username: String,
    pub exp: u64,
}

#[derive(Deserialize)]
pub struct Login {
    pub username: String,
}

#[derive(Serialize)]
pub struct Token {
    pub token: String,
}

#[derive(Serialize, Deserialize)]
pub struct Encrypted {
    pub encrypted_data: String,
}

#[derive(Serialize)]
pub struct Decrypted {
    pub decrypted_data: String,
}

#[derive(Serialize)]
pub struct Refusal {
    pub error: &'static str,
}

impl Work {
    fn from_environment() -> Self {
        let setting = |name: &str| env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        let secret = setting("JWT_SECRET_KEY");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 5;
        let (log, writer) = env::var_os("ACCESS_LOG")
            .map(|path| {
                let file = File::options().create(true).append(true).open(path);
                NonBlockingBuilder::default()
                    .lossy(false)
                    .finish(file.expect("ACCESS_LOG can be opened"))
            })
            .unzip();
        Work {
            port: setting("PORT").parse().expect("PORT is a number"),
            signing: EncodingKey::from_secret(secret.as_bytes()),
            checking: DecodingKey::from_secret(secret.as_bytes()),
            header: Header::new(Algorithm::HS256),
            validation,
            aes_key: setting("AES_KEY").into_bytes(),
            secure_data: setting("SECURE_DATA"),
            log,
            _writer: writer,
        }
    }

    fn context(
        &self,
        init: impl FnOnce(&mut CipherCtx, &[u8]) -> Result<(), openssl::error::ErrorStack>,
    ) -> CipherCtx {
        let mut context = CipherCtx::new().expect("OpenSSL makes a context");
        init(&mut context, &self.aes_key).expect("AES_KEY has 32 bytes");
        context
    }

    pub fn issue(&self, login: Login) -> Token {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let claims = Claims {
            username: login.username,
            exp: (now.expect("it is after 1970") + TOKEN_TTL).as_secs(),
        };
        Token {
            token: jsonwebtoken::encode(&self.header, &claims, &self.signing)
                .expect("HS256 signs anything"),
        }
    }

    /// The caller, from the value of an Authorization header.
    pub fn verify(&self, authorization: Option<&[u8]>) -> Result<Claims, &'static str> {
        let token = authorization
            .and_then(|value| value.strip_prefix(b"Bearer "))
            .ok_or("Token is missing!")?;
        jsonwebtoken::decode(token, &self.checking, &self.validation)
            .map(|data| data.claims)
            .map_err(|_| "Token is invalid!")
    }

    pub fn secure_data(&self) -> Encrypted {
        Encrypted {
            encrypted_data: seal(self.secure_data.as_bytes()),
        }
    }

    pub fn decrypt(&self, body: &Encrypted) -> Result<Decrypted, &'static str> {
        open(&body.encrypted_data)
            .and_then(|plain| String::from_utf8(plain).ok())
            .map(|decrypted_data| Decrypted { decrypted_data })
            .ok_or("Decryption failed!")
    }

    pub fn logs(&self) -> bool {
        self.log.is_some()
    }

    /// One line in the access log. A thread of its own writes it, as Sealgate's does.
    pub fn log(&self, peer: Option<IpAddr>, method: &str, path: &str, status: u16, begun: Instant) {
        let Some(log) = &self.log else { return };
        let time = humantime::format_rfc3339_micros(SystemTime::now());
        let peer = peer.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        let us = begun.elapsed().as_micros();
        // As one string: the writer takes what a single call hands over as one message.
        let line = format!(
            "{time} INFO request peer={peer} method={method} path={path} status={status} us={us}\n"
        );
        let _ = log.clone().write_all(line.as_bytes());
    }
}

/// Nonce, ciphertext and tag, as base64.
fn seal(plain: &[u8]) -> String {
    let mut sealed = vec![0; NONCE + plain.len() + TAG];
    let (nonce, rest) = sealed.split_at_mut(NONCE);
    let (text, tag) = rest.split_at_mut(plain.len());
    getrandom::fill(nonce).expect("the system has random bytes");
    SEALER
        .with_borrow_mut(|context| {
            context.encrypt_init(None, None, Some(nonce))?;
            context.cipher_update(plain, Some(text))?;
            context.cipher_final(&mut [])?;
            context.tag(tag)
        })
        .expect("AES-GCM seals anything");
    STANDARD.encode(sealed)
}

fn open(sealed: &str) -> Option<Vec<u8>> {
    let sealed = STANDARD.decode(sealed).ok()?;
    let (nonce, rest) = sealed.split_at_checked(NONCE)?;
    let (text, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
    let mut plain = vec![0; text.len()];
    OPENER
        .with_borrow_mut(|context| {
            context.decrypt_init(None, None, Some(nonce))?;
            context.set_tag(tag)?;
            context.cipher_update(text, Some(&mut plain))?;
            context.cipher_final(&mut [])
        })
        .ok()?;
    Some(plain)
}
