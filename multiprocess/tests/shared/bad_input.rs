//! What can't be made or handed over is refused in one sentence; a damaged memory makes errors and
//! told deaths, but no crash, and no thread waits for ever, unless the damage says that a living
//! process has the lock.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::Duration;

use multiprocess::process::frame;
use multiprocess::shared::{
    Array, Barrier, Condition, Event, Lock, LockError, ReentrantLock, Seat, Semaphore, Value, Words,
};
use multiprocess::{Pool, tasks};
use serde::{Deserialize, Serialize};
use testing::{Deadline, Random, ends_well, start, whole_text};

multiprocess::test_entry!();
tasks![double, use_once_there];

/// A thing that processes share.
#[derive(Serialize, Deserialize)]
enum Shared {
    Lock(Lock),
    Reentrant(ReentrantLock),
    Array(Array<u64>),
    Value(Value<[u64; 5]>),
    Words(Words),
    Condition(Condition),
    Seat(Seat),
    Event(Event),
    Semaphore(Semaphore),
}

/// Number of kinds.
const KINDS: u64 = 9;

/// A moment that is shorter than any nap.
const MOMENT: Duration = Duration::from_micros(200);

impl Shared {
    fn new(kind: u64) -> std::io::Result<Self> {
        Ok(match kind {
            0 => Self::Lock(Lock::new()?),
            1 => Self::Reentrant(ReentrantLock::new()?),
            2 => Self::Array(Array::in_parts(30, 3)?),
            3 => Self::Value(Value::new([1; 5])?),
            4 => Self::Words(Words::new(5)?),
            5 => Self::Condition(Condition::new()?),
            6 => Self::Event(Event::new()?),
            7 => Self::Semaphore(Semaphore::new(3)?),
            _ => Self::Seat(Barrier::seats(2)?.swap_remove(0)),
        })
    }

    /// Uses it in one way or another, but only in those that end with a timeout, unless it may
    /// wait. What comes of it doesn't matter.
    fn use_once(&mut self, random: &mut Random, may_wait: bool) {
        let way = random.below(if may_wait { 4 } else { 3 });
        match self {
            Self::Lock(lock) => match way {
                0 => drop(lock.try_lock().map_err(LockError::recover)),
                1 => drop(lock.lock_timeout(MOMENT)),
                2 => drop(format!("{lock:?} {}", lock.is_locked())),
                _ => drop(lock.lock().map_err(|told| told.to_string())),
            },
            Self::Reentrant(lock) => match way {
                0 => drop(lock.try_lock().map_err(LockError::recover)),
                1 => drop((lock.lock_timeout(MOMENT), lock.try_lock())),
                2 => drop(format!("{lock:?} {}", lock.is_locked())),
                _ => drop((lock.lock().map_err(|told| told.to_string()), lock.lock())),
            },
            Self::Array(array) => {
                let part = random.below(3) as usize;
                match way {
                    0 => array.try_lock(part).into_iter().flatten().for_each(|mut it| it[3] = 7),
                    1 => drop(array.lock_timeout(part, MOMENT).map_err(LockError::recover)),
                    2 => drop(format!("{array:?}")),
                    _ => array.lock(part).unwrap_or_else(LockError::recover)[1] = 7,
                }
            }
            Self::Value(value) => match way {
                0 => drop(value.get()),
                1 => drop(value.wait_until(|five| five[0] == 7, MOMENT)),
                2 => drop(format!("{value:?}")),
                _ => value.update(|five| five[4] = five[4].wrapping_add(1)),
            },
            Self::Words(words) => match way {
                0 => words.sleep_while(1, 1, MOMENT),
                1 => drop(words.wake(1, 3)),
                _ => drop(format!("{words:?}")),
            },
            Self::Condition(condition) => match way {
                0 => drop(condition.try_lock().map_err(LockError::recover)),
                1 => drop(condition.lock_timeout(MOMENT).map(|guard| {
                    guard.map(|guard| (guard.notify(2), guard.notify_all()));
                })),
                2 => drop(format!("{condition:?}")),
                _ => {
                    let mut guard = condition.lock().unwrap_or_else(LockError::recover);
                    drop(guard.wait_timeout(MOMENT));
                }
            },
            Self::Event(event) => match way {
                0 => event.set(),
                1 => drop(event.wait_timeout(MOMENT)),
                2 => drop(format!("{event:?} {}", event.is_set())),
                _ => {
                    event.clear();
                    event.set();
                    event.wait();
                }
            },
            Self::Semaphore(semaphore) => match way {
                0 => drop((semaphore.try_acquire(), semaphore.try_acquire())),
                1 => drop((semaphore.acquire_timeout(MOMENT), semaphore.add(1))),
                2 => drop(format!("{semaphore:?} {}", semaphore.available())),
                _ => drop(semaphore.acquire()),
            },
            Self::Seat(seat) => match way {
                0 => drop(seat.wait_timeout(MOMENT)),
                1 => drop(format!("{seat:?} {}", seat.waiting())),
                2 => seat.abort(),
                _ => drop(seat.reset()),
            },
        }
    }
}

