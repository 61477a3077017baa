//! What signing a token alone costs, without any HTTP: with jwt-simple, as Sealgate does, and with jsonwebtoken, as the
//! Rust peers do. Prints one line for each: the name and the quickest round in nanoseconds a signature, since other programs
//! only ever add to it.

use std::hint::black_box;
use std::time::Instant;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use jwt_simple::prelude::{Claims, Duration, HS256Key, MACLike};
use serde::{Deserialize, Serialize};

const SECRET: &[u8] = b"a secret of at least thirty-two bytes";
const ROUNDS: usize = 50;
const SIGNATURES: u32 = 2_000;

/// The claims of Sealgate's tokens that jwt-simple does not know by itself.
#[derive(Serialize, Deserialize)]
struct Own {
    username: &'static str,
    scope: &'static str,
}

fn main() {
    let key = HS256Key::from_bytes(SECRET);
    let sealgates = || {
        let own = Own {
            username: "bench",
            scope: "secure-data encrypt decrypt",
        };
        let claims = Claims::with_custom_claims(own, Duration::from_secs(1800))
            .with_issuer("sealgate")
            .with_subject("bench")
            .with_jwt_id("Ff3fv7zlSYcTOoR3tK_Vuw");
        key.authenticate(claims).expect("HS256 signs anything")
    };
    let (header, encoding) = (
        Header::new(Algorithm::HS256),
        EncodingKey::from_secret(SECRET),
    );
    let claims = sealgate_bench_peers::Claims {
        username: "bench".to_owned(),
        exp: 1_900_000_000,
    };
    let peers = || jsonwebtoken::encode(&header, &claims, &encoding).expect("HS256 signs anything");

    let mut quickest = [u128::MAX; 2];
    // Interleaved, as the servers are.
    for _ in 0..ROUNDS {
        quickest[0] = quickest[0].min(time(sealgates));
        quickest[1] = quickest[1].min(time(peers));
    }
    println!("jwt-simple {}\njsonwebtoken {}", quickest[0], quickest[1]);
}

fn time(sign: impl Fn() -> String) -> u128 {
    let begun = Instant::now();
    for _ in 0..SIGNATURES {
        black_box(sign());
    }
    begun.elapsed().as_nanos() / u128::from(SIGNATURES)
}
