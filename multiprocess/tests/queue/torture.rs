//! Kill torture: producers and consumers are killed and stopped at random instants, and nothing is
//! lost but what a killed consumer had in its hands, nothing comes twice, nobody hangs.
//!
//! ```text
//!   producer  put(n) returns ──▶ writes "n"  ──▶ a shared word ┐
//!                                                             ├──▶ the driver compares
//!   consumer  get() returns  ──▶ writes item ──▶ its file     ┘
//! ```
//!
//! The long version: `TORTURE_SECONDS=60 cargo test --test torture -- --ignored`, so long for each
//! test. `TORTURE_SEED` begins with the same decisions; instants differ all the same.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use multiprocess::queue::{GetError, PutError, Words};
use multiprocess::{Exit, Process, Queue, tasks};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stock::Stock;
use tempfile::TempDir;
use testing::{Deadline, LONG, Other, Random, until};

multiprocess::test_entry!();

tasks![produce, consume];

/// Number of producers, and of consumers, at any time.
const EACH: usize = 3;

/// More processes than a round has.
const MOST: usize = 1 << 16;

const LARGE: usize = 1 << 20;

/// Tests look for what is left in the whole process, so only one runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// How many bytes the items have.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Sizes {
    None,
    /// A megabyte, three of four.
    Large,
    /// 400 KB, 3 KB, 8: some lie in their slot, some in an area, some in a window.
    Mixed,
}

#[derive(Debug, Clone, Copy)]
struct Variant {
    name: &'static str,
    /// None: unbounded.
    places: Option<usize>,
    sizes: Sizes,
    /// Whether consumers never wait but ask again and again.
    try_only: bool,
    /// Whether there are a producer and a consumer more, which no descriptor is left to. They
    /// outlive all others again and again, so they must repair what those leave.
    exhausted: bool,
}

const ONE: Variant = Variant {
    name: "bounded(1)",
    places: Some(1),
    sizes: Sizes::None,
    try_only: false,
    exhausted: false,
};
const THREE: Variant = Variant { name: "bounded(3)", places: Some(3), ..ONE };
const THOUSAND: Variant = Variant { name: "bounded(1024)", places: Some(1024), ..ONE };
const LARGE_ITEMS: Variant = Variant { name: "bounded(3), 1 MB", sizes: Sizes::Large, ..THREE };
const TRY_THREE: Variant = Variant { name: "bounded(3), try_get", try_only: true, ..THREE };
const TRY_THOUSAND: Variant =
    Variant { name: "bounded(1024), try_get", try_only: true, ..THOUSAND };
const EXHAUSTED: Variant =
    Variant { name: "bounded(3), 1 MB, no descriptors", exhausted: true, ..LARGE_ITEMS };
const EXHAUSTED_ONE: Variant =
    Variant { name: "bounded(1), no descriptors", exhausted: true, ..ONE };
const MIXED: Variant =
    Variant { name: "bounded(64), mixed", places: Some(64), sizes: Sizes::Mixed, ..ONE };
const UNBOUNDED: Variant = Variant { name: "unbounded", places: None, ..ONE };

macro_rules! torture {
    ($($short:ident, $long:ident: $variants:expr;)+) => { $(
        #[test]
        fn $short() {
            torture(&$variants, Duration::from_millis(1300));
        }

        #[test]
        #[ignore = "long: thousands of kills"]
        fn $long() {
            let seconds = std::env::var("TORTURE_SECONDS");
            let seconds = seconds.map_or(60, |seconds| seconds.parse().unwrap());
            torture(&$variants, Duration::from_secs(seconds));
        }
    )+ };
}

torture! {
    one_place, long_one_place: [ONE];
    three_places, long_three_places: [THREE];
    a_thousand_places, long_a_thousand_places: [THOUSAND];
    large_items, long_large_items: [LARGE_ITEMS];
    items_of_all_sizes, long_items_of_all_sizes: [MIXED];
    consumers_that_only_try, long_consumers_that_only_try: [TRY_THREE, TRY_THOUSAND];
    without_descriptors_others_die, long_without_descriptors_others_die: [EXHAUSTED, EXHAUSTED_ONE];
    unbounded_producers_that_flush, long_unbounded_producers_that_flush: [UNBOUNDED];
}

