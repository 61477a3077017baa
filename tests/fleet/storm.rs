//! Trouble of every kind, one after the other, for servers that are used meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use super::nodes::Fleet;
use super::trouble::Trouble;

/// What is killed. A server that is killed forgets what it counts itself, and PostgreSQL what it keeps in memory alone.
#[derive(Clone, Copy, PartialEq)]
pub enum Kills {
    Nothing,
    Servers,
    ServersAndStore,
}

/// After so many steps all kinds have been made.
const KINDS: usize = 9;

/// Makes trouble for so long, and leaves everything well.
pub fn rages(fleet: &Fleet, time: Duration, kills: Kills) {
    let started = Instant::now();
    let primary = &fleet.postgres.primary;
    for step in 0.. {
        if started.elapsed() >= time {
            break;
        }
        let node = &fleet.nodes[step % fleet.nodes.len()];
        match step % KINDS {
            0 if kills != Kills::Nothing => node.kill_and_start(),
            0 => {}
            1 => {
                primary.stop();
                pause(700);
                primary.go_on();
            }
            // Not in each round: counts that were lost are not used for a while.
            2 if kills == Kills::ServersAndStore && (step / KINDS).is_multiple_of(3) => {
                primary.kill();
                primary.start();
            }
            // One connection of each.
            2 => {
                for node in &fleet.nodes {
                    node.proxies[0].set_one(step, Trouble::Reset);
                }
            }
            3 => disturb(fleet, step, Trouble::Stall),
            4 => {
                node.signal("STOP");
                pause(600);
                node.signal("CONT");
            }
            5 => disturb(fleet, step, Trouble::Reset),
            6 => disturb(fleet, step, Trouble::Delay(Duration::from_millis(30))),
            7 => disturb(fleet, step, Trouble::BlackHole),
            _ => disturb(fleet, step, Trouble::Close),
        }
        pause(300);
    }
    fleet.trouble(Trouble::None);
}

/// One server's connections at a time, then those of all.
fn disturb(fleet: &Fleet, step: usize, trouble: Trouble) {
    let node = &fleet.nodes[step % fleet.nodes.len()];
    node.trouble(trouble);
    pause(400);
    fleet.trouble(trouble);
    pause(400);
    fleet.trouble(Trouble::None);
}

fn pause(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}
