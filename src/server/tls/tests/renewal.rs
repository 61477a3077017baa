//! Files that change while the server runs: what new handshakes then use, and what changes nothing.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use openssl::ssl::SslContext;

use super::super::reload::SETTLE;
use super::super::{CertificateStatus, TlsAcceptor};
use super::papers::{Desk, Paper, Wanted, ec_key};
use super::talk::{Talk, client};

/// Checks until a change has been read.
fn look(acceptor: &TlsAcceptor) {
    let certificates = acceptor.certificates();
    loop {
        let pause = certificates.look();
        if pause > SETTLE {
            return;
        }
        thread::sleep(pause);
    }
}

fn status(acceptor: &TlsAcceptor) -> CertificateStatus {
    acceptor.certificates().status()
}

fn serial(paper: &Paper) -> String {
    let serial = paper.certificate.serial_number().to_bn().unwrap();
    serial.to_hex_str().unwrap().to_string()
}

/// The serial number that a new client sees.
fn seen(acceptor: &TlsAcceptor, client: &SslContext) -> String {
    let talk = Talk::shaken(acceptor, client).unwrap();
    let certificate = talk.client.ssl().peer_certificate().unwrap();
    let serial = certificate.serial_number().to_bn().unwrap();
    serial.to_hex_str().unwrap().to_string()
}

fn put(path: &Path, text: &[u8]) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A new file in the place of the old one.
pub(super) fn rename(path: &Path, text: &[u8]) {
    let new = path.with_extension("new");
    put(&new, text);
    fs::rename(new, path).unwrap();
}

impl Desk {
    /// A new pair for the server, not yet in its place.
    pub(super) fn pair(&self) -> Paper {
        Paper::of_server(ec_key(), &self.root)
    }

    fn cert(&self) -> &Path {
        self.settings.tls_cert.as_deref().unwrap()
    }

    fn key(&self) -> &Path {
        self.settings.tls_key.as_deref().unwrap()
    }

    pub(super) fn replace(&self, pair: &Paper) {
        rename(self.cert(), &pair.pem());
        rename(self.key(), &pair.key_pem());
    }
}

#[test]
fn new_handshakes_use_the_new_certificate_and_connections_continue() {
    let desk = Desk::new();
    let acceptor = desk.acceptor();
    let client = client(&desk.root).build();
    let mut open = Talk::shaken(&acceptor, &client).unwrap();
    // Connected, but its ClientHello is still to come.
    let mut early = Talk::start(&acceptor, &client);
    let old = status(&acceptor);
    let pair = desk.pair();
    desk.replace(&pair);
    look(&acceptor);
    assert_eq!(seen(&acceptor, &client), serial(&pair));
    early.shake(usize::MAX).unwrap();
    let certificate = early.client.ssl().peer_certificate().unwrap();
    assert!(certificate == pair.certificate);
    assert_eq!(open.send(b"still here"), b"still here");

    let new = status(&acceptor);
    assert_eq!((old.reloaded, new.reloaded, new.refused), (0, 1, 0));
    assert_eq!((new.serial, new.trouble), (serial(&pair), None));
    let tomorrow = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs() as i64
        + 86_400;
    assert!((tomorrow - 600..=tomorrow).contains(&new.not_after));
}

#[test]
fn a_pair_that_cannot_be_used_changes_nothing_and_counts_once() {
    let mut desk = Desk::new();
    desk.settings.tls_client_ca = Some(desk.file("ca.pem", &desk.root.pem()));
    desk.settings.tls_client_required = false;
    let acceptor = desk.acceptor();
    let client = client(&desk.root).build();
    let own = seen(&acceptor, &client);
    let (cert, key) = (
        fs::read(desk.cert()).unwrap(),
        fs::read(desk.key()).unwrap(),
    );
    let ca = desk.settings.tls_client_ca.clone().unwrap();
    let issued = |time| {
        let wanted = Wanted {
            time,
            for_servers: true,
            ..Wanted::default()
        };
        desk.root.issue(&wanted)
    };
    let expired_ca = Paper::make(
        ec_key(),
        &Wanted {
            is_authority: true,
            time: (-1000, -10),
            ..Wanted::default()
        },
        None,
    );
    let spoil: [(&str, &dyn Fn()); 11] = [
        ("does not belong to", &|| {
            rename(desk.cert(), &desk.pair().pem())
        }),
        ("does not belong to", &|| {
            rename(desk.key(), &desk.pair().key_pem())
        }),
        ("has expired", &|| desk.replace(&issued((-1000, -10)))),
        ("is not valid before", &|| {
            desk.replace(&issued((1000, 2000)))
        }),
        ("does not exist", &|| fs::remove_file(desk.key()).unwrap()),
        ("is not a file", &|| {
            fs::remove_file(desk.cert()).unwrap();
            fs::create_dir(desk.cert()).unwrap();
        }),
        ("(mode 0622)", &|| {
            desk.replace(&desk.pair());
            fs::set_permissions(desk.key(), fs::Permissions::from_mode(0o622)).unwrap();
        }),
        ("holds no certificate", &|| put(desk.cert(), b"")),
        ("damaged", &|| put(desk.key(), &key[..key.len() / 2])),
        ("holds no certificate", &|| rename(&ca, b"nothing")),
        ("no certificate that is valid now", &|| {
            rename(&ca, &expired_ca.pem())
        }),
    ];
    for (number, (words, spoil)) in (1..).zip(spoil) {
        spoil();
        for _ in 0..3 {
            look(&acceptor);
        }
        let now = status(&acceptor);
        let trouble = now.trouble.unwrap_or_default();
        assert!(trouble.contains(words), "{trouble:?} without {words:?}");
        assert_eq!((now.refused, now.reloaded), (number, 0), "{words}");
        assert_eq!(seen(&acceptor, &client), own, "{words}");

        let _ = fs::remove_dir(desk.cert());
        rename(desk.cert(), &cert);
        rename(desk.key(), &key);
        rename(&ca, &desk.root.pem());
        look(&acceptor);
        assert_eq!(status(&acceptor).trouble, None, "{words}");
    }
    // Asked for, it is reported each time.
    fs::remove_file(desk.key()).unwrap();
    let refused = status(&acceptor).refused;
    for again in 1..=2 {
        acceptor.certificates().reload().unwrap_err();
        assert_eq!(status(&acceptor).refused, refused + again);
    }
    let pair = desk.pair();
    desk.replace(&pair);
    acceptor.certificates().reload().unwrap();
    assert_eq!(seen(&acceptor, &client), serial(&pair));
}