/// Processes that may be killed in a round. Where no consumer is, nothing may be lost or come late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victims {
    All,
    Producers,
    Consumers,
    None,
}

/// Rounds of all kinds for so long.
fn torture(variants: &[Variant], time: Duration) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("TORTURE_SEED")
        .map_or(now.as_nanos() as u64, |seed| seed.parse().expect("TORTURE_SEED is a number"));
    let mut random = Random(seed | 1);
    let begun = Instant::now();
    let mut sum = Counts::default();
    let mut rounds = 0;
    let of_a_round = (time / 4).min(Duration::from_secs(2));
    while begun.elapsed() < time {
        let variant = variants[rounds % variants.len()];
        // Twice as often as the others: all may be killed.
        let victims =
            [Victims::All, Victims::Producers, Victims::Consumers, Victims::All, Victims::None]
                [rounds % 5];
        let seed = random.next();
        // The kill timer tells the name of its thread.
        let name = format!("{}, {victims:?} may be killed, seed {seed}", variant.name);
        let before = Stock::now();
        let round = thread::Builder::new().name(name.clone()).spawn(move || {
            let _deadline = Deadline::seconds(60 + of_a_round.as_secs());
            round(variant, victims, seed, of_a_round)
        });
        match round.unwrap().join() {
            Ok(counts) => sum.add(&counts),
            Err(_) => panic!("failed: {name}"),
        }
        before.comes_back(&name);
        rounds += 1;
    }
    println!(
        "{}: {rounds} rounds, {:.1} s: {sum:?}",
        variants[0].name,
        begun.elapsed().as_secs_f32()
    );
}

/// What was seen.
#[derive(Debug, Default)]
struct Counts {
    started: usize,
    killed_producers: usize,
    killed_consumers: usize,
    stopped: usize,
    items: usize,
    /// Put for sure, and never received.
    lost: usize,
    /// After later ones of the same producer.
    late: usize,
    /// Received, though its producer had no time to record it.
    unrecorded: usize,
    /// Left in the queue at the end, received by the driver.
    drained: usize,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.started += other.started;
        self.killed_producers += other.killed_producers;
        self.killed_consumers += other.killed_consumers;
        self.stopped += other.stopped;
        self.items += other.items;
        self.lost += other.lost;
        self.late += other.late;
        self.unrecorded += other.unrecorded;
        self.drained += other.drained;
    }
}

// ---------------------------------------------------------------------------------------- items

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Item {
    /// Which process; 0 tells a consumer to end.
    from: u32,
    number: u64,
    check: u64,
    payload: Payload,
}

/// Bytes that travel as such: one by one they would take long in a debug build.
#[derive(Debug, PartialEq, Eq)]
struct Payload(Vec<u8>);

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Payload;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Payload, E> {
                if bytes.len() > LARGE {
                    return Err(E::custom("too long"));
                }
                Ok(Payload(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes).map_err(D::Error::custom)
    }
}

impl Item {
    fn new(from: u32, number: u64, sizes: Sizes) -> Self {
        let check = mixed(u64::from(from) << 40 ^ number);
        let mut payload = Vec::new();
        // Not all of one length, and no page like another.
        let length = match (sizes, number % 4) {
            (Sizes::None, _) | (Sizes::Large, 3) => 0,
            (Sizes::Large, _) => LARGE - (check % 3) as usize * 1000,
            (Sizes::Mixed, 0) => 400_000 - (check % 3) as usize * 1000,
            (Sizes::Mixed, 1) => 3000,
            (Sizes::Mixed, _) => 8,
        };
        if length > 0 {
            let mut page: Vec<u8> =
                (0..512).flat_map(|index| (check ^ index << 32).to_le_bytes()).collect();
            payload.reserve(length);
            for index in 0_u64.. {
                if payload.len() >= length {
                    break;
                }
                page[..8].copy_from_slice(&mixed(check ^ index).to_le_bytes());
                payload.extend_from_slice(&page[..page.len().min(length - payload.len())]);
            }
        }
        Self { from, number, check, payload: Payload(payload) }
    }