/// Makes one of this kind.
fn made(kind: u64) -> Shared {
    Shared::new(kind).unwrap()
}

/// Runs in the child.
fn use_once_there(mut shared: Shared) {
    let mut random = Random(5);
    (0..20).for_each(|_| shared.use_once(&mut random, false));
}

#[test]
fn what_processes_share_can_be_used_in_each_way_where_it_was_made_and_where_it_comes_to() {
    let _deadline = Deadline::seconds(120);
    for kind in 0..KINDS {
        let mut shared = made(kind);
        (0..20).for_each(|_| shared.use_once(&mut Random(1), true));
        ends_well(&start(use_once_there, shared));
    }
}

/// A task.
fn double(number: u64) -> u64 {
    2 * number
}

#[test]
fn what_processes_share_comes_to_the_workers_of_a_pool_by_their_initializer() {
    let _deadline = Deadline::seconds(120);
    // All but a seat, which is for one process.
    for kind in 0..KINDS - 1 {
        let pool = Pool::builder().processes(2).initializer(use_once_there, made(kind));
        let pool = pool.build().unwrap();
        assert_eq!(pool.map(double, 0..4).unwrap(), [0, 2, 4, 6], "{kind}");
    }
}

/// LOCK-B07
#[test]
fn what_processes_share_goes_only_into_the_arguments_of_a_new_process() {
    for kind in 0..KINDS {
        let shared = made(kind);
        for _ in 0..3 {
            let error = frame::encode(&shared, &mut Vec::new()).unwrap_err();
            let text = whole_text(&error);
            assert!(text.contains("the arguments of a new process"), "{kind}: {text}");
        }
    }
    // It has come to no harm.
    let array = Array::<u64>::new(3).unwrap();
    frame::encode(&array, &mut Vec::new()).unwrap_err();
    array.lock(0).unwrap()[2] = 1;
}

#[test]
fn words_of_absurd_numbers_are_an_error() {
    // Some of these would wrap to a few bytes; the first ones are files that can be, without the
    // memory to fill them.
    for count in [1 << 40, 1 << 47, 1 << 60, usize::MAX / 8 + 2, usize::MAX] {
        let error = Words::new(count).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory, "{count}: {error}");
        assert!(error.to_string().contains("there is no memory for"), "{count}: {error}");
    }
    assert_eq!(Words::new(0).map_or(0, |words| words.len()), 0);
}

/// Limits of a process, which Windows doesn't have.
#[cfg(unix)]
mod limits {
    use std::fs::File;
    use std::io::ErrorKind;

    use multiprocess::Process;
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use testing::alone;

    use super::*;

    tasks![below_a_limit_of_file_sizes, without_addresses, without_descriptors];

    /// Changes what of a resource this process may use; back by `None`.
    pub(super) fn limit(resource: Resource, most: Option<u64>) {
        let maximum = getrlimit(resource).maximum;
        let current = most.or(maximum);
        setrlimit(resource, Rlimit { current, maximum }).unwrap();
    }

