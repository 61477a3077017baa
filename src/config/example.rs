//! A settings file with every setting in it and none set, made from the table.

use super::table::{SETTINGS, Setting};

const WIDTH: usize = 100;
const HEAD: &str = "Settings of sealgate, each with its default. As it stands this file changes nothing: take away the \
    \"# \" before what you want to change, and name the file with --config or SEALGATE_CONFIG. The environment and flags \
    win over it. Secrets in it are safe only where nobody else can read it: chmod 600.";

/// The text of an example settings file (TOML): as it is, it changes nothing; each setting without its `# ` means its
/// default.
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

/// A number where the setting is one, else text; empty text counts as not set.
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