    const fn end() -> Self {
        Self { from: 0, number: 0, check: 0, payload: Payload(Vec::new()) }
    }

    fn is_whole(&self, sizes: Sizes) -> bool {
        *self == Self::new(self.from, self.number, sizes)
    }
}

fn mixed(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

// ------------------------------------------------------------------------------------- the log

/// What all processes of a round write down.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Log {
    /// Whether producers shall end; then how many puts of each have returned.
    words: Words,
    /// Where each consumer has a file.
    folder: PathBuf,
}

impl Log {
    /// The driver: producers shall end.
    fn stop(&self) {
        self.words[0].store(1, Ordering::Release);
    }

    fn is_stopped(&self) -> bool {
        self.words[0].load(Ordering::Acquire) != 0
    }

    /// A producer: so many puts have returned.
    fn put(&self, me: u32, count: u64) {
        self.words[me as usize].store(count, Ordering::Release);
    }

    fn count_of(&self, producer: u32) -> u64 {
        self.words[producer as usize].load(Ordering::Acquire)
    }

    fn path_of(&self, consumer: u32) -> PathBuf {
        self.folder.join(consumer.to_string())
    }

    /// What a consumer got, in order. One that was killed early has no file.
    fn items_of(&self, consumer: u32) -> Vec<(u32, u64)> {
        let file = fs::read(self.path_of(consumer)).unwrap_or_default();
        let words: Vec<u64> = file.as_chunks().0.iter().copied().map(u64::from_le_bytes).collect();
        words.as_chunks().0.iter().map(|[from, number]| (*from as u32, *number)).collect()
    }
}

/// A consumer: its next item.
fn got(file: &mut File, from: u32, number: u64) {
    let mut record = [0; 16];
    record[..4].copy_from_slice(&from.to_le_bytes());
    record[8..].copy_from_slice(&number.to_le_bytes());
    file.write_all(&record).unwrap();
}

/// Instead of a producer: something that must not be.
const BROKEN: u32 = u32::MAX;

// ----------------------------------------------------------------------------------- the workers

#[derive(Serialize, Deserialize)]
struct Work {
    me: u32,
    sizes: Sizes,
    try_only: bool,
    bounded: bool,
    exhausted: bool,
    log: Log,
    queue: Queue<Item>,
}

/// Takes all descriptors that this process may have; no more are left while they live.
#[cfg(unix)]
fn take_all_descriptors() -> Vec<File> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).unwrap();
    let all = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(File::open("/dev/null").is_err());
    all
}

/// Takes none: there are as many handles as one likes.
#[cfg(windows)]
fn take_all_descriptors() {}

/// Runs in a child: puts until it is told to stop, and writes down how many puts have returned.
fn produce(work: Work) -> Exit {
    let Work { me, log, queue, .. } = work;
    let _descriptors = work.exhausted.then(take_all_descriptors);
    let mut random = Random(mixed(me.into()) | 1);
    let mut number = 0;
    while !log.is_stopped() {
        if !work.bounded {
            // So many that some must wait outside of the slots.
            for _ in 0..=random.below(1500) {
                queue.put(Item::new(me, number, work.sizes)).unwrap();
                number += 1;
            }
            queue.flush().unwrap();
            log.put(me, number);
            continue;
        }
        let mut item = Item::new(me, number, work.sizes);
        loop {
            let put = match me % 4 {
                0 | 1 => queue.put(item),
                2 => queue.put_timeout(item, Duration::from_micros(random.below(2000))),
                _ => queue.try_put(item),
            };
            match put {
                Ok(()) => break,
                Err(PutError::Full(back)) => {
                    item = back;
                    if me % 4 == 3 {
                        thread::yield_now();
                    }
                }
                Err(error) => panic!("put: {error}"),
            }
        }
        number += 1;
        log.put(me, number);
    }
    Exit::SUCCESS
}

