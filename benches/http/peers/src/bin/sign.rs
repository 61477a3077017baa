//! What signing a token alone costs, without any HTTP: with jwt-simple, as Sealgate does; with jsonwebtoken and the same
//! claims; and with jsonwebtoken and the two claims of the Rust peers. Prints a line for each: nanoseconds a signature in
//! the quickest round, since other programs only ever add to it.

use std::hint::black_box;
use std::time::Instant;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use jwt_simple::prelude::{Claims, Duration, HS256Key, HeaderOptions, MACLike};
use serde::{Deserialize, Serialize};

const SECRET: &[u8] = b"a secret of at least thirty-two bytes";
const ID: &str = "Ff3fv7zlSYcTOoR3tK_Vuw";
const KEY_ID: &str = "74ZIEKZkrlo";
const SCOPE: &str = "secure-data encrypt decrypt";
const ROUNDS: usize = 50;
const SIGNATURES: u32 = 2_000;

/// The claims of Sealgate's tokens that jwt-simple does not know by itself.
#[derive(Serialize, Deserialize)]
struct Own {
    username: &'static str,
    scope: &'static str,
}

/// All claims of Sealgate's tokens.
#[derive(Serialize)]
struct All {
    iat: u64,
    exp: u64,
    iss: String,
    sub: String,
    jti: String,
    #[serde(flatten)]
    own: Own,
}

fn main() {
    let key = HS256Key::from_bytes(SECRET).with_key_id(KEY_ID);
    let options = HeaderOptions {
        signature_type: Some("at+jwt".to_owned()),
        content_type: None,
    };
    let sealgates = || {
        let mut claims = Claims::with_custom_claims(own(), Duration::from_secs(1800))
            .with_issuer("sealgate")
            .with_subject("bench")
            .with_jwt_id(ID);
        claims.invalid_before = None;
        key.authenticate_with_options(claims, &options)
            .expect("HS256 signs anything")
    };

    let encoding = EncodingKey::from_secret(SECRET);
    let plain = Header::new(Algorithm::HS256);
    let mut full = plain.clone();
    full.typ = Some("at+jwt".to_owned());
    full.kid = Some(KEY_ID.to_owned());
    let same = || {
        let claims = All {
            iat: 1_900_000_000,
            exp: 1_900_001_800,
            iss: "sealgate".to_owned(),
            sub: "bench".to_owned(),
            jti: ID.to_owned(),
            own: own(),
        };
        jsonwebtoken::encode(&full, &claims, &encoding).expect("HS256 signs anything")
    };
    let two = sealgate_bench_peers::Claims {
        username: "bench".to_owned(),
        exp: 1_900_000_000,
    };
    let peers = || jsonwebtoken::encode(&plain, &two, &encoding).expect("HS256 signs anything");

    let ways: [(&str, &dyn Fn() -> String); 3] = [
        ("jwt-simple", &sealgates),
        ("jsonwebtoken-same", &same),
        ("jsonwebtoken", &peers),
    ];
    let mut quickest = [u128::MAX; 3];
    // Interleaved, as the servers are.
    for _ in 0..ROUNDS {
        for (best, (_, sign)) in quickest.iter_mut().zip(&ways) {
            *best = time(sign).min(*best);
        }
    }
    for (best, (name, _)) in quickest.iter().zip(&ways) {
        println!("{name} {best}");
    }
}

fn own() -> Own {
    Own {
        username: "bench",
        scope: SCOPE,
    }
}

fn time(sign: impl Fn() -> String) -> u128 {
    let begun = Instant::now();
    for _ in 0..SIGNATURES {
        black_box(sign());
    }
    begun.elapsed().as_nanos() / u128::from(SIGNATURES)
}
