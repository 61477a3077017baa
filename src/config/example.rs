//! An example settings file with every setting commented out, generated from the table.

use super::table::{SETTINGS, Setting};

const WIDTH: usize = 100;
const HEAD: &str = "Settings of sealgate, each with its default. As it is, this file changes nothing: remove the \"# \" \
    before what you want to change, and name the file with --config or SEALGATE_CONFIG. The environment and flags \
    override it. Put secrets in it only if nobody else can read it: chmod 600.";

/// The text of an example settings file (TOML). Every setting is commented out; uncommented, it sets its default.
pub fn example() -> String {
    let mut text = comment(HEAD);
    for setting in SETTINGS {
        text.push('\n');
        text.push_str(&comment(&format!(
            "{} [env: {}]",
            setting.help, setting.env
        )));
        text.push_str(&format!("# {} = {}\n", setting.name, value(setting)));
    }
    text
}

/// A number for a numeric setting, else a string; an empty string counts as not set.
fn value(setting: &Setting) -> String {
    match setting.value_name {
        "N" | "SECONDS" | "BYTES" => setting.default.to_owned(),
        // The table's defaults have neither quotes nor control characters, so this is TOML too.
        _ => format!("{:?}", setting.default),
    }
}

fn comment(text: &str) -> String {
    let mut lines = String::from("#");
    let mut width = 1;
    for word in text.split(' ') {
        if width + 1 + word.len() > WIDTH {
            lines.push_str("\n#");
            width = 1;
        }
        lines.push(' ');
        lines.push_str(word);
        width += 1 + word.len();
    }
    lines.push('\n');
    lines
}
