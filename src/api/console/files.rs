//! The files of the console's page, and the responses that carry them. build.rs removes comments and
//! compresses them, once.

use once_cell::sync::Lazy;
use openssl::sha::sha256;

use crate::api::entity_tag::names;
use crate::api::problem::Problem;
use crate::api::request::Request;
use crate::api::response::Response;
use crate::base::encoding::encode_url;

/// A file of the page.
struct File {
    path: &'static str,
    kind: &'static str,
    plain: &'static [u8],
    gzipped: &'static [u8],
}

/// A file's entity tag, without its quotes.
static TAGS: Lazy<Vec<String>> = Lazy::new(|| {
    let tags = FILES.iter().map(|file| sha256(file.plain));
    tags.map(|hash| encode_url(&hash[..12])).collect()
});

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($path:literal $name:literal $kind:ident;)*) => {
        static FILES: &[File] = &[$(File {
            path: $path,
            kind: $kind,
            plain: include_bytes!(concat!(env!("OUT_DIR"), "/console/", $name)),
            gzipped: include_bytes!(concat!(env!("OUT_DIR"), "/console/", $name, ".gz")),
        }),*];
    };
}

files! {
    "/console/" "index.html" HTML;
    "/console/app.css" "app.css" CSS;
    "/console/icon.svg" "icon.svg" SVG;
    "/console/app.js" "app.js" SCRIPT;
    "/console/api.js" "api.js" SCRIPT;
    "/console/dom.js" "dom.js" SCRIPT;
    "/console/parts.js" "parts.js" SCRIPT;
    "/console/charts.js" "charts.js" SCRIPT;
    "/console/login.js" "login.js" SCRIPT;
    "/console/views.js" "views.js" SCRIPT;
    "/console/overview.js" "overview.js" SCRIPT;
    "/console/accounts.js" "accounts.js" SCRIPT;
    "/console/security.js" "security.js" SCRIPT;
    "/console/settings.js" "settings.js" SCRIPT;
    "/console/tryit.js" "tryit.js" SCRIPT;
}

/// The response with the file at this request's path. Browsers keep it, and ask at each visit whether it has changed.
pub(in crate::api) fn response(request: &Request<'_>) -> Result<Response, Problem> {
    let path = request.path();
    let (file, tag) = (FILES.iter().zip(&*TAGS))
        .find(|(file, _)| file.path == path)
        .ok_or_else(Problem::not_found)?;
    let gzip = accepts_gzip(request);
    let etag = format!("\"{tag}{}\"", if gzip { "-gzip" } else { "" });
    let mut known = request.headers.all("If-None-Match");
    let mut response = match known.any(|value| names(value, &etag)) {
        true => Response::empty(304),
        false if gzip => Response::new(200, file.kind, file.gzipped.to_vec()),
        false => Response::new(200, file.kind, file.plain.to_vec()),
    };
    if gzip && response.status().0 == 200 {
        response.set("Content-Encoding", "gzip");
    }
    response.set("ETag", etag);
    response.set("Vary", "Accept-Encoding");
    response.set("Cache-Control", "no-cache");
    Ok(response)
}

/// Whether the client takes gzip (RFC 9110, section 12.5.3).
fn accepts_gzip(request: &Request<'_>) -> bool {
    let fields = request.headers.all("Accept-Encoding");
    let codings = fields.flat_map(|value| value.split(|byte| *byte == b','));
    let mut weights = codings.filter_map(|coding| {
        let text = std::str::from_utf8(coding).ok()?;
        let (name, weight) = text.split_once(';').unwrap_or((text, "q=1"));
        let name = name.trim();
        let is_gzip = name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip");
        is_gzip.then(|| weight.trim().to_ascii_lowercase())
    });
    weights
        .next()
        .is_some_and(|weight| !weight.trim_start_matches(['q', '=', '0', '.']).is_empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/console/page")
    }

    #[test]
    fn every_file_of_the_page_is_served_and_together_they_are_small() {
        assert_eq!(fs::read_dir(folder()).unwrap().count(), FILES.len());
        let size = |part: fn(&File) -> &'static [u8]| FILES.iter().map(|f| part(f).len()).sum();
        let (plain, gzipped): (usize, usize) = (size(|f| f.plain), size(|f| f.gzipped));
        assert!(plain <= 100 << 10, "{plain} bytes");
        assert!(gzipped <= 30 << 10, "{gzipped} bytes compressed");
    }

    #[test]
    fn no_text_of_the_page_spans_lines_and_none_is_made_into_markup() {
        for entry in fs::read_dir(folder()).unwrap() {
            let path = entry.unwrap().path();
            for line in fs::read_to_string(&path).unwrap().lines() {
                let marks = line.matches('`').count();
                assert_eq!(marks % 2, 0, "{}: {line}", path.display());
                for sink in [
                    "innerHTML",
                    "outerHTML",
                    "insertAdjacentHTML",
                    "document.write",
                    "DOMParser",
                    "eval(",
                    "new Function",
                    "srcdoc",
                    "http://",
                    "https://",
                ] {
                    let is_namespace = line.contains("\"http://www.w3.org/2000/svg\"");
                    assert!(
                        !line.contains(sink) || is_namespace,
                        "{}: {line}",
                        path.display()
                    );
                }
            }
        }
    }
}
