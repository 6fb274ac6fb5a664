//! Kill torture: processes that change the parts of an array are killed and stopped at random
//! instants. Each death is told for the part that the process had, and for no other; no change is
//! lost, no two processes are in one part, no process hangs.
//!
//! ```text
//!   worker  takes a part ──▶ adds 1 to each value ──▶ counts ──▶ gives it back
//!              └── phase ────────┴── phase ──────────────┴── phase: in plain words ──▶ driver
//!
//!   inviter starts a guest ──▶ starts a guest ──▶ …   killed while it starts one
//! ```
//!
//! The long version: `TORTURE_SECONDS=60 cargo test --test shared-array-torture -- --ignored`.
//! `TORTURE_SEED` begins with the same decisions; instants differ all the same.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use multiprocess::shared::{Array, LockError, PartGuard, Words};
use multiprocess::{Process, tasks};
use testing::{Deadline, Other, Random, ends_well, start};

multiprocess::test_entry!();
tasks![visit, invite, work];

/// Number of parts that workers take; guests take one more.
const PARTS: usize = 3;

/// Number of values in each part.
const EACH: usize = 40;

const WORKERS: usize = 4;

/// A worker's phase, with its part, and the number of deaths that it was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
enum Phase {
    Outside,
    /// Waits for a part; may have it already.
    Trying,
    /// Has a part.
    Holding,
    /// Has a part, counts the deaths that it was told of, and says that the part is whole.
    Telling,
    /// Gives a part back; may have done so.
    Leaving,
}

impl Phase {
    fn with(self, part: usize, deaths: u32) -> u64 {
        self as u64 | (part as u64) << 8 | u64::from(deaths) << 16
    }
}

/// The indices of words.
const WRONG: usize = 0;
const PHASES: usize = 8;
const PARTS_FROM: usize = 64;

/// What is counted of a part, by loads and stores of the process that has it.
struct Counted<'a> {
    told: &'a AtomicU64,
    inside: &'a AtomicU64,
    done: &'a AtomicU64,
}

impl<'a> Counted<'a> {
    fn of(words: &'a Words, part: usize) -> Self {
        let [told, inside, done] = words[PARTS_FROM + 8 * part..].first_chunk().unwrap();
        Self { told, inside, done }
    }
}

fn get(word: &AtomicU64) -> u64 {
    word.load(Ordering::SeqCst)
}

fn set(word: &AtomicU64, value: u64) {
    word.store(value, Ordering::SeqCst);
}

/// Says that something is as it must not be.
fn wrong(words: &Words, what: &str) {
    eprintln!("{what}");
    words[WRONG].fetch_add(1, Ordering::SeqCst);
}

/// Takes the part in one of three ways.
fn take<'a>(
    array: &'a Array<u64>,
    part: usize,
    random: &mut Random,
) -> Option<Result<PartGuard<'a, u64>, LockError<PartGuard<'a, u64>>>> {
    match random.below(3) {
        0 => Some(array.lock(part)),
        1 => array.try_lock(part).transpose(),
        _ => array.lock_timeout(part, Duration::from_micros(random.below(3000))).transpose(),
    }
}

/// Takes a part once, and changes it; a worker's phase is written down in its word.
fn change(array: &Array<u64>, words: &Words, phase: &AtomicU64, part: usize, random: &mut Random) {
    let counted = Counted::of(words, part);
    let me = u64::from(std::process::id());
    set(phase, Phase::Trying.with(part, 0));
    let Some(locked) = take(array, part, random) else {
        return set(phase, Phase::Outside.with(0, 0));
    };
    let mut guard = match locked {
        Ok(guard) => {
            set(phase, Phase::Holding.with(part, 0));
            if guard.iter().any(|value| *value != guard[0]) || get(counted.inside) != 0 {
                wrong(words, "a part is half changed, and no death was told");
            }
            guard
        }
        Err(mut told) => {
            let (pid, deaths) = (u64::from(told.died().pid), told.died().deaths);
            set(phase, Phase::Telling.with(part, deaths));
            let inside = get(counted.inside);
            if deaths == 0 || told.died().panicked || inside != 0 && deaths == 1 && inside != pid {
                wrong(words, &format!("{told}, where {inside} was inside"));
            }
            let values = told.get_mut();
            let (least, most) = (*values.iter().min().unwrap(), *values.iter().max().unwrap());
            if most - least > 1 {
                wrong(words, &format!("a death changed values from {least} to {most}"));
            }
            values.fill(most);
            set(counted.inside, 0);
            set(counted.told, get(counted.told) + u64::from(deaths));
            let guard = told.recover();
            set(phase, Phase::Holding.with(part, 0));
            guard
        }
    };
    set(counted.inside, me);
    let dawdle = random.below(EACH as u64 * 4) as usize;
    for (index, value) in guard.iter_mut().enumerate() {
        *value += 1;
        if index == dawdle {
            (0..random.below(2000)).for_each(|_| spin_loop());
        }
    }
    set(counted.done, get(counted.done) + 1);
    if get(counted.inside) != me {
        wrong(words, "two processes are in one part");
    }
    set(counted.inside, 0);
    set(phase, Phase::Leaving.with(part, 0));
    drop(guard);
    set(phase, Phase::Outside.with(0, 0));
}

