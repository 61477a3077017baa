//! What the core costs, beside what it stands on: raw OpenSSL with a reused context writing to the same kind of buffer.
//! `cargo bench`; one group only: `cargo bench -- token`. `make bench-signing` has tokens beside jwt-simple and jsonwebtoken.

#![allow(missing_docs)] // criterion's macros make public functions
#![allow(clippy::unwrap_used)] // a bench that panics has failed

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use sealgate::api::{App, Headers, Method, Peer, Request, Response};
use sealgate::limiter::Limiter;
use sealgate::{Config, Gate, Grant, NewApiKey, Settings};

const SIZES: [usize; 4] = [64, 1 << 10, 64 << 10, 1 << 20];

fn settings(values: &[(&str, &str)]) -> Settings {
    let mut config = Config::new();
    for (name, value) in [&[("keys", "ephemeral"), ("max_requests", "0")], values].concat() {
        config.set(name, value).unwrap();
    }
    config.settings().unwrap()
}

fn gate() -> Gate {
    Gate::new(&settings(&[]).gate).unwrap()
}

fn grant() -> Grant<'static> {
    Grant {
        subject: "test_user",
        scope: "secure-data encrypt decrypt",
        ..Grant::default()
    }
}

/// AES-256-GCM as a careful C program does it: one context, a new key and a random nonce for each message.
/// Nonce, ciphertext and tag go to `out`.
fn raw_seal(context: &mut CipherCtx, key: &[u8; 32], data: &[u8], out: &mut [u8]) {
    let (nonce, rest) = out.split_at_mut(12);
    openssl::rand::rand_bytes(nonce).unwrap();
    context.encrypt_init(None, Some(key), Some(nonce)).unwrap();
    let (ciphertext, tag) = rest.split_at_mut(data.len());
    context.cipher_update(data, Some(ciphertext)).unwrap();
    context.cipher_final(&mut []).unwrap();
    context.tag(tag).unwrap();
}

fn seal(c: &mut Criterion) {
    let gate = gate();
    let mut group = c.benchmark_group("seal");
    for size in SIZES {
        let data = vec![7; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("openssl", size), |b| {
            let mut context = CipherCtx::new().unwrap();
            let cipher = Cipher::fetch(None, "AES-256-GCM", None).unwrap();
            context.encrypt_init(Some(&cipher), None, None).unwrap();
            b.iter(|| {
                let mut out = vec![0; 12 + size + 16];
                raw_seal(&mut context, &[3; 32], &data, &mut out);
                out
            });
        });
        group.bench_function(BenchmarkId::new("openssl, nonce given", size), |b| {
            let mut context = CipherCtx::new().unwrap();
            let cipher = Cipher::fetch(None, "AES-256-GCM", None).unwrap();
            context
                .encrypt_init(Some(&cipher), Some(&[3; 32]), None)
                .unwrap();
            let mut nonce = [0u8; 12];
            b.iter(|| {
                let mut out = vec![0; size + 16];
                nonce[0] = nonce[0].wrapping_add(1);
                let (ciphertext, tag) = out.split_at_mut(size);
                context.encrypt_init(None, None, Some(&nonce)).unwrap();
                context.cipher_update(&data, Some(ciphertext)).unwrap();
                context.cipher_final(&mut []).unwrap();
                context.tag(tag).unwrap();
                out
            });
        });
        group.bench_function(BenchmarkId::new("bytes", size), |b| {
            b.iter(|| gate.seal(&data, b"").unwrap())
        });
        group.bench_function(BenchmarkId::new("base64", size), |b| {
            b.iter(|| gate.encrypt_data(&data, b"").unwrap())
        });
    }
    group.finish();

    let mut group = c.benchmark_group("open");
    for size in SIZES {
        let sealed = gate.seal(&vec![7; size], b"").unwrap();
        let text = gate.encrypt_data(&vec![7; size], b"").unwrap();
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("openssl", size), |b| {
            let mut context = CipherCtx::new().unwrap();
            let cipher = Cipher::fetch(None, "AES-256-GCM", None).unwrap();
            context.encrypt_init(Some(&cipher), None, None).unwrap();
            let mut raw = vec![0; 12 + size + 16];
            raw_seal(&mut context, &[3; 32], &vec![7; size], &mut raw);
            context.decrypt_init(Some(&cipher), None, None).unwrap();
            b.iter(|| {
                let (nonce, rest) = raw.split_at(12);
                let (ciphertext, tag) = rest.split_at(size);
                let mut out = vec![0; size];
                context
                    .decrypt_init(None, Some(&[3; 32]), Some(nonce))
                    .unwrap();
                context.cipher_update(ciphertext, Some(&mut out)).unwrap();
                context.set_tag(tag).unwrap();
                context.cipher_final(&mut []).unwrap();
                out
            });
        });
        group.bench_function(BenchmarkId::new("bytes", size), |b| {
            b.iter(|| gate.open(&sealed, b"").unwrap())
        });
        group.bench_function(BenchmarkId::new("base64", size), |b| {
            b.iter(|| gate.decrypt_data(&text, b"").unwrap())
        });
    }
    group.finish();
}