/// Runs in a child: gets until it gets the end, and writes down what it got.
fn consume(work: Work) -> Exit {
    let Work { me, log, queue, .. } = work;
    let mut file = File::create(log.path_of(me)).unwrap();
    let _descriptors = work.exhausted.then(take_all_descriptors);
    let mut random = Random(mixed(me.into()) | 1);
    loop {
        let item = match me % 3 {
            _ if work.try_only => queue.try_get(),
            0 | 1 => queue.get(),
            _ => queue.get_timeout(Duration::from_micros(random.below(2000))),
        };
        match item {
            Ok(item) if item == Item::end() => return Exit::SUCCESS,
            Ok(item) if item.is_whole(work.sizes) => got(&mut file, item.from, item.number),
            Err(GetError::Empty) => {
                if work.try_only {
                    thread::yield_now();
                }
            }
            // Written down first: this process may be killed before anybody reads its message.
            wrong => {
                got(&mut file, BROKEN, 0);
                match wrong {
                    Ok(item) => panic!("a corrupt item: {} of {}", item.number, item.from),
                    Err(error) => panic!("get: {error}"),
                }
            }
        }
    }
}

// ------------------------------------------------------------------------------------ the driver

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Producer,
    Consumer,
}

struct Worker {
    process: Process,
    id: u32,
    role: Role,
    exhausted: bool,
    stopped_until: Option<Instant>,
}

impl Worker {
    fn other(&self) -> Other {
        // It is still ours, even if it has ended, so the number can't mean another.
        Other::of(self.process.pid().unwrap()).unwrap()
    }
}

/// Whatever happens, no process stays.
impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.join();
    }
}

struct Driver {
    variant: Variant,
    queue: Queue<Item>,
    log: Log,
    /// With the log's files, which go with it.
    _folder: TempDir,
    workers: Vec<Worker>,
    /// Killed, not yet joined.
    dying: Vec<Worker>,
    /// By id − 1: what each was, and whether it was killed.
    all: Vec<(Role, bool)>,
    counts: Counts,
}

impl Driver {
    fn start(&mut self, role: Role, exhausted: bool) {
        self.all.push((role, false));
        let id = u32::try_from(self.all.len()).unwrap();
        let work = Work {
            me: id,
            sizes: self.variant.sizes,
            try_only: self.variant.try_only,
            bounded: self.variant.places.is_some(),
            exhausted,
            log: self.log.clone(),
            queue: self.queue.clone(),
        };
        let process = match role {
            Role::Producer => Process::new(produce, work),
            Role::Consumer => Process::new(consume, work),
        };
        let mut process = process.daemonic(true);
        process.start().unwrap();
        self.counts.started += 1;
        self.workers.push(Worker { process, id, role, exhausted, stopped_until: None });
    }

    /// Kills it, and doesn't wait for its end.
    fn kill(&mut self, index: usize) -> Role {
        let worker = self.workers.swap_remove(index);
        assert_eq!(worker.process.exitcode(), None, "it ended by itself");
        worker.process.kill().unwrap();
        self.all[worker.id as usize - 1].1 = true;
        let role = worker.role;
        match role {
            Role::Producer => self.counts.killed_producers += 1,
            Role::Consumer => self.counts.killed_consumers += 1,
        }
        self.dying.push(worker);
        role
    }

    /// Waits for the ends of the killed.
    fn collect(&mut self) {
        for worker in self.dying.drain(..) {
            worker.process.join().unwrap();
            assert_eq!(worker.process.exitcode(), Some(-9), "it ended by itself");
        }
    }

