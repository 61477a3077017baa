//! Sessions, and when accounts were unlocked.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::changes::{get, revoke_token, signed, text, time, unsigned};
use super::client::{Connection, Fault};
use crate::store::{MAX_SESSIONS, Moment, Session, SessionChange, StoredSession, UserSession};

/// See [`Store::begin_session`](crate::store::Store::begin_session).
pub(super) fn begin(
    change: &mut Connection<'_>,
    session: Session<'_>,
    version: i64,
    issued: u64,
) -> Result<bool, Fault> {
    let user = &*text(session.user);
    // A statement of its own: what is read below is then as of after the wait for a change of the account.
    let account = change.query_opt(
        "SELECT 1 FROM sealgate.accounts WHERE name = $1 AND version = $2 AND NOT disabled FOR NO KEY UPDATE",
        &[(&user, Type::TEXT), (&version, Type::INT8)],
    )?;
    if account.is_none() {
        return Ok(false);
    }
    if session.expires <= issued {
        let revoked = change.query_opt(
            "SELECT 1 FROM sealgate.revoked_users WHERE name = $1 AND before >= $2",
            &[(&user, Type::TEXT), (&signed(issued), Type::INT8)],
        )?;
        return Ok(revoked.is_none());
    }
    let begun = change.execute(
        "INSERT INTO sealgate.sessions SELECT $2, $1, $3, $4, $5, $6, 0
             WHERE NOT EXISTS (SELECT 1 FROM sealgate.revoked_users WHERE name = $1 AND before >= $6)",
        &[
            (&user, Type::TEXT),
            (&session.id, Type::TEXT),
            (&session.refresh, Type::TEXT),
            (&signed(session.expires), Type::INT8),
            (&signed(session.access_expires), Type::INT8),
            (&signed(issued), Type::INT8),
        ],
    )?;
    if begun == 0 {
        return Ok(false);
    }
    change.execute(
        "DELETE FROM sealgate.sessions WHERE account = $1 AND id NOT IN
             (SELECT id FROM sealgate.sessions WHERE account = $1 ORDER BY expires DESC, id = $3 DESC LIMIT $2)",
        &[
            (&user, Type::TEXT),
            (&i64::from(MAX_SESSIONS), Type::INT8),
            (&session.id, Type::TEXT),
        ],
    )?;
    Ok(true)
}

const SESSION: &str = "SELECT account, refresh, expires,
     EXISTS (SELECT 1 FROM sealgate.accounts WHERE name = account AND NOT disabled) FROM sealgate.sessions WHERE id = $1";

fn session_of(row: &Row) -> Result<StoredSession, Fault> {
    Ok(StoredSession {
        user: get(row, 0)?,
        refresh: get(row, 1)?,
        expires: time(row, 2)?,
        enabled: get(row, 3)?,
    })
}

pub(super) fn session(
    connection: &mut Connection<'_>,
    id: &str,
) -> Result<Option<StoredSession>, Fault> {
    let row = connection.query_opt(SESSION, &[(&&*text(id), Type::TEXT)])?;
    row.as_ref().map(session_of).transpose()
}

pub(super) fn sessions(
    connection: &mut Connection<'_>,
    user: &str,
    now: u64,
) -> Result<Vec<UserSession>, Fault> {
    let rows = connection.query(
        "SELECT id, started, refreshed, expires FROM sealgate.sessions WHERE account = $1 AND expires > $2
             ORDER BY started, id",
        &[(&&*text(user), Type::TEXT), (&signed(now), Type::INT8)],
    )?;
    rows.iter().map(user_session).collect()
}

/// See [`Store::all_sessions`](crate::store::Store::all_sessions).
pub(super) fn all(
    connection: &mut Connection<'_>,
    after: &str,
    now: u64,
    most: u32,
) -> Result<Vec<(String, UserSession)>, Fault> {
    let rows = connection.query(
        "SELECT id, started, refreshed, expires, account FROM sealgate.sessions WHERE id > $1 AND expires > $2
             ORDER BY id LIMIT $3",
        &[
            (&&*text(after), Type::TEXT),
            (&signed(now), Type::INT8),
            (&i64::from(most), Type::INT8),
        ],
    )?;
    let of = |row: &Row| Ok((get(row, 4)?, user_session(row)?));
    rows.iter().map(of).collect()
}

