//! The map of rooms in docs/architecture.md, and what breaks it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::source::Import;

/// The rooms from top to bottom.
pub(crate) struct Map {
    floors: Vec<Floor>,
}

struct Floor {
    rooms: Vec<String>,
    /// Whether its rooms may use one another.
    open: bool,
}

const OPEN: &str = " (may use one another)";

impl Map {
    /// Reads the block that is fenced as `rooms`: a line a floor, its rooms with commas between, up to a colon.
    pub(crate) fn read(page: &str) -> Map {
        let block = page
            .split_once("```rooms\n")
            .and_then(|(_, rest)| rest.split_once("```"))
            .map_or("", |(block, _)| block);
        let lines = block.lines().filter_map(|line| line.split_once(':'));
        let floors = lines.map(|(rooms, _)| Floor {
            open: rooms.ends_with(OPEN),
            rooms: rooms
                .trim_end_matches(OPEN)
                .split(',')
                .map(|room| room.trim().to_owned())
                .collect(),
        });
        Map {
            floors: floors.collect(),
        }
    }

    fn floor(&self, room: &str) -> Option<usize> {
        let has = |floor: &Floor| floor.rooms.iter().any(|known| known == room);
        self.floors.iter().position(has)
    }

    /// Files in no room of the map, and rooms that are not there.
    pub(crate) fn unknown(&self, files: &BTreeSet<String>) -> Vec<String> {
        let rooms: BTreeSet<&str> = files.iter().map(|file| room(file)).collect();
        let mut wrong = Vec::new();
        for file in files {
            if self.floor(room(file)).is_none() && file != "lib.rs" {
                wrong.push(format!("src/{file}: no room of the map has this file"));
            }
        }
        for known in self.floors.iter().flat_map(|floor| &floor.rooms) {
            if !rooms.contains(known.as_str()) {
                wrong.push(format!("{known}: a room of the map that is not in src"));
            }
        }
        wrong
    }

    /// Imports that go up, or to a neighbour that the line does not permit.
    pub(crate) fn climbing(&self, imports: &[Import]) -> Vec<String> {
        let may = |import: &&Import| {
            let (from, to) = (room(&import.from), room(&import.to));
            match (self.floor(from), self.floor(to)) {
                (Some(above), Some(below)) if above == below => {
                    from == to || self.floors[above].open
                }
                (Some(above), Some(below)) => above < below,
                // Reported as a file without a room.
                _ => to != "lib",
            }
        };
        let wrong = imports.iter().filter(|import| !may(import));
        wrong
            .map(|import| {
                format!(
                    "src/{}:{}: {} is in src/{}, and {} may not use {}",
                    import.from,
                    import.line,
                    import.path,
                    import.to,
                    room(&import.from),
                    room(&import.to)
                )
            })
            .collect()
    }
}

/// The first part of a file's name.
fn room(file: &str) -> &str {
    let first = file.split('/').next().unwrap_or(file);
    first.trim_end_matches(".rs")
}

/// Files that import one another in a circle: of all that hang together so, the shortest circle through the first of them,
/// a line for each of its imports.
pub(crate) fn circles(imports: &[Import]) -> Vec<String> {
    let mut uses: BTreeMap<&str, BTreeMap<&str, &Import>> = BTreeMap::new();
    for import in imports.iter().filter(|import| !import.passed_on) {
        let uses = uses.entry(&import.from).or_default();
        uses.entry(&import.to).or_insert(import);
    }
    let mut reported = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in uses.keys().copied() {
        let circle = circle(&uses, file);
        if circle
            .iter()
            .any(|import| reported.contains(import.from.as_str()))
        {
            continue;
        }
        reported.extend(circle.iter().map(|import| import.from.as_str()));
        wrong.extend(circle.iter().map(|import| {
            format!(
                "src/{}:{}: {} is in src/{}, which leads back here",
                import.from, import.line, import.path, import.to
            )
        }));
    }
    wrong
}

/// The shortest circle through a file; empty where there is none.
fn circle<'i>(uses: &BTreeMap<&str, BTreeMap<&str, &'i Import>>, file: &str) -> Vec<&'i Import> {
    let mut came_by: BTreeMap<&str, &Import> = BTreeMap::new();
    let mut next = VecDeque::from([file]);
    while let Some(here) = next.pop_front() {
        for (to, import) in uses.get(here).into_iter().flatten() {
            if came_by.contains_key(to) {
                continue;
            }
            came_by.insert(to, import);
            next.push_back(to);
        }
    }
    let mut circle = Vec::new();
    let mut here = file;
    while let Some(import) = came_by.get(here) {
        circle.push(*import);
        here = &import.from;
        if here == file {
            circle.reverse();
            return circle;
        }
    }
    Vec::new()
}