#[test]
fn a_fault_that_is_fixed_without_a_change_of_the_file_is_noticed() {
    let desk = Desk::new();
    let acceptor = desk.acceptor();
    let pair = desk.pair();
    let folder = desk.folder.path();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    desk.replace(&pair);
    look(&acceptor);
    assert!(status(&acceptor).trouble.is_some());
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    look(&acceptor);
    assert_eq!(status(&acceptor).serial, serial(&pair));
}

#[test]
fn files_are_replaced_as_kubernetes_and_certbot_do() {
    let mut desk = Desk::new();
    let client = client(&desk.root).build();
    let folder = desk.folder.path().to_owned();
    let write = |name: &str, pair: &Paper| {
        fs::create_dir(folder.join(name)).unwrap();
        put(&folder.join(name).join("tls.crt"), &pair.pem());
        put(&folder.join(name).join("tls.key"), &pair.key_pem());
    };
    write("..first", &desk.pair());
    symlink("..first", folder.join("..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), folder.join(name)).unwrap();
    }
    desk.settings.tls_cert = Some(folder.join("tls.crt"));
    desk.settings.tls_key = Some(folder.join("tls.key"));
    let acceptor = desk.acceptor();
    // Kubernetes: one link to a directory is replaced, and the old directory is removed.
    let pair = desk.pair();
    write("..second", &pair);
    symlink("..second", folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    fs::remove_dir_all(folder.join("..first")).unwrap();
    look(&acceptor);
    assert_eq!(seen(&acceptor, &client), serial(&pair));
    // certbot: the link of each file is replaced, one after the other.
    let pair = desk.pair();
    write("archive", &pair);
    for name in ["tls.crt", "tls.key"] {
        let new = folder.join("new");
        symlink(format!("archive/{name}"), &new).unwrap();
        fs::rename(new, folder.join(name)).unwrap();
    }
    look(&acceptor);
    assert_eq!(seen(&acceptor, &client), serial(&pair));
    assert_eq!(status(&acceptor).refused, 0);
}

/// A copy that keeps times and size, written into the old file.
#[test]
fn a_change_is_noticed_although_size_time_and_inode_are_the_same() {
    let desk = Desk::new();
    let acceptor = desk.acceptor();
    let mut pair = desk.pair();
    let before = fs::metadata(desk.cert()).unwrap();
    while pair.pem().len() as u64 != before.len() {
        pair = Paper::of_server(pair.key.clone(), &desk.root);
    }
    for (path, text) in [(desk.cert(), pair.pem()), (desk.key(), pair.key_pem())] {
        let modified = fs::metadata(path).unwrap().modified().unwrap();
        fs::write(path, text).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(modified).unwrap();
    }
    let after = fs::metadata(desk.cert()).unwrap();
    assert_eq!(
        (before.ino(), before.len(), before.modified().unwrap()),
        (after.ino(), after.len(), after.modified().unwrap())
    );
    look(&acceptor);
    assert_eq!(status(&acceptor).serial, serial(&pair));
}

#[test]
fn files_that_are_still_being_written_are_read_when_they_are_complete() {
    let desk = Desk::new();
    let acceptor = desk.acceptor();
    let certificates = acceptor.certificates();
    let pair = desk.pair();
    let start = Instant::now();
    put(desk.cert(), &pair.pem()[..100]);
    let pause = certificates.look();
    assert_eq!(pause, SETTLE);
    put(desk.cert(), &pair.pem());
    certificates.look();
    put(desk.key(), &pair.key_pem());
    look(&acceptor);
    let now = status(&acceptor);
    assert_eq!(now.serial, serial(&pair));
    // A machine that holds the test up makes it look like a file that never rests.
    if start.elapsed() < Duration::from_millis(900) {
        assert_eq!(now.refused, 0);
    }
    // But not for ever: a file that never rests is read after a while.
    let pair = desk.pair();
    desk.replace(&pair);
    for number in 0_u64.. {
        let touched = SystemTime::UNIX_EPOCH + Duration::from_secs(number);
        let file = fs::File::options().write(true).open(desk.cert()).unwrap();
        file.set_modified(touched).unwrap();
        if certificates.look() > SETTLE {
            break;
        }
        assert!(number < 5000, "it is not read");
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(status(&acceptor).serial, serial(&pair));
}
