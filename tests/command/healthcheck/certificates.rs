//! Servers with TLS: by which certificate one is known, and which remarks and faults there are.

use super::*;

#[test]
fn a_server_is_known_by_its_certificate_and_not_by_a_name() {
    let home = tempfile::tempdir().unwrap();
    let papers = Papers::new();
    papers.issue("own", None, (-1, 1));
    papers.issue("other", None, (-1, 1));
    let own = papers.settings("own");
    let (_server, listen) = serve(home.path(), "127.0.0.1:0,0.0.0.0:0", &own);
    is_ready(&check(home.path(), &listen, &[], &own));
    let other = papers.settings("other");
    let words = [
        "not the one in SEALGATE_TLS_CERT",
        "the server reloads it within 5 seconds",
        "https://",
    ];
    is_not(&check(home.path(), &listen, &[], &other), &words);
    is_not(
        &check(home.path(), &listen, &[], &[]),
        &["If it speaks TLS, set SEALGATE_TLS_CERT"],
    );
    let (_plain, listen) = serve(home.path(), "127.0.0.1:0", &[]);
    is_not(
        &check(home.path(), &listen, &[], &own),
        &["does not speak TLS"],
    );
    papers.issue("client-only", None, (-1, 1));
    let unfit = papers.settings("client-only");
    let (_unfit, unfit_listen) = serve(home.path(), "127.0.0.1:0", &unfit);
    let words = ["that clients refuse", "purpose"];
    is_not(&check(home.path(), &unfit_listen, &[], &unfit), &words);
    let missing = [("SEALGATE_TLS_CERT", papers.shown("missing"))];
    let missing = check(home.path(), &listen, &[], &missing);
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
    let damaged = [("SEALGATE_TLS_CERT", papers.shown("own-key"))];
    let damaged = check(home.path(), &listen, &[], &damaged);
    assert_eq!(damaged.status.code(), Some(2), "{damaged:?}");
}

#[test]
fn a_renewed_certificate_of_the_same_issuer_is_accepted_with_a_remark() {
    let home = tempfile::tempdir().unwrap();
    let papers = Papers::new();
    let ca = papers.issue("ca", None, (-1, 9));
    let issue = |name: &str| {
        papers.issue(name, Some(&ca), (-1, 1));
        let mut chain = fs::read(papers.path(name)).unwrap();
        chain.extend(fs::read(papers.path("ca")).unwrap());
        fs::write(papers.path(name), chain).unwrap();
    };
    issue("own");
    let own = papers.settings("own");
    let (_server, listen) = serve(home.path(), "127.0.0.1:0", &own);
    let before = check(home.path(), &listen, &[], &own);
    is_ready(&before);
    assert!(before.stderr.is_empty(), "{before:?}");
    // In a file of its own, or the server would use it.
    issue("renewed");
    let renewed = check(home.path(), &listen, &[], &papers.settings("renewed"));
    is_ready(&renewed);
    assert!(
        text(&renewed.stderr).contains("the server reloads it"),
        "{renewed:?}"
    );
}

#[test]
fn a_certificate_that_clients_refuse_for_its_dates_is_named() {
    let home = tempfile::tempdir().unwrap();
    let papers = Papers::new();
    papers.issue("own", None, (-9, -2));
    let own = papers.settings("own");
    let (_server, listen) = serve(home.path(), "127.0.0.1:0", &own);
    is_not(
        &check(home.path(), &listen, &[], &own),
        &["expired on", "Renew it; the server then reloads it"],
    );
    papers.issue("own", None, (2, 9));
    let (_server, listen) = serve(home.path(), "127.0.0.1:0", &own);
    is_not(
        &check(home.path(), &listen, &[], &own),
        &["not valid before"],
    );
}

#[test]
fn a_server_that_wants_a_client_certificate_is_alive_without_and_ready_with_one() {
    let home = tempfile::tempdir().unwrap();
    let papers = Papers::new();
    papers.issue("own", None, (-1, 1));
    let ca = papers.issue("ca", None, (-1, 1));
    papers.issue("probe", Some(&ca), (-1, 1));
    papers.issue("stranger", None, (-1, 1));
    let mut own = papers.settings("own");
    own.push(("SEALGATE_TLS_CLIENT_CA", papers.shown("ca")));
    let (cert, key) = (papers.shown("probe"), papers.shown("probe-key"));
    let probe = ["--cert", &cert, "--key", &key];
    let (server, listen) = serve(home.path(), "127.0.0.1:0", &own);
    is_ready(&check(home.path(), &listen, &probe, &own));
    // Also where the check does not know what the server asks for.
    for settings in [&own[..], &own[..2]] {
        let alive = check(home.path(), &listen, &[], settings);
        let seen = (alive.status.code(), text(&alive.stdout));
        assert_eq!(seen, (Some(0), "alive\n".to_owned()), "{alive:?}");
        assert!(
            text(&alive.stderr).contains("--cert and --key"),
            "{alive:?}"
        );
    }
    let (cert, key) = (papers.shown("stranger"), papers.shown("stranger-key"));
    let stranger = ["--cert", &cert, "--key", &key];
    let words = ["the client certificate"];
    is_not(&check(home.path(), &listen, &stranger, &own), &words);
    for lacking in [&["--cert", &cert][..], &["--cert", &key, "--key", &key]] {
        let wrong = check(home.path(), &listen, lacking, &own);
        assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    }
    // One that shows another certificate is not alive.
    let mut impostor = papers.settings("stranger");
    impostor.push(own[2].clone());
    is_not(
        &check(home.path(), &listen, &[], &impostor),
        &["not the one in"],
    );
    server.stop();
    own.push(("SEALGATE_TLS_CLIENT", "optional".to_owned()));
    let (_server, listen) = serve(home.path(), "127.0.0.1:0", &own);
    is_ready(&check(home.path(), &listen, &[], &own));
}