/// Runs in a child, until it is killed.
fn work((array, words, place, seed): (Array<u64>, Words, usize, u64)) {
    multiprocess::end_with_parent().unwrap();
    let mut random = Random(seed | 1);
    loop {
        let part = random.below(PARTS as u64) as usize;
        change(&array, &words, &words[PHASES + place], part, &mut random);
        if random.below(8) == 0 {
            (0..random.below(3000)).for_each(|_| spin_loop());
        }
    }
}

/// Runs in a child, until it is killed: starts guests, which the array is given to.
fn invite((array, words, seed): (Array<u64>, Words, u64)) {
    // Not a daemon, which could start no guest.
    multiprocess::end_with_parent().unwrap();
    for guest in seed.. {
        let guest = Process::new(visit, (array.clone(), words.clone(), guest)).daemonic(true);
        let mut guest = guest;
        guest.start().unwrap();
        guest.join().unwrap();
    }
}

/// Runs in a guest: takes the part for guests a few times. It may end with its inviter.
fn visit((array, words, seed): (Array<u64>, Words, u64)) {
    let (mut random, unused) = (Random(seed | 1), AtomicU64::new(0));
    (0..5).for_each(|_| change(&array, &words, &unused, PARTS, &mut random));
}

/// A child that is killed when it is dropped, so that none stays.
struct Child {
    process: Process,
    stopped_until: Option<Instant>,
}

impl Child {
    fn kill(&self) {
        self.process.kill().unwrap();
        self.process.join().unwrap();
        assert_eq!(self.process.exitcode(), Some(-9), "it ended by itself");
    }

    fn other(&self) -> Other {
        Other::of(self.process.pid().unwrap()).unwrap()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.join();
    }
}

/// What the driver knows of a part: how many processes have surely died with it, and how many
/// deaths may be told beyond.
#[derive(Clone, Copy, Debug, Default)]
struct Deaths {
    surely: u64,
    perhaps: u64,
}

struct Driver {
    array: Array<u64>,
    words: Words,
    workers: Vec<Child>,
    inviter: Child,
    deaths: [Deaths; PARTS],
    kills: usize,
    stops: usize,
    random: Random,
}

impl Driver {
    fn new(seed: u64) -> Self {
        let array = Array::in_parts((PARTS + 1) * EACH, PARTS + 1).unwrap();
        let words = Words::new(PARTS_FROM + 8 * (PARTS + 1)).unwrap();
        let mut random = Random(seed | 1);
        let workers = (0..WORKERS).map(|place| start_worker(&array, &words, place, random.next()));
        let workers = workers.collect();
        let inviter = start_inviter(&array, &words, random.next());
        let deaths = [Deaths::default(); PARTS];
        Self { array, words, workers, inviter, deaths, kills: 0, stops: 0, random }
    }

    /// Notes what a worker that is dead may have left.
    fn note_death(&mut self, place: usize) {
        let phase = &self.words[PHASES + place];
        let (kind, part, deaths) =
            (get(phase) & 0xff, get(phase) as usize >> 8 & 0xff, get(phase) >> 16);
        set(phase, Phase::Outside.with(0, 0));
        let known = &mut self.deaths[part];
        if kind == Phase::Holding as u64 {
            known.surely += 1;
        } else if kind == Phase::Telling as u64 {
            known.surely += 1;
            // They may be counted, and told once more.
            known.perhaps += deaths;
        } else if kind != Phase::Outside as u64 {
            known.perhaps += 1;
        }
    }

