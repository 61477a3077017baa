//! Client certificates.

use openssl::ssl::{SslContext, SslContextBuilder, SslVersion};

use super::papers::{Desk, Paper, Wanted};
use super::talk::{Talk, client_of};

const VERSIONS: [SslVersion; 2] = [SslVersion::TLS1_2, SslVersion::TLS1_3];

/// A client that presents these certificates, its own first.
fn showing(desk: &Desk, version: SslVersion, papers: &[&Paper]) -> SslContext {
    let mut context: SslContextBuilder = client_of(&desk.root, version);
    if let [own, issuers @ ..] = papers {
        context.set_certificate(&own.certificate).unwrap();
        context.set_private_key(&own.key).unwrap();
        for issuer in issuers {
            context
                .add_extra_chain_cert(issuer.certificate.clone())
                .unwrap();
        }
    }
    context.build()
}

/// The name that the server records for the client, or the alert that the client gets.
fn known_as(desk: &Desk, version: SslVersion, papers: &[&Paper]) -> Result<Option<String>, String> {
    let mut talk = Talk::shaken(&desk.acceptor(), &showing(desk, version, papers))?;
    assert_eq!(talk.send(b"GET /"), b"GET /");
    Ok(talk.server.client().map(str::to_owned))
}

#[test]
fn a_client_is_known_by_its_subject() {
    let issuer = Paper::authority("Clients");
    let alice = issuer.issue(&Wanted::default());
    for required in [true, false] {
        let desk = Desk::asking(&issuer, required);
        for version in VERSIONS {
            let name = known_as(&desk, version, &[&alice]);
            assert_eq!(name.unwrap().as_deref(), Some("CN=alice,O=Example"));
        }
    }
}

#[test]
fn a_client_without_a_certificate_is_served_only_if_it_is_optional() {
    let issuer = Paper::authority("Clients");
    for version in VERSIONS {
        let name = known_as(&Desk::asking(&issuer, false), version, &[]);
        assert_eq!(name, Ok(None));
        let said = known_as(&Desk::asking(&issuer, true), version, &[]).unwrap_err();
        let reason = match version {
            SslVersion::TLS1_2 => "handshake failure",
            _ => "certificate required",
        };
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn an_invalid_certificate_is_refused_even_if_it_is_optional() {
    let issuer = Paper::authority("Clients");
    let other = Paper::authority("Others");
    let liar = Paper::authority("Clients");
    let wanted = Wanted::default;
    let expired = Wanted {
        time: (-1000, -10),
        ..wanted()
    };
    let early = Wanted {
        time: (1000, 2000),
        ..wanted()
    };
    let for_servers = Wanted {
        for_servers: true,
        ..wanted()
    };
    // Signed by a certificate that is not a CA.
    let alice = issuer.issue(&wanted());
    let minion = alice.issue(&wanted());
    let cases = [
        (vec![issuer.issue(&expired)], "expired"),
        (vec![issuer.issue(&early)], "bad certificate"),
        (vec![issuer.issue(&for_servers)], "unsupported certificate"),
        (vec![other.issue(&wanted())], "unknown ca"),
        (vec![other.issue(&wanted()), other.clone()], "unknown ca"),
        (vec![liar.issue(&wanted())], "decrypt error"),
        (vec![minion, alice], "ca"),
    ];
    for required in [true, false] {
        let desk = Desk::asking(&issuer, required);
        for version in VERSIONS {
            for (papers, reason) in &cases {
                let papers: Vec<&Paper> = papers.iter().collect();
                let said = known_as(&desk, version, &papers).unwrap_err();
                assert!(said.contains(reason), "{said}, not {reason}");
            }
        }
    }
}

#[test]
fn a_client_may_send_intermediate_certificates() {
    let root = Paper::authority("Root of clients");
    let authority = |name: &str, issuer: &Paper| {
        let subject = [("CN", name)];
        issuer.issue(&Wanted {
            subject: &subject,
            is_authority: true,
            ..Wanted::default()
        })
    };
    let between = authority("Between", &root);
    let alice = between.issue(&Wanted::default());
    for version in VERSIONS {
        let desk = Desk::asking(&root, true);
        let name = known_as(&desk, version, &[&alice, &between]);
        assert_eq!(name.unwrap().as_deref(), Some("CN=alice,O=Example"));
        assert!(known_as(&desk, version, &[&alice]).is_err());
        // An intermediate in the CA file is a trust anchor.
        let desk = Desk::asking(&between, true);
        assert!(known_as(&desk, version, &[&alice]).is_ok());
    }

    let mut chain = vec![root.clone()];
    for depth in 0..7 {
        let next = authority(&format!("Number {depth}"), &chain[0]);
        chain.insert(0, next);
    }
    let deep = chain[0].issue(&Wanted::default());
    let mut papers = vec![&deep];
    papers.extend(&chain[..7]);
    let desk = Desk::asking(&root, true);
    assert!(known_as(&desk, SslVersion::TLS1_3, &papers).is_err());
}

#[test]
fn without_a_ca_file_no_client_certificate_is_requested() {
    let desk = Desk::new();
    let alice = desk.root.issue(&Wanted::default());
    for version in VERSIONS {
        assert_eq!(known_as(&desk, version, &[&alice]), Ok(None));
    }
}