    /// The workers of this role end, killed or of their own accord.
    fn end(&mut self, role: Role, by_kill: bool) {
        if by_kill {
            while let Some(index) = self.workers.iter().position(|worker| worker.role == role) {
                self.kill(index);
            }
            self.collect();
            return;
        }
        match role {
            Role::Producer => self.log.stop(),
            Role::Consumer => {
                // Before that, they have all the items.
                while self.queue.qsize() > 0 {
                    thread::sleep(Duration::from_millis(1));
                }
                let consumers = self.workers.iter().filter(|worker| worker.role == role);
                for _ in consumers {
                    self.queue.put(Item::end()).unwrap();
                }
            }
        }
        self.workers.retain(|worker| {
            if worker.role == role {
                worker.process.join().unwrap();
                assert_eq!(worker.process.exitcode(), Some(0));
            }
            worker.role != role
        });
    }

    /// Lets those go on whose time has come, or all.
    fn go_on(&mut self, all: bool) {
        for worker in &mut self.workers {
            let due = worker.stopped_until.is_some_and(|until| all || until <= Instant::now());
            if due {
                assert!(worker.other().go_on());
                worker.stopped_until = None;
            }
        }
    }

    fn one_step(&mut self, victims: Victims, random: &mut Random) {
        thread::sleep(Duration::from_micros(random.below(3000)));
        self.go_on(false);
        if random.below(12) == 0 {
            // The driver repairs, too.
            let (_, _) = (self.queue.qsize(), self.queue.is_full());
        }
        if self.variant.exhausted && victims == Victims::All && random.below(16) == 0 {
            self.leave_the_exhausted_alone();
            return;
        }
        let index = random.below(self.workers.len() as u64) as usize;
        if victims == Victims::None || random.below(4) == 0 {
            let worker = &mut self.workers[index];
            if worker.stopped_until.is_none() {
                assert!(worker.other().stop());
                let time = Duration::from_micros(random.below(8000));
                worker.stopped_until = Some(Instant::now() + time);
                self.counts.stopped += 1;
            }
            return;
        }
        let spared = match victims {
            Victims::All | Victims::None => None,
            Victims::Producers => Some(Role::Consumer),
            Victims::Consumers => Some(Role::Producer),
        };
        if Some(self.workers[index].role) == spared || self.workers[index].exhausted {
            return;
        }
        let role = self.kill(index);
        // So its number is free for the next, or perhaps not.
        if random.below(2) == 0 {
            self.collect();
        }
        self.start(role, false);
    }

    /// All die who can be replaced; the other two must go on, and repair what these leave.
    fn leave_the_exhausted_alone(&mut self) {
        self.go_on(true);
        while let Some(index) = self.workers.iter().position(|worker| !worker.exhausted) {
            self.kill(index);
        }
        self.collect();
        let producer = self.workers.iter().find(|worker| worker.role == Role::Producer);
        let producer = producer.unwrap().id;
        // More than there are places: so its consumer goes on, too.
        let enough = self.log.count_of(producer) + 10;
        until("the exhausted go on", || self.log.count_of(producer) >= enough);
        self.start_each();
    }

    fn start_each(&mut self) {
        for _ in 0..EACH {
            self.start(Role::Producer, false);
            self.start(Role::Consumer, false);
        }
    }
}

