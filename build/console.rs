//! Prepares the files of the console's page: without comments and indentation, plain and compressed, so that no request has to
//! do it.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};

/// Where the page is.
const PAGE: &str = "src/api/console/page";

pub(crate) fn compress() -> io::Result<()> {
    println!("cargo:rerun-if-changed={PAGE}");
    let folder = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    let folder = Path::new(&folder).join("console");
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(PAGE)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = without_comments(&fs::read_to_string(&path)?);
        fs::write(folder.join(&*name), &text)?;
        // Neither a name nor a time, so that the same source makes the same binary.
        let mut writer = GzBuilder::new().write(Vec::new(), Compression::best());
        writer.write_all(text.as_bytes())?;
        fs::write(folder.join(format!("{name}.gz")), writer.finish()?)?;
    }
    Ok(())
}

/// The lines without those that are comments as a whole. A unit test holds that no text of the page spans lines.
fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut in_comment = false;
    for line in text.lines().map(str::trim) {
        let begins = line.starts_with("/*");
        if !(in_comment || begins || line.is_empty() || line.starts_with("//")) {
            kept.push_str(line);
            kept.push('\n');
        }
        in_comment = (in_comment || begins) && !line.ends_with("*/");
    }
    kept
}
