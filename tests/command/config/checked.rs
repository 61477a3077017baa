//! `sealgate config --check`: what it looks at, what it refuses, and what it remarks.

use std::os::unix::fs::chown;

use super::*;
use crate::common::place::Place;
use crate::common::{run, said};

#[test]
fn a_check_looks_at_what_the_settings_point_to_and_makes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    let data_dir = ("SEALGATE_DATA_DIR", folder.to_str().unwrap());
    let check = |settings: &[(&str, &str)], arguments: &[&str]| {
        let arguments = [&["config", "--check"], arguments].concat();
        let output = typed(
            home.path(),
            &arguments,
            b"",
            &[settings, &[data_dir]].concat(),
        );
        (
            output.status.code().unwrap(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let fine = (0, "The settings are in order.\n".to_owned(), String::new());
    assert_eq!(check(&[], &[]), fine, "no ring yet is no fault");
    assert!(!folder.exists());
    typed(home.path(), &["keys", "generate"], b"", &[data_dir]);
    assert_eq!(check(&[], &[]), fine);

    let ring = folder.join("keys.json");
    let good = fs::read_to_string(&ring).unwrap();
    fs::write(&ring, "x").unwrap();
    assert!(check(&[], &[]).2.contains("is damaged"));
    write(&ring, &good, 0o644);
    assert!(check(&[], &[]).2.contains("chmod 600"));
    assert_eq!(check(&[("SEALGATE_KEYS", "ephemeral")], &[]), fine);
    write(&ring, &good, 0o600);
    let store = folder.join("store.db");
    write(&store, "", 0o640);
    let (code, _, said) = check(&[], &[]);
    assert!(code == 2 && said.contains("store.db"), "{said}");
    assert!(said.contains("chmod 600"), "{said}");
    fs::remove_file(&store).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(check(&[], &[]).2.contains("chmod 700"));
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();

    let missing = home.path().join("none/file");
    let missing = missing.to_str().unwrap();
    let socket = format!("unix:{missing}");
    for (arguments, fault) in [
        (["--secure-data-file", missing], "SEALGATE_SECURE_DATA_FILE"),
        (["--log-file", missing], "SEALGATE_LOG_FILE"),
        (["--listen", &socket], "SEALGATE_LISTEN"),
    ] {
        let (code, out, said) = check(&[], &arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(said.contains(fault) && said.lines().count() == 1, "{said}");
    }
    let exposed = ["--listen", "0.0.0.0:0"];
    assert_eq!(check(&[], &exposed), fine);
    let said = check(&[("SEALGATE_ENGINE", "tiny-http")], &exposed).2;
    assert!(said.contains("SEALGATE_TRUSTED_PROXIES"), "{said}");
    let key = home.path().join("key.pem");
    write(&key, "x", 0o600);
    let key = key.to_str().unwrap();
    for (cert, key, words) in [
        (missing, key, "SEALGATE_TLS_CERT: "),
        (key, missing, "holds no certificate in PEM"),
        (key, "", "--tls-cert and SEALGATE_TLS_KEY belong together"),
    ] {
        let settings = [("SEALGATE_TLS_KEY", key)];
        let (code, out, said) = check(&settings, &["--tls-cert", cert]);
        assert_eq!((code, out.as_str()), (2, ""), "{said}");
        assert!(said.contains(words) && said.lines().count() == 1, "{said}");
    }
    let log = home.path().join("log");
    assert_eq!(check(&[], &["--log-file", log.to_str().unwrap()]), fine);
    assert!(!log.exists());
}

#[test]
fn a_settings_file_with_secrets_that_others_can_read_gets_a_remark() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("sealgate.toml");
    let arguments = ["config", "--check", "--config", file.to_str().unwrap()];
    for (text_of_file, mode, remark) in [
        ("secure_data = \"canary\"\n", 0o644, Some("every user")),
        ("secure_data = \"canary\"\n", 0o640, Some("its group")),
        ("secure_data = \"canary\"\n", 0o600, None),
        ("max_requests = 7\n", 0o644, None),
        ("max_requests = 7\n", 0o664, None),
    ] {
        write(&file, text_of_file, mode);
        let output = typed(home.path(), &arguments, b"", &[]);
        assert_eq!(output.status.code(), Some(0), "a remark is no fault");
        let said = text(&output.stderr);
        assert!(!said.contains("canary"));
        match remark {
            Some(who) => assert!(said.contains(who) && said.contains("chmod 600"), "{said}"),
            None => assert_eq!(said, ""),
        }
    }
}

#[test]
fn a_settings_file_is_judged_by_all_that_is_in_it() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("sealgate.toml");
    let path = file.to_str().unwrap();
    let check = |text_of_file: &str, mode, settings: &[(&str, &str)]| {
        write(&file, text_of_file, mode);
        let arguments = ["config", "--check", "--config", path];
        let output = typed(home.path(), &arguments, b"", settings);
        (output.status.code(), text(&output.stderr))
    };
    // The secret in it is none the less one for another that wins.
    let other = [("SEALGATE_SECURE_DATA", "another")];
    let secret = "secure_data = \"canary\"\n";
    let (code, said) = check(secret, 0o644, &other);
    assert!(code == Some(0) && said.contains("every user"), "{said}");
    assert_eq!(check(secret, 0o664, &other).0, Some(2));
    // Who can write to one without secrets decides who may log in.
    let (code, said) = check("max_requests = 7\n", 0o646, &[]);
    assert!(code == Some(2) && said.contains("chmod o-w"), "{said}");
}

/// A key and its certificate, in files.
fn pair(folder: &Path) -> (String, String) {
    use openssl::asn1::Asn1Time;
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKey;
    use openssl::x509::X509;
    let key = PKey::generate_ed25519().unwrap();
    let mut certificate = X509::builder().unwrap();
    certificate.set_pubkey(&key).unwrap();
    let (now, later) = (Asn1Time::days_from_now(0), Asn1Time::days_from_now(1));
    certificate.set_not_before(&now.unwrap()).unwrap();
    certificate.set_not_after(&later.unwrap()).unwrap();
    certificate.sign(&key, MessageDigest::null()).unwrap();
    let put = |name: &str, text: Vec<u8>| {
        let path = folder.join(name);
        write(&path, &String::from_utf8(text).unwrap(), 0o600);
        path.to_str().unwrap().to_owned()
    };
    let certificate = certificate.build().to_pem().unwrap();
    let key = key.private_key_to_pem_pkcs8().unwrap();
    (put("key.pem", key), put("cert.pem", certificate))
}

/// One rule for all files with secrets that we are given, and for old logs.
#[test]
fn files_with_secrets_that_others_can_change_are_refused_and_those_they_can_read_get_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let (key, cert) = pair(home.path());
    let place = |name: &str, text: &str| {
        let path = home.path().join(name);
        write(&path, text, 0o600);
        path.to_str().unwrap().to_owned()
    };
    let files = [
        (
            "SEALGATE_CONFIG",
            place("sealgate.toml", "aes_key = \"canary--canary--\"\n"),
        ),
        (
            "SEALGATE_RING_KEY_FILE",
            place("ring.key", "correct horse battery"),
        ),
        ("SEALGATE_TLS_KEY", key),
        ("SEALGATE_SECURE_DATA_FILE", place("data", "canary")),
        ("SEALGATE_LOG_FILE", place("log", "")),
        ("SEALGATE_AUDIT_FILE", place("audit", "")),
    ];
    for (name, file) in &files {
        let mut settings = vec![(*name, file.as_str())];
        if *name == "SEALGATE_TLS_KEY" {
            settings.push(("SEALGATE_TLS_CERT", &cert));
        }
        let mode = |mode| fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
        let run = |arguments: &[&str]| {
            let output = typed(home.path(), arguments, b"", &settings);
            let said = text(&output.stderr);
            assert!(
                !said.contains("canary") && !said.contains("horse"),
                "{said}"
            );
            (output.status.code(), said)
        };
        for writable in [0o620, 0o602, 0o666] {
            mode(writable);
            for arguments in [
                &["config", "--check"][..],
                &["serve", "--listen", "127.0.0.1:0"],
            ] {
                let (code, said) = run(arguments);
                assert_eq!(code, Some(2), "{name} {arguments:?}: {said}");
                assert!(
                    said.contains(file.as_str()) && said.contains("chmod go-w"),
                    "{name}: {said}"
                );
            }
        }
        for readable in [0o644, 0o444, 0o640] {
            mode(readable);
            let (code, said) = run(&["config", "--check"]);
            assert_eq!(code, Some(0), "{name}: {said}");
            assert!(
                said.contains(file.as_str()) && said.contains("chmod 600"),
                "{said}"
            );
        }
        if *name != "SEALGATE_TLS_KEY" {
            mode(0o644);
            let log = crate::common::Server::start(home.path(), &settings).stop();
            assert!(log.contains("can be read by every user"), "{name}: {log}");
        }
        mode(0o600);
        assert_eq!(run(&["config", "--check"]), (Some(0), String::new()));
        // Whoever can write to the folder can put another file there.
        let open = home.path().join("open");
        fs::create_dir(&open).unwrap();
        let link = home.path().join("link");
        let moved = open.join("file");
        fs::copy(file, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, &link).unwrap();
        let (further, inner) = (open.join("link"), open.join("inner"));
        std::os::unix::fs::symlink(file, &further).unwrap();
        let by_links = home.path().join("by links");
        std::os::unix::fs::symlink(&further, &by_links).unwrap();
        fs::create_dir(&inner).unwrap();
        let deeper = inner.join("file");
        fs::copy(file, &deeper).unwrap();
        for path in [&moved, &link, &by_links, &deeper] {
            let mut settings = settings.clone();
            settings[0].1 = path.to_str().unwrap();
            for (mode, code) in [(0o777, 2), (0o1777, 0), (0o755, 0)] {
                fs::set_permissions(&open, fs::Permissions::from_mode(mode)).unwrap();
                let output = typed(home.path(), &["config", "--check"], b"", &settings);
                let said = text(&output.stderr);
                assert_eq!(output.status.code(), Some(code), "{name} {mode:o}: {said}");
                assert_eq!(said.contains("chmod o-w"), code == 2, "{said}");
            }
        }
        fs::remove_file(&link).unwrap();
        fs::remove_file(&by_links).unwrap();
        fs::remove_dir_all(&open).unwrap();
    }
}

