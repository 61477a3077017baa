//! What custom claims may be: nothing that stands for a reserved claim in any spelling, nothing large, deep or ambiguous.

use serde_json::{Value, json};

use super::*;

/// Why these claims are refused.
fn refused(text: &str) -> String {
    match CustomClaims::read(text) {
        Err(Error::InvalidInput(sentence)) => sentence,
        other => panic!("{text}: {other:?}"),
    }
}

fn accepted(text: &str) -> String {
    CustomClaims::read(text).unwrap().into_json()
}

fn named(name: &str) -> String {
    json!({ name: 1 }).to_string()
}

#[test]
fn claims_are_kept_in_order_and_without_white_space() {
    let text = " {\"department\" : \"ops\" ,\n\t\"level\": [ 1, -2, {\"a b\": null} ], \"on\": true, \"\\u0061\": \"\\u00e4 \\\"\" } ";
    let kept = r#"{"department":"ops","level":[1,-2,{"a b":null}],"on":true,"a":"ä \""}"#;
    assert_eq!(accepted(text), kept);
    assert_eq!(accepted(kept), kept, "nothing is left to change");
    assert_eq!(accepted("{ }"), CustomClaims::NONE);
    assert_eq!(CustomClaims::read_any(""), Ok(None));
    assert_eq!(CustomClaims::read_any("{}"), Ok(None));
    let read = CustomClaims::read_any(text).unwrap().unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), kept);
}

#[test]
fn only_an_object_is_a_set_of_claims() {
    for text in [
        "",
        " ",
        "null",
        "[]",
        "[{}]",
        "1",
        "\"{}\"",
        "{",
        "}",
        "{}{}",
        "{} x",
        "{a: 1}",
        "{'a': 1}",
        "{\"a\": 1,}",
        "{\"a\": NaN}",
        "{\"a\": Infinity}",
        "{\"a\": 01}",
        "{\"a\": 1e400}",
        "{\"a\": \"\\ud800\"}",
        "{\"a\": \"\u{1}\"}",
        "\u{feff}{}",
    ] {
        assert!(refused(text).contains("JSON object"), "{text}");
    }
}

