//! Clients that the server knows: by the ticket of an earlier session, or by a certificate.

use std::path::Path;

use super::Papers;
use crate::common::text;

fn as_client<'a>(cert: &'a Path, key: &'a Path) -> [&'a str; 4] {
    [
        "--cert",
        cert.to_str().unwrap(),
        "--key",
        key.to_str().unwrap(),
    ]
}

#[test]
fn clients_come_back_with_their_tickets() {
    let Some(papers) = Papers::new() else { return };
    let secure = papers.serve(&[]);
    let ticket = papers.path("ticket");
    let ticket = ticket.to_str().unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for version in ["-tls1_2", "-tls1_3"] {
        let first = text(
            &secure
                .s_client(&[version, "-sess_out", ticket], request)
                .stdout,
        );
        assert!(
            first.contains("New, TLSv1.") && first.contains("200 OK"),
            "{first}"
        );
        let again = text(
            &secure
                .s_client(&[version, "-sess_in", ticket], request)
                .stdout,
        );
        assert!(
            again.contains("Reused, TLSv1.") && again.contains("200 OK"),
            "{again}"
        );
    }
}

#[test]
fn clients_are_known_by_their_certificates() {
    let Some(papers) = Papers::new() else { return };
    let ca = papers.path("ca.pem");
    let ca = ("SEALGATE_TLS_CLIENT_CA", ca.to_str().unwrap());
    let (alice, key) = (papers.path("alice.pem"), papers.path("alice-key.pem"));
    let alice = as_client(&alice, &key);
    let (stranger, key) = (papers.path("stranger.pem"), papers.path("stranger-key.pem"));
    let stranger = as_client(&stranger, &key);

    let secure = papers.serve(&[ca]);
    let url = secure.url("/healthz");
    for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        assert!(!secure.curl(&[version, &[&url]].concat()).status.success());
        let arguments = [version, &[&url], &stranger].concat();
        assert!(!secure.curl(&arguments).status.success());
        secure.fetch("/healthz", &[version, &alice].concat());
    }
    let log = secure.server.stop();
    assert_eq!(log.matches("CN=alice,O=Example").count(), 2, "{log}");

    let secure = papers.serve(&[ca, ("SEALGATE_TLS_CLIENT", "optional")]);
    secure.fetch("/healthz", &[]);
    secure.fetch("/healthz", &alice);
    assert!(
        !secure
            .curl(&[&[url.as_str()][..], &stranger].concat())
            .status
            .success()
    );
    let log = secure.server.stop();
    assert_eq!(log.matches("CN=alice,O=Example").count(), 1, "{log}");
}
