//! Client names in one line.

use super::super::subject::of;
use super::papers::{Paper, Wanted};

fn name(subject: &[(&str, &str)], uri: Option<&str>) -> String {
    let wanted = Wanted {
        subject,
        uri,
        ..Wanted::default()
    };
    of(&Paper::authority("Root").issue(&wanted).certificate).into()
}

#[test]
fn the_most_specific_part_comes_first() {
    let subject = [
        ("C", "DE"),
        ("O", "Example"),
        ("OU", "Test"),
        ("CN", "alice"),
    ];
    assert_eq!(name(&subject, None), "CN=alice,OU=Test,O=Example,C=DE");
    assert_eq!(name(&[("CN", "Zoë Müller 李")], None), "CN=Zoë Müller 李");
    assert_eq!(
        name(&[("UID", "a"), ("emailAddress", "a@b.c")], None),
        "emailAddress=a@b.c,UID=a"
    );
}

#[test]
fn no_name_looks_like_another_or_breaks_a_line() {
    for (value, shown) in [
        ("alice,O=Example", r"CN=alice\,O\=Example"),
        ("a+b;c<d>e\"f\\g", r#"CN=a\+b\;c\<d\>e\"f\\g"#),
        (" # ", r"CN=\ #\ "),
        ("#1", r"CN=\#1"),
        ("a\nb\rc\td\u{1b}[31m", r"CN=a\0Ab\0Dc\09d\1B[31m"),
        ("alice\0.example", r"CN=alice\00.example"),
        (
            "a\u{202e}b\u{2028}c\u{85}d",
            r"CN=a\E2\80\AEb\E2\80\A8c\C2\85d",
        ),
    ] {
        assert_eq!(name(&[("CN", value)], None), shown);
    }
}

#[test]
fn a_certificate_without_a_subject_is_known_by_its_other_name() {
    let uri = "spiffe://example.org/billing";
    assert_eq!(name(&[], Some(uri)), "URI=spiffe://example.org/billing");
    assert_eq!(name(&[("CN", "alice")], Some(uri)), "CN=alice");
    assert_eq!(name(&[], None), "(no name)");
}

#[test]
fn long_names_are_truncated() {
    let long = "ü".repeat(60);
    let subject: Vec<(&str, &str)> = (0..40).map(|_| ("OU", long.as_str())).collect();
    let name = name(&subject, None);
    assert!(name.len() <= 256 && name.len() > 250, "{}", name.len());
    assert!(name.ends_with("ü..."));
}
