use serde_json::Value;

use super::*;

fn fault(bytes: &[u8]) -> Option<JsonError> {
    Json::read(bytes).err()
}

#[test]
fn members_and_elements_are_found_in_place() {
    let text = br#" {"a" : [1, -2.5e1 ,"\u00e4\ud83d\ude00\n", null,true,{"x":"]}"},[]] ,"\u0062":{"a":{}},"c":"\\\"" } "#;
    let json = Json::read(text).unwrap();
    let [a, b, c, d] = json.members(["a", "b", "c", "d"]).unwrap();
    let elements: Vec<&str> = a
        .unwrap()
        .elements()
        .unwrap()
        .map(Json::as_written)
        .collect();
    let wanted = [
        "1",
        "-2.5e1",
        r#""\u00e4\ud83d\ude00\n""#,
        "null",
        "true",
        r#"{"x":"]}"}"#,
        "[]",
    ];
    assert_eq!(elements, wanted);
    let text = a.unwrap().elements().unwrap().nth(2).unwrap().text();
    assert_eq!(text.as_deref(), Some("\u{e4}\u{1f600}\n"));
    assert_eq!(b.unwrap().as_written(), r#"{"a":{}}"#);
    assert_eq!(c.unwrap().text().as_deref(), Some("\\\""));
    assert!(d.is_none());
    assert!(json.text().is_none() && json.elements().is_none());
    assert!(a.unwrap().members(["a"]).is_none());
    let plain = Json::read(br#""plain""#).unwrap();
    assert!(matches!(plain.text(), Some(Cow::Borrowed("plain"))));
}

#[test]
fn finds_a_duplicate_anywhere_among_few_and_many_members() {
    for count in [2, 3, FEW - 1, FEW, FEW + 1, 3 * FEW] {
        let object = |names: &[String]| {
            let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":1")).collect();
            format!("{{{}}}", members.join(","))
        };
        let names: Vec<String> = (0..count).map(|n| format!("n{n}")).collect();
        assert_eq!(fault(object(&names).as_bytes()), None, "{count}");
        for one in 0..count {
            for other in (0..count).filter(|other| *other != one) {
                for twin in [names[one].clone(), names[one].replace('n', "\\u006e")] {
                    let mut names = names.clone();
                    names[other] = twin;
                    let text = object(&names);
                    for text in [&text, &format!("[{{\"a\":{text}}}]")] {
                        assert_eq!(fault(text.as_bytes()), Some(JsonError::Duplicate), "{text}");
                    }
                }
            }
        }
    }
}

