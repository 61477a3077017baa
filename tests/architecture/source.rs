//! Rust sources as far as their imports go: which files there are, what each defines, and which paths it names.

use std::collections::{BTreeMap, BTreeSet};

/// The sources of one tree: by module path, such as `["keys", "file"]`; the root is `[]`.
pub(crate) struct Tree {
    modules: BTreeMap<Vec<String>, Module>,
}

#[derive(Default)]
struct Module {
    file: String,
    items: BTreeSet<String>,
    /// Names that `use` brings in, with the path that each stands for.
    aliases: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// The paths that its code names: the line, the path as written, and whether it only re-exports.
    paths: Vec<(usize, Vec<String>, bool)>,
    words: BTreeSet<String>,
}

/// One file uses something that another one defines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    pub(crate) from: String,
    pub(crate) line: usize,
    pub(crate) to: String,
    pub(crate) path: String,
    /// It is only passed on: a folder's face names what its files define, and does not use it.
    pub(crate) passed_on: bool,
}

impl Tree {
    /// `files`: names below the root's folder, such as `keys/mod.rs`, with their text. Modules that only tests or fuzzing
    /// have are left out.
    pub(crate) fn read(files: &BTreeMap<String, String>) -> Tree {
        let mut tree = Tree {
            modules: BTreeMap::new(),
        };
        for root in ["lib.rs", "main.rs"] {
            tree.add(files, root, Vec::new());
        }
        tree
    }

    /// The files that were read.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.modules.values().map(|module| module.file.as_str())
    }

    fn add(&mut self, files: &BTreeMap<String, String>, name: &str, path: Vec<String>) {
        let Some(text) = files.get(name) else {
            return;
        };
        let code = without_tests(&without_comments(text));
        let (module, children) = Module::read(name, &code);
        // A second root declares modules of the same tree.
        match self.modules.get_mut(&path) {
            Some(root) if path.is_empty() => root.items.extend(module.items),
            _ => drop(self.modules.insert(path.clone(), module)),
        }
        for child in children {
            let folder = match name.rsplit_once('/') {
                Some((folder, _)) => format!("{folder}/"),
                None => String::new(),
            };
            let file = name.rsplit('/').next().unwrap_or(name);
            let folder = match file {
                "mod.rs" | "lib.rs" | "main.rs" => folder,
                _ => format!("{folder}{}/", file.trim_end_matches(".rs")),
            };
            let path = [&path[..], std::slice::from_ref(&child)].concat();
            for file in [
                format!("{folder}{child}.rs"),
                format!("{folder}{child}/mod.rs"),
            ] {
                self.add(files, &file, path.clone());
            }
        }
    }

    /// Every use that one file makes of another, once for each line and path.
    pub(crate) fn imports(&self) -> Vec<Import> {
        let mut imports = BTreeSet::new();
        for (place, module) in self.modules.iter().filter(|(place, _)| !place.is_empty()) {
            for (line, path, exported) in &module.paths {
                let Some(to) = self.resolve(place, path, 0).filter(|to| *to != module.file) else {
                    continue;
                };
                let folder = module.file.trim_end_matches("mod.rs");
                let is_used = path.last().is_some_and(|name| module.words.contains(name));
                imports.insert(Import {
                    from: module.file.clone(),
                    line: *line,
                    passed_on: *exported && !is_used && to.starts_with(folder),
                    to,
                    path: path.join("::"),
                });
            }
        }
        imports.into_iter().collect()
    }

    /// The file that defines what this path names, seen from this module. `None`: it is another crate's.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<String> {
        if depth > 16 {
            return None;
        }
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" | "sealgate" => self.find(&[], rest, depth),
            "self" => self.find(from, rest, depth),
            "super" => self.resolve_above(from, rest, depth),
            _ => self.find(from, path, depth),
        }
    }

    fn resolve_above(&self, from: &[String], rest: &[String], depth: usize) -> Option<String> {
        let (_, above) = from.split_last()?;
        match rest.first().map(String::as_str) {
            Some("super") => self.resolve_above(above, &rest[1..], depth),
            _ => self.find(above, rest, depth),
        }
    }

    fn find(&self, place: &[String], path: &[String], depth: usize) -> Option<String> {
        let module = self.modules.get(place)?;
        let Some((first, rest)) = path.split_first() else {
            return Some(module.file.clone());
        };
        let child = [place, std::slice::from_ref(first)].concat();
        if self.modules.contains_key(&child) {
            return self.find(&child, rest, depth);
        }
        if let Some(alias) = module.aliases.get(first) {
            if alias.first() == Some(first) {
                return None; // another crate of that name
            }
            let path = [&alias[..], rest].concat();
            return self.resolve(place, &path, depth + 1);
        }
        if module.items.contains(first) || first == "self" {
            return Some(module.file.clone());
        }
        let mut globs = module.globs.iter();
        globs.find_map(|glob| self.resolve(place, &[&glob[..], path].concat(), depth + 1))
    }
}

