//! Named limits: what they are, and how the settings write them.

use std::fmt;
use std::time::Duration;

/// The name of the limit that `MAX_REQUESTS` and `RATE_LIMIT_WINDOW` set.
pub(crate) const DEFAULT: &str = "default";

/// Names that a setting cannot give to a policy: of the two limits that are always there, and what means no limit in the path
/// of `/verify/for/`.
const RESERVED: [&str; 3] = [DEFAULT, "login", "-"];
const MOST_POLICIES: usize = 32;
const LONGEST_NAME: usize = 64;
/// The bounds of `MAX_REQUESTS` and `RATE_LIMIT_WINDOW`, without 0.
const LIMITS: (u64, u64) = (1, 10_000_000);
const WINDOWS: (u64, u64) = (1, 31_622_400);

/// A named limit on requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name: 1 to 64 ASCII letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// How much requests may cost together in any window.
    pub limit: u32,
    /// The window's length.
    pub window: Duration,
    /// Whom it counts.
    pub per: Per,
    /// Whether it counts the items of a batch.
    pub cost_by_item: bool,
}

/// Whom a policy counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Per {
    /// Each user.
    #[default]
    User,
    /// Each API key, and each user without one.
    ApiKey,
    /// Each client's address; an IPv6 /64 counts as one.
    Address,
}

impl Per {
    const ALL: [Per; 3] = [Per::User, Per::ApiKey, Per::Address];

    /// As the settings write it.
    pub fn name(self) -> &'static str {
        match self {
            Per::User => "user",
            Per::ApiKey => "api key",
            Per::Address => "address",
        }
    }
}

impl fmt::Display for Per {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads policies: `NAME: N per SECONDS`, with attributes after commas, separated by semicolons or new lines. Where a new
/// policy begins, a comma separates too, so that an array of a settings file may hold one policy each. `#` begins a
/// comment.
///
/// # Errors
/// What is wrong, as the end of a sentence that begins with the name of the setting. Shows no part of the text.
pub(crate) fn parse(text: &str) -> Result<Vec<Policy>, String> {
    let mut policies: Vec<Policy> = Vec::new();
    let lines = text.lines();
    let lines = lines.map(|line| line.split('#').next().unwrap_or_default());
    let parts = lines.flat_map(|line| line.split(';')).map(str::trim);
    for part in parts.filter(|part| !part.is_empty()) {
        // Whether the part has named a policy, and whether that says whom it counts.
        let (mut is_named, mut says_whom) = (false, false);
        for piece in part.split(',').map(str::trim) {
            let rate = piece.split_once(':');
            let number = policies.len() + usize::from(rate.is_some() || !is_named);
            let read = match rate {
                Some((name, rate)) => {
                    (is_named, says_whom) = (true, false);
                    read(name.trim(), rate, &policies).map(|policy| policies.push(policy))
                }
                None => match policies.last_mut().filter(|_| is_named) {
                    Some(policy) => add_attribute(policy, &mut says_whom, piece),
                    None => Err("has no name with a colon after it".to_owned()),
                },
            };
            read.map_err(|what| {
                format!(
                    "must be policies such as \"exports: 10 per 3600; bulk: 1000 per 60, per api key, cost by item\". \
                     Policy {number} {what}."
                )
            })?;
        }
    }
    match policies.len() > MOST_POLICIES {
        true => Err(format!("may have at most {MOST_POLICIES} policies.")),
        false => Ok(policies),
    }
}

fn read(name: &str, rate: &str, others: &[Policy]) -> Result<Policy, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !(1..=LONGEST_NAME).contains(&name.len()) || !name.bytes().all(is_plain) {
        return Err(format!(
            "needs a name of 1 to {LONGEST_NAME} letters, digits, hyphens, underscores and dots"
        ));
    }
    if RESERVED
        .iter()
        .any(|reserved| name.eq_ignore_ascii_case(reserved))
    {
        return Err(
            "has a reserved name: other settings define the limits default and login, and - means no limit".to_owned(),
        );
    }
    if others
        .iter()
        .any(|other| other.name.eq_ignore_ascii_case(name))
    {
        return Err("has the name of an earlier one".to_owned());
    }
    let words: Vec<&str> = rate.split_ascii_whitespace().collect();
    let [limit, "per", window] = words[..] else {
        return Err("must be written as NAME: NUMBER per SECONDS".to_owned());
    };
    let limit = number(limit, LIMITS).map_err(|bounds| format!("needs a limit {bounds}"))?;
    let window =
        number(window, WINDOWS).map_err(|bounds| format!("needs a window {bounds}, in seconds"))?;
    Ok(Policy {
        name: name.to_owned(),
        limit: limit as u32, // within its bounds
        window: Duration::from_secs(window),
        per: Per::default(),
        cost_by_item: false,
    })
}

/// Digits only: the parser of integers would take a sign too.
fn number(text: &str, (least, most): (u64, u64)) -> Result<u64, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("from {least} to {most}"))
}

