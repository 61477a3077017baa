//! Copying the store: all rows as of one moment, and a new file from the rows of another store.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row as Found, params_from_iter};

use super::SqliteStore;
use super::file::{self, STORE_FILE, beside, plain};
use super::{read_only, schema};
use crate::Error;
use crate::store::store_copy::{Movable, Rows, Sink, StoreCount, StoreStatus, TOGETHER};
use crate::store::tables::{Facts, Kind, Row, TABLES, Table, Tally, Value, portable};

impl Movable for SqliteStore {
    fn set_read_only(&self, read_only: bool) -> Result<bool, Error> {
        self.pool.set_read_only(read_only)
    }

    fn export(&self, into: &mut Sink<'_>) -> Result<Facts, Error> {
        self.pool
            .with(|connection| read_all(&*connection.unchecked_transaction()?, into))?
    }

    fn is_read_only(&self) -> Result<bool, Error> {
        self.pool.with(read_only::is_marked)
    }

    fn status(&self) -> Result<StoreStatus, Error> {
        let mut status = self.pool.with(|connection| {
            let mut counts = Vec::new();
            for table in TABLES {
                let count = format!("SELECT count(*) FROM {}", table.name);
                counts.push(StoreCount {
                    table: table.name,
                    rows: table.rows,
                    count: connection
                        .query_row(&count, [], |row| row.get(0).map(i64::unsigned_abs))?,
                });
            }
            Ok(StoreStatus {
                kind: "sqlite",
                place: String::new(),
                version: schema::NEWEST,
                read_only: read_only::is_marked(connection)?,
                counts,
                size: 0,
                nodes: Vec::new(),
                log_age: None,
            })
        })?;
        let path = self.pool.path();
        let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        status.size = size(path) + size(&beside(path, "-wal"));
        status.place = path.display().to_string();
        Ok(status)
    }
}

/// Whether the store in the directory refuses changes. `false` also if there is none, or it cannot be read: whoever uses it
/// finds that out.
pub(crate) fn is_read_only(folder: &Path) -> bool {
    let path = folder.join(STORE_FILE);
    let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
    is_file
        && plain(&path)
            .and_then(|found| read_only::is_marked(&found))
            .unwrap_or(false)
}

/// The refusal of a change of what is beside the store in the directory.
pub(crate) fn refused(folder: &Path) -> Error {
    read_only::refused(&folder.join(STORE_FILE))
}

/// Within a transaction, so that all is as of the same moment. The inner error is the sink's.
fn read_all(read: &Connection, into: &mut Sink<'_>) -> rusqlite::Result<Result<Facts, Error>> {
    for table in TABLES {
        let sql = format!("SELECT {} FROM {}", columns(table), table.name);
        let mut rows = read.prepare(&sql)?;
        let mut rows = rows.query([])?;
        let mut batch = Vec::with_capacity(TOGETHER);
        loop {
            let next = rows.next()?.map(|found| row_of(table, found)).transpose()?;
            let ends = next.is_none();
            batch.extend(next);
            if ends || batch.len() == TOGETHER {
                if let Err(error) = into(table, &batch) {
                    return Ok(Err(error));
                }
                batch.clear();
            }
            if ends {
                break;
            }
        }
    }
    facts(read).map(Ok)
}

fn facts(connection: &Connection) -> rusqlite::Result<Facts> {
    let mut meta = connection.prepare("SELECT value FROM meta WHERE name = ?1")?;
    let mut value = |name: &str| {
        meta.query_row([name], |row| row.get::<_, i64>(0))
            .optional()
    };
    Ok(Facts {
        accounts: value("accounts")?.unwrap_or(0) != 0,
        stand_in_key: value("stand_in_key")?.unwrap_or(0),
    })
}

fn columns(table: &Table) -> String {
    let columns = table.columns.iter();
    let quoted: Vec<String> = columns
        .map(|column| format!("\"{}\"", column.sqlite))
        .collect();
    quoted.join(", ")
}

fn row_of(table: &Table, found: &Found<'_>) -> rusqlite::Result<Row> {
    let mut row = Row::with_capacity(table.columns.len());
    for (at, column) in table.columns.iter().enumerate() {
        let value = match column.kind {
            Kind::Text => found.get::<_, Option<String>>(at)?.map(portable),
            Kind::Bytes => found.get::<_, Option<Vec<u8>>>(at)?.map(Value::Bytes),
            Kind::Number => found.get::<_, Option<i64>>(at)?.map(Value::Number),
        };
        row.push(value.unwrap_or(Value::Null));
    }
    Ok(row)
}

/// Creates a store from the rows of another one, in an empty file that nobody else knows yet.
pub(crate) fn write_new(path: &Path, rows: &mut Rows<'_>) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    let failed = |error: rusqlite::Error| match error {
        rusqlite::Error::ToSqlConversionFailure(error) => match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::Store(format!("{error}")),
        },
        error => file::explain(path, &error),
    };
    let mut make = || -> rusqlite::Result<()> {
        let mut connection = plain(path)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        schema::migrate(&mut connection)?;
        let change = connection.transaction()?;
        let facts = rows(&mut |table, rows| {
            insert(&change, table, rows).map_err(|error| file::explain(path, &error))?;
            tally.add(table, rows);
            Ok(())
        })
        .map_err(other)?;
        let mut set = change.prepare("UPDATE meta SET value = ?2 WHERE name = ?1")?;
        set.execute(("accounts", facts.accounts))?;
        set.execute(("stand_in_key", facts.stand_in_key))?;
        drop(set);
        let mut written = Tally::default();
        let read = read_all(&change, &mut |table, rows| {
            written.add(table, rows);
            Ok(())
        })?;
        if written != tally || read.map_err(other)? != facts {
            return Err(other(Error::Store(
                "What was written differs from what was read. Nothing was changed. Try again."
                    .to_owned(),
            )));
        }
        change.commit()?;
        connection.close().map_err(|(_, error)| error)
    };
    make().map_err(failed)?;
    Ok(tally)
}

/// Carries an error of ours through SQLite's.
fn other(error: Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

fn insert(change: &Connection, table: &Table, rows: &[Row]) -> rusqlite::Result<()> {
    let places = vec!["?"; table.columns.len()].join(", ");
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({places})",
        table.name,
        columns(table)
    );
    let mut insertion = change.prepare_cached(&sql)?;
    for row in rows {
        let values = row.iter().map(|value| match value {
            Value::Null => rusqlite::types::Value::Null,
            Value::Number(number) => rusqlite::types::Value::Integer(*number),
            Value::Text(text) => rusqlite::types::Value::Text(text.clone()),
            Value::Bytes(bytes) => rusqlite::types::Value::Blob(bytes.clone()),
        });
        insertion.execute(params_from_iter(values))?;
    }
    Ok(())
}