/// Its lines could be replaced as soon as it is there.
#[test]
fn a_log_is_not_created_where_every_user_can_replace_it() {
    let home = tempfile::tempdir().unwrap();
    let open = home.path().join("open");
    fs::create_dir(&open).unwrap();
    let mode = |mode| fs::set_permissions(&open, fs::Permissions::from_mode(mode)).unwrap();
    for name in ["SEALGATE_LOG_FILE", "SEALGATE_AUDIT_FILE"] {
        let file = open.join(name);
        let settings = [(name, file.to_str().unwrap())];
        mode(0o777);
        for arguments in [
            &["config", "--check"][..],
            &["serve", "--listen", "127.0.0.1:0"],
        ] {
            let output = typed(home.path(), arguments, b"", &settings);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{name}: {said}");
            assert!(said.contains("chmod o-w") && !file.exists(), "{said}");
        }
        mode(0o755);
        crate::common::Server::start(home.path(), &settings).stop();
        assert!(file.exists());
    }
}

/// In a container root is given files of the machine's users.
#[test]
fn what_another_user_can_replace_gets_a_warning() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    const OTHER: Option<u32> = Some(65_534);
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("others");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("ring.key");
    write(&file, "correct horse battery", 0o600);
    let check = || {
        let settings = [("SEALGATE_RING_KEY_FILE", file.to_str().unwrap())];
        let output = typed(home.path(), &["config", "--check"], b"", &settings);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        text(&output.stderr)
    };
    assert_eq!(check(), "");
    chown(&file, OTHER, None).unwrap();
    for mode in [0o600, 0o644] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        assert!(check().contains("belongs to another user (65534), who can change it"));
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    chown(&file, Some(0), None).unwrap();
    chown(&folder, OTHER, None).unwrap();
    assert!(check().contains("is in a directory of another user (65534)"));
}