    /// Runs in a process of its own. Nothing may be printed below the limit: the output may be a
    /// file.
    fn below_a_limit_of_file_sizes((): ()) {
        let _deadline = Deadline::seconds(120);
        let before = Array::<u64>::new(1 << 20).unwrap();
        for most in [0, 1, 4096, 1 << 18, 1 << 20] {
            limit(Resource::Fsize, Some(most));
            let array = Array::<u64>::new(1 << 20).map(drop);
            let small = Array::<u64>::new(10).map(drop);
            let lock = Lock::new().map(drop);
            let words = Words::new(1 << 20).map(drop);
            before.lock(0).unwrap().fill(most);
            limit(Resource::Fsize, None);
            for error in [array.unwrap_err(), words.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::FileTooLarge);
                assert!(error.to_string().contains("ulimit -f"), "{error}");
            }
            assert_eq!((small.is_ok(), lock.is_ok()), (most >= 1 << 20, most >= 1 << 20), "{most}");
            assert_eq!(before.lock(0).unwrap()[(1 << 20) - 1], most);
        }
        Array::<u64>::new(1 << 20).unwrap();
    }

    #[test]
    fn a_limit_of_file_sizes_is_an_error_and_no_signal() {
        alone(below_a_limit_of_file_sizes);
    }

    /// Runs in a process of its own.
    fn without_addresses((): ()) {
        let _deadline = Deadline::seconds(120);
        limit(Resource::As, Some(1 << 30));
        let most: Vec<Array<u64>> =
            std::iter::from_fn(|| Array::new(4 << 20).ok()).take(100).collect();
        assert!((5..40).contains(&most.len()), "{}", most.len());
        let error = Array::<u64>::new(16 << 20).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
        drop(most);
        Array::<u64>::new(4 << 20).unwrap();
    }

    #[test]
    fn without_addresses_new_is_an_error_and_what_it_has_taken_is_free_again() {
        alone(without_addresses);
    }

    /// Runs in a process of its own.
    fn without_descriptors((): ()) {
        let _deadline = Deadline::seconds(120);
        let mut random = Random(7);
        let mut shared: Vec<Shared> = (0..KINDS).map(made).collect();
        let mut all = Vec::new();
        let mut take_all = || all.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
        limit(Resource::Nofile, Some(40));
        take_all();
        for kind in 0..KINDS {
            let error = Shared::new(kind).err().unwrap();
            assert!(error.to_string().contains("Too many open files"), "{error}");
        }
        // What is there needs no more.
        for shared in &mut shared {
            (0..100).for_each(|_| shared.use_once(&mut random, false));
        }
        for shared in shared {
            let refused = Process::new(use_once_there, shared).start();
            let error = refused.unwrap_err();
            assert!(error.to_string().contains("Too many open files"), "{error}");
            take_all();
        }
        drop(all);
        for kind in 0..KINDS {
            ends_well(&start(use_once_there, made(kind)));
        }
    }

    #[test]
    fn without_descriptors_making_and_handing_over_fail_and_the_rest_works() {
        alone(without_descriptors);
    }
}

/// Signals that come while memory is being taken.
#[cfg(target_os = "linux")]
mod interrupted {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use testing::{Signal, alone, signal_thread, thread_id};

    use super::*;

    tasks![make_below_signals];

    /// Runs in a process of its own: a signal undoes what a call has taken.
    fn make_below_signals((): ()) {
        let _deadline = Deadline::seconds(120);
        let seen = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(Signal::USR1.as_raw(), Arc::clone(&seen)).unwrap();
        let (me, is_over) = (thread_id() as i32, AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    signal_thread(me, Signal::USR1);
                    thread::sleep(Duration::from_micros(100));
                }
            });
            for _ in 0..5 {
                let array = Array::<u64>::new(8 << 20).unwrap();
                assert!(array.lock(0).unwrap().iter().all(|value| *value == 0));
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert!(seen.load(Ordering::Relaxed));
    }

    #[test]
    fn signals_do_not_keep_memory_from_being_taken() {
        alone(make_below_signals);
    }
}