fn token(c: &mut Criterion) {
    let secret = "a secret of at least thirty-two bytes";
    let checking = |cache: &str| {
        let settings = settings(&[("jwt_secret_key", secret), ("token_cache", cache)]);
        Gate::new(&settings.gate).unwrap()
    };
    let (gate, uncached) = (checking("4096"), checking("0"));
    let token = gate.issue_token(&grant()).unwrap();
    let mut group = c.benchmark_group("token");
    group.bench_function("issue", |b| b.iter(|| gate.issue_token(&grant()).unwrap()));
    group.bench_function("verify, remembered", |b| {
        b.iter(|| gate.verify_token(black_box(&token)).unwrap())
    });
    group.bench_function("verify", |b| {
        b.iter(|| uncached.verify_token(black_box(&token)).unwrap())
    });
    for algorithm in ["EdDSA", "ES256"] {
        let settings = settings(&[("token_algorithm", algorithm), ("token_cache", "0")]);
        let gate = Gate::new(&settings.gate).unwrap();
        let token = gate.issue_token(&grant()).unwrap();
        group.bench_function(BenchmarkId::new("issue", algorithm), |b| {
            b.iter(|| gate.issue_token(&grant()).unwrap())
        });
        group.bench_function(BenchmarkId::new("verify", algorithm), |b| {
            b.iter(|| gate.verify_token(black_box(&token)).unwrap())
        });
    }
    group.finish();
}

/// An API key beside a token, with the same store and among 900 others; and wrong ones.
fn api_key(c: &mut Criterion) {
    let gate = gate();
    let add = || {
        let (key, _) = gate
            .api_keys()
            .add(&NewApiKey {
                owner: grant().subject,
                ..NewApiKey::default()
            })
            .unwrap();
        key.expose_str().unwrap().to_owned()
    };
    let key = add();
    let token = gate.issue_token(&grant()).unwrap();
    for _ in 0..900 {
        add();
    }
    let secret = format!("{}{}", &key[..20], &add()[20..]);
    let unknown = format!("sg_{}", &key[4..]) + "x";
    let mut group = c.benchmark_group("api key");
    group.bench_function("token, remembered", |b| {
        b.iter(|| gate.verify_token(black_box(&token)).unwrap())
    });
    group.bench_function("key", |b| {
        b.iter(|| gate.verify_token(black_box(&key)).unwrap())
    });
    group.bench_function("wrong secret", |b| {
        b.iter(|| gate.verify_token(black_box(&secret)).unwrap_err())
    });
    group.bench_function("unknown", |b| {
        b.iter(|| gate.verify_token(black_box(&unknown)).unwrap_err())
    });
    group.finish();
}

/// With a store in which 1,000 tokens were taken back, and accounts.
fn token_with_store(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("state");
    let gate = |cache: &str| {
        let mut config = Config::new();
        config.set("data_dir", place.to_str().unwrap()).unwrap();
        config.set("token_cache", cache).unwrap();
        Gate::new(&config.settings().unwrap().gate).unwrap()
    };
    let (gate, uncached) = (gate("4096"), gate("0"));
    gate.users()
        .add("test_user", &"a quiet harbour".into(), grant().scope)
        .unwrap();
    for n in 0..1000 {
        gate.revoke_token_id(&format!("token-{n}"), None).unwrap();
    }
    let token = gate.issue_token(&grant()).unwrap();
    let mut group = c.benchmark_group("token, with a store");
    group.bench_function("issue", |b| b.iter(|| gate.issue_token(&grant()).unwrap()));
    group.bench_function("verify, remembered", |b| {
        b.iter(|| gate.verify_token(black_box(&token)).unwrap())
    });
    group.bench_function("verify", |b| {
        b.iter(|| uncached.verify_token(black_box(&token)).unwrap())
    });
    group.finish();
}

