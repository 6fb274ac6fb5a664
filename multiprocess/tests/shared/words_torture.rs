//! Kill torture of words: processes that add to them are killed and stopped at random instants, and
//! so is one that starts others. An addition is there as a whole or not at all, and no other is
//! ever lost.
//!
//! ```text
//!   adder:   adds 1 to its own word ─▶ adds 1 to the common word ─▶ again
//!   driver:  kills one now and then: the common word may lack that one's last addition
//! ```
//!
//! The long version: `TORTURE_SECONDS=60 cargo test --test shared-words-torture -- --ignored`.
//! `TORTURE_SEED` begins with the same decisions; instants differ all the same.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use multiprocess::shared::Words;
use multiprocess::{Process, tasks};
use testing::{Deadline, Other, Random, ends_well, until};

multiprocess::test_entry!();
tasks![add, add_once, invite];

const ADDERS: usize = 3;
/// The common word; whether all shall end; from here on a word for each adder, and the last one for
/// those that the inviter starts.
const COMMON: usize = 0;
const END: usize = 1;
const OWN: usize = 2;
const ALL: usize = OWN + ADDERS + 1;

fn is_over(words: &Words) -> bool {
    words[END].load(Ordering::SeqCst) != 0
}

fn add_to(words: &Words, own: usize) {
    words[OWN + own].fetch_add(1, Ordering::SeqCst);
    words[COMMON].fetch_add(1, Ordering::SeqCst);
}

/// Runs in the child, until it is killed or shall end.
fn add((words, own): (Words, usize)) {
    while !is_over(&words) {
        add_to(&words, own);
    }
}

/// Runs in the child, until it is killed or shall end, and may be killed as it starts another.
fn invite(words: Words) {
    // Not a daemon, which could start no child.
    multiprocess::end_with_parent().unwrap();
    while !is_over(&words) {
        let mut child = Process::new(add_once, words.clone());
        child.start().unwrap();
        child.join().unwrap();
    }
}

/// Runs in the child's child.
fn add_once(words: Words) {
    multiprocess::end_with_parent().unwrap();
    add_to(&words, ADDERS);
}

/// All processes, which end with it.
struct Driver {
    words: Words,
    /// The adders, and behind them the inviter.
    processes: Vec<Process>,
    kills: u64,
}

impl Driver {
    fn start(words: &Words, place: usize) -> Process {
        let mut process = match place {
            ADDERS => Process::new(invite, words.clone()),
            _ => Process::new(add, (words.clone(), place)).daemonic(true),
        };
        process.start().unwrap();
        process
    }

    fn kill(&mut self, place: usize) {
        let process = &self.processes[place];
        assert_eq!(process.exitcode(), None, "it ended by itself");
        process.kill().unwrap();
        process.join().unwrap();
        self.kills += 1;
        self.processes[place] = Self::start(&self.words, place);
    }

    fn get(&self, index: usize) -> u64 {
        self.words[index].load(Ordering::SeqCst)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        for process in &self.processes {
            let _ = process.kill();
            let _ = process.join();
        }
    }
}

fn torture(time: Duration) {
    let _deadline = Deadline::seconds(120 + time.as_secs());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("TORTURE_SEED")
        .map_or(now.as_nanos() as u64, |seed| seed.parse().expect("TORTURE_SEED is a number"));
    println!("TORTURE_SEED={seed}");
    let mut random = Random(seed | 1);
    let words = Words::new(ALL).unwrap();
    let processes = (0..=ADDERS).map(|place| Driver::start(&words, place)).collect();
    let mut driver = Driver { words, processes, kills: 0 };
    let begun = Instant::now();
    while begun.elapsed() < time {
        thread::sleep(Duration::from_micros(random.below(3000)));
        let place = random.below(ADDERS as u64 + 1) as usize;
        if place < ADDERS && random.below(3) == 0 {
            let stopped = Other::of(driver.processes[place].pid().unwrap()).unwrap();
            assert!(stopped.stop());
            let before = driver.get(OWN + (place + 1) % ADDERS);
            until("others add", || driver.get(OWN + (place + 1) % ADDERS) > before);
            assert!(stopped.go_on());
        } else {
            driver.kill(place);
        }
    }
    driver.words[END].store(1, Ordering::SeqCst);
    driver.processes.iter().for_each(ends_well);
    // A child of a killed inviter ends as soon as it sees that.
    let own = || (OWN..ALL).map(|word| driver.get(word)).sum::<u64>();
    until("nothing changes any more", || {
        let before = (own(), driver.get(COMMON));
        thread::sleep(Duration::from_millis(50));
        before == (own(), driver.get(COMMON))
    });
    let (own, common) = (own(), driver.get(COMMON));
    println!("{own} additions, {common} of them to the end, {} kills", driver.kills);
    assert!(common <= own && own <= common + driver.kills, "{own}, {common}, {}", driver.kills);
}

#[test]
fn no_addition_is_lost_but_the_last_ones_of_those_killed() {
    torture(Duration::from_millis(1500));
}

#[test]
#[ignore = "long: thousands of kills"]
fn long_no_addition_is_lost_but_the_last_ones_of_those_killed() {
    let seconds = std::env::var("TORTURE_SECONDS");
    torture(Duration::from_secs(seconds.map_or(60, |seconds| seconds.parse().unwrap())));
}