/// Memories that are damaged: on Linux one can open them.
#[cfg(target_os = "linux")]
mod damaged {
    use std::collections::BTreeSet;
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::PathBuf;
    use std::thread;

    use multiprocess::{Gate, Process, Waiting};
    use testing::alone;

    use super::*;

    tasks![
        damage_all_kinds,
        damage_each_word,
        damage_while_used,
        hand_over_the_damaged,
        let_two_threads_in,
        use_often,
    ];

    /// Highest number that a member of these tests has.
    const LIVING: u64 = 8;

    /// The memory of one thing, to be damaged.
    struct Memory {
        file: File,
        words: u64,
        /// Index of the first word behind those of the members.
        head: u64,
    }

    /// Lists the memories of this process.
    fn memories() -> BTreeSet<PathBuf> {
        let all = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
        let is_shared = |path: &PathBuf| {
            let target = fs::read_link(path).unwrap_or_default();
            target.to_str().unwrap().starts_with("/memfd:shared")
        };
        all.filter(is_shared).collect()
    }

    impl Memory {
        /// Makes a thing, and opens its memory.
        fn of(kind: u64) -> (Shared, Self) {
            let head = if kind == 4 { 0 } else { words_of(&opened(|| Lock::new().unwrap()).1) - 8 };
            let (shared, file) = opened(|| made(kind));
            let words = words_of(&file);
            (shared, Self { file, words, head })
        }

        fn set(&self, index: u64, value: u64) {
            self.file.write_all_at(&value.to_le_bytes(), 8 * index).unwrap();
        }

        /// Writes something into a word that matters. If `is_lock_free`, no word names a living
        /// process as a lock's holder.
        fn damage(&self, random: &mut Random, is_lock_free: bool) {
            let own = self.words - self.head;
            let index = match random.below(6) {
                _ if self.head == 0 => random.below(own),
                // Highest number and marks; the lines of the first members.
                0 => random.below(72),
                1 => 72 + random.below(8 * LIVING),
                _ => self.head + random.below(own),
            };
            self.set(index, any_value(random, is_lock_free));
        }
    }

    fn words_of(file: &File) -> u64 {
        file.metadata().unwrap().len() / 8
    }

    /// Makes something, and opens its memory once more.
    fn opened<T>(make: impl FnOnce() -> T) -> (T, File) {
        let before = memories();
        let made = make();
        let new = memories().difference(&before).next().unwrap().clone();
        (made, File::options().read(true).write(true).open(new).unwrap())
    }

    fn any_value(random: &mut Random, is_lock_free: bool) -> u64 {
        let value = match random.below(6) {
            0 => u64::MAX,
            1 => random.below(10),
            2 => 1 << random.below(64),
            // A lock's word: deaths, sleepers, holder.
            3 => random.below(1 << 19) << 13 | random.below(2) << 12 | random.below(LIVING),
            4 => random.next() << 32 | random.below(4096),
            _ => random.next(),
        };
        let names_a_living_one = (1..=LIVING).contains(&(value & 0xfff));
        if is_lock_free && names_a_living_one { value | 0xff0 } else { value }
    }

    /// Runs in a process of its own.
    fn damage_all_kinds((): ()) {
        let mut random = Random(0xBAD_C0DE);
        for round in 0..700 {
            let _deadline = Deadline::seconds(60);
            let is_lock_free = round % 2 == 0;
            let (mut shared, memory) = Memory::of(round % KINDS);
            for _ in 0..10 {
                for _ in 0..=random.below(4) {
                    memory.damage(&mut random, is_lock_free);
                }
                (0..3).for_each(|_| shared.use_once(&mut random, is_lock_free));
            }
        }
    }

    #[test]
    fn a_damaged_memory_makes_errors_but_no_crash_and_no_hang() {
        alone(damage_all_kinds);
    }

