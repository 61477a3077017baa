//! What issuing and verifying a token costs: Sealgate beside jwt-simple and jsonwebtoken (on aws-lc), all with Sealgate's
//! seven claims; jsonwebtoken also with the two claims of the Rust peers in `benches/http`; and OpenSSL's ECDSA alone, of a
//! digest. All take turns within each round. Medians and best quartiles of this thread's CPU time are printed.
//! `make bench-signing ROUNDS=101`
//!
//! For instruction counts, `sealgate-bench-signing PART CALLS` makes only these calls of one part, such as
//! `issue-HS256-Sealgate`, for `valgrind --tool=callgrind`.

use std::env;
use std::hint::black_box;
use std::time::{Duration as Time, SystemTime};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use jwt_simple::prelude::{
    Claims, Duration, ECDSAP256KeyPairLike, ECDSAP256PublicKeyLike, ES256KeyPair, HS256Key,
    HeaderOptions, JWTClaims, MACLike,
};
use nix::time::{ClockId, clock_gettime};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use sealgate::{Config, Gate, Grant};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

const SECRET: &str = "a secret of at least thirty-two bytes";
const ID: &str = "Ff3fv7zlSYcTOoR3tK_Vuw";
const KEY_ID: &str = "74ZIEKZkrlo";
const USER: &str = "test_user";
const SCOPE: &str = "secure-data encrypt decrypt";
const LIFE: u64 = 1800;

/// Sealgate's claims for which jwt-simple has no field of its own.
#[derive(Serialize, Deserialize)]
struct Own {
    username: String,
    scope: String,
}

/// All of Sealgate's claims.
#[derive(Serialize, Deserialize)]
struct All {
    iss: String,
    sub: String,
    jti: String,
    iat: u64,
    exp: u64,
    username: String,
    scope: String,
}

#[derive(Serialize, Deserialize)]
struct Two {
    username: String,
    exp: u64,
}

/// One thing that is measured: it makes one call.
struct Part {
    name: String,
    call: Box<dyn Fn()>,
}

fn part(name: &str, call: impl Fn() + 'static) -> Part {
    Part {
        name: name.to_owned(),
        call: Box::new(call),
    }
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().expect("a time").as_secs()
}

fn sealgates(algorithm: &'static str) -> [Part; 2] {
    let mut config = Config::new();
    let mut settings = vec![
        ("keys", "ephemeral"),
        ("token_cache", "0"),
        ("token_algorithm", algorithm),
    ];
    if algorithm == "HS256" {
        settings.push(("jwt_secret_key", SECRET));
    }
    for (name, value) in settings {
        config.set(name, value).expect("a setting");
    }
    let gate = Gate::new(&config.settings().expect("settings").gate).expect("a gate");
    let grant = Grant {
        subject: USER,
        scope: SCOPE,
        ..Grant::default()
    };
    let token = gate.issue_token(&grant).expect("a token");
    let verifier = gate.clone();
    [
        part(&format!("issue-{algorithm}-Sealgate"), move || {
            black_box(gate.issue_token(black_box(&grant)).expect("a token"));
        }),
        part(&format!("verify-{algorithm}-Sealgate"), move || {
            black_box(verifier.verify_token(black_box(&token)).expect("valid"));
        }),
    ]
}

fn simple_claims() -> JWTClaims<Own> {
    let own = Own {
        username: USER.to_owned(),
        scope: SCOPE.to_owned(),
    };
    let mut claims = Claims::with_custom_claims(own, Duration::from_secs(LIFE))
        .with_issuer("sealgate")
        .with_subject(USER)
        .with_jwt_id(ID);
    claims.invalid_before = None;
    claims
}

fn options() -> HeaderOptions {
    HeaderOptions {
        signature_type: Some("at+jwt".to_owned()),
        content_type: None,
    }
}

fn simple_hs256() -> [Part; 2] {
    let key = HS256Key::from_bytes(SECRET.as_bytes()).with_key_id(KEY_ID);
    let verifier = key.clone();
    let issue = move || {
        key.authenticate_with_options(simple_claims(), &options())
            .expect("a token")
    };
    let token = issue();
    [
        part("issue-HS256-jwt-simple", move || {
            black_box(issue());
        }),
        part("verify-HS256-jwt-simple", move || {
            black_box(
                verifier
                    .verify_token::<Own>(black_box(&token), None)
                    .expect("valid"),
            );
        }),
    ]
}

fn simple_es256(key: ES256KeyPair) -> [Part; 2] {
    let verifier = key.public_key();
    let issue = move || {
        key.sign_with_options(simple_claims(), &options())
            .expect("a token")
    };
    let token = issue();
    [
        part("issue-ES256-jwt-simple", move || {
            black_box(issue());
        }),
        part("verify-ES256-jwt-simple", move || {
            black_box(
                verifier
                    .verify_token::<Own>(black_box(&token), None)
                    .expect("valid"),
            );
        }),
    ]
}