impl Module {
    /// The module, and the names of its children.
    fn read(name: &str, code: &str) -> (Module, Vec<String>) {
        let mut module = Module {
            file: name.to_owned(),
            ..Module::default()
        };
        let mut children = Vec::new();
        let tokens = tokens(code);
        let mut at = 0;
        let (mut depth, mut inline) = (0, Vec::new());
        let word = |at: usize| tokens.get(at).map_or("", |(_, text)| *text);
        while at < tokens.len() {
            let (line, text) = tokens[at];
            let is_path =
                is_name(text) && word(at + 1) == "::" && (at == 0 || word(at - 1) != "::");
            match text {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    inline.pop_if(|begun| *begun == depth);
                }
                "mod" if word(at + 2) == "{" => inline.push(depth),
                _ => {}
            }
            if text == "use" {
                let is_public = at > 0 && (word(at - 1) == "pub" || word(at - 1) == ")");
                let begun = module.paths.len();
                at = module.read_use(&tokens, at + 1, line, is_public);
                for (_, path, _) in &mut module.paths[begun..] {
                    leave(path, inline.len());
                }
                continue;
            } else if text == "mod" && is_name(word(at + 1)) && word(at + 2) == ";" {
                children.push(word(at + 1).to_owned());
                at += 3;
                continue;
            } else if is_path {
                // `pub(in crate::api)` names no item.
                let is_place = at > 0 && word(at - 1) == "in";
                let mut path = vec![text.to_owned()];
                while word(at + 1) == "::" && is_name(word(at + 2)) {
                    path.push(word(at + 2).to_owned());
                    at += 2;
                }
                module.words.insert(path[0].clone());
                leave(&mut path, inline.len());
                if !is_place {
                    module.paths.push((line, path, false));
                }
            } else if is_definition(text) && is_name(word(at + 1)) {
                module.items.insert(word(at + 1).to_owned());
                at += 1;
            } else if text == "macro_rules" {
                module.items.insert(word(at + 2).to_owned());
                at += 2;
            } else if is_name(text) {
                module.words.insert(text.to_owned());
            }
            at += 1;
        }
        (module, children)
    }

    /// Reads the tree of one `use`; the place of the token behind it.
    fn read_use(
        &mut self,
        tokens: &[(usize, &str)],
        mut at: usize,
        line: usize,
        is_public: bool,
    ) -> usize {
        let mut open: Vec<Vec<String>> = Vec::new();
        let mut path: Vec<String> = Vec::new();
        let mut named: Option<String> = None;
        let mut line = line;
        loop {
            let (here, text) = tokens.get(at).copied().unwrap_or((line, ";"));
            at += 1;
            match text {
                "::" => {}
                "{" => open.push(path.clone()),
                "," | "}" | ";" => {
                    if path.len() > open.last().map_or(0, Vec::len) || named.is_some() {
                        self.keep_use(line, &path, named.take(), is_public);
                    }
                    path = open.last().cloned().unwrap_or_default();
                    if text == "}" {
                        open.pop();
                        // What is behind a closed brace has been kept.
                        path = open.last().cloned().unwrap_or_default();
                        if tokens.get(at).is_some_and(|(_, next)| *next == ";") {
                            return at + 1;
                        }
                    }
                    if text == ";" {
                        return at;
                    }
                }
                "as" => {
                    named = tokens.get(at).map(|(_, name)| (*name).to_owned());
                    at += 1;
                }
                "self" if !path.is_empty() => {
                    let name = path.last().cloned();
                    named = named.or(name);
                }
                text => {
                    line = here;
                    path.push(text.to_owned());
                }
            }
        }
    }

    fn keep_use(&mut self, line: usize, path: &[String], named: Option<String>, is_public: bool) {
        let Some(last) = path.last().cloned() else {
            return;
        };
        if last == "*" {
            self.globs.push(path[..path.len() - 1].to_vec());
            let path = path[..path.len() - 1].to_vec();
            self.paths.push((line, path, false));
            return;
        }
        self.aliases.insert(named.unwrap_or(last), path.to_vec());
        self.paths.push((line, path.to_vec(), is_public));
    }
}

