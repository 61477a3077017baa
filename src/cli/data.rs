//! `sealgate encrypt` and `sealgate decrypt`: standard input to standard output, as base64 text. `stream` handles files.

use std::io::{self, BufRead};

use clap::{ArgMatches, Command};
use sealgate::{Error, Secret};

use super::args::{context, flag, given_context};
use super::sign::{given_max_age, max_age};
use super::{Failure, files, open_gate, read_input, settings, stream, write_output};

pub(super) fn encrypt_command() -> Command {
    let command = Command::new("encrypt")
        .about("Encrypt standard input as base64 text, or a file of any size")
        .long_about(
            "Encrypt standard input and print base64 text. With --in or --out, encrypt a file of any size in constant \
             memory as a sealed stream, which is binary; sealgate decrypt with --in or --out decrypts it. The output file \
             appears only once it is complete, readable by its owner only; a file that it replaces keeps its mode.",
        )
        .arg(context())
        .arg(
            flag(
                "url-safe",
                "Print text for a URL or a cookie (base64url), which records the time",
            )
            .conflicts_with_all(["in", "out"]),
        )
        .args(files::arguments(
            "Encrypt this file, or standard input for -",
            "Write the sealed stream to this file, or to standard output for -",
        ));
    settings::add_flags(
        command,
        &[settings::RING, settings::NEW_KEYS, settings::CBC],
    )
}

pub(super) fn decrypt_command() -> Command {
    let command = Command::new("decrypt")
        .about("Decrypt base64 text from standard input, or a file of any size")
        .long_about(
            "Decrypt base64 text from standard input and print the original bytes. With --in or --out, decrypt a sealed \
             stream of any size in constant memory. The output file appears only once all of it, including its end, has \
             been authenticated. Standard output receives the data in pieces, each after it has been authenticated; only \
             exit code 0 confirms that the data is complete.",
        )
        .arg(context())
        .arg(
            max_age("Refuse data that was encrypted more than this long ago, or not with --url-safe")
                .conflicts_with_all(["in", "out"]),
        )
        .args(files::arguments(
            "Decrypt this file, or standard input for -",
            "Write to this file, or to standard output for -",
        ));
    settings::add_flags(
        command,
        &[
            settings::RING,
            settings::NEW_KEYS,
            settings::CBC,
            &["leeway"],
        ],
    )
}

pub(super) fn encrypt(matches: &ArgMatches) -> Result<(), Failure> {
    if stream::is_asked_for(matches) {
        return stream::encrypt(matches);
    }
    let gate = open_gate(matches)?;
    let (data, context) = (read_input()?, given_context(matches));
    let encrypted = match matches.get_flag("url-safe") {
        true => gate.encrypt_url_safe(data.expose(), context),
        false => gate.encrypt_data(data.expose(), context),
    }?;
    write_output(format!("{encrypted}\n").as_bytes())
}

pub(super) fn decrypt(matches: &ArgMatches) -> Result<(), Failure> {
    if stream::is_asked_for(matches) {
        return stream::decrypt(matches);
    }
    let gate = open_gate(matches)?;
    let encrypted = read_base64()?;
    let text = encrypted.expose_str().map_err(|_| Error::Decrypt)?;
    // Nothing is written before all of it has been authenticated.
    let context = given_context(matches);
    let decrypted = match given_max_age(matches) {
        Some(max_age) => gate.decrypt_fresh(text, context, max_age),
        None => gate.decrypt_data(text, context),
    }?;
    write_output(decrypted.expose())
}

/// Reads standard input, unless it begins like a sealed stream, which may be too long to read to its end.
fn read_base64() -> Result<Secret, Failure> {
    let stdin = io::stdin();
    let begins = stdin.lock().fill_buf().map(|begun| begun.first().copied());
    match begins {
        Ok(Some(stream::STREAM_VERSION)) => {
            let mut failure = Failure::from(Error::Decrypt);
            failure.sentences.push(
                "Standard input looks like a sealed stream, not like base64 text. Use --in FILE, or --in - for \
                 standard input."
                    .to_owned(),
            );
            Err(failure)
        }
        // A read error is reported there.
        _ => read_input(),
    }
}