#[test]
fn refuses_duplicates_excess_depth_and_trailing_data() {
    assert_eq!(fault(br#"{"a":1,"a":2}"#), Some(JsonError::Duplicate));
    assert_eq!(
        fault(br#"[{"b":{"a":1,"\u0061":2}}]"#),
        Some(JsonError::Duplicate)
    );
    assert_eq!(
        fault(br#"{"\u00e4b":1,"c":2,"\u00E4\u0062":3}"#),
        Some(JsonError::Duplicate)
    );
    // The same name in another object is not a duplicate.
    assert_eq!(fault(br#"{"a":{"a":[{"a":1},{"a":1}]},"b":{"a":1}}"#), None);
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = |depth: usize| format!("{}0{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(fault(nested(MAX_DEPTH).as_bytes()), None);
        assert_eq!(
            fault(nested(MAX_DEPTH + 1).as_bytes()),
            Some(JsonError::TooDeep)
        );
        assert_eq!(fault(nested(100_000).as_bytes()), Some(JsonError::TooDeep));
    }
    for wrong in [
        "",
        "{",
        "{}{}",
        "{} x",
        "nan",
        "'a'",
        "{\"a\":}",
        "{\"a\"}",
        "{a:1}",
        "{,}",
        "[,]",
        "[1,]",
        "{\"a\":1,}",
        "[1 2]",
        "[1",
        "\u{feff}{}",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "tru",
        "truex",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\\ud800\"",
        "\"\n\"",
        "1e999",
        "\u{a0}1",
    ] {
        assert_eq!(fault(wrong.as_bytes()), Some(JsonError::Syntax), "{wrong}");
    }
    assert_eq!(fault(b"\"\xff\""), Some(JsonError::Syntax));
}

#[test]
fn members_are_limited_and_elements_are_not() {
    let object = |members: usize| {
        let members: Vec<String> = (0..members).map(|at| format!(r#""{at}":0"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    assert_eq!(fault(object(MAX_MEMBERS).as_bytes()), None);
    let many = object(MAX_MEMBERS + 1);
    assert_eq!(fault(many.as_bytes()), Some(JsonError::TooManyMembers));
    let inner = format!(r#"{{"a":{}}}"#, object(MAX_MEMBERS));
    assert_eq!(fault(inner.as_bytes()), Some(JsonError::TooManyMembers));
    // Closed objects do not count.
    let list = format!("[{}]", vec![object(MAX_MEMBERS); 3].join(","));
    assert_eq!(fault(list.as_bytes()), None);
    let long = format!("[{}0]", "0,".repeat(100_000));
    assert_eq!(fault(long.as_bytes()), None);
    let digits = format!("[{}.{}]", "9".repeat(308), "9".repeat(100_000));
    assert_eq!(fault(digits.as_bytes()), None);
    let digits = "9".repeat(100_000);
    assert_eq!(fault(digits.as_bytes()), Some(JsonError::Syntax));
}

/// Everything accepted is accepted by serde_json too, and vice versa within our limits.
#[test]
fn agrees_with_serde_json() {
    const PIECES: [&str; 32] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\":",
        "\"b\"",
        "\"\\u0061\":",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\\",
        "\"",
        "0",
        "-1",
        "1.5",
        "1e5",
        "1E-400",
        "1e400",
        "true",
        "false",
        "null",
        " ",
        "\n",
        "\u{e4}",
        "{}",
        "[]",
        "{\"a\":1}",
        "[1,2]",
        "\u{1}",
        "\"c\":{\"d\":[]}",
        ",\"e\":\"\\\\\"",
    ];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut taken = 0;
    for _ in 0..200_000 {
        let mut text: String = (0..1 + random(9))
            .map(|_| PIECES[random(PIECES.len())])
            .collect();
        if random(2) == 0 {
            text = format!("{{\"z\":[{text}]}}");
        }
        let ours = Json::read(text.as_bytes());
        let theirs = serde_json::from_str::<Value>(&text);
        match ours {
            Ok(json) => {
                taken += 1;
                let read = theirs.unwrap_or_else(|error| panic!("{text}: {error}"));
                assert_eq!(retold(json), read, "{text}");
            }
            Err(JsonError::Syntax) => assert!(theirs.is_err(), "{text}"),
            Err(error) => assert_eq!(error, JsonError::Duplicate, "{text}"),
        }
    }
    assert!(taken > 1_000, "{taken}");
}

/// A value as read through `Json`.
fn retold(json: Json<'_>) -> Value {
    if let Some(text) = json.text() {
        return Value::String(text.into_owned());
    }
    if let Some(elements) = json.elements() {
        return Value::Array(elements.map(retold).collect());
    }
    let Some(members) = json.members(["a", "b", "c", "d", "e", "z"]) else {
        return serde_json::from_str(json.as_written()).unwrap();
    };
    let names = ["a", "b", "c", "d", "e", "z"];
    let found = names.iter().zip(members);
    let mut object: serde_json::Map<String, Value> = found
        .filter_map(|(name, value)| Some(((*name).to_owned(), retold(value?))))
        .collect();
    // The one name that is not among the requested ones.
    if let Some(Some(value)) = json.members(["\u{1f600}"]).map(|[found]| found) {
        object.insert("\u{1f600}".to_owned(), retold(value));
    }
    Value::Object(object)
}

#[test]
fn a_value_is_written_with_the_same_meaning() {
    let text = r#" {"b" : [ 1, -2.50, true , null, {} , [] ], "\u0061\n": {"x y": "\u00e4\"\\\/"}, "": false} "#;
    let written = r#"{"b":[1,-2.5,true,null,{},[]],"a\n":{"x y":"ä\"\\/"},"":false}"#;
    let value = Json::read(text.as_bytes()).unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), written);
    let again = Json::read_before(written);
    assert_eq!(serde_json::to_string(&again).unwrap(), written);
    let names: Vec<_> = value.entries().unwrap().map(|(name, _)| name).collect();
    assert_eq!(names, ["b", "a\n", ""]);
    let theirs: Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_value(value).unwrap(), theirs);
    assert!(Json::read(b"[1]").unwrap().entries().is_none());
    assert_eq!(Json::read(b"{ }").unwrap().entries().unwrap().count(), 0);
}

#[test]
fn a_number_is_the_nearest_that_64_bits_hold() {
    let value = |text: &str| serde_json::to_value(Json::read(text.as_bytes()).unwrap()).unwrap();
    assert_eq!(value("18446744073709551615"), u64::MAX);
    assert_eq!(value("-9223372036854775808"), i64::MIN);
    assert_eq!(
        value("122.416294033786585").as_f64(),
        Some(122.41629403378658)
    );
    assert_eq!(
        value("18446744073709551616").as_f64(),
        Some(18446744073709551616.0)
    );
    let is_beyond = |text: &str| Json::read(text.as_bytes()).unwrap().is_beyond_64_bits();
    for text in [
        "18446744073709551616",
        "-9223372036854775809",
        "100000000000000000000",
    ] {
        assert!(is_beyond(text), "{text}");
    }
    for text in [
        "0",
        "-0",
        "18446744073709551615",
        "-9223372036854775808",
        "1e30",
        "100000000000000000000.0",
        "\"18446744073709551616\"",
        "[18446744073709551616]",
        "null",
    ] {
        assert!(!is_beyond(text), "{text}");
    }
}