#[test]
fn the_rings_backup_is_refused_if_others_can_read_it() {
    let place = Place::with_ring();
    let done = run(place.command(&["keys", "rotate"]), b"");
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let backup = place.ring().with_file_name("keys.json.bak");
    fs::set_permissions(&backup, fs::Permissions::from_mode(0o640)).unwrap();
    for arguments in [
        &["config", "--check"][..],
        &["serve", "--listen", "127.0.0.1:0"],
    ] {
        let refused = run(place.command(arguments), b"");
        assert_ne!(refused.status.code(), Some(0));
        let said = said(&refused);
        assert!(
            said.contains("keys.json.bak") && said.contains("chmod 600"),
            "{said}"
        );
    }
}

#[test]
fn a_check_judges_what_audit_events_go_to() {
    use std::os::unix::net::{UnixDatagram, UnixListener};

    let home = tempfile::tempdir().unwrap();
    let place = |name: &str| home.path().join(name);
    let _datagrams = UnixDatagram::bind(place("datagrams")).unwrap();
    let _stream = UnixListener::bind(place("stream")).unwrap();
    write(&place("file"), "", 0o600);
    let check = |settings: &[(&str, &str)]| {
        let output = typed(home.path(), &["config", "--check"], b"", settings);
        (output.status.code(), text(&output.stderr))
    };
    let with = |kind: &str, name: &str| format!("{kind}:{}", place(name).display());
    for good in [
        with("syslog", "datagrams"),
        with("syslog", "stream"),
        with("journald", "datagrams"),
    ] {
        let settings = [
            ("SEALGATE_AUDIT", &*good),
            ("SEALGATE_AUDIT_FAIL", "closed"),
        ];
        assert_eq!(check(&settings), (Some(0), String::new()), "{good}");
    }
    for (bad, why) in [
        (with("syslog", "nowhere"), "No such file"),
        (with("syslog", "file"), "Connection refused"),
        (with("journald", "stream"), "wrong type"),
        (with("syslog", &"long".repeat(40)), "cannot be used"),
    ] {
        let (code, said) = check(&[("SEALGATE_AUDIT", &bad)]);
        assert_eq!(code, Some(2), "{bad}");
        assert!(
            said.contains("SEALGATE_AUDIT: the socket ") && said.contains(why),
            "{said}"
        );
    }
    for malformed in [
        "syslog",
        "syslog:relative",
        "journal:",
        "file:/x",
        "SYSLOG:",
    ] {
        let (code, said) = check(&[("SEALGATE_AUDIT", malformed)]);
        assert_eq!(code, Some(2), "{malformed}");
        assert!(
            said.contains("SEALGATE_AUDIT must be syslog: or journald:"),
            "{said}"
        );
    }
    let (code, said) = check(&[("SEALGATE_AUDIT_FAIL", "closed")]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("SEALGATE_AUDIT_FAIL is closed") && said.contains("SEALGATE_AUDIT_FILE"),
        "{said}"
    );
    let (code, said) = check(&[("SEALGATE_AUDIT_FAIL", "shut")]);
    assert_eq!(code, Some(2));
    assert!(said.contains("must be one of: open, closed"), "{said}");
}