#[test]
fn a_reserved_name_is_refused_in_every_spelling_and_named() {
    for name in RESERVED_CLAIMS {
        let capitals = name.to_ascii_uppercase();
        let first = name[..1].to_ascii_uppercase() + &name[1..];
        let dashed = name.replace('_', "-");
        let joined = name.replace('_', "");
        let apart: Vec<String> = name.chars().map(String::from).collect();
        for spelled in [
            name,
            &capitals,
            &first,
            &dashed,
            &joined,
            &apart.join("_"),
            &apart.join("-"),
            &apart.join(" "),
            &format!("_{name}_"),
        ] {
            let said = refused(&named(spelled));
            assert!(
                said.contains("reserved") && said.contains(spelled),
                "{said}"
            );
            // Among others, and with escapes.
            assert!(refused(&format!(r#"{{"a": 1, "{spelled}": "x", "b": 2}}"#)).contains(spelled));
            let escaped: String = spelled
                .bytes()
                .map(|byte| format!("\\u{byte:04x}"))
                .collect();
            assert!(refused(&format!(r#"{{"{escaped}": 1}}"#)).contains(spelled));
        }
    }
    for name in ["clientId", "CLIENT-ID", "tokenType", "userName", "Sub"] {
        assert!(refused(&named(name)).contains("reserved"), "{name}");
    }
}

#[test]
fn names_that_only_resemble_a_reserved_one_are_custom() {
    for name in [
        "subject",
        "issuer",
        "scopes",
        "user",
        "exp.",
        "sub/",
        "https://example.com/sub",
        "department",
        "x",
        "a b",
        "-",
        "__proto__",
        &"n".repeat(MAX_NAME),
    ] {
        assert_eq!(accepted(&named(name)), named(name));
        assert!(is_custom(name));
    }
}

#[test]
fn names_with_characters_that_hide_or_fold_are_refused() {
    for name in [
        "",
        " ",
        "sub ",
        " sub",
        "department ",
        "sub\0",
        "\0",
        "s\u{0}ub",
        "sub\n",
        "sub\u{7f}",
        "sub\u{a0}",
        "s\u{ad}ub",
        "su\u{200b}b",
        "\u{202e}bus",
        "\u{feff}sub",
        // Full-width, long s, Kelvin sign, Cyrillic, mathematical, combining.
        "\u{ff53}\u{ff55}\u{ff42}",
        "\u{17f}ub",
        "\u{212a}id",
        "\u{455}ub",
        "\u{1d600}ub",
        "sub\u{301}",
        "größe",
        &"n".repeat(MAX_NAME + 1),
    ] {
        assert!(refused(&named(name)).contains("visible ASCII"), "{name:?}");
        assert!(!is_custom(name));
    }
    // Inside values they are text.
    let kept = json!({"name": "\0\u{202e}größe", "inner": {"sub": 1, "\u{17f}ub": 2}}).to_string();
    assert_eq!(accepted(&kept), kept);
}

#[test]
fn a_name_that_appears_twice_is_refused_however_it_is_written() {
    for text in [
        r#"{"a": 1, "a": 2}"#,
        r#"{"a": 1, "\u0061": 1}"#,
        r#"{"x": {"a": 1, "b": 2, "a": 1}}"#,
        r#"{"x": [{"": 1, "": 1}]}"#,
    ] {
        assert!(refused(text).contains("twice"), "{text}");
    }
    assert!(CustomClaims::read(r#"{"a": 1, "A": 2}"#).is_ok());
}

#[test]
fn claims_are_at_most_64_levels_deep() {
    let objects = |deep: usize| format!("{}1{}", r#"{"a":"#.repeat(deep), "}".repeat(deep));
    let arrays = |deep: usize| format!("{{\"a\":{}{}}}", "[".repeat(deep), "]".repeat(deep));
    assert_eq!(accepted(&objects(MAX_DEPTH)), objects(MAX_DEPTH));
    assert_eq!(accepted(&arrays(MAX_DEPTH - 1)), arrays(MAX_DEPTH - 1));
    for deep in [
        objects(MAX_DEPTH + 1),
        arrays(MAX_DEPTH),
        arrays(10_000),
        objects(10_000),
    ] {
        assert!(refused(&deep).contains("64 levels"));
    }
}

#[test]
fn at_most_4_kib_count_without_white_space() {
    let sized = |size: usize| {
        let text = named("a").replace('1', &format!("\"{}\"", "x".repeat(size - 8)));
        assert_eq!(text.len(), size);
        text
    };
    assert_eq!(accepted(&sized(MAX_CLAIMS)).len(), MAX_CLAIMS);
    let padded = sized(MAX_CLAIMS).replace(':', &format!(":{}", " ".repeat(10_000)));
    assert_eq!(accepted(&padded).len(), MAX_CLAIMS);
    let spaces = " ".repeat(MAX_TEXT) + "{}";
    let members = (0..MAX_MEMBERS).map(|n| format!("\"{n}\":1"));
    let many = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    for large in [sized(MAX_CLAIMS + 1), sized(1_000_000), spaces, many] {
        assert!(refused(&large).contains("4096 bytes"));
    }
    // Bytes count, not characters; an escape counts as the character that it stands for.
    let wide = json!({"a": "é".repeat(2044)}).to_string();
    assert_eq!(accepted(&wide).len(), MAX_CLAIMS);
    assert!(refused(&json!({"a": "é".repeat(2045)}).to_string()).contains("4096 bytes"));
    let escaped = format!(r#"{{"a":"{}"}}"#, r"\u00e9".repeat(2044));
    assert_eq!(accepted(&escaped), wide);
}

#[test]
fn no_number_changes_its_value() {
    for (written, kept) in [
        ("0", "0"),
        ("-0", "0"),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9007199254740993", "9007199254740993"),
        ("1.0", "1.0"),
        ("1.10", "1.1"),
        ("1e2", "100.0"),
        ("1E308", "1e+308"),
        ("-1.5e-10", "-1.5e-10"),
        ("0.1", "0.1"),
        // Doubles that serde_json by default reads as a neighbour.
        ("0.3456789012345678", "0.3456789012345678"),
        ("122.416294033786585", "122.41629403378658"),
    ] {
        let text = accepted(&format!("{{\"n\":{written}}}"));
        assert_eq!(text, format!("{{\"n\":{kept}}}"), "{written}");
        let value = |text: &str| text.parse::<f64>().unwrap();
        assert_eq!(value(written), value(kept));
    }
    for huge in [
        "18446744073709551616",
        "-9223372036854775809",
        &"9".repeat(300),
        &format!("-{}", "9".repeat(300)),
    ] {
        for text in [
            format!("{{\"n\": {huge}}}"),
            format!("{{\"n\": [1, {{\"deep\": [{huge}]}}]}}"),
        ] {
            assert!(refused(&text).contains("64 bits"), "{text}");
        }
        // As text, or as a double on purpose, it is no problem.
        assert!(CustomClaims::read(&format!("{{\"n\": \"{huge}\"}}")).is_ok());
        assert!(CustomClaims::read(&format!("{{\"n\": {huge}.0}}")).is_ok());
    }
}

#[test]
fn a_refusal_quotes_no_value() {
    for text in [
        r#"{"sub": "canary"}"#,
        r#"{"a": "canary", "a": 1}"#,
        r#"{"canary ": 1}"#,
        "{\"a\": \"canary\"",
        r#"{"a": "canary", "n": 18446744073709551616}"#,
    ] {
        assert!(!refused(text).contains("canary"), "{text}");
    }
}

#[test]
fn claims_are_kept_if_each_is_still_there_with_its_value() {
    let old = r#"{"a":1,"b":{"c":[true]}}"#;
    for (new, kept) in [
        (old, true),
        (r#"{"b":{"c":[true]},"a":1}"#, true),
        (r#"{"a":1,"b":{"c":[true]},"more":null}"#, true),
        (r#"{"a":1}"#, false),
        (r#"{"a":2,"b":{"c":[true]}}"#, false),
        (r#"{"a":"1","b":{"c":[true]}}"#, false),
        (r#"{"a":1,"b":{"c":[false]}}"#, false),
        (r#"{"A":1,"b":{"c":[true]}}"#, false),
        (CustomClaims::NONE, false),
    ] {
        assert_eq!(are_kept(old, new), kept, "{new}");
        assert!(are_kept(CustomClaims::NONE, new));
    }
}

#[test]
fn what_is_read_equals_what_serde_json_reads() {
    let text = r#"{"a":[1,-2,2.5,"x\n",null,true,false,{},[],{"b":{"c":"\u00e4"}}]}"#;
    let ours = serde_json::to_value(CustomClaims::read(text).unwrap()).unwrap();
    assert_eq!(ours, serde_json::from_str::<Value>(text).unwrap());
}
