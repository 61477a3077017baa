//! PgBouncer in transaction mode between servers and PostgreSQL: it passes no notifications on.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Instant;

use super::postgres::{Postgres, as_postgres, give};
use super::trouble::Target;
use crate::common::PATIENCE;

pub struct PgBouncer {
    child: Child,
    folder: tempfile::TempDir,
}

impl PgBouncer {
    pub fn before(postgres: &Postgres) -> PgBouncer {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let upstream = postgres.primary.folder().display();
        let config = format!(
            "[databases]\n* = host={upstream} port=5432\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = {}\n\
             auth_type = any\npool_mode = transaction\nmax_client_conn = 500\ndefault_pool_size = 20\nlogfile = {}\n",
            at.display(),
            at.join("log").display()
        );
        // With auth_type = any, everybody is the user that the database's line names.
        let config = config.replace("port=5432\n", "port=5432 user=postgres\n");
        let file = at.join("pgbouncer.ini");
        fs::write(&file, config).unwrap();
        give(at);
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].map(PathBuf::from);
        let program = program.into_iter().find(|path| path.exists());
        let child =
            as_postgres(&program.expect("PgBouncer, which scripts/bootstrap test installs"))
                .arg(&file)
                .current_dir(at)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
        let mut bouncer = PgBouncer { child, folder };
        let start = Instant::now();
        while std::os::unix::net::UnixStream::connect(bouncer.socket()).is_err() {
            let ended = bouncer.child.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "PgBouncer does not run"
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        bouncer
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join(".s.PGSQL.6432")
    }

    pub fn target(&self) -> Target {
        Target::Unix(self.socket())
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
