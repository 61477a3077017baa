//! A ring on its way to another machine.

use super::*;
use crate::common::place::write_ring;

#[test]
fn a_ring_is_carried_to_another_machine_under_a_passphrase() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (here, there) = (here.path(), there.path());
    let sealed = done(here, &["encrypt"], b"data", &[KEY]);
    let out = here.join("ring.sealed");
    let out = out.to_str().unwrap();
    let export = ["keys", "export", "--out", out];
    let short = refused(here, &export, b"short\n", &[KEY]);
    assert!(
        short.contains("12 to 1024 characters") && !Path::new(out).exists(),
        "{short}"
    );
    let none = refused(here, &export, b"", &[KEY]);
    assert!(none.contains("passphrase on standard input"), "{none}");
    done(here, &export, b"correct horse battery\n", &[KEY]);
    assert_eq!(
        fs::metadata(out).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(refused(here, &export, b"correct horse battery\n", &[KEY]).contains("exists"));
    let nowhere = ["keys", "export", "--out", "-"];
    assert!(refused(here, &nowhere, b"correct horse battery\n", &[KEY]).contains("a new file"));
    let nothing = ["keys", "export", "--out", "other"];
    let nothing = refused(there, &nothing, b"correct horse battery\n", &[]);
    assert!(nothing.contains("sealgate keys generate"), "{nothing}");

    let import = ["keys", "import", "--in", out];
    let wrong = refused(there, &import, b"another horse battery\n", &[]);
    assert!(
        wrong.contains("cannot be opened with this passphrase") && !wrong.contains("RING_KEY"),
        "{wrong}"
    );
    let plain = there.join("plain");
    fs::write(&plain, r#"{"format":"sealgate key ring","version":1}"#).unwrap();
    let no_export = ["keys", "import", "--in", plain.to_str().unwrap()];
    assert!(
        refused(there, &no_export, b"correct horse battery\n", &[]).contains("not an exported")
    );
    assert!(!ring(there).exists(), "nothing was made");

    done(there, &import, b"correct horse battery\n", &[]);
    assert_eq!(ids(there, &[]), ids(here, &[KEY]));
    assert_eq!(done(there, &["decrypt"], &sealed, &[]), b"data");
    let again = done(there, &import, b"correct horse battery\n", &[]);
    assert!(text(&again).contains("already"));
    // Into a ring that has keys of its own, whose newest stay the newest.
    let third = tempfile::tempdir().unwrap();
    let third = third.path();
    done(third, &["keys", "generate"], b"", &[]);
    let own = ids(third, &[]);
    done(third, &import, b"correct horse battery\n", &[]);
    assert_eq!(done(third, &["decrypt"], &sealed, &[]), b"data");
    let all = ids(third, &[]);
    assert_eq!((all.len(), &all[1], &all[3]), (4, &own[0], &own[1]));
}

/// Data keys have short ids: two of a few ten thousand keys have the same one.
#[test]
fn an_imported_key_with_the_id_of_another_one_is_refused_and_not_left_out() {
    let (here, there) = (Place::new(), Place::new());
    let data_key = |number: u32| [&[0; 28][..], &number.to_be_bytes()].concat();
    write_ring(&here.folder, &[1; 32], &data_key(18_530));
    write_ring(&there.folder, &[2; 32], &data_key(96_448));
    let out = here.home.path().join("ring.sealed");
    let passphrase = b"correct horse battery\n";
    let export = ["keys", "export", "--out", out.to_str().unwrap()];
    let exported = run(here.command(&export), passphrase);
    assert!(exported.status.success(), "{exported:?}");
    let before = fs::read(there.ring()).unwrap();
    let import = ["keys", "import", "--in", out.to_str().unwrap()];
    let imported = run(there.command(&import), passphrase);
    assert_eq!(imported.status.code(), Some(2), "{imported:?}");
    let said = said(&imported);
    assert!(said.contains("data key 6453c69c"), "{said}");
    assert_eq!(fs::read(there.ring()).unwrap(), before);
    assert!(!there.backup().exists());
}