    fn one_step(&mut self) {
        thread::sleep(Duration::from_micros(self.random.below(3000)));
        for worker in &mut self.workers {
            if worker.stopped_until.is_some_and(|until| until <= Instant::now()) {
                assert!(worker.other().go_on());
                worker.stopped_until = None;
            }
        }
        let place = self.random.below(WORKERS as u64 + 1) as usize;
        self.kills += 1;
        if place == WORKERS {
            self.inviter.kill();
            self.inviter = start_inviter(&self.array, &self.words, self.random.next());
            return;
        }
        let worker = &mut self.workers[place];
        if self.random.below(4) == 0 && worker.stopped_until.is_none() {
            assert!(worker.other().stop());
            let time = Duration::from_micros(self.random.below(8000));
            worker.stopped_until = Some(Instant::now() + time);
            self.stops += 1;
            self.kills -= 1;
            return;
        }
        worker.kill();
        self.note_death(place);
        self.workers[place] = start_worker(&self.array, &self.words, place, self.random.next());
    }

    /// Kills all, and compares what was told with what is known.
    fn end(mut self) -> [Deaths; PARTS] {
        self.inviter.kill();
        for place in 0..WORKERS {
            self.workers[place].kill();
            self.note_death(place);
        }
        assert_eq!(get(&self.words[WRONG]), 0, "something went wrong");
        for part in 0..PARTS {
            let counted = Counted::of(&self.words, part);
            let untold = match self.array.lock(part) {
                Ok(_) => 0,
                Err(mut told) => {
                    let most = *told.get_mut().iter().max().unwrap();
                    told.get_mut().fill(most);
                    let deaths = told.died().deaths;
                    drop(told.recover());
                    u64::from(deaths)
                }
            };
            let (told, Deaths { surely, perhaps }) =
                (get(counted.told) + untold, self.deaths[part]);
            assert!((surely..=surely + perhaps).contains(&told), "{told}: {surely} + {perhaps}");
            let (value, done) = (self.array.lock(part).unwrap()[0], get(counted.done));
            assert!((done..=done + told).contains(&value), "{value} changes, {done} finished");
            assert!(done > 0, "no worker has ever had part {part}");
        }
        // The array is as good as new, for others, too.
        drop(self.array.lock(PARTS).unwrap_or_else(|mut told| {
            told.get_mut().fill(0);
            told.recover()
        }));
        (0..=PARTS).for_each(|part| set(Counted::of(&self.words, part).inside, 0));
        ends_well(&start(visit, (self.array.clone(), self.words.clone(), 1)));
        assert_eq!(get(&self.words[WRONG]), 0, "something went wrong");
        self.deaths
    }
}

fn start_worker(array: &Array<u64>, words: &Words, place: usize, seed: u64) -> Child {
    let work = Process::new(work, (array.clone(), words.clone(), place, seed));
    begun(work)
}

fn start_inviter(array: &Array<u64>, words: &Words, seed: u64) -> Child {
    begun(Process::new(invite, (array.clone(), words.clone(), seed >> 1)))
}

fn begun(mut process: Process) -> Child {
    process.start().unwrap();
    Child { process, stopped_until: None }
}

/// Rounds for so long.
fn torture(time: Duration) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("TORTURE_SEED")
        .map_or(now.as_nanos() as u64, |seed| seed.parse().expect("TORTURE_SEED is a number"));
    println!("TORTURE_SEED={seed}");
    let mut seeds = Random(seed | 1);
    let begun = Instant::now();
    let of_a_round = (time / 2).min(Duration::from_secs(5));
    while begun.elapsed() < time {
        let _deadline = Deadline::seconds(60 + of_a_round.as_secs());
        let mut driver = Driver::new(seeds.next());
        let round = Instant::now();
        while round.elapsed() < of_a_round {
            driver.one_step();
        }
        let (kills, stops) = (driver.kills, driver.stops);
        let done: u64 = (0..PARTS).map(|part| get(Counted::of(&driver.words, part).done)).sum();
        println!("{kills} kills, {stops} stops, {done} changes: {:?}", driver.end());
    }
}

#[test]
fn each_death_is_told_for_exactly_the_part_that_it_concerns() {
    torture(Duration::from_millis(1300));
}

#[test]
#[ignore = "long: thousands of kills"]
fn long_torture() {
    let seconds = std::env::var("TORTURE_SECONDS");
    torture(Duration::from_secs(seconds.map_or(60, |seconds| seconds.parse().unwrap())));
}
