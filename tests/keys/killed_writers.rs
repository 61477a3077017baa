//! The ring file survives its writers: killed at any moment, many at once. No key is ever lost.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::common::place::{Place, stored};

#[test]
fn a_writer_killed_at_any_moment_leaves_the_old_ring_or_the_new_one() {
    const KILLS: usize = 300;
    const PER_PLACE: usize = 20;
    let (mut old, mut new, mut left_over) = (0, 0, 0);
    for start in (0..KILLS).step_by(PER_PLACE) {
        // A fresh place now and then: its first change makes the ring, and no ring gets long.
        let place = Place::new();
        // Each time: the machine may have become busy, or idle.
        let whole = time_of_a_change(&Place::with_ring());
        for kill in start..start + PER_PLACE {
            let before = stored(&place.ring()).unwrap_or_default();
            let writers = if kill % 3 == 2 { 3 } else { 1 };
            let mut children: Vec<Child> = (0..writers).map(|_| start_writer(&place)).collect();
            // The golden ratio spreads the moments evenly, whatever their number.
            let part = (kill as f64 * 0.618_034).fract();
            std::thread::sleep(whole.mul_f64(part * 1.1 * f64::from(writers)));
            children[0].kill().unwrap();
            for child in &mut children {
                child.wait().unwrap();
            }

            let after = stored(&place.ring()).unwrap_or_default();
            assert!(begins_with(&after, &before), "kill {kill}: keys were lost");
            let added = after[0].len() - before[0].len();
            assert_eq!(after[1].len() - before[1].len(), added, "kill {kill}");
            let unharmed = writers as usize - 1;
            assert!(
                (unharmed..=unharmed + 1).contains(&added),
                "kill {kill}: {added} of {writers}"
            );
            if added == unharmed {
                old += 1;
            } else {
                new += 1;
            }
            if let Some(backup) = stored(&place.backup()) {
                assert!(
                    begins_with(&after, &backup),
                    "kill {kill}: a foreign backup"
                );
            }
            if place.folder.join("keys.json.new").exists() {
                left_over += 1;
            }
            if kill % 4 == 0 {
                let listed = place.keys("list").status.code();
                let wanted = if after[0].is_empty() { 1 } else { 0 };
                assert_eq!(listed, Some(wanted), "kill {kill}");
            }
        }
        let before = stored(&place.ring()).unwrap_or_default();
        assert!(place.keys("generate").status.success());
        let after = stored(&place.ring()).unwrap();
        assert!(begins_with(&after, &before) && after[0].len() == before[0].len() + 1);
        let files = fs::read_dir(&place.folder).unwrap().count();
        assert_eq!(files, 3, "ring, backup and lock; nothing left over");
    }
    println!("{old} kept the old ring ({left_over} with temporaries), {new} had the new one");
    assert!(
        old > KILLS / 20 && new > KILLS / 100,
        "{old} old, {new} new"
    );
}

#[test]
fn changes_at_the_same_time_all_arrive() {
    let place = Place::with_ring();
    let children: Vec<Child> = (0..8).map(|_| start_writer(&place)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(
        stored(&place.ring()).unwrap().map(|keys| keys.len()),
        [9, 9]
    );
    assert_eq!(
        stored(&place.backup()).unwrap().map(|keys| keys.len()),
        [8, 8]
    );
}

fn begins_with(longer: &[Vec<String>; 2], shorter: &[Vec<String>; 2]) -> bool {
    longer[0].starts_with(&shorter[0]) && longer[1].starts_with(&shorter[1])
}

fn start_writer(place: &Place) -> Child {
    place
        .command(&["keys", "generate"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// How long one change takes from the start of its process to the end.
fn time_of_a_change(place: &Place) -> Duration {
    let mut times: Vec<Duration> = (0..5)
        .map(|_| {
            let started = Instant::now();
            assert!(start_writer(place).wait().unwrap().success());
            started.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}