/// A path of a module that is written in its parent's file, seen from there.
fn leave(path: &mut Vec<String>, inline: usize) {
    let above = path.iter().take_while(|name| *name == "super").count();
    path.drain(..above.min(inline));
}

fn is_definition(word: &str) -> bool {
    matches!(
        word,
        "fn" | "struct" | "enum" | "trait" | "const" | "static" | "type" | "union" | "mod"
    )
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_') || word == "*"
}

/// Words, `::`, and every other character for itself, each with its line.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let size = match first {
                ':' if rest.starts_with("::") => 2,
                first if first.is_alphanumeric() || first == '_' => rest
                    .find(|next: char| !next.is_alphanumeric() && next != '_')
                    .unwrap_or(rest.len()),
                first => first.len_utf8(),
            };
            tokens.push((number + 1, &rest[..size]));
            rest = rest[size..].trim_start();
        }
    }
    tokens
}

/// The code with comments, texts and characters blanked out; lines stay where they are.
fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let size = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw_text(rest, &code) {
            let end = format!("\"{}", "#".repeat(hashes));
            let begin = hashes + 2;
            rest[begin..]
                .find(&end)
                .map_or(rest.len(), |at| begin + at + end.len())
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' && is_character(rest) {
            quoted(rest, '\'')
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push(' ');
        code.extend(rest[..size].chars().filter(|c| *c == '\n'));
        rest = &rest[size..];
    }
    code
}

/// How many `#` a raw text that begins here has.
fn raw_text(rest: &str, before: &str) -> Option<usize> {
    let inside_word = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let behind = rest
        .strip_prefix('r')
        .filter(|_| !inside_word || before.ends_with('b'))?;
    let hashes = behind.len() - behind.trim_start_matches('#').len();
    behind[hashes..].starts_with('"').then_some(hashes)
}

/// A character and not a lifetime.
fn is_character(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The code without the items that only tests or fuzzing have.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(") {
        let end = rest[at..].find(']').map_or(rest.len(), |end| at + end + 1);
        let mut words = rest[at..end].split(|c: char| !c.is_alphanumeric());
        let gated = words.any(|word| word == "test") && !rest[at..end].contains("not(");
        let skipped = if gated { item(&rest[end..]) } else { 0 };
        kept.push_str(&rest[..at]);
        kept.extend(rest[at..end + skipped].chars().filter(|c| *c == '\n'));
        rest = &rest[end + skipped..];
    }
    kept + rest
}

/// How long the item is that begins here.
fn item(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && c == '}' && !code[..at].trim_start().starts_with("use") {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}