fn round(variant: Variant, victims: Victims, seed: u64, time: Duration) -> Counts {
    let mut random = Random(seed | 1);
    let queue = match variant.places {
        Some(places) => Queue::bounded(places),
        None => Queue::unbounded(),
    };
    let folder = tempfile::tempdir().unwrap();
    let mut driver = Driver {
        variant,
        queue: queue.unwrap(),
        log: Log { words: Words::new(MOST).unwrap(), folder: folder.path().to_owned() },
        _folder: folder,
        workers: Vec::new(),
        dying: Vec::new(),
        all: Vec::new(),
        counts: Counts::default(),
    };
    if variant.exhausted {
        driver.start(Role::Producer, true);
        driver.start(Role::Consumer, true);
    }
    driver.start_each();
    let begun = Instant::now();
    while begun.elapsed() < time {
        driver.one_step(victims, &mut random);
    }
    driver.go_on(true);
    driver.collect();

    let may_die = |role| match victims {
        Victims::All => true,
        Victims::Producers => role == Role::Producer,
        Victims::Consumers => role == Role::Consumer,
        Victims::None => false,
    };
    let kill_producers = may_die(Role::Producer) && random.below(2) == 0;
    let kill_consumers = may_die(Role::Consumer) && random.below(3) > 0;
    if kill_producers && kill_consumers && random.below(2) == 0 {
        driver.end(Role::Consumer, true);
        driver.end(Role::Producer, true);
    } else {
        driver.end(Role::Producer, kill_producers);
        driver.end(Role::Consumer, kill_consumers);
    }
    assert!(driver.workers.is_empty() && driver.dying.is_empty());
    let rest = drain(&driver.queue, variant);
    if !kill_consumers {
        assert!(rest.is_empty(), "after the consumers had it all: {rest:?}");
    }
    driver.counts.drained = rest.len();
    as_new(&driver.queue, variant);
    let kept = stock::allocated();
    assert!(kept <= 32 << 20, "the queue keeps {kept} bytes");
    driver.compare(&rest)
}

/// Takes out what is left, at rest.
fn drain(queue: &Queue<Item>, variant: Variant) -> Vec<(u32, u64)> {
    let expected = queue.qsize();
    let mut items = Vec::new();
    loop {
        match queue.try_get() {
            Ok(item) => {
                assert!(item.is_whole(variant.sizes), "a corrupt item");
                items.push((item.from, item.number));
                assert_eq!(queue.qsize(), expected.wrapping_sub(items.len()));
            }
            Err(GetError::Empty) => break,
            Err(error) => panic!("try_get: {error}"),
        }
    }
    assert_eq!(items.len(), expected, "qsize");
    items
}

/// The queue has all its places, and no more.
fn as_new(queue: &Queue<Item>, variant: Variant) {
    assert_eq!((queue.qsize(), queue.is_full()), (0, false));
    let places = variant.places.unwrap_or(2000);
    for number in 0..places {
        queue.try_put(Item::new(1, number as u64, Sizes::None)).unwrap();
    }
    assert_eq!((queue.qsize(), queue.is_full()), (places, variant.places.is_some()));
    if variant.places.is_some() {
        assert!(matches!(queue.try_put(Item::end()), Err(PutError::Full(_))));
    }
    for number in 0..places {
        // What waits outside of the slots comes a little later.
        assert_eq!(queue.get_timeout(LONG).unwrap().number, number as u64);
    }
    assert_eq!((queue.qsize(), queue.is_full()), (0, false));
}

