//! The store in a real PostgreSQL.

pub(crate) mod cluster;
mod feed;
mod lockouts;

use super::*;
use crate::store::suite;
use cluster::Cluster;

struct Place(String);

impl Place {
    fn new() -> Self {
        Place(Cluster::shared().database())
    }

    fn sql(&self, sql: &str) -> String {
        let (_, name) = self.0.rsplit_once('/').unwrap();
        Cluster::shared().sql(name, sql)
    }

    fn store(&self) -> PostgresStore {
        store(&self.0)
    }
}

fn store(address: &str) -> PostgresStore {
    let url = StoreUrl::parse(address.as_bytes()).unwrap();
    let settings = SharedSettings {
        timeout: std::time::Duration::from_secs(60),
        ..SharedSettings::default()
    };
    PostgresStore::new(&url, &settings).unwrap()
}

impl suite::Place for Place {
    fn open(&self) -> Box<dyn Store> {
        Box::new(self.store())
    }

    fn fresh(&self) -> Box<dyn suite::Place> {
        Box::new(Place::new())
    }

    fn count(&self) -> i64 {
        let count = "SELECT (SELECT count(*) FROM sealgate.revoked_tokens) + (SELECT count(*) FROM sealgate.revoked_users)
             + (SELECT count(*) FROM sealgate.sessions)";
        self.sql(count).parse().unwrap()
    }

    fn disable_all(&self) {
        self.sql("UPDATE sealgate.accounts SET disabled = true");
    }
}

mod every {
    use super::*;

    suite::suite!(Place::new());
}
