//! Rows of all tables in the form that they have in every store, read and written many at a time.

use tokio_postgres::types::{ToSql, Type};

use super::changes::get;
use super::client::{Connection, Fault};
use crate::store::store_copy::TOGETHER;
use crate::store::tables::{Column, Kind, Row, TABLES, Table, Value};

/// Gets rows of a table.
type Each<'e> = dyn FnMut(&'static Table, &[Row]) -> Result<(), Fault> + 'e;

/// Reads all tables, some rows at a time.
pub(super) fn read_all(connection: &mut Connection<'_>, each: &mut Each<'_>) -> Result<(), Fault> {
    let together = TOGETHER as i64;
    for table in TABLES {
        let sql = select(table);
        let mut after = String::new();
        loop {
            connection.go_on();
            let found = connection.query(&sql, &[(&after, Type::TEXT), (&together, Type::INT8)])?;
            let rows = found.iter().map(|row| row_of(table, row));
            let rows = rows.collect::<Result<Vec<Row>, Fault>>()?;
            each(table, &rows)?;
            match rows.last().and_then(|row| row.first()) {
                Some(Value::Text(last)) if rows.len() == TOGETHER => after.clone_from(last),
                _ => break,
            }
        }
    }
    Ok(())
}

fn select(table: &Table) -> String {
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| match (column.kind, column.cast) {
            (Kind::Number, "boolean") => format!("{}::integer::bigint", column.postgres),
            (Kind::Number, _) => format!("{}::bigint", column.postgres),
            _ => column.postgres.to_owned(),
        })
        .collect();
    // Names and ids are never empty, so that all rows come after the empty text.
    format!(
        "SELECT {} FROM sealgate.{} WHERE {key} > $1 ORDER BY {key} LIMIT $2",
        columns.join(", "),
        table.name,
        key = table.columns[0].postgres
    )
}

fn row_of(table: &Table, found: &tokio_postgres::Row) -> Result<Row, Fault> {
    let mut row = Row::with_capacity(table.columns.len());
    for (at, column) in table.columns.iter().enumerate() {
        let value = match column.kind {
            Kind::Text => get::<Option<String>>(found, at)?.map(Value::Text),
            Kind::Bytes => get::<Option<Vec<u8>>>(found, at)?.map(Value::Bytes),
            Kind::Number => get::<Option<i64>>(found, at)?.map(Value::Number),
        };
        row.push(value.unwrap_or(Value::Null));
    }
    Ok(row)
}

/// Adds rows to a table.
pub(super) fn insert(
    change: &mut Connection<'_>,
    table: &Table,
    rows: &[Row],
) -> Result<(), Fault> {
    if rows.is_empty() {
        return Ok(());
    }
    change.go_on();
    let arrays: Vec<Array<'_>> = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| Array::of(column, rows.iter().map(|row| &row[at])))
        .collect();
    let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
        arrays.iter().map(Array::parameter).collect();
    change.execute(&insertion(table), &parameters).map(drop)
}

fn insertion(table: &Table) -> String {
    let join = |of: &dyn Fn(usize, &Column) -> String| {
        let columns = table.columns.iter().enumerate();
        let all: Vec<String> = columns.map(|(at, column)| of(at, column)).collect();
        all.join(", ")
    };
    format!(
        "INSERT INTO sealgate.{} ({}) SELECT {} FROM unnest({}) AS given ({})",
        table.name,
        join(&|_, column| column.postgres.to_owned()),
        join(&|at, column| match column.cast {
            "boolean" => format!("c{at} <> 0"),
            cast => format!("c{at}::{cast}"),
        }),
        join(&|at, column| match column.kind {
            Kind::Text => format!("${}::text[]", at + 1),
            Kind::Bytes => format!("${}::bytea[]", at + 1),
            Kind::Number => format!("${}::bigint[]", at + 1),
        }),
        join(&|at, _| format!("c{at}"))
    )
}

/// The values of a column.
enum Array<'r> {
    Text(Vec<Option<&'r str>>),
    Bytes(Vec<Option<&'r [u8]>>),
    Number(Vec<Option<i64>>),
}

impl<'r> Array<'r> {
    fn of(column: &Column, values: impl Iterator<Item = &'r Value>) -> Self {
        match column.kind {
            Kind::Text => Array::Text(
                values
                    .map(|value| match value {
                        Value::Text(text) => Some(text.as_str()),
                        _ => None,
                    })
                    .collect(),
            ),
            Kind::Bytes => Array::Bytes(
                values
                    .map(|value| match value {
                        Value::Bytes(bytes) => Some(bytes.as_slice()),
                        _ => None,
                    })
                    .collect(),
            ),
            Kind::Number => Array::Number(
                values
                    .map(|value| match value {
                        Value::Number(number) => Some(*number),
                        _ => None,
                    })
                    .collect(),
            ),
        }
    }

    fn parameter(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Array::Text(values) => (values, Type::TEXT_ARRAY),
            Array::Bytes(values) => (values, Type::BYTEA_ARRAY),
            Array::Number(values) => (values, Type::INT8_ARRAY),
        }
    }
}