/// Only the signature: no claims, no hash.
fn openssl_es256() -> [Part; 2] {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
    let key = EcKey::generate(&group).expect("a key");
    let verifier = key.clone();
    let digest = [7; 32];
    let signature = EcdsaSig::sign(&digest, &key).expect("a signature");
    [
        part("issue-ES256-OpenSSL, digest", move || {
            black_box(EcdsaSig::sign(black_box(&digest), &key).expect("a signature"));
        }),
        part("verify-ES256-OpenSSL, digest", move || {
            let valid = signature.verify(black_box(&digest), &verifier);
            assert!(valid.expect("a verdict"));
        }),
    ]
}

fn jsonwebtokens<C: Serialize + DeserializeOwned + 'static>(
    peer: &str,
    header: Header,
    claims: impl Fn() -> C + 'static,
    keys: (EncodingKey, DecodingKey),
) -> [Part; 2] {
    let algorithm = header.alg;
    let (key, verifier) = keys;
    let issue = move || jsonwebtoken::encode(&header, &claims(), &key).expect("a token");
    let token = issue();
    let validation = Validation::new(algorithm);
    [
        part(&format!("issue-{algorithm:?}-{peer}"), move || {
            black_box(issue());
        }),
        part(&format!("verify-{algorithm:?}-{peer}"), move || {
            let read = jsonwebtoken::decode::<C>(black_box(&token), &verifier, &validation);
            black_box(read.expect("valid"));
        }),
    ]
}

fn header(algorithm: Algorithm) -> Header {
    let mut header = Header::new(algorithm);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(KEY_ID.to_owned());
    header
}

fn all_claims() -> All {
    let now = now();
    All {
        iss: "sealgate".to_owned(),
        sub: USER.to_owned(),
        jti: ID.to_owned(),
        iat: now,
        exp: now + LIFE,
        username: USER.to_owned(),
        scope: SCOPE.to_owned(),
    }
}

fn two_claims() -> Two {
    Two {
        username: USER.to_owned(),
        exp: now() + LIFE,
    }
}

fn parts() -> Vec<Part> {
    let secrets = || {
        let secret = SECRET.as_bytes();
        (
            EncodingKey::from_secret(secret),
            DecodingKey::from_secret(secret),
        )
    };
    let pair = ES256KeyPair::generate();
    let private = pair.to_pem().expect("PEM");
    let public = pair.public_key().to_pem().expect("PEM");
    let pairs = (
        EncodingKey::from_ec_pem(private.as_bytes()).expect("a key"),
        DecodingKey::from_ec_pem(public.as_bytes()).expect("a key"),
    );
    let (hs256, es256) = (Algorithm::HS256, Algorithm::ES256);
    let mut parts = Vec::new();
    parts.extend(sealgates("HS256"));
    parts.extend(simple_hs256());
    parts.extend(jsonwebtokens(
        "jsonwebtoken",
        header(hs256),
        all_claims,
        secrets(),
    ));
    let plain = Header::new(hs256);
    parts.extend(jsonwebtokens(
        "jsonwebtoken, two claims",
        plain,
        two_claims,
        secrets(),
    ));
    parts.extend(sealgates("ES256"));
    parts.extend(openssl_es256());
    parts.extend(simple_es256(pair));
    parts.extend(jsonwebtokens(
        "jsonwebtoken",
        header(es256),
        all_claims,
        pairs,
    ));
    parts.extend(sealgates("EdDSA"));
    parts
}

/// Of this thread alone: what else runs on the machine does not count.
fn cpu_time() -> Time {
    let used = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the clock of this thread");
    Time::from(used)
}

/// Nanoseconds a call.
fn time(part: &Part, calls: u32) -> f64 {
    let begun = cpu_time();
    for _ in 0..calls {
        (part.call)();
    }
    (cpu_time() - begun).as_nanos() as f64 / f64::from(calls)
}

fn measure(parts: &[Part], rounds: usize) {
    // About two milliseconds each.
    let calls: Vec<u32> = parts
        .iter()
        .map(|part| (2e6 / time(part, 20)).max(1.0) as u32)
        .collect();
    let mut times = vec![Vec::with_capacity(rounds); parts.len()];
    for _ in 0..rounds {
        for ((part, calls), times) in parts.iter().zip(&calls).zip(&mut times) {
            times.push(time(part, *calls));
        }
    }
    println!(
        "{:40} {:>10} {:>15}",
        format!("{rounds} rounds, µs a call"),
        "median",
        "best quartile"
    );
    for (part, times) in parts.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let [quarter, median] = [rounds / 4, rounds / 2].map(|at| times[at] / 1e3);
        println!("{:40} {median:>10.2} {quarter:>15.2}", part.name);
    }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let parts = parts();
    match &arguments[..] {
        [name, calls] => {
            let part = parts
                .iter()
                .find(|part| part.name == *name)
                .expect("a part of this name");
            let calls = calls.parse().expect("a number of calls");
            println!("{name}: {:.0} ns a call", time(part, calls));
        }
        [] => measure(&parts, 101),
        [rounds] => measure(
            &parts,
            rounds
                .parse()
                .ok()
                .filter(|rounds| *rounds > 0)
                .expect("a number of rounds"),
        ),
        _ => panic!("usage: sealgate-bench-signing [ROUNDS | PART CALLS]"),
    }
}
