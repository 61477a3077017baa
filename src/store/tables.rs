//! The tables that both engines have, and their rows in a form that is the same for both: what a copy of a store reads and
//! writes. What differs between the engines, such as a column's name, is here and nowhere else.

use std::collections::BTreeMap;

use super::storable::storable;

/// A table. Its first column is its key.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// What its rows are, for people.
    pub(crate) rows: &'static str,
    pub(super) columns: &'static [Column],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bytes,
    Number,
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) kind: Kind,
    pub(super) sqlite: &'static str,
    #[cfg_attr(not(feature = "postgres"), expect(dead_code))]
    pub(super) postgres: &'static str,
    /// Its type in PostgreSQL.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code))]
    pub(super) cast: &'static str,
}

const fn text(name: &'static str) -> Column {
    column(Kind::Text, name, "text")
}

const fn bytes(name: &'static str) -> Column {
    column(Kind::Bytes, name, "bytea")
}

const fn number(name: &'static str, cast: &'static str) -> Column {
    column(Kind::Number, name, cast)
}

const fn column(kind: Kind, name: &'static str, cast: &'static str) -> Column {
    Column {
        kind,
        sqlite: name,
        postgres: name,
        cast,
    }
}

/// All of them. The engines' facts beside them are [`Facts`].
pub(crate) static TABLES: &[Table] = &[
    Table {
        name: "accounts",
        rows: "accounts",
        columns: &[
            text("name"),
            number("kind", "smallint"),
            text("scope"),
            text("claims"),
            number("disabled", "boolean"),
            number("created", "bigint"),
            number("version", "bigint"),
            bytes("salt"),
            bytes("hash"),
            number("memory", "integer"),
            number("passes", "integer"),
            number("lanes", "integer"),
        ],
    },
    Table {
        name: "revoked_tokens",
        rows: "revoked tokens and logins",
        columns: &[text("id"), number("expires", "bigint")],
    },
    Table {
        name: "revoked_users",
        rows: "users whose earlier tokens are revoked",
        columns: &[
            text("name"),
            number("before", "bigint"),
            number("expires", "bigint"),
        ],
    },
    Table {
        name: "sessions",
        rows: "logins that can be refreshed",
        columns: &[
            text("id"),
            Column {
                kind: Kind::Text,
                sqlite: "user",
                postgres: "account",
                cast: "text",
            },
            text("refresh"),
            number("expires", "bigint"),
            number("access_expires", "bigint"),
            number("started", "bigint"),
            number("refreshed", "bigint"),
        ],
    },
    Table {
        name: "unlocked_users",
        rows: "accounts unlocked lately",
        columns: &[
            text("name"),
            number("at", "bigint"),
            number("expires", "bigint"),
        ],
    },
    Table {
        name: "api_keys",
        rows: "API keys",
        columns: &[
            text("id"),
            bytes("hash"),
            text("owner"),
            text("scope"),
            number("created", "bigint"),
            number("expires", "bigint"),
            number("max_requests", "integer"),
            number("period", "bigint"),
            number("used", "bigint"),
            number("revoked", "bigint"),
        ],
    },
];

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// The values of a row, one for each column.
pub(crate) type Row = Vec<Value>;

/// Ids and names as every store can keep them.
pub(super) fn portable(text: String) -> Value {
    match text.contains('\0') {
        true => Value::Text(storable(&text).into_owned()),
        false => Value::Text(text),
    }
}

/// What a store knows beside its tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Whether an account has ever existed.
    pub(crate) accounts: bool,
    /// By which the account that stands in for an unknown name is chosen.
    pub(crate) stand_in_key: i64,
}

/// How many rows were seen, and a checksum of them that does not depend on their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    counts: BTreeMap<&'static str, u64>,
    sum: (u128, u128),
}

impl Tally {
    pub(crate) fn add(&mut self, table: &'static Table, rows: &[Row]) {
        rows.iter().for_each(|row| self.add_row(table, row));
    }

    fn add_row(&mut self, table: &'static Table, row: &[Value]) {
        *self.counts.entry(table.name).or_default() += 1;
        let mut hash = openssl::sha::Sha256::new();
        let mut part = |kind: u8, bytes: &[u8]| {
            hash.update(&[kind]);
            hash.update(&(bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(b'T', table.name.as_bytes());
        for value in row {
            match value {
                Value::Null => part(b'0', &[]),
                Value::Number(number) => part(b'n', &number.to_be_bytes()),
                Value::Text(text) => part(b't', text.as_bytes()),
                Value::Bytes(bytes) => part(b'b', bytes),
            }
        }
        let hash = hash.finish();
        let half = |at: usize| {
            let bytes = hash[at..at + 16].try_into();
            u128::from_be_bytes(bytes.expect("sixteen bytes"))
        };
        self.sum.0 = self.sum.0.wrapping_add(half(0));
        self.sum.1 = self.sum.1.wrapping_add(half(16));
    }

    /// How many rows of each table there were.
    pub(crate) fn counts(&self) -> Vec<(&'static Table, u64)> {
        let count = |table: &Table| self.counts.get(table.name).copied().unwrap_or(0);
        TABLES.iter().map(|table| (table, count(table))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, expires: i64) -> Row {
        vec![Value::Text(id.to_owned()), Value::Number(expires)]
    }

    fn tally(rows: &[(usize, Row)]) -> Tally {
        let mut tally = Tally::default();
        for (table, row) in rows {
            tally.add(&TABLES[*table], std::slice::from_ref(row));
        }
        tally
    }

    #[test]
    fn the_checksum_depends_on_every_row_and_not_on_their_order() {
        let rows = [(1, row("a", 1)), (1, row("b", 2)), (2, row("a", 1))];
        let all = tally(&rows);
        let [a, b, c] = rows.clone();
        assert_eq!(tally(&[c.clone(), a.clone(), b.clone()]), all);
        for others in [
            vec![a.clone(), b.clone()],
            vec![a.clone(), b.clone(), c.clone(), c.clone()],
            vec![(1, row("a", 2)), (1, row("b", 1)), c.clone()],
            vec![a.clone(), (2, row("b", 2)), (1, row("a", 1))],
            vec![
                (1, vec![Value::Bytes(b"a".to_vec()), Value::Number(1)]),
                b,
                c,
            ],
        ] {
            assert_ne!(tally(&others), all, "{others:?}");
        }
        let counts: Vec<u64> = all.counts().iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [0, 2, 1, 0, 0, 0]);
    }

    #[test]
    fn the_bounds_between_values_count() {
        let two = |one: &str, other: &str| {
            let value = |text: &str| Value::Text(text.to_owned());
            tally(&[(3, vec![value(one), value(other)])])
        };
        assert_ne!(two("ab", "c"), two("a", "bc"));
        assert_ne!(two("", ""), tally(&[(3, vec![Value::Null, Value::Null])]));
    }
}