fn rest(c: &mut Criterion) {
    let limiter = Limiter::new(u32::MAX, Duration::from_nanos(1), 64 << 20).unwrap();
    c.bench_function("admit", |b| {
        b.iter(|| limiter.admit(black_box(b"test_user")))
    });
    c.bench_function("mask", |b| {
        b.iter(|| sealgate::mask(black_box("my_password"), 3))
    });
}

fn api(c: &mut Criterion) {
    let gate = gate();
    let app = App::new(gate.clone(), &settings(&[]).app).unwrap();
    let bearer = format!("Bearer {}", gate.issue_token(&grant()).unwrap());
    let sealed = gate.encrypt_data(b"some data", b"").unwrap();
    let decrypt = format!(r#"{{"encrypted_data":"{sealed}"}}"#);
    let mut group = c.benchmark_group("api");
    for (method, target, body) in [
        (Method::Get, "/secure-data", ""),
        (Method::Post, "/decrypt", &decrypt),
    ] {
        group.bench_function(target, |b| {
            b.iter(|| answer(&app, &method, target, &bearer, body));
        });
    }
    group.finish();
}

/// A batch beside what is done to its items.
fn batch(c: &mut Criterion) {
    const ITEMS: usize = 1000;
    let gate = gate();
    let app = App::new(gate.clone(), &settings(&[]).app).unwrap();
    let bearer = format!("Bearer {}", gate.issue_token(&grant()).unwrap());
    let mut group = c.benchmark_group("batch");
    for size in [16, 200] {
        let data = "x".repeat(size);
        let sealed = gate.encrypt_data(data.as_bytes(), b"").unwrap();
        let batch = |member: &str, value: &str| {
            let item = format!(r#"{{"{member}":"{value}"}}"#);
            format!(r#"{{"items":[{}]}}"#, vec![item; ITEMS].join(","))
        };
        let (encrypt, decrypt) = (batch("data", &data), batch("encrypted_data", &sealed));
        group.bench_function(BenchmarkId::new("encrypt_data", size), |b| {
            b.iter(|| {
                for _ in 0..ITEMS {
                    black_box(gate.encrypt_data(data.as_bytes(), b"").unwrap());
                }
            });
        });
        group.bench_function(BenchmarkId::new("/encrypt", size), |b| {
            b.iter(|| answer(&app, &Method::Post, "/encrypt", &bearer, &encrypt));
        });
        group.bench_function(BenchmarkId::new("decrypt_data", size), |b| {
            b.iter(|| {
                for _ in 0..ITEMS {
                    black_box(gate.decrypt_data(&sealed, b"").unwrap());
                }
            });
        });
        group.bench_function(BenchmarkId::new("/decrypt", size), |b| {
            b.iter(|| answer(&app, &Method::Post, "/decrypt", &bearer, &decrypt));
        });
        group.bench_function(BenchmarkId::new("rewrap_data", size), |b| {
            b.iter(|| {
                for _ in 0..ITEMS {
                    black_box(gate.rewrap_data(&sealed, b"").unwrap());
                }
            });
        });
        group.bench_function(BenchmarkId::new("/rewrap", size), |b| {
            b.iter(|| answer(&app, &Method::Post, "/rewrap", &bearer, &decrypt));
        });
    }
    group.finish();
}

fn answer(app: &App, method: &Method, target: &str, bearer: &str, body: &str) -> Response {
    let response = app.handle(&Request {
        method,
        target,
        headers: Headers(vec![
            ("Host", b"localhost"),
            ("Authorization", bearer.as_bytes()),
            ("Content-Type", b"application/json"),
        ]),
        body: body.as_bytes(),
        peer: &Peer::local(None, None),
        version_1_0: false,
        certificate: None,
    });
    assert_eq!(response.status().0, 200);
    response
}

criterion_group!(
    benches,
    seal,
    token,
    api_key,
    token_with_store,
    rest,
    api,
    batch
);
criterion_main!(benches);