impl Driver {
    /// What was put against what was got.
    fn compare(mut self, rest: &[(u32, u64)]) -> Counts {
        let mut counts = std::mem::take(&mut self.counts);
        let killed_consumers = counts.killed_consumers;
        let all = self.all.iter().zip(1..);
        let consumers = all.clone().filter(|((role, _), _)| *role == Role::Consumer);
        let mut logs: Vec<(u32, Vec<(u32, u64)>)> =
            consumers.map(|(_, id)| (id, self.log.items_of(id))).collect();
        logs.push((0, rest.to_vec()));

        // By producer and number.
        let mut received: Vec<Vec<bool>> = vec![Vec::new(); self.all.len() + 1];
        for (consumer, items) in &logs {
            let mut latest: Vec<Option<u64>> = vec![None; self.all.len() + 1];
            for (from, number) in items {
                assert_ne!(*from, BROKEN, "consumer {consumer} failed");
                let role = self.all[*from as usize - 1].0;
                assert_eq!(role, Role::Producer, "a corrupt item at {consumer}");
                let latest = &mut latest[*from as usize];
                counts.late += usize::from(*latest > Some(*number));
                *latest = (*latest).max(Some(*number));
                let received = &mut received[*from as usize];
                let number = usize::try_from(*number).unwrap();
                if received.len() <= number {
                    received.resize(number + 1, false);
                }
                assert!(!received[number], "item {number} of {from} came twice, now to {consumer}");
                received[number] = true;
                counts.items += 1;
            }
        }
        for ((role, killed), id) in all {
            if *role == Role::Consumer {
                continue;
            }
            let put = usize::try_from(self.log.count_of(id)).unwrap();
            let received = &received[id as usize];
            let known = &received[..put.min(received.len())];
            let missing = put - known.iter().filter(|received| **received).count();
            counts.lost += missing;
            let unrecorded = received[known.len()..].iter().filter(|received| **received).count();
            counts.unrecorded += unrecorded;
            // The last put may have returned, or a batch have been flushed, without a record.
            let most = match (killed, self.variant.places) {
                (false, _) => 0,
                (true, Some(_)) => 1,
                (true, None) => 1500,
            };
            assert!(
                received.len() <= put + most,
                "producer {id} (killed: {killed}) recorded {put} puts, but {} came",
                received.len()
            );
        }
        assert!(
            counts.lost <= killed_consumers && counts.late <= killed_consumers,
            "too many lost or late: {counts:?}"
        );
        counts
    }
}

// ---------------------------------------------------------------------------------- what is left

/// What this process has, as Linux tells it.
#[cfg(target_os = "linux")]
mod stock {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use multiprocess::active_children;

    /// How many descriptors there are.
    pub(super) struct Stock(usize);

    impl Stock {
        pub(super) fn now() -> Self {
            Self(open_files().len())
        }

        pub(super) fn comes_back(&self, after: &str) {
            assert_eq!(left(), Vec::<String>::new(), "after: {after}");
            assert_eq!(open_files().len(), self.0, "descriptors after: {after}");
        }
    }

    /// What the descriptors of this process are.
    fn open_files() -> Vec<(String, String)> {
        let mut files = Vec::new();
        for entry in fs::read_dir("/proc/self/fd").unwrap() {
            let path = entry.unwrap().path();
            // The one of read_dir itself has gone by the time we ask, or is a folder of processes.
            if let Ok(target) = fs::read_link(&path) {
                let target = target.to_string_lossy().into_owned();
                if !target.starts_with("/proc/") {
                    files.push((path.to_string_lossy().into_owned(), target));
                }
            }
        }
        files
    }

    /// Bytes that a queue of this process has in memory.
    pub(super) fn allocated() -> u64 {
        let files = open_files().into_iter();
        files
            .filter(|(_, target)| target.starts_with("/memfd:queue"))
            .map(|(path, _)| fs::metadata(path).unwrap().blocks() * 512)
            .max()
            .unwrap()
    }

    /// What a round has left behind.
    fn left() -> Vec<String> {
        let mut left: Vec<String> = open_files()
            .into_iter()
            .map(|(_, target)| target)
            .filter(|target| target.starts_with("/memfd:"))
            .collect();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        left.extend(maps.lines().filter(|line| line.contains("memfd:")).map(String::from));
        left.extend(active_children().iter().map(|child| format!("{child:?}")));
        left
    }
}

/// What this process has, as far as other systems tell.
#[cfg(not(target_os = "linux"))]
mod stock {
    /// Descriptors or handles, children, and the threads of queues.
    pub(super) struct Stock(common::stock::Stock);

    impl Stock {
        pub(super) fn now() -> Self {
            Self(common::stock::Stock::with_threads_like(&["queue"]).unwrap())
        }

        pub(super) fn comes_back(&self, after: &str) {
            self.0.comes_back().unwrap_or_else(|left| panic!("{left} after: {after}"));
        }
    }

    /// What a queue has in memory isn't told.
    pub(super) fn allocated() -> u64 {
        0
    }
}