fn user_session(row: &Row) -> Result<UserSession, Fault> {
    let known = |column| Ok::<_, Fault>(Some(time(row, column)?).filter(|at| *at > 0));
    Ok(UserSession {
        id: get(row, 0)?,
        started: known(1)?,
        refreshed: known(2)?,
        expires: time(row, 3)?,
    })
}

/// See [`Store::change_session`](crate::store::Store::change_session). Returns whether anything was revoked.
pub(super) fn change<'a>(
    change: &mut Connection<'_>,
    id: &str,
    decide: &mut dyn FnMut(Option<&StoredSession>) -> SessionChange<'a>,
) -> Result<bool, Fault> {
    // In the order in which all changes take locks: the account before its sessions.
    let key = text(id);
    let id: &str = &key;
    change.query(
        "SELECT 1 FROM sealgate.accounts WHERE name = (SELECT account FROM sealgate.sessions WHERE id = $1) FOR KEY SHARE",
        &[(&id, Type::TEXT)],
    )?;
    let row = change.query_opt(
        &format!("{SESSION} FOR UPDATE OF sessions"),
        &[(&id, Type::TEXT)],
    )?;
    let stored = row.as_ref().map(session_of).transpose()?;
    match decide(stored.as_ref()) {
        SessionChange::Keep => Ok(false),
        SessionChange::Replace { next, now } => {
            change.execute(
                "UPDATE sealgate.sessions SET refresh = $2, expires = $3,
                     access_expires = greatest(access_expires, $4), refreshed = $5 WHERE id = $1",
                &[
                    (&id, Type::TEXT),
                    (&next.refresh, Type::TEXT),
                    (&signed(next.expires), Type::INT8),
                    (&signed(next.access_expires), Type::INT8),
                    (&signed(now), Type::INT8),
                ],
            )?;
            Ok(false)
        }
        SessionChange::End(at) => end(change, id, at).map(|()| true),
    }
}

/// See [`Store::end_session`](crate::store::Store::end_session).
pub(super) fn end(change: &mut Connection<'_>, id: &str, at: Moment) -> Result<(), Fault> {
    let row = change.query_opt(
        "DELETE FROM sealgate.sessions WHERE id = $1 RETURNING access_expires",
        &[(&&*text(id), Type::TEXT)],
    )?;
    let expires = row.map(|row| time(&row, 0)).transpose()?;
    let until = expires.map_or(at.forget, |expires| expires.max(at.forget));
    revoke_token(change, id, until)
}

/// See [`Store::unlock`](crate::store::Store::unlock).
pub(super) fn unlock(
    change: &mut Connection<'_>,
    name: &str,
    at: u64,
    kept: Moment,
) -> Result<bool, Fault> {
    let recorded = change.execute(
        "INSERT INTO sealgate.unlocked_users (name, at, expires) SELECT name, $2, $3 FROM sealgate.accounts WHERE name = $1
             ON CONFLICT (name) DO UPDATE
             SET at = excluded.at, expires = excluded.expires, noted = excluded.noted",
        &[
            (&&*text(name), Type::TEXT),
            (&signed(at), Type::INT8),
            (&signed(kept.forget), Type::INT8),
        ],
    )?;
    Ok(recorded > 0)
}

/// See [`Store::unlocked`](crate::store::Store::unlocked).
pub(super) fn unlocked(
    connection: &mut Connection<'_>,
    names: &[&str],
) -> Result<Vec<Option<u64>>, Fault> {
    let names: Vec<_> = names.iter().map(|name| text(name)).collect();
    let rows = connection.query(
        "SELECT u.at FROM unnest($1::text[]) WITH ORDINALITY AS asked (name, n)
             LEFT JOIN sealgate.unlocked_users u ON u.name = asked.name ORDER BY n",
        &[(&names, Type::TEXT_ARRAY)],
    )?;
    let of = |row| Ok(get::<Option<i64>>(row, 0)?.map(unsigned));
    rows.iter().map(of).collect()
}