/// `says_whom`: whether an earlier attribute says whom the policy counts.
fn add_attribute(policy: &mut Policy, says_whom: &mut bool, piece: &str) -> Result<(), String> {
    let words: Vec<&str> = piece.split_ascii_whitespace().collect();
    match words.join(" ").as_str() {
        "cost by item" if policy.cost_by_item => Err("has cost by item twice".to_owned()),
        "cost by item" => {
            policy.cost_by_item = true;
            Ok(())
        }
        attribute => {
            let whom = attribute.strip_prefix("per ");
            let known = Per::ALL.iter().find(|per| Some(per.name()) == whom);
            let unknown =
                "may have: cost by item, and one of per user, per api key and per address";
            policy.per = *known.filter(|_| !*says_whom).ok_or(unknown)?;
            *says_whom = true;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<Vec<String>, String> {
        let policies = parse(text)?;
        let shown = policies.iter().map(|policy| {
            let Policy {
                name, limit, per, ..
            } = policy;
            let items = if policy.cost_by_item { " items" } else { "" };
            let window = policy.window.as_secs();
            format!("{name} {limit} {window} {per}{items}")
        });
        Ok(shown.collect())
    }

    #[test]
    fn policies_are_read_from_one_line_from_lines_and_from_an_array() {
        let expected = ["exports 10 3600 user", "bulk 1000 60 api key items"];
        for text in [
            "exports: 10 per 3600; bulk: 1000 per 60, per api key, cost by item",
            "exports:10 per 3600\nbulk : 1000\tper 60 ,cost  by item,per api  key",
            "# ours\r\nexports: 10 per 3600 # few; of them\r\n\r\n;bulk: 1000 per 60, cost by item, per api key;",
            "exports: 10 per 3600, per user,bulk: 1000 per 60, per api key, cost by item",
        ] {
            assert_eq!(shown(text).unwrap(), expected, "{text}");
        }
        assert_eq!(
            shown("A-b_c.9: 10000000 per 31622400, per address").unwrap(),
            ["A-b_c.9 10000000 31622400 address"]
        );
        for nothing in ["", " ", ";;", "\n# exports: 1 per 1\n"] {
            assert_eq!(shown(nothing).unwrap(), [""; 0], "{nothing}");
        }
    }

    #[test]
    fn wrong_policies_are_refused_by_number_and_without_their_text() {
        let long = format!("{}: 1 per 1", "s3cret".repeat(11));
        for (text, number, what) in [
            ("s3cret", 1, "a colon"),
            ("a: 1 per 1; s3cret", 2, "a colon"),
            ("a: 1 per 1; per address", 2, "a colon"),
            ("a: 1 per 1;, per address", 2, "a colon"),
            ("a: 1 per 1, s3cret", 1, "may have"),
            ("a: 1 per 1,", 1, "may have"),
            ("a: 1 per 1, per", 1, "may have"),
            ("a: 1 per 1, per s3cret", 1, "may have"),
            ("a: 1 per 1, Per User", 1, "may have"),
            ("a: 1 per 1, per user, per address", 1, "may have"),
            ("a: 1 per 1, per user, per user", 1, "may have"),
            ("a: 1 per 1, cost by item, cost by item", 1, "twice"),
            (": 1 per 1", 1, "name"),
            ("s3 cret: 1 per 1", 1, "name"),
            ("s3cret\": 1 per 1", 1, "name"),
            ("s\u{e4}: 1 per 1", 1, "name"),
            (&*long, 1, "name"),
            ("a: 1 per 1; a: 2 per 2", 2, "earlier"),
            ("a: 1 per 1; b: 1 per 1, A: 2 per 2", 3, "earlier"),
            ("default: 1 per 1", 1, "reserved"),
            ("Default: 1 per 1", 1, "reserved"),
            ("LOGIN: 1 per 1", 1, "reserved"),
            ("-: 1 per 1", 1, "reserved"),
            ("a: s3cret", 1, "NUMBER per SECONDS"),
            ("a: 1 per", 1, "NUMBER per SECONDS"),
            ("a: 1 per 1 per address", 1, "NUMBER per SECONDS"),
            ("a: 1: 1 per 1", 1, "NUMBER per SECONDS"),
            ("a: 1 PER 1", 1, "NUMBER per SECONDS"),
            ("a: 0 per 1", 1, "a limit from 1 to 10000000"),
            ("a: 10000001 per 1", 1, "a limit"),
            ("a: +1 per 1", 1, "a limit"),
            ("a: -1 per 1", 1, "a limit"),
            ("a: 1.5 per 1", 1, "a limit"),
            ("a: 99999999999999999999 per 1", 1, "a limit"),
            ("a: 1 per 0", 1, "a window from 1 to 31622400"),
            ("a: 1 per 31622401", 1, "a window"),
            ("a: 1 per 60s", 1, "a window"),
        ] {
            let wanted = shown(text).unwrap_err();
            let begins = wanted.starts_with("must be policies such as ");
            assert!(begins && wanted.contains(what), "{text}: {wanted}");
            assert!(
                wanted.contains(&format!(" Policy {number} ")),
                "{text}: {wanted}"
            );
            assert!(!wanted.contains("s3"), "{wanted}");
        }
        let many =
            |count: usize| -> String { (0..count).map(|n| format!("p{n}: 1 per 1\n")).collect() };
        assert_eq!(shown(&many(32)).unwrap().len(), 32);
        assert!(shown(&many(33)).unwrap_err().contains("at most 32"));
    }
}
