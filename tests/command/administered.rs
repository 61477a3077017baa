//! A server with an administrator, and the command on both sides: beside the server, and with `--server`.

use std::process::{Command, Output};

use serde_json::Value;
use time::OffsetDateTime;

use crate::common::people::{PASSWORD, Pair, People};
use crate::common::{Server, run, text};

/// A server on this machine, and an administrator's token.
pub(super) struct Administered {
    pub(super) people: People,
    pub(super) server: Server,
    pub(super) token: String,
    settings: Vec<(String, String)>,
}

impl Administered {
    pub(super) fn new() -> Administered {
        Administered::with(&[])
    }

    /// A server with these settings, which the command beside it has too.
    pub(super) fn with(settings: &[(&str, &str)]) -> Administered {
        let people = People::of(&["alice", "bob"]);
        people.add("root", "admin secure-data");
        let server = people.server(settings);
        let token = Pair::log_in(&server, "root").token;
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Administered {
            people,
            server,
            token,
            settings: settings.iter().map(owned).collect(),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// The command with these flags before the subcommand. No setting of the server reaches it.
    pub(super) fn command(&self, flags: &[&str], arguments: &[&str]) -> Command {
        let mut command = crate::common::sealgate(self.people.home());
        command
            .args(flags)
            .args(arguments)
            .env("SEALGATE_DATA_DIR", "/nowhere")
            .env("SEALGATE_TOKEN", &self.token);
        command
    }

    pub(super) fn typed(&self, arguments: &[&str]) -> Output {
        let command = self.command(&["--server", &self.url()], arguments);
        run(command, format!("{PASSWORD}\n").as_bytes())
    }

    pub(super) fn done(&self, arguments: &[&str]) -> String {
        let output = self.typed(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        text(&output.stdout)
    }

    pub(super) fn local(&self, arguments: &[&str]) -> Output {
        let mut command = self.people.command(arguments);
        command.envs(self.settings.iter().cloned());
        run(command, format!("{PASSWORD}\n").as_bytes())
    }

    /// Both sides print the same.
    pub(super) fn is_same(&self, arguments: &[&str]) -> String {
        let (here, there) = (self.local(arguments), self.typed(arguments));
        assert_eq!(here.status.code(), there.status.code(), "{there:?}");
        assert_eq!(text(&there.stdout), text(&here.stdout), "{arguments:?}");
        text(&here.stdout)
    }

    /// Asks the administration API, which the console reads.
    pub(super) fn get(&self, target: &str) -> Value {
        let target = format!("/admin/v1/{target}");
        self.server.get(&target, Some(&self.token)).json()
    }

    pub(super) fn post(&self, target: &str, body: &Value) -> Value {
        let target = format!("/admin/v1/{target}");
        let answer = self
            .server
            .post(&target, &body.to_string(), Some(&self.token));
        assert!(
            (200..300).contains(&answer.status),
            "{target}: {}",
            answer.body
        );
        answer.json()
    }
}

/// Seconds since 1970 as the command prints them.
pub(super) fn time(seconds: &Value) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(seconds.as_i64()?).unwrap();
    let (date, (hour, minute, second)) = (time.date(), time.to_hms());
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}Z"))
}