    /// Runs in a process of its own: one word after another, with several values.
    fn damage_each_word((): ()) {
        let mut random = Random(0x0DD);
        for kind in 0..KINDS {
            let _deadline = Deadline::seconds(120);
            let (mut shared, memory) = Memory::of(kind);
            let members = (0..72.min(memory.head)).chain(72..88.min(memory.head.max(72)));
            for index in members.chain(memory.head..memory.words.min(memory.head + 64)) {
                for value in [0, u64::MAX, 0xfff, 1 << 12, 1 << 13, random.next() | 0xff0] {
                    memory.set(index, value);
                    (0..3).for_each(|_| shared.use_once(&mut random, true));
                }
            }
        }
    }

    #[test]
    fn whichever_word_is_damaged_each_way_to_use_it_ends() {
        alone(damage_each_word);
    }

    /// Runs in a process of its own.
    fn let_two_threads_in((): ()) {
        let _deadline = Deadline::seconds(120);
        let (shared, memory) = Memory::of(2);
        let Shared::Array(array) = &shared else { unreachable!("it is an array") };
        for part in 0..3 {
            let lock = memory.head + 8 * part as u64;
            let mut mine = array.lock(part).unwrap();
            // As if it were free; then as if a dead process had it.
            for word in [0, 0xffe] {
                memory.set(lock, word);
                thread::scope(|scope| {
                    let try_it = || array.try_lock(part).map_or(true, |part| part.is_some());
                    assert!(!scope.spawn(try_it).join().unwrap());
                    memory.set(lock, word);
                    let wait = || array.lock_timeout(part, MOMENT).map_or(true, |it| it.is_some());
                    assert!(!scope.spawn(wait).join().unwrap());
                });
                memory.set(lock, word);
                let again = catch_unwind(AssertUnwindSafe(|| drop(array.lock(part))));
                assert!(
                    again.unwrap_err().downcast_ref::<String>().unwrap().contains("this thread")
                );
            }
            memory.set(lock, 0);
            thread::scope(|scope| {
                let other = scope.spawn(|| array.lock(part).unwrap_or_else(LockError::recover)[3]);
                thread::sleep(Duration::from_millis(5));
                assert!(!other.is_finished());
                mine[3] = 9;
                drop(mine);
                assert_eq!(other.join().unwrap(), 9);
            });
        }
    }

    #[test]
    fn two_threads_of_a_process_never_have_one_part_whatever_the_memory_says() {
        alone(let_two_threads_in);
    }

    /// Runs in the child: uses it while its parent damages the memory.
    fn use_often((mut shared, seed, waiting): (Shared, u64, Waiting)) {
        waiting.wait();
        let mut random = Random(seed);
        (0..300).for_each(|_| shared.use_once(&mut random, true));
    }

    /// Runs in a process of its own.
    fn damage_while_used((): ()) {
        let mut random = Random(0x5AD);
        for round in 0..3 * KINDS {
            let _deadline = Deadline::seconds(120);
            let (shared, memory) = Memory::of(round % KINDS);
            let (gate, waiting) = Gate::new().unwrap();
            let child = start(use_often, (shared, round + 1, waiting));
            gate.open();
            while child.is_alive() {
                memory.damage(&mut random, true);
            }
            ends_well(&child);
        }
    }

    #[test]
    fn a_memory_that_is_being_damaged_stops_no_process() {
        alone(damage_while_used);
    }

    /// Runs in a process of its own.
    fn hand_over_the_damaged((): ()) {
        let mut random = Random(0x6A7E);
        for round in 0..6 * KINDS {
            let _deadline = Deadline::seconds(120);
            let (shared, memory) = Memory::of(round % KINDS);
            for _ in 0..20 {
                memory.damage(&mut random, true);
            }
            let mut child = Process::new(use_once_there, shared);
            match child.start().and_then(|()| child.join()) {
                Ok(()) => assert_eq!(child.exitcode(), Some(0)),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn a_damaged_memory_can_be_handed_over_or_is_refused() {
        alone(hand_over_the_damaged);
    }
}
